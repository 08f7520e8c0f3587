//! Foot kinematics of one tick, shared by the estimator and the stand controller.
use arrayvec::ArrayVec;
use sinew_estimator::{Foot, MAX_FEET};
use sinew_robot::Leg;
use sinew_wire::ActuatorState;

/// Feet of this tick; empty when a joint of a leg has no valid sample.
pub fn feet(legs: &[Leg], state: &ActuatorState, out: &mut ArrayVec<Foot, MAX_FEET>) {
    out.clear();
    for (i, leg) in legs.iter().take(MAX_FEET).enumerate() {
        let mut q_rad = [0.0; 3];
        let mut dq_rad_s = [0.0; 3];
        for ((q, dq), joint) in q_rad.iter_mut().zip(&mut dq_rad_s).zip(leg.joints) {
            match state.joints.get(joint) {
                Some(sample) if sample.is_valid() => {
                    (*q, *dq) = (f64::from(sample.q_rad), f64::from(sample.dq_rad_s));
                }
                _ => {
                    out.clear();
                    return;
                }
            }
        }
        let (position_m, jacobian) = leg.foot_kinematics(q_rad);
        let velocity_m_s = jacobian.map(|row| row.iter().zip(dq_rad_s).map(|(j, dq)| j * dq).sum());
        let force_n = state.body.contacts().get(i).filter(|c| c.valid == 1).map(|c| f64::from(c.force_n));
        out.push(Foot { position_m, jacobian, velocity_m_s, force_n });
    }
}
