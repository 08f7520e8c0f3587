//! The files of a folder to import, by name.
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// More files than a policy has; the wrong folder was named.
const MOST_FILES: usize = 2000;
const DEEPEST: usize = 6;

/// Files below a root.
#[derive(Debug)]
pub struct Listed {
    /// Folder the names are relative to.
    pub root: PathBuf,
    /// Names with `/`, sorted.
    pub files: Vec<String>,
}

/// Lists `folder`. The policy of a robot that keeps `base.yaml` one folder up is listed together with that file.
///
/// # Errors
/// When it cannot be read, or holds more than a policy does.
pub fn list(folder: &Path) -> Result<Listed> {
    let files = names(folder)?;
    let has = |name: &str| files.iter().any(|f| f == name);
    if has("config.yaml") && !has("base.yaml") {
        let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
        if let (Some(parent), Some(own)) = (folder.parent(), folder.file_name().and_then(|n| n.to_str()))
            && parent.join("base.yaml").is_file()
        {
            let mut files: Vec<String> = files.iter().map(|f| format!("{own}/{f}")).collect();
            files.insert(0, "base.yaml".to_owned());
            return Ok(Listed { root: parent.to_owned(), files });
        }
    }
    Ok(Listed { root: folder.to_owned(), files })
}

/// Names of all files below `folder`, sorted; hidden ones, pipes and devices are left out.
///
/// # Errors
/// When it cannot be read.
pub fn names(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    walk(folder, "", 0, &mut found)?;
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<String>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| folder.display().to_string())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            if depth < DEEPEST {
                walk(&path, &format!("{prefix}{name}/"), depth + 1, found)?;
            }
        } else if path.is_file() || !path.exists() {
            found.push(format!("{prefix}{name}"));
        }
        if found.len() > MOST_FILES {
            bail!("{}: more than {MOST_FILES} files; name the folder of one policy", folder.display());
        }
    }
    Ok(())
}
