//! What a launch file knows at one point of its evaluation, and the expansion of templates in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::Attribute;
use super::error::{LaunchError, LaunchErrorKind};
use super::substitution::{Call, Function, Piece, Template};
use super::surroundings::Surroundings;

/// Longest expanded text, in bytes.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// Launch configurations and environment: what a group restores at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// Values of `$(var …)`.
    pub(crate) configurations: BTreeMap<String, String>,
    /// What `set_env` changed against the inherited environment.
    pub(crate) environment: BTreeMap<String, String>,
}

/// Where `$(dirname)` points. Not part of the scope: stock launch forgets to restore it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dirname {
    /// The folder of the file being read.
    Folder(PathBuf),
    /// An include came before; stock launch would answer with that file's folder.
    Stale,
}

/// Expands templates against one scope.
pub(crate) struct Expander<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) dirname: &'a Dirname,
    pub(crate) surroundings: &'a dyn Surroundings,
}

impl Expander<'_> {
    /// Parses and expands an attribute.
    pub(crate) fn attribute(&self, attribute: &Attribute) -> Result<String, LaunchError> {
        self.expand(&Template::parse(attribute)?, attribute)
    }

    /// Expands a template of `attribute`.
    pub(crate) fn expand(&self, template: &Template, attribute: &Attribute) -> Result<String, LaunchError> {
        let mut text = String::new();
        for piece in &template.pieces {
            match piece {
                Piece::Text(t) => text.push_str(t),
                Piece::Call(call) => text.push_str(&self.call(call, attribute)?),
            }
            if text.len() > MAX_TEXT_BYTES {
                let kind = LaunchErrorKind::TooLarge {
                    what: "the length of an expanded value in bytes",
                    limit: MAX_TEXT_BYTES,
                };
                return Err(LaunchError::new(&attribute.at, kind));
            }
        }
        if text.contains('\0') {
            return Err(LaunchError::bad_value(&attribute.at, &attribute.name, "a NUL byte", "text"));
        }
        Ok(text)
    }

    fn call(&self, call: &Call, attribute: &Attribute) -> Result<String, LaunchError> {
        let at = attribute.location(call.offset);
        let refuse = |kind| LaunchError::new(&at, kind);
        match &call.function {
            Function::Var(name) => {
                let name = self.expand(name, attribute)?;
                let value = self.scope.configurations.get(&name).cloned();
                value.ok_or_else(|| {
                    let known: Vec<&str> = self.scope.configurations.keys().map(String::as_str).collect();
                    refuse(LaunchErrorKind::UnsetVariable { name }).hint(format!(
                        "declare it by <arg> or <let> before its use; values here: {}",
                        list(&known)
                    ))
                })
            }
            Function::Env(name, default) => {
                let name = self.expand(name, attribute)?;
                let default = default.as_ref().map(|d| self.expand(d, attribute)).transpose()?;
                let set = self.scope.environment.get(&name).cloned();
                set.or_else(|| self.surroundings.variable(&name)).or(default).ok_or_else(|| {
                    let hint = format!("set it, or give a default: $(env {name} '')");
                    refuse(LaunchErrorKind::UnsetEnvironment { name }).hint(hint)
                })
            }
            Function::Dirname => match self.dirname {
                Dirname::Folder(folder) => path_text(folder)
                    .ok_or_else(|| LaunchError::bad_value(&at, "$(dirname)", "a path not in UTF-8", "UTF-8")),
                Dirname::Stale => Err(refuse(LaunchErrorKind::StaleDirname)
                    .hint("keep it before the first include: <let name=\"here\" value=\"$(dirname)\"/>, then $(var here)")),
            },
            Function::FindPkgShare(package) => {
                let name = self.expand(package, attribute)?;
                self.surroundings.package_share(&name).as_deref().and_then(path_text).ok_or_else(|| {
                    refuse(LaunchErrorKind::UnknownPackage { name })
                        .hint("source the setup file of its workspace (AMENT_PREFIX_PATH)")
                })
            }
        }
    }
}

fn path_text(path: &Path) -> Option<String> {
    path.to_str().map(str::to_owned)
}

/// Names for a message, or a word for none.
pub(crate) fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
