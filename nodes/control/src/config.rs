//! What control needs of a robot, read off the description once.
use sinew_guard::Limits;
use sinew_robot::{Leg, OnLoss, Robot};
use sinew_wire::robot_id;

use crate::arbiter::MotionSource;
use crate::degrade::{Degrade, MISSED_MAX_NS};
pub use crate::policy_slots::PolicyTiming;

/// Gains of standing and of the moves to and from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StandGains {
    /// N m/rad.
    pub kp: f64,
    /// N m s/rad.
    pub kd: f64,
}

/// Share of a standing foot's load at which a foot in the air counts as standing, and below which a standing one counts
/// as lifted.
const CONTACT_ON_SHARE: f64 = 0.53;
const CONTACT_OFF_SHARE: f64 = 0.40;
/// Standard gravity, m/s^2.
pub(crate) const GRAVITY_M_S2: f64 = 9.81;

/// Control's share of a robot description, and who may move it.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// [`sinew_wire::robot_id`] of the robot's name.
    pub robot: u32,
    pub boot_id: u32,
    pub calibration_id: u32,
    pub limits: Limits,
    /// Shown to the bridge when arming: the limits, and the names, order and wiring of the joints behind them
    /// ([`Limits::hash`] xor [`Robot::limits_hash`]). Both sides form it alike, so that a swapped joint is refused.
    pub limits_hash: u64,
    pub legs: Vec<Leg>,
    pub mass_kg: f64,
    /// Centre of mass in the standing posture, base frame, m.
    pub centre_of_mass_m: [f64; 3],
    /// Inertial sensors that sit where the first one does: only these can stand in for it.
    pub imus: Vec<usize>,
    /// rad, in the robot's joint order.
    pub stand_posture_rad: Vec<f64>,
    /// rad, in the robot's joint order.
    pub lie_posture_rad: Vec<f64>,
    pub stand: StandGains,
    pub stand_up_s: f64,
    pub lie_down_s: f64,
    /// Shortest time in which Stand takes over from a policy, s: about half a step.
    pub catch_s: f64,
    /// Tilt beyond which the robot goes to Damping, rad.
    pub tilt_limit_rad: f64,
    pub battery_warn_v: f64,
    pub battery_min_v: f64,
    /// Speed no joint exceeds in a move between postures, rad/s.
    pub move_speed_rad_s: f64,
    /// Largest velocity command, m/s, m/s, rad/s.
    pub command_max: [f32; 3],
    /// Ramp of the velocity command, m/s^2, m/s^2, rad/s^2.
    pub command_rate: [f32; 3],
    /// Largest distance of a policy's first target from the measured position, rad.
    pub first_action_max_rad: f32,
    /// Time a policy is given to stop at zero velocity before it is left on request, s.
    pub stop_first_s: f64,
    /// What follows when a policy is lost.
    pub on_policy_loss: OnLoss,
    /// By policy number.
    pub policies: Vec<PolicyTiming>,
    /// By policy number; one that is left out has the default.
    pub degrades: Vec<Degrade>,
    pub sources: Vec<MotionSource>,
    pub estimator: sinew_estimator::Config,
}

/// Why control cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    #[error("estimator: {0}")]
    Estimator(String),
    #[error(
        "{what}: expected one value per joint ({joints}), found {found}; complete the posture in robot.yaml"
    )]
    Posture { what: &'static str, joints: usize, found: usize },
    #[error("legs: expected 1 to {most}, found {found}")]
    Legs { most: usize, found: usize },
    #[error("limits: {0}")]
    Limits(String),
    #[error("policy {policy}: {field} must be at least 1")]
    Policy { policy: usize, field: &'static str },
    #[error(
        "policy {policy}: latency_ticks: found {found}, allowed are {allowed} for runs every {decimation} ticks, \
         of whose outputs no more can wait at once; lower latency_ticks or rate_hz"
    )]
    Latency { policy: usize, found: u64, allowed: u64, decimation: u64 },
    #[error(
        "policy {policy}: misses_max: {found} missed runs are {found_ms} ms without a new target, allowed are \
         {allowed_ms} ms; lower misses_max or raise rate_hz in the policy's manifest"
    )]
    Misses { policy: usize, found: u32, found_ms: u64, allowed_ms: u64 },
}

impl ControlConfig {
    /// Values of `robot`, named `name` in frames, guarded by `limits`.
    #[must_use]
    pub fn new(robot: &Robot, name: &str, boot_id: u32, limits: Limits) -> Self {
        let imu_position_m = robot.imus.first().map_or([0.0; 3], |imu| imu.base_from_imu.position_m);
        let load_n = robot.total_mass_kg() * GRAVITY_M_S2 / robot.feet.len().max(1) as f64;
        let estimator = sinew_estimator::Config {
            foot_radius_m: robot.feet.first().map_or(0.0, |f| f.radius_m),
            imu_position_m,
            contact_on_n: CONTACT_ON_SHARE * load_n,
            contact_off_n: CONTACT_OFF_SHARE * load_n,
            ..Default::default()
        };
        Self {
            robot: robot_id(name),
            boot_id,
            calibration_id: 0,
            limits_hash: limits.hash ^ robot.limits_hash,
            limits,
            legs: robot.legs.clone(),
            mass_kg: robot.total_mass_kg(),
            centre_of_mass_m: robot.centre_of_mass_m(&robot.postures.stand.q_rad),
            imus: (0..robot.imus.len())
                .filter(|i| {
                    robot.imus.get(*i).is_some_and(|imu| imu.base_from_imu.position_m == imu_position_m)
                })
                .collect(),
            stand_posture_rad: robot.postures.stand.q_rad.clone(),
            lie_posture_rad: robot.postures.lie.q_rad.clone(),
            stand: StandGains { kp: robot.stand.kp, kd: robot.stand.kd },
            stand_up_s: robot.stand.stand_up_s,
            lie_down_s: robot.stand.lie_down_s,
            catch_s: robot.stand.catch_s,
            tilt_limit_rad: robot.protection.tilt_limit_rad,
            battery_warn_v: robot.protection.battery.voltage_warn_v,
            battery_min_v: robot.protection.battery.voltage_min_v,
            move_speed_rad_s: 3.0,
            command_max: [1.2, 0.5, 1.0],
            command_rate: [4.0, 4.0, 8.0],
            first_action_max_rad: 0.8,
            stop_first_s: robot.policy.stop_first_ns as f64 * 1e-9,
            on_policy_loss: robot.policy.on_loss,
            policies: Vec::new(),
            degrades: Vec::new(),
            sources: Vec::new(),
            estimator,
        }
    }

    /// Checks what the tick relies on.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self) -> Result<(), ConfigError> {
        let joints = self.limits.joints.len();
        for (what, found) in
            [("postures.stand", self.stand_posture_rad.len()), ("postures.lie", self.lie_posture_rad.len())]
        {
            if found != joints {
                return Err(ConfigError::Posture { what, joints, found });
            }
        }
        let most = sinew_estimator::MAX_FEET;
        if self.legs.is_empty() || self.legs.len() > most {
            return Err(ConfigError::Legs { most, found: self.legs.len() });
        }
        for (policy, timing) in self.policies.iter().enumerate() {
            for (field, value) in [("decimation", timing.decimation), ("latency_ticks", timing.latency_ticks)]
            {
                if value == 0 {
                    return Err(ConfigError::Policy { policy, field });
                }
            }
            let (found, allowed) = (timing.latency_ticks, timing.latency_ticks_max());
            if found > allowed {
                return Err(ConfigError::Latency { policy, found, allowed, decimation: timing.decimation });
            }
        }
        if let Some(policy) = self.degrades.iter().position(|d| d.misses_max == 0) {
            return Err(ConfigError::Policy { policy, field: "misses_max" });
        }
        for (policy, timing) in self.policies.iter().enumerate() {
            let found = self.degrade(policy).misses_max;
            let run_ns = timing.decimation.saturating_mul(self.limits.timing.period_ns);
            let found_ns = run_ns.saturating_mul(u64::from(found));
            if found_ns > MISSED_MAX_NS {
                let [found_ms, allowed_ms] = [found_ns, MISSED_MAX_NS].map(|ns| ns.div_ceil(1_000_000));
                return Err(ConfigError::Misses { policy, found, found_ms, allowed_ms });
            }
        }
        self.limits.check().map_err(|e| ConfigError::Limits(e.to_string()))
    }

    /// What `policy` declares for missed outputs.
    pub(crate) fn degrade(&self, policy: usize) -> Degrade {
        self.degrades.get(policy).copied().unwrap_or_default()
    }
}
