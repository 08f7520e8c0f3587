//! How each state of the robot moves the joints.
use arrayvec::ArrayVec;
use sinew_estimator::{Estimate, Foot, MAX_FEET};
use sinew_wire::{ActuatorState, JointCommand, JointMode, MAX_JOINTS, RobotMode};

use crate::blend::Blend;
use crate::config::ControlConfig;
use crate::posture::Move;
use crate::stand::{StandController, StandView};

/// Time over which a policy's targets replace Stand's, s.
const POLICY_BLEND_S: f32 = 0.25;
/// Time over which any other hand-over between two moves takes place, s.
const HAND_OVER_S: f32 = 0.1;
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
    /// Where the joints were when this state began, rad: what a policy leaves alone stays there.
    hold_rad: ArrayVec<f32, MAX_JOINTS>,
    /// The policy's joints are damped until its next output.
    damped: bool,
}

fn measured(state: &ActuatorState) -> impl Iterator<Item = f64> + '_ {
    state.joints.iter().map(|j| f64::from(j.q_rad))
}

impl Motion {
    pub fn new(config: &ControlConfig) -> Self {
        Self {
            stand: StandController::new(
                config.stand,
                config.mass_kg,
                config.centre_of_mass_m,
                &config.stand_posture_rad,
                &config.legs,
            ),
            travel: Move::default(),
            phase: Phase::Go,
            blend: Blend::done(),
            last: ArrayVec::new(),
            from: ArrayVec::new(),
            hold_rad: ArrayVec::new(),
            damped: false,
        }
    }

    /// Damps the policy's joints in place of its targets; what comes after is blended in as after any other move.
    pub fn damp(&mut self, damped: bool) {
        if self.damped && !damped {
            self.from.clone_from(&self.last);
            self.blend = Blend::over(HAND_OVER_S);
        }
        self.damped = damped;
    }

    /// Prepares for `next`, from where the joints were told to be, or are if nobody told them.
    pub fn enter(
        &mut self,
        before: RobotMode,
        next: RobotMode,
        state: &ActuatorState,
        config: &ControlConfig,
    ) {
        let (lie, speed) = (&config.lie_posture_rad, config.move_speed_rad_s);
        let from: ArrayVec<f64, MAX_JOINTS> = measured(state)
            .enumerate()
            .map(|(i, q_rad)| match self.last.get(i) {
                Some(last) if last.mode() == JointMode::Impedance => f64::from(last.q_rad),
                _ => q_rad,
            })
            .collect();
        self.phase = Phase::Go;
        self.damped = false;
        self.from = self.last.clone();
        self.hold_rad = from.iter().map(|q_rad| *q_rad as f32).collect();
        self.blend = match (before, next) {
            (_, RobotMode::Policy) => Blend::over(POLICY_BLEND_S),
            // The travel ends in Stand's own posture.
            (RobotMode::StandUp, RobotMode::Stand) => Blend::done(),
            _ => Blend::over(HAND_OVER_S),
        };
        match next {
            RobotMode::StandUp => {
                self.stand.reset();
                let folded = measured(state).zip(lie).all(|(q, lie)| (q - lie).abs() < FOLDED_RAD);
                if folded {
                    self.travel.begin(from.into_iter(), self.stand.posture_rad(), speed, config.stand_up_s);
                } else {
                    self.phase = Phase::Fold;
                    self.travel.begin(from.into_iter(), lie, speed, FOLD_S);
                }
            }
            RobotMode::Stand if before == RobotMode::Policy => {
                self.stand.reset();
                self.travel.begin(
                    measured(state),
                    self.stand.posture_rad(),
                    CATCH_SPEED_RAD_S,
                    config.catch_s,
                );
            }
            RobotMode::LieDown => {
                self.travel.begin(from.into_iter(), lie, speed, config.lie_down_s);
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
        self.blend.step(dt_s as f32);
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
                self.along(estimate, load, out);
            }
            RobotMode::Stand => {
                self.travel.step(dt_s);
                let positions: ArrayVec<[f64; 3], MAX_FEET> = feet.iter().map(|f| f.position_m).collect();
                if self.travel.is_done() {
                    let view =
                        StandView { projected_gravity: estimate.projected_gravity, feet_m: &positions };
                    self.stand.step(&view, dt_s);
                    self.stand.command(estimate.projected_gravity, 1.0, out);
                } else {
                    self.along(estimate, 1.0, out);
                }
            }
            RobotMode::LieDown => {
                self.travel.step(dt_s);
                let load = 1.0 - self.travel.share();
                self.along(estimate, load, out);
            }
            RobotMode::Policy => {
                out.clear();
                out.extend(
                    targets
                        .iter()
                        .enumerate()
                        .take(MAX_JOINTS)
                        .map(|(i, target)| self.held(config, i, target)),
                );
            }
        }
        let limp =
            matches!(mode, RobotMode::Off | RobotMode::Damping | RobotMode::FaultStop | RobotMode::EStop);
        // Stiffness is lost at once: what was in force before has no share in damped joints.
        if !limp && !self.damped {
            for (from, command) in self.from.iter().zip(out.iter_mut()) {
                *command = self.blend.mix(from, command);
            }
        }
    }

    /// A joint that the policy leaves alone is held where it was when the policy began, through damped misses too.
    fn held(&self, config: &ControlConfig, joint: usize, target: &JointCommand) -> JointCommand {
        let left_alone = self.hold_rad.get(joint).filter(|_| target.mode() == JointMode::Disabled);
        if self.damped {
            // An impedance without stiffness, so that it can be blended from.
            let kd = config.limits.joints.get(joint).map_or(target.kd, |l| l.safe_command().kd);
            return JointCommand::impedance(*left_alone.unwrap_or(&target.q_rad), 0.0, 0.0, 0.0, kd);
        }
        left_alone.map_or(*target, |q_rad| {
            JointCommand::impedance(*q_rad, 0.0, 0.0, config.stand.kp as f32, config.stand.kd as f32)
        })
    }

    /// The travel's waypoint with stand gains, carrying `load` of the weight.
    fn along(&self, estimate: &Estimate, load: f64, out: &mut ArrayVec<JointCommand, MAX_JOINTS>) {
        self.stand.command(estimate.projected_gravity, load, out);
        for (i, command) in out.iter_mut().enumerate() {
            let waypoint = self.travel.waypoint(i);
            command.q_rad = waypoint.q_rad as f32;
            command.dq_rad_s = waypoint.dq_rad_s as f32;
        }
    }
}
