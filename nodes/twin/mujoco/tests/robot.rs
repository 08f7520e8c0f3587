//! What the conformance suite leaves open: joints against the other engine, changes under way, rest, memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what broke by panicking
#![allow(unsafe_code)] // a counting allocator has to implement an unsafe trait
mod support;

use sinew_twin::{BasePose, Physics, RapierConfig, RapierPhysics, RobotNames};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::{FEET, JOINTS, QUAD, STAND, build, library};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes unchanged to the system allocator; counting touches a plain thread-local cell only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn at(height_m: f64) -> BasePose {
    BasePose { position_m: [0.0, 0.0, height_m], orientation: [1.0, 0.0, 0.0, 0.0] }
}

fn rapier(model: &str) -> RapierPhysics {
    RapierPhysics::new(model, &RobotNames { joints: &JOINTS, feet: &FEET }, &RapierConfig::default()).unwrap()
}

/// Root mean square difference of the joint angles over a second of free flight under equal torques, rad.
fn swing_apart(in_mujoco: &str, in_rapier: &str) -> f64 {
    let mut mujoco = build(&library(), in_mujoco, &JOINTS).unwrap();
    let mut rapier = rapier(in_rapier);
    mujoco.set_state(&at(20.0), &STAND).unwrap();
    rapier.set_state(&at(20.0), &STAND).unwrap();
    let (mut squares, mut torques) = (0.0, [0.0; 12]);
    for k in 0..1000 {
        for (i, tau) in torques.iter_mut().enumerate() {
            *tau = 1.2 * (f64::from(k) * 0.02 + i as f64).sin();
        }
        mujoco.step(&torques, 0.001);
        rapier.step(&torques, 0.001);
        let apart = (0..12).map(|i| (mujoco.joint_state(i).0 - rapier.joint_state(i).0).powi(2));
        squares += apart.sum::<f64>() / 12.0;
    }
    (squares / 1000.0f64).sqrt()
}

#[test]
fn equal_torques_swing_the_legs_alike_in_both_engines() {
    // What a joint says, and other values for it; an empty one is the default. Dry friction and joint stops are soft in
    // MuJoCo: without dry friction 1 mrad is left, without damping the legs reach their stops (46 mrad).
    for (said, others) in [
        ("frictionloss=\"0.2\"", ["frictionloss=\"0.3\"", ""]),
        ("damping=\"0.1\"", ["damping=\"0.2\"", ""]),
        ("armature=\"0.01\"", ["armature=\"0.02\"", "armature=\"0.005\""]),
    ] {
        for other in others {
            let changed = QUAD.replace(said, other);
            let (alike, apart) = (swing_apart(&changed, &changed), swing_apart(&changed, QUAD));
            println!("{said} as {other:?}: {alike:.5} rad, against the model as it is {apart:.5} rad");
            assert!(apart > 0.03, "{said} as {other:?} goes unnoticed: {apart} rad");
            assert!(alike < apart / 3.0, "{said} as {other:?}: {alike} rad, as different as {apart} rad");
        }
    }
    assert!(swing_apart(QUAD, QUAD) < 0.012);
}

fn bits(physics: &dyn Physics) -> Vec<u8> {
    let mut all = Vec::new();
    physics.state_bits(&mut |bytes| all.extend_from_slice(bytes));
    all
}

#[test]
fn a_change_under_way_keeps_the_state_bit_for_bit() {
    let mut physics = build(&library(), QUAD, &JOINTS).unwrap();
    physics.set_friction(0.7);
    physics.set_state(&at(0.4), &STAND).unwrap();
    (0..300).for_each(|_| physics.step(&[0.3; 12], 0.001));
    let (before, bare_kg) = (bits(&physics), physics.mass_kg());
    physics.set_friction(0.2);
    physics.set_payload(2.0);
    assert_eq!(bits(&physics), before);
    assert!((physics.mass_kg() - bare_kg - 2.0).abs() < 1e-9);
    // Nothing changed, nothing happened: back to the first numbers, the future is the same.
    let mut same = build(&library(), QUAD, &JOINTS).unwrap();
    same.set_friction(0.7);
    same.set_state(&at(0.4), &STAND).unwrap();
    (0..300).for_each(|_| same.step(&[0.3; 12], 0.001));
    physics.set_friction(0.7);
    physics.set_payload(0.0);
    for physics in [&mut physics, &mut same] {
        (0..300).for_each(|_| physics.step(&[0.3; 12], 0.001));
    }
    assert_eq!(bits(&physics), bits(&same));
}

#[test]
fn a_step_takes_as_long_as_asked() {
    let mut physics = build(&library(), QUAD, &JOINTS).unwrap();
    physics.set_state(&at(30.0), &STAND).unwrap();
    for dt_s in [0.001, 0.002, 0.0005] {
        let before = physics.base().linear_velocity_m_s[2];
        physics.step(&[], dt_s);
        let gained = physics.base().linear_velocity_m_s[2] - before;
        assert!((gained + 9.81 * dt_s).abs() < 1e-6, "{gained} in {dt_s} s");
    }
    for nonsense in [0.0, -0.001, f64::NAN] {
        let before = bits(&physics);
        physics.step(&[], nonsense);
        assert_eq!(bits(&physics), before, "{nonsense}");
    }
}

#[test]
fn limp_legs_on_the_floor_come_to_rest() {
    let lie = [-0.6, 1.35, -2.65, 0.6, 1.35, -2.65, -0.6, 1.35, -2.65, 0.6, 1.35, -2.65];
    let mut physics = build(&library(), QUAD, &JOINTS).unwrap();
    physics.set_state(&at(0.057), &lie).unwrap();
    (0..1000).for_each(|_| physics.step(&[], 0.001));
    let fastest = (0..12).map(|i| physics.joint_state(i).1.abs()).fold(0.0, f64::max);
    assert!(fastest < 0.01, "{fastest} rad/s");
    assert!(physics.trunk_contact(), "it lies on its belly");
    let feet: f64 = (0..4).map(|i| physics.foot(i).force_n).sum();
    assert!(
        feet > 1.0 && feet < physics.contact_force_n(),
        "feet {feet} N of {} N",
        physics.contact_force_n()
    );
}

#[test]
fn feet_are_where_the_joints_put_them_at_once() {
    let mut physics = build(&library(), QUAD, &JOINTS).unwrap();
    physics.set_state(&at(1.0), &STAND).unwrap();
    // Straight geometry of the description: thigh 0.21 at 0.8 rad, calf 0.21 at 0.8 - 1.5 rad.
    let below = 0.21 * 0.8f64.cos() + 0.21 * 0.7f64.cos();
    let forward = -0.21 * 0.8f64.sin() + 0.21 * 0.7f64.sin();
    for (i, [x, y]) in
        [[0.19, -0.142], [0.19, 0.142], [-0.19, -0.142], [-0.19, 0.142]].into_iter().enumerate()
    {
        let found = physics.foot(i).position_m;
        for (found, expected) in found.into_iter().zip([x + forward, y, 1.0 - below]) {
            assert!((found - expected).abs() < 1e-6, "foot {i}: {found}, expected {expected}");
        }
    }
    // And they follow a step within the same call: dropped, they fall as the base does.
    let (foot, base) = (physics.foot(0).position_m[2], physics.base().position_m[2]);
    (0..100).for_each(|_| physics.step(&[], 0.001));
    let fallen = [foot - physics.foot(0).position_m[2], base - physics.base().position_m[2]];
    assert!((fallen[0] - fallen[1]).abs() < 1e-3 && fallen[1] > 0.04, "{fallen:?}");
}

#[test]
fn a_flat_foot_is_all_that_collides_of_its_body() {
    // Two balls at the calf's end instead of one, and a site between them that has its own name.
    let two = "<geom class=\"foot\" pos=\"0.03 0 -0.21\"/><geom class=\"foot\" pos=\"-0.03 0 -0.21\"/>";
    let model = QUAD
        .replace("<geom name=\"FR_foot\" class=\"foot\" pos=\"0 0 -0.21\"/>", two)
        .replace("<body name=\"FR_calf\"", "<body");
    let mut physics = build(&library(), &model, &JOINTS).unwrap();
    physics.set_state(&at(0.335), &STAND).unwrap();
    let mut torques = [0.0; 12];
    for _ in 0..1500 {
        for (i, (tau, q0)) in torques.iter_mut().zip(STAND).enumerate() {
            let (q, dq) = physics.joint_state(i);
            *tau = 60.0 * (q0 - q) - 2.0 * dq;
        }
        physics.step(&torques, 0.001);
    }
    let feet: f64 = (0..4).map(|i| physics.foot(i).force_n).sum();
    assert!((feet - physics.mass_kg() * 9.81).abs() < 0.5, "{feet} N on four feet");
    assert!(physics.foot(0).contact);
}

#[test]
fn a_step_of_ours_allocates_nothing() {
    let mut physics = build(&library(), QUAD, &JOINTS).unwrap();
    physics.set_state(&at(0.331), &STAND).unwrap();
    physics.step(&[], 0.001);
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..500 {
        physics.step(&[0.1; 12], 0.001);
        physics.push([0.01, 0.0, 0.0]);
        std::hint::black_box((
            physics.base(),
            physics.foot(2),
            physics.joint_state(3),
            physics.trunk_contact(),
        ));
    }
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATIONS.with(Cell::get), before + 1, "the counter counts");
}

/// Memory of this process, in pages.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn worlds_are_freed_with_their_owner() {
    let library = library();
    let churn = |n: u32| {
        let mut physics = build(&library, QUAD, &JOINTS).unwrap();
        (0..n).for_each(|i| physics.set_payload(f64::from(i % 7) * 0.1));
        assert!(build(&library, &QUAD.replace("mass=\"0.22\"", "mass=\"-1\""), &JOINTS).is_err());
    };
    churn(20);
    let before = resident();
    (0..10).for_each(|_| churn(20));
    // A model with its state takes several hundred pages; two hundred of them would show.
    let grown = resident().saturating_sub(before);
    assert!(grown < 5000, "{grown} pages more after 200 worlds");
}
