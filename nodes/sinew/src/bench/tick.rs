//! What each core costs per bus cycle of a walking robot, in time, allocations and page faults.
use crate::output::out;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use sinew_rt::account::Usage;
use sinew_rt::clock;
use sinew_rt::histogram::Histogram;
use sinew_stack::{Meters, Part, Stack};
use sinew_wire::{ActuatorState, JointState, MAX_FRAME, crc32_p4};
use std::process::ExitCode;

/// # Errors
/// When the robot cannot be set up.
pub fn run(seconds: u64, as_json: bool) -> Result<ExitCode> {
    let file = crate::site::launch_folder()?.join("../tests/scenarios/walk.yaml");
    let loaded = crate::scenario::load(&file, &sinew_stack::Choice::default())?
        .map_err(|row| anyhow::anyhow!("refused: {}", row.refused.unwrap_or_default()))?;
    let mut stack = Stack::new(&loaded.setup, &loaded.scenario, &file.display().to_string())?;
    let mut clock = WallMeters::default();
    let period_ns = loaded.setup.robot.period_ns;
    let warm = 8_000_000_000 / period_ns;
    let steps = warm + seconds * 1_000_000_000 / period_ns;
    for step in 0..steps {
        clock.counts = step >= warm;
        stack.step_metered([0.5, 0.0, 0.0], &mut clock).context("step")?;
    }
    let mut report = serde_json::Map::new();
    let mut on_robot = Usage::default();
    for (part, meter) in Part::ALL.iter().zip(&clock.parts) {
        report.insert(part.name().to_owned(), describe(meter));
        if *part != Part::Twin {
            on_robot.add(meter.usage);
        }
    }
    let ticks = (steps - warm).max(1) as f64;
    report.insert("raw_copy_and_crc".into(), describe(&raw()?));
    report.insert("allocations_per_tick".into(), json!(on_robot.allocations as f64 / ticks));
    report.insert(
        "page_faults_per_tick".into(),
        json!((on_robot.minor_faults + on_robot.major_faults) as f64 / ticks),
    );
    report.insert("ticks".into(), json!(steps - warm));
    if as_json {
        out!("{}", Value::Object(report));
    } else {
        for (name, value) in &report {
            out!("{name:22} {value}");
        }
    }
    Ok(if on_robot.allocations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct PartMeter {
    times: Histogram,
    usage: Usage,
}

#[derive(Default)]
struct WallMeters {
    parts: [PartMeter; Part::ALL.len()],
    counts: bool,
}

impl Meters for WallMeters {
    fn measure<T>(&mut self, part: Part, body: impl FnOnce() -> T) -> T {
        let meter = sinew_rt::account::Meter::start();
        let began = clock::now();
        let result = body();
        let took_ns = clock::now().since_ns(began);
        let usage = meter.stop();
        if let Some(slot) = self.parts.get_mut(part as usize).filter(|_| self.counts) {
            slot.times.record(took_ns);
            slot.usage.add(usage);
        }
        result
    }
}

/// The raw primitive: one state copied and its CRC computed.
fn raw() -> Result<PartMeter> {
    let mut state = ActuatorState::default();
    (0..12).for_each(|_| state.joints.push(JointState::default()));
    let (mut from, mut to) = ([0; MAX_FRAME], [0; MAX_FRAME]);
    let length = state.encode(&mut from)?.len();
    let mut meter = PartMeter::default();
    for _ in 0..10_000 {
        let began = clock::now();
        if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
            to.copy_from_slice(from);
            std::hint::black_box(crc32_p4(to));
        }
        meter.times.record(clock::now().since_ns(began));
    }
    Ok(meter)
}

fn describe(meter: &PartMeter) -> Value {
    json!({
        "p50_ns": meter.times.quantile_ns(0.5),
        "p99_ns": meter.times.quantile_ns(0.99),
        "max_ns": meter.times.max_ns(),
        "allocations": meter.usage.allocations,
        "minor_faults": meter.usage.minor_faults,
    })
}
