//! `sinew model explain`: every number of every input of a policy, by name.
//!
//! With `--live` a copy of the policy follows the states that a robot publishes. Its measurements are then the running
//! policy's own; what a policy remembers since its activation the copy only has when it saw that activation, and the
//! output says so for each such thing.
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use sinew_inference::{Directory, Model};
use sinew_policy::{Explained, Memory, Row, memories};
use sinew_wire::{NO_POLICY, PolicyStatus, RobotState, Source, WatchTime};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::client::Client;
use crate::model::RobotSite;

/// How long a robot may take to say something.
const WAIT: Duration = Duration::from_secs(3);
/// How long a copy may take to see as many runs in a row as it needs, beside what they last.
const FOLLOW: Duration = Duration::from_secs(30);
/// Wall time for a second of robot time in the slowest simulation worth waiting for, s.
const SLOWEST: f64 = 20.0;
/// States followed at least when something is remembered that no history bounds, s of robot time.
const SETTLE_S: f64 = 1.0;

/// # Errors
/// A model that does not load or fit, no running robot, or one that runs another model.
pub fn run(file: &Path, robot: Option<&Path>, live: Option<&str>, json: bool) -> Result<ExitCode> {
    let (source, name) = Directory::of_file(file)?;
    let model = Model::load(&source, &name)?;
    let robot = RobotSite::load(robot, file)?;
    let engine = crate::engines::make_to_look_into(&model)
        .map_err(|reason| anyhow::anyhow!("{}: no engine to look into it with: {reason}", model.file))?;
    let mut explained = Explained::new(&model, engine, &robot.site().config())?;
    let engine = explained.policy().engine_name().to_owned();
    let mut followed = None;
    let (rows, from) = if let Some(name) = live {
        let name = if name.is_empty() { &robot.name } else { name };
        followed =
            Some(Follower::of(name, &model)?.follow(&mut explained, &model, robot.site().period_ns)?);
        (explained.rows(), format!("robot {name:?}"))
    } else {
        (explained.golden_rows(&model)?, "first golden tick".to_owned())
    };
    let text = if json {
        let rows: Vec<_> = rows.iter().map(as_json).collect();
        let live = followed.as_ref().map(|followed| followed.to_json(&model));
        let all = json!({ "file": file, "values_from": from, "engine": engine, "rows": rows, "live": live });
        format!("{all}\n")
    } else {
        let live = followed.as_ref().map(|followed| followed.to_text(&model)).unwrap_or_default();
        format!("values from the {from}, computed here by {engine}\n{live}{}", table(rows))
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever was reading has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        other => Ok(other.map(|()| ExitCode::SUCCESS)?),
    }
}

/// A robot that runs the model, heard by a copy of it.
struct Follower {
    name: String,
    client: Client,
    /// The policy that runs the model.
    number: u8,
}

/// How far a copy came.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Followed {
    /// Control's number of the policy.
    number: u8,
    model_hash: u32,
    /// Does the robot follow it now?
    active: bool,
    /// Runs in a row up to the one shown.
    runs: u64,
    /// The same in robot time, s.
    since_s: f64,
    /// Did the activation begin among them?
    saw_activation: bool,
}

impl Follower {
    /// Connects, and finds the policy that runs `model`.
    fn of(name: &str, model: &Model) -> Result<Self> {
        let mut client = Client::connect(name, Source::NONE, WAIT)?;
        let deadline = sinew_rt::clock::deadline_in(WAIT);
        loop {
            client.listen(Duration::from_millis(50));
            let active = client.robot_state.as_ref().map(|state| state.body.active_policy);
            if let Some(active) = active
                && let Some(number) = runs_it(&client, active, model, name)?
            {
                return Ok(Self { name: name.to_owned(), client, number });
            }
            ensure!(
                !sinew_rt::clock::remaining(deadline).is_zero(),
                "robot {name:?} is there but {}: see the terminal of `sinew up`",
                if active.is_some() {
                    "none of its policies says which model it runs"
                } else {
                    "says nothing"
                }
            );
        }
    }

    /// Runs the copy on each state in turn until what it remembers is as full as it gets. What it answers goes nowhere.
    fn follow(mut self, explained: &mut Explained, model: &Model, period_ns: u64) -> Result<Followed> {
        let decimation = explained.policy().decimation();
        let run_s = decimation as f64 * period_ns as f64 * 1e-9;
        let name = &self.name;
        let mut silent = sinew_rt::clock::deadline_in(WAIT);
        let wanted = runs_wanted(model, run_s);
        let mut following = Following::new(wanted, decimation, run_s, sinew_rt::clock::now());
        while !following.is_enough() {
            if !self.client.listen_for_next(Duration::from_millis(100)) {
                ensure!(
                    !sinew_rt::clock::remaining(silent).is_zero(),
                    "robot {name:?} is there but says nothing: see the terminal of `sinew up`"
                );
                continue;
            }
            silent = sinew_rt::clock::deadline_in(WAIT);
            following.goes_on(sinew_rt::clock::now()).with_context(|| format!("robot {name:?}"))?;
            let Some(state) = self.client.robot_state.as_ref() else { continue };
            if !state.header.step.is_multiple_of(decimation) || following.row.has(state) {
                continue;
            }
            if let Some(found) = self.client.models.get(&self.number).filter(|h| **h != model.wire_hash()) {
                bail!(
                    "policy {} of robot {name:?} changed to model {found:08x} meanwhile; ask again",
                    self.number
                );
            }
            let (state, active) = as_the_copy_sees_it(state, self.number, explained.policy().number());
            following.take(&state, active);
            let status = explained.step(&state).body.status();
            let reason =
                explained.policy().fault().map_or_else(|| "no targets".to_owned(), ToString::to_string);
            ensure!(
                status == PolicyStatus::Targets,
                "the policy cannot run on what robot {name:?} says: {reason}"
            );
        }
        let row = following.row;
        Ok(Followed {
            number: self.number,
            model_hash: model.wire_hash(),
            active: row.active,
            runs: row.runs,
            since_s: (row.runs - 1) as f64 * run_s,
            saw_activation: row.saw_activation,
        })
    }
}

/// The policy of the robot that runs `model`: the active one, which must, or any where none is active. `None`: not known
/// yet.
fn runs_it(client: &Client, active: u8, model: &Model, robot: &str) -> Result<Option<u8>> {
    judged(&client.models, active, model.wire_hash()).map_err(|found| {
        anyhow::anyhow!(
            "robot {robot:?} runs another model than {}: policy {} runs {:08x}, this one is {:08x} (the first four bytes \
             of the weights' SHA-256); name the model that runs, or put this one in its place: sinew policy swap {} \
             --robot {robot}",
            model.file,
            found.0,
            found.1,
            model.wire_hash(),
            model.file
        )
    })
}

/// # Errors
/// Number and model of a policy that runs another one.
fn judged(
    models: &std::collections::BTreeMap<u8, u32>,
    active: u8,
    wanted: u32,
) -> std::result::Result<Option<u8>, (u8, u32)> {
    if active != NO_POLICY {
        return match models.get(&active) {
            Some(found) if *found == wanted => Ok(Some(active)),
            Some(found) => Err((active, *found)),
            None => Ok(None),
        };
    }
    match models.iter().find(|(_, hash)| **hash == wanted) {
        Some((number, _)) => Ok(Some(*number)),
        None => models.iter().next().map_or(Ok(None), |(number, hash)| Err((*number, *hash))),
    }
}

/// The state as if the copy were the policy that runs: of its activation, or of none of the robot's when it does not.
fn as_the_copy_sees_it(state: &RobotState, number: u8, own: u8) -> (RobotState, bool) {
    let mut state = state.clone();
    let active = state.body.active_policy == number;
    state.body.active_policy = own;
    if !active {
        state.body.activation = u32::MAX;
    }
    (state, active)
}

/// Runs of the copy without one left out between them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct InARow {
    runs: u64,
    active: bool,
    saw_activation: bool,
    last: Option<(u32, u64, u32)>,
}

impl InARow {
    /// Control says a state again while it waits for an answer to it.
    fn has(&self, state: &RobotState) -> bool {
        self.last.is_some_and(|(boot, step, _)| boot == state.header.boot_id && state.header.step <= step)
    }

    fn take(&mut self, state: &RobotState, active: bool, decimation: u64) {
        let now = (state.header.boot_id, state.header.step, state.body.activation);
        let follows = self.last.is_some_and(|(boot, step, _)| (boot, step + decimation) == (now.0, now.1));
        let same = self.last.is_some_and(|(.., activation)| activation == now.2);
        // A new activation that was seen to begin: from here on the copy has what the running one has.
        self.saw_activation = active && follows && (!same || self.saw_activation);
        self.runs = if follows && same { self.runs + 1 } else { 1 };
        (self.active, self.last) = (active, Some(now));
    }
}

/// Follows a robot until enough runs of the copy stand in a row, and says when that takes too long.
#[derive(Clone, Copy, Debug)]
struct Following {
    wanted: u64,
    decimation: u64,
    began: WatchTime,
    patience: Duration,
    row: InARow,
    /// The longest row of runs, and all runs.
    longest: u64,
    heard: u64,
}

/// So many runs in a row did not come.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{longest} of {wanted} runs in a row came in {within_s:.0} s: {} of {} ticks of control without one left out, {heard} \
     runs in all; either more is said than reaches this terminal, or the simulation takes more than {SLOWEST} s for a \
     second: try again on a machine with less to do", longest * decimation, wanted * decimation
)]
struct NotFollowed {
    longest: u64,
    heard: u64,
    wanted: u64,
    decimation: u64,
    within_s: f64,
}

impl Following {
    /// From `now` on, until there are `wanted` runs in a row, one every `decimation` ticks of control and every `run_s`
    /// seconds of robot time.
    fn new(wanted: u64, decimation: u64, run_s: f64, now: WatchTime) -> Self {
        let patience = FOLLOW + Duration::from_secs_f64(wanted as f64 * run_s * SLOWEST);
        Self { wanted, decimation, began: now, patience, row: InARow::default(), longest: 0, heard: 0 }
    }

    fn is_enough(&self) -> bool {
        self.row.runs >= self.wanted
    }

    /// # Errors
    /// When what is waited for should have come by `now`.
    fn goes_on(&self, now: WatchTime) -> Result<(), NotFollowed> {
        if Duration::from_nanos(now.since_ns(self.began)) <= self.patience {
            return Ok(());
        }
        let Self { wanted, decimation, patience, longest, heard, .. } = *self;
        Err(NotFollowed { longest, heard, wanted, decimation, within_s: patience.as_secs_f64() })
    }

    fn take(&mut self, state: &RobotState, active: bool) {
        self.row.take(state, active, self.decimation);
        self.longest = self.longest.max(self.row.runs);
        self.heard += 1;
    }
}

/// Runs until every history is full, and longer where something is remembered that no history bounds.
fn runs_wanted(model: &Model, run_s: f64) -> u64 {
    let list = memories(model);
    let longest = list.iter().map(Memory::runs).max().unwrap_or(1) as u64;
    let unbounded = list.iter().any(|memory| !memory.is_the_same_after(u64::MAX, false));
    let settle = if unbounded { (SETTLE_S / run_s.max(1e-3)).ceil() as u64 + 1 } else { 1 };
    longest.max(settle)
}

impl Followed {
    fn same(&self, memory: &Memory) -> bool {
        self.active && memory.is_the_same_after(self.runs, self.saw_activation)
    }

    fn to_json(self, model: &Model) -> serde_json::Value {
        let one = |memory: &Memory| {
            json!({
                "tensor": memory.tensor, "term": memory.term, "what": memory.what(),
                "as_in_the_running_policy": self.same(memory),
            })
        };
        json!({
            "policy": self.number, "model_hash": format!("{:08x}", self.model_hash), "active": self.active,
            "runs": self.runs, "since_s": self.since_s, "saw_activation": self.saw_activation,
            "memory": memories(model).iter().map(one).collect::<Vec<_>>(),
        })
    }

    fn to_text(self, model: &Model) -> String {
        let running = if self.active { "is active" } else { "is not active: shown is what it would see" };
        let mut text = format!(
            "policy {} runs this model ({:08x}, by its weights) and {running}; followed for {} runs, {:.2} s\n",
            self.number, self.model_hash, self.runs, self.since_s
        );
        for memory in memories(model) {
            let how = if self.same(&memory) {
                "as in the running policy".to_owned()
            } else {
                format!("reconstructed from the last {:.2} s, not the running policy's own", self.since_s)
            };
            text.push_str(&format!("  {} {}: {}: {how}\n", memory.tensor, memory.term, memory.what()));
        }
        text
    }
}

fn as_json(row: &Row) -> serde_json::Value {
    json!({
        "tensor": row.tensor, "index": row.index, "term": row.term, "joint": row.item, "unit": row.unit,
        "ago": row.ago, "pipeline": row.pipeline, "scale": row.scale, "measured": row.measured, "value": row.value,
    })
}

fn table(rows: &[Row]) -> String {
    let width = |of: &dyn Fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (term, item) = (width(&|r| r.term.len()), width(&|r| r.item.len()));
    let head =
        "measured: what is taken, in its unit; pipeline: what happens to it on its way; value: in the tensor";
    let mut lines = vec![head.to_owned()];
    let mut tensor = "";
    for row in rows {
        if row.tensor != tensor {
            tensor = &row.tensor;
            lines.push(tensor.to_owned());
            lines.push(format!(
                "  {:>5}  {:term$}  {:item$}  unit   ago  {:>12}  {:>12}  pipeline",
                "index", "term", "of", "measured", "value"
            ));
        }
        let shown = |value: Option<f32>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.6}"));
        let (measured, value) = (shown(row.measured), shown(row.value));
        lines.push(format!(
            "  {:>5}  {:term$}  {:item$}  {:5}  {:>3}  {measured:>12}  {value:>12}  {}",
            row.index, row.term, row.item, row.unit, row.ago, row.pipeline
        ));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_active_policy_must_run_the_model_and_an_idle_one_may() {
        let two = BTreeMap::from([(0, 0xaa), (1, 0xbb)]);
        assert_eq!(judged(&two, 0, 0xaa), Ok(Some(0)));
        assert_eq!(judged(&two, 0, 0xbb), Err((0, 0xaa)));
        assert_eq!(judged(&two, NO_POLICY, 0xbb), Ok(Some(1)));
        assert_eq!(judged(&two, NO_POLICY, 0xcc), Err((0, 0xaa)));
        // Nothing heard yet of the one that counts.
        assert_eq!(judged(&two, 2, 0xaa), Ok(None));
        assert_eq!(judged(&BTreeMap::new(), NO_POLICY, 0xaa), Ok(None));
    }

    fn state(step: u64, activation: u32) -> RobotState {
        let mut state = RobotState::default();
        state.header.step = step;
        state.body.activation = activation;
        state
    }

    #[test]
    fn a_run_left_out_or_another_activation_begins_the_row_anew() {
        let mut row = InARow::default();
        let mut take = |step, activation, active| {
            row.take(&state(step, activation), active, 10);
            (row.runs, row.saw_activation)
        };
        assert_eq!(take(100, 3, true), (1, false));
        assert_eq!(take(110, 3, true), (2, false));
        assert_eq!(take(130, 3, true), (1, false)); // one was lost
        assert_eq!(take(140, 4, true), (1, true)); // it was seen to begin
        assert_eq!(take(150, 4, true), (2, true));
        assert_eq!(take(170, 4, true), (1, false)); // and is no longer whole
        assert_eq!(take(180, u32::MAX, false), (1, false));
        assert_eq!(take(190, u32::MAX, false), (2, false));
        assert!(row.has(&state(190, 5)) && row.has(&state(180, 5)) && !row.has(&state(200, 5)));
    }

    /// Follows what comes every `every_ms` of wall time, a run `left_out` times among them, until the end.
    fn followed(wanted: u64, every_ms: u64, left_out: impl Fn(u64) -> bool) -> Result<u64, NotFollowed> {
        let at = |run: u64| WatchTime::from_ns(run * every_ms * 1_000_000);
        // A run every 20 ms of robot time.
        let mut following = Following::new(wanted, 10, 0.02, at(0));
        for run in 0.. {
            following.goes_on(at(run))?;
            if !left_out(run) {
                following.take(&state(10 * run, 3), true);
            }
            if following.is_enough() {
                return Ok(run);
            }
        }
        Ok(0)
    }

    #[test]
    fn a_long_history_is_waited_for_as_long_as_it_takes() {
        // 40 s of history, in a simulation ten times slower than its clock: 400 s.
        assert_eq!(followed(2000, 200, |_| false), Ok(1999));
        // A short one in a robot that says little: half a minute at least.
        assert_eq!(followed(50, 500, |_| false), Ok(49));
    }

    #[test]
    fn a_row_that_never_comes_together_is_given_up_with_what_came_and_what_is_needed() {
        // Every tenth is lost: nine in a row, 45 of 50 runs a second.
        let error = followed(50, 20, |run| run % 10 == 9).unwrap_err();
        assert_eq!((error.longest, error.wanted, error.decimation, error.within_s), (9, 50, 10, 50.0));
        let said = error.to_string();
        for part in ["9 of 50 runs in a row", "in 50 s", "90 of 500 ticks", "2251 runs in all"] {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}
