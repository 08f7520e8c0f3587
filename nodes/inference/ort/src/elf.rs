//! As much of a 64-bit little-endian ELF file as tells what a library needs and what it holds.
//!
//! Read by seeking, since providers are hundreds of megabytes; every length is checked before it is believed.

use std::io::{Read, Seek, SeekFrom};

/// Largest table or text read at once.
const MAX_TABLE_BYTES: u64 = 64 << 20;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// The operating system said no, or the file ends too early.
    #[error("cannot read it: {0}")]
    Read(#[from] std::io::Error),
    /// Not such a file.
    #[error("not a 64-bit little-endian ELF library: {0}")]
    Format(&'static str),
}

/// What the loader is told about a library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// DT_NEEDED, in order.
    pub needed: Vec<String>,
    /// DT_RUNPATH, else DT_RPATH, split at the colons.
    pub search: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Section {
    name: u32,
    kind: u32,
    offset: u64,
    size: u64,
    link: u32,
}

/// An open file with its section table.
pub struct Elf<F> {
    file: F,
    sections: Vec<Section>,
    names: Vec<u8>,
}

const SHT_DYNAMIC: u32 = 6;
const DT_NEEDED: u64 = 1;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

impl<F: Read + Seek> Elf<F> {
    /// Reads the header and the section table.
    pub fn open(mut file: F) -> Result<Self, ElfError> {
        let mut header = [0u8; 64];
        file.read_exact(&mut header).map_err(|_| ElfError::Format("shorter than a header"))?;
        if header.get(..4) != Some(b"\x7fELF".as_slice()) {
            return Err(ElfError::Format("no ELF magic"));
        }
        if header.get(4..6) != Some([2, 1].as_slice()) {
            return Err(ElfError::Format("another word size or byte order"));
        }
        let table = u64_at(&header, 40);
        let [entry, count, name_section] = [58, 60, 62].map(|at| u16_at(&header, at));
        if entry != 64 || count == 0 {
            return Err(ElfError::Format("no section table"));
        }
        let mut elf = Self { file, sections: Vec::new(), names: Vec::new() };
        let bytes = elf.read_at(table, 64 * u64::from(count))?;
        elf.sections = bytes
            .chunks_exact(64)
            .map(|s| Section {
                name: u32_at(s, 0),
                kind: u32_at(s, 4),
                offset: u64_at(s, 24),
                size: u64_at(s, 32),
                link: u32_at(s, 40),
            })
            .collect();
        let names = elf.sections.get(usize::from(name_section)).copied();
        let names = names.ok_or(ElfError::Format("no section names"))?;
        elf.names = elf.read_at(names.offset, names.size)?;
        Ok(elf)
    }

    /// What the loader is told; empty for a static file.
    pub fn dynamic(&mut self) -> Result<Dynamic, ElfError> {
        let Some(section) = self.sections.iter().find(|s| s.kind == SHT_DYNAMIC).copied() else {
            return Ok(Dynamic::default());
        };
        let strings = usize::try_from(section.link).ok().and_then(|l| self.sections.get(l)).copied();
        let strings = strings.ok_or(ElfError::Format("a dynamic section without names"))?;
        let strings = self.read_at(strings.offset, strings.size)?;
        let entries = self.read_at(section.offset, section.size)?;
        let mut dynamic = Dynamic::default();
        let mut rpath = Vec::new();
        for entry in entries.chunks_exact(16) {
            let (tag, value) = (u64_at(entry, 0), u64_at(entry, 8));
            let name = || text_at(&strings, value).ok_or(ElfError::Format("a name outside its table"));
            let folders = |list: &str| list.split(':').filter(|f| !f.is_empty()).map(str::to_owned).collect();
            match tag {
                0 => break,
                DT_NEEDED => dynamic.needed.push(name()?.to_owned()),
                DT_RUNPATH => dynamic.search = folders(name()?),
                DT_RPATH => rpath = folders(name()?),
                _ => {}
            }
        }
        if dynamic.search.is_empty() {
            dynamic.search = rpath;
        }
        Ok(dynamic)
    }

    /// Offset and size of the section called `name`.
    pub fn section(&self, name: &str) -> Option<(u64, u64)> {
        let named = |s: &&Section| text_at(&self.names, u64::from(s.name)) == Some(name);
        self.sections.iter().find(named).map(|s| (s.offset, s.size))
    }

    /// Exactly `length` bytes from `offset`.
    pub fn read_at(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, ElfError> {
        if length > MAX_TABLE_BYTES {
            return Err(ElfError::Format("a table larger than 64 MiB"));
        }
        self.file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(ElfError::Format("cut short")) }
    }
}

/// Little-endian number at `at`; zero beyond the end, which no caller reaches.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u64::from_le_bytes(*b))
}

/// As [`u64_at`].
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
}

/// As [`u64_at`].
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|b| b.first_chunk()).map_or(0, |b| u16::from_le_bytes(*b))
}

fn text_at(table: &[u8], at: u64) -> Option<&str> {
    let rest = table.get(usize::try_from(at).ok()?..)?;
    let end = rest.iter().position(|b| *b == 0)?;
    str::from_utf8(rest.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;
    use std::io::Cursor;

    #[test]
    fn this_program_is_read_like_any_library() {
        let own = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let mut elf = Elf::open(own).unwrap();
        let dynamic = elf.dynamic().unwrap();
        assert!(dynamic.needed.iter().any(|n| n.starts_with("libc.so")), "{dynamic:?}");
        assert!(elf.section(".text").is_some() && elf.section(".nv_fatbin").is_none());
    }

    #[test]
    fn cut_or_foreign_bytes_are_an_error() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for length in [0, 3, 63, 64, 4096, own.len() / 2] {
            assert!(Elf::open(Cursor::new(&own[..length])).is_err(), "{length}");
        }
        assert!(Elf::open(Cursor::new(vec![b'x'; 4096])).is_err());
        let mut other = own;
        other[4] = 1; // 32 bits
        assert!(matches!(Elf::open(Cursor::new(other)), Err(ElfError::Format(_))));
    }

    proptest::proptest! {
        #[test]
        fn altered_headers_never_crash(at in 0usize..64, byte: u8) {
            let mut bytes = vec![0u8; 512];
            bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
            bytes[40] = 64;
            (bytes[58], bytes[60]) = (64, 7);
            bytes[at] = byte;
            if let Ok(mut elf) = Elf::open(Cursor::new(bytes)) {
                drop(elf.dynamic());
            }
        }
    }
}
