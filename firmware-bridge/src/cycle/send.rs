//! What the drives are told in this cycle.
use arrayvec::ArrayVec;
use sinew_bus::CanFrame;
use sinew_devices::damiao;
use sinew_guard::{Margin, saturate};
use sinew_wire::{JointCommand, LinkState, MAX_JOINTS, Stage, StepTime};

use super::{Bridge, FrameList, SentFrame, push};
use crate::drive::Drive;

/// Time over which stiffness comes in after the first command that pulls, s.
const STIFFNESS_RAMP_S: f32 = 0.2;

/// What one drive is sent.
#[derive(Clone, Copy)]
enum Order {
    /// The question of the start-up check, if it is its turn.
    Ask,
    SwitchOff,
    ClearFault,
    SwitchOn,
    Command,
    /// Say how you are.
    Report,
}

impl Bridge {
    pub(super) fn send_to_drives(&mut self, now: StepTime, out: &mut [FrameList]) {
        let switch_off = self.powered
            && (self.link == LinkState::Disabled
                || (self.stage == Stage::Disable
                    && !matches!(self.link, LinkState::Active | LinkState::Arming)));
        let mut commands: ArrayVec<JointCommand, MAX_JOINTS> = self
            .drives
            .iter()
            .enumerate()
            .map(|(joint, drive)| match self.order(drive, switch_off) {
                Order::Command => self.in_force(joint, now),
                _ => JointCommand::default(),
            })
            .collect();
        // Whatever the rung, nothing leaves that the limits do not allow at the state measured last. What was
        // accepted a period ago passes here unchanged, bit for bit.
        let saturation = saturate(&self.limits, Margin::BRIDGE, &self.measured(), &mut commands);
        self.state.body.saturated = self.state.body.saturated.wrapping_add(saturation.count);
        for (joint, command) in commands.into_iter().enumerate() {
            let Some(order) = self.drives.get(joint).map(|drive| self.order(drive, switch_off)) else {
                continue;
            };
            let Some(drive) = self.drives.get_mut(joint) else { continue };
            let id = drive.plan.id;
            let frame: Option<CanFrame> = match order {
                Order::Ask => self.check.question(joint, &drive.plan),
                Order::SwitchOff => damiao::disable(id).ok(),
                Order::ClearFault => damiao::clear_fault(id).ok(),
                Order::SwitchOn => damiao::enable(id).ok(),
                Order::Command => drive.command(&command),
                Order::Report => damiao::refresh(id).ok(),
            };
            drive.sent = command;
            if let Some(sent) = self.sent.get_mut(joint) {
                *sent = SentFrame { command, stage: self.stage };
            }
            if let Some(frames) = out.get_mut(drive.plan.bus) {
                push(frames, frame);
            }
        }
        if self.link == LinkState::Arming {
            self.arming_cycles += 1;
            self.powered = true;
        }
        if self.link == LinkState::Active && self.pulling {
            let step = self.limits.timing.period_s() / STIFFNESS_RAMP_S;
            self.stiffness = (self.stiffness + step).min(1.0);
        }
        if switch_off {
            self.powered = false;
            self.stage = Stage::Idle;
        }
    }

    fn order(&self, drive: &Drive, switch_off: bool) -> Order {
        match self.link {
            LinkState::Boot | LinkState::ConfigCheck => Order::Ask,
            _ if switch_off => Order::SwitchOff,
            LinkState::Arming if self.arming_cycles == 0 || drive.state.fault != 0 => Order::ClearFault,
            LinkState::Arming if !drive.enabled => Order::SwitchOn,
            LinkState::Arming | LinkState::Active => Order::Command,
            LinkState::Damping | LinkState::Fault | LinkState::EStop if self.powered => Order::Command,
            // The order to switch off was lost on the way.
            _ if drive.enabled => Order::SwitchOff,
            _ => Order::Report,
        }
    }

    /// The command of `joint` that the ladder leaves in force; damping where there is none.
    fn in_force(&self, joint: usize, now: StepTime) -> JointCommand {
        let Some(limits) = self.limits.joints.get(joint) else { return JointCommand::default() };
        match self.accepted.get(joint) {
            Some(accepted) if self.link == LinkState::Active => {
                let mut shaped = self.ladder.shape(accepted, limits, now, &self.limits.timing);
                shaped.kp *= self.stiffness;
                shaped
            }
            _ => limits.safe_command(),
        }
    }
}
