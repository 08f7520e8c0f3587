//! One suite for every [`Engine`]: what a policy may rely on, checked against values from outside.
//!
//! Each check builds its engines through the caller's [`Builder`], so engines in other rooms run the same suite.
//! [`run`] goes through all checks of a case and reports every promise that was not kept.

mod case;

pub use case::{Case, CaseBuildError, CaseError, Tick};

use crate::engine::{ElementType, Engine, EngineIo, RunError};

/// Largest difference from the values of a case, absolute; they are of the order of one.
pub const BAR: f64 = 1e-5;

/// Builds the engine of a case with its tensors as in the second argument, or says why not.
pub type Builder<'a> = dyn Fn(&Case, &EngineIo) -> Result<Box<dyn Engine>, String> + 'a;

/// A promise of [`Engine`] that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {what}: expected {expected}, found {found}")]
pub struct Violation {
    /// Which check.
    pub check: &'static str,
    /// Which quantity.
    pub what: String,
    /// What was promised.
    pub expected: String,
    /// What the engine did.
    pub found: String,
}

/// Outcome of all checks on one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Name of the case.
    pub case: String,
    /// Largest difference from its values; infinite when there was a NaN, or nothing to compare.
    pub max_abs_error: f64,
    /// Promises that were not kept.
    pub violations: Vec<Violation>,
}

impl Report {
    /// True when every promise was kept.
    pub fn passed(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Outcome of one check.
pub type Verdict = Result<(), Violation>;
/// A named check.
pub type Check = (&'static str, fn(&Case, &Builder<'_>) -> Verdict);

/// Every check, by name.
pub const CHECKS: &[Check] = &[
    ("values", values),
    ("tensors", tensors),
    ("repeat", repeat),
    ("inputs_kept", inputs_kept),
    ("not_a_number", not_a_number),
    ("whole_numbers", whole_numbers),
    ("two_engines", two_engines),
    ("wrong_shape", wrong_shape),
    ("wrong_type", wrong_type),
    ("wrong_name", wrong_name),
];

/// Carries out every check on `case`.
pub fn run(case: &Case, build: &Builder<'_>) -> Report {
    let violations = CHECKS.iter().filter_map(|(_, check)| check(case, build).err()).collect();
    let max_abs_error = make("values", case, build)
        .and_then(|mut engine| all_ticks("values", case, engine.as_mut()))
        .map_or(f64::INFINITY, |outputs| largest_error(case, &outputs));
    Report { case: case.name.clone(), max_abs_error, violations }
}

fn violation(check: &'static str, what: impl Into<String>, expected: &str, found: String) -> Violation {
    Violation { check, what: what.into(), expected: expected.to_owned(), found }
}

fn make(check: &'static str, case: &Case, build: &Builder<'_>) -> Result<Box<dyn Engine>, Violation> {
    build(case, &case.io).map_err(|found| violation(check, "building the engine", "an engine", found))
}

/// Feeds one tick, runs, and gives the outputs. `carried` holds the state by pair and is renewed.
fn one_tick(
    check: &'static str,
    case: &Case,
    tick: &Tick,
    carried: &mut [Vec<f32>],
    engine: &mut dyn Engine,
) -> Result<Vec<Vec<f32>>, Violation> {
    let lost = |what: &str| violation(check, what, "the tensor", "none".to_owned());
    for (index, info) in case.io.inputs.iter().enumerate() {
        let state = case.states.iter().position(|(input, _)| *input == index);
        let values = match state.and_then(|pair| carried.get(pair)) {
            Some(values) => values,
            None => tick.inputs.get(index).ok_or_else(|| lost(&info.name))?,
        };
        let at = engine.io().input_index(&info.name).ok_or_else(|| lost(&info.name))?;
        let buffer = engine.input_mut(at);
        if buffer.len() != values.len() {
            let expected = format!("{} values", values.len());
            return Err(violation(check, &info.name, &expected, buffer.len().to_string()));
        }
        buffer.copy_from_slice(values);
    }
    engine.run().map_err(|e| violation(check, "a run", "outputs", e.to_string()))?;
    let mut outputs = Vec::with_capacity(case.io.outputs.len());
    for info in &case.io.outputs {
        let at = engine.io().output_index(&info.name).ok_or_else(|| lost(&info.name))?;
        outputs.push(engine.output(at).to_vec());
    }
    for ((_, output), state) in case.states.iter().zip(carried) {
        *state = outputs.get(*output).cloned().unwrap_or_default();
    }
    Ok(outputs)
}

fn zeros(case: &Case) -> Vec<Vec<f32>> {
    let len = |(input, _): &(usize, usize)| case.io.inputs.get(*input).map_or(0, |info| info.len());
    case.states.iter().map(|pair| vec![0.0; len(pair)]).collect()
}

/// Outputs of all ticks, the state carried by the caller as a policy does.
fn all_ticks(
    check: &'static str,
    case: &Case,
    engine: &mut dyn Engine,
) -> Result<Vec<Vec<Vec<f32>>>, Violation> {
    let mut carried = zeros(case);
    case.ticks.iter().map(|tick| one_tick(check, case, tick, &mut carried, engine)).collect()
}

fn largest_error(case: &Case, outputs: &[Vec<Vec<f32>>]) -> f64 {
    let mut worst = 0.0f64;
    for (tick, found) in case.ticks.iter().zip(outputs) {
        for (expected, found) in tick.outputs.iter().zip(found) {
            if expected.len() != found.len() {
                return f64::INFINITY;
            }
            for (expected, found) in expected.iter().zip(found) {
                let error = (f64::from(*expected) - f64::from(*found)).abs();
                worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
            }
        }
    }
    worst
}

/// What comes out of each tick is what NumPy worked out; a recurrent state is carried from tick to tick.
fn values(case: &Case, build: &Builder<'_>) -> Verdict {
    let mut engine = make("values", case, build)?;
    let outputs = all_ticks("values", case, engine.as_mut())?;
    let worst = largest_error(case, &outputs);
    if worst <= BAR {
        return Ok(());
    }
    Err(violation("values", "largest difference", &format!("at most {BAR:e}"), format!("{worst:.2e}")))
}

/// An engine has the tensors of the graph, inputs start at zero, and others than these are empty.
fn tensors(case: &Case, build: &Builder<'_>) -> Verdict {
    let mut engine = make("tensors", case, build)?;
    let same = |found: &[crate::TensorInfo], wanted: &[crate::TensorInfo]| {
        found.len() == wanted.len() && wanted.iter().all(|info| found.contains(info))
    };
    if !same(&engine.io().inputs, &case.io.inputs) || !same(&engine.io().outputs, &case.io.outputs) {
        return Err(violation("tensors", "io", &format!("{:?}", case.io), format!("{:?}", engine.io())));
    }
    for index in 0..case.io.inputs.len() {
        if engine.input_mut(index).iter().any(|v| *v != 0.0) {
            return Err(violation(
                "tensors",
                format!("input {index}"),
                "zeros at first",
                "others".to_owned(),
            ));
        }
    }
    let beyond = (engine.input_mut(case.io.inputs.len()).len(), engine.output(case.io.outputs.len()).len());
    if beyond != (0, 0) {
        return Err(violation("tensors", "tensors beyond the last", "none", format!("{beyond:?}")));
    }
    Ok(())
}

/// The same inputs give the same bits, also after everything else: an engine remembers nothing from run to run.
fn repeat(case: &Case, build: &Builder<'_>) -> Verdict {
    let mut engine = make("repeat", case, build)?;
    let first = all_ticks("repeat", case, engine.as_mut())?;
    let again = all_ticks("repeat", case, engine.as_mut())?;
    if bits(&first) == bits(&again) {
        return Ok(());
    }
    Err(violation("repeat", "the ticks from zeros a second time", "the same bits", "others".to_owned()))
}

fn bits(outputs: &[Vec<Vec<f32>>]) -> Vec<u32> {
    outputs.iter().flatten().flatten().map(|v| v.to_bits()).collect()
}

/// A run leaves the input buffers as they are.
fn inputs_kept(case: &Case, build: &Builder<'_>) -> Verdict {
    let mut engine = make("inputs_kept", case, build)?;
    let Some(tick) = case.ticks.first() else { return Ok(()) };
    one_tick("inputs_kept", case, tick, &mut zeros(case), engine.as_mut())?;
    for (index, info) in case.io.inputs.iter().enumerate() {
        let is_state = case.states.iter().any(|(input, _)| *input == index);
        let zero = vec![0.0; info.len()];
        let wanted = if is_state { Some(&zero) } else { tick.inputs.get(index) };
        let at = engine.io().input_index(&info.name).unwrap_or(usize::MAX);
        if wanted.is_none_or(|wanted| engine.input_mut(at) != wanted.as_slice()) {
            return Err(violation(
                "inputs_kept",
                &info.name,
                "as written before the run",
                "changed".to_owned(),
            ));
        }
    }
    Ok(())
}

/// A measurement that is not a number comes out as one that is not, and is gone with the next one.
fn not_a_number(case: &Case, build: &Builder<'_>) -> Verdict {
    const C: &str = "not_a_number";
    let floats = case.io.inputs.iter().enumerate().filter(|(_, info)| info.element.is_float());
    for (index, info) in floats {
        let mut engine = make(C, case, build)?;
        let Some(tick) = case.ticks.first() else { return Ok(()) };
        let clean = one_tick(C, case, tick, &mut zeros(case), engine.as_mut())?;
        let (mut broken, mut carried) = (tick.clone(), zeros(case));
        let state = case.states.iter().position(|(input, _)| *input == index);
        let values = match state.and_then(|pair| carried.get_mut(pair)) {
            Some(values) => Some(values),
            None => broken.inputs.get_mut(index),
        };
        if let Some(value) = values.and_then(|v| {
            let middle = v.len() / 2;
            v.get_mut(middle)
        }) {
            *value = f32::NAN;
        }
        let found = one_tick(C, case, &broken, &mut carried, engine.as_mut())?;
        if !found.iter().flatten().any(|v| v.is_nan()) {
            return Err(violation(C, &info.name, "a NaN at an output", "numbers only".to_owned()));
        }
        let after = one_tick(C, case, tick, &mut zeros(case), engine.as_mut())?;
        if bits(&[after]) != bits(&[clean]) {
            return Err(violation(C, &info.name, "the run after it as the one before", "others".to_owned()));
        }
    }
    Ok(())
}

/// An input of whole numbers refuses what is none.
fn whole_numbers(case: &Case, build: &Builder<'_>) -> Verdict {
    const C: &str = "whole_numbers";
    for info in case.io.inputs.iter().filter(|info| !info.element.is_float()) {
        let mut engine = make(C, case, build)?;
        let at = engine.io().input_index(&info.name).unwrap_or(usize::MAX);
        for bad in [0.5, f32::NAN, f32::INFINITY, 1e20] {
            engine.input_mut(at).fill(bad);
            match engine.run() {
                Err(RunError::Value { input, .. }) if input == at => {}
                other => {
                    let expected = format!("{bad} refused for input {at}");
                    return Err(violation(C, &info.name, &expected, format!("{other:?}")));
                }
            }
        }
    }
    Ok(())
}

/// Two engines of one model do not disturb each other.
fn two_engines(case: &Case, build: &Builder<'_>) -> Verdict {
    const C: &str = "two_engines";
    let alone = all_ticks(C, case, make(C, case, build)?.as_mut())?;
    let (mut one, mut two) = (make(C, case, build)?, make(C, case, build)?);
    let (mut state_one, mut state_two) = (zeros(case), zeros(case));
    let mut found = Vec::new();
    for (tick, other) in case.ticks.iter().zip(case.ticks.iter().rev()) {
        found.push(one_tick(C, case, tick, &mut state_one, one.as_mut())?);
        one_tick(C, case, other, &mut state_two, two.as_mut())?;
        // What the first has to say does not change when the second speaks.
        let again: Vec<Vec<f32>> = case
            .io
            .outputs
            .iter()
            .map(|info| one.output(one.io().output_index(&info.name).unwrap_or(usize::MAX)).to_vec())
            .collect();
        if found.last().map(|outputs| bits(std::slice::from_ref(outputs))) != Some(bits(&[again])) {
            return Err(violation(C, "outputs while another engine runs", "the same", "others".to_owned()));
        }
    }
    if bits(&found) != bits(&alone) {
        return Err(violation(
            C,
            "ticks beside another engine",
            "the bits of ticks alone",
            "others".to_owned(),
        ));
    }
    Ok(())
}

/// Builds with `io` changed must fail.
fn must_refuse(check: &'static str, case: &Case, build: &Builder<'_>, what: &str, io: &EngineIo) -> Verdict {
    match build(case, io) {
        Err(_) => Ok(()),
        Ok(_) => Err(violation(check, what, "refused", "an engine".to_owned())),
    }
}

/// An input of another shape than the graph's is refused.
fn wrong_shape(case: &Case, build: &Builder<'_>) -> Verdict {
    for index in 0..case.io.inputs.len() {
        let mut io = case.io.clone();
        let Some(info) = io.inputs.get_mut(index) else { continue };
        let name = info.name.clone();
        if let Some(last) = info.shape.last_mut() {
            *last += 1;
        }
        must_refuse("wrong_shape", case, build, &format!("`{name}` one value wider"), &io)?;
    }
    Ok(())
}

/// An input of another element type than the graph's is refused.
fn wrong_type(case: &Case, build: &Builder<'_>) -> Verdict {
    for index in 0..case.io.inputs.len() {
        let mut io = case.io.clone();
        let Some(info) = io.inputs.get_mut(index) else { continue };
        info.element = if info.element == ElementType::I64 { ElementType::F32 } else { ElementType::I64 };
        let what = format!("`{}` as {}", info.name, info.element);
        must_refuse("wrong_type", case, build, &what, &io)?;
    }
    Ok(())
}

/// An input that the graph has not is refused.
fn wrong_name(case: &Case, build: &Builder<'_>) -> Verdict {
    let mut io = case.io.clone();
    if let Some(info) = io.inputs.first_mut() {
        info.name = "nowhere".to_owned();
    }
    must_refuse("wrong_name", case, build, "an input called `nowhere`", &io)
}
