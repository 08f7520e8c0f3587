//! One suite for every [`Physics`] engine: what a controller may rely on, checked against plain mechanics.
//!
//! Each check builds its own robot through [`Subject::build`], so engines in other rooms run the same suite
//! from their tests. A check answers with a [`Violation`] that says what was expected and what was seen.

mod mechanics;

use crate::physics::{BasePose, GRAVITY_M_S2, Physics};

/// Step length of every check, s.
const DT_S: f64 = 0.001;

/// Builds a robot with its joints numbered in the order of the names, or says why not.
pub type Builder<'a> = dyn Fn(&[&str]) -> Result<Box<dyn Physics>, String> + 'a;

/// The engine under test and the robot it is tested with: a legged robot that can stand.
pub struct Subject<'a> {
    /// Build a fresh robot with joints numbered in the order of the names given.
    pub build: &'a Builder<'a>,
    /// All joints by name.
    pub joints: &'a [&'a str],
    /// A posture in which the robot stands on its feet, rad.
    pub stand_q_rad: &'a [f64],
    /// Height of the base in that posture, m, feet just touching the ground.
    pub stand_height_m: f64,
}

/// A promise of [`Physics`] that was not kept.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{check}: {what}: expected {expected}, found {found}")]
pub struct Violation {
    /// Which check.
    pub check: &'static str,
    /// Which quantity.
    pub what: String,
    /// What mechanics asks for.
    pub expected: String,
    /// What the engine did.
    pub found: String,
}

/// Outcome of one check.
pub type Verdict = Result<(), Violation>;
/// A named check.
pub type Check = (&'static str, fn(&Subject<'_>) -> Verdict);

/// Every check, by name.
pub const CHECKS: &[Check] = &[
    ("set_state", set_state),
    ("free_fall", mechanics::free_fall),
    ("standing_force", mechanics::standing_force),
    ("payload", mechanics::payload),
    ("rag_doll", mechanics::rag_doll),
    ("determinism", determinism),
    ("torque_sign", mechanics::torque_sign),
    ("push", mechanics::push),
    ("base_wrench", mechanics::base_wrench),
    ("friction", mechanics::friction),
    ("names", names),
    ("joint_stops", mechanics::joint_stops),
    ("bad_torque", bad_torque),
    ("changes", changes),
    ("step_length", step_length),
    ("feet", mechanics::feet),
    ("collapse", mechanics::collapse),
];

fn within(check: &'static str, what: impl Into<String>, found: f64, expected: f64, by: f64) -> Verdict {
    if (found - expected).abs() <= by {
        return Ok(());
    }
    Err(Violation {
        check,
        what: what.into(),
        expected: format!("{expected:.5} +- {by:.5}"),
        found: format!("{found:.5}"),
    })
}

fn holds(
    check: &'static str,
    what: impl Into<String>,
    true_: bool,
    expected: &str,
    found: String,
) -> Verdict {
    if true_ {
        return Ok(());
    }
    Err(Violation { check, what: what.into(), expected: expected.to_owned(), found })
}

impl Subject<'_> {
    fn make(&self, check: &'static str) -> Result<Box<dyn Physics>, Violation> {
        self.make_ordered(check, self.joints)
    }

    fn make_ordered(&self, check: &'static str, order: &[&str]) -> Result<Box<dyn Physics>, Violation> {
        holds(
            check,
            "the subject",
            self.stand_q_rad.len() == self.joints.len() && !self.joints.is_empty(),
            "one standing angle per joint, at least one joint",
            format!("{} joints, {} angles", self.joints.len(), self.stand_q_rad.len()),
        )?;
        (self.build)(order).map_err(|found| Violation {
            check,
            what: "building the robot".to_owned(),
            expected: "a robot".to_owned(),
            found,
        })
    }

    fn place(
        &self,
        check: &'static str,
        physics: &mut dyn Physics,
        pose: &BasePose,
        q_rad: &[f64],
    ) -> Verdict {
        physics.set_state(pose, q_rad).map_err(|e| Violation {
            check,
            what: "set_state".to_owned(),
            expected: "accepted".to_owned(),
            found: e.to_string(),
        })
    }

    fn standing_pose(&self) -> BasePose {
        BasePose { position_m: [0.0, 0.0, self.stand_height_m + 0.002], orientation: [1.0, 0.0, 0.0, 0.0] }
    }

    /// Hold the standing posture with a stiff explicit servo for `steps`; `each` sees every step.
    fn hold(&self, physics: &mut dyn Physics, steps: usize, mut each: impl FnMut(usize, &dyn Physics)) {
        let mut torques = vec![0.0; self.joints.len()];
        for k in 0..steps {
            for (i, (tau, q0)) in torques.iter_mut().zip(self.stand_q_rad).enumerate() {
                let (q, dq) = physics.joint_state(i);
                *tau = (60.0 * (q0 - q) - 2.0 * dq).clamp(-40.0, 40.0);
            }
            physics.step(&torques, DT_S);
            each(k, physics);
        }
    }
}

const HIGH: BasePose = BasePose { position_m: [0.3, -0.2, 3.0], orientation: [1.0, 0.0, 0.0, 0.0] };

/// What is set is read back; a refused state changes nothing.
fn set_state(s: &Subject<'_>) -> Verdict {
    const C: &str = "set_state";
    let mut p = s.make(C)?;
    let half: f64 = 0.3;
    let pose = BasePose { position_m: [0.5, -1.0, 0.8], orientation: [half.cos(), 0.0, half.sin(), 0.0] };
    s.place(C, p.as_mut(), &pose, s.stand_q_rad)?;
    let readback = |p: &dyn Physics| -> Verdict {
        let base = p.base();
        for i in 0..3 {
            within(C, "base position", base.position_m[i], pose.position_m[i], 1e-5)?;
        }
        for i in 0..4 {
            within(C, "base orientation", base.orientation[i], pose.orientation[i], 1e-5)?;
        }
        for (i, q) in s.stand_q_rad.iter().enumerate() {
            within(C, format!("angle of joint {i}"), p.joint_state(i).0, *q, 1e-5)?;
            within(C, format!("rate of joint {i}"), p.joint_state(i).1, 0.0, 1e-6)?;
        }
        Ok(())
    };
    readback(p.as_ref())?;
    let bad = BasePose { position_m: [f64::NAN, 0.0, 1.0], ..pose };
    holds(C, "NaN position", p.set_state(&bad, s.stand_q_rad).is_err(), "refused", "accepted".to_owned())?;
    let short = &s.stand_q_rad[..s.stand_q_rad.len().saturating_sub(1)];
    holds(C, "one angle too few", p.set_state(&pose, short).is_err(), "refused", "accepted".to_owned())?;
    readback(p.as_ref())
}

fn bits(p: &dyn Physics) -> Vec<u8> {
    let mut all = Vec::new();
    p.state_bits(&mut |bytes| all.extend_from_slice(bytes));
    all
}

/// The same torques give the same bits, in two engines and again after `set_state`.
fn determinism(s: &Subject<'_>) -> Verdict {
    const C: &str = "determinism";
    let run = || -> Result<Vec<u8>, Violation> {
        let mut p = s.make(C)?;
        s.place(C, p.as_mut(), &s.standing_pose(), s.stand_q_rad)?;
        s.hold(p.as_mut(), 400, |_, _| ());
        p.push([0.4, -0.3, 0.0]);
        s.hold(p.as_mut(), 600, |_, _| ());
        Ok(bits(p.as_ref()))
    };
    let (first, second) = (run()?, run()?);
    holds(C, "state bits", !first.is_empty(), "some", "none".to_owned())?;
    holds(C, "state bits of two runs", first == second, "equal", "different".to_owned())
}

/// Joints are numbered as the caller names them: another order is the same robot.
fn names(s: &Subject<'_>) -> Verdict {
    const C: &str = "names";
    let n = s.joints.len();
    let order: Vec<usize> = (0..n).map(|i| (i * 5 + 3) % n).collect();
    let distinct = (0..n).all(|i| order.contains(&i));
    let order = if distinct { order } else { (0..n).rev().collect() };
    let renamed: Vec<&str> = order.iter().map(|i| s.joints[*i]).collect();
    let (mut plain, mut permuted) = (s.make(C)?, s.make_ordered(C, &renamed)?);
    let q: Vec<f64> = (0..n).map(|i| s.stand_q_rad[i] + 0.01 * i as f64).collect();
    let tau: Vec<f64> = (0..n).map(|i| 0.5 + 0.1 * i as f64).collect();
    let by_name = |v: &[f64]| -> Vec<f64> { order.iter().map(|i| v[*i]).collect() };
    s.place(C, plain.as_mut(), &HIGH, &q)?;
    s.place(C, permuted.as_mut(), &HIGH, &by_name(&q))?;
    for _ in 0..50 {
        plain.step(&tau, DT_S);
        permuted.step(&by_name(&tau), DT_S);
    }
    for (new, old) in order.iter().enumerate() {
        let (a, b) = (plain.joint_state(*old), permuted.joint_state(new));
        within(C, format!("angle of {}", s.joints[*old]), b.0, a.0, 1e-6)?;
        within(C, format!("rate of {}", s.joints[*old]), b.1, a.1, 1e-4)?;
    }
    let mut wrong: Vec<&str> = s.joints.to_vec();
    wrong.iter_mut().take(1).for_each(|name| *name = "no_such_joint");
    let refused = (s.build)(&wrong).err().is_some_and(|e| e.contains("no_such_joint"));
    holds(C, "a joint that does not exist", refused, "refused by name", "accepted".to_owned())
}

/// A torque that is no number counts as zero.
fn bad_torque(s: &Subject<'_>) -> Verdict {
    const C: &str = "bad_torque";
    let (mut p, mut zero) = (s.make(C)?, s.make(C)?);
    for (p, tau) in [(&mut p, f64::NAN), (&mut zero, 0.0)] {
        s.place(C, p.as_mut(), &s.standing_pose(), s.stand_q_rad)?;
        let torques = vec![tau; s.joints.len()];
        for _ in 0..20 {
            p.step(&torques, DT_S);
        }
    }
    holds(
        C,
        "state bits",
        bits(p.as_ref()) == bits(zero.as_ref()),
        "those of zero torque",
        "others".to_owned(),
    )
}

/// Friction and payload change under way without moving anything.
fn changes(s: &Subject<'_>) -> Verdict {
    const C: &str = "changes";
    let mut p = s.make(C)?;
    s.place(C, p.as_mut(), &s.standing_pose(), s.stand_q_rad)?;
    s.hold(p.as_mut(), 100, |_, _| ());
    p.push([0.2, 0.1, 0.0]);
    s.hold(p.as_mut(), 20, |_, _| ());
    let before = bits(p.as_ref());
    p.set_friction(0.3);
    p.set_payload(1.5);
    holds(C, "state bits", bits(p.as_ref()) == before, "those before the change", "others".to_owned())
}

/// A step lasts as long as the caller says, step by step.
fn step_length(s: &Subject<'_>) -> Verdict {
    const C: &str = "step_length";
    let mut p = s.make(C)?;
    s.place(C, p.as_mut(), &HIGH, s.stand_q_rad)?;
    for dt_s in [0.001, 0.002, 0.0005, 0.001] {
        let before = p.base().linear_velocity_m_s[2];
        p.step(&[], dt_s);
        let gained = p.base().linear_velocity_m_s[2] - before;
        within(C, format!("velocity gained in {dt_s} s"), gained, -GRAVITY_M_S2 * dt_s, 2e-4)?;
    }
    Ok(())
}
