//! A bounded reader of the Protocol Buffers wire format over a byte slice.
//!
//! A length is never believed beyond the slice it stands in, so nothing is allocated by the size a damaged file
//! claims, and a nested message can only shrink. Encoding: protobuf.dev/programming-guides/encoding.

/// What is wrong with the bytes, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The file ends inside a value.
    #[error("byte {at}: the file ends inside a value that needs {needed} more bytes")]
    Truncated {
        /// Offset in the file.
        at: usize,
        /// Bytes the value still needed.
        needed: u64,
    },
    /// A variable-length integer of more than 64 bits.
    #[error("byte {at}: an integer of more than 64 bits")]
    Varint {
        /// Offset in the file.
        at: usize,
    },
    /// A wire type that does not exist, or the abandoned groups.
    #[error("byte {at}: wire type {wire_type}, which no ONNX file uses")]
    WireType {
        /// Offset in the file.
        at: usize,
        /// The type found.
        wire_type: u8,
    },
    /// A field has another type than the schema says.
    #[error("byte {at}: field {field} holds {found}, expected {expected}")]
    Type {
        /// Offset in the file.
        at: usize,
        /// Field number.
        field: u64,
        /// Kind found.
        found: &'static str,
        /// Kind expected.
        expected: &'static str,
    },
    /// Text that is not UTF-8.
    #[error("byte {at}: field {field} is not UTF-8 text")]
    Utf8 {
        /// Offset in the file.
        at: usize,
        /// Field number.
        field: u64,
    },
}

/// One field's value, borrowing from the file.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Variable-length integer.
    Varint(u64),
    /// Eight bytes, little endian.
    Fixed64([u8; 8]),
    /// String, bytes, message or packed numbers.
    Bytes(&'a [u8]),
    /// Four bytes, little endian.
    Fixed32([u8; 4]),
}

/// A field: number, value, and where its value starts in the file.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Field number of the schema.
    pub number: u64,
    /// Its value.
    pub value: Value<'a>,
    /// Offset of the value in the file.
    pub at: usize,
}

/// Walks the fields of one message.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Fields of the message `bytes`, which starts at `at` in the file.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { rest: bytes, at }
    }

    /// The next field, or `None` at the end of the message.
    pub fn next_field(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let tag = self.varint()?;
        let value_at = self.at;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.array()?),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(self.array()?),
            other => return Err(WireError::WireType { at, wire_type: other as u8 }),
        };
        Ok(Some(Field { number: tag >> 3, value, at: value_at }))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], WireError> {
        let available = self.rest.len() as u64;
        let split = usize::try_from(length).ok().and_then(|n| self.rest.split_at_checked(n));
        let Some((head, tail)) = split else {
            return Err(WireError::Truncated { at: self.at, needed: length.saturating_sub(available) });
        };
        self.rest = tail;
        self.at += head.len();
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let bytes = self.take(N as u64)?;
        let mut out = [0; N];
        out.copy_from_slice(bytes);
        Ok(out)
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let at = self.at;
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let Some((&byte, tail)) = self.rest.split_first() else {
                return Err(WireError::Truncated { at, needed: 1 });
            };
            self.rest = tail;
            self.at += 1;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Varint { at })
    }
}

impl<'a> Field<'a> {
    fn kind(&self) -> &'static str {
        match self.value {
            Value::Varint(_) => "an integer",
            Value::Fixed64(_) => "eight fixed bytes",
            Value::Bytes(_) => "a string, a message or packed numbers",
            Value::Fixed32(_) => "four fixed bytes",
        }
    }

    fn mismatch(&self, expected: &'static str) -> WireError {
        WireError::Type { at: self.at, field: self.number, found: self.kind(), expected }
    }

    /// As a signed integer.
    pub fn int(&self) -> Result<i64, WireError> {
        match self.value {
            Value::Varint(v) => Ok(v as i64),
            _ => Err(self.mismatch("an integer")),
        }
    }

    /// As raw bytes.
    pub fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(b) => Ok(b),
            _ => Err(self.mismatch("bytes")),
        }
    }

    /// As text.
    pub fn text(&self) -> Result<&'a str, WireError> {
        let utf8 = |_| WireError::Utf8 { at: self.at, field: self.number };
        std::str::from_utf8(self.bytes()?).map_err(utf8)
    }

    /// As a nested message.
    pub fn message(&self) -> Result<Fields<'a>, WireError> {
        let bytes = self.bytes()?;
        // The value starts with its length; the message itself ends where the field ends.
        Ok(Fields::new(bytes, self.at + length_of_varint(bytes.len() as u64)))
    }

    /// As one f32.
    pub fn float(&self) -> Result<f32, WireError> {
        match self.value {
            Value::Fixed32(b) => Ok(f32::from_le_bytes(b)),
            _ => Err(self.mismatch("a float")),
        }
    }

    /// Appends one integer, or all of a packed run.
    pub fn ints_into(&self, out: &mut Vec<i64>) -> Result<(), WireError> {
        match self.value {
            Value::Varint(v) => out.push(v as i64),
            Value::Bytes(_) => {
                let mut packed = self.message()?;
                while !packed.rest.is_empty() {
                    out.push(packed.varint()? as i64);
                }
            }
            _ => return Err(self.mismatch("integers")),
        }
        Ok(())
    }

    /// Appends one float, or all of a packed run.
    pub fn floats_into(&self, out: &mut Vec<f32>) -> Result<(), WireError> {
        match self.value {
            Value::Fixed32(b) => out.push(f32::from_le_bytes(b)),
            Value::Bytes(_) => {
                let mut packed = self.message()?;
                while !packed.rest.is_empty() {
                    out.push(f32::from_le_bytes(packed.array()?));
                }
            }
            _ => return Err(self.mismatch("floats")),
        }
        Ok(())
    }
}

fn length_of_varint(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    #[test]
    fn fields_are_read_with_their_offsets() {
        // field 1 = 150; field 2 = "hi"; field 3 = 1.0f32; field 4 = packed 3, 270
        let bytes = [0x08, 0x96, 1, 0x12, 2, b'h', b'i', 0x1d, 0, 0, 0x80, 0x3f, 0x22, 3, 3, 0x8e, 2];
        let mut fields = Fields::new(&bytes, 100);
        assert_eq!(fields.next_field().unwrap().unwrap().int().unwrap(), 150);
        let text = fields.next_field().unwrap().unwrap();
        assert_eq!((text.text().unwrap(), text.at), ("hi", 104));
        assert_eq!(text.message().unwrap().at, 105);
        assert_eq!(fields.next_field().unwrap().unwrap().float().unwrap(), 1.0);
        let mut ints = Vec::new();
        fields.next_field().unwrap().unwrap().ints_into(&mut ints).unwrap();
        assert_eq!(ints, [3, 270]);
        assert!(fields.next_field().unwrap().is_none());
    }

    #[test]
    fn each_lying_byte_is_named() {
        // A length that points behind the end.
        let far = Fields::new(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, 1], 0).next_field().unwrap_err();
        assert!(matches!(far, WireError::Truncated { at: 6, .. }), "{far}");
        // A number that never ends.
        let endless = Fields::new(&[0x08; 1], 0).next_field().unwrap_err();
        assert!(matches!(endless, WireError::Truncated { .. }), "{endless}");
        let mut long = vec![0x08];
        long.extend([0xff; 11]);
        assert_eq!(Fields::new(&long, 0).next_field().unwrap_err(), WireError::Varint { at: 1 });
        // A group.
        let group = Fields::new(&[0x0b], 7).next_field().unwrap_err();
        assert_eq!(group, WireError::WireType { at: 7, wire_type: 3 });
        // An integer where text is expected.
        let field = Fields::new(&[0x08, 1], 0).next_field().unwrap().unwrap();
        assert!(matches!(field.text().unwrap_err(), WireError::Type { field: 1, .. }));
    }
}
