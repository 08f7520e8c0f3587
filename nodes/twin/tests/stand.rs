//! From lying to standing through nothing but CAN frames, and the same bits each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what broke by panicking

mod host;
use host::Host;
use sinew_twin::TwinConfig;

#[test]
fn it_begins_lying_on_its_belly_at_rest() {
    let host = Host::seeded(1);
    let truth = host.twin.truth();
    assert!(truth.trunk_contact, "on its belly");
    assert!((truth.height_m - 0.055).abs() < 0.005, "belly at the ground, height {}", truth.height_m);
    assert!(truth.tilt_rad < 0.05, "level, tilt {}", truth.tilt_rad);
    assert!(truth.joints.iter().all(|j| j.dq_rad_s.abs() < 0.05), "legs at rest");
    assert!((truth.imus[0].accel_m_s2[2] - 9.81).abs() < 0.2, "{:?}", truth.imus[0]);
    let (x, y) = (truth.base.position_m[0], truth.base.position_m[1]);
    assert!(x.hypot(y) < 0.01, "over the origin");
}

#[test]
fn limp_it_stays_where_it_lies() {
    let mut host = Host::seeded(1);
    let before = host.twin.truth().clone();
    for _ in 0..2500 {
        host.cycle();
    }
    let after = host.twin.truth();
    for (a, b) in before.joints.iter().zip(&after.joints) {
        assert!((a.q_rad - b.q_rad).abs() < 0.02, "a limp leg moved from {} to {}", a.q_rad, b.q_rad);
    }
    assert_eq!(after.joints.iter().map(|j| j.torque_peak_nm).fold(0.0, f64::max), 0.0);
}

#[test]
fn a_quintic_over_the_buses_stands_it_up() {
    let mut host = Host::seeded(1);
    host.stand_up(2.0);
    let mut worst_tilt: f64 = 0.0;
    for _ in 0..500 {
        host.hold(1);
        worst_tilt = worst_tilt.max(host.twin.truth().tilt_rad);
    }
    let truth = host.twin.truth();
    assert!((truth.height_m - 0.29).abs() < 0.02, "height {}", truth.height_m);
    assert!(worst_tilt < 0.1, "tilt {worst_tilt}");
    assert!(!truth.trunk_contact && truth.finite);
    let carried: f64 = truth.feet.iter().map(|f| f.force_n).sum();
    let weight = host.twin.mass_kg() * 9.81;
    assert!((carried - weight).abs() < 0.05 * weight, "{carried} N on the feet, weight {weight} N");
}

#[test]
fn what_the_buses_say_is_what_is_true_within_the_declared_noise() {
    let mut host = Host::seeded(3);
    host.stand_up(2.0);
    host.hold(250);
    let (mut sum, n) = ([0.0; 4], 500.0);
    for _ in 0..500 {
        let truth = host.twin.truth().clone();
        host.hold(1);
        for (joint, feedback) in truth.joints.iter().zip(&host.feedback) {
            let (step, feedback) = feedback.as_ref().unwrap();
            assert_eq!(*step, truth.step, "every drive answers in its own cycle");
            sum[0] += (feedback.q_rad - joint.q_rad).powi(2) / 12.0;
            sum[1] += (feedback.dq_rad_s - joint.dq_rad_s).powi(2) / 12.0;
        }
        let (gyro, accel) = (host.gyro.unwrap().1, host.accel.unwrap().1);
        assert_eq!(gyro.sequence, truth.step as u8);
        for i in 0..3 {
            sum[2] += (gyro.vector[i] - truth.imus[0].gyro_rad_s[i]).powi(2) / 3.0;
            sum[3] += (accel.vector[i] - truth.imus[0].accel_m_s2[i]).powi(2) / 3.0;
        }
    }
    let rms = sum.map(|s: f64| (s / n).sqrt());
    // Noise and a bias within its bound; the wire's quanta are smaller than either.
    assert!((0.0008..0.0025).contains(&rms[0]), "q {} rad", rms[0]);
    assert!((0.045..0.06).contains(&rms[1]), "dq {} rad/s", rms[1]);
    assert!((0.009..0.016).contains(&rms[2]), "gyro {} rad/s", rms[2]);
    assert!((0.09..0.16).contains(&rms[3]), "accel {} m/s^2", rms[3]);
}

#[test]
fn buses_keep_their_time() {
    let mut host = Host::seeded(1);
    host.command_all(&[0.0; 12], 0.0, 0.0);
    host.cycle();
    assert_eq!(host.replies_in_step, 12 + 2 + 4);
    assert!(host.latest_reply_ns <= 1_400_000, "last reply after {} ns", host.latest_reply_ns);
    for bus in 0..3 {
        assert!(host.twin.bus_load(bus).unwrap() <= 0.54, "four command and reply pairs");
    }
    assert!(host.twin.bus_load(3).unwrap() <= 0.4725, "SYNC and six replies");
}

fn hash_of(seed: u64, last_bit: bool) -> [u8; 32] {
    let mut host = Host::seeded(seed);
    host.stand_up(1.0);
    let mut q = host.robot.postures.stand.q_rad.clone();
    if last_bit {
        q[7] += 25.0 / 65535.0; // one quantum of the position field
    }
    for k in 0..200 {
        let command = if k == 100 { &q } else { &host.robot.postures.stand.q_rad.clone() };
        host.command_all(command, host::KP, host::KD);
        host.cycle();
    }
    host.twin.hash()
}

#[test]
fn equal_runs_have_equal_hashes_and_a_seed_or_a_bit_changes_them() {
    let first = hash_of(1, false);
    assert_eq!(first, hash_of(1, false), "the same run twice");
    assert_ne!(first, hash_of(2, false), "another seed");
    assert_ne!(first, hash_of(1, true), "one flipped bit in one command");
}

#[test]
fn perfect_sensors_on_request() {
    let mut host = Host::new(TwinConfig { noise_scale: 0.0, ..TwinConfig::default() });
    host.command_all(&[0.0; 12], 0.0, 0.0);
    let truth = host.twin.truth().clone();
    host.cycle();
    for (joint, q) in truth.joints.iter().zip(host.measured_q()) {
        assert!((joint.q_rad - q).abs() <= 25.0 / 65535.0, "one quantum");
    }
    let accel = host.accel.unwrap().1.vector;
    assert!(accel.iter().zip(truth.imus[0].accel_m_s2).all(|(a, b)| (a - b).abs() <= 1.0 / 200.0));
}
