//! Where a robot's sockets live.
use anyhow::{Context, Result};
use sinew_ports::RunDir;
use std::path::PathBuf;

/// The run directory of the robot called `name`: `$XDG_RUNTIME_DIR/sinew/NAME`, or one below the system's temporary
/// folder that carries the user's number. Mode 0700; created if need be.
///
/// # Errors
/// When it cannot be made, or is not ours alone.
pub fn of_robot(name: &str) -> Result<RunDir> {
    let base = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(
        || std::env::temp_dir().join(format!("sinew-{}", nix::unistd::getuid())),
        |dir| PathBuf::from(dir).join("sinew"),
    );
    let base = RunDir::create(&base).with_context(|| format!("robot {name}"))?;
    RunDir::create(&base.path().join(name)).with_context(|| format!("robot {name}"))
}
