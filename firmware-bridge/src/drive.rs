//! One drive as the bridge sees it: joint units outside, drive units inside.
use sinew_bus::{CanFrame, CanId};
use sinew_devices::damiao::{self, Feedback};
use sinew_devices::mit::MitCommand;
use sinew_wire::{JointCommand, JointMode, JointState};

use crate::config::DrivePlan;

/// What noise and a reply stamped at the edge of its cycle may add to a step of the encoder, rad.
const ENCODER_SLACK_RAD: f32 = 0.05;

/// State of one drive between cycles.
#[derive(Clone, Debug)]
pub struct Drive {
    pub plan: DrivePlan,
    pub state: JointState,
    /// Cycles without a reply, in a row.
    pub missing: u32,
    /// This cycle's reply came before the cutoff.
    pub on_time: bool,
    /// The drive says its output stage is on.
    pub enabled: bool,
    /// What the last frame to it asked for, joint side: what the joint is doing now.
    pub sent: JointCommand,
    /// The last reply is farther from the one before than the drive can turn: one of them was not true.
    pub jumped: bool,
    /// Farthest the joint can turn in one cycle, rad.
    turn_max_rad: f32,
    /// `state` holds a reply of a time that is known.
    known: bool,
}

impl Drive {
    pub fn new(plan: DrivePlan, period_ns: u64) -> Self {
        Self {
            plan,
            state: JointState::default(),
            missing: 0,
            on_time: false,
            enabled: false,
            sent: JointCommand::default(),
            jumped: false,
            turn_max_rad: (plan.scaling.v_max_rad_s / plan.gear * period_ns as f64 * 1e-9) as f32,
            known: false,
        }
    }

    /// The bridge has not listened for a while: how far the joint has turned since is anybody's guess.
    pub fn forget(&mut self) {
        self.known = false;
    }

    /// Switched off although nobody asked for it and no fault says why: it has lost its supply, or was reset.
    pub fn is_off(&self) -> bool {
        self.state.valid == 1 && !self.enabled
    }

    /// A joint command in the drive's own units and bytes. Out of range values saturate in the codec; the guard
    /// has been there before.
    pub fn command(&self, command: &JointCommand) -> Option<CanFrame> {
        let gear = f64::from(self.plan.sign) * self.plan.gear;
        let mut drive = MitCommand {
            q_rad: (f64::from(command.q_rad) - self.plan.offset_rad) * gear,
            dq_rad_s: f64::from(command.dq_rad_s) * gear,
            kp: f64::from(command.kp) / (self.plan.gear * self.plan.gear),
            kd: f64::from(command.kd) / (self.plan.gear * self.plan.gear),
            tau_nm: f64::from(command.tau_nm) / gear,
        };
        match command.mode() {
            JointMode::Impedance => {}
            // What does not count is not sent: nobody has guarded it.
            JointMode::Torque => drive = MitCommand { tau_nm: drive.tau_nm, ..MitCommand::default() },
            JointMode::Disabled => drive = MitCommand::default(),
            // Position, velocity and brake are not modes of this family; the mode set has refused them, and if
            // one came through all the same the joint is damped.
            JointMode::Damping | JointMode::Position | JointMode::Velocity | JointMode::Brake => {
                drive = MitCommand { kd: drive.kd, ..MitCommand::default() };
            }
        }
        damiao::command(self.plan.id, &self.plan.scaling, &drive).ok()
    }

    /// Takes a reply; true when it was this drive's.
    pub fn take(&mut self, frame: &CanFrame, age_us: u32) -> bool {
        if frame.id() != CanId::Standard(self.plan.master_id) {
            return false;
        }
        let Ok(feedback) = damiao::decode_feedback(&self.plan.scaling, frame.payload()) else { return false };
        if u16::from(feedback.id) != self.plan.id & 0xf
            || damiao::is_register_reply(self.plan.id, frame.payload())
        {
            return false;
        }
        self.absorb(&feedback, age_us);
        true
    }

    fn absorb(&mut self, feedback: &Feedback, age_us: u32) {
        let gear = f64::from(self.plan.sign) * self.plan.gear;
        self.enabled = feedback.enabled();
        let q_rad = (feedback.q_rad / gear + self.plan.offset_rad) as f32;
        // A reply taken a cycle late may be two periods from its neighbour.
        let cycles = self.missing.saturating_add(2).min(1000) as f32;
        let most_rad = self.turn_max_rad * cycles + ENCODER_SLACK_RAD;
        self.jumped = self.known && (q_rad - self.state.q_rad).abs() > most_rad;
        self.known = true;
        self.state = JointState {
            q_rad,
            dq_rad_s: (feedback.dq_rad_s / gear) as f32,
            tau_nm: (feedback.tau_nm * gear) as f32,
            temperature_c: f32::from(feedback.t_rotor_c.max(feedback.t_mos_c)),
            age_us,
            mode: self.sent.mode,
            fault: feedback.fault().map_or(0, |fault| fault.nibble()),
            valid: 1,
            reserved: 0,
        };
        self.missing = 0;
        self.on_time |= age_us == 0;
    }

    /// A cycle begins: nothing is heard of it yet.
    pub fn begin(&mut self) {
        self.state.valid = 0;
        self.on_time = false;
    }

    /// A cycle of `period_us` ends; without a reply the last one is a period older.
    pub fn finish(&mut self, period_us: u32) {
        if self.state.valid == 0 {
            self.missing = self.missing.saturating_add(1);
            self.state.age_us = self.state.age_us.saturating_add(period_us);
        }
    }
}
