//! Joints that wander through their whole range, whatever the drives do: states for judging commands, without physics.
use sinew_bus::SplitMix64;
use sinew_guard::Limits;
use sinew_twin::{BasePose, BaseTruth, FootTruth, Physics, StateError, check_state};

/// Physics steps before the wandering begins: long enough to be armed at rest.
const REST_STEPS: u64 = 4000;
/// Share of the joint's own limits that the motion uses.
const SHARE: f64 = 0.95;

/// See the module head. Motion keeps to the joints' speed and acceleration limits.
#[derive(Debug)]
pub struct Wander {
    limits: Limits,
    random: SplitMix64,
    feet: usize,
    steps: u64,
    q_rad: Vec<f64>,
    dq_rad_s: Vec<f64>,
    goal_rad_s: Vec<f64>,
}

impl Wander {
    pub fn new(limits: Limits, feet: usize, seed: u64) -> Self {
        let n = limits.joints.len();
        Self {
            limits,
            random: SplitMix64::new(seed),
            feet,
            steps: 0,
            q_rad: vec![0.0; n],
            dq_rad_s: vec![0.0; n],
            goal_rad_s: vec![0.0; n],
        }
    }
}

impl Physics for Wander {
    fn name(&self) -> &'static str {
        "wander"
    }
    fn joint_count(&self) -> usize {
        self.q_rad.len()
    }
    fn foot_count(&self) -> usize {
        self.feet
    }
    fn set_state(&mut self, base: &BasePose, q_rad: &[f64]) -> Result<(), StateError> {
        check_state(base, q_rad, self.q_rad.len())?;
        self.q_rad.copy_from_slice(q_rad);
        Ok(())
    }
    fn step(&mut self, _torques_nm: &[f64], dt_s: f64) {
        self.steps += 1;
        if self.steps < REST_STEPS {
            return;
        }
        let joints =
            self.limits.joints.iter().zip(&mut self.q_rad).zip(&mut self.dq_rad_s).zip(&mut self.goal_rad_s);
        for (((limit, q), dq), goal) in joints {
            if self.random.unit() < 0.02 {
                *goal = (2.0 * self.random.unit() - 1.0) * f64::from(limit.dq_max_rad_s) * SHARE;
            }
            let most = f64::from(limit.ddq_max_rad_s2) * SHARE * dt_s;
            *dq += (*goal - *dq).clamp(-most, most);
            *q += *dq * dt_s;
            let (low, high) = (f64::from(limit.q_min_rad), f64::from(limit.q_max_rad));
            if *q < low || *q > high {
                // The stop: it stands there, and turns round.
                *q = q.clamp(low, high);
                *dq = 0.0;
                *goal = -*goal;
            }
        }
    }
    fn joint_state(&self, i: usize) -> (f64, f64) {
        (self.q_rad.get(i).copied().unwrap_or(0.0), self.dq_rad_s.get(i).copied().unwrap_or(0.0))
    }
    fn base(&self) -> BaseTruth {
        BaseTruth {
            position_m: [0.0; 3],
            orientation: [1.0, 0.0, 0.0, 0.0],
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
