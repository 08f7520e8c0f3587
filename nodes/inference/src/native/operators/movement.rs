//! Operators that move values about without changing them: index tables, or another name for the same place.

use super::super::compiler::{Compiler, Kind, Known};
use super::super::error::CompileError;
use super::super::reduce::Axis;
use super::super::shape;
use super::super::step::Action;
use super::super::view::NodeView;

type Verdict = Result<(), CompileError>;

impl Compiler {
    pub(super) fn slice(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(3, 5)?;
        view.only_attributes(&[])?;
        let input = view.any(self, 0)?;
        let starts = view.required_integers(self, 1, "starts")?;
        let ends = view.required_integers(self, 2, "ends")?;
        let axes = view.integers(self, 3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = view.integers(self, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err(view.shape_error("starts, ends, axes, steps of different lengths", "equal lengths"));
        }
        let whole = |size: &usize| shape::Range { start: 0, step: 1, count: *size };
        let mut ranges: Vec<shape::Range> = input.shape.iter().map(whole).collect();
        for (((start, end), axis), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let axis = view.axis(*axis, input.shape.len())?;
            let size = input.shape.get(axis).copied().unwrap_or(0);
            let range = shape::slice_range(size, *start, *end, *step);
            let (Some(range), Some(slot)) = (range, ranges.get_mut(axis)) else {
                return Err(view.shape_error("a step of 0", "a step forward or backward"));
            };
            *slot = range;
        }
        let out: Vec<usize> = ranges.iter().map(|r| r.count).collect();
        self.room_for(&out, &view.label())?;
        let table = shape::slice_table(&input.shape, &ranges);
        self.rearrange(&input, view.output()?, out, &table)
    }

    pub(super) fn concat(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 1_000)?;
        view.only_attributes(&["axis"])?;
        let parts: Vec<Known> =
            (0..view.node.inputs.len()).map(|i| view.any(self, i)).collect::<Result<_, _>>()?;
        let Some(first) = parts.first() else { return Err(view.shape_error("no input", "inputs")) };
        let axis = view.axis(view.int("axis", 0)?, first.shape.len())?;
        let (mut out, element) = (first.shape.clone(), first.element);
        let mut total = 0usize;
        for part in &parts {
            let same = part.shape.len() == out.len()
                && part.shape.iter().zip(&out).enumerate().all(|(i, (a, b))| i == axis || a == b);
            if !same {
                let found = format!("shapes {:?} and {:?}", first.shape, part.shape);
                return Err(view.shape_error(found, format!("shapes equal but for axis {axis}")));
            }
            if part.element != element {
                return Err(view.element_error(&part.name, part.element, "one type in all parts"));
            }
            total = total.saturating_add(part.shape.get(axis).copied().unwrap_or(0));
        }
        if let Some(size) = out.get_mut(axis) {
            *size = total;
        }
        let run = |shape: &[usize]| -> usize { shape.iter().skip(axis).product() };
        if parts.iter().all(|p| matches!(p.kind, Kind::Index(_))) {
            let outer: usize = out.iter().take(axis).product();
            let mut values = Vec::with_capacity(self.room_for(&out, &view.label())?);
            for round in 0..outer {
                for part in &parts {
                    if let Kind::Index(all) = &part.kind {
                        let run = run(&part.shape);
                        values.extend(all.iter().skip(round * run).take(run));
                    }
                }
            }
            return self.define(view.output()?, element, out, Kind::Index(values));
        }
        let mut places = Vec::with_capacity(parts.len());
        for part in parts {
            let run = run(&part.shape);
            places.push((view.operand(self, part)?.place, run));
        }
        self.emit(view.output()?, element, out, Action::Concat { parts: places })
    }

    pub(super) fn gather(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(2, 2)?;
        view.only_attributes(&["axis"])?;
        let (input, indices) = (view.any(self, 0)?, view.any(self, 1)?);
        let axis = view.axis(view.int("axis", 0)?, input.shape.len())?;
        if indices.element.is_float() || indices.element == crate::engine::ElementType::Bool {
            return Err(view.element_error(&indices.name, indices.element, "whole numbers"));
        }
        let (_, size, inner) = shape::split_at_axis(&input.shape, axis);
        let mut out: Vec<usize> = input.shape.iter().take(axis).copied().collect();
        out.extend(&indices.shape);
        out.extend(input.shape.iter().skip(axis + 1));
        if let Kind::Index(_) = indices.kind {
            let picks = view.required_integers(self, 1, "indices")?;
            let wrapped = |i: &i64| {
                let i = if *i < 0 { i.saturating_add(size as i64) } else { *i };
                usize::try_from(i).ok().filter(|i| *i < size)
            };
            let picks: Option<Vec<usize>> = picks.iter().map(wrapped).collect();
            let picks = picks.ok_or_else(|| {
                view.shape_error("an index outside the axis", format!("indices of an axis of {size}"))
            })?;
            self.room_for(&out, &view.label())?;
            let table = shape::pick_table(&input.shape, axis, &picks);
            return self.rearrange(&input, view.output()?, out, &table);
        }
        let (input, indices) = (view.operand(self, input)?, view.operand(self, indices)?);
        let axis = Axis { size, inner };
        let action = Action::Take { input: input.place, indices: indices.place, axis };
        self.emit(view.output()?, input.element, out, action)
    }

    pub(super) fn split(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 2)?;
        view.only_attributes(&["axis", "split", "num_outputs"])?;
        let input = view.any(self, 0)?;
        let axis = view.axis(view.int("axis", 0)?, input.shape.len())?;
        let size = input.shape.get(axis).copied().unwrap_or(0);
        let count = view.node.outputs.len();
        let named = usize::try_from(view.int("num_outputs", count as i64)?).ok();
        if named != Some(count) || count == 0 {
            return Err(
                view.shape_error(format!("{count} outputs, num_outputs {named:?}"), "the same number")
            );
        }
        let sizes: Vec<usize> = match view.attribute_or_input(self, "split", 1, "the sizes")? {
            Some(sizes) => sizes.iter().map(|s| usize::try_from(*s).unwrap_or(usize::MAX)).collect(),
            None => {
                let each = size.div_ceil(count);
                let at = |i: usize| (i * each).min(size);
                (0..count).map(|i| at(i + 1) - at(i)).collect()
            }
        };
        let total = sizes.iter().try_fold(0usize, |n, s| n.checked_add(*s));
        if sizes.len() != count || total != Some(size) {
            let found = format!("{count} outputs of sizes {sizes:?}");
            return Err(view.shape_error(found, format!("sizes that add up to {size}")));
        }
        let mut first = 0;
        for (index, part) in sizes.into_iter().enumerate() {
            if let Some(output) = view.wanted_output(index) {
                let picks: Vec<usize> = (first..first + part).collect();
                let mut out = input.shape.clone();
                if let Some(slot) = out.get_mut(axis) {
                    *slot = part;
                }
                self.room_for(&out, &view.label())?;
                let table = shape::pick_table(&input.shape, axis, &picks);
                self.rearrange(&input, output, out, &table)?;
            }
            first += part;
        }
        Ok(())
    }

    pub(super) fn transpose(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 1)?;
        view.only_attributes(&["perm"])?;
        let input = view.any(self, 0)?;
        let rank = input.shape.len();
        let order: Vec<usize> = match view.ints("perm")? {
            None => (0..rank).rev().collect(),
            Some(order) => order.iter().map(|a| view.axis(*a, rank)).collect::<Result<_, _>>()?,
        };
        if order.len() != rank || (0..rank).any(|axis| !order.contains(&axis)) {
            return Err(view.shape_error(format!("axes {order:?}"), format!("each of {rank} axes once")));
        }
        let out = order.iter().filter_map(|axis| input.shape.get(*axis)).copied().collect();
        self.room_for(&input.shape, &view.label())?;
        let table = shape::transpose_table(&input.shape, &order);
        self.rearrange(&input, view.output()?, out, &table)
    }

    pub(super) fn expand(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(2, 2)?;
        view.only_attributes(&[])?;
        let input = view.any(self, 0)?;
        let wanted = view.required_integers(self, 1, "the shape")?;
        let wanted: Option<Vec<usize>> = wanted.iter().map(|d| usize::try_from(*d).ok()).collect();
        let out = wanted.as_ref().and_then(|wanted| shape::broadcast(&input.shape, wanted));
        let out = out.ok_or_else(|| {
            view.shape_error(format!("shape {:?} to {wanted:?}", input.shape), "shapes that broadcast")
        })?;
        self.room_for(&out, &view.label())?;
        let table = shape::broadcast_table(&input.shape, &out);
        self.rearrange(&input, view.output()?, out, &table)
    }

    pub(super) fn tile(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(2, 2)?;
        view.only_attributes(&[])?;
        let mut input = view.any(self, 0)?;
        let repeats = view.required_integers(self, 1, "the repeats")?;
        if repeats.len() != input.shape.len() {
            return Err(view.shape_error(format!("{} repeats", repeats.len()), "one per axis"));
        }
        // Axis by axis; the table of the whole is the table of tables.
        let mut table: Option<Vec<usize>> = None;
        for (axis, repeat) in repeats.iter().enumerate() {
            let repeat = usize::try_from(*repeat).unwrap_or(usize::MAX);
            let size = input.shape.get(axis).copied().unwrap_or(0);
            let total = size.saturating_mul(repeat);
            let from = input.shape.clone();
            if let Some(slot) = input.shape.get_mut(axis) {
                *slot = total;
            }
            self.room_for(&input.shape, &view.label())?;
            let picks: Vec<usize> = (0..total).map(|i| i % size.max(1)).collect();
            let step = shape::pick_table(&from, axis, &picks);
            table = Some(match table {
                None => step,
                Some(before) => step.iter().filter_map(|at| before.get(*at)).copied().collect(),
            });
        }
        let out = input.shape.clone();
        let table = table.unwrap_or_else(|| vec![0]);
        self.rearrange(&input, view.output()?, out, &table)
    }

    pub(super) fn identity(&mut self, view: &NodeView<'_>, attributes: &[&str]) -> Verdict {
        view.arity(1, 3)?;
        view.only_attributes(attributes)?;
        let known = view.any(self, 0)?;
        self.define(view.output()?, known.element, known.shape, known.kind)
    }

    /// Drops nothing unless it is told to train.
    pub(super) fn dropout(&mut self, view: &NodeView<'_>) -> Verdict {
        if view.integers(self, 2, "the training mode")?.is_some_and(|t| t != [0]) {
            return Err(view.shape_error("training mode", "a graph exported for inference"));
        }
        self.identity(view, &["ratio", "seed"])
    }

    fn renamed(&mut self, view: &NodeView<'_>, known: Known, shape: Vec<usize>) -> Verdict {
        self.define(view.output()?, known.element, shape, known.kind)
    }

    pub(super) fn reshape(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(2, 2)?;
        view.only_attributes(&["allowzero"])?;
        let known = view.any(self, 0)?;
        let wanted = view.required_integers(self, 1, "a constant shape")?;
        let copy_zero = view.int("allowzero", 0)? == 0;
        let from = known.shape.clone();
        let refuse = || view.shape_error(format!("shape {from:?} to {wanted:?}"), "equally many values");
        let mut out = Vec::with_capacity(wanted.len());
        let mut open = None;
        for (axis, &size) in wanted.iter().enumerate() {
            out.push(match size {
                -1 if open.is_none() => {
                    open = Some(axis);
                    1
                }
                0 if copy_zero => *from.get(axis).ok_or_else(refuse)?,
                size => usize::try_from(size).map_err(|_| refuse())?,
            });
        }
        let product = shape::checked_len(&out).ok_or_else(refuse)?;
        if let Some(slot) = open.and_then(|axis| out.get_mut(axis)) {
            *slot = shape::len(&from).checked_div(product).ok_or_else(refuse)?;
        }
        if shape::checked_len(&out) != Some(shape::len(&from)) {
            return Err(refuse());
        }
        self.renamed(view, known, out)
    }

    pub(super) fn flatten(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 1)?;
        view.only_attributes(&["axis"])?;
        let known = view.any(self, 0)?;
        let axis = view.int("axis", 1)?;
        let rank = known.shape.len();
        let axis = if axis == rank as i64 { rank } else { view.axis(axis, rank)? };
        let out = vec![known.shape.iter().take(axis).product(), known.shape.iter().skip(axis).product()];
        self.renamed(view, known, out)
    }

    pub(super) fn squeeze(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 2)?;
        view.only_attributes(&["axes"])?;
        let known = view.any(self, 0)?;
        let rank = known.shape.len();
        let axes: Vec<usize> = match view.attribute_or_input(self, "axes", 1, "the axes")? {
            None => (0..rank).filter(|a| known.shape.get(*a) == Some(&1)).collect(),
            Some(axes) => axes.iter().map(|a| view.axis(*a, rank)).collect::<Result<_, _>>()?,
        };
        if axes.iter().any(|a| known.shape.get(*a) != Some(&1)) {
            let found = format!("axes {axes:?} of shape {:?}", known.shape);
            return Err(view.shape_error(found, "axes of size 1"));
        }
        let kept = known.shape.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
        let out = kept.map(|(_, size)| *size).collect();
        self.renamed(view, known, out)
    }

    pub(super) fn unsqueeze(&mut self, view: &NodeView<'_>) -> Verdict {
        view.arity(1, 2)?;
        view.only_attributes(&["axes"])?;
        let known = view.any(self, 0)?;
        let axes = view.attribute_or_input(self, "axes", 1, "the axes")?;
        let axes = axes.ok_or_else(|| view.shape_error("no axes", "the axes to insert"))?;
        let rank = known.shape.len() + axes.len();
        let axes: Vec<usize> = axes.iter().map(|a| view.axis(*a, rank)).collect::<Result<_, _>>()?;
        let mut sizes = known.shape.iter().copied();
        let out: Vec<usize> =
            (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { sizes.next().unwrap_or(1) }).collect();
        if shape::checked_len(&out) != shape::checked_len(&known.shape) || sizes.next().is_some() {
            return Err(view.shape_error(format!("axes {axes:?}"), "each axis once"));
        }
        self.renamed(view, known, out)
    }
}
