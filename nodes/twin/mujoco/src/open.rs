//! From the places of this machine to an opened library.

use sinew_pinned::{FetchError, NotFound, Places};

use crate::library::Library;
use crate::pin::MUJOCO;

/// Why no library could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// None anywhere.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// None anywhere, and none could be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// There, but the loader does not take it.
    #[error("{path}: {reason}; expected a libmujoco of this machine; remove the file so that it is fetched")]
    Load {
        /// Library.
        path: String,
        /// What the loader said.
        reason: String,
    },
    /// There, but without a function that is needed: another version, or no MuJoCo at all.
    #[error(
        "{path}: {version}has no symbol {symbol}; use MuJoCo {expected} or newer, or unset what names this file"
    )]
    TooOld {
        /// Library.
        path: String,
        /// `MuJoCo x.y.z ` when it says which it is.
        version: String,
        /// The function it lacks.
        symbol: &'static str,
        /// The version this room is tested with.
        expected: &'static str,
    },
}

/// Opens the library that was named, or the pinned one; fetches that when it is nowhere or has other bytes.
///
/// # Errors
/// [`OpenError`]; a library that was named is never replaced by another.
pub fn find_or_fetch(places: &Places) -> Result<Library, OpenError> {
    let named = places.named.is_some();
    match (MUJOCO.find(places), &places.runtime_dir) {
        (Ok(path), _) if named || MUJOCO.is_pinned(&path) => Library::open(&path),
        (_, Some(dir)) if !named => Library::open(&MUJOCO.fetch(dir)?),
        (Err(error), _) => Err(error.into()),
        (Ok(path), _) => {
            Err(MUJOCO.not_found(vec![format!("{} (not the pinned bytes)", path.display())]).into())
        }
    }
}
