//! Walks a launch file in document order and collects the plan.

use std::path::{Component, Path, PathBuf};

use super::document::{self, Attribute, Element};
use super::error::{LaunchError, LaunchErrorKind, Location};
use super::names;
use super::node;
use super::plan::{DeclaredArg, Plan};
use super::schema;
use super::scope::{Dirname, Expander, Scope, list};
use super::surroundings::Surroundings;

/// Most actions of one evaluation, includes counted each time.
const MAX_ACTIONS: usize = 10_000;

/// Evaluates a launch file with the given argument values (`name:=value` of the command line).
///
/// `file` must be absolute, as `$(dirname)` is its folder.
///
/// # Errors
/// The first thing outside the subset, unset, ill-formed or ambiguous, with its place.
pub fn evaluate(
    file: &Path,
    overrides: &[(String, String)],
    surroundings: &dyn Surroundings,
) -> Result<Plan, LaunchError> {
    let start = Location::start_of(file);
    let mut evaluation = Evaluation {
        surroundings,
        scope: Scope::default(),
        dirname: Dirname::Stale,
        plan: Plan::default(),
        declared: Vec::new(),
        reading: Vec::new(),
        actions: 0,
    };
    for (name, value) in overrides {
        evaluation.scope.configurations.insert(name.clone(), value.clone());
    }
    evaluation.file(file, &start, None)?;
    let declared = evaluation.declared;
    for (index, (name, _)) in overrides.iter().enumerate() {
        if !declared.iter().any(|d| d == name) {
            return Err(undeclared(index, name, &declared));
        }
    }
    Ok(evaluation.plan)
}

/// The arguments that a launch file declares, without evaluating it (for `--show-args`). Arguments of
/// included files are not listed.
///
/// # Errors
/// As [`evaluate`], as far as the form of this one file goes.
pub fn declared_args(file: &Path, surroundings: &dyn Surroundings) -> Result<Vec<DeclaredArg>, LaunchError> {
    let root = load(file, &Location::start_of(file), surroundings)?;
    let mut args = Vec::new();
    walk_args(&root, &mut |element| {
        args.push(declaration(element)?);
        Ok(())
    })?;
    Ok(args)
}

/// Parses launch arguments as they stand on the command line.
///
/// # Errors
/// A word that is not `name:=value`, or a name given twice.
pub fn parse_overrides(words: &[String]) -> Result<Vec<(String, String)>, LaunchError> {
    let mut overrides: Vec<(String, String)> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let at = Location::command_line(index);
        let bad = |expected| LaunchError::bad_value(&at, "launch argument", word, expected);
        let (name, value) = word.split_once(":=").ok_or_else(|| bad("name:=value"))?;
        if !names::is_configuration_name(name) {
            return Err(bad("name:=value, with a name of letters, digits, `_`, `-` and `.`"));
        }
        if overrides.iter().any(|(n, _)| n == name) {
            return Err(bad("each argument once"));
        }
        overrides.push((name.to_owned(), value.to_owned()));
    }
    Ok(overrides)
}

/// The state of one evaluation; `include.rs` adds what happens at an include.
pub(super) struct Evaluation<'a> {
    pub(super) surroundings: &'a dyn Surroundings,
    pub(super) scope: Scope,
    pub(super) dirname: Dirname,
    pub(super) plan: Plan,
    /// Names of all arguments seen, also in branches not taken.
    pub(super) declared: Vec<String>,
    /// The files being read, outermost first.
    pub(super) reading: Vec<PathBuf>,
    actions: usize,
}

impl Evaluation<'_> {
    pub(super) fn expander(&self) -> Expander<'_> {
        Expander { scope: &self.scope, dirname: &self.dirname, surroundings: self.surroundings }
    }

    pub(super) fn actions(&mut self, elements: &[Element]) -> Result<(), LaunchError> {
        elements.iter().try_for_each(|element| self.action(element))
    }

    fn action(&mut self, element: &Element) -> Result<(), LaunchError> {
        self.actions += 1;
        if self.actions > MAX_ACTIONS {
            let kind = LaunchErrorKind::TooLarge { what: "the number of actions", limit: MAX_ACTIONS };
            return Err(LaunchError::new(&element.at, kind));
        }
        if !self.condition(element)? {
            return Ok(());
        }
        match element.tag.as_str() {
            "arg" => self.arg(element),
            "let" => self.set_configuration(element),
            "set_env" => {
                let (name, value) = node::variable(element, &self.expander())?;
                self.scope.environment.insert(name, value);
                Ok(())
            }
            "group" => self.group(element),
            "include" => self.include(element),
            _ => self.node(element),
        }
    }

    fn condition(&self, element: &Element) -> Result<bool, LaunchError> {
        let truth = |attribute: &Attribute| {
            let text = self.expander().attribute(attribute)?;
            match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => {
                    let field = format!("<{} {}>", element.tag, attribute.name);
                    Err(LaunchError::bad_value(&attribute.at, &field, &text, "true, 1, false or 0"))
                }
            }
        };
        let holds = element.attribute("if").map_or(Ok(true), truth)?;
        let prevented = element.attribute("unless").map_or(Ok(false), truth)?;
        Ok(holds && !prevented)
    }

    fn arg(&mut self, element: &Element) -> Result<(), LaunchError> {
        let mut declared = declaration(element)?;
        let value = match (self.scope.configurations.get(&declared.name), element.attribute("default")) {
            (Some(given), _) => given.clone(),
            (None, Some(default)) => self.expander().attribute(default)?,
            (None, None) => return Err(missing(&element.at, &declared)),
        };
        if !declared.choices.is_empty() && !declared.choices.contains(&value) {
            let choices = declared.choices.join(", ");
            let kind = LaunchErrorKind::NotAChoice { name: declared.name, value, choices };
            return Err(LaunchError::new(&element.at, kind));
        }
        self.scope.configurations.insert(declared.name.clone(), value.clone());
        declared.value = Some(value);
        self.plan.args.push(declared);
        Ok(())
    }

    /// A `<let>`, or an `<arg>` inside an include.
    pub(super) fn set_configuration(&mut self, element: &Element) -> Result<(), LaunchError> {
        let attribute = element.required("name")?;
        let name = self.expander().attribute(attribute)?;
        check_configuration_name(element, attribute, &name)?;
        let value = self.expander().attribute(element.required("value")?)?;
        self.scope.configurations.insert(name, value);
        Ok(())
    }

    fn group(&mut self, element: &Element) -> Result<(), LaunchError> {
        let scoped = match element.attribute("scoped").map(|a| (a, a.value.as_str())) {
            None | Some((_, "true")) => true,
            Some((_, "false")) => false,
            Some((a, found)) => {
                return Err(LaunchError::bad_value(&a.at, "<group scoped>", found, "true or false"));
            }
        };
        let outer = scoped.then(|| self.scope.clone());
        self.actions(&element.children)?;
        if let Some(outer) = outer {
            self.scope = outer;
        }
        Ok(())
    }

    fn node(&mut self, element: &Element) -> Result<(), LaunchError> {
        let node = node::evaluate(element, &self.expander())?;
        let name = node.full_name();
        if let Some(first) = self.plan.nodes.iter().find(|n| n.full_name() == name) {
            let kind = LaunchErrorKind::DuplicateNode { name, first: first.source.clone() };
            return Err(LaunchError::new(&element.at, kind).hint("give it another name or namespace"));
        }
        self.plan.nodes.push(node);
        Ok(())
    }
}

/// Reads and checks one file.
pub(super) fn load(
    file: &Path,
    asked_at: &Location,
    surroundings: &dyn Surroundings,
) -> Result<Element, LaunchError> {
    if !file.is_absolute() {
        let found = file.display().to_string();
        return Err(LaunchError::bad_value(asked_at, "launch file", &found, "an absolute path")
            .hint("inside a launch file begin it with $(dirname)"));
    }
    let text = surroundings.read(file).map_err(|reason| {
        LaunchError::new(asked_at, LaunchErrorKind::Unreadable { path: file.to_owned(), reason })
    })?;
    let root = document::parse(file, &text)?;
    schema::check(&root, "")?;
    Ok(root)
}

/// Removes `.` and `..` from an absolute path by its text, as launch does.
pub(super) fn normalise(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// Calls `visit` for every declaring `<arg>`, in document order.
pub(super) fn walk_args(
    element: &Element,
    visit: &mut dyn FnMut(&Element) -> Result<(), LaunchError>,
) -> Result<(), LaunchError> {
    for child in &element.children {
        match child.tag.as_str() {
            "arg" => visit(child)?,
            "group" => walk_args(child, visit)?,
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn declaration(element: &Element) -> Result<DeclaredArg, LaunchError> {
    let attribute = element.required("name")?;
    check_configuration_name(element, attribute, &attribute.value)?;
    let text = |name: &str| element.attribute(name).map(|a| a.value.clone());
    let choices = element
        .children
        .iter()
        .map(|choice| choice.required("value").map(|a| a.value.clone()))
        .collect::<Result<_, _>>()?;
    Ok(DeclaredArg {
        name: attribute.value.clone(),
        description: text("description"),
        default: text("default"),
        choices,
        value: None,
        source: element.at.clone(),
    })
}

pub(super) fn missing(at: &Location, arg: &DeclaredArg) -> LaunchError {
    let description = arg.description.clone().unwrap_or_else(|| "no description".to_owned());
    let kind = LaunchErrorKind::MissingArgument { name: arg.name.clone(), description };
    LaunchError::new(at, kind).hint(format!("give {}:=VALUE, or a default in the file", arg.name))
}

fn check_configuration_name(element: &Element, at: &Attribute, name: &str) -> Result<(), LaunchError> {
    let field = format!("<{} name>", element.tag);
    if !names::is_configuration_name(name) {
        let expected = "a name of letters, digits, `_`, `-` and `.`, starting with a letter or `_`";
        return Err(LaunchError::bad_value(&at.at, &field, name, expected));
    }
    if names::steers_launch(name) {
        return Err(LaunchError::bad_value(
            &at.at,
            &field,
            name,
            "a name that ROS 2 launch does not listen to",
        )
        .hint("stock launch takes a configuration of this name as its own setting; choose another"));
    }
    Ok(())
}

fn undeclared(index: usize, name: &str, declared: &[String]) -> LaunchError {
    let mut names: Vec<&str> = declared.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let kind = LaunchErrorKind::UndeclaredArgument { name: name.to_owned(), declared: list(&names) };
    let error = LaunchError::new(&Location::command_line(index), kind);
    match names::nearest(name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    }
}
