//! How each state of the robot moves the joints.
use arrayvec::ArrayVec;
use sinew_estimator::{Estimate, Foot, MAX_FEET};
use sinew_wire::{ActuatorState, JointCommand, MAX_JOINTS, RobotMode};

use crate::blend::Blend;
use crate::config::ControlConfig;
use crate::posture::Move;
use crate::stand::{StandController, StandView};

/// Time over which a policy's targets replace Stand's, s.
const POLICY_BLEND_S: f32 = 0.25;
/// Shortest time in which Stand takes over from a walking policy, s: about half a step.
const CATCH_S: f64 = 0.3;
/// Speed allowed to the joints in that hand-over, rad/s.
const CATCH_SPEED_RAD_S: f64 = 8.0;
/// A joint this far from the lying posture is folded first, rad.
const FOLDED_RAD: f64 = 0.3;
const FOLD_S: f64 = 1.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Folding the legs under the body, before standing up.
    Fold,
    /// On the way to the final posture.
    Go,
}

/// The mover of all joints.
#[derive(Debug)]
pub struct Motion {
    stand: StandController,
    travel: Move,
    phase: Phase,
    blend: Blend,
    /// What was sent last, to blend from.
    last: ArrayVec<JointCommand, MAX_JOINTS>,
    from: ArrayVec<JointCommand, MAX_JOINTS>,
}

fn measured(state: &ActuatorState) -> impl Iterator<Item = f64> + '_ {
    state.joints.iter().map(|j| f64::from(j.q_rad))
}

impl Motion {
    pub fn new(config: &ControlConfig) -> Self {
        Self {
            stand: StandController::new(config.stand, config.mass_kg, &config.stand_posture_rad, &config.legs),
            travel: Move::default(),
            phase: Phase::Go,
            blend: Blend::done(),
            last: ArrayVec::new(),
            from: ArrayVec::new(),
        }
    }

    /// Prepares for `next`, from the measured posture.
    pub fn enter(&mut self, before: RobotMode, next: RobotMode, state: &ActuatorState, config: &ControlConfig) {
        let (lie, speed) = (&config.lie_posture_rad, config.move_speed_rad_s);
        self.phase = Phase::Go;
        match next {
            RobotMode::StandUp => {
                self.stand.reset();
                let folded = measured(state).zip(lie).all(|(q, lie)| (q - lie).abs() < FOLDED_RAD);
                if folded {
                    self.travel.begin(measured(state), self.stand.posture_rad(), speed, config.stand_up_s);
                } else {
                    self.phase = Phase::Fold;
                    self.travel.begin(measured(state), lie, speed, FOLD_S);
                }
            }
            RobotMode::Stand if before == RobotMode::Policy => {
                self.stand.reset();
                self.travel.begin(measured(state), self.stand.posture_rad(), CATCH_SPEED_RAD_S, CATCH_S);
            }
            RobotMode::LieDown => {
                self.travel.begin(measured(state), lie, speed, config.lie_down_s);
            }
            RobotMode::Policy => {
                self.from = self.last.clone();
                self.blend = Blend::over(POLICY_BLEND_S);
            }
            _ => {}
        }
    }

    /// The move of StandUp or LieDown has ended.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Go && self.travel.is_done()
    }

    /// Remembers what was sent.
    pub fn sent(&mut self, commands: &[JointCommand]) {
        self.last.clear();
        self.last.extend(commands.iter().copied().take(MAX_JOINTS));
    }

    /// Joint commands of this tick for `mode`.
    #[allow(clippy::too_many_arguments)] // one call per tick; a struct of borrowed fields would only rename them
    pub fn step(
        &mut self,
        mode: RobotMode,
        config: &ControlConfig,
        targets: &[JointCommand],
        feet: &[Foot],
        estimate: &Estimate,
        dt_s: f64,
        out: &mut ArrayVec<JointCommand, MAX_JOINTS>,
    ) {
        match mode {
            RobotMode::Off => {
                out.clear();
                out.extend(config.limits.joints.iter().map(|_| JointCommand::default()));
            }
            RobotMode::Damping | RobotMode::FaultStop | RobotMode::EStop => {
                out.clear();
                out.extend(config.limits.joints.iter().map(|l| l.safe_command()));
            }
            RobotMode::StandUp => {
                self.travel.step(dt_s);
                if self.phase == Phase::Fold && self.travel.is_done() {
                    self.phase = Phase::Go;
                    let from: ArrayVec<f64, MAX_JOINTS> = config.lie_posture_rad.iter().copied().collect();
                    let posture = self.stand.posture_rad();
                    self.travel.begin(from.into_iter(), posture, config.move_speed_rad_s, config.stand_up_s);
                }
                let load = if self.phase == Phase::Go { self.travel.share() } else { 0.0 };
                self.along(config, estimate, load, out);
            }
            RobotMode::Stand => {
                self.travel.step(dt_s);
                let positions: ArrayVec<[f64; 3], MAX_FEET> = feet.iter().map(|f| f.position_m).collect();
                if self.travel.is_done() {
                    let view =
                        StandView { projected_gravity: estimate.projected_gravity, feet_m: &positions };
                    self.stand.step(&config.legs, &view, dt_s);
                    self.stand.command(&config.legs, estimate.projected_gravity, 1.0, out);
                } else {
                    self.along(config, estimate, 1.0, out);
                }
            }
            RobotMode::LieDown => {
                self.travel.step(dt_s);
                let load = 1.0 - self.travel.share();
                self.along(config, estimate, load, out);
            }
            RobotMode::Policy => {
                self.blend.step(dt_s as f32);
                out.clear();
                for (i, target) in targets.iter().enumerate().take(MAX_JOINTS) {
                    let from = self.from.get(i).unwrap_or(target);
                    out.push(self.blend.mix(from, target));
                }
            }
        }
    }

    /// The travel's waypoint with stand gains, carrying `load` of the weight.
    fn along(
        &self,
        config: &ControlConfig,
        estimate: &Estimate,
        load: f64,
        out: &mut ArrayVec<JointCommand, MAX_JOINTS>,
    ) {
        self.stand.command(&config.legs, estimate.projected_gravity, load, out);
        for (i, command) in out.iter_mut().enumerate() {
            let waypoint = self.travel.waypoint(i);
            command.q_rad = waypoint.q_rad as f32;
            command.dq_rad_s = waypoint.dq_rad_s as f32;
        }
    }
}
