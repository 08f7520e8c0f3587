//! One suite for every [`Physics`] engine: what a controller may rely on, checked against plain mechanics.
//!
//! Each check builds its own robot through [`Subject::build`], so engines in other rooms run the same suite
//! from their tests. A check answers with a [`Violation`] that says what was expected and what was seen.

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
    ("free_fall", free_fall),
    ("standing_force", standing_force),
    ("payload", payload),
    ("rag_doll", rag_doll),
    ("determinism", determinism),
    ("torque_sign", torque_sign),
    ("push", push),
    ("base_wrench", base_wrench),
    ("friction", friction),
    ("names", names),
    ("joint_stops", joint_stops),
    ("bad_torque", bad_torque),
    ("changes", changes),
    ("step_length", step_length),
    ("feet", feet),
    ("collapse", collapse),
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

/// In free fall the base accelerates with g and keeps its horizontal velocity.
fn free_fall(s: &Subject<'_>) -> Verdict {
    const C: &str = "free_fall";
    let mut p = s.make(C)?;
    s.place(C, p.as_mut(), &HIGH, s.stand_q_rad)?;
    p.push([0.7, 0.0, 0.0]);
    for _ in 0..300 {
        p.step(&[], DT_S);
    }
    let base = p.base();
    within(C, "vertical velocity after 0.3 s", base.linear_velocity_m_s[2], -0.3 * GRAVITY_M_S2, 0.005)?;
    within(C, "horizontal velocity", base.linear_velocity_m_s[0], 0.7, 0.005)?;
    within(C, "height lost", HIGH.position_m[2] - base.position_m[2], 0.5 * GRAVITY_M_S2 * 0.09, 0.005)?;
    within(C, "contact force in the air", p.contact_force_n(), 0.0, 1e-9)
}

/// A standing robot is carried by its feet with exactly its weight.
fn standing_force(s: &Subject<'_>) -> Verdict {
    const C: &str = "standing_force";
    let mut p = s.make(C)?;
    s.place(C, p.as_mut(), &s.standing_pose(), s.stand_q_rad)?;
    let (mut total, mut feet, mut loaded, mut n) = (0.0, 0.0, 0, 0.0);
    s.hold(p.as_mut(), 3000, |k, p| {
        if k >= 2500 {
            total += p.contact_force_n();
            feet += (0..p.foot_count()).map(|i| p.foot(i).force_n).sum::<f64>();
            loaded += (0..p.foot_count()).filter(|i| p.foot(*i).contact).count();
            n += 1.0;
        }
    });
    let weight = p.mass_kg() * GRAVITY_M_S2;
    within(C, "mean contact force, N", total / n, weight, 0.002 * weight)?;
    within(C, "mean sum over the feet, N", feet / n, weight, 0.002 * weight)?;
    within(C, "feet in contact", loaded as f64 / n, p.foot_count() as f64, 0.01)?;
    holds(C, "trunk", !p.trunk_contact(), "clear of the ground", "in contact".to_owned())
}

/// A payload adds its weight to what the feet carry.
fn payload(s: &Subject<'_>) -> Verdict {
    const C: &str = "payload";
    let mut p = s.make(C)?;
    let bare = p.mass_kg();
    p.set_payload(2.0);
    p.set_payload(3.0);
    within(C, "mass, kg", p.mass_kg(), bare + 3.0, 1e-6)?;
    s.place(C, p.as_mut(), &s.standing_pose(), s.stand_q_rad)?;
    let (mut total, mut n) = (0.0, 0.0);
    s.hold(p.as_mut(), 3000, |k, p| {
        if k >= 2500 {
            total += p.contact_force_n();
            n += 1.0;
        }
    });
    let weight = (bare + 3.0) * GRAVITY_M_S2;
    within(C, "mean contact force, N", total / n, weight, 0.002 * weight)
}

/// Dropped limp from a metre, tilted, the robot comes to rest on the ground, finite throughout.
fn rag_doll(s: &Subject<'_>) -> Verdict {
    const C: &str = "rag_doll";
    let mut p = s.make(C)?;
    let (a, b): (f64, f64) = (0.6, 0.35);
    let pose = BasePose {
        position_m: [0.0, 0.0, 1.0],
        orientation: [a.cos() * b.cos(), a.sin() * b.cos(), a.cos() * b.sin(), -a.sin() * b.sin()],
    };
    s.place(C, p.as_mut(), &pose, s.stand_q_rad)?;
    for k in 0..8000 {
        p.step(&[], DT_S);
        let mut finite = p.base().position_m.iter().all(|x| x.is_finite());
        for i in 0..s.joints.len() {
            let (q, dq) = p.joint_state(i);
            finite &= q.is_finite() && dq.is_finite();
        }
        holds(C, format!("state at step {k}"), finite, "finite", "not finite".to_owned())?;
    }
    let base = p.base();
    let speed = base.linear_velocity_m_s.iter().map(|v| v * v).sum::<f64>().sqrt();
    within(C, "speed after 8 s, m/s", speed, 0.0, 0.03)?;
    within(C, "height after 8 s, m", base.position_m[2], 0.3, 0.29)?;
    let norm = base.orientation.iter().map(|x| x * x).sum::<f64>().sqrt();
    within(C, "length of the quaternion", norm, 1.0, 1e-4)
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

/// A positive torque turns its own joint in the positive direction, more than any other.
fn torque_sign(s: &Subject<'_>) -> Verdict {
    const C: &str = "torque_sign";
    for i in 0..s.joints.len() {
        for sign in [1.0, -1.0] {
            let mut p = s.make(C)?;
            s.place(C, p.as_mut(), &HIGH, s.stand_q_rad)?;
            let mut torques = vec![0.0; s.joints.len()];
            torques[i] = 3.0 * sign;
            for _ in 0..10 {
                p.step(&torques, DT_S);
            }
            let rate = p.joint_state(i).1 * sign;
            let name = s.joints[i];
            holds(C, name, rate > 0.1, "turning with the torque", format!("{rate:.3} rad/s along it"))?;
            for j in (0..s.joints.len()).filter(|j| *j != i) {
                let other = p.joint_state(j).1.abs();
                let found = format!("{} turns at {other:.3} rad/s, {name} at {rate:.3}", s.joints[j]);
                holds(C, name, other < rate, "the joint under torque to turn fastest", found)?;
            }
        }
    }
    Ok(())
}

/// A push changes the base velocity by what was asked, at once, and leaves the joints' rates alone.
fn push(s: &Subject<'_>) -> Verdict {
    const C: &str = "push";
    let mut p = s.make(C)?;
    s.place(C, p.as_mut(), &HIGH, s.stand_q_rad)?;
    p.step(&[], DT_S);
    let before = p.base().linear_velocity_m_s;
    p.push([0.5, -0.25, 0.1]);
    let read = |p: &dyn Physics, vz: f64| -> Verdict {
        let after = p.base().linear_velocity_m_s;
        within(C, "change of vx", after[0] - before[0], 0.5, 1e-4)?;
        within(C, "change of vy", after[1] - before[1], -0.25, 1e-4)?;
        within(C, "change of vz", after[2] - before[2], vz, 1e-3)?;
        for i in 0..s.joints.len() {
            within(C, format!("rate of joint {i}"), p.joint_state(i).1, 0.0, 0.01)?;
        }
        Ok(())
    };
    read(p.as_ref(), 0.1)?;
    p.step(&[], DT_S);
    read(p.as_ref(), 0.1 - GRAVITY_M_S2 * DT_S)
}

/// An external wrench on the base of a standing robot goes into the ground: what the feet carry says where it acts.
fn base_wrench(s: &Subject<'_>) -> Verdict {
    const C: &str = "base_wrench";
    /// Steps averaged.
    const SPAN: usize = 500;
    // Sum of the feet's forces, and of their moments about x and y of the world at the base's place.
    let carried = |force: [f64; 3], torque: [f64; 3]| -> Result<[f64; 3], Violation> {
        let mut p = s.make(C)?;
        s.place(C, p.as_mut(), &s.standing_pose(), s.stand_q_rad)?;
        s.hold(p.as_mut(), 1000, |_, _| ());
        p.set_base_wrench(force, torque);
        s.hold(p.as_mut(), 1500, |_, _| ());
        let mut sum = [0.0; 3];
        s.hold(p.as_mut(), SPAN, |_, p| {
            let base = p.base().position_m;
            for i in 0..p.foot_count() {
                let foot = p.foot(i);
                let (x, y) = (foot.position_m[0] - base[0], foot.position_m[1] - base[1]);
                let share = foot.force_n / SPAN as f64;
                sum = [sum[0] + share, sum[1] + share * y, sum[2] - share * x];
            }
        });
        // Taken away, it is gone.
        p.set_base_wrench([0.0; 3], [f64::NAN; 3]);
        s.hold(p.as_mut(), 1000, |_, _| ());
        within(C, "load without it, N", p.contact_force_n(), p.mass_kg() * GRAVITY_M_S2, 0.5)?;
        Ok(sum)
    };
    let mass_kg = s.make(C)?.mass_kg();
    let weight = mass_kg * GRAVITY_M_S2;
    let [bare, bare_x, bare_y] = carried([0.0; 3], [0.0; 3])?;
    within(C, "load, N", bare, weight, 0.005 * weight)?;
    let [lifted, ..] = carried([0.0, 0.0, 0.3 * weight], [0.0; 3])?;
    within(C, "load, lifted by 0.3 of the weight, N", lifted, 0.7 * weight, 0.005 * weight)?;
    let [turned, about_x, about_y] = carried([0.0; 3], [3.0, -2.0, 0.0])?;
    within(C, "load under a torque, N", turned, weight, 0.005 * weight)?;
    within(C, "moment about x under 3 N m, N m", about_x - bare_x, -3.0, 0.5)?;
    within(C, "moment about y under -2 N m, N m", about_y - bare_y, 2.0, 0.5)?;
    let side_n = 0.1 * weight;
    let [_, _, pulled] = carried([side_n, 0.0, 0.0], [0.0; 3])?;
    // Pulled forward at the base's height, the robot leans on its front feet.
    let expected = -side_n * s.stand_height_m;
    within(C, "moment about y, pulled forward, N m", pulled - bare_y, expected, 0.2 * expected.abs())
}

/// Without friction a pushed robot slides on; with friction it stops.
fn friction(s: &Subject<'_>) -> Verdict {
    const C: &str = "friction";
    let slide = |mu: f64| -> Result<f64, Violation> {
        let mut p = s.make(C)?;
        p.set_friction(mu);
        s.place(C, p.as_mut(), &s.standing_pose(), s.stand_q_rad)?;
        s.hold(p.as_mut(), 500, |_, _| ());
        let from = p.base().position_m[0];
        p.push([0.3, 0.0, 0.0]);
        s.hold(p.as_mut(), 1000, |_, _| ());
        Ok(p.base().position_m[0] - from)
    };
    within(C, "way without friction, m", slide(0.0)?, 0.3, 0.03)?;
    let (low, high) = (slide(0.05)?, slide(0.8)?);
    within(C, "way at 0.8, m", high, 0.0, 0.06)?;
    let found = format!("{low:.3} m at 0.05, {high:.3} m at 0.8");
    holds(C, "way at 0.05", low > high + 0.02, "longer than at 0.8", found)
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

/// A joint driven against its stop stays there.
fn joint_stops(s: &Subject<'_>) -> Verdict {
    const C: &str = "joint_stops";
    for sign in [1.0, -1.0] {
        let mut p = s.make(C)?;
        s.place(C, p.as_mut(), &HIGH, s.stand_q_rad)?;
        let torques = vec![4.0 * sign; s.joints.len()];
        let mut at_stop = Vec::new();
        for k in 0..650 {
            p.step(&torques, DT_S);
            if k == 500 {
                at_stop = (0..s.joints.len()).map(|i| p.joint_state(i).0).collect();
            }
        }
        for (i, before) in at_stop.iter().enumerate() {
            let (q, _) = p.joint_state(i);
            within(C, format!("way of {} while at its stop, rad", s.joints[i]), q - before, 0.0, 0.03)?;
        }
    }
    Ok(())
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

/// Feet are where the present state puts them: after `set_state` at once, and after each step.
fn feet(s: &Subject<'_>) -> Verdict {
    const C: &str = "feet";
    let mut p = s.make(C)?;
    s.place(C, p.as_mut(), &HIGH, s.stand_q_rad)?;
    let all =
        |p: &dyn Physics| -> Vec<[f64; 3]> { (0..p.foot_count()).map(|i| p.foot(i).position_m).collect() };
    let high = all(p.as_ref());
    let [x, y, z] = HIGH.position_m;
    let pose = BasePose { position_m: [x + 1.0, y, z + 10.0], ..HIGH };
    s.place(C, p.as_mut(), &pose, s.stand_q_rad)?;
    for (moved, from) in all(p.as_ref()).into_iter().zip(&high) {
        for (i, by) in [1.0, 0.0, 10.0].into_iter().enumerate() {
            within(C, "way of a foot with the base", moved[i] - from[i], by, 1e-4)?;
        }
    }
    // Falling fast, a foot that is told one step late is 7 mm behind.
    p.push([0.0, 0.0, -7.0]);
    for _ in 0..20 {
        p.step(&[], DT_S);
        let base = p.base().position_m;
        for (foot, from) in all(p.as_ref()).into_iter().zip(&high) {
            let hangs = (foot[2] - base[2]) - (from[2] - z);
            within(C, "height of a foot against the base", hangs, 0.0, 2e-3)?;
        }
    }
    Ok(())
}

/// Without torque the robot sinks onto its trunk, and the ground still carries its weight.
fn collapse(s: &Subject<'_>) -> Verdict {
    const C: &str = "collapse";
    let mut p = s.make(C)?;
    s.place(C, p.as_mut(), &s.standing_pose(), s.stand_q_rad)?;
    let (mut total, mut on_trunk, mut n) = (0.0, 0.0, 0.0);
    for k in 0..5000 {
        p.step(&[], DT_S);
        if k >= 4000 {
            total += p.contact_force_n();
            on_trunk += f64::from(u8::from(p.trunk_contact()));
            n += 1.0;
        }
    }
    let weight = p.mass_kg() * GRAVITY_M_S2;
    within(C, "mean contact force, N", total / n, weight, 0.01 * weight)?;
    within(C, "share of the time on its trunk", on_trunk / n, 1.0, 0.05)
}
