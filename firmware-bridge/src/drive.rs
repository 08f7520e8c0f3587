//! One drive as the bridge sees it: joint units outside, drive units inside.
use sinew_bus::{CanFrame, CanId};
use sinew_devices::damiao::{self, Feedback};
use sinew_devices::mit::MitCommand;
use sinew_wire::{JointCommand, JointMode, JointState};

use crate::config::DrivePlan;

/// Replies missing in a row that make a drive silent.
pub const SILENT_AFTER: u32 = 5;

/// State of one drive between cycles.
#[derive(Clone, Debug)]
pub struct Drive {
    pub plan: DrivePlan,
    pub state: JointState,
    /// Cycles without a reply.
    pub missing: u32,
    /// The drive says its output stage is on.
    pub enabled: bool,
    /// What the last frame to it asked for, joint side: what the joint is doing now.
    pub sent: JointCommand,
}

impl Drive {
    pub fn new(plan: DrivePlan) -> Self {
        Self { plan, state: JointState::default(), missing: 0, enabled: false, sent: JointCommand::default() }
    }

    /// A joint command in the drive's own units and bytes. Out of range values saturate in the codec; the guard
    /// has been there before.
    pub fn command(&self, command: &JointCommand) -> Option<CanFrame> {
        let gear = f64::from(self.plan.sign) * self.plan.gear;
        let mut drive = MitCommand {
            q_rad: (f64::from(command.q_rad) - self.plan.offset_rad) * gear,
            dq_rad_s: f64::from(command.dq_rad_s) * gear,
            kp: f64::from(command.kp) / (self.plan.gear * self.plan.gear),
            kd: f64::from(command.kd) / (self.plan.gear * self.plan.gear),
            tau_nm: f64::from(command.tau_nm) / gear,
        };
        match command.mode() {
            JointMode::Impedance => {}
            JointMode::Torque => (drive.kp, drive.kd) = (0.0, 0.0),
            JointMode::Disabled => drive = MitCommand::default(),
            // Position, velocity and brake are not modes of this family; the mode set has refused them, and if
            // one came through all the same the joint is damped.
            JointMode::Damping | JointMode::Position | JointMode::Velocity | JointMode::Brake => {
                drive = MitCommand { kd: drive.kd, ..MitCommand::default() };
            }
        }
        damiao::command(self.plan.id, &self.plan.scaling, &drive).ok()
    }

    /// Takes a reply; true when it was this drive's.
    pub fn take(&mut self, frame: &CanFrame, age_us: u32) -> bool {
        if frame.id() != CanId::Standard(self.plan.master_id) {
            return false;
        }
        let Ok(feedback) = damiao::decode_feedback(&self.plan.scaling, frame.payload()) else { return false };
        if u16::from(feedback.id) != self.plan.id & 0xf || damiao::is_register_reply(self.plan.id, frame.payload()) {
            return false;
        }
        self.absorb(&feedback, age_us);
        true
    }

    fn absorb(&mut self, feedback: &Feedback, age_us: u32) {
        let gear = f64::from(self.plan.sign) * self.plan.gear;
        self.enabled = feedback.enabled();
        self.state = JointState {
            q_rad: (feedback.q_rad / gear + self.plan.offset_rad) as f32,
            dq_rad_s: (feedback.dq_rad_s / gear) as f32,
            tau_nm: (feedback.tau_nm * gear) as f32,
            temperature_c: f32::from(feedback.t_rotor_c.max(feedback.t_mos_c)),
            age_us,
            mode: self.sent.mode,
            fault: feedback.fault().map_or(0, |fault| fault.nibble()),
            valid: 1,
            reserved: 0,
        };
        self.missing = 0;
    }

    /// Called when a cycle ends without this drive's reply.
    pub fn missed(&mut self, period_us: u32) {
        self.missing = self.missing.saturating_add(1);
        self.state.valid = 0;
        self.state.age_us = self.state.age_us.saturating_add(period_us);
    }

    pub fn is_silent(&self) -> bool {
        self.missing >= SILENT_AFTER
    }
}
