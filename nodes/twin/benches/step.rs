//! How many 2 ms steps of the whole twin a second takes, standing: `cargo bench -p sinew-twin`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a bench says what broke by panicking

#[path = "../tests/host/mod.rs"]
mod host;
use host::Host;
use std::time::{Duration, Instant};

fn main() {
    let mut host = Host::seeded(1);
    host.stand_up(1.0);
    host.hold(500);
    let steps: u32 = 3000;
    let q = host.robot.postures.stand.q_rad.clone();
    let (mut exchange, mut integrate) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..steps {
        host.command_all(&q, host::KP, host::KD);
        host.sync();
        let start = Instant::now();
        host.exchange();
        exchange += start.elapsed();
        let start = Instant::now();
        host.twin.integrate();
        integrate += start.elapsed();
        host.step += 1;
    }
    let total = exchange + integrate;
    println!(
        "twin step of 2 ms: {:.0} steps/s, {:.1}x real time; exchange {:.1} us, integrate {:.1} us",
        f64::from(steps) / total.as_secs_f64(),
        f64::from(steps) * 0.002 / total.as_secs_f64(),
        exchange.as_secs_f64() * 1e6 / f64::from(steps),
        integrate.as_secs_f64() * 1e6 / f64::from(steps),
    );
    let hash: String = host.twin.hash().iter().take(8).map(|b| format!("{b:02x}")).collect();
    let truth = host.twin.truth();
    println!(
        "height {:.4} m, tilt {:.4} rad, hash {hash} after {} steps",
        truth.height_m, truth.tilt_rad, truth.step
    );
}
