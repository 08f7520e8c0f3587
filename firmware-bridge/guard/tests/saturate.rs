//! Nothing beyond a limit comes out, nothing legal is touched, and a second pass finds nothing to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed expectation is a failed test
mod support;

use proptest::prelude::*;
use sinew_guard::{
    JointLimits, Limits, Margin, Measured, ModeSet, Saturation, predicted_torque_nm, saturate,
};
use sinew_wire::{JointCommand, JointMode};
use support::{joint, limits};

/// Written apart from the crate's own arithmetic, in f64: what is wrong with a command, if anything.
fn violation(joint: &JointLimits, measured: Measured, command: &JointCommand) -> Option<&'static str> {
    let value = |x: f32| f64::from(x);
    let (q, dq, tau) = (value(command.q_rad), value(command.dq_rad_s), value(command.tau_nm));
    let (kp, kd) = (value(command.kp), value(command.kd));
    let (q_at, dq_at) = (value(measured.q_rad), value(measured.dq_rad_s));
    let slack = 1e-6 * (1.0 + kp * (q.abs() + q_at.abs()) + kd * (dq.abs() + dq_at.abs()) + tau.abs());
    let most = value(joint.tau_max_nm) + slack;
    if ![q, dq, tau, kp, kd].iter().all(|x| x.is_finite()) {
        return Some("not finite");
    }
    let Ok(mode) = JointMode::try_from(command.mode) else { return Some("mode") };
    if mode != JointMode::Disabled && !joint.modes.contains(mode) {
        return Some("mode");
    }
    let gains = (0.0..=value(joint.kp_max)).contains(&kp) && (0.0..=value(joint.kd_max)).contains(&kd);
    let in_range = joint.continuous || (value(joint.q_min_rad)..=value(joint.q_max_rad)).contains(&q);
    let room = |to: f32, from: f64| (2.0 * value(joint.ddq_max_rad_s2) * (value(to) - from).max(0.0)).sqrt();
    let stops = joint.continuous
        || dq <= room(joint.q_max_rad, q_at) + 1e-3
            && -dq
                <= (2.0 * value(joint.ddq_max_rad_s2) * (q_at - value(joint.q_min_rad)).max(0.0)).sqrt()
                    + 1e-3;
    let slow = dq.abs() <= value(joint.dq_max_rad_s);
    match mode {
        JointMode::Disabled | JointMode::Brake => None,
        JointMode::Damping if !gains => Some("gain"),
        JointMode::Damping if (kd * dq_at).abs() > most => Some("predicted torque"),
        JointMode::Damping => None,
        JointMode::Position => (!in_range).then_some("position"),
        JointMode::Velocity if !slow => Some("velocity"),
        JointMode::Velocity => (!stops).then_some("braking distance"),
        JointMode::Torque => (tau.abs() > value(joint.tau_max_nm)).then_some("torque"),
        JointMode::Impedance if !gains => Some("gain"),
        JointMode::Impedance if !in_range => Some("position"),
        JointMode::Impedance if !slow => Some("velocity"),
        JointMode::Impedance if !stops => Some("braking distance"),
        JointMode::Impedance if tau.abs() > value(joint.tau_max_nm) => Some("torque"),
        JointMode::Impedance => {
            ((kp * (q - q_at) + kd * (dq - dq_at) + tau).abs() > most).then_some("predicted torque")
        }
    }
}

fn bits(command: &JointCommand) -> [u32; 6] {
    let c = command;
    [c.q_rad, c.dq_rad_s, c.tau_nm, c.kp, c.kd]
        .map(f32::to_bits)
        .into_iter()
        .chain([u32::from(c.mode)])
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

/// Any value: ordinary, huge, tiny, infinite or NaN.
fn wild() -> impl Strategy<Value = f32> {
    prop_oneof![6 => -50.0f32..50.0, 2 => -1e4f32..1e4, 1 => any::<f32>(), 1 => prop_oneof![Just(0.0), Just(-0.0), Just(f32::NAN)]]
}

fn any_command() -> impl Strategy<Value = JointCommand> {
    (
        wild(),
        wild(),
        wild(),
        prop_oneof![4 => 0.0f32..150.0, 1 => wild()],
        prop_oneof![4 => 0.0f32..6.0, 1 => wild()],
        0u8..8,
    )
        .prop_map(|(q_rad, dq_rad_s, tau_nm, kp, kd, mode)| JointCommand {
            q_rad,
            dq_rad_s,
            tau_nm,
            kp,
            kd,
            mode,
            reserved: [0; 3],
        })
}

fn any_joint() -> impl Strategy<Value = JointLimits> {
    (
        -3.0f32..3.0,
        0.1f32..5.0,
        1.0f32..50.0,
        1.0f32..200.0,
        20.0f32..2_000.0,
        0.0f32..500.0,
        0.1f32..20.0,
        any::<bool>(),
        any::<u8>(),
    )
        .prop_map(
            |(
                q_min_rad,
                span,
                dq_max_rad_s,
                tau_max_nm,
                ddq_max_rad_s2,
                kp_max,
                kd_max,
                continuous,
                modes,
            )| JointLimits {
                q_min_rad,
                q_max_rad: q_min_rad + span,
                dq_max_rad_s,
                tau_max_nm,
                ddq_max_rad_s2,
                kp_max,
                kd_max,
                kd_safe: kd_max * 0.5,
                continuous: continuous && modes & 4 == 0,
                modes: if modes & 3 == 0 {
                    ModeSet::of(&[JointMode::Damping, JointMode::Impedance])
                } else {
                    support::ALL_MODES
                },
                ..joint()
            },
        )
}

fn any_measured() -> impl Strategy<Value = Measured> {
    prop_oneof![
        8 => (-6.0f32..6.0, -60.0f32..60.0),
        1 => (wild(), wild()),
    ]
    .prop_map(|(q_rad, dq_rad_s)| Measured { q_rad, dq_rad_s })
}

fn of(joint: JointLimits) -> Limits {
    let mut limits = limits(1);
    limits.joints[0] = joint;
    limits.seal()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, max_global_rejects: 2_000_000, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_out_is_legal_and_stays_bit_for_bit(joint in any_joint(), at in any_measured(), command in any_command()) {
        let limits = of(joint);
        limits.check().unwrap();
        let mut once = [command];
        let report = saturate(&limits, Margin::CONTROL, &[at], &mut once);
        prop_assert_eq!(report.is_none(), bits(&command) == bits(&once[0]));
        let plausible = at.q_rad.abs() <= 1e6 && at.dq_rad_s.abs() <= 1e6;
        let judged = if plausible { at } else { Measured::default() };
        prop_assert_eq!(violation(&joint, judged, &once[0]), None, "{:?} became {:?}", command, once[0]);
        if plausible {
            prop_assert!(predicted_torque_nm(&once[0], at).abs() <= joint.tau_max_nm);
        }
        let mut twice = once;
        prop_assert!(saturate(&limits, Margin::CONTROL, &[at], &mut twice).is_none());
        prop_assert_eq!(bits(&once[0]), bits(&twice[0]));
    }

    #[test]
    fn the_bridge_too_is_idempotent(joint in any_joint(), at in any_measured(), command in any_command()) {
        let limits = of(joint);
        let mut once = [command];
        saturate(&limits, Margin::BRIDGE, &[at], &mut once);
        let mut twice = once;
        prop_assert!(saturate(&limits, Margin::BRIDGE, &[at], &mut twice).is_none());
        prop_assert_eq!(bits(&once[0]), bits(&twice[0]));
    }

    #[test]
    fn nothing_grows(joint in any_joint(), at in any_measured(), command in any_command()) {
        let limits = of(joint);
        let mut out = [command];
        let report = saturate(&limits, Margin::CONTROL, &[at], &mut out);
        if report.reasons & Saturation::REPLACED == 0 {
            let [out] = out;
            prop_assert_eq!(out.mode, command.mode);
            for (after, before) in [(out.dq_rad_s, command.dq_rad_s), (out.tau_nm, command.tau_nm), (out.kp, command.kp), (out.kd, command.kd)] {
                prop_assert!(after.abs() <= before.abs() || after.to_bits() == before.to_bits());
                prop_assert!(after * before >= 0.0 || after.to_bits() == before.to_bits());
            }
        }
    }

    #[test]
    fn legal_commands_pass_bit_for_bit(
        at in (-1.2f32..2.4, -5.0f32..5.0), q in -1.0f32..1.0, dq in -1.0f32..1.0, tau in -1.0f32..1.0, kp in 0.0f32..=1.0, kd in 0.0f32..=1.0,
        on_the_limit in 0usize..20,
    ) {
        // Each field uniform over its range, now and then exactly on its limit; kept when the sum is legal.
        let j = joint();
        let limits = limits(1);
        let at = Measured { q_rad: at.0, dq_rad_s: at.1 };
        let mut f = [q, dq, tau, kp, kd];
        if let Some(field) = f.get_mut(on_the_limit) { *field = 1.0; }
        let mid = (j.q_max_rad + j.q_min_rad) / 2.0;
        let q_rad = if f[0] == 1.0 { j.q_max_rad } else { (mid + f[0] * (j.q_max_rad - mid)).clamp(j.q_min_rad, j.q_max_rad) };
        let command = JointCommand::impedance(q_rad, f[1] * j.dq_max_rad_s, f[2] * j.tau_max_nm, f[3] * j.kp_max, f[4] * j.kd_max);
        let torque = predicted_torque_nm(&command, at).abs();
        let up = (2.0 * j.ddq_max_rad_s2 * (j.q_max_rad - at.q_rad)).sqrt();
        let down = (2.0 * j.ddq_max_rad_s2 * (at.q_rad - j.q_min_rad)).sqrt();
        prop_assume!(torque <= j.tau_max_nm && command.dq_rad_s <= up && -command.dq_rad_s <= down && at.dq_rad_s < up && -at.dq_rad_s < down);
        let mut out = [command];
        prop_assert!(saturate(&limits, Margin::CONTROL, &[at], &mut out).is_none());
        prop_assert_eq!(bits(&out[0]), bits(&command));
        prop_assert!(saturate(&limits, Margin::BRIDGE, &[at], &mut out).is_none());
        prop_assert_eq!(bits(&out[0]), bits(&command));
    }

    /// Control guards for the state it saw; one period later the joint has moved and the bridge guards again.
    #[test]
    fn what_control_emits_for_n_the_bridge_takes_unchanged_at_n_plus_1(
        joint in any_joint(), at in (-4.0f32..9.0, -60.0f32..60.0), command in any_command(), moved in (-1.0f32..=1.0, -1.0f32..=1.0),
    ) {
        let limits = of(joint);
        let at = Measured { q_rad: at.0, dq_rad_s: at.1 };
        let mut emitted = [command];
        saturate(&limits, Margin::CONTROL, &[at], &mut emitted);
        let period_s = limits.timing.period_s();
        let later = Measured {
            q_rad: at.q_rad + moved.0 * joint.dq_max_rad_s * period_s,
            dq_rad_s: at.dq_rad_s + moved.1 * joint.ddq_max_rad_s2 * period_s,
        };
        let before = bits(&emitted[0]);
        let report = saturate(&limits, Margin::BRIDGE, &[later], &mut emitted);
        prop_assert!(report.is_none(), "{:?}", report);
        prop_assert_eq!(bits(&emitted[0]), before);
    }
}

fn one(command: JointCommand, at: Measured) -> (JointCommand, Saturation) {
    let mut out = [command];
    let report = saturate(&limits(1), Margin::CONTROL, &[at], &mut out);
    (out[0], report)
}

#[test]
fn a_spring_that_pulls_too_hard_keeps_its_gains_and_pulls_exactly_with_the_limit() {
    let at = Measured { q_rad: 0.0, dq_rad_s: 0.0 };
    let (out, report) = one(JointCommand::impedance(1.0, 0.0, 0.0, 100.0, 2.0), at);
    assert_eq!((out.kp, out.kd, out.tau_nm), (100.0, 2.0, 0.0));
    assert!((out.q_rad - 0.4).abs() < 1e-6 && predicted_torque_nm(&out, at) <= 40.0);
    assert_eq!((report.joints, report.reasons, report.count), (1, Saturation::TORQUE, 1));
}

#[test]
fn a_joint_beyond_its_range_is_pulled_back_with_no_more_than_the_limit() {
    let at = Measured { q_rad: 3.4, dq_rad_s: 0.0 };
    let (out, _) = one(JointCommand::impedance(2.4, 0.0, 0.0, 100.0, 2.0), at);
    assert_eq!(out.q_rad, 2.4);
    assert!((out.kp - 40.0).abs() < 1e-4 && predicted_torque_nm(&out, at) >= -40.0);
}

#[test]
fn damping_of_a_fast_joint_brakes_with_the_limit() {
    let at = Measured { q_rad: 0.0, dq_rad_s: 16.0 };
    let (out, _) = one(JointCommand::damping(5.0), at);
    assert!((out.kd - 2.5).abs() < 1e-6);
    let (out, _) = one(JointCommand::impedance(0.0, 0.0, 0.0, 0.0, 5.0), at);
    assert!((out.kd - 2.5).abs() < 1e-6);
}

#[test]
fn speed_and_torque_towards_a_near_limit_stop_short_of_it() {
    // 0.02 rad before the limit: sqrt(2 * 400 * 0.02) = 4 rad/s.
    let at = Measured { q_rad: 2.38, dq_rad_s: 5.0 };
    let (out, report) = one(JointCommand::impedance(2.4, 10.0, 8.0, 0.0, 0.5), at);
    assert!((out.dq_rad_s - 4.0).abs() < 1e-3);
    assert_eq!(out.tau_nm, 0.0);
    assert_eq!(report.reasons, Saturation::POSITION);
    let torque = JointCommand { tau_nm: 8.0, mode: JointMode::Torque as u8, ..JointCommand::default() };
    assert_eq!(one(torque, at).0.tau_nm, 0.0);
    let back = JointCommand { tau_nm: -8.0, ..torque };
    assert_eq!(one(back, at).0, back);
}

#[test]
fn what_is_no_command_becomes_the_safe_one() {
    let at = Measured::default();
    let nan = JointCommand::impedance(f32::NAN, 0.0, 0.0, 10.0, 1.0);
    assert_eq!(one(nan, at).0, JointCommand::damping(3.0));
    let unknown = JointCommand { mode: 99, ..JointCommand::damping(1.0) };
    assert_eq!(one(unknown, at).0, JointCommand::damping(3.0));
    let blind = Measured { q_rad: f32::NAN, dq_rad_s: 0.0 };
    assert_eq!(one(JointCommand::impedance(0.1, 0.0, 0.0, 10.0, 1.0), blind).0, JointCommand::damping(3.0));
    // More commands than joints, fewer measurements than joints.
    let mut extra = [JointCommand::impedance(0.1, 0.0, 0.0, 10.0, 1.0); 3];
    let report = saturate(&limits(2), Margin::CONTROL, &[at], &mut extra);
    assert_eq!(extra[0], JointCommand::impedance(0.1, 0.0, 0.0, 10.0, 1.0));
    assert_eq!(extra[1], JointCommand::damping(3.0));
    assert_eq!(extra[2], JointCommand::default());
    assert_eq!((report.joints, report.reasons, report.count), (0b110, Saturation::REPLACED, 2));
}

#[test]
fn a_wheel_has_no_position_limits() {
    let mut wheel = limits(1);
    wheel.joints[0].continuous = true;
    let wheel = wheel.seal();
    let mut out = [JointCommand::impedance(900.0, 20.0, 0.0, 0.0, 1.0)];
    assert!(
        saturate(&wheel, Margin::CONTROL, &[Measured { q_rad: 880.0, dq_rad_s: 20.0 }], &mut out).is_none()
    );
}

#[test]
fn the_checker_of_these_tests_catches_planted_violations() {
    let at = Measured { q_rad: 0.5, dq_rad_s: 0.0 };
    let planted: &[(JointCommand, &str)] = &[
        (JointCommand::impedance(2.41, 0.0, 0.0, 1.0, 1.0), "position"),
        (JointCommand::impedance(0.5, 20.1, 0.0, 1.0, 1.0), "velocity"),
        (JointCommand::impedance(0.5, 0.0, -40.1, 1.0, 1.0), "torque"),
        (JointCommand::impedance(1.0, 0.0, 0.0, 81.0, 1.0), "predicted torque"),
        (JointCommand::impedance(0.5, 0.0, 0.0, 121.0, 1.0), "gain"),
        (JointCommand::impedance(f32::NAN, 0.0, 0.0, 1.0, 1.0), "not finite"),
        (JointCommand { mode: 7, ..JointCommand::default() }, "mode"),
    ];
    for (command, reason) in planted {
        assert_eq!(violation(&joint(), at, command), Some(*reason));
    }
    let near = Measured { q_rad: 2.39, dq_rad_s: 0.0 };
    assert_eq!(
        violation(&joint(), near, &JointCommand::impedance(2.4, 10.0, 0.0, 1.0, 1.0)),
        Some("braking distance")
    );
}
