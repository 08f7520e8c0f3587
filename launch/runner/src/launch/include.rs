//! `<include>`: as stock launch does it, leaks and all.
//!
//! The included file sees every configuration around it, so its own default of an argument that exists
//! there is not used; what it sets stays set afterwards (put a `<group>` around); and `$(dirname)` stays
//! at its folder, which is refused rather than copied.

use std::path::Path;

use super::document::Element;
use super::error::{LaunchError, LaunchErrorKind, Location};
use super::evaluate::{Evaluation, declaration, load, missing, normalise, walk_args};
use super::scope::Dirname;

/// Deepest nesting of includes.
const MAX_INCLUDES: usize = 8;

impl Evaluation<'_> {
    pub(super) fn include(&mut self, element: &Element) -> Result<(), LaunchError> {
        let attribute = element.required("file")?;
        let text = self.expander().attribute(attribute)?;
        // From here on stock launch answers $(dirname) with the other folder, in the arguments already.
        self.dirname = Dirname::Stale;
        let mut given = Vec::new();
        for child in &element.children {
            given.push(self.expander().attribute(child.required("name")?)?);
        }
        let given = (given, element.children.as_slice());
        self.file(Path::new(&text), &attribute.at, Some(given))
    }

    /// Evaluates one file. `given`: the argument names and tags of the include; `None` for the outermost.
    pub(super) fn file(
        &mut self,
        path: &Path,
        asked_at: &Location,
        given: Option<(Vec<String>, &[Element])>,
    ) -> Result<(), LaunchError> {
        let path = normalise(path);
        if self.reading.contains(&path) {
            return Err(LaunchError::new(asked_at, LaunchErrorKind::IncludeLoop { path }));
        }
        if self.reading.len() > MAX_INCLUDES {
            let kind = LaunchErrorKind::TooLarge { what: "the nesting of includes", limit: MAX_INCLUDES };
            return Err(LaunchError::new(asked_at, kind));
        }
        let root = load(&path, asked_at, self.surroundings)?;
        walk_args(&root, &mut |arg| {
            self.declared.push(declaration(arg)?.name);
            Ok(())
        })?;
        if let Some((names, children)) = given {
            self.check_given(&root, &names, asked_at)?;
            children.iter().try_for_each(|child| self.set_configuration(child))?;
        }
        self.dirname = Dirname::Folder(path.parent().unwrap_or(&path).to_owned());
        self.reading.push(path);
        self.actions(&root.children)?;
        self.reading.pop();
        self.dirname = Dirname::Stale;
        Ok(())
    }

    /// Stock launch wants an argument without default to be given by the include itself, even where a
    /// configuration of that name exists around it.
    fn check_given(&self, root: &Element, names: &[String], at: &Location) -> Result<(), LaunchError> {
        for child in root.children.iter().filter(|c| c.tag == "arg") {
            let arg = declaration(child)?;
            let conditional = child.attribute("if").is_some() || child.attribute("unless").is_some();
            if !conditional && arg.default.is_none() && !names.contains(&arg.name) {
                return Err(missing(at, &arg)
                    .hint(format!("write <arg name=\"{}\" value=\"…\"/> inside the <include>", arg.name)));
            }
        }
        Ok(())
    }
}
