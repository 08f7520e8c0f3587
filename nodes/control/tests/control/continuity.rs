//! No hand-over makes a joint's target jump.
use sinew_wire::{Intent, JointCommand, Request, RobotMode};

use crate::rig::Rig;

/// Greatest change of one tick over all joints: q rad, kp N m/rad, tau N m.
#[derive(Debug, Default)]
struct Steps {
    q_rad: f32,
    kp: f32,
    tau_nm: f32,
}

/// Ticks and measures every step of the commands from the one before on.
fn watch(rig: &mut Rig, ticks: usize) -> Steps {
    let mut steps = Steps::default();
    for _ in 0..ticks {
        let before: Vec<JointCommand> = rig.command.joints.to_vec();
        rig.tick();
        assert_eq!(rig.command.body.intent(), Intent::Run);
        for (a, b) in before.iter().zip(&rig.command.joints) {
            steps.q_rad = steps.q_rad.max((a.q_rad - b.q_rad).abs());
            steps.kp = steps.kp.max((a.kp - b.kp).abs());
            steps.tau_nm = steps.tau_nm.max((a.tau_nm - b.tau_nm).abs());
        }
    }
    steps
}

/// A hand-over is smooth: no target is faster than a joint can turn, no gain and no torque jumps.
fn assert_smooth(steps: &Steps) {
    assert!(steps.q_rad <= 21.0 * 0.002, "{steps:?}");
    assert!(steps.kp <= 2.0, "{steps:?}");
    assert!(steps.tau_nm <= 1.0, "{steps:?}");
}

/// A policy far from Stand, with other gains, that pushes.
fn crouching(_: u64, stand: &[f64]) -> Option<Vec<JointCommand>> {
    let shift = [0.2, 0.4, -0.5];
    let joints = stand.iter().enumerate();
    Some(
        joints.map(|(i, q)| JointCommand::impedance(*q as f32 + shift[i % 3], 0.0, 4.0, 25.0, 0.8)).collect(),
    )
}

#[test]
fn standing_up_and_standing() {
    let mut rig = Rig::damping();
    rig.request(Request::StandUp, 0);
    let start: Vec<f32> = rig.command.joints.iter().map(|j| j.q_rad).collect();
    for (told, lie) in start.iter().zip(&rig.robot.postures.lie.q_rad) {
        assert!((f64::from(*told) - lie).abs() < 0.01, "begins where the joints are");
    }
    while rig.mode() == RobotMode::StandUp {
        assert_smooth(&watch(&mut rig, 1));
    }
    assert_smooth(&watch(&mut rig, 500));
}

#[test]
fn into_a_policy_and_out_of_it() {
    let mut rig = Rig::stand();
    rig.thought = Some(crouching);
    rig.request(Request::Policy, 0);
    assert_smooth(&watch(&mut rig, 400));
    assert_eq!(rig.mode(), RobotMode::Policy);
    assert!((rig.command.joints[1].kp - 25.0).abs() < 1e-3);
    rig.thought = None;
    assert_smooth(&watch(&mut rig, 600));
    assert_eq!(rig.mode(), RobotMode::Stand);
    assert!((rig.command.joints[1].kp - 60.0).abs() < 1e-3);
}

#[test]
fn lying_down_from_every_state_that_stands() {
    let made: [fn() -> Rig; 3] = [
        Rig::stand,
        || Rig::policy_of(crouching),
        || {
            let mut rig = Rig::damping();
            rig.request(Request::StandUp, 0);
            rig.ticks(500);
            rig
        },
    ];
    for made in made {
        let mut rig = made();
        rig.ticks(200);
        let frame = rig.ask(Request::LieDown, 0);
        let before: Vec<JointCommand> = rig.command.joints.to_vec();
        rig.tick_with(&[frame]);
        assert_eq!(rig.mode(), RobotMode::LieDown);
        for (a, b) in before.iter().zip(&rig.command.joints) {
            assert!((a.q_rad - b.q_rad).abs() < 0.042 && (a.kp - b.kp).abs() < 2.0);
        }
        while rig.mode() == RobotMode::LieDown && !rig.is_damped() {
            let before = rig.mode();
            let steps = watch(&mut rig, 1);
            if rig.mode() == before {
                assert_smooth(&steps);
            }
        }
        for (told, lie) in rig.state.joints.iter().zip(&rig.robot.postures.lie.q_rad) {
            assert!((f64::from(told.q_rad) - lie).abs() < 0.01, "ends lying");
        }
    }
}
