//! Foreign libraries that are opened at run time: where one may lie, and getting the tested one by pip; and the
//! Python packages of our own programs.
//!
//! A room that opens such a library describes it once as a [`Pinned`]; [`Places`] are where this process looks.
//! [`Packages`] are the same for a Python program.
//! Nothing is opened here and no foreign code runs: what comes out is a path.
//!
//! May be touched: the order of places. Invariant: what was named is never replaced by another, and what is fetched
//! has the pinned bytes or does not appear.

mod fetch;
mod packages;
mod places;
mod python;

pub use fetch::FetchError;
pub use packages::{Packages, PackagesError};
pub use places::{NotFound, Places};
pub use python::last_words;

/// A library as a Python wheel carries it, in the version its room is tested with.
#[derive(Clone, Copy, Debug)]
pub struct Pinned {
    /// What people call it.
    pub name: &'static str,
    /// File name without a version, `lib….so`.
    pub file: &'static str,
    /// Package of the wheel.
    pub package: &'static str,
    /// Version of package and library.
    pub version: &'static str,
    /// Folder of the library in the wheel, and so below `site-packages`.
    pub folder: &'static str,
    /// Whether other versions with the same first number do as well.
    pub other_versions: bool,
    /// Environment variable that names a library; nothing else is tried then.
    pub environment: &'static str,
    /// What works without the library.
    pub without: &'static str,
    /// One per architecture, Linux only.
    pub builds: &'static [Build],
}

/// The wheel for an architecture and the library in it.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// As [`std::env::consts::ARCH`].
    pub arch: &'static str,
    /// Platform in the wheel's file name.
    pub platform: &'static str,
    /// SHA-256 of the wheel.
    pub wheel: &'static str,
    /// SHA-256 of the library.
    pub library: &'static str,
}

impl Pinned {
    /// The build for this machine.
    fn build(&self) -> Option<&'static Build> {
        self.builds.iter().find(|b| b.arch == std::env::consts::ARCH && cfg!(target_os = "linux"))
    }

    /// File name with the version.
    #[must_use]
    pub fn versioned(&self) -> String {
        format!("{}.{}", self.file, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::{Build, Pinned};

    const fn build(arch: &'static str) -> Build {
        Build { arch, platform: "any", wheel: NO_HASH, library: NO_HASH }
    }

    const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    /// A package that exists, with hashes that are not its own.
    pub const SIX: Pinned = Pinned {
        name: "six",
        file: "libsix.so",
        package: "six",
        version: "1.16.0",
        folder: "six/inner",
        other_versions: false,
        environment: "SIX_LIBRARY",
        without: "nothing at all",
        builds: &[build("x86_64"), build("aarch64")],
    };
}
