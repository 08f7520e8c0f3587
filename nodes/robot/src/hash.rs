//! Two hashes over a canonical form: what is said counts, how it is spelt does not.
//!
//! Every struct is taken apart by an exhaustive pattern, so a new field does not compile until it is hashed.
//! Text is length-prefixed, numbers are their IEEE bits (-0 counts as 0), the MJCF is its elements with
//! sorted attributes. Joint order counts: it is the order of every frame.

use crate::robot::{
    Battery, Bus, BusKind, Device, Family, Foot, HeldBy, Imu, Joint, JointLimits, Noise, OnLoss, Policy,
    Posture, Postures, Protection, Robot, Scaling, StandControl, Start, Timing, WatchdogAction,
};
use roxmltree::{Document, Node};
use sha2::{Digest, Sha256};

struct Canonical(Sha256);

impl Canonical {
    fn new(domain: &str) -> Self {
        let mut canonical = Canonical(Sha256::new());
        canonical.text(domain);
        canonical
    }

    fn text(&mut self, text: &str) {
        self.count(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn count(&mut self, value: u64) {
        self.0.update(value.to_le_bytes());
    }

    fn numbers(&mut self, values: &[f64]) {
        self.count(values.len() as u64);
        for value in values {
            self.0.update((value + 0.0).to_bits().to_le_bytes());
        }
    }

    fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// First 8 bytes, little endian, of the hash over joints, their limits, drives and timing.
pub(crate) fn of_limits(robot: &Robot) -> u64 {
    let mut canonical = Canonical::new("sinew robot limits 1");
    canonical.count(robot.period_ns);
    limits(&mut canonical, robot);
    let [a, b, c, d, e, f, g, h, ..] = canonical.finish();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

fn limits(canonical: &mut Canonical, robot: &Robot) {
    canonical.count(robot.joints.len() as u64);
    for each in &robot.joints {
        joint(canonical, each);
    }
    timing(canonical, &robot.timing);
}

/// Hash over the whole description.
pub(crate) fn of_robot(robot: &Robot, model: &Document<'_>) -> [u8; 32] {
    // `model`, `legs` and `model_text` are read from the document, which is hashed as a whole.
    let Robot {
        name,
        hash: _,
        limits_hash: _,
        period_ns,
        model_file: _,
        model_text: _,
        model: _,
        joints: _,
        legs: _,
        buses,
        imus,
        feet,
        noise,
        start,
        postures,
        stand,
        protection,
        timing: _,
        policy,
    } = robot;
    let mut canonical = Canonical::new("sinew robot 1");
    canonical.text(name);
    canonical.count(*period_ns);
    limits(&mut canonical, robot);
    canonical.count(buses.len() as u64);
    for Bus { name, kind, bitrate_bps } in buses {
        canonical.text(name);
        canonical.count(match kind {
            BusKind::Drives => 0,
            BusKind::Sensors { sync_id } => 1 + u64::from(*sync_id),
        });
        canonical.count(u64::from(*bitrate_bps));
    }
    canonical.count(imus.len() as u64);
    for Imu { name, bus, gyro_id, accel_id, site, base_from_imu } in imus {
        canonical.text(name);
        canonical.count(*bus as u64);
        canonical.count(u64::from(*gyro_id));
        canonical.count(u64::from(*accel_id));
        canonical.text(site);
        canonical.numbers(&base_from_imu.position_m);
        canonical.numbers(&base_from_imu.orientation_wxyz);
    }
    canonical.count(feet.len() as u64);
    // `contacts` are read from the document.
    for Foot { name, bus, id, site, radius_m, contacts: _ } in feet {
        canonical.text(name);
        canonical.count(*bus as u64);
        canonical.count(u64::from(*id));
        canonical.text(site);
        canonical.numbers(&[*radius_m]);
    }
    let Start { held_by } = start;
    canonical.text(match held_by {
        HeldBy::Ground => "ground",
        HeldBy::Harness => "harness",
    });
    behaviour(&mut canonical, noise, postures, stand, protection, policy);
    element(&mut canonical, model.root_element());
    canonical.finish()
}

fn joint(canonical: &mut Canonical, joint: &Joint) {
    // `kind` and `body` come from the model; `default_q_rad` is the stand posture.
    let Joint { name, kind: _, limits, kd_safe, default_q_rad: _, device, body: _ } = joint;
    canonical.text(name);
    let JointLimits {
        q_min_rad,
        q_max_rad,
        dq_max_rad_s,
        ddq_max_rad_s2,
        tau_max_nm,
        kp_max,
        kd_max,
        temperature_warn_c,
        temperature_max_c,
    } = limits;
    canonical.numbers(&[
        *q_min_rad,
        *q_max_rad,
        *dq_max_rad_s,
        *ddq_max_rad_s2,
        *tau_max_nm,
        *kp_max,
        *kd_max,
    ]);
    canonical.numbers(&[*temperature_warn_c, *temperature_max_c, *kd_safe]);
    let Device {
        bus,
        id,
        reply_id,
        family,
        model,
        gear,
        sign,
        offset_rad,
        scaling: Scaling { p_max_rad, v_max_rad_s, t_max_nm },
        watchdog_ns,
        watchdog_action,
    } = device;
    canonical.count(*bus as u64);
    canonical.count(u64::from(*id));
    canonical.count(u64::from(*reply_id));
    canonical.text(match family {
        Family::Damiao => "damiao",
    });
    canonical.text(model);
    canonical.numbers(&[*gear, *sign, *offset_rad, *p_max_rad, *v_max_rad_s, *t_max_nm]);
    canonical.count(*watchdog_ns);
    canonical.text(match watchdog_action {
        WatchdogAction::Off => "off",
    });
}

fn timing(canonical: &mut Canonical, timing: &Timing) {
    let Timing {
        valid_for_ns,
        t1_ns,
        t2_ns,
        t3_ns,
        rest_dq_rad_s,
        rest_gyro_rad_s,
        reply_cutoff,
        reply_misses_max,
    } = timing;
    for value in [*valid_for_ns, *t1_ns, *t2_ns, *t3_ns, u64::from(*reply_misses_max)] {
        canonical.count(value);
    }
    canonical.numbers(&[*rest_dq_rad_s, *rest_gyro_rad_s, *reply_cutoff]);
}

fn behaviour(
    canonical: &mut Canonical,
    noise: &Noise,
    postures: &Postures,
    stand: &StandControl,
    protection: &Protection,
    policy: &Policy,
) {
    let Noise {
        gyro_std_rad_s,
        accel_std_m_s2,
        q_std_rad,
        dq_std_rad_s,
        force_std_n,
        gyro_bias_max_rad_s,
        accel_bias_max_m_s2,
        q_bias_max_rad,
        force_bias_max_n,
    } = noise;
    canonical.numbers(&[*gyro_std_rad_s, *accel_std_m_s2, *q_std_rad, *dq_std_rad_s, *force_std_n]);
    canonical.numbers(&[*gyro_bias_max_rad_s, *accel_bias_max_m_s2, *q_bias_max_rad, *force_bias_max_n]);
    let Postures { lie, stand: upright } = postures;
    for Posture { height_m, q_rad } in [lie, upright] {
        canonical.numbers(&[*height_m]);
        canonical.numbers(q_rad);
    }
    let StandControl { kp, kd, stand_up_s, lie_down_s, catch_s } = stand;
    canonical.numbers(&[*kp, *kd, *stand_up_s, *lie_down_s, *catch_s]);
    let Protection { tilt_limit_rad, battery } = protection;
    let Battery { voltage_min_v, voltage_warn_v, voltage_max_v, current_max_a } = battery;
    canonical.numbers(&[*tilt_limit_rad, *voltage_min_v, *voltage_warn_v, *voltage_max_v, *current_max_a]);
    let Policy { latency_ticks_min, stop_first_ns, on_loss } = policy;
    canonical.count(u64::from(*latency_ticks_min));
    canonical.count(*stop_first_ns);
    canonical.text(match on_loss {
        OnLoss::Stand => "stand",
        OnLoss::Damping => "damping",
    });
}

/// One XML element: name, attributes by name, child elements in order. White space and comments do not count.
fn element(canonical: &mut Canonical, node: Node<'_, '_>) {
    canonical.text(node.tag_name().name());
    let mut attributes: Vec<_> =
        node.attributes().map(|attribute| (attribute.name(), attribute.value())).collect();
    attributes.sort_unstable();
    canonical.count(attributes.len() as u64);
    for (name, value) in attributes {
        canonical.text(name);
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        canonical.text(&words.join(" "));
    }
    let children: Vec<_> = node.children().filter(Node::is_element).collect();
    canonical.count(children.len() as u64);
    for child in children {
        element(canonical, child);
    }
}
