//! The writer fence: who may command, granted by the bridge, learnt from no command ever.
//!
//! ```text
//!  Disabled ──Arm accepted──▶ Arming ──clear faults, enable, all drives on──▶ Active ──Run accepted──▶ stiffness
//!      ▲                        │                                                │        ramps from 0
//!      └──────gave up───────────┘ 200 ms                                         └─ladder, Disarm─▶ Damping
//! ```
use sinew_guard::Writer;
use sinew_wire::{ActuatorCommand, ArmAnswer, LinkState, Source};

/// The writer and the counter its epochs come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriterGrant {
    epoch: u32,
    pub answer: ArmAnswer,
}

/// What an Arm is judged by.
#[derive(Clone, Copy, Debug)]
pub struct ArmConditions {
    pub link: LinkState,
    pub at_rest: bool,
    pub checked: bool,
    pub estop: bool,
    pub drives_answer: bool,
    /// See [`crate::BridgeConfig::limits_hash`].
    pub limits_hash: u64,
    pub calibration_id: u32,
}

impl WriterGrant {
    /// Judges an Arm; on success the writer with its new epoch, always greater than every earlier one.
    pub fn request(
        &mut self,
        frame: &ActuatorCommand,
        active: Option<Writer>,
        conditions: &ArmConditions,
    ) -> Option<Writer> {
        let asking = (Source(frame.header.source), frame.header.boot_id);
        if let Some(writer) = active {
            // The same process asking again while its first Arm is being carried out changes nothing.
            if (writer.source, writer.boot_id) != asking {
                self.answer = ArmAnswer::Busy;
            } else if conditions.link == LinkState::Damping {
                self.answer = ArmAnswer::NotDisabled;
            }
            return None;
        }
        self.answer = match conditions {
            c if c.estop => ArmAnswer::EStop,
            c if !c.checked => ArmAnswer::NotChecked,
            c if c.link != LinkState::Disabled => ArmAnswer::NotDisabled,
            c if !c.drives_answer => ArmAnswer::DriveFault,
            c if !c.at_rest => ArmAnswer::Moving,
            c if frame.body.limits_hash != c.limits_hash => ArmAnswer::LimitsHash,
            c if frame.body.calibration_id != c.calibration_id => ArmAnswer::Calibration,
            _ => ArmAnswer::Granted,
        };
        if self.answer != ArmAnswer::Granted {
            return None;
        }
        self.epoch = self.epoch.wrapping_add(1).max(1);
        Some(Writer { source: asking.0, boot_id: asking.1, epoch: self.epoch })
    }
}
