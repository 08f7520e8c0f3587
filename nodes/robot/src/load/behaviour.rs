//! Noise, start, postures, standing, protection, timing, what policies are held to.

use super::section::{Placed, Section, check_number};
use crate::error::{RefusalKind, Refusals};
use crate::range::{self, Range};
use crate::robot::{
    Battery, HeldBy, Joint, Noise, OnLoss, Policy, Posture, Postures, Protection, Robot, StandControl, Start,
    Timing,
};
use crate::yaml::Node;

/// How far the standing height may lie from what the unloaded legs give, m.
const STAND_SAG_M: f64 = 0.1;
/// The drive's watchdog follows T2 within this time, ns.
const WATCHDOG_AFTER_T2_NS: u64 = 20_000_000;

/// Reads `noise`.
pub(super) fn read_noise(root: &mut Section<'_>, refusals: &mut Refusals) -> Noise {
    let mut section = root.section("noise", refusals);
    let mut number =
        |range: &Range| section.as_mut().map_or(0.0, |section| section.number(range, refusals).value);
    let noise = Noise {
        gyro_std_rad_s: number(&range::GYRO_STD_RAD_S),
        accel_std_m_s2: number(&range::ACCEL_STD_M_S2),
        q_std_rad: number(&range::Q_STD_RAD),
        dq_std_rad_s: number(&range::DQ_STD_RAD_S),
        force_std_n: number(&range::FORCE_STD_N),
        gyro_bias_max_rad_s: number(&range::GYRO_BIAS_MAX_RAD_S),
        accel_bias_max_m_s2: number(&range::ACCEL_BIAS_MAX_M_S2),
        q_bias_max_rad: number(&range::Q_BIAS_MAX_RAD),
        force_bias_max_n: number(&range::FORCE_BIAS_MAX_N),
    };
    finish(section, refusals);
    noise
}

fn finish(section: Option<Section<'_>>, refusals: &mut Refusals) {
    if let Some(section) = section {
        section.finish(refusals);
    }
}

/// Reads `start`; a file without it describes a robot that lies on the ground.
pub(super) fn read_start(root: &mut Section<'_>, refusals: &mut Refusals) -> Start {
    let Some(node) = root.node("start") else { return Start { held_by: HeldBy::Ground } };
    let mut section = Section::open(node, "start", refusals);
    let known = [("ground", HeldBy::Ground), ("harness", HeldBy::Harness)];
    let held_by = section.choice("held_by", &known, refusals);
    section.finish(refusals);
    Start { held_by: held_by.unwrap_or(HeldBy::Ground) }
}

/// The postures and where their heights stand.
pub(super) struct PlacedPostures {
    pub lie: Placed<Posture>,
    pub stand: Placed<Posture>,
}

impl PlacedPostures {
    /// A stand-in for postures that cannot be judged.
    pub fn unread(root: &mut Section<'_>) -> Self {
        let place = root.node("postures").map_or(root.place(), |node| node.place);
        let none = || Placed { value: Posture { height_m: 0.0, q_rad: Vec::new() }, place };
        PlacedPostures { lie: none(), stand: none() }
    }

    pub fn into_values(self) -> Postures {
        Postures { lie: self.lie.value, stand: self.stand.value }
    }
}

/// Reads `postures`.
pub(super) fn read_postures(
    root: &mut Section<'_>,
    joints: &[Placed<Joint>],
    refusals: &mut Refusals,
) -> PlacedPostures {
    let mut section = root.section("postures", refusals);
    let place = root.place();
    let mut read = |key| {
        let inner = section.as_mut().and_then(|section| section.section(key, refusals));
        inner.map_or_else(
            || Placed { value: Posture { height_m: 0.0, q_rad: vec![0.0; joints.len()] }, place },
            |inner| read_posture(inner, joints, refusals),
        )
    };
    let (lie, stand) = (read("lie"), read("stand"));
    finish(section, refusals);
    PlacedPostures { lie, stand }
}

fn read_posture(
    mut section: Section<'_>,
    joints: &[Placed<Joint>],
    refusals: &mut Refusals,
) -> Placed<Posture> {
    let height = section.number(&range::HEIGHT_M, refusals);
    let mut q_rad = vec![0.0; joints.len()];
    if let Some(angles) = section.section("q_rad", refusals) {
        for (slot, joint) in q_rad.iter_mut().zip(joints) {
            let Joint { name, limits, .. } = &joint.value;
            let field = angles.path_of(name);
            let Some((_, _, node)) = angles.entries().iter().find(|(key, _, _)| key == name) else {
                let hint = format!("add `{name}:`");
                let expected = "every joint of the robot";
                refusals.add(RefusalKind::Missing, angles.place(), field, "nothing", expected, hint);
                continue;
            };
            let (min, max) = (limits.q_min_rad, limits.q_max_rad);
            let range = Range { section: "postures", key: "q_rad", min, max, default: None, whole: false };
            *slot = check_number(node, &field, &range, refusals).unwrap_or(0.0);
        }
        let names: Vec<&str> = joints.iter().map(|joint| joint.value.name.as_str()).collect();
        angles.finish_names(&names, refusals);
    }
    section.finish(refusals);
    Placed { value: Posture { height_m: height.value, q_rad }, place: height.place }
}

/// The standing height must be one the legs can have.
pub(super) fn check_height(robot: &Robot, height: Placed<f64>, refusals: &mut Refusals) {
    if robot.legs.is_empty() || !refusals.is_empty() {
        return;
    }
    let unloaded = robot.base_height_m(&robot.postures.stand.q_rad);
    if (unloaded - height.value).abs() > STAND_SAG_M {
        let found = format!("{} m", height.value);
        let expected = format!("within {STAND_SAG_M} m of the {unloaded:.3} m these joint angles give");
        let field = "postures.stand.height_m";
        refusals.add(RefusalKind::Conflict, height.place, field, found, expected, "");
    }
}

/// Reads `stand`.
pub(super) fn read_stand(
    root: &mut Section<'_>,
    joints: &[Placed<Joint>],
    refusals: &mut Refusals,
) -> StandControl {
    let Some(mut section) = root.section("stand", refusals) else {
        return StandControl { kp: 0.0, kd: 0.0, stand_up_s: 0.0, lie_down_s: 0.0, catch_s: 0.0 };
    };
    let kp = section.number(&range::STAND_KP, refusals);
    let kd = section.number(&range::STAND_KD, refusals);
    let stand_up_s = section.number(&range::STAND_UP_S, refusals).value;
    let lie_down_s = section.number(&range::LIE_DOWN_S, refusals).value;
    let catch_s = section.number(&range::CATCH_S, refusals).value;
    for joint in joints {
        let Joint { name, limits, .. } = &joint.value;
        for (gain, key, max) in [(kp, "kp", limits.kp_max), (kd, "kd", limits.kd_max)] {
            if gain.value > max {
                let expected = format!("at most {key}_max = {max} of joint {name}");
                let found = gain.value.to_string();
                refusals.add(RefusalKind::Conflict, gain.place, section.path_of(key), found, expected, "");
            }
        }
    }
    section.finish(refusals);
    StandControl { kp: kp.value, kd: kd.value, stand_up_s, lie_down_s, catch_s }
}

/// Reads `protection`.
pub(super) fn read_protection(root: &mut Section<'_>, refusals: &mut Refusals) -> Protection {
    let mut section = root.section("protection", refusals);
    let tilt_limit_rad = match &mut section {
        Some(section) => section.number(&range::TILT_LIMIT_RAD, refusals).value,
        None => 0.0,
    };
    let battery =
        section.as_mut().and_then(|section| section.section("battery", refusals)).map(|mut section| {
            let min = section.number(&range::VOLTAGE_MIN_V, refusals);
            let warn = section.number(&range::VOLTAGE_WARN_V, refusals);
            let max = section.number(&range::VOLTAGE_MAX_V, refusals);
            let current_max_a = section.number(&range::CURRENT_MAX_A, refusals).value;
            if !(min.value <= warn.value && warn.value < max.value) {
                let found = warn.value.to_string();
                let expected = format!("voltage_min_v = {} <= it < voltage_max_v = {}", min.value, max.value);
                let field = section.path_of("voltage_warn_v");
                refusals.add(RefusalKind::Conflict, warn.place, field, found, expected, "");
            }
            section.finish(refusals);
            Battery {
                voltage_min_v: min.value,
                voltage_warn_v: warn.value,
                voltage_max_v: max.value,
                current_max_a,
            }
        });
    finish(section, refusals);
    let none = Battery { voltage_min_v: 0.0, voltage_warn_v: 0.0, voltage_max_v: 0.0, current_max_a: 0.0 };
    Protection { tilt_limit_rad, battery: battery.unwrap_or(none) }
}

/// Reads `timing` and checks the ladder's order, and each drive's watchdog against it.
pub(super) fn read_timing(
    root: &mut Section<'_>,
    period_ns: u64,
    joints: &[Placed<Joint>],
    refusals: &mut Refusals,
) -> Timing {
    let nothing = Node::empty_map(root.place());
    let section = root.node("timing");
    let mut section = Section::open(section.unwrap_or(&nothing), "timing", refusals);
    let valid_for = section.number(&range::VALID_FOR_MS, refusals);
    let t1 = section.number(&range::T1_MS, refusals);
    let t2 = section.number(&range::T2_MS, refusals);
    let t3 = section.number(&range::T3_MS, refusals);
    let timing = Timing {
        valid_for_ns: nanos(valid_for.value),
        t1_ns: nanos(t1.value),
        t2_ns: nanos(t2.value),
        t3_ns: nanos(t3.value),
        rest_dq_rad_s: section.number(&range::REST_DQ_RAD_S, refusals).value,
        rest_gyro_rad_s: section.number(&range::REST_GYRO_RAD_S, refusals).value,
        reply_cutoff: section.number(&range::REPLY_CUTOFF, refusals).value,
        reply_misses_max: section.number(&range::REPLY_MISSES_MAX, refusals).value as u32,
    };
    let period_ms = period_ns as f64 / 1e6;
    let rules = [
        (
            valid_for,
            "valid_for_ms",
            timing.valid_for_ns >= 2 * period_ns,
            format!("at least two periods of {period_ms} ms"),
        ),
        (
            valid_for,
            "valid_for_ms",
            timing.valid_for_ns <= timing.t1_ns,
            format!("at most t1_ms = {}", t1.value),
        ),
        (t1, "t1_ms", timing.t1_ns < timing.t2_ns, format!("below t2_ms = {}", t2.value)),
        (t2, "t2_ms", timing.t2_ns < timing.t3_ns, format!("below t3_ms = {}", t3.value)),
    ];
    for (number, key, holds, expected) in rules {
        if !holds {
            let found = number.value.to_string();
            let hint = "the ladder is valid_for <= t1 < t2 < t3";
            refusals.add(RefusalKind::Conflict, number.place, section.path_of(key), found, expected, hint);
        }
    }
    section.finish(refusals);
    for joint in joints {
        let watchdog_ns = joint.value.device.watchdog_ns;
        if watchdog_ns <= timing.t2_ns || watchdog_ns > timing.t2_ns + WATCHDOG_AFTER_T2_NS {
            let field = format!("joints[{}].drive.watchdog_ms", joint.value.name);
            let found = format!("{} ms", watchdog_ns as f64 / 1e6);
            let latest = (timing.t2_ns + WATCHDOG_AFTER_T2_NS) as f64 / 1e6;
            let expected = format!("after t2_ms = {} and at most {latest} ms", t2.value);
            let hint = "the drive's own watchdog stands just behind the ladder";
            refusals.add(RefusalKind::Conflict, joint.place, field, found, expected, hint);
        }
    }
    timing
}

fn nanos(millis: f64) -> u64 {
    (millis * 1e6).round() as u64
}

/// Reads `policy`.
pub(super) fn read_policy(root: &mut Section<'_>, refusals: &mut Refusals) -> Policy {
    let nothing = Node::empty_map(root.place());
    let section = root.node("policy");
    let mut section = Section::open(section.unwrap_or(&nothing), "policy", refusals);
    let latency_ticks_min = section.number(&range::LATENCY_TICKS_MIN, refusals).value as u32;
    let stop_first_ns = (section.number(&range::STOP_FIRST_S, refusals).value * 1e9).round() as u64;
    let on_loss = match section.node("on_loss") {
        None => Some(OnLoss::Stand),
        Some(_) => {
            section.choice("on_loss", &[("stand", OnLoss::Stand), ("damping", OnLoss::Damping)], refusals)
        }
    };
    section.finish(refusals);
    Policy { latency_ticks_min, stop_first_ns, on_loss: on_loss.unwrap_or(OnLoss::Stand) }
}
