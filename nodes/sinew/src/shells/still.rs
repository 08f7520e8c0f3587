//! Physics in which nothing ever moves: for measuring everything but physics.
use sinew_twin::{BasePose, BaseTruth, FootTruth, Physics, StateError, check_state};

/// A robot that lies where it was put, whatever its drives do.
#[derive(Debug)]
pub struct Still {
    base: BasePose,
    q_rad: Vec<f64>,
    feet: usize,
}

impl Still {
    #[must_use]
    pub fn new(joints: usize, feet: usize) -> Self {
        let base = BasePose { position_m: [0.0; 3], orientation: [1.0, 0.0, 0.0, 0.0] };
        Self { base, q_rad: vec![0.0; joints], feet }
    }
}

impl Physics for Still {
    fn name(&self) -> &'static str {
        "still"
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
    fn step(&mut self, _torques_nm: &[f64], _dt_s: f64) {}
    fn joint_state(&self, i: usize) -> (f64, f64) {
        (self.q_rad.get(i).copied().unwrap_or(0.0), 0.0)
    }
    fn base(&self) -> BaseTruth {
        BaseTruth {
            position_m: self.base.position_m,
            orientation: self.base.orientation,
            linear_velocity_m_s: [0.0; 3],
            angular_velocity_rad_s: [0.0; 3],
        }
    }
    fn foot(&self, _i: usize) -> FootTruth {
        FootTruth::default()
    }
    fn trunk_contact(&self) -> bool {
        true
    }
    fn contact_force_n(&self) -> f64 {
        0.0
    }
    fn push(&mut self, _delta_v_m_s: [f64; 3]) {}
    fn set_base_wrench(&mut self, _force_n: [f64; 3], _torque_nm: [f64; 3]) {}
    fn set_friction(&mut self, _mu: f64) {}
    fn set_payload(&mut self, _kg: f64) {}
    fn mass_kg(&self) -> f64 {
        1.0
    }
    fn state_bits(&self, sink: &mut dyn FnMut(&[u8])) {
        self.q_rad.iter().for_each(|q| sink(&q.to_le_bytes()));
    }
}
