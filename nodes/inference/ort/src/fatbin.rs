//! Which GPU generations a CUDA library holds code for.
//!
//! Section `.nv_fatbin` is a run of containers (magic 0xBA55ED50, u16 version, u16 header size, u64 body size), each
//! body a run of entries (u16 kind, u32 header size at +4, u64 payload size at +8, u32 architecture at +28); kind 1
//! is PTX, which any newer device can compile, kind 2 a cubin, which only its own generation runs.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{Read, Seek};

use crate::elf::{Elf, ElfError, u16_at, u32_at, u64_at};

const MAGIC: u32 = 0xBA55_ED50;
const CONTAINER_HEADER: u64 = 16;
const ENTRY_HEADER: u64 = 32;
const PTX: u16 = 1;
const CUBIN: u16 = 2;
/// Bytes between two containers at most.
const MAX_PADDING: u64 = 1 << 16;
/// Entries of one library at most; the largest known has some ten thousand.
const MAX_ENTRIES: usize = 1_000_000;

/// Integrated devices run nothing but their own generation: binary compatibility within a major version is promised
/// for discrete devices only.
const INTEGRATED: [u32; 7] = [53, 62, 72, 87, 101, 110, 88];

/// Generations found, as 10 * major + minor.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Architectures {
    /// With machine code.
    pub cubins: BTreeSet<u32>,
    /// With PTX.
    pub ptx: BTreeSet<u32>,
}

impl Architectures {
    /// Reads the section of a library; empty when it has none.
    pub fn read<F: Read + Seek>(elf: &mut Elf<F>) -> Result<Self, ElfError> {
        let mut found = Self::default();
        let Some((start, size)) = elf.section(".nv_fatbin") else { return Ok(found) };
        let end = start.saturating_add(size);
        let mut at = start;
        let (mut entries, mut padding) = (0, 0);
        while at.saturating_add(CONTAINER_HEADER) <= end {
            let header = elf.read_at(at, CONTAINER_HEADER)?;
            if u32_at(&header, 0) != MAGIC {
                at = at.saturating_add(8); // containers are aligned to 8 with zeros between
                padding += 8;
                if padding > MAX_PADDING {
                    return Err(ElfError::Format("no container of GPU code where one is due"));
                }
                continue;
            }
            padding = 0;
            let body = at.saturating_add(u64::from(u16_at(&header, 6)).max(CONTAINER_HEADER));
            let body_end = body.saturating_add(u64_at(&header, 8));
            if body_end > end {
                return Err(ElfError::Format("a container of GPU code reaches beyond its section"));
            }
            let mut entry = body;
            while entry.saturating_add(ENTRY_HEADER) <= body_end {
                let header = elf.read_at(entry, ENTRY_HEADER)?;
                let [kind, architecture] = [u32::from(u16_at(&header, 0)), u32_at(&header, 28)];
                match u16::try_from(kind) {
                    Ok(PTX) => _ = found.ptx.insert(architecture),
                    Ok(CUBIN) => _ = found.cubins.insert(architecture),
                    _ => {}
                }
                let step = u64::from(u32_at(&header, 4)).saturating_add(u64_at(&header, 8));
                entry = entry.saturating_add(step.max(ENTRY_HEADER));
                entries += 1;
                if entries > MAX_ENTRIES {
                    return Err(ElfError::Format("more GPU code entries than any library has"));
                }
            }
            at = body_end;
        }
        Ok(found)
    }

    /// True when it holds GPU code at all.
    pub fn any(&self) -> bool {
        !self.cubins.is_empty() || !self.ptx.is_empty()
    }

    /// Can a device of this compute capability run it?
    pub fn runs_on(&self, capability: (u32, u32)) -> bool {
        let device = 10 * capability.0 + capability.1;
        if self.cubins.contains(&device) || self.ptx.iter().any(|ptx| *ptx <= device) {
            return true;
        }
        let integrated = |sm: &u32| INTEGRATED.contains(sm);
        let older_sibling = |sm: &u32| sm / 10 == capability.0 && *sm <= device && !integrated(sm);
        !integrated(&device) && self.cubins.iter().any(older_sibling)
    }
}

impl fmt::Display for Architectures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |set: &BTreeSet<u32>| {
            let names: Vec<String> = set.iter().map(|sm| format!("sm_{sm}")).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        write!(f, "cubins {}; PTX {}", list(&self.cubins), list(&self.ptx))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;
    use std::io::Cursor;

    fn entry(kind: u16, architecture: u32, payload: u64) -> Vec<u8> {
        let mut bytes = vec![0u8; 64];
        bytes[0..2].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&64u32.to_le_bytes());
        bytes[8..16].copy_from_slice(&payload.to_le_bytes());
        bytes[28..32].copy_from_slice(&architecture.to_le_bytes());
        bytes.resize(64 + payload as usize, 0xAA);
        bytes
    }

    fn container(entries: &[Vec<u8>]) -> Vec<u8> {
        let body = entries.concat();
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend([1, 0, 16, 0]);
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    /// An ELF file with nothing but a name table and this section.
    fn library(section: &[u8]) -> Vec<u8> {
        let names = b"\0.shstrtab\0.nv_fatbin\0";
        let mut bytes = vec![0u8; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        let names_at = bytes.len();
        bytes.extend(names);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let section_at = bytes.len();
        bytes.extend(section);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let table = bytes.len();
        let mut header = |name: u32, kind: u32, offset: usize, size: usize| {
            let mut h = vec![0u8; 64];
            h[0..4].copy_from_slice(&name.to_le_bytes());
            h[4..8].copy_from_slice(&kind.to_le_bytes());
            h[24..32].copy_from_slice(&(offset as u64).to_le_bytes());
            h[32..40].copy_from_slice(&(size as u64).to_le_bytes());
            bytes.extend(h);
        };
        header(0, 0, 0, 0);
        header(1, 3, names_at, names.len());
        header(11, 1, section_at, section.len());
        bytes[40..48].copy_from_slice(&(table as u64).to_le_bytes());
        (bytes[58], bytes[60], bytes[62]) = (64, 3, 1);
        bytes
    }

    fn read(section: &[u8]) -> Result<Architectures, ElfError> {
        Architectures::read(&mut Elf::open(Cursor::new(library(section))).unwrap())
    }

    #[test]
    fn cubins_and_ptx_are_listed_by_generation() {
        let mut section = container(&[entry(CUBIN, 89, 40), entry(CUBIN, 90, 8)]);
        section.extend([0; 24]); // padding between containers
        section.extend(container(&[entry(CUBIN, 120, 0), entry(PTX, 90, 16), entry(7, 50, 8)]));
        let found = read(&section).unwrap();
        assert_eq!(found.to_string(), "cubins sm_89, sm_90, sm_120; PTX sm_90");
        assert!(read(&[]).unwrap() == Architectures::default());
        let own = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        assert!(!Architectures::read(&mut Elf::open(own).unwrap()).unwrap().any());
    }

    #[test]
    fn a_library_for_other_devices_is_found_out() {
        let cubins =
            |list: &[u32]| Architectures { cubins: list.iter().copied().collect(), ..Default::default() };
        let wheel = cubins(&[89, 90, 120, 121]);
        assert!(!wheel.runs_on((8, 7)), "Orin");
        assert!(!wheel.runs_on((11, 0)), "Thor");
        assert!(wheel.runs_on((9, 0)) && wheel.runs_on((12, 1)));
        assert!(!wheel.runs_on((8, 6)), "an older device of the same major version");
        assert!(cubins(&[80]).runs_on((8, 6)), "a newer device of the same major version");
        assert!(!cubins(&[80]).runs_on((8, 7)), "code of a discrete device on an integrated one");
        assert!(!cubins(&[87]).runs_on((8, 9)), "code of an integrated device on a discrete one");
        let mut with_ptx = cubins(&[75]);
        with_ptx.ptx.insert(80);
        assert!(with_ptx.runs_on((8, 7)) && !with_ptx.runs_on((7, 0)));
    }

    #[test]
    fn lying_lengths_are_refused_or_end() {
        let mut section = container(&[entry(CUBIN, 90, 8)]);
        section[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(read(&section).is_err());
        let mut section = container(&[entry(CUBIN, 90, 8)]);
        section[16 + 8..16 + 16].copy_from_slice(&u64::MAX.to_le_bytes()); // the payload's size
        assert_eq!(read(&section).unwrap().cubins.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn altered_sections_never_crash(at in 0usize..200, byte: u8) {
            let mut section = container(&[entry(CUBIN, 90, 40), entry(PTX, 90, 16)]);
            if let Some(b) = section.get_mut(at) {
                *b = byte;
            }
            drop(read(&section));
        }
    }
}
