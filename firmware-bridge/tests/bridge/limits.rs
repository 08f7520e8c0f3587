//! Whatever is commanded, whenever it stops: what reaches a drive is within the limits, and pushes only while the
//! command behind it is young.
use proptest::prelude::*;
use sinew_guard::{Margin, Measured, predicted_torque_nm};
use sinew_wire::{Intent, JointCommand, JointMode, LinkState};

use crate::rig::{PERIOD_NS, Rig, standing};

/// What happens between two cycles.
#[derive(Clone, Debug)]
enum Happening {
    /// A command; each number scales one field to beyond its limit.
    Run(Vec<(f32, f32, f32, f32, f32, u8)>),
    Hold,
    Nothing,
    Arm,
    Disarm,
    Gap(u64),
    Shake(f64, f64),
}

fn joint() -> impl Strategy<Value = (f32, f32, f32, f32, f32, u8)> {
    (-1.5..1.5f32, -1.5..1.5f32, -1.5..1.5f32, 0.0..1.0f32, 0.0..1.0f32, 0..3u8)
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => prop::collection::vec(joint(), 12).prop_map(Happening::Run),
        8 => Just(Happening::Hold),
        4 => Just(Happening::Nothing),
        4 => Just(Happening::Arm),
        1 => Just(Happening::Disarm),
        1 => (1..60u64).prop_map(Happening::Gap),
        2 => (-0.5..0.5f64, -15.0..15.0f64).prop_map(|(q, dq)| Happening::Shake(q, dq)),
    ]
}

fn command(
    rig: &Rig,
    joint: usize,
    (q, dq, tau, kp, kd, mode): (f32, f32, f32, f32, f32, u8),
) -> JointCommand {
    let limits = &rig.config.limits.joints[joint];
    let mode = [JointMode::Impedance, JointMode::Torque, JointMode::Damping][usize::from(mode)];
    let centre = rig.truth[joint].q_rad as f32;
    JointCommand {
        q_rad: centre + q * 2.0,
        dq_rad_s: dq * limits.dq_max_rad_s,
        tau_nm: tau * limits.tau_max_nm,
        kp: kp * limits.kp_max,
        kd: kd * limits.kd_max,
        mode: mode as u8,
        ..JointCommand::default()
    }
}

/// Checks every command of the last cycle against the measurement before it.
fn check(rig: &Rig, before: &[Measured], accepted_ns: Option<u64>) -> Result<(), String> {
    let now_ns = rig.state.header.step * PERIOD_NS;
    for (joint, told) in rig.mit().enumerate() {
        let Some(told) = told else { continue };
        let limits = &rig.config.limits.joints[joint];
        let reach = Margin::BRIDGE.reach(limits, 0.002);
        let as_told = JointCommand::impedance(
            told.q_rad as f32,
            told.dq_rad_s as f32,
            told.tau_nm as f32,
            told.kp as f32,
            told.kd as f32,
        );
        // One quantum of the codec per field.
        let within = told.kp <= f64::from(limits.kp_max) + 0.13
            && told.kd <= f64::from(limits.kd_max) + 0.002
            && told.tau_nm.abs() <= f64::from(limits.tau_max_nm) + 0.03
            && (told.kp == 0.0
                || (f64::from(limits.q_min_rad) - 0.0004..=f64::from(limits.q_max_rad) + 0.0004)
                    .contains(&told.q_rad))
            && told.dq_rad_s.abs() <= f64::from(limits.dq_max_rad_s) + 0.025;
        if !within {
            return Err(format!("joint {joint}: {told:?} against {limits:?}"));
        }
        let at = before[joint];
        let torque = predicted_torque_nm(&as_told, at).abs();
        // The margin of one period of motion, and what rounding of position, speed and gains adds.
        let most = limits.tau_max_nm
            + reach.tau_nm
            + as_told.kp * (reach.q_rad + 0.0004)
            + as_told.kd * (reach.dq_rad_s + 0.025)
            + 0.13 * (as_told.q_rad - at.q_rad).abs()
            + 0.002 * (as_told.dq_rad_s - at.dq_rad_s).abs()
            + 0.03;
        if torque > most {
            return Err(format!("joint {joint}: {torque} N m of {most}: {told:?} at {at:?}"));
        }
        let pushes = told.kp > 0.0 || told.tau_nm.abs() > 0.02;
        let age_ns = accepted_ns.map(|at| now_ns - at);
        if pushes && age_ns.is_none_or(|age| age >= 50_000_000) {
            return Err(format!("joint {joint}: pushes at age {age_ns:?}"));
        }
        if pushes && rig.state.body.link_state() == LinkState::Disabled {
            return Err(format!("joint {joint}: pushes while disabled"));
        }
    }
    Ok(())
}

fn run(rig: &mut Rig, happenings: &[Happening]) -> Result<(), String> {
    // The command that made it stiff is based on the state before the last one.
    let mut accepted_ns = Some((rig.state.header.step - 1) * PERIOD_NS);
    for happening in happenings {
        let taken = match happening {
            Happening::Run(joints) => {
                let joints: Vec<_> = joints.iter().enumerate().map(|(i, j)| command(rig, i, *j)).collect();
                rig.say(Intent::Run, &joints)
            }
            Happening::Hold => rig.hold(),
            Happening::Arm => rig.say(Intent::Arm, &[]).and(Err(sinew_wire::Refusal::None)),
            Happening::Disarm => rig.say(Intent::Disarm, &[]).and(Err(sinew_wire::Refusal::None)),
            Happening::Nothing => Err(sinew_wire::Refusal::None),
            Happening::Gap(steps) => {
                rig.step += steps;
                Err(sinew_wire::Refusal::None)
            }
            Happening::Shake(q, dq) => {
                for (truth, rest) in rig.truth.iter_mut().zip(standing()) {
                    (truth.q_rad, truth.dq_rad_s) = (rest.q_rad + 0.02 * q, *dq);
                }
                Err(sinew_wire::Refusal::None)
            }
        };
        if taken.is_ok() {
            accepted_ns = Some(rig.state.header.step * PERIOD_NS);
        }
        let before: Vec<Measured> =
            rig.state.joints.iter().map(|j| Measured { q_rad: j.q_rad, dq_rad_s: j.dq_rad_s }).collect();
        rig.cycle();
        check(rig, &before, accepted_ns)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn every_frame_is_within_limits_and_young(happenings in prop::collection::vec(happening(), 1..120)) {
        let mut rig = Rig::stiff();
        run(&mut rig, &happenings).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn the_checker_catches_what_it_is_for() {
    let mut rig = Rig::stiff();
    rig.hold().unwrap();
    let before: Vec<Measured> =
        rig.state.joints.iter().map(|j| Measured { q_rad: j.q_rad, dq_rad_s: j.dq_rad_s }).collect();
    rig.cycle();
    let now_ns = rig.state.header.step * PERIOD_NS;
    assert!(check(&rig, &before, Some(now_ns - PERIOD_NS)).is_ok());
    assert!(check(&rig, &before, Some(now_ns - 50_000_000)).is_err(), "stale");
    assert!(check(&rig, &before, None).is_err(), "never accepted");
    let plan = rig.config.drives[0];
    let planted = |edit: fn(&mut sinew_devices::mit::MitCommand)| {
        let mut told = sinew_devices::mit::MitCommand { q_rad: 0.0, kp: 60.0, kd: 2.0, ..Default::default() };
        edit(&mut told);
        sinew_devices::damiao::command(plan.id, &plan.scaling, &told).unwrap()
    };
    for (what, frame) in [
        ("position", planted(|c| c.q_rad = 3.0)),
        ("speed", planted(|c| c.dq_rad_s = 30.0)),
        ("torque", planted(|c| c.tau_nm = 30.0)),
        ("gain", planted(|c| c.kp = 200.0)),
        ("predicted torque", planted(|c| (c.q_rad, c.kp) = (0.6, 120.0))),
    ] {
        let mut frames = rig.frames.clone();
        std::mem::swap(&mut frames, &mut rig.frames);
        rig.frames[plan.bus][0] = frame;
        assert!(check(&rig, &before, Some(now_ns - PERIOD_NS)).is_err(), "{what}");
        rig.frames = frames;
    }
}
