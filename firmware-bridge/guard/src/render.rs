//! Draws the tables of this room as markdown; README.md is this text.
use core::fmt::Write;

use sinew_wire::{LinkState, RobotMode};

use crate::fault::{FAULTS, Latch};
use crate::guards::Guards;
use crate::link::{self, LinkEvent};
use crate::robot_machine::{self, Outcome, ROBOT, RobotEvent};
use crate::timing::{MAX_PERIOD_NS, MAX_REST_NS, MAX_T1_NS, MAX_T2_NS, MAX_VALID_FOR_NS, Timing};

/// Writes ladder, link, robot and fault tables.
///
/// # Errors
/// When `out` fails.
pub fn render(out: &mut impl Write) -> core::fmt::Result {
    ladder(out)?;
    link_table(out)?;
    robot_table(out)?;
    needs_table(out)?;
    fault_table(out)
}

fn ladder(out: &mut impl Write) -> core::fmt::Result {
    let timing = Timing::default();
    let ms = |ns: u64| ns as f64 / 1e6;
    let (fresh, t1, t2) = (ms(timing.valid_for_ns), ms(timing.t1_ns), ms(timing.t2_ns));
    writeln!(out, "## Timeout ladder\n\nAge of the newest accepted command, judged at each send.\n")?;
    writeln!(out, "| stage | age | sent |\n|---|---|---|")?;
    writeln!(
        out,
        "| Idle | nothing accepted since arming | the joint's safe command; before arming drives are polled |"
    )?;
    writeln!(out, "| Fresh | up to {fresh} ms | as accepted |")?;
    writeln!(out, "| Hold | below {t1} ms | as accepted |")?;
    writeln!(out, "| Ramp | below {t2} ms | tau 0, kp and speed target linearly to 0, kd to kd_safe |")?;
    writeln!(out, "| Damp | {t2} ms and more, latched until armed again | kp 0, kd_safe |")?;
    let rest = ms(timing.rest_ns);
    let (dq, gyro) = (timing.rest_dq_rad_s, timing.rest_gyro_rad_s);
    writeln!(
        out,
        "| Disable | in Damp and at rest (joints below {dq} rad/s, body below {gyro} rad/s) for {rest} ms, latched | off |"
    )?;
    writeln!(out, "\n| parameter | default, ms | at most, ms |\n|---|---|---|")?;
    for (name, value, most) in [
        ("period", timing.period_ns, MAX_PERIOD_NS),
        ("valid_for", timing.valid_for_ns, MAX_VALID_FOR_NS),
        ("T1", timing.t1_ns, MAX_T1_NS),
        ("T2", timing.t2_ns, MAX_T2_NS),
        ("rest", timing.rest_ns, MAX_REST_NS),
    ] {
        writeln!(out, "| {name} | {} | {} |", ms(value), ms(most))?;
    }
    Ok(())
}

fn link_table(out: &mut impl Write) -> core::fmt::Result {
    writeln!(out, "\n## LinkState\n\nWhere an event leads; empty: nowhere.\n")?;
    write!(out, "| event |")?;
    for state in LinkState::ALL {
        write!(out, " {state} |")?;
    }
    write!(out, "\n|---|")?;
    for _ in LinkState::ALL {
        write!(out, "---|")?;
    }
    for event in LinkEvent::ALL {
        write!(out, "\n| {} |", event.name())?;
        for state in LinkState::ALL {
            match link::next(*state, *event) {
                Some(to) => write!(out, " {to} |")?,
                None => write!(out, " |")?,
            }
        }
    }
    writeln!(out)
}

fn robot_table(out: &mut impl Write) -> core::fmt::Result {
    writeln!(
        out,
        "\n## RobotMode\n\nWhere an event leads when its conditions hold (* = has conditions, below).\n"
    )?;
    write!(out, "| event |")?;
    for mode in RobotMode::ALL {
        write!(out, " {mode} |")?;
    }
    write!(out, "\n|---|")?;
    for _ in RobotMode::ALL {
        write!(out, "---|")?;
    }
    for event in RobotEvent::ALL {
        write!(out, "\n| {} |", event.name())?;
        for mode in RobotMode::ALL {
            match robot_machine::next(*mode, *event, Guards::ALL) {
                Outcome::Go(to) => {
                    let free = robot_machine::next(*mode, *event, Guards::NONE) == Outcome::Go(to);
                    write!(out, " {to}{} |", if free { "" } else { "*" })?;
                }
                Outcome::Stay | Outcome::Refused(_) => write!(out, " |")?,
            }
        }
    }
    writeln!(out)
}

fn needs_table(out: &mut impl Write) -> core::fmt::Result {
    writeln!(out, "\n| from | event | to | needs |\n|---|---|---|---|")?;
    for row in ROBOT.iter().filter(|row| !row.needs.is_empty()) {
        writeln!(out, "| {} | {} | {} | {} |", row.from, row.event.name(), row.to, row.needs)?;
    }
    Ok(())
}

fn fault_table(out: &mut impl Write) -> core::fmt::Result {
    writeln!(
        out,
        "\n## Faults\n\n| bit | fault | found by | severity | latched | clears when | what to do |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for row in FAULTS {
        let latched = if row.latch == Latch::UntilReset { "yes" } else { "" };
        writeln!(
            out,
            "| {} | {} | {:?} | {} | {latched} | {} | {} |",
            row.fault as u8,
            row.code,
            row.side,
            row.severity.name(),
            row.clear,
            row.hint
        )?;
    }
    Ok(())
}
