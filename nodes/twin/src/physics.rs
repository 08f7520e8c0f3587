//! What the twin asks of a physics engine, and nothing more: torques in, motion and contacts out.
//!
//! Joints and feet are numbered in the order in which the caller named them when the engine was built; an
//! engine that cannot find a name refuses to be built. A foot named by a site is all collision shapes of the site's
//! body. World frame: z up, ground at z = 0. Body frame of the
//! base: x forward, y left, z up. Every implementation passes `tests/conformance.rs`.

/// Standard gravity of every engine, m/s^2, along -z of the world.
pub const GRAVITY_M_S2: f64 = 9.81;

/// Pose of the base body's origin in the world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BasePose {
    /// Position of the base's origin, world frame, m.
    pub position_m: [f64; 3],
    /// Orientation (w, x, y, z), base in world, unit length.
    pub orientation: [f64; 4],
}

/// Pose and twist of the base body as the engine knows them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BaseTruth {
    /// Position of the base's origin, world frame, m.
    pub position_m: [f64; 3],
    /// Orientation (w, x, y, z), base in world.
    pub orientation: [f64; 4],
    /// Velocity of the base's origin, world frame, m/s.
    pub linear_velocity_m_s: [f64; 3],
    /// Angular velocity, body frame, rad/s.
    pub angular_velocity_rad_s: [f64; 3],
}

/// One foot as the engine knows it, from the last step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FootTruth {
    /// The foot's site (or the centre of the geom that was named), world frame, m.
    pub position_m: [f64; 3],
    /// Sum of the normal contact forces on the foot's shapes, N.
    pub force_n: f64,
    /// Whether the foot carries any load.
    pub contact: bool,
}

/// A physics engine with one robot standing on flat ground.
///
/// All state is set through [`Physics::set_state`]; velocities start at zero. `step` takes the torque on each
/// joint (output side, N m), holds it for `dt_s`, and never allocates in our own code. A torque that is not
/// finite counts as zero: the drives, not the engine, answer for what they deliver.
pub trait Physics: Send {
    /// Engine name for reports.
    fn name(&self) -> &'static str;
    /// How many joints are driven, in the caller's order.
    fn joint_count(&self) -> usize;
    /// How many feet were named.
    fn foot_count(&self) -> usize;
    /// Put the robot somewhere, at rest.
    ///
    /// # Errors
    /// [`StateError`] when the number of joints is wrong or a value is not finite; nothing is changed then.
    fn set_state(&mut self, base: &BasePose, q_rad: &[f64]) -> Result<(), StateError>;
    /// Advance by `dt_s` with the torques held; missing torques count as zero.
    fn step(&mut self, torques_nm: &[f64], dt_s: f64);
    /// Angle (rad) and rate (rad/s) of joint `i`; zeros for a joint that does not exist.
    fn joint_state(&self, i: usize) -> (f64, f64);
    /// Pose and twist of the base.
    fn base(&self) -> BaseTruth;
    /// Foot `i` after the last step; the default for a foot that does not exist.
    fn foot(&self, i: usize) -> FootTruth;
    /// Whether anything but feet of the base body touches something: the robot lies on its trunk.
    fn trunk_contact(&self) -> bool;
    /// Sum of the normal forces on everything that touches, N.
    fn contact_force_n(&self) -> f64;
    /// Change the velocity of the whole robot at once, world frame, m/s.
    fn push(&mut self, delta_v_m_s: [f64; 3]);
    /// External force (N) and torque (N m) on the base in every step from now on, world frame, the force acting at the
    /// base's origin; zeros take it away. Values that are not finite count as zero.
    fn set_base_wrench(&mut self, force_n: [f64; 3], torque_nm: [f64; 3]);
    /// One Coulomb coefficient for every contact from now on; negative or non-finite values count as zero.
    fn set_friction(&mut self, mu: f64);
    /// Mass carried at the trunk's centre of mass, kg; replaces the payload carried before.
    fn set_payload(&mut self, kg: f64);
    /// Mass of the robot with its payload, kg.
    fn mass_kg(&self) -> f64;
    /// Feed the bits of the whole state (base and joints, positions and velocities) to `sink`, in a fixed
    /// order: equal bits mean equal futures under equal torques.
    fn state_bits(&self, sink: &mut dyn FnMut(&[u8]));
}

/// Why [`Physics::set_state`] refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StateError {
    /// The number of joint angles differs from the number of joints.
    #[error(
        "set_state: {found} joint angles given, expected {expected}: pass one per named joint, in that order"
    )]
    JointCount {
        /// Angles given.
        found: usize,
        /// Joints of the engine.
        expected: usize,
    },
    /// A value is NaN or infinite, or the quaternion has no length.
    #[error("set_state: {field} is {found}, expected a finite number{hint}")]
    NotFinite {
        /// Which value.
        field: &'static str,
        /// What it was.
        found: f64,
        /// How to mend it.
        hint: &'static str,
    },
}

/// Check a pose and angles before an engine takes them.
///
/// # Errors
/// See [`StateError`].
pub fn check_state(base: &BasePose, q_rad: &[f64], joints: usize) -> Result<(), StateError> {
    if q_rad.len() != joints {
        return Err(StateError::JointCount { found: q_rad.len(), expected: joints });
    }
    let not_finite = |field, found| StateError::NotFinite { field, found, hint: "" };
    if let Some(x) = base.position_m.iter().find(|x| !x.is_finite()) {
        return Err(not_finite("base position", *x));
    }
    if let Some(x) = q_rad.iter().find(|x| !x.is_finite()) {
        return Err(not_finite("joint angle", *x));
    }
    let length = base.orientation.iter().map(|x| x * x).sum::<f64>().sqrt();
    if !length.is_finite() || (length - 1.0).abs() > 1e-3 {
        return Err(StateError::NotFinite {
            field: "length of the base quaternion (w, x, y, z)",
            found: length,
            hint: " within 0.001 of 1: normalise it",
        });
    }
    Ok(())
}
