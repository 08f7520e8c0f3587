//! The running hash of a run: truth and the commands applied at each drive, step by step.
//!
//! Two runs with equal hashes went through the same states under the same commands, bit for bit. Wall time,
//! counters and anything a slow machine could change stay out of it.

use sha2::{Digest, Sha256};

/// SHA-256 over everything fed so far; can be read at any step.
#[derive(Clone)]
pub(crate) struct Record {
    hasher: Sha256,
}

impl Record {
    pub(crate) fn new() -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"twin record 1");
        Self { hasher }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    pub(crate) fn number(&mut self, x: u64) {
        self.hasher.update(x.to_le_bytes());
    }

    pub(crate) fn float(&mut self, x: f64) {
        self.number(x.to_bits());
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        self.hasher.clone().finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_does_not_disturb_and_one_bit_changes_it() {
        let mut a = Record::new();
        a.float(1.0);
        let early = a.digest();
        assert_eq!(early, a.digest());
        a.float(2.0);
        assert_ne!(early, a.digest());
        let mut b = Record::new();
        b.float(1.0);
        b.float(f64::from_bits(2.0f64.to_bits() ^ 1));
        assert_ne!(a.digest(), b.digest());
    }
}
