//! All limits of one bridge, and the hash by which two processes know that they enforce the same ones.
use arrayvec::ArrayVec;
use sinew_wire::MAX_JOINTS;

use crate::joint_limits::JointLimits;
use crate::timing::{Timing, TimingError};

/// Limits of every joint of a bridge, in the robot's joint order, and the ladder's times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    pub joints: ArrayVec<JointLimits, MAX_JOINTS>,
    pub timing: Timing,
    /// The first command after arming must lie this near to the measured position, rad.
    pub start_epsilon_rad: f32,
    /// [`Self::content_hash`] as of [`Self::seal`]; both sides compare it when arming.
    pub hash: u64,
}

/// Limits that cannot be enforced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LimitsError {
    /// A robot without joints needs no guard.
    NoJoints,
    /// A field of a joint.
    Field {
        joint: usize,
        field: &'static str,
        found: f32,
        expected: &'static str,
    },
    /// The joint can do nothing.
    NoMode {
        joint: usize,
    },
    /// A joint that can push must be able to damp.
    NoDamping {
        joint: usize,
    },
    Timing(TimingError),
    /// Must be finite and above 0.
    StartEpsilon {
        found: f32,
    },
    /// A field was changed after sealing.
    Hash {
        expected: u64,
        found: u64,
    },
}

impl core::fmt::Display for LimitsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoJoints => f.write_str("limits: no joint; expected 1 to 64"),
            Self::Field { joint, field, found, expected } => {
                write!(f, "joint {joint}: {field}: expected {expected}, found {found}")
            }
            Self::NoMode { joint } => write!(f, "joint {joint}: modes: expected at least one, found none"),
            Self::NoDamping { joint } => {
                write!(
                    f,
                    "joint {joint}: modes: Impedance without Damping; add Damping, the fall-back needs it"
                )
            }
            Self::Timing(error) => error.fmt(f),
            Self::StartEpsilon { found } => {
                write!(f, "start_epsilon_rad: expected above 0 and finite, found {found}")
            }
            Self::Hash { expected, found } => {
                write!(
                    f,
                    "limits hash: expected {expected:#018x}, found {found:#018x}; seal after the last change"
                )
            }
        }
    }
}

impl core::error::Error for LimitsError {}

impl Limits {
    /// Checks every field and that the hash belongs to them.
    ///
    /// # Errors
    /// The first thing that cannot be enforced.
    pub fn check(&self) -> Result<(), LimitsError> {
        if self.joints.is_empty() {
            return Err(LimitsError::NoJoints);
        }
        for (joint, limits) in self.joints.iter().enumerate() {
            limits.check(joint)?;
        }
        self.timing.check().map_err(LimitsError::Timing)?;
        if !(self.start_epsilon_rad > 0.0 && self.start_epsilon_rad.is_finite()) {
            return Err(LimitsError::StartEpsilon { found: self.start_epsilon_rad });
        }
        let expected = self.content_hash();
        if self.hash != expected {
            return Err(LimitsError::Hash { expected, found: self.hash });
        }
        Ok(())
    }

    /// Fills [`Self::hash`]; call after the last change.
    #[must_use]
    pub fn seal(mut self) -> Self {
        self.hash = self.content_hash();
        self
    }

    /// FNV-1a, 64 bit, over the bits of every field but the hash itself.
    #[must_use]
    pub fn content_hash(&self) -> u64 {
        // Destructured without `..`: a new field does not compile until it is hashed.
        let Self { joints, timing, start_epsilon_rad, hash: _ } = self;
        let mut hash = Fnv::new();
        hash.u64(joints.len() as u64);
        for joint in joints {
            let JointLimits {
                q_min_rad,
                q_max_rad,
                dq_max_rad_s,
                tau_max_nm,
                ddq_max_rad_s2,
                kp_max,
                kd_max,
                kd_safe,
                temperature_warn_c,
                temperature_max_c,
                continuous,
                modes,
            } = joint;
            for value in [q_min_rad, q_max_rad, dq_max_rad_s, tau_max_nm, ddq_max_rad_s2] {
                hash.f32(*value);
            }
            for value in [kp_max, kd_max, kd_safe, temperature_warn_c, temperature_max_c] {
                hash.f32(*value);
            }
            hash.bytes(&[u8::from(*continuous), modes.bits()]);
        }
        let Timing { period_ns, t1_ns, t2_ns, rest_ns, valid_for_ns, rest_dq_rad_s, rest_gyro_rad_s } =
            timing;
        for value in [period_ns, t1_ns, t2_ns, rest_ns, valid_for_ns] {
            hash.u64(*value);
        }
        hash.f32(*rest_dq_rad_s);
        hash.f32(*rest_gyro_rad_s);
        hash.f32(*start_epsilon_rad);
        hash.0
    }
}

struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    fn f32(&mut self, value: f32) {
        self.bytes(&value.to_bits().to_le_bytes());
    }
    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }
}
