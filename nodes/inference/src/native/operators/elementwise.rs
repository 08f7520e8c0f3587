//! Operators value by value.

use super::super::compiler::{Compiler, Kind, Known, Operand};
use super::super::elementwise::{Binary, Lineup, Unary};
use super::super::error::CompileError;
use super::super::shape;
use super::super::step::Action;
use super::super::view::NodeView;
use crate::engine::ElementType;

type Verdict = Result<(), CompileError>;

impl Compiler {
    /// A function of each value of one float tensor.
    pub(super) fn unary(&mut self, view: &NodeView<'_>, op: Unary, attributes: &[&str]) -> Verdict {
        view.arity(1, 1)?;
        view.only_attributes(attributes)?;
        let known = view.any(self, 0)?;
        let whole = matches!(op, Unary::Relu | Unary::Abs | Unary::Neg | Unary::Sign);
        let takes = known.element.is_float() || (whole && computes(known.element));
        if !takes {
            return Err(view.element_error(&known.name, known.element, "floats"));
        }
        self.apply(view, known, op)
    }

    /// Emits `op` of `known`, into the layer before it where that is possible.
    fn apply(&mut self, view: &NodeView<'_>, known: Known, op: Unary) -> Verdict {
        let output = view.output()?;
        if self.activate_layer(&known, output, op)? {
            return Ok(());
        }
        let Operand { place, shape, element } = view.operand(self, known)?;
        self.emit(output, element, shape, Action::Unary { op, input: place })
    }

    pub(super) fn with_alpha(&mut self, view: &NodeView<'_>, default: f32, op: fn(f32) -> Unary) -> Verdict {
        let alpha = view.float("alpha", default)?;
        self.unary(view, op(alpha), &["alpha"])
    }

    pub(super) fn selu(&mut self, view: &NodeView<'_>) -> Verdict {
        let alpha = view.float("alpha", 1.673_263_2)?;
        let gamma = view.float("gamma", 1.050_701)?;
        self.unary(view, Unary::Selu { alpha, gamma }, &["alpha", "gamma"])
    }

    pub(super) fn hard_sigmoid(&mut self, view: &NodeView<'_>) -> Verdict {
        let (alpha, beta) = (view.float("alpha", 0.2)?, view.float("beta", 0.5)?);
        self.unary(view, Unary::HardSigmoid { alpha, beta }, &["alpha", "beta"])
    }

    pub(super) fn gelu(&mut self, view: &NodeView<'_>) -> Verdict {
        let op = match view.text("approximate", "none")? {
            "none" => Unary::Gelu,
            "tanh" => Unary::GeluTanh,
            _ => return Err(view.attribute_kind("approximate", "expected `none` or `tanh`")),
        };
        self.unary(view, op, &["approximate"])
    }

    pub(super) fn not(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 1)?;
        view.only_attributes(&[])?;
        let operand = view.value(self, 0)?;
        self.require(view, &operand, 0, ElementType::Bool, "bool")?;
        let action = Action::Unary { op: Unary::Not, input: operand.place };
        self.emit(view.output()?, ElementType::Bool, operand.shape, action)
    }

    fn require(
        &self,
        view: &NodeView<'_>,
        operand: &Operand,
        index: usize,
        wanted: ElementType,
        expected: &'static str,
    ) -> Verdict {
        if operand.element == wanted {
            return Ok(());
        }
        let name = view.node.inputs.get(index).map_or("", String::as_str);
        Err(view.element_error(name, operand.element, expected))
    }

    pub(super) fn arithmetic(&mut self, view: &NodeView<'_>, op: Binary) -> Verdict {
        view.arity(2, 2)?;
        view.only_attributes(&[])?;
        let (a, b) = (view.any(self, 0)?, view.any(self, 1)?);
        if a.element != b.element || !computes(a.element) {
            return Err(view.element_error(&b.name, b.element, "numbers of the same type on both sides"));
        }
        if op == Binary::Add && !matches!(a.kind, Kind::Index(_)) {
            for (input, bias) in [(&a, &b), (&b, &a)] {
                let bias = view.operand(self, bias.clone())?;
                if self.bias_layer(input, &bias, view.output()?)? {
                    return Ok(());
                }
            }
        }
        self.binary(view, op, a, b)
    }

    /// Emits `op` of two tensors of one type; constant whole numbers are worked out exactly.
    fn binary(&mut self, view: &NodeView<'_>, op: Binary, a: Known, b: Known) -> Verdict {
        let out = broadcast(view, &a.shape, &b.shape)?;
        let compares = matches!(
            op,
            Binary::Greater | Binary::GreaterOrEqual | Binary::Less | Binary::LessOrEqual | Binary::Equal
        );
        let element = if compares { ElementType::Bool } else { a.element };
        if let (Kind::Index(x), Kind::Index(y)) = (&a.kind, &b.kind) {
            let len = self.room_for(&out, &view.label())?;
            let (at_x, at_y) =
                (shape::broadcast_table(&a.shape, &out), shape::broadcast_table(&b.shape, &out));
            let mut values = Vec::with_capacity(len);
            for (i, j) in at_x.into_iter().zip(at_y) {
                let pair = (x.get(i).copied().unwrap_or(0), y.get(j).copied().unwrap_or(0));
                let value = whole(op, pair.0, pair.1).ok_or_else(|| {
                    view.shape_error(format!("{} and {}", pair.0, pair.1), "whole numbers with a result")
                })?;
                values.push(value);
            }
            return self.define(view.output()?, element, out, Kind::Index(values));
        }
        let op = if op == Binary::Div && !a.element.is_float() { Binary::DivWhole } else { op };
        let (a, b) = (view.operand(self, a)?, view.operand(self, b)?);
        let label = view.label();
        let (x, y) = (self.lineup(&a.shape, &out, &label)?, self.lineup(&b.shape, &out, &label)?);
        self.emit(view.output()?, element, out, Action::Binary { op, a: (a.place, x), b: (b.place, y) })
    }

    pub(super) fn pow(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(2, 2)?;
        view.only_attributes(&[])?;
        let base = view.float_input(self, 0)?;
        let exponent = view.value(self, 1)?;
        let constant = exponent.place.is_constant().then(|| exponent.place.read(&self.memory.constants, &[]));
        let op = match constant {
            Some([2.0]) => Some(Unary::Square),
            Some([0.5]) => Some(Unary::Sqrt),
            Some([-1.0]) => Some(Unary::Reciprocal),
            _ => None,
        };
        let out = broadcast(view, &base.shape, &exponent.shape)?;
        if let Some(op) = op.filter(|_| out == base.shape) {
            return self.emit(view.output()?, base.element, out, Action::Unary { op, input: base.place });
        }
        let label = view.label();
        let a = (base.place, self.lineup(&base.shape, &out, &label)?);
        let b = (exponent.place, self.lineup(&exponent.shape, &out, &label)?);
        self.emit(view.output()?, base.element, out, Action::Binary { op: Binary::Pow, a, b })
    }

    /// Min, Max and Sum of any number of tensors: one after the other.
    pub(super) fn variadic(&mut self, view: &NodeView<'_>, op: Binary) -> Verdict {
        view.arity(1, 100)?;
        view.only_attributes(&[])?;
        let mut total = view.any(self, 0)?;
        if !computes(total.element) {
            return Err(view.element_error(&total.name, total.element, "numbers"));
        }
        let count = view.node.inputs.len();
        for index in 1..count {
            let next = view.any(self, index)?;
            if next.element != total.element {
                return Err(view.element_error(&next.name, next.element, "numbers of the same type"));
            }
            if index + 1 == count {
                return self.binary(view, op, total, next);
            }
            // A name no file can hold, for what is between.
            let name = format!("{}\u{0}{index}", view.label());
            let out = broadcast(view, &total.shape, &next.shape)?;
            let element = total.element;
            let label = view.label();
            let (a, b) = (view.operand(self, total)?, view.operand(self, next)?);
            let (x, y) = (self.lineup(&a.shape, &out, &label)?, self.lineup(&b.shape, &out, &label)?);
            self.emit(&name, element, out, Action::Binary { op, a: (a.place, x), b: (b.place, y) })?;
            total = self.known(&name).cloned().ok_or_else(|| view.shape_error("no value", "a value"))?;
        }
        self.define(view.output()?, total.element, total.shape, total.kind)
    }

    pub(super) fn comparison(&mut self, view: &NodeView<'_>, op: Binary) -> Verdict {
        view.arity(2, 2)?;
        view.only_attributes(&[])?;
        let (a, b) = (view.any(self, 0)?, view.any(self, 1)?);
        if a.element != b.element {
            return Err(view.element_error(&b.name, b.element, "values of the same type on both sides"));
        }
        self.binary(view, op, a, b)
    }

    pub(super) fn logic(&mut self, view: &NodeView<'_>, op: Binary) -> Verdict {
        view.arity(2, 2)?;
        view.only_attributes(&[])?;
        let (a, b) = (view.any(self, 0)?, view.any(self, 1)?);
        for known in [&a, &b] {
            if known.element != ElementType::Bool {
                return Err(view.element_error(&known.name, known.element, "bool"));
            }
        }
        self.binary(view, op, a, b)
    }

    pub(super) fn select(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(3, 3)?;
        view.only_attributes(&[])?;
        let (condition, yes, no) = (view.any(self, 0)?, view.any(self, 1)?, view.any(self, 2)?);
        if condition.element != ElementType::Bool {
            return Err(view.element_error(&condition.name, condition.element, "bool"));
        }
        if yes.element != no.element {
            return Err(view.element_error(&no.name, no.element, "values of the same type in both branches"));
        }
        let out = broadcast(view, &condition.shape, &broadcast(view, &yes.shape, &no.shape)?)?;
        let element = yes.element;
        if let (Kind::Index(c), Kind::Index(y), Kind::Index(n)) = (&condition.kind, &yes.kind, &no.kind) {
            self.room_for(&out, &view.label())?;
            let table = |known: &Known| shape::broadcast_table(&known.shape, &out);
            let rows = table(&condition).into_iter().zip(table(&yes)).zip(table(&no));
            let pick = |((c_at, y_at), n_at): ((usize, usize), usize)| {
                let value = if c.get(c_at) == Some(&0) { n.get(n_at) } else { y.get(y_at) };
                value.copied().unwrap_or(0)
            };
            let values = rows.map(pick).collect();
            return self.define(view.output()?, element, out, Kind::Index(values));
        }
        let label = view.label();
        let mut operand = |known: Known| -> Result<_, CompileError> {
            let Operand { place, shape, .. } = view.operand(self, known)?;
            let lineup: Lineup = self.lineup(&shape, &out, &label)?;
            Ok((place, lineup))
        };
        let (condition, yes, no) = (operand(condition)?, operand(yes)?, operand(no)?);
        self.emit(view.output()?, element, out, Action::Select { condition, yes, no })
    }

    pub(super) fn cast(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 1)?;
        view.only_attributes(&["to", "saturate"])?; // saturate concerns 8-bit floats only
        let to = ElementType::from_onnx(view.int("to", 0)?);
        let to = to.filter(|to| to.byte_range().is_none()); // beyond its range the result is nobody's promise
        let to = to.ok_or_else(|| view.attribute_kind("to", "expected f32, f16, i64, i32 or bool"))?;
        let known = view.any(self, 0)?;
        let output = view.output()?;
        if let (Kind::Index(values), false) = (&known.kind, to.is_float()) {
            let values = match to {
                ElementType::Bool => values.iter().map(|v| i64::from(*v != 0)).collect(),
                _ => values.clone(),
            };
            return self.define(output, to, known.shape, Kind::Index(values));
        }
        let from = known.element;
        let op = match to {
            ElementType::F16 if from != ElementType::F16 => Some(Unary::RoundF16),
            ElementType::I64 | ElementType::I32 if from.is_float() => Some(Unary::Truncate),
            ElementType::Bool if from != ElementType::Bool => Some(Unary::Truth),
            _ => None,
        };
        let operand = view.operand(self, known)?;
        match op {
            Some(op) => self.emit(output, to, operand.shape, Action::Unary { op, input: operand.place }),
            None => self.define(output, to, operand.shape, Kind::Number(operand.place)),
        }
    }

    pub(super) fn clip(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 3)?;
        view.only_attributes(&[])?;
        let known = view.any(self, 0)?;
        let mut limit = |index, default: f32, operand| match view.optional(self, index)? {
            None => Ok(default),
            Some(known) => {
                let limit = view.operand(self, known)?;
                match self.weights(view, limit.place, operand)?.as_slice() {
                    [value] => Ok(*value),
                    _ => Err(view.shape_error(format!("{operand} of shape {:?}", limit.shape), "one value")),
                }
            }
        };
        let lo = limit(1, f32::NEG_INFINITY, "the lower limit")?;
        let hi = limit(2, f32::INFINITY, "the upper limit")?;
        self.apply(view, known, Unary::Clip { lo, hi })
    }
}

/// Does arithmetic take it? Integers of 8 bits would have to wrap; they are there to be dequantised.
fn computes(element: ElementType) -> bool {
    element != ElementType::Bool && element.byte_range().is_none()
}

/// `op` of two whole numbers; `None` when there is no result.
fn whole(op: Binary, x: i64, y: i64) -> Option<i64> {
    Some(match op {
        Binary::Add => x.checked_add(y)?,
        Binary::Sub => x.checked_sub(y)?,
        Binary::Mul => x.checked_mul(y)?,
        Binary::Div | Binary::DivWhole => x.checked_div(y)?,
        Binary::Min => x.min(y),
        Binary::Max => x.max(y),
        Binary::Greater => i64::from(x > y),
        Binary::GreaterOrEqual => i64::from(x >= y),
        Binary::Less => i64::from(x < y),
        Binary::LessOrEqual => i64::from(x <= y),
        Binary::Equal => i64::from(x == y),
        Binary::And => i64::from(x != 0 && y != 0),
        Binary::Or => i64::from(x != 0 || y != 0),
        Binary::Pow | Binary::PRelu => return None,
    })
}

fn broadcast(view: &NodeView<'_>, a: &[usize], b: &[usize]) -> Result<Vec<usize>, CompileError> {
    shape::broadcast(a, b)
        .ok_or_else(|| view.shape_error(format!("shapes {a:?} and {b:?}"), "shapes that broadcast"))
}
