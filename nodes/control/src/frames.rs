//! What of an estimate and of an actuator state goes into the robot state.
use sinew_estimator::{Estimate, Status};
use sinew_wire::{ActuatorState, EstimatorStatus, RobotStateBody};

/// Pose, twist, gravity, contacts, health.
pub fn estimate(body: &mut RobotStateBody, estimate: &Estimate) {
    let f = |v: [f64; 3]| v.map(|x| x as f32);
    body.position_m = estimate.position_m;
    body.orientation = estimate.orientation.map(|x| x as f32);
    body.velocity_m_s = f(estimate.velocity_body_m_s);
    body.angular_velocity_rad_s = f(estimate.angular_velocity_rad_s);
    body.projected_gravity = f(estimate.projected_gravity);
    body.height_m = estimate.height_above_support_m as f32;
    for (slot, probability) in body.contact_probability.iter_mut().zip(estimate.contact_probability) {
        *slot = probability as f32;
    }
    body.nis = estimate.health.nis as f32;
    body.estimator_resets = estimate.resets;
    body.estimator_status = match estimate.health.status {
        Status::Initialising => EstimatorStatus::Initialising,
        Status::Healthy => EstimatorStatus::Healthy,
        Status::Degraded => EstimatorStatus::Degraded,
        Status::Invalid => EstimatorStatus::Invalid,
    } as u8;
}

/// State of the link to the drives.
pub fn link(body: &mut RobotStateBody, state: &ActuatorState) {
    body.link_state = state.body.link_state;
    body.stage = state.body.stage;
    body.participants = state.body.participants;
    body.bus_voltage_v = if state.body.power_valid == 1 { state.body.bus_voltage_v } else { 0.0 };
}
