//! A node with its inputs looked up; the helpers make the refusals uniform.

use super::compiler::{Compiler, Kind, Known, Operand};
use super::error::CompileError;
use crate::engine::ElementType;
use crate::onnx::{AttributeValue, Node};

/// One node being compiled.
#[derive(Debug)]
pub(super) struct NodeView<'a> {
    pub(super) node: &'a Node,
    label: String,
}

impl<'a> NodeView<'a> {
    /// `index` names a node that has no name of its own.
    pub(super) fn new(node: &'a Node, index: usize) -> Self {
        let label = match (node.name.is_empty(), node.outputs.first()) {
            (false, _) => node.name.clone(),
            (true, Some(output)) => format!("{} -> {output}", node.op),
            (true, None) => format!("{} number {index}", node.op),
        };
        Self { node, label }
    }

    /// How to call the node in a message.
    pub(super) fn label(&self) -> String {
        self.label.clone()
    }

    /// A refusal about shapes.
    pub(super) fn shape_error(&self, found: impl Into<String>, expected: impl Into<String>) -> CompileError {
        CompileError::Shape { node: self.label(), found: found.into(), expected: expected.into() }
    }

    /// A refusal about an attribute.
    pub(super) fn attribute_kind(&self, name: &str, expected: &'static str) -> CompileError {
        CompileError::Attribute { node: self.label(), attribute: name.to_owned(), expected }
    }

    /// The only output; further ones may be there when nobody reads them, as exporters leave them.
    pub(super) fn output(&self) -> Result<&'a str, CompileError> {
        match self.node.outputs.split_first() {
            Some((output, rest)) if rest.iter().all(String::is_empty) => Ok(output),
            _ => Err(self.shape_error(format!("{} outputs", self.node.outputs.len()), "1 output")),
        }
    }

    /// Output `index`, when somebody wants it.
    pub(super) fn wanted_output(&self, index: usize) -> Option<&'a str> {
        self.node.outputs.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Refuses more than `most` or fewer than `least` inputs.
    pub(super) fn arity(&self, least: usize, most: usize) -> Result<(), CompileError> {
        let found = self.node.inputs.len();
        if (least..=most).contains(&found) {
            return Ok(());
        }
        Err(self.shape_error(format!("{found} inputs"), format!("{least} to {most} inputs")))
    }

    /// Input `index`, which may be left out.
    pub(super) fn optional(&self, compiler: &Compiler, index: usize) -> Result<Option<Known>, CompileError> {
        match self.node.inputs.get(index).filter(|name| !name.is_empty()) {
            None => Ok(None),
            Some(name) => match compiler.known(name) {
                Some(known) => Ok(Some(known.clone())),
                None => Err(CompileError::Undefined { node: self.label(), tensor: name.clone() }),
            },
        }
    }

    /// Input `index`, whatever it holds.
    pub(super) fn any(&self, compiler: &Compiler, index: usize) -> Result<Known, CompileError> {
        self.optional(compiler, index)?
            .ok_or_else(|| self.shape_error(format!("no input {index}"), "a tensor"))
    }

    /// Input `index` as values of a run, whole numbers included.
    pub(super) fn value(&self, compiler: &mut Compiler, index: usize) -> Result<Operand, CompileError> {
        let known = self.any(compiler, index)?;
        self.operand(compiler, known)
    }

    /// `known` as values of a run.
    pub(super) fn operand(&self, compiler: &mut Compiler, known: Known) -> Result<Operand, CompileError> {
        let place = match &known.kind {
            Kind::Number(place) => *place,
            Kind::Index(values) => compiler.index_as_numbers(self, values)?,
        };
        Ok(Operand { place, shape: known.shape, element: known.element })
    }

    /// Input `index` as floats.
    pub(super) fn float_input(&self, compiler: &Compiler, index: usize) -> Result<Operand, CompileError> {
        let known = self.any(compiler, index)?;
        match known.kind {
            Kind::Number(place) if known.element.is_float() => {
                Ok(Operand { place, shape: known.shape, element: known.element })
            }
            _ => Err(self.element_error(&known.name, known.element, "floats")),
        }
    }

    /// Input `index` as floats, or `None` when it is left out.
    pub(super) fn optional_float(
        &self,
        compiler: &Compiler,
        index: usize,
    ) -> Result<Option<Operand>, CompileError> {
        match self.optional(compiler, index)? {
            None => Ok(None),
            Some(_) => self.float_input(compiler, index).map(Some),
        }
    }

    /// A refusal about what a tensor holds.
    pub(super) fn element_error(
        &self,
        tensor: &str,
        found: ElementType,
        expected: &'static str,
    ) -> CompileError {
        CompileError::Element { node: self.label(), tensor: tensor.to_owned(), found: found.name(), expected }
    }

    /// Input `index` as constant integers.
    pub(super) fn integers(
        &self,
        compiler: &Compiler,
        index: usize,
        operand: &'static str,
    ) -> Result<Option<Vec<i64>>, CompileError> {
        match self.optional(compiler, index)? {
            None => Ok(None),
            Some(Known { kind: Kind::Index(values), .. }) => Ok(Some(values)),
            Some(Known { kind: Kind::Number(place), element, .. })
                if place.is_constant() && !element.is_float() =>
            {
                let values = place.read(&compiler.memory.constants, &[]);
                Ok(Some(values.iter().map(|v| *v as i64).collect()))
            }
            Some(_) => Err(CompileError::NotConstant { node: self.label(), operand }),
        }
    }

    /// Constant integers that must be there.
    pub(super) fn required_integers(
        &self,
        compiler: &Compiler,
        index: usize,
        operand: &'static str,
    ) -> Result<Vec<i64>, CompileError> {
        let values = self.integers(compiler, index, operand)?;
        values.ok_or_else(|| self.shape_error(format!("no input {index}"), operand))
    }

    /// Axes (or sizes): an attribute in older operator sets, an input since.
    pub(super) fn attribute_or_input(
        &self,
        compiler: &Compiler,
        attribute: &str,
        index: usize,
        operand: &'static str,
    ) -> Result<Option<Vec<i64>>, CompileError> {
        match self.ints(attribute)? {
            Some(values) => Ok(Some(values)),
            None => self.integers(compiler, index, operand),
        }
    }

    /// The attributes, all of which must be among `allowed`.
    pub(super) fn only_attributes(&self, allowed: &[&str]) -> Result<(), CompileError> {
        match self.node.attributes.iter().find(|a| !allowed.contains(&a.name.as_str())) {
            None => Ok(()),
            Some(other) => Err(self.attribute_kind(&other.name, "not known to this executor")),
        }
    }

    /// An attribute as it stands.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a AttributeValue> {
        self.node.attributes.iter().find(|a| a.name == name).map(|a| &a.value)
    }

    /// An integer attribute.
    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, CompileError> {
        match self.attribute(name) {
            None => Ok(default),
            Some(AttributeValue::Int(v)) => Ok(*v),
            Some(_) => Err(self.attribute_kind(name, "expected an integer")),
        }
    }

    /// Integers as an attribute.
    pub(super) fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, CompileError> {
        match self.attribute(name) {
            None => Ok(None),
            Some(AttributeValue::Ints(values)) => Ok(Some(values.clone())),
            Some(_) => Err(self.attribute_kind(name, "expected integers")),
        }
    }

    /// A float attribute, finite.
    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, CompileError> {
        match self.attribute(name) {
            None => Ok(default),
            Some(AttributeValue::Float(v)) if v.is_finite() => Ok(*v),
            Some(_) => Err(self.attribute_kind(name, "expected a finite float")),
        }
    }

    /// A text attribute.
    pub(super) fn text(&self, name: &str, default: &'a str) -> Result<&'a str, CompileError> {
        match self.attribute(name) {
            None => Ok(default),
            Some(AttributeValue::Text(text)) => Ok(text),
            Some(_) => Err(self.attribute_kind(name, "expected text")),
        }
    }

    /// A position along the axes of a tensor of `rank`, negative counting from the end.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, CompileError> {
        let wrapped = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        let found = usize::try_from(wrapped).ok().filter(|a| *a < rank);
        found.ok_or_else(|| {
            self.shape_error(format!("axis {axis}"), format!("an axis of a tensor of rank {rank}"))
        })
    }
}
