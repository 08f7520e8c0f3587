//! Which feet stand: a probability per foot, from its force, or from its motion where there is no force.
//!
//! The probability is a logistic curve around a threshold that depends on what the foot did before (on at
//! `contact_on_n`, off at `contact_off_n`), so "probability above one half" is a Schmitt trigger on force.

use std::array::from_fn;

use nalgebra::Vector3;

use crate::{Config, MAX_FEET, input::CleanFoot};

/// Contact of one foot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Contact {
    pub probability: f64,
    /// Standing in this sample.
    pub stands: bool,
    /// Samples in a row it has stood.
    pub age: u32,
    /// Cycles in a row without usable kinematics.
    missing: u32,
}

/// What the motion of the base makes of a foot without a force sensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BaseMotion {
    pub velocity_body: Vector3<f64>,
    pub angular_velocity: Vector3<f64>,
    /// World z in the base frame.
    pub up: Vector3<f64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Contacts {
    feet: [Contact; MAX_FEET],
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Contacts {
    pub fn get(&self) -> &[Contact; MAX_FEET] {
        &self.feet
    }

    /// Foot by foot: whether it may carry the state (stands, and for long enough).
    pub fn carrying(&self, config: &Config) -> [bool; MAX_FEET] {
        from_fn(|i| self.feet[i].stands && self.feet[i].age >= config.touchdown_samples)
    }

    /// Takes one cycle. A foot without usable kinematics keeps its state for a few cycles: one lost frame is no
    /// lift-off.
    pub fn update(
        &mut self,
        feet: &[Option<CleanFoot>; MAX_FEET],
        motion: Option<&BaseMotion>,
        config: &Config,
    ) {
        let lowest = motion.map(|m| {
            feet.iter().flatten().map(|foot| foot.position.dot(&m.up)).fold(f64::INFINITY, f64::min)
        });
        for (contact, foot) in self.feet.iter_mut().zip(feet) {
            let Some(foot) = foot else {
                contact.missing = contact.missing.saturating_add(1);
                if contact.missing > config.feet_missing_degraded {
                    *contact = Contact { missing: contact.missing, ..Contact::default() };
                }
                continue;
            };
            contact.missing = 0;
            contact.probability = match (foot.force, motion, lowest) {
                (Some(force), _, _) => {
                    let threshold = if contact.stands { config.contact_off_n } else { config.contact_on_n };
                    logistic((force - threshold) / config.contact_softness_n)
                }
                (None, Some(motion), Some(lowest)) => {
                    let over_ground =
                        foot.velocity + motion.velocity_body + motion.angular_velocity.cross(&foot.position);
                    let speed = over_ground.norm() / config.contact_speed_m_s;
                    let height = (foot.position.dot(&motion.up) - lowest) / config.contact_height_m;
                    logistic(4.0 * (1.0 - speed.max(height)))
                }
                _ => 0.0,
            };
            contact.stands = contact.probability > 0.5;
            contact.age = if contact.stands { contact.age.saturating_add(1) } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feet(force: Option<f64>, z: f64, speed: f64) -> [Option<CleanFoot>; MAX_FEET] {
        let foot = |z, vx| CleanFoot {
            position: Vector3::new(0.0, 0.0, z),
            spread: nalgebra::Matrix3::identity(),
            velocity: Vector3::new(vx, 0.0, 0.0),
            turn: Vector3::zeros(),
            force,
        };
        let mut all = [None; MAX_FEET];
        all[0] = Some(foot(z, speed));
        all[1] = Some(foot(-0.3, 0.0));
        all
    }

    #[test]
    fn force_between_the_thresholds_changes_nothing() {
        let config = Config::default();
        let mut contacts = Contacts::default();
        let mut stands = |force: f64| {
            contacts.update(&feet(Some(force), -0.3, 0.0), None, &config);
            contacts.get()[0].stands
        };
        let middle = 0.5 * (config.contact_on_n + config.contact_off_n);
        assert!(!stands(0.0) && !stands(middle));
        assert!(stands(40.0) && stands(middle));
        assert!(!stands(-3.0) && !stands(middle));
    }

    #[test]
    fn a_lost_frame_is_no_lift_off_but_silence_is() {
        let config = Config::default();
        let mut contacts = Contacts::default();
        contacts.update(&feet(Some(40.0), -0.3, 0.0), None, &config);
        contacts.update(&[None; MAX_FEET], None, &config);
        assert!(contacts.get()[0].stands);
        for _ in 0..config.feet_missing_degraded {
            contacts.update(&[None; MAX_FEET], None, &config);
        }
        assert!(!contacts.get()[0].stands && contacts.get()[0].probability == 0.0);
    }

    #[test]
    fn without_force_a_slow_low_foot_stands() {
        let config = Config::default();
        let motion = BaseMotion {
            velocity_body: Vector3::new(0.5, 0.0, 0.0),
            angular_velocity: Vector3::zeros(),
            up: Vector3::z(),
        };
        let mut contacts = Contacts::default();
        let mut stands = |z: f64, speed: f64| {
            contacts.update(&feet(None, z, speed), Some(&motion), &config);
            contacts.get()[0].stands
        };
        assert!(stands(-0.3, -0.5), "moves with the ground");
        assert!(!stands(-0.3, 0.5), "swings forward");
        assert!(!stands(-0.2, -0.5), "too high");
    }
}
