//! `sinew bench latency`: state published to command accepted, plus its frames encoded and written, beside raw Zenoh
//! and raw datagrams of the same sizes, settings, priority and core, in interleaved rounds.
mod ping;
mod robot;

pub use ping::echo;

use crate::output::out;
use anyhow::Result;
use serde_json::{Value, json};
use sinew_ports::RunDir;
use std::process::ExitCode;

use crate::cli::Transport;

const ROUNDS: usize = 5;
/// Bus cycles per second.
const RATE_HZ: u64 = 500;
const KEYS: [&str; 4] = ["p50_us", "p99_us", "p999_us", "max_us"];

/// # Errors
/// When a process cannot be started or falls silent.
pub fn run(seconds: u64, as_json: bool) -> Result<ExitCode> {
    // One common core for everybody: the last one, which is the least disturbed.
    let core = std::thread::available_parallelism().map_or(0, |n| n.get() - 1);
    let cycles = (seconds * RATE_HZ / (3 * ROUNDS as u64)).max(RATE_HZ);
    let progress = crate::progress::bar("latency", 3 * ROUNDS as u64);
    let mut rounds: [Vec<Value>; 3] = Default::default();
    let mut waits = Vec::new();
    let mut allocations: f64 = 0.0;
    for _ in 0..ROUNDS {
        let dir = tempdir()?;
        let measured = robot::round(&dir, cycles, core)?;
        allocations = allocations.max(measured.allocations_per_tick);
        waits.push(measured.bus_wait);
        let [sinew, zenoh, datagram] = &mut rounds;
        sinew.push(measured.answer);
        progress.inc(1);
        zenoh.push(ping::round(&dir, Transport::Zenoh, cycles, core)?);
        progress.inc(1);
        datagram.push(ping::round(&dir, Transport::Datagram, cycles, core)?);
        progress.inc(1);
        // Sockets of this round only; what cannot be removed is the system's to clean.
        std::fs::remove_dir_all(dir.path()).ok();
    }
    progress.finish_and_clear();
    let [sinew, zenoh, datagram] = rounds.map(|round| medians(&round));
    let ratio = |key: &str| sinew[key].as_f64().unwrap_or(f64::NAN) / zenoh[key].as_f64().unwrap_or(f64::NAN);
    let result = json!({
        "rate_hz": RATE_HZ,
        "rounds": ROUNDS,
        "cycles_per_round": cycles,
        "core": core,
        "sinew": sinew,
        "zenoh": zenoh,
        "datagram": datagram,
        "ratio_p50": ratio("p50_us"),
        "ratio_p99": ratio("p99_us"),
        "allocations_per_tick": allocations,
        "bus_wait_us": medians(&waits),
    });
    if as_json {
        out!("{result}");
    } else {
        out!(
            "{:>10} {:>9} {:>9} {:>9} {:>9}   us, medians of {ROUNDS} rounds",
            "",
            "p50",
            "p99",
            "p99.9",
            "max"
        );
        for name in ["sinew", "zenoh", "datagram", "bus_wait_us"] {
            let values = KEYS.map(|key| result[name][key].as_f64().unwrap_or(f64::NAN));
            let [p50, p99, p999, max] = values;
            out!("{name:>10} {p50:9.1} {p99:9.1} {p999:9.1} {max:9.1}");
        }
        out!(
            "sinew / raw zenoh: p50 {:.2}, p99 {:.2}; allocations per tick {allocations}",
            ratio("p50_us"),
            ratio("p99_us")
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn tempdir() -> Result<RunDir> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("sinew-bench-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Ok(RunDir::create(&std::env::temp_dir().join(name))?)
}

/// The median of each figure over the rounds.
fn medians(rounds: &[Value]) -> Value {
    let median = |key: &str| {
        let mut values: Vec<f64> = rounds.iter().filter_map(|round| round[key].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let mut all = serde_json::Map::new();
    for key in KEYS {
        all.insert(key.to_owned(), json!(median(key)));
    }
    Value::Object(all)
}
