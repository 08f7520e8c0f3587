//! `sinew up`: the robot of a launch file, from nothing to standing, and back to lying when asked to end.
use crate::output::out;
use anyhow::{Context, Result, bail};
use serde_json::json;
use sinew_ros::{ROS_PORT, RouterHandle, ensure_router};
use sinew_rt::clock;
use sinew_runner::{
    ChildSpec, Event, Events, Host, Options, Plan, Programs, Stage, StopSignals, Supervisor, declared_args,
    evaluate, parse_overrides,
};
use sinew_stack::{Goal, Participants};
use sinew_wire::{RobotMode, Source, WatchTime};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::{self, Until};
use crate::client::Client;
use crate::shells::ctl::{self, Ask, Control};
use crate::status::{self, Rates};

/// How long the processes may take to find each other, and the robot to stand.
const START_WITHIN: Duration = Duration::from_secs(60);
const STAND_WITHIN: Duration = Duration::from_secs(120);
/// Between two refreshes of the status line.
const REFRESH_NS: u64 = 250_000_000;

/// A running robot as its starter sees it.
struct Up<'a> {
    args: &'a cli::Up,
    robot: String,
    began: WatchTime,
    supervisor: Supervisor,
    events: Events,
    signals: StopSignals,
    client: Client,
    masks: Control,
    autostart: bool,
    stood_s: Option<f64>,
    heard: VecDeque<WatchTime>,
    drawn_ns: u64,
    asked_to_stop: bool,
    failed: Option<String>,
    /// Alive as long as the robot: where ROS 2 meets it.
    _router: RouterHandle,
}

/// # Errors
/// What could not be started, with the lines the process printed last.
pub fn run(args: &cli::Up) -> Result<ExitCode> {
    let signals = StopSignals::take().context("signals")?;
    let file = match &args.file {
        Some(file) => file.canonicalize().with_context(|| file.display().to_string())?,
        None => crate::site::launch_folder()?.join("sinew.launch.xml"),
    };
    let folder = file.parent().map_or_else(PathBuf::new, PathBuf::from);
    let host = Host::new().with_package("sinew", &folder);
    if args.show_args {
        for arg in declared_args(&file, &host)? {
            out!(
                "{:12} {}  [default: {}]",
                arg.name,
                arg.description.unwrap_or_default(),
                arg.default.unwrap_or_default()
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    let plan = evaluate(&file, &parse_overrides(&args.arguments)?, &host)?;
    let up = Up::start(args, &plan, signals)?;
    up.run()
}

impl<'a> Up<'a> {
    fn start(args: &'a cli::Up, plan: &Plan, signals: StopSignals) -> Result<Self> {
        let began = clock::now();
        let robot = plan.arg("robot").context("launch file: no argument `robot`")?.to_owned();
        let exe = std::env::current_exe().context("own executable")?;
        let programs = Programs::installed().with_own("sinew", "sinew", exe);
        let run_dir = crate::run_dir::of_robot(&robot)?;
        let masks = Control::bind(run_dir.path().join("up.ctl"))?;
        let specs = plan
            .nodes
            .iter()
            .map(|node| ChildSpec::from_plan(node, &programs))
            .collect::<Result<Vec<_>, _>>()?;
        let port = plan.arg("ros_port").and_then(|port| port.parse().ok()).unwrap_or(ROS_PORT);
        let router = ensure_router(port);
        if !router.report().is_reachable() {
            eprintln!("ROS 2 will not see this robot: {}", router.report());
        }
        let (supervisor, events) = Supervisor::start(specs, Options::default())?;
        let client = Client::open(&robot, Source::AUTOSTART, run_dir)?;
        Ok(Self {
            args,
            robot,
            began,
            supervisor,
            events,
            signals,
            client,
            masks,
            autostart: plan.arg("autostart") == Some("stand"),
            stood_s: None,
            heard: VecDeque::new(),
            drawn_ns: 0,
            asked_to_stop: false,
            failed: None,
            _router: router,
        })
    }

    fn run(mut self) -> Result<ExitCode> {
        if self.autostart {
            self.client.operator.set_goal(Goal::Stand);
        }
        let terminal = std::io::stdout().is_terminal() && !self.args.json;
        while !self.over()? {
            if self.client.listen(Duration::from_millis(20)) {
                self.heard.push_back(clock::now());
                if self.heard.len() > 200 {
                    self.heard.pop_front();
                }
            }
            self.steer()?;
            self.watch_children()?;
            if terminal {
                self.draw()?;
            }
        }
        if terminal {
            status::below();
        }
        self.finish()
    }

    /// Autostart is a lease client like any other: it stands the robot up once and gives the lease back.
    fn steer(&mut self) -> Result<()> {
        let Some(state) = &self.client.robot_state else { return Ok(()) };
        let standing = state.body.robot_mode() == RobotMode::Stand;
        if standing && self.stood_s.is_none() {
            self.stood_s = Some(self.client.time_s());
            self.client.operator.set_goal(Goal::Watch);
        }
        let done = self.client.operator.goal() == Goal::Watch && !self.client.operator.holds(state);
        if self.autostart && !done {
            self.client.steer()?;
        }
        Ok(())
    }

    fn over(&mut self) -> Result<bool> {
        if self.signals.next(Duration::ZERO)?.is_some() {
            self.asked_to_stop = true;
        }
        if self.args.until == Some(Until::Stand) && self.stood_s.is_some() {
            let released = self.client.robot_state.as_ref().is_some_and(|s| !self.client.operator.holds(s));
            self.asked_to_stop |= released;
        }
        let waited = Duration::from_nanos(clock::now().since_ns(self.began));
        if self.client.robot_state.is_none() && waited > START_WITHIN {
            self.failed = Some("the robot says nothing".into());
        }
        if self.autostart && self.stood_s.is_none() && waited > STAND_WITHIN {
            self.failed = Some("the robot does not stand up".into());
        }
        Ok(self.asked_to_stop || self.failed.is_some())
    }

    /// A child that dies leaves the run; one that comes back takes part again.
    fn watch_children(&mut self) -> Result<()> {
        while let Some(event) = self.events.try_next() {
            match event {
                Event::Line { name, text, .. } => {
                    if !self.args.json {
                        out!("\r\x1b[J[{name}] {text}");
                    } else {
                        eprintln!("[{name}] {text}");
                    }
                }
                Event::Exited { name, status, run, .. } => {
                    let lines = self.supervisor.last_lines(&name);
                    let last = lines.last().cloned().unwrap_or_default();
                    if &*name == "twin" || (run == 1 && self.client.robot_state.is_none() && &*name != "ros")
                    {
                        self.failed = Some(format!("{name} ended ({status:?}): {last}"));
                    } else if !self.args.json {
                        out!("\r\x1b[J[{name}] ended ({status:?}): {last}");
                    }
                    self.mask(0, participant(&name));
                }
                Event::Started { name, run, .. } if run > 1 => {
                    // It is heard again as soon as it answers; until then the run waits for it for a moment only.
                    self.mask(participant(&name), 0);
                }
                Event::GaveUp { name, runs } => {
                    self.failed = Some(format!("{name} ended {runs} times"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn mask(&self, set: u32, clear: u32) {
        let twin = ctl::twin_path(self.client.run_dir.path());
        // No twin, no mask: a robot with real buses, or one that is going down.
        self.masks.send(&twin, &Ask::Mask { set, clear }).ok();
    }

    fn draw(&mut self) -> Result<()> {
        let now_ns = clock::now().as_ns();
        if now_ns < self.drawn_ns + REFRESH_NS {
            return Ok(());
        }
        self.drawn_ns = now_ns;
        let state_hz = match (self.heard.front(), self.heard.back()) {
            (Some(first), Some(last)) if last > first => {
                (self.heard.len() - 1) as f64 / (last.since_ns(*first) as f64 * 1e-9)
            }
            _ => 0.0,
        };
        let rtf = self.client.truth().map_or(0.0, |truth| truth.rtf);
        let lines = status::lines(&self.client, Rates { state_hz, rtf });
        Ok(status::draw(&lines)?)
    }

    /// Control first: it lies down, damps and releases; bridge and twin outlive it.
    fn finish(self) -> Result<ExitCode> {
        let wall_s = clock::now().since_ns(self.began) as f64 * 1e-9;
        let robot_s = self.client.time_s();
        let truth = self.client.truth().ok();
        self.supervisor.shutdown(vec![
            Stage::of(&["control"]),
            Stage::of(&["policy", "ros"]),
            Stage::of(&["bridge", "twin"]),
        ]);
        let report = loop {
            match self.events.next_within(Duration::from_millis(100)) {
                Some(Event::AllEnded) => break self.supervisor.wait(),
                Some(Event::Line { name, text, .. }) => eprintln!("[{name}] {text}"),
                Some(Event::Exited { name, .. }) => self.mask_of(&name),
                _ => {}
            }
        };
        let clean = report.killed.is_empty() && report.stuck.is_empty();
        if self.args.json {
            out!(
                "{}",
                json!({
                    "robot": self.robot,
                    "stand_s": self.stood_s,
                    "wall_s": wall_s,
                    "rtf": robot_s / wall_s.max(1e-9),
                    "height_m": truth.map(|t| t.position_m[2]),
                    "clean": clean,
                    "killed": report.killed,
                    "failed": self.failed,
                })
            );
        }
        if let Some(reason) = self.failed {
            bail!("{reason}");
        }
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn mask_of(&self, name: &str) {
        self.mask(0, participant(name));
    }
}

fn participant(name: &str) -> u32 {
    match name {
        "bridge" => Participants::BRIDGE,
        "control" => Participants::CONTROL,
        "policy" => Participants::POLICY,
        _ => 0,
    }
}
