//! What can be asked of a policy between its steps.
use sinew_inference::Engine;
use sinew_inference::manifest::{Fallback, OnMiss};

use super::Policy;
use crate::chunk::ChunkReading;
use crate::fault::{PolicyCounters, PolicyFault};

impl Policy {
    /// Control ticks from one run to the next.
    pub fn decimation(&self) -> u64 {
        self.decimation
    }

    /// Control ticks that the manifest wants from the state a run is computed from to the tick that uses it.
    pub fn latency_ticks(&self) -> u32 {
        self.latency_ticks
    }

    /// Wall time after which a run is late, ms; watched by whoever has a clock.
    pub fn deadline_ms(&self) -> f64 {
        self.deadline_ms
    }

    /// What one missed run does; watched by whoever has a clock.
    pub fn on_miss(&self) -> OnMiss {
        self.on_miss
    }

    /// Misses in a row that end the policy.
    pub fn misses_max(&self) -> u32 {
        self.misses_max
    }

    /// What follows a policy that is lost.
    pub fn fallback(&self) -> Fallback {
        self.fallback
    }

    /// True while observations are out of the range declared for as long as declared.
    pub fn is_out_of_range(&self) -> bool {
        self.inputs.iter().any(|(_, input)| input.is_out_of_range())
    }

    /// Runs in which too many values of an input were outside their range, however short.
    pub fn runs_outside(&self) -> u64 {
        self.inputs.iter().map(|(_, input)| input.runs_outside()).sum()
    }

    /// Age of the chunk in force, and whether it has ended; `None` for a policy without chunks.
    pub fn chunk(&self) -> Option<ChunkReading> {
        self.action.reading()
    }

    /// The engine's tensor `name` as the last run saw it.
    pub fn input(&mut self, name: &str) -> Option<&[f32]> {
        let at = self.engine.io().input_index(name)?;
        Some(self.engine.input_mut(at))
    }

    /// Names of the robot's joints, in the order of the frames it reads and writes.
    pub fn robot_joints(&self) -> &[String] {
        self.map.robot_joints()
    }

    /// Names of the robot's feet, in the order of its contact values.
    pub fn robot_feet(&self) -> &[String] {
        &self.feet
    }

    /// Number by which control calls it.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The number frames carry for its model.
    pub fn model_hash(&self) -> u32 {
        self.model_hash
    }

    /// The name its manifest gives the model.
    pub fn model_name(&self) -> &str {
        &self.model_name
    }

    /// Engine and provider.
    pub fn engine_name(&self) -> &str {
        self.engine.name()
    }

    /// What runs its graph.
    pub fn engine(&self) -> &dyn Engine {
        self.engine.as_ref()
    }

    /// Why there are no targets, while there are none.
    pub fn fault(&self) -> Option<&PolicyFault> {
        self.fault.as_ref()
    }

    /// What was counted.
    pub fn counters(&self) -> PolicyCounters {
        self.counters
    }
}
