//! What mechanics asks of an engine: gravity, weight, torques, pushes, friction, stops and contacts.

use super::{DT_S, HIGH, Subject, Verdict, Violation, holds, within};
use crate::physics::{BasePose, GRAVITY_M_S2, Physics};

/// In free fall the base accelerates with g and keeps its horizontal velocity.
pub(super) fn free_fall(s: &Subject<'_>) -> Verdict {
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
pub(super) fn standing_force(s: &Subject<'_>) -> Verdict {
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
pub(super) fn payload(s: &Subject<'_>) -> Verdict {
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
pub(super) fn rag_doll(s: &Subject<'_>) -> Verdict {
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

/// A positive torque turns its own joint in the positive direction, more than any other.
pub(super) fn torque_sign(s: &Subject<'_>) -> Verdict {
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
pub(super) fn push(s: &Subject<'_>) -> Verdict {
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
pub(super) fn base_wrench(s: &Subject<'_>) -> Verdict {
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
pub(super) fn friction(s: &Subject<'_>) -> Verdict {
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

/// A joint driven against its stop stays there.
pub(super) fn joint_stops(s: &Subject<'_>) -> Verdict {
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

/// Feet are where the present state puts them: after `set_state` at once, and after each step.
pub(super) fn feet(s: &Subject<'_>) -> Verdict {
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
pub(super) fn collapse(s: &Subject<'_>) -> Verdict {
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
