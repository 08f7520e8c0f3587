//! The C interface, declared in `c/sinew_mcu.h`. One gateway per block of memory that the firmware owns; no globals.
//!
//! A negative result is an error of the caller ([`status`]); nothing was done then.
#![allow(unsafe_code)] // raw memory of the firmware; each block says what the caller promises

use core::slice;

use sinew_bus::{CanFrame, CanId};
use sinew_devices::damiao::Model;
use sinew_guard::{JointLimits, Limits, LinkEvent, Timing};

use crate::drive::Mount;
use crate::gateway::{Gateway, MAX_DRIVES, MODES};

/// Results below zero.
pub mod status {
    pub const NULL: i32 = -1;
    /// Memory, frame list or state buffer too small.
    pub const TOO_SMALL: i32 = -2;
    /// Memory not aligned to `sinew_mcu_align()`.
    pub const ALIGNMENT: i32 = -3;
    /// Limits or drives that cannot be enforced.
    pub const CONFIG: i32 = -4;
    /// Not a classic CAN frame, or an unknown reset step.
    pub const VALUE: i32 = -5;
    /// No reset now: nothing is latched, a joint moves, or the emergency stop is still pressed.
    pub const NOT_NOW: i32 = -6;
}

/// One joint and its drive; units as in [`JointLimits`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SinewMcuJoint {
    /// CAN id of the drive.
    pub id: u16,
    /// Index in the list of models, see the header file.
    pub model: u8,
    /// 1 when the drive turns against the joint.
    pub reversed: u8,
    pub offset_rad: f32,
    pub q_min_rad: f32,
    pub q_max_rad: f32,
    pub dq_max_rad_s: f32,
    pub tau_max_nm: f32,
    pub ddq_max_rad_s2: f32,
    pub kp_max: f32,
    pub kd_max: f32,
    pub kd_safe: f32,
    pub temperature_warn_c: f32,
    pub temperature_max_c: f32,
}

/// Everything a gateway is made of.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SinewMcuConfig {
    pub period_ns: u64,
    pub valid_for_ns: u64,
    pub t1_ns: u64,
    pub t2_ns: u64,
    pub rest_ns: u64,
    pub rest_dq_rad_s: f32,
    pub rest_gyro_rad_s: f32,
    pub start_epsilon_rad: f32,
    pub robot: u32,
    /// Random per start.
    pub boot_id: u32,
    pub calibration_id: u32,
    pub joints: *const SinewMcuJoint,
    pub joint_count: u32,
}

/// A classic CAN frame with a standard id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinewMcuFrame {
    pub id: u16,
    pub length: u8,
    pub data: [u8; 8],
}

/// Bytes of memory that a gateway needs.
#[unsafe(no_mangle)]
pub extern "C" fn sinew_mcu_size() -> usize {
    size_of::<Gateway>()
}

/// Alignment of that memory.
#[unsafe(no_mangle)]
pub extern "C" fn sinew_mcu_align() -> usize {
    align_of::<Gateway>()
}

/// Makes a gateway in `memory`; 0, or a negative [`status`].
///
/// # Safety
/// `memory` points to `size` writable bytes used for nothing else from now on; `config` and its `joints` to what
/// they declare.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinew_mcu_init(memory: *mut u8, size: usize, config: *const SinewMcuConfig) -> i32 {
    if memory.is_null() {
        return status::NULL;
    }
    if size < size_of::<Gateway>() {
        return status::TOO_SMALL;
    }
    let place = memory.cast::<Gateway>();
    if !place.is_aligned() {
        return status::ALIGNMENT;
    }
    // SAFETY: the caller promises a valid configuration or null.
    let Some(config) = (unsafe { config.as_ref() }) else { return status::NULL };
    if config.joints.is_null() {
        return status::NULL;
    }
    let count = config.joint_count as usize;
    if count > MAX_DRIVES {
        return status::CONFIG;
    }
    // SAFETY: the caller promises `joint_count` joints there.
    let joints = unsafe { slice::from_raw_parts(config.joints, count) };
    match build(config, joints) {
        Some(gateway) => {
            // SAFETY: not null, aligned, large enough, and the caller's promise that nothing else lives there.
            unsafe { place.write(gateway) };
            0
        }
        None => status::CONFIG,
    }
}

fn build(config: &SinewMcuConfig, joints: &[SinewMcuJoint]) -> Option<Gateway> {
    let mut limits = Limits {
        timing: Timing {
            period_ns: config.period_ns,
            t1_ns: config.t1_ns,
            t2_ns: config.t2_ns,
            rest_ns: config.rest_ns,
            valid_for_ns: config.valid_for_ns,
            rest_dq_rad_s: config.rest_dq_rad_s,
            rest_gyro_rad_s: config.rest_gyro_rad_s,
        },
        start_epsilon_rad: config.start_epsilon_rad,
        ..Limits::default()
    };
    let mut mounts = arrayvec::ArrayVec::<Mount, MAX_DRIVES>::new();
    for joint in joints {
        limits.joints.try_push(joint.limits()).ok()?;
        mounts.try_push(joint.mount()?).ok()?;
    }
    Gateway::new(config.robot, config.boot_id, config.calibration_id, limits.seal(), &mounts).ok()
}

impl SinewMcuJoint {
    fn limits(&self) -> JointLimits {
        JointLimits {
            q_min_rad: self.q_min_rad,
            q_max_rad: self.q_max_rad,
            dq_max_rad_s: self.dq_max_rad_s,
            tau_max_nm: self.tau_max_nm,
            ddq_max_rad_s2: self.ddq_max_rad_s2,
            kp_max: self.kp_max,
            kd_max: self.kd_max,
            kd_safe: self.kd_safe,
            temperature_warn_c: self.temperature_warn_c,
            temperature_max_c: self.temperature_max_c,
            continuous: false,
            modes: MODES,
        }
    }

    fn mount(&self) -> Option<Mount> {
        let model = Model::ALL.get(usize::from(self.model)).copied()?;
        let plausible = self.offset_rad.abs() <= 100.0 && self.reversed <= 1 && self.id <= 0x7EF;
        plausible.then_some(Mount {
            id: self.id,
            model,
            reversed: self.reversed == 1,
            offset_rad: self.offset_rad,
        })
    }
}

/// Hash of the limits in force, as an Arm must name it; 0 for null.
///
/// # Safety
/// `gateway` is null or was made by [`sinew_mcu_init`]; so for all functions below. No two run at the same time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinew_mcu_limits_hash(gateway: *const Gateway) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { gateway.as_ref() }.map_or(0, Gateway::limits_hash)
}

/// Judges a command of the host: 0 accepted, else the number of the refusal.
///
/// # Safety
/// As [`sinew_mcu_limits_hash`]; `bytes` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinew_mcu_command(gateway: *mut Gateway, bytes: *const u8, length: usize) -> i32 {
    // SAFETY: the caller's promise.
    let Some(gateway) = (unsafe { gateway.as_mut() }) else { return status::NULL };
    if bytes.is_null() {
        return status::NULL;
    }
    // SAFETY: not null, and the caller promises `length` bytes.
    let bytes = unsafe { slice::from_raw_parts(bytes, length) };
    gateway.command(bytes).map_or_else(|refusal| refusal as i32, |()| 0)
}

/// Starts cycle `step`: writes one frame per drive to `frames` and gives their number.
///
/// # Safety
/// As [`sinew_mcu_limits_hash`]; `frames` points to room for `capacity` frames.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinew_mcu_begin(
    gateway: *mut Gateway,
    step: u64,
    frames: *mut SinewMcuFrame,
    capacity: usize,
) -> i32 {
    // SAFETY: the caller's promise.
    let Some(gateway) = (unsafe { gateway.as_mut() }) else { return status::NULL };
    if frames.is_null() {
        return status::NULL;
    }
    if capacity < gateway.drive_count() {
        return status::TOO_SMALL;
    }
    let mut count = 0;
    gateway.begin(step, |frame| {
        let (CanId::Standard(id), true) = (frame.id(), count < capacity) else { return };
        let mut out = SinewMcuFrame { id, length: frame.len() as u8, data: [0; 8] };
        for (to, from) in out.data.iter_mut().zip(frame.payload()) {
            *to = *from;
        }
        // SAFETY: `count` is below the capacity that the caller promises; the room may be uninitialised.
        unsafe { frames.add(count).write(out) };
        count += 1;
    });
    count as i32
}

/// Takes a frame from the bus.
///
/// # Safety
/// As [`sinew_mcu_limits_hash`]; `frame` points to a frame.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinew_mcu_receive(gateway: *mut Gateway, frame: *const SinewMcuFrame) -> i32 {
    // SAFETY: the caller's promise, for both.
    let (Some(gateway), Some(frame)) = (unsafe { (gateway.as_mut(), frame.as_ref()) }) else {
        return status::NULL;
    };
    let Some(payload) = frame.data.get(..usize::from(frame.length)) else { return status::VALUE };
    match CanFrame::classic(CanId::Standard(frame.id), payload) {
        Ok(frame) => {
            gateway.receive(&frame);
            0
        }
        Err(_) => status::VALUE,
    }
}

/// Ends the cycle: writes the state for the host to `out` and gives its length.
///
/// # Safety
/// As [`sinew_mcu_limits_hash`]; `out` points to `capacity` initialised bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinew_mcu_finish(gateway: *mut Gateway, out: *mut u8, capacity: usize) -> i32 {
    // SAFETY: the caller's promise.
    let Some(gateway) = (unsafe { gateway.as_mut() }) else { return status::NULL };
    if out.is_null() {
        return status::NULL;
    }
    // SAFETY: not null, and the caller promises `capacity` bytes that nobody else uses meanwhile.
    let out = unsafe { slice::from_raw_parts_mut(out, capacity) };
    gateway.finish(out).map_or(status::TOO_SMALL, |written| written.len() as i32)
}

/// Tells the state of the emergency stop input, each time it is read.
///
/// # Safety
/// As [`sinew_mcu_limits_hash`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinew_mcu_estop_input(gateway: *mut Gateway, pressed: u8) -> i32 {
    // SAFETY: the caller's promise.
    let Some(gateway) = (unsafe { gateway.as_mut() }) else { return status::NULL };
    gateway.estop_input(pressed != 0);
    0
}

/// An operator's explicit reset step, 1 or 2.
///
/// # Safety
/// As [`sinew_mcu_limits_hash`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinew_mcu_reset(gateway: *mut Gateway, step: u8) -> i32 {
    // SAFETY: the caller's promise.
    let Some(gateway) = (unsafe { gateway.as_mut() }) else { return status::NULL };
    let event = match step {
        1 => LinkEvent::ResetStep1,
        2 => LinkEvent::ResetStep2,
        _ => return status::VALUE,
    };
    if gateway.reset(event) { 0 } else { status::NOT_NOW }
}

/// The wire's number of the link state.
///
/// # Safety
/// As [`sinew_mcu_limits_hash`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinew_mcu_link(gateway: *const Gateway) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { gateway.as_ref() }.map_or(status::NULL, |gateway| gateway.link() as i32)
}

/// The wire's number of the ladder stage.
///
/// # Safety
/// As [`sinew_mcu_limits_hash`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sinew_mcu_stage(gateway: *const Gateway) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { gateway.as_ref() }.map_or(status::NULL, |gateway| gateway.stage() as i32)
}
