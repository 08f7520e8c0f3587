//! Foot kinematics of one tick, shared by the estimator and the stand controller.
use arrayvec::ArrayVec;
use sinew_estimator::{Foot, MAX_FEET};
use sinew_robot::{Leg, LegVector};
use sinew_wire::ActuatorState;

/// Feet of this tick; empty when a joint of a leg has no valid sample.
pub fn feet(legs: &[Leg], state: &ActuatorState, out: &mut ArrayVec<Foot, MAX_FEET>) {
    out.clear();
    for (i, leg) in legs.iter().take(MAX_FEET).enumerate() {
        let mut q_rad = LegVector::new();
        let mut dq_rad_s = LegVector::new();
        for joint in &leg.joints {
            match state.joints.get(*joint) {
                Some(sample) if sample.is_valid() => {
                    q_rad.push(f64::from(sample.q_rad));
                    dq_rad_s.push(f64::from(sample.dq_rad_s));
                }
                _ => {
                    out.clear();
                    return;
                }
            }
        }
        let kinematics = leg.foot_kinematics(&q_rad);
        let motion = kinematics.motion(&dq_rad_s);
        out.push(Foot {
            position_m: kinematics.pose.position_m,
            spread: kinematics.spread(),
            velocity_m_s: motion.linear,
            turn_rad_s: motion.angular,
            force_n: state.body.contacts().get(i).filter(|c| c.valid == 1).map(|c| f64::from(c.force_n)),
        });
    }
}
