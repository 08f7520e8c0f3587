//! Control's half of the arming handshake: what to say to the bridge so that it gives, keeps or ends the writer epoch.
use sinew_wire::{ActuatorState, Intent, LinkState, Source};

/// What control wants of the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Want {
    /// Leave the drives alone.
    #[default]
    Nothing,
    /// Be armed.
    Armed,
    /// Command while the link is up, and never arm again by itself.
    Kept,
    /// Be disarmed; a latched link stays latched.
    Disarmed,
    /// Be disarmed and the latched link reset: an operator has asked for it in two steps.
    Reset,
}

/// The handshake as seen from the commanding process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arming {
    pub want: Want,
}

impl Arming {
    /// The writer epoch the bridge names for this process, learnt from its state and from nothing else.
    pub fn epoch(state: &ActuatorState, boot_id: u32) -> Option<u32> {
        let body = &state.body;
        let ours = body.writer_boot == boot_id && body.writer_source == Source::CONTROL.0;
        (ours && body.writer_epoch != 0).then_some(body.writer_epoch)
    }

    /// The link is up and this process is its writer.
    pub fn is_ours(state: &ActuatorState, boot_id: u32) -> bool {
        state.body.link_state() == LinkState::Active && Self::epoch(state, boot_id).is_some()
    }

    /// Intent and epoch of this tick's command.
    pub fn intent(&self, state: &ActuatorState, boot_id: u32) -> (Intent, u32) {
        let epoch = Self::epoch(state, boot_id);
        match (self.want, state.body.link_state(), epoch) {
            (Want::Armed | Want::Kept, LinkState::Active, Some(epoch)) => (Intent::Run, epoch),
            (Want::Armed, LinkState::Disabled, _) => (Intent::Arm, 0),
            (Want::Disarmed | Want::Reset, LinkState::Active | LinkState::Arming, Some(epoch)) => {
                (Intent::Disarm, epoch)
            }
            (Want::Reset, LinkState::Fault | LinkState::EStop, _) => (Intent::Disarm, 0),
            _ => (Intent::Observe, 0),
        }
    }
}
