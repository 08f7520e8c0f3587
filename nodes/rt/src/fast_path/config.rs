//! The fixed settings of the fast path, and what may vary: the robot's name and the sockets.
use crate::thread::{Mode, ThreadConfig, priority};
use nix::unistd::geteuid;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest path of a unix socket, bytes (the kernel's field holds 108 with the final zero).
pub const MAX_SOCKET_PATH: usize = 107;
/// A peer that says nothing for this long is gone; a quarter of it is the keep-alive interval.
const LEASE_MS: u64 = 400;
/// Batches waiting for the socket. Each express message takes one; with two (the default) three frames written
/// in one tick would lose the third.
const REAL_TIME_BATCHES: usize = 16;
/// Bytes per batch: the longest message and its header fit without fragmentation.
const BATCH_BYTES: usize = 8192;

/// What a session needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FastPathConfig {
    /// First part of every key; letters, digits, `_` and `-`.
    pub robot: String,
    /// Own sockets.
    pub listen: Vec<PathBuf>,
    /// Sockets of others; tried for ever, so the order of start does not matter.
    pub connect: Vec<PathBuf>,
    /// Which frames we speak; a peer with another hash is refused.
    pub schema_hash: u64,
    /// FIFO for Zenoh's own threads and the publisher threads (70 and 75); false stays with ordinary scheduling.
    pub real_time: bool,
    /// Core for all of them.
    pub core: Option<usize>,
    /// What happens when FIFO or core did not take effect.
    pub mode: Mode,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("robot name {0:?}: 1 to 32 letters, digits, '_' or '-' expected")]
    Robot(String),
    #[error("socket path {}: {found}; expected {expected}", .path.display())]
    Path { path: PathBuf, found: String, expected: String },
    #[error("socket directory {}: {found}; expected {expected}", .path.display())]
    Directory { path: PathBuf, found: String, expected: &'static str },
    /// The linked Zenoh knows a setting no more; an upgrade has to look at it.
    #[error("Zenoh refuses setting {key} = {value}: {source}")]
    Setting { key: &'static str, value: String, source: zenoh::Error },
}

/// The socket on which process `name` listens.
#[must_use]
pub fn socket_path(run_dir: &Path, name: &str) -> PathBuf {
    run_dir.join(format!("{name}.act.sock"))
}

impl FastPathConfig {
    /// A session of `robot` without sockets, ordinary scheduling.
    #[must_use]
    pub fn new(robot: &str, schema_hash: u64) -> Self {
        Self { robot: robot.to_owned(), schema_hash, ..Self::default() }
    }

    /// The thread whose scheduling Zenoh's workers inherit.
    pub(super) fn session_thread(&self) -> ThreadConfig {
        self.thread("zenoh-open", priority::ZENOH)
    }

    pub(super) fn publisher_thread(&self) -> ThreadConfig {
        self.thread("publisher", priority::PUBLISHER)
    }

    fn thread(&self, name: &str, priority: u8) -> ThreadConfig {
        ThreadConfig {
            priority: self.real_time.then_some(priority),
            core: self.core,
            mode: self.mode,
            ..ThreadConfig::named(name)
        }
    }

    /// Checks everything, then spells it for Zenoh.
    pub(super) fn to_zenoh(&self) -> Result<zenoh::Config, ConfigError> {
        check_robot(&self.robot)?;
        let listen = endpoints(&self.listen)?;
        let connect = endpoints(&self.connect)?;
        let mut config = zenoh::Config::default();
        for (key, value) in [
            ("mode", "\"peer\"".to_owned()),
            ("scouting/multicast/enabled", "false".to_owned()),
            ("scouting/gossip/enabled", "false".to_owned()),
            ("scouting/delay", "0".to_owned()),
            ("open/return_conditions/connect_scouted", "false".to_owned()),
            ("adminspace/enabled", "false".to_owned()),
            ("timestamping/enabled", "false".to_owned()),
            ("transport/link/protocols", "[\"unixsock-stream\"]".to_owned()),
            ("listen/endpoints", listen),
            ("listen/exit_on_failure", "true".to_owned()),
            ("connect/endpoints", connect),
            ("connect/timeout_ms", "-1".to_owned()),
            ("connect/exit_on_failure", "false".to_owned()),
            (
                "connect/retry",
                "{ period_init_ms: 50, period_max_ms: 400, period_increase_factor: 2 }".to_owned(),
            ),
            ("transport/unicast/lowlatency", "false".to_owned()),
            ("transport/unicast/qos/enabled", "true".to_owned()),
            ("transport/link/tx/lease", LEASE_MS.to_string()),
            ("transport/link/tx/keep_alive", "4".to_owned()),
            ("transport/link/tx/batch_size", BATCH_BYTES.to_string()),
            ("transport/link/tx/queue/congestion_control/drop/wait_before_drop", "0".to_owned()),
            ("transport/link/tx/queue/size/real_time", REAL_TIME_BATCHES.to_string()),
        ] {
            config.insert_json5(key, &value).map_err(|source| ConfigError::Setting { key, value, source })?;
        }
        Ok(config)
    }
}

fn check_robot(name: &str) -> Result<(), ConfigError> {
    let fits = (1..=32).contains(&name.len());
    if fits && is_plain(name) { Ok(()) } else { Err(ConfigError::Robot(name.to_owned())) }
}

/// Letters, digits, `_`, `-`: what cannot mean anything to a key expression.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn endpoints(paths: &[PathBuf]) -> Result<String, ConfigError> {
    let list = paths.iter().map(|path| endpoint(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("[{}]", list.join(",")))
}

fn endpoint(path: &Path) -> Result<String, ConfigError> {
    let refused = |found: String, expected: &str| ConfigError::Path {
        path: path.to_owned(),
        found,
        expected: expected.into(),
    };
    let text = path.to_str().ok_or_else(|| refused("not UTF-8".into(), "UTF-8"))?;
    if !path.is_absolute() {
        return Err(refused("relative".into(), "an absolute path"));
    }
    // '#', '?' and ';' have a meaning in an endpoint, quotes in the configuration around it.
    if let Some(odd) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "/._-+@".contains(*c))) {
        return Err(refused(format!("character {odd:?}"), "letters, digits and / . _ - + @"));
    }
    if text.len() > MAX_SOCKET_PATH {
        return Err(refused(
            format!("{} bytes", text.len()),
            "at most 107 bytes: choose a shorter run directory",
        ));
    }
    check_directory(path.parent().unwrap_or(path))?;
    Ok(format!("\"unixsock-stream/{text}\""))
}

/// Whoever can open the socket can command the robot, so nobody else may enter its directory.
fn check_directory(path: &Path) -> Result<(), ConfigError> {
    let refused = |found: String, expected| ConfigError::Directory { path: path.to_owned(), found, expected };
    let meta =
        path.symlink_metadata().map_err(|error| refused(error.to_string(), "an existing directory"))?;
    if !meta.is_dir() {
        return Err(refused("not a directory".into(), "a directory, not a link to one"));
    }
    if meta.uid() != geteuid().as_raw() {
        return Err(refused(
            format!("owner uid {}", meta.uid()),
            "a directory of the user who runs the robot",
        ));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(refused(format!("mode {:o}", meta.mode() & 0o777), "mode 700: `chmod 700` it"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test should stop where it failed
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn with_socket(path: PathBuf) -> FastPathConfig {
        FastPathConfig { listen: vec![path], ..FastPathConfig::new("quad", 1) }
    }

    fn private_dir() -> tempfile::TempDir {
        tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir().unwrap()
    }

    #[test]
    fn every_setting_is_known_to_the_linked_zenoh() {
        let dir = private_dir();
        let config = with_socket(socket_path(dir.path(), "bridge")).to_zenoh().unwrap();
        let get = |key: &str| config.get_json(key).unwrap();
        assert_eq!(get("mode"), "\"peer\"");
        assert_eq!(get("scouting/multicast/enabled"), "false");
        assert_eq!(get("scouting/gossip/enabled"), "false");
        assert_eq!(get("transport/link/tx/lease"), "400");
        assert_eq!(get("transport/link/tx/queue/congestion_control/drop/wait_before_drop"), "0");
        assert!(get("listen/endpoints").contains("unixsock-stream/"));
        assert!(!get("listen/endpoints").contains("tcp"));
        assert_eq!(get("connect/endpoints"), "[]");
    }

    #[test]
    fn names_that_would_reach_another_robot_are_refused() {
        for name in ["", "a/b", "*", "a b", "**", "$*", &"x".repeat(33)] {
            let refused = FastPathConfig::new(name, 1).to_zenoh();
            assert!(matches!(refused, Err(ConfigError::Robot(_))), "{name}");
        }
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let refused = with_socket(socket_path(dir.path(), "bridge")).to_zenoh().unwrap_err().to_string();
        assert!(refused.contains("mode 755") && refused.contains("700"), "{refused}");
    }

    #[test]
    fn paths_that_do_not_fit_or_would_be_misread_are_refused() {
        let dir = private_dir();
        for (path, found) in [
            (PathBuf::from("here.sock"), "relative"),
            (dir.path().join("a#b"), "'#'"),
            (dir.path().join("a\"b"), "character"),
            (dir.path().join("x".repeat(110)), "bytes"),
            (PathBuf::from("/nowhere/at/all.sock"), "No such file"),
        ] {
            let refused = with_socket(path).to_zenoh().unwrap_err().to_string();
            assert!(refused.contains(found), "{refused}");
        }
    }
}
