//! What rides beside every sample: its number, when it was sent, by whom. A sample without it is dropped by others.
use crate::gid::Gid;

/// Bytes of an attachment.
const LENGTH: usize = 33;
/// Length of the identity, before the identity.
const GID_LENGTH: u8 = 16;

/// Number, time and publisher of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// From 1, one more per sample of this publisher.
    pub sequence: i64,
    /// System clock of the sender, ns since 1970.
    pub source_stamp_ns: i64,
    pub gid: Gid,
}

/// Why an attachment was not read; the sample is dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    #[error("attachment of {found} bytes: {LENGTH} expected")]
    Length { found: usize },
    #[error("attachment: an identity of {found} bytes; {GID_LENGTH} expected")]
    GidLength { found: u8 },
    #[error("attachment: sequence number {found}; at least 0 expected")]
    Sequence { found: i64 },
}

impl Attachment {
    /// `sequence` i64, `source_stamp_ns` i64, length byte, identity; all little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let (sequence, rest) = bytes.split_at_mut(8);
        let (stamp, rest) = rest.split_at_mut(8);
        let (length, gid) = rest.split_at_mut(1);
        sequence.copy_from_slice(&self.sequence.to_le_bytes());
        stamp.copy_from_slice(&self.source_stamp_ns.to_le_bytes());
        length.copy_from_slice(&[GID_LENGTH]);
        gid.copy_from_slice(&self.gid.0);
        bytes
    }

    /// # Errors
    /// [`AttachmentError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AttachmentError> {
        let wrong = AttachmentError::Length { found: bytes.len() };
        if bytes.len() != LENGTH {
            return Err(wrong);
        }
        let (sequence, rest) = bytes.split_first_chunk::<8>().ok_or(wrong)?;
        let (stamp, rest) = rest.split_first_chunk::<8>().ok_or(wrong)?;
        let (length, gid) = rest.split_first_chunk::<1>().ok_or(wrong)?;
        if *length != [GID_LENGTH] {
            let [found] = *length;
            return Err(AttachmentError::GidLength { found });
        }
        let sequence = i64::from_le_bytes(*sequence);
        if sequence < 0 {
            return Err(AttachmentError::Sequence { found: sequence });
        }
        let gid = Gid(gid.try_into().map_err(|_| wrong)?);
        Ok(Self { sequence, source_stamp_ns: i64::from_le_bytes(*stamp), gid })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test should stop where it failed
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_known_bytes() {
        let gid = Gid(std::array::from_fn(|i| i as u8));
        let bytes = Attachment { sequence: 1, source_stamp_ns: 2, gid }.to_bytes();
        let mut expected = vec![1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0x10];
        expected.extend(0..16);
        assert_eq!(bytes.to_vec(), expected);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(sequence in 0..i64::MAX, source_stamp_ns: i64, gid: [u8; 16]) {
            let written = Attachment { sequence, source_stamp_ns, gid: Gid(gid) };
            prop_assert_eq!(Attachment::from_bytes(&written.to_bytes()), Ok(written));
        }

        #[test]
        fn any_bytes_give_an_attachment_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
            if let Ok(read) = Attachment::from_bytes(&bytes) {
                prop_assert_eq!(read.to_bytes().to_vec(), bytes);
            }
        }
    }

    #[test]
    fn each_lie_is_named() {
        let good = Attachment { sequence: 7, source_stamp_ns: 9, gid: Gid([3; 16]) }.to_bytes();
        assert_eq!(Attachment::from_bytes(&good[..32]), Err(AttachmentError::Length { found: 32 }));
        let mut wrong = good;
        wrong[16] = 24;
        assert_eq!(Attachment::from_bytes(&wrong), Err(AttachmentError::GidLength { found: 24 }));
        let mut wrong = good;
        wrong[7] = 0x80;
        assert!(matches!(Attachment::from_bytes(&wrong), Err(AttachmentError::Sequence { .. })));
    }
}
