//! Reads fields from bytes that anybody may have sent.
use super::MAX_BYTES;

/// Why bytes are not the message they claim to be. Offsets count from the start, header included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("message of {found} bytes: at most {MAX_BYTES} expected")]
    TooLarge { found: usize },
    /// Big-endian, XCDR2 or parameter lists: nobody sends these for ROS messages.
    #[error("header: expected 00 00 or 00 01 (plain CDR), found {found:02x?}")]
    Header { found: [u8; 2] },
    #[error("offset {at}: {needed} bytes expected, {left} left")]
    Short { at: usize, needed: usize, left: usize },
    #[error("offset {at}: a bool is 0 or 1, found {found}")]
    Bool { at: usize, found: u8 },
    #[error("offset {at}: {count} elements of at least {element} bytes do not fit into the {left} left")]
    Count { at: usize, count: u32, element: usize, left: usize },
    #[error("offset {at}: string without its final zero")]
    Unterminated { at: usize },
    #[error("offset {at}: string is not UTF-8")]
    Utf8 { at: usize },
}

/// A message being read.
#[derive(Clone, Debug)]
pub struct CdrReader<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl<'a> CdrReader<'a> {
    /// Checks size and header.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`], [`DecodeError::Short`], [`DecodeError::Header`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BYTES {
            return Err(DecodeError::TooLarge { found: bytes.len() });
        }
        match bytes {
            // The last two are options; writers put the number of padding bytes there.
            [0, kind @ (0 | 1), _, _, ..] => Ok(Self { bytes, at: 4, big_endian: *kind == 0 }),
            [a, b, _, _, ..] => Err(DecodeError::Header { found: [*a, *b] }),
            _ => Err(DecodeError::Short { at: 0, needed: 4, left: bytes.len() }),
        }
    }

    fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    fn take(&mut self, needed: usize) -> Result<&'a [u8], DecodeError> {
        let short = DecodeError::Short { at: self.at, needed, left: self.left() };
        let end = self.at.checked_add(needed).ok_or(short)?;
        let taken = self.bytes.get(self.at..end).ok_or(short)?;
        self.at = end;
        Ok(taken)
    }

    /// One primitive as little-endian bytes, after its alignment.
    ///
    /// # Errors
    /// [`DecodeError::Short`].
    pub fn primitive<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let over = (self.at - 4) % N;
        if over != 0 {
            self.take(N - over)?;
        }
        let mut value = [0; N];
        value.copy_from_slice(self.take(N)?);
        if self.big_endian {
            value.reverse();
        }
        Ok(value)
    }

    /// A bool.
    ///
    /// # Errors
    /// [`DecodeError::Short`], [`DecodeError::Bool`].
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        let at = self.at;
        match self.primitive()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [found] => Err(DecodeError::Bool { at, found }),
        }
    }

    /// A sequence's element count, believed only if that many elements can still follow.
    ///
    /// # Errors
    /// [`DecodeError::Short`], [`DecodeError::Count`].
    pub fn count(&mut self, element_bytes: usize) -> Result<usize, DecodeError> {
        let at = self.at;
        let count = u32::from_le_bytes(self.primitive()?);
        let element = element_bytes.max(1);
        let left = self.left();
        let fits = usize::try_from(count).ok().filter(|count| *count <= left / element);
        fits.ok_or(DecodeError::Count { at, count, element, left })
    }

    /// A string; the length 0 of some writers is the empty string.
    ///
    /// # Errors
    /// [`DecodeError::Short`], [`DecodeError::Count`], [`DecodeError::Unterminated`], [`DecodeError::Utf8`].
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.count(1)?;
        let at = self.at;
        match self.take(length)? {
            [] => Ok(""),
            [text @ .., 0] => std::str::from_utf8(text).map_err(|_| DecodeError::Utf8 { at }),
            _ => Err(DecodeError::Unterminated { at }),
        }
    }
}
