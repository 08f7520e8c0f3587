//! Where the launch files and robots are.
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// The `launch` folder: `$SINEW_SHARE`, the package's share folder beside an installed executable, or the source tree
/// this executable was built from.
///
/// # Errors
/// Where it was looked for.
pub fn launch_folder() -> Result<PathBuf> {
    let mut tried = Vec::new();
    if let Some(share) = std::env::var_os("SINEW_SHARE") {
        tried.push(PathBuf::from(share));
    }
    if let Ok(exe) = std::env::current_exe()
        && let Some(prefix) = exe.parent().and_then(Path::parent).and_then(Path::parent)
    {
        tried.push(prefix.join("share/sinew/launch"));
    }
    tried.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("launch"));
    match tried.iter().find(|folder| folder.join("sinew.launch.xml").is_file()) {
        Some(folder) => Ok(folder.clone()),
        None => {
            let tried: Vec<_> = tried.iter().map(|p| p.display().to_string()).collect();
            bail!("no launch folder: looked for sinew.launch.xml in {}; set SINEW_SHARE", tried.join(", "))
        }
    }
}

/// The folder of the robot kind `name`.
///
/// # Errors
/// When there is no such robot, with the names of those there are.
pub fn robot_folder(name: &str) -> Result<PathBuf> {
    let robots = launch_folder()?.join("robots");
    let folder = robots.join(name);
    if folder.join(sinew_robot::ROBOT_FILE).is_file() {
        return Ok(folder);
    }
    let mut known: Vec<String> = std::fs::read_dir(&robots)
        .map(|dir| dir.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    known.sort();
    bail!("robot {name:?}: no such folder in {}, found {}", robots.display(), known.join(", "))
}
