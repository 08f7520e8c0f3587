//! Results of another machine on their way back: frames one behind the other, in as many messages as they need.
use sinew_policy::Remote;
use sinew_policy::remote::MAX_AHEAD;
use sinew_wire::{DecodeError, MAX_FRAME, PolicyCommand};

use super::MAX_OFFBOARD_MESSAGE;

/// Length before each frame in a message.
const ITEM_HEAD: usize = 2;

/// Why bytes are no message of results.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResultsMessageError {
    /// Cut in the middle.
    #[error("byte {at}: cut; expected {expected} more bytes")]
    Cut {
        /// Where.
        at: usize,
        /// Bytes.
        expected: usize,
    },
    /// A frame that is none of ours.
    #[error("byte {at}: {error}")]
    Frame {
        /// Where.
        at: usize,
        /// Why.
        error: DecodeError,
    },
    /// More frames than a chunk has.
    #[error("more than {MAX_AHEAD} results")]
    TooMany,
}

/// Gives `send` the messages that hold `results`, a result and what its chunk has for later, in order; `buffer` is where
/// each is written.
pub fn encode_results(results: &[PolicyCommand], buffer: &mut Vec<u8>, mut send: impl FnMut(&[u8])) {
    buffer.clear();
    let mut frame = [0; MAX_FRAME];
    for result in results {
        // The buffer is made for the longest frame.
        let Ok(bytes) = result.encode(&mut frame) else { continue };
        if buffer.len() + ITEM_HEAD + bytes.len() > MAX_OFFBOARD_MESSAGE {
            send(buffer);
            buffer.clear();
        }
        buffer.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        buffer.extend_from_slice(bytes);
    }
    if !buffer.is_empty() {
        send(buffer);
    }
}

/// Reads a message into `results`, which is emptied first and left empty by one that is none; any bytes give results or
/// a reason. With room for [`MAX_AHEAD`] frames nothing is allocated.
///
/// # Errors
/// The first thing that does not fit.
pub fn decode_results(bytes: &[u8], results: &mut Vec<PolicyCommand>) -> Result<(), ResultsMessageError> {
    let read = read(bytes, results);
    if read.is_err() {
        results.clear();
    }
    read
}

/// Gives `remote` the results in a message that arrived when control was at `step`; they stay in `results`. What is
/// refused of them is counted where it is refused.
///
/// # Errors
/// Bytes that are no message; nothing of them is heard.
pub fn hear_results(
    bytes: &[u8],
    results: &mut Vec<PolicyCommand>,
    remote: &mut Remote,
    step: u64,
) -> Result<(), ResultsMessageError> {
    decode_results(bytes, results)?;
    for frame in results.iter() {
        remote.hear(frame, step).ok();
    }
    Ok(())
}

fn read(bytes: &[u8], results: &mut Vec<PolicyCommand>) -> Result<(), ResultsMessageError> {
    results.clear();
    let (mut rest, mut at) = (bytes, 0);
    while !rest.is_empty() {
        let cut = |expected: usize| ResultsMessageError::Cut { at, expected };
        if results.len() >= MAX_AHEAD {
            return Err(ResultsMessageError::TooMany);
        }
        let (len, tail) = rest.split_first_chunk::<ITEM_HEAD>().ok_or(cut(ITEM_HEAD))?;
        let len = usize::from(u16::from_le_bytes(*len));
        let frame = tail.get(..len).ok_or(cut(len))?;
        let result =
            PolicyCommand::decode(frame).map_err(|error| ResultsMessageError::Frame { at, error })?;
        results.push(result);
        rest = tail.get(len..).unwrap_or_default();
        at += ITEM_HEAD + len;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing set-up is a failing test
    use super::*;
    use proptest::prelude::*;
    use sinew_wire::JointCommand;

    fn chunk(elements: usize, joints: usize) -> Vec<PolicyCommand> {
        (0..elements)
            .map(|k| {
                let mut frame = PolicyCommand::default();
                frame.body.ahead_us = 20_000 * k as u32;
                let joint = |i| JointCommand::impedance(k as f32, i as f32, 0.0, 40.0, 1.0);
                frame.joints.extend((0..joints).map(joint));
                frame
            })
            .collect()
    }

    fn messages(results: &[PolicyCommand]) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        encode_results(results, &mut Vec::new(), |bytes| messages.push(bytes.to_vec()));
        messages
    }

    #[test]
    fn a_chunk_arrives_whole_in_messages_of_bounded_length() {
        for (elements, joints, count) in [(0, 12, 0), (1, 12, 1), (10, 12, 1), (32, 12, 4), (32, 64, 16)] {
            let sent = chunk(elements, joints);
            let messages = messages(&sent);
            assert_eq!(messages.len(), count, "{elements} of {joints} joints");
            let (mut received, mut results) = (Vec::new(), Vec::new());
            for message in &messages {
                assert!(message.len() <= MAX_OFFBOARD_MESSAGE);
                decode_results(message, &mut results).unwrap();
                received.append(&mut results);
            }
            // Its header is filled in as a frame is encoded.
            let said = |frames: &[PolicyCommand]| -> Vec<_> {
                frames.iter().map(|frame| (frame.body, frame.joints.clone())).collect()
            };
            assert_eq!(said(&received), said(&sent));
        }
    }

    #[test]
    fn damage_is_said_where_it_is_and_nothing_of_the_message_is_left() {
        let whole = messages(&chunk(3, 2)).remove(0);
        let one = whole.len() / 3;
        let mut results = Vec::new();
        let cut = decode_results(&whole[..2 * one + 1], &mut results).unwrap_err();
        assert_eq!(cut, ResultsMessageError::Cut { at: 2 * one, expected: 2 });
        let mut flipped = whole.clone();
        flipped[one + 80] ^= 1;
        let said = decode_results(&flipped, &mut results).unwrap_err();
        assert!(matches!(said, ResultsMessageError::Frame { at, .. } if at == one), "{said}");
        assert!(results.is_empty());
        let many = whole.repeat(MAX_AHEAD / 3 + 1);
        assert_eq!(decode_results(&many, &mut results), Err(ResultsMessageError::TooMany));
    }

    proptest! {
        #[test]
        fn the_decoder_is_total(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            decode_results(&bytes, &mut Vec::new()).ok();
        }
    }
}
