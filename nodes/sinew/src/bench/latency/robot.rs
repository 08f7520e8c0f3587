//! One round of the real thing: bridge, control and a twin without physics, on their own timing.
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use sinew_ports::RunDir;
use sinew_rt::clock;
use sinew_runner::{ChildSpec, Event, Options, Stage, Supervisor};
use sinew_stack::{Goal, Participants};
use sinew_wire::Source;
use std::time::Duration;

use crate::client::Client;

const ROBOT: &str = "bench";

/// Figures of one round.
pub struct Measured {
    pub answer: Value,
    pub bus_wait: Value,
    /// Of the bridge's cycle and control's tick, the worse.
    pub allocations_per_tick: f64,
}

pub fn round(dir: &RunDir, cycles: u64, core: usize) -> Result<Measured> {
    let exe = std::env::current_exe().context("own executable")?;
    let description = crate::site::robot_folder("quad")?;
    let spec = |kind: &str| {
        let mut words = vec![exe.clone().into_os_string(), "node".into(), kind.into(), "--ros-args".into()];
        for (name, value) in [
            ("robot", ROBOT.to_owned()),
            ("description", description.display().to_string()),
            ("run_dir", dir.path().display().to_string()),
            ("free_run", "true".to_owned()),
            ("engine", "none".to_owned()),
            ("core", core.to_string()),
            ("participants", (Participants::BRIDGE | Participants::CONTROL).to_string()),
        ] {
            words.push("-p".into());
            words.push(format!("{name}:={value}").into());
        }
        ChildSpec::new(kind, words)
    };
    let specs = ["bridge", "control", "twin"].map(spec).to_vec();
    let (supervisor, events) = Supervisor::start(specs, Options::default())?;
    let mut client = Client::open(ROBOT, Source::SCENARIO, RunDir::open(dir.path())?)?;
    client.reach(Goal::Damping, Duration::from_secs(20)).context("the processes do not find each other")?;
    client.reach(Goal::Stand, Duration::from_secs(30)).context("the robot is not armed")?;
    client.reach(Goal::Watch, Duration::from_secs(5))?;
    let end = clock::deadline_in(Duration::from_millis(cycles * 2));
    while !clock::remaining(end).is_zero() {
        client.listen(Duration::from_millis(100));
        while let Some(event) = events.try_next() {
            if let Event::Exited { name, status, .. } = event {
                bail!("{name} ended ({status:?}): {}", supervisor.last_lines(&name).join("\n"));
            }
        }
    }
    supervisor.shutdown(vec![Stage::of(&["control"]), Stage::of(&["bridge"]), Stage::of(&["twin"])]);
    while !matches!(events.next_within(Duration::from_secs(60)), Some(Event::AllEnded) | None) {}
    supervisor.signal_all(Signal::SIGKILL);
    let stuck = supervisor.wait().stuck;
    anyhow::ensure!(stuck.is_empty(), "processes that do not end: {}", stuck.join(", "));
    let read = |node: &str| -> Result<Value> {
        let path = dir.path().join(format!("{node}.json"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(serde_json::from_str(&text)?)
    };
    let (bridge, control) = (read("bridge")?, read("control")?);
    let per_tick = |node: &Value| {
        node["allocations"].as_f64().unwrap_or(f64::NAN) / node["ticks"].as_f64().unwrap_or(f64::NAN)
    };
    Ok(Measured {
        answer: bridge["answer"].clone(),
        bus_wait: bridge["bus_wait"].clone(),
        allocations_per_tick: per_tick(&bridge).max(per_tick(&control)),
    })
}
