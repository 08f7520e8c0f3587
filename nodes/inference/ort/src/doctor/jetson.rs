//! JetPack and L4T, as their files say it.

use std::path::Path;

/// A Jetson's system software.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Jetson {
    /// Release of the board support package, e.g. `R39.2`.
    pub l4t: String,
    /// JetPack package, when it is installed.
    pub jetpack: Option<String>,
}

impl Jetson {
    /// Reads `/etc/nv_tegra_release` and the package list below `root`; none on other machines.
    pub fn read(root: &Path) -> Option<Self> {
        let packages = std::fs::read_to_string(root.join("var/lib/dpkg/status")).unwrap_or_default();
        let text = std::fs::read_to_string(root.join("etc/nv_tegra_release")).ok();
        let l4t = text.as_deref().and_then(release).or_else(|| {
            let version = package(&packages, "nvidia-l4t-core")?;
            Some(format!("R{}", version.split('-').next()?))
        })?;
        Some(Self { l4t, jetpack: package(&packages, "nvidia-jetpack") })
    }

    /// Major and minor release, when they can be read.
    pub fn release(&self) -> Option<(u32, u32)> {
        let mut numbers = self.l4t.trim_start_matches('R').split('.').map(|n| n.parse().ok());
        Some((numbers.next()??, numbers.next().flatten().unwrap_or(0)))
    }
}

/// `# R39 (release), REVISION: 2.0, GCID: …` becomes `R39.2.0`.
fn release(text: &str) -> Option<String> {
    let line = text.lines().next()?;
    let major = line.split_whitespace().find(|w| w.starts_with('R') && w[1..].parse::<u32>().is_ok())?;
    let revision = line.split("REVISION:").nth(1)?.split(',').next()?.trim();
    Some(format!("{major}.{revision}"))
}

/// Version of an installed package.
fn package(status: &str, name: &str) -> Option<String> {
    let own = status.split("\n\n").find(|p| p.lines().any(|l| l.strip_prefix("Package: ") == Some(name)))?;
    let installed = own.lines().any(|l| l.starts_with("Status:") && l.ends_with(" installed"));
    let version = own.lines().find_map(|l| l.strip_prefix("Version: "))?;
    installed.then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    #[test]
    fn releases_are_read_from_either_file() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Jetson::read(dir.path()), None);
        std::fs::create_dir_all(dir.path().join("var/lib/dpkg")).unwrap();
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        let status = "Package: nvidia-l4t-core\nStatus: install ok installed\nVersion: 36.4.3-2025\n\n\
                      Package: nvidia-jetpack\nStatus: install ok installed\nVersion: 6.2+b77\n\n\
                      Package: old\nStatus: deinstall ok config-files\nVersion: 1\n";
        std::fs::write(dir.path().join("var/lib/dpkg/status"), status).unwrap();
        let found = Jetson::read(dir.path()).unwrap();
        assert_eq!((found.l4t.as_str(), found.jetpack.as_deref()), ("R36.4.3", Some("6.2+b77")));
        assert_eq!(found.release(), Some((36, 4)));
        let release = "# R39 (release), REVISION: 2.0, GCID: 1, BOARD: generic, EABI: aarch64\n";
        std::fs::write(dir.path().join("etc/nv_tegra_release"), release).unwrap();
        assert_eq!(Jetson::read(dir.path()).unwrap().l4t, "R39.2.0");
        assert_eq!(package(status, "old"), None);
    }
}
