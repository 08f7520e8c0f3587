//! `sinew drive`: takes the lease and walks the robot, by keys or unattended.
use crate::output::out;
use anyhow::{Context, Result, bail};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::json;
use sinew_rt::clock;
use sinew_stack::Goal;
use sinew_wire::Source;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use crate::cli;
use crate::client::Client;
use crate::status::{self, Rates};

/// How long the robot may take to stand up, and to start walking.
const STAND_WITHIN: Duration = Duration::from_secs(60);
/// Steps of the keys, m/s and rad/s.
const KEY_STEP: [f32; 3] = [0.1, 0.1, 0.2];

/// # Errors
/// When the robot is not there, or does not do what was asked.
pub fn run(args: &cli::Drive) -> Result<ExitCode> {
    let mut client = Client::connect(&args.robot, Source::DRIVE, Duration::from_secs(5))?;
    let unattended = args.vx.is_some() || args.vy.is_some() || args.wz.is_some();
    let result = if unattended { follow(&mut client, args) } else { by_keys(&mut client) };
    let released = client.reach(Goal::Watch, Duration::from_secs(5));
    result?;
    released.context("the lease was not given back")?;
    Ok(ExitCode::SUCCESS)
}

/// One velocity for a while of robot time, then back to standing.
fn follow(client: &mut Client, args: &cli::Drive) -> Result<()> {
    let for_s = seconds(&args.time)?;
    let velocity = [args.vx.unwrap_or(0.0), args.vy.unwrap_or(0.0), args.wz.unwrap_or(0.0)];
    client.reach(Goal::Policy(0), STAND_WITHIN)?;
    let before = client.truth().ok();
    let from_s = client.time_s();
    client.operator.set_velocity(velocity);
    let mut heard_at = clock::now();
    while client.time_s() < from_s + for_s {
        if client.listen(Duration::from_millis(20)) {
            heard_at = clock::now();
        }
        anyhow::ensure!(clock::now().since_ns(heard_at) < 10_000_000_000, "the robot has fallen silent");
        client.steer()?;
    }
    let after = client.truth().ok();
    let walked_s = client.time_s() - from_s;
    client.operator.set_velocity([0.0; 3]);
    client.reach(Goal::Stand, STAND_WITHIN)?;
    let state = client.robot_state.as_ref().context("no robot state")?;
    let moved = before.zip(after).map(|(a, b)| {
        let (dx, dy) = (b.position_m[0] - a.position_m[0], b.position_m[1] - a.position_m[1]);
        let (sin, cos) = a.yaw_rad.sin_cos();
        // Along and across the heading at the start.
        (
            dx * cos + dy * sin,
            dy * cos - dx * sin,
            (b.yaw_rad - a.yaw_rad + 9.0 * std::f64::consts::PI).rem_euclid(2.0 * std::f64::consts::PI)
                - std::f64::consts::PI,
        )
    });
    if args.json {
        out!(
            "{}",
            json!({
                "dx_m": moved.map(|m| m.0),
                "dy_m": moved.map(|m| m.1),
                "dyaw_rad": moved.map(|m| m.2),
                "seconds": walked_s,
                "mode": state.body.robot_mode().name(),
                "faults": crate::client::faults(state.body.faults),
            })
        );
    } else if let Some((dx, dy, dyaw)) = moved {
        out!("walked {walked_s:.1} s: {dx:+.2} m ahead, {dy:+.2} m to the left, turned {dyaw:+.2} rad");
    }
    Ok(())
}

/// W A S D Q E move, space stops, X is the emergency stop, Esc gives the lease back.
fn by_keys(client: &mut Client) -> Result<()> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("drive: no terminal for the keys; give a velocity, as in `sinew drive --vx 0.5 --for 10s`");
    }
    let raw = RawTerminal::enter()?;
    out!("W/S forward  A/D sideways  Q/E turn  space stop  X emergency stop  R reset  Esc release\r");
    let (keys, pressed) = mpsc::channel();
    std::thread::Builder::new().name("keys".into()).spawn(move || {
        for byte in std::io::stdin().lock().bytes().map_while(Result::ok) {
            if keys.send(byte).is_err() {
                break;
            }
        }
    })?;
    let mut velocity = [0.0f32; 3];
    client.operator.set_goal(Goal::Policy(0));
    loop {
        client.listen(Duration::from_millis(20));
        while let Ok(key) = pressed.try_recv() {
            let mut nudge = |axis: usize, sign: f32| {
                if let (Some(v), Some(step)) = (velocity.get_mut(axis), KEY_STEP.get(axis)) {
                    *v = (*v + sign * step).clamp(-1.0, 1.0);
                }
            };
            match key.to_ascii_lowercase() {
                b'w' => nudge(0, 1.0),
                b's' => nudge(0, -1.0),
                b'a' => nudge(1, 1.0),
                b'd' => nudge(1, -1.0),
                b'q' => nudge(2, 1.0),
                b'e' => nudge(2, -1.0),
                b' ' => velocity = [0.0; 3],
                b'x' => client.operator.set_goal(Goal::EStop),
                b'r' => client.operator.set_goal(Goal::Reset),
                0x1b | 0x03 => {
                    client.operator.set_velocity([0.0; 3]);
                    status::below();
                    drop(raw);
                    return client.reach(Goal::Stand, STAND_WITHIN);
                }
                _ => {}
            }
        }
        let reset = client.operator.goal() == Goal::Reset
            && client.robot_state.as_ref().is_some_and(|state| client.operator.arrived(state));
        if reset {
            velocity = [0.0; 3];
            client.operator.set_goal(Goal::Policy(0));
        }
        client.operator.set_velocity(velocity);
        client.steer()?;
        status::draw(&status::lines(client, Rates::default()))?;
    }
}

/// The terminal without line editing and echo, put back when dropped.
struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    fn enter() -> Result<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no mending.
        tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before).ok();
    }
}

/// `10s`, `500ms` or a plain number of seconds.
fn seconds(text: &str) -> Result<f64> {
    let (number, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1e-3),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    match number.trim().parse::<f64>() {
        Ok(value) if value > 0.0 && value * factor <= 3600.0 => Ok(value * factor),
        _ => bail!("--for {text:?}: expected a time up to an hour, as 10s or 500ms"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    #[test]
    fn times() {
        assert_eq!(seconds("10s").unwrap(), 10.0);
        assert_eq!(seconds("500ms").unwrap(), 0.5);
        assert_eq!(seconds("2").unwrap(), 2.0);
        for wrong in ["", "s", "-1s", "1h", "inf", "9999s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
