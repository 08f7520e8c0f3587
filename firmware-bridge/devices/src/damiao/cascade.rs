//! The three cascade modes of the drive: it closes its own position or velocity loop.

use crate::error::{EncodeError, finite};
use sinew_bus::{CanFrame, CanId};

/// Added to the drive's id in position mode with a velocity limit.
pub const POS_VEL_OFFSET: u16 = 0x100;
/// Added to the drive's id in velocity mode.
pub const VELOCITY_OFFSET: u16 = 0x200;
/// Added to the drive's id in position mode with velocity and current limits.
pub const POS_FORCE_OFFSET: u16 = 0x300;

fn single(field: &'static str, value: f64) -> Result<[u8; 4], EncodeError> {
    // A finite 64-bit number may still be infinite as a 32-bit one.
    Ok((finite(field, f64::from(finite(field, value)? as f32))? as f32).to_le_bytes())
}

/// Position with a velocity limit.
pub fn pos_vel(id: u16, q_rad: f64, dq_limit_rad_s: f64) -> Result<CanFrame, EncodeError> {
    let [a, b, c, d] = single("q_rad", q_rad)?;
    let [e, f, g, h] = single("dq_limit_rad_s", dq_limit_rad_s)?;
    let id = CanId::Standard(id.saturating_add(POS_VEL_OFFSET));
    Ok(CanFrame::classic(id, &[a, b, c, d, e, f, g, h])?)
}

/// Velocity.
pub fn velocity(id: u16, dq_rad_s: f64) -> Result<CanFrame, EncodeError> {
    let id = CanId::Standard(id.saturating_add(VELOCITY_OFFSET));
    Ok(CanFrame::classic(id, &single("dq_rad_s", dq_rad_s)?)?)
}

/// Position with a velocity limit (0 to 100 rad/s) and a current limit (share of the maximum, 0 to 1).
/// Both saturate at their range.
pub fn pos_force(
    id: u16,
    q_rad: f64,
    dq_limit_rad_s: f64,
    current_share: f64,
) -> Result<CanFrame, EncodeError> {
    let [a, b, c, d] = single("q_rad", q_rad)?;
    let dq = finite("dq_limit_rad_s", dq_limit_rad_s)?.clamp(0.0, 100.0);
    let current = finite("current_share", current_share)?.clamp(0.0, 1.0);
    let [e, f] = ((dq * 100.0) as u16).to_le_bytes();
    let [g, h] = ((current * 10_000.0) as u16).to_le_bytes();
    let id = CanId::Standard(id.saturating_add(POS_FORCE_OFFSET));
    Ok(CanFrame::classic(id, &[a, b, c, d, e, f, g, h])?)
}
