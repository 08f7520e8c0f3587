//! The URDF we write, read by somebody else's reader: same joints, same mass, same forward kinematics.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod shipped;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use sinew_robot::{Pose, Robot, write_urdf};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const PINS: &str = include_str!("data/urdf_reader.txt");
const SAMPLES: usize = 50;
/// Largest difference allowed between their transform and ours, m and per rotation matrix entry.
const TOLERANCE: f64 = 1e-6;

/// Where the pinned reader lies; a machine without pip fails here.
fn reader() -> &'static Path {
    static READER: LazyLock<PathBuf> = LazyLock::new(install_reader);
    &READER
}

/// Installs the reader beside the build, unless an earlier run did.
fn install_reader() -> PathBuf {
    let pins: String = PINS.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("+");
    let target =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("urdf-reader-{}", pins.replace("==", "-")));
    if target.is_dir() {
        return target;
    }
    let building = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/urdf_reader.txt");
    let out = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--target"])
        .arg(building.path())
        .arg("-r")
        .arg(&requirements)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "pip could not install the reader: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    // Another test process may have been first; its folder is as good.
    if std::fs::rename(building.path(), &target).is_err() {
        assert!(target.is_dir(), "the installed reader could not be moved to {}", target.display());
    }
    target
}

/// What the reader printed.
struct Understood {
    mass_kg: f64,
    joints: Vec<(String, [f64; 4])>,
    transforms: Vec<[f64; 16]>,
}

fn numbers<const N: usize>(words: &[&str]) -> [f64; N] {
    let values: Vec<f64> = words.iter().map(|word| word.parse().unwrap()).collect();
    values.try_into().unwrap()
}

fn read_back(urdf: &str, joints: &[&str], links: &[&str], samples: &[Vec<f64>]) -> Understood {
    let folder = tempfile::tempdir().unwrap();
    let (file, sample_file) = (folder.path().join("robot.urdf"), folder.path().join("samples.txt"));
    std::fs::write(&file, urdf).unwrap();
    let mut text = format!("{}\n{}\n", joints.join(" "), links.join(" "));
    for sample in samples {
        let row: Vec<String> = sample.iter().map(f64::to_string).collect();
        text.push_str(&(row.join(" ") + "\n"));
    }
    std::fs::write(&sample_file, text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/urdf_reader.py");
    let out =
        Command::new("python3").env("PYTHONPATH", reader()).arg(script).arg(&file).arg(&sample_file).output();
    let out = out.unwrap();
    assert!(out.status.success(), "the reader failed: {}", String::from_utf8_lossy(&out.stderr));
    let mut understood = Understood { mass_kg: 0.0, joints: Vec::new(), transforms: Vec::new() };
    for line in String::from_utf8(out.stdout).unwrap().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["mass", mass] => understood.mass_kg = mass.parse().unwrap(),
            ["joint", name, limits @ ..] => understood.joints.push(((*name).to_owned(), numbers(limits))),
            entries => understood.transforms.push(numbers(entries)),
        }
    }
    understood
}

/// A pose as the 4x4 matrix the reader prints.
fn matrix(pose: &Pose) -> [f64; 16] {
    let [x, y, z] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|axis| pose.rotate(axis));
    let [px, py, pz] = pose.position_m;
    let rows = [[x[0], y[0], z[0], px], [x[1], y[1], z[1], py], [x[2], y[2], z[2], pz], [0.0, 0.0, 0.0, 1.0]];
    numbers_of(&rows.concat())
}

fn numbers_of(values: &[f64]) -> [f64; 16] {
    values.try_into().unwrap()
}

fn random_joints(robot: &Robot) -> Vec<Vec<f64>> {
    let each: Vec<_> = robot.joints.iter().map(|j| j.limits.q_min_rad..=j.limits.q_max_rad).collect();
    let mut runner = TestRunner::deterministic();
    (0..SAMPLES).map(|_| each.new_tree(&mut runner).unwrap().current()).collect()
}

/// Largest difference between the reader's transforms of all sites and ours.
fn largest_gap(robot: &Robot, urdf: &str) -> (f64, Understood) {
    let joints: Vec<&str> = robot.joint_names().collect();
    let sites: Vec<&str> =
        robot.model.bodies.iter().flat_map(|b| &b.sites).map(|site| site.name.as_str()).collect();
    let samples = random_joints(robot);
    let theirs = read_back(urdf, &joints, &sites, &samples);
    assert_eq!(theirs.transforms.len(), samples.len() * sites.len());
    let ours =
        samples.iter().flat_map(|q| sites.iter().map(|site| matrix(&robot.site_pose(site, q).unwrap())));
    let gap =
        |(a, b): ([f64; 16], &[f64; 16])| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    (ours.zip(&theirs.transforms).map(gap).fold(0.0, f64::max), theirs)
}

#[test]
fn a_foreign_reader_finds_the_same_robot() {
    let robot = shipped::robot();
    let (gap, theirs) = largest_gap(&robot, &write_urdf(&robot));
    assert!(gap < TOLERANCE, "feet and IMU differ by up to {gap}");
    assert!((theirs.mass_kg - robot.total_mass_kg()).abs() < 1e-9);
    assert_eq!(theirs.joints.len(), robot.joints.len());
    for (name, found) in &theirs.joints {
        let limits = &robot.joints[robot.joint_index(name).unwrap()].limits;
        assert_eq!(
            *found,
            [limits.q_min_rad, limits.q_max_rad, limits.tau_max_nm, limits.dq_max_rad_s],
            "{name}"
        );
    }
}

#[test]
fn a_tree_with_turned_frames_survives_the_way_through_roll_pitch_yaw() {
    // Every hip frame turned about an oblique axis, one of them into the singular pitch of 90 degrees.
    let mut model = shipped::MODEL.replace("_hip\" pos=", "_hip\" quat=\"0.8 0.3 -0.4 0.2\" pos=");
    model = model.replacen("quat=\"0.8 0.3 -0.4 0.2\"", "quat=\"1 0 1 0\"", 1);
    // The turned legs no longer stand 0.29 m high.
    let yaml = shipped::YAML.to_owned();
    let upright = Robot::parse(&yaml, &model);
    let yaml = match upright {
        Ok(_) => yaml,
        Err(error) => {
            let said = error.to_string();
            let height = said.split("within 0.1 m of the ").nth(1).unwrap().split(' ').next().unwrap();
            yaml.replace("height_m: 0.29", &format!("height_m: {height}"))
        }
    };
    let robot = Robot::parse(&yaml, &model).unwrap();
    let (gap, _) = largest_gap(&robot, &write_urdf(&robot));
    assert!(gap < TOLERANCE, "sites differ by up to {gap}");
}

#[test]
fn the_comparison_notices_a_planted_error() {
    let robot = shipped::robot();
    let urdf = write_urdf(&robot);
    let planted = [
        ("<axis xyz=\"1 0 0\"/>", "<axis xyz=\"-1 0 0\"/>"),
        ("xyz=\"0 -0.095 0\"", "xyz=\"0 -0.095002 0\""),
    ];
    for (from, to) in planted {
        assert!(urdf.contains(from));
        let (gap, _) = largest_gap(&robot, &urdf.replacen(from, to, 1));
        assert!(gap > TOLERANCE, "{from} -> {to} went unseen ({gap})");
    }
}
