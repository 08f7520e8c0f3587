//! One drive: joint units on one side, the drive's frames on the other.
use sinew_bus::{CanFrame, CanId};
use sinew_devices::damiao::{self, Model};
use sinew_devices::mit::{MitCommand, MitScaling};
use sinew_guard::Measured;
use sinew_wire::{JointCommand, JointMode, JointState};

/// Replies missing in a row that make a drive silent.
const SILENT_AFTER: u16 = 5;
/// Time constant of the filter that tells rest from noise, s.
const REST_FILTER_S: f32 = 0.05;
/// The filter has settled after this many time constants.
const SETTLED: f32 = 3.0;

/// Where a joint's drive is and how it is mounted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mount {
    pub id: u16,
    pub model: Model,
    /// -1 when the drive turns against the joint.
    pub reversed: bool,
    /// Joint position at the drive's zero, rad.
    pub offset_rad: f32,
}

#[derive(Clone, Debug)]
pub struct Drive {
    mount: Mount,
    scaling: MitScaling,
    pub state: JointState,
    /// The drive's own word on its output stage.
    pub enabled: bool,
    /// Cycles without a reply; counts from the start, so that a drive that never answered is missing.
    pub missing: u16,
    dq_filtered_rad_s: f32,
    filter_age: f32,
}

impl Drive {
    pub fn new(mount: Mount) -> Self {
        Self {
            mount,
            scaling: damiao::scaling(mount.model),
            state: JointState::default(),
            enabled: false,
            missing: 1,
            dq_filtered_rad_s: 0.0,
            filter_age: 0.0,
        }
    }

    fn sign(&self) -> f64 {
        if self.mount.reversed { -1.0 } else { 1.0 }
    }

    pub fn measured(&self) -> Measured {
        Measured { q_rad: self.state.q_rad, dq_rad_s: self.state.dq_rad_s }
    }

    pub fn is_silent(&self) -> bool {
        self.missing >= SILENT_AFTER
    }

    pub fn at_rest(&self, most_rad_s: f32) -> bool {
        self.filter_age > SETTLED && self.dq_filtered_rad_s.abs() < most_rad_s
    }

    /// Asks for the state; feeds no watchdog.
    pub fn poll(&self) -> Option<CanFrame> {
        damiao::refresh(self.mount.id).ok()
    }

    pub fn enable(&self) -> Option<CanFrame> {
        damiao::enable(self.mount.id).ok()
    }

    pub fn disable(&self) -> Option<CanFrame> {
        damiao::disable(self.mount.id).ok()
    }

    pub fn clear_fault(&self) -> Option<CanFrame> {
        damiao::clear_fault(self.mount.id).ok()
    }

    /// The frame that makes the drive do `command`.
    pub fn command(&self, command: &JointCommand) -> Option<CanFrame> {
        let sign = self.sign();
        let kd = f64::from(command.kd);
        let tau_nm = sign * f64::from(command.tau_nm);
        let law = match command.mode() {
            JointMode::Disabled => return self.poll(),
            JointMode::Impedance => MitCommand {
                q_rad: sign * f64::from(command.q_rad - self.mount.offset_rad),
                dq_rad_s: sign * f64::from(command.dq_rad_s),
                kp: f64::from(command.kp),
                kd,
                tau_nm,
            },
            JointMode::Torque => MitCommand { tau_nm, ..MitCommand::default() },
            // The drive's own loops and a brake are not among the modes that the limits declare.
            JointMode::Damping | JointMode::Position | JointMode::Velocity | JointMode::Brake => {
                MitCommand { kd, ..MitCommand::default() }
            }
        };
        damiao::command(self.mount.id, &self.scaling, &law).ok()
    }

    /// Takes a reply; true when it was this drive's.
    pub fn take(&mut self, frame: &CanFrame) -> bool {
        if frame.id() != CanId::Standard(damiao::master_id(self.mount.id))
            || damiao::is_register_reply(self.mount.id, frame.payload())
        {
            return false;
        }
        let Ok(feedback) = damiao::decode_feedback(&self.scaling, frame.payload()) else { return false };
        if u16::from(feedback.id) != self.mount.id & 0xF {
            return false;
        }
        let sign = self.sign();
        self.enabled = feedback.enabled();
        self.state.q_rad = (sign * feedback.q_rad) as f32 + self.mount.offset_rad;
        self.state.dq_rad_s = (sign * feedback.dq_rad_s) as f32;
        self.state.tau_nm = (sign * feedback.tau_nm) as f32;
        self.state.temperature_c = f32::from(feedback.t_mos_c.max(feedback.t_rotor_c));
        self.state.fault = feedback.fault().map_or(0, damiao::Fault::nibble);
        self.state.age_us = 0;
        self.state.valid = 1;
        true
    }

    /// A cycle begins: nothing has arrived yet.
    pub fn expect_reply(&mut self) {
        self.state.valid = 0;
    }

    /// A cycle ends: what has not arrived is missing.
    pub fn close_cycle(&mut self, period_ns: u64) -> bool {
        if self.state.valid == 0 {
            self.missing = self.missing.saturating_add(1);
            self.state.age_us = self.state.age_us.saturating_add((period_ns / 1_000) as u32);
            return false;
        }
        self.missing = 0;
        let gain = (period_ns as f32 * 1e-9 / REST_FILTER_S).clamp(1e-3, 1.0);
        self.dq_filtered_rad_s += gain * (self.state.dq_rad_s - self.dq_filtered_rad_s);
        self.filter_age += gain;
        true
    }
}
