//! A robot of stone: an engine that holds whatever state it was given, to test what surrounds the physics.

use sinew_twin::{BasePose, BaseTruth, FootTruth, Physics, StateError, check_state};

pub struct Statue {
    base: BasePose,
    q_rad: Vec<f64>,
    feet: usize,
    /// Largest torque ever asked of it, and whether one was not finite.
    pub largest_nm: std::sync::Arc<std::sync::Mutex<(f64, bool)>>,
}

impl Statue {
    pub fn new(joints: usize, feet: usize) -> Self {
        Self {
            base: BasePose { position_m: [0.0; 3], orientation: [1.0, 0.0, 0.0, 0.0] },
            q_rad: vec![0.0; joints],
            feet,
            largest_nm: std::sync::Arc::default(),
        }
    }
}

impl Physics for Statue {
    fn name(&self) -> &'static str {
        "statue"
    }
    fn joint_count(&self) -> usize {
        self.q_rad.len()
    }
    fn foot_count(&self) -> usize {
        self.feet
    }
    fn set_state(&mut self, base: &BasePose, q_rad: &[f64]) -> Result<(), StateError> {
        check_state(base, q_rad, self.q_rad.len())?;
        self.base = *base;
        self.q_rad.copy_from_slice(q_rad);
        Ok(())
    }
    fn step(&mut self, torques_nm: &[f64], _dt_s: f64) {
        if let Ok(mut seen) = self.largest_nm.lock() {
            seen.0 = torques_nm.iter().fold(seen.0, |most, t| most.max(t.abs()));
            seen.1 |= torques_nm.iter().any(|t| !t.is_finite());
        }
    }
    fn joint_state(&self, i: usize) -> (f64, f64) {
        (self.q_rad[i], 0.0)
    }
    fn base(&self) -> BaseTruth {
        BaseTruth {
            position_m: self.base.position_m,
            orientation: self.base.orientation,
            linear_velocity_m_s: [0.0; 3],
            angular_velocity_rad_s: [0.0; 3],
        }
    }
    fn foot(&self, _: usize) -> FootTruth {
        FootTruth::default()
    }
    fn trunk_contact(&self) -> bool {
        true
    }
    fn contact_force_n(&self) -> f64 {
        0.0
    }
    fn push(&mut self, _: [f64; 3]) {}
    fn set_base_wrench(&mut self, _: [f64; 3], _: [f64; 3]) {}
    fn set_friction(&mut self, _: f64) {}
    fn set_payload(&mut self, _: f64) {}
    fn mass_kg(&self) -> f64 {
        1.0
    }
    fn state_bits(&self, sink: &mut dyn FnMut(&[u8])) {
        self.q_rad.iter().for_each(|q| sink(&q.to_bits().to_le_bytes()));
    }
}
