//! Writes fields into a buffer that is kept between messages.
use super::{HEADER, MAX_BYTES};

/// Why a message was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Split the message or send less.
    #[error("message of {found} bytes: at most {MAX_BYTES} expected")]
    TooLarge { found: usize },
    /// A ROS string ends at its first zero byte.
    #[error("string with a zero byte inside: remove it")]
    ZeroInString,
}

/// A message being written.
#[derive(Debug)]
pub struct CdrWriter<'a> {
    out: &'a mut Vec<u8>,
    error: Option<EncodeError>,
}

impl<'a> CdrWriter<'a> {
    /// Starts a message in `out`, which is emptied but keeps its memory.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        out.clear();
        out.extend_from_slice(&HEADER);
        Self { out, error: None }
    }

    /// Ends the message.
    ///
    /// # Errors
    /// The first field that could not be written.
    pub fn finish(self) -> Result<(), EncodeError> {
        let found = self.out.len();
        match self.error {
            Some(error) => Err(error),
            None if found > MAX_BYTES => Err(EncodeError::TooLarge { found }),
            None => Ok(()),
        }
    }

    /// One primitive, aligned to its size.
    pub fn primitive<const N: usize>(&mut self, le_bytes: [u8; N]) {
        let over = (self.out.len() - HEADER.len()) % N;
        if over != 0 {
            self.out.resize(self.out.len() + N - over, 0);
        }
        self.out.extend_from_slice(&le_bytes);
    }

    /// A sequence's element count.
    pub fn count(&mut self, count: usize) {
        match u32::try_from(count) {
            Ok(count) => self.primitive(count.to_le_bytes()),
            Err(_) => self.error = self.error.or(Some(EncodeError::TooLarge { found: count })),
        }
    }

    /// Length including the final zero, bytes, zero.
    pub fn string(&mut self, text: &str) {
        if text.as_bytes().contains(&0) {
            self.error = self.error.or(Some(EncodeError::ZeroInString));
        }
        self.count(text.len() + 1);
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(0);
    }
}
