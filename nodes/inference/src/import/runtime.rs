//! How a model is run and what follows when a run fails: no format says it, and nothing runs without it.
//!
//! Each value is cautious, said to be assumed, and replaced by the key it has in the manifest.

use super::draft::{DraftInput, DraftRuntime, TermWhat};
use super::error::ImportError;
use super::fact::Fact;
use super::overrides::Overrides;
use super::tree::At;
use super::{CommandRange, Numbers};
use crate::manifest::{DECIMATION_BASE_HZ, MAX_JUMP_RAD};

/// Ticks of control from observation to use, where the rate leaves room for them.
const LATENCY_TICKS: usize = 2;
/// What one missed run does.
const ON_MISS: [&str; 3] = ["hold", "damp", "fault"];
/// What follows a policy that is lost.
const FALLBACK: [&str; 2] = ["stand", "damp"];

impl DraftRuntime {
    /// What the user says, else what fits `rate_hz`; `joints` in the policy's order.
    pub(super) fn of(
        rate_hz: &Fact<f64>,
        joints: &[String],
        overrides: &Overrides,
    ) -> Result<Self, ImportError> {
        let latency_ticks = match overrides.get("runtime.latency_ticks") {
            Some(at) => Fact::known(whole(&at, 1, 100)?, at.from()),
            None => latency(rate_hz),
        };
        let deadline_ms = match overrides.get("runtime.deadline_ms") {
            Some(at) => {
                let period_ms = rate_hz.value().map_or(1000.0, |rate| 1000.0 / rate);
                Fact::known(between(&at, 0.01, period_ms.min(1000.0), "ms")?, at.from())
            }
            None => deadline(rate_hz, &latency_ticks),
        };
        let on_miss = match word(overrides, "runtime.on_miss", &ON_MISS)? {
            Some(given) => given,
            None => {
                let why = "what one missed run does; the last targets stay";
                Fact::assumed("hold", why, "--set runtime.on_miss=damp, or fault")
            }
        };
        let misses_max = match overrides.get("runtime.misses_max") {
            Some(at) => Fact::known(whole(&at, 1, 1000)?, at.from()),
            None => {
                Fact::assumed(2, "missed runs in a row that end the policy", "--set runtime.misses_max=1")
            }
        };
        let fallback = match word(overrides, "safety.fallback", &FALLBACK)? {
            Some(given) => given,
            None => {
                let why = "what follows a policy that is lost; Stand holds a robot that stands by itself";
                Fact::assumed("stand", why, "--set safety.fallback=damp")
            }
        };
        Ok(Self {
            deadline_ms,
            latency_ticks,
            on_miss,
            misses_max,
            fallback,
            max_action_jump_rad: action_jump(joints, overrides)?,
        })
    }
}

/// Two ticks, or one where the next run is due by then.
fn latency(rate_hz: &Fact<f64>) -> Fact<usize> {
    let period = rate_hz.value().map_or(LATENCY_TICKS as f64, |rate| (DECIMATION_BASE_HZ / rate).floor());
    let ticks = if period < LATENCY_TICKS as f64 { 1 } else { LATENCY_TICKS };
    let why = format!(
        "from an observation to the tick of control that uses its targets, in ticks of {} ms; training had none or a \
         random one; the robot's own floor (robot.yaml policy.latency_ticks_min) holds as well",
        tick_ms()
    );
    Fact::assumed(ticks, why, "--set runtime.latency_ticks=3")
}

/// A result that comes after the tick that would use it is of no use, nor is one that the next run overtakes.
fn deadline(rate_hz: &Fact<f64>, latency_ticks: &Fact<usize>) -> Fact<f64> {
    let ticks = latency_ticks.value().copied().unwrap_or(LATENCY_TICKS);
    let used_ms = tick_ms() * ticks as f64;
    let period_ms = rate_hz.value().map_or(f64::INFINITY, |rate| 1000.0 / rate);
    let why = "a longer run is a miss; a result is used runtime.latency_ticks after its observation, and no later than the next run";
    Fact::assumed(used_ms.min(period_ms), why, "--set runtime.deadline_ms=2")
}

fn tick_ms() -> f64 {
    1000.0 / DECIMATION_BASE_HZ
}

fn action_jump(joints: &[String], overrides: &Overrides) -> Result<Fact<Option<Vec<f64>>>, ImportError> {
    const KEY: &str = "safety.max_action_jump";
    let Some(given): Option<Numbers> = overrides.per_name(KEY, joints)? else {
        let why = "the largest change of a target from run to run is not known, so none is watched; the guard's own limits hold";
        return Ok(Fact::assumed(None, why, "--set safety.max_action_jump=0.6 (rad, or one per joint)"));
    };
    if given.value().is_some_and(|values| values.iter().any(|v| *v <= 0.0 || *v > MAX_JUMP_RAD)) {
        let reason = "expected rad per run, above zero and at most 2 pi".to_owned();
        return Err(ImportError::Override { key: KEY.to_owned(), reason });
    }
    Ok(given.map(Some))
}

/// Range of the velocity command: `--set command.range`, else the source's own, else none for a model that reads the
/// command; `None` for one that does not.
pub(super) fn command_range(
    own: Option<Fact<CommandRange>>,
    inputs: &[DraftInput],
    overrides: &Overrides,
) -> Result<Option<Fact<CommandRange>>, ImportError> {
    let reads = |what: &TermWhat| matches!(what, TermWhat::Command(_) | TermWhat::Phase(_));
    if !inputs.iter().flat_map(|input| &input.terms).any(|term| reads(&term.what)) {
        return Ok(own);
    }
    let Some(at) = overrides.get("command.range") else {
        let why = "the commands of training are not in the source, so commands are not clamped";
        let supply = "--set 'command.range={vx: [-1, 1], vy: [-1, 1], wz: [-1, 1]}' (m/s, m/s, rad/s)";
        return Ok(Some(own.unwrap_or_else(|| Fact::assumed([None; 3], why, supply))));
    };
    at.closed(&["vx", "vy", "wz"])?;
    let axis = |key| at.get(key).map(|at: At<'_>| at.command_range()).transpose();
    Ok(Some(Fact::known([axis("vx")?, axis("vy")?, axis("wz")?], at.from())))
}

/// Between two actions of a chunk: on a straight line, or the last one held.
pub(super) fn interpolation(overrides: &Overrides) -> Result<Fact<&'static str>, ImportError> {
    Ok(word(overrides, "chunk.interp", &["linear", "hold"])?.unwrap_or_else(|| {
        let why = "between two actions of a chunk the source leaves the way to the servos; targets go on a straight line";
        Fact::assumed("linear", why, "--set chunk.interp=hold")
    }))
}

/// When a recurrent state starts anew besides each activation.
pub(super) fn state_gap(overrides: &Overrides) -> Result<Fact<Option<f64>>, ImportError> {
    match overrides.get("state.gap_ms") {
        Some(at) => Ok(Fact::known(Some(between(&at, 0.0, 10_000.0, "ms")?), at.from())),
        None => {
            let why =
                "a state that missed a run is not the one the policy was trained with, so it starts anew";
            Ok(Fact::assumed(None, why, "--set state.gap_ms=40 (it survives gaps up to this)"))
        }
    }
}

/// What a counter does at its end.
pub(super) fn counter_end(overrides: &Overrides) -> Result<Fact<&'static str>, ImportError> {
    Ok(word(overrides, "counter.on_end", &["hold", "wrap"])?.unwrap_or_else(|| {
        let why = "what follows the last frame of the motion; the last frame stays";
        Fact::assumed("hold", why, "--set counter.on_end=wrap")
    }))
}

/// The robot's standing posture, for models whose tensors use no default position.
pub(super) fn standing_posture(rad: Vec<f64>) -> Numbers {
    let why = "no tensor of this model uses a default position; the robot's standing posture is taken";
    Fact::assumed(rad, why, "--set joints.default_pos={JOINT: RAD, ...}")
}

fn word(
    overrides: &Overrides,
    key: &str,
    words: &[&'static str],
) -> Result<Option<Fact<&'static str>>, ImportError> {
    let Some(at) = overrides.get(key) else { return Ok(None) };
    match words.iter().find(|word| at.text().is_ok_and(|text| text == **word)) {
        Some(word) => Ok(Some(Fact::known(*word, at.from()))),
        None => Err(at.error(at.found(), words.join(" or "), "choose one")),
    }
}

fn between(at: &At<'_>, lo: f64, hi: f64, unit: &str) -> Result<f64, ImportError> {
    let value = at.number()?;
    if (lo..=hi).contains(&value) {
        return Ok(value);
    }
    Err(at.error(at.found(), format!("{lo} to {hi} {unit}"), "correct the value"))
}

fn whole(at: &At<'_>, lo: usize, hi: usize) -> Result<usize, ImportError> {
    let value = at.index()?;
    if (lo..=hi).contains(&value) {
        return Ok(value);
    }
    Err(at.error(at.found(), format!("{lo} to {hi}"), "correct the value"))
}
