//! Health as dashboards read it: one status per task of the nodes, under names that never change.
use crate::msg::Byte;
use crate::msg::diagnostic_msgs::{DiagnosticStatus, KeyValue};
use sinew_robot::Robot;
use sinew_wire::{EstimatorStatus, LeaseRefusal, LinkState, NO_POLICY, RobotMode, RobotState, Source, Stage};

/// Level of a status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    #[default]
    Ok = 0,
    Warn = 1,
    Error = 2,
    /// Nothing heard: what is shown is old.
    Stale = 3,
}

/// A row of the fault table, as far as a view needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultName {
    /// Bit in the state's fault set.
    pub bit: u8,
    /// As written in topics, logs and scenario files.
    pub code: String,
    /// How bad it is.
    pub level: Level,
    /// What a person can do.
    pub hint: String,
}

/// What a change of is told at once, not at the next second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Situation {
    faults: u64,
    mode: RobotMode,
    link: LinkState,
    stage: Stage,
    estimator: EstimatorStatus,
    refusal: LeaseRefusal,
    holder: u16,
    policy: u8,
}

impl Situation {
    pub(super) fn of(state: &RobotState) -> Self {
        let body = &state.body;
        Self {
            faults: body.faults,
            mode: body.robot_mode(),
            link: body.link_state(),
            stage: body.stage(),
            estimator: body.estimator_status(),
            refusal: body.lease_refusal(),
            holder: body.lease_holder,
            policy: body.active_policy,
        }
    }
}

/// What stays the same between reports.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    hardware_id: String,
    faults: Vec<FaultName>,
    drives: Vec<Drive>,
}

#[derive(Clone, Debug)]
struct Drive {
    name: String,
    warn_c: f64,
    max_c: f64,
}

/// Tasks, in the order they are reported.
const TASKS: [&str; 5] =
    ["control: mode", "control: estimator", "control: faults", "bridge: link", "bridge: drives"];

impl Reporter {
    pub(super) fn new(description: &Robot, hardware_id: String, faults: Vec<FaultName>) -> Self {
        let drives = description
            .joints
            .iter()
            .map(|joint| Drive {
                name: joint.name.clone(),
                warn_c: joint.limits.temperature_warn_c,
                max_c: joint.limits.temperature_max_c,
            })
            .collect();
        Self { hardware_id, faults, drives }
    }

    /// One status per task.
    pub(super) fn report(&self, state: &RobotState) -> Vec<DiagnosticStatus> {
        let tasks = [mode(state), estimator(state), self.faults(state), link(state), self.drives(state)];
        TASKS.into_iter().zip(tasks).map(|(name, task)| self.status(name, task)).collect()
    }

    /// The same tasks when nothing is heard any more.
    pub(super) fn silence(&self) -> Vec<DiagnosticStatus> {
        let task = || Task::new(Level::Stale, "no state from control".to_owned());
        TASKS.into_iter().map(|name| self.status(name, task())).collect()
    }

    fn status(&self, name: &str, task: Task) -> DiagnosticStatus {
        DiagnosticStatus {
            level: Byte(task.level as u8),
            name: name.to_owned(),
            message: task.message,
            hardware_id: self.hardware_id.clone(),
            values: task.values,
        }
    }

    fn faults(&self, state: &RobotState) -> Task {
        let mut task = Task::new(Level::Ok, "none".to_owned());
        let mut codes = Vec::new();
        for bit in (0..64_u8).filter(|bit| state.body.faults >> bit & 1 == 1) {
            let known = self.faults.iter().find(|fault| fault.bit == bit);
            let code = known.map_or_else(|| format!("fault_{bit}"), |fault| fault.code.clone());
            // A fault nobody declared is nothing to play down.
            task.level = task.level.max(known.map_or(Level::Error, |fault| fault.level));
            task.put(&code, known.map_or("see the log of control", |fault| &fault.hint));
            codes.push(code);
        }
        if !codes.is_empty() {
            task.message = codes.join(", ");
        }
        task
    }

    fn drives(&self, state: &RobotState) -> Task {
        let mut task = Task::new(Level::Ok, String::new());
        let mut hottest: Option<(&str, f64)> = None;
        for (drive, joint) in self.drives.iter().zip(&state.joints) {
            let celsius = f64::from(joint.temperature_c);
            // Written so that a NaN is an error.
            let level = if celsius < drive.warn_c {
                Level::Ok
            } else if celsius < drive.max_c {
                Level::Warn
            } else {
                Level::Error
            };
            task.level = task.level.max(level);
            task.put(&format!("{} temperature_c", drive.name), format!("{celsius:.1}"));
            if hottest.is_none_or(|(_, most)| celsius.is_nan() || celsius > most) {
                hottest = Some((&drive.name, celsius));
            }
        }
        if let Some((name, celsius)) = hottest {
            task.message = format!("hottest {name} {celsius:.1} C");
        }
        task.put("bus_voltage_v", format!("{:.2}", state.body.bus_voltage_v));
        task
    }
}

struct Task {
    level: Level,
    message: String,
    values: Vec<KeyValue>,
}

impl Task {
    fn new(level: Level, message: String) -> Self {
        Self { level, message, values: Vec::new() }
    }

    fn put(&mut self, key: &str, value: impl std::fmt::Display) {
        self.values.push(KeyValue { key: key.to_owned(), value: value.to_string() });
    }
}

fn mode(state: &RobotState) -> Task {
    let body = &state.body;
    let mode = body.robot_mode();
    let level = match mode {
        RobotMode::FaultStop | RobotMode::EStop => Level::Error,
        _ => Level::Ok,
    };
    let mut task = Task::new(level, mode.to_string());
    let policy = body.active_policy;
    task.put("active_policy", if policy == NO_POLICY { "none".to_owned() } else { policy.to_string() });
    task.put("activation", body.activation);
    task.put("lease_holder", source_name(body.lease_holder));
    task.put("lease_epoch", body.lease_epoch);
    task.put("last_refusal", body.lease_refusal());
    let [vx, vy, wz] = body.command;
    task.put("command", format!("{vx:.3} {vy:.3} {wz:.3}"));
    task.put("policy_misses", body.policy_misses);
    task.put("saturated_ticks", body.saturated_ticks);
    task
}

fn estimator(state: &RobotState) -> Task {
    let body = &state.body;
    let status = body.estimator_status();
    let level = match status {
        EstimatorStatus::Healthy => Level::Ok,
        EstimatorStatus::Initialising | EstimatorStatus::Degraded => Level::Warn,
        EstimatorStatus::Invalid => Level::Error,
    };
    let mut task = Task::new(level, status.to_string());
    task.put("nis", format!("{:.3}", body.nis));
    task.put("height_m", format!("{:.3}", body.height_m));
    task.put("resets", body.estimator_resets);
    task
}

fn link(state: &RobotState) -> Task {
    let (link, stage) = (state.body.link_state(), state.body.stage());
    let by_link = match link {
        LinkState::Fault | LinkState::EStop => Level::Error,
        LinkState::Damping => Level::Warn,
        _ => Level::Ok,
    };
    let by_stage = match stage {
        Stage::Ramp | Stage::Damp => Level::Warn,
        _ => Level::Ok,
    };
    let mut task = Task::new(by_link.max(by_stage), format!("{link}, commands {stage}"));
    task.put("link_state", link);
    task.put("stage", stage);
    task
}

fn source_name(source: u16) -> String {
    match Source(source) {
        Source::NONE => "none".to_owned(),
        Source::SCENARIO => "scenario".to_owned(),
        Source::AUTOSTART => "autostart".to_owned(),
        Source::DRIVE => "drive".to_owned(),
        Source::CMD_VEL => "cmd_vel".to_owned(),
        Source::ESTOP => "estop".to_owned(),
        Source(other) => format!("source {other}"),
    }
}
