//! Robot states on their way to another machine: the newest ones of the policy's own rhythm, a few of them in every
//! message so that a lost one leaves no hole in the other side's history.
use std::collections::VecDeque;

use sinew_wire::{MAX_FRAME, RobotState};

use super::MAX_OFFBOARD_MESSAGE;

/// States in one message to the other machine: its own and those before it.
pub const STATES_PER_MESSAGE: usize = 4;

/// What a message of states begins with; another layout takes another number.
const FORMAT: [u8; 4] = *b"sos2";
/// Format and latency before the states in a message.
const HEAD: usize = 8;
/// Clock and length before each state in a message.
const ITEM_HEAD: usize = 10;

/// The newest states for the other machine, each with the gait clock it belongs to, as one message that also says when
/// the robot uses what is computed from them.
#[derive(Clone, Debug)]
pub struct StatesMessage {
    latency_ticks: u32,
    states: VecDeque<(RobotState, Option<f64>)>,
}

/// Why bytes are no message of states.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatesMessageError {
    /// Of another program, or of another version of this one.
    #[error(
        "begins with {found:02x?}, expected {FORMAT:02x?}; run the same version of sinew on both machines"
    )]
    Format {
        /// First bytes.
        found: [u8; 4],
    },
    /// Cut in the middle.
    #[error("byte {at}: cut; expected {expected} more bytes")]
    Cut {
        /// Where.
        at: usize,
        /// Bytes.
        expected: usize,
    },
    /// A state that is none of ours.
    #[error("byte {at}: {error}")]
    State {
        /// Where.
        at: usize,
        /// Why.
        error: sinew_wire::DecodeError,
    },
    /// More states than anybody sends.
    #[error("more than {STATES_PER_MESSAGE} states")]
    TooMany,
}

impl StatesMessage {
    /// Without states yet, of a robot that uses a result `latency_ticks` of control after its state.
    #[must_use]
    pub fn new(latency_ticks: u32) -> Self {
        Self { latency_ticks, states: VecDeque::with_capacity(STATES_PER_MESSAGE + 1) }
    }

    /// Control ticks from a state to the use of its result.
    #[must_use]
    pub fn latency_ticks(&self) -> u32 {
        self.latency_ticks
    }

    /// Adds the newest state; the oldest leaves.
    pub fn push(&mut self, state: &RobotState, clock: Option<f64>) {
        self.states.push_back((state.clone(), clock));
        if self.states.len() > STATES_PER_MESSAGE {
            self.states.pop_front();
        }
    }

    /// The states, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&RobotState, Option<f64>)> {
        self.states.iter().map(|(state, clock)| (state, *clock))
    }

    /// As bytes: the format, the latency (ticks), then per state the clock (rad, NaN: none), its length, the frame. Older states that
    /// do not fit are left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.clear();
        let len = |state: &RobotState| ITEM_HEAD + state.encoded_len();
        let mut first = self.states.len();
        let mut total = HEAD;
        while let Some((state, _)) = first.checked_sub(1).and_then(|i| self.states.get(i)) {
            total += len(state);
            if total > MAX_OFFBOARD_MESSAGE {
                break;
            }
            first -= 1;
        }
        out.extend_from_slice(&FORMAT);
        out.extend_from_slice(&self.latency_ticks.to_le_bytes());
        let mut buffer = [0; MAX_FRAME];
        for (state, clock) in self.states.iter().skip(first) {
            // The buffer is made for the longest frame.
            let Ok(bytes) = state.encode(&mut buffer) else { continue };
            out.extend_from_slice(&clock.unwrap_or(f64::NAN).to_le_bytes());
            out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
            out.extend_from_slice(bytes);
        }
    }

    /// Reads a message; any bytes give one or a reason.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self, StatesMessageError> {
        let short = StatesMessageError::Cut { at: 0, expected: HEAD };
        let (format, rest) = bytes.split_first_chunk::<4>().ok_or(short.clone())?;
        if *format != FORMAT {
            return Err(StatesMessageError::Format { found: *format });
        }
        let (latency_ticks, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let mut message = Self::new(u32::from_le_bytes(*latency_ticks));
        let (mut rest, mut at) = (rest, HEAD);
        while !rest.is_empty() {
            let cut = |expected: usize| StatesMessageError::Cut { at, expected };
            if message.states.len() >= STATES_PER_MESSAGE {
                return Err(StatesMessageError::TooMany);
            }
            let (clock, tail) = rest.split_first_chunk::<8>().ok_or(cut(8))?;
            let (len, tail) = tail.split_first_chunk::<2>().ok_or(cut(2))?;
            let (clock, len) = (f64::from_le_bytes(*clock), usize::from(u16::from_le_bytes(*len)));
            let frame = tail.get(..len).ok_or(cut(len))?;
            let state = RobotState::decode(frame).map_err(|error| StatesMessageError::State { at, error })?;
            message.states.push_back((state, Some(clock).filter(|c| c.is_finite())));
            rest = tail.get(len..).unwrap_or_default();
            at += ITEM_HEAD + len;
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing set-up is a failing test
    use super::*;
    use proptest::prelude::*;
    use sinew_wire::RobotJoint;

    fn state(step: u64, joints: usize) -> RobotState {
        let mut state = RobotState::default();
        state.header.step = step;
        state.joints.extend((0..joints).map(|_| RobotJoint::default()));
        state
    }

    fn bytes(steps: std::ops::Range<u64>, joints: usize) -> Vec<u8> {
        let mut message = StatesMessage::new(7);
        for step in steps {
            message.push(&state(step, joints), (step % 2 == 0).then_some(step as f64));
        }
        let mut out = Vec::new();
        message.encode(&mut out);
        out
    }

    fn steps(bytes: &[u8]) -> Vec<(u64, Option<f64>)> {
        let message = StatesMessage::decode(bytes).unwrap();
        assert_eq!(message.latency_ticks(), 7);
        message.iter().map(|(s, clock)| (s.header.step, clock)).collect()
    }

    #[test]
    fn the_newest_states_travel_oldest_first_and_as_many_as_fit() {
        assert_eq!(steps(&bytes(0..6, 12)), [(2, Some(2.0)), (3, None), (4, Some(4.0)), (5, None)]);
        let large = bytes(0..6, 64);
        assert!(large.len() <= MAX_OFFBOARD_MESSAGE);
        assert_eq!(steps(&large), [(3, None), (4, Some(4.0)), (5, None)]);
    }

    #[test]
    fn damage_is_said_where_it_is() {
        let whole = bytes(0..2, 12);
        let one = HEAD + (whole.len() - HEAD) / 2;
        let cut = |expected| StatesMessageError::Cut { at: 0, expected };
        assert_eq!(StatesMessage::decode(&whole[..HEAD - 1]).unwrap_err(), cut(HEAD));
        assert_eq!(
            StatesMessage::decode(&whole[..one + 3]).unwrap_err(),
            StatesMessageError::Cut { at: one, expected: 8 }
        );
        // As a version that began with the clock of the first state sent it.
        let old = StatesMessage::decode(&whole[HEAD..]).unwrap_err();
        assert!(old.to_string().contains("same version of sinew on both machines"), "{old}");
        let mut flipped = whole.clone();
        flipped[one + 80] ^= 1;
        let said = StatesMessage::decode(&flipped).unwrap_err();
        assert!(matches!(said, StatesMessageError::State { at, .. } if at == one), "{said}");
        let many = [whole.as_slice(), &whole[HEAD..], &whole[HEAD..]].concat();
        assert_eq!(StatesMessage::decode(&many).unwrap_err(), StatesMessageError::TooMany);
    }

    proptest! {
        #[test]
        fn the_decoder_is_total(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            StatesMessage::decode(&bytes).ok();
            StatesMessage::decode(&[&FORMAT[..], &bytes].concat()).ok();
        }

        #[test]
        fn a_cut_message_is_noticed_or_shorter(cut in 0usize..2000) {
            let whole = bytes(0..4, 12);
            let cut = cut.min(whole.len());
            if let Ok(message) = StatesMessage::decode(&whole[..cut]) {
                let one = (whole.len() - HEAD) / 4;
                prop_assert!((cut - HEAD).is_multiple_of(one));
                prop_assert_eq!(message.iter().count(), (cut - HEAD) / one);
            }
        }
    }
}
