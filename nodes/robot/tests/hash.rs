//! The hash is of what is said, not of how it is spelt.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod frozen;

use proptest::prelude::*;
use sinew_robot::Robot;
use std::fmt::Write;

/// The description as a tree, so that it can be spelt anew.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(untagged)]
enum Tree {
    Number(f64),
    Text(String),
    List(Vec<Tree>),
    Map(Entries),
}

#[derive(Clone, Debug)]
struct Entries(Vec<(String, Tree)>);

impl<'de> serde::Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

impl Tree {
    fn frozen() -> Tree {
        let mut options = serde_saphyr::Options::default();
        options.strict_booleans = true;
        serde_saphyr::from_str_with_options(frozen::YAML, options).unwrap()
    }

    /// Puts the keys of every map in an order given by `seed`; lists keep theirs.
    fn shuffle(&mut self, seed: &mut u64) {
        match self {
            Tree::Map(Entries(entries)) => {
                for i in (1..entries.len()).rev() {
                    *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    entries.swap(i, (*seed >> 33) as usize % (i + 1));
                }
                entries.iter_mut().for_each(|(_, value)| value.shuffle(seed));
            }
            Tree::List(items) => items.iter_mut().for_each(|item| item.shuffle(seed)),
            Tree::Number(_) | Tree::Text(_) => {}
        }
    }

    fn at(&mut self, path: &[&str]) -> &mut Tree {
        let Some((key, rest)) = path.split_first() else { return self };
        match self {
            Tree::Map(Entries(entries)) => entries
                .iter_mut()
                .find(|(name, _)| name == key)
                .unwrap_or_else(|| panic!("no {key}"))
                .1
                .at(rest),
            Tree::List(items) => items[key.parse::<usize>().unwrap()].at(rest),
            Tree::Number(_) | Tree::Text(_) => panic!("{key} has nothing inside"),
        }
    }

    /// Flow style throughout: as different from the usual spelling as YAML allows.
    fn spell(&self, out: &mut String) {
        match self {
            Tree::Number(value) => write!(out, "{value:?}").unwrap(),
            Tree::Text(text) => write!(out, "\"{text}\"").unwrap(),
            Tree::List(items) => {
                out.push_str("[\n");
                for item in items {
                    item.spell(out);
                    out.push_str(",\n");
                }
                out.push(']');
            }
            Tree::Map(Entries(entries)) => {
                out.push('{');
                for (key, value) in entries {
                    write!(out, "{key}: ").unwrap();
                    value.spell(out);
                    out.push_str(", ");
                }
                out.push('}');
            }
        }
    }

    fn load(&self) -> Robot {
        let mut text = String::new();
        self.spell(&mut text);
        Robot::parse(&text, frozen::MODEL).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

/// A path to a number of the file and a factor that keeps it legal; whether it belongs to the limits part.
const LIMITS: &[(&[&str], f64)] = &[
    (&["period_ms"], 1.25),
    (&["joint_defaults", "limits", "dq_max_rad_s"], 0.9),
    (&["joint_defaults", "limits", "ddq_max_rad_s2"], 0.9),
    (&["joint_defaults", "limits", "kp_max"], 0.9),
    (&["joint_defaults", "limits", "kd_max"], 0.9),
    (&["joint_defaults", "limits", "temperature_warn_c"], 0.9),
    (&["joint_defaults", "limits", "temperature_max_c"], 0.9),
    (&["joint_defaults", "kd_safe"], 0.9),
    (&["joint_defaults", "drive", "gear"], 1.5),
    (&["joint_defaults", "drive", "sign"], -1.0),
    (&["joint_defaults", "drive", "watchdog_ms"], 1.1),
    (&["joint_defaults", "drive", "scaling", "p_max_rad"], 1.1),
    (&["joint_defaults", "drive", "scaling", "v_max_rad_s"], 1.1),
    (&["joint_defaults", "drive", "scaling", "t_max_nm"], 1.1),
    (&["joints", "0", "limits", "tau_max_nm"], 0.9),
    (&["joints", "11", "limits", "tau_max_nm"], 0.999999),
    (&["joints", "7", "id"], 3.0),
    (&["joints", "5", "reply_id"], 2.0),
    (&["timing", "valid_for_ms"], 1.1),
    (&["timing", "t1_ms"], 1.1),
    (&["timing", "t2_ms"], 1.01),
    (&["timing", "t3_ms"], 1.1),
    (&["timing", "rest_dq_rad_s"], 1.1),
    (&["timing", "rest_gyro_rad_s"], 1.1),
    (&["timing", "reply_cutoff"], 1.1),
    (&["timing", "reply_misses_max"], 2.0),
];

const REST: &[(&[&str], f64)] = &[
    (&["buses", "3", "sync_id"], 2.0),
    (&["buses", "1", "bitrate_bps"], 0.8),
    (&["imus", "0", "gyro_id"], 2.0),
    (&["imus", "0", "accel_id"], 2.0),
    (&["feet", "2", "id"], 2.0),
    (&["noise", "gyro_std_rad_s"], 2.0),
    (&["noise", "accel_std_m_s2"], 2.0),
    (&["noise", "q_std_rad"], 2.0),
    (&["noise", "dq_std_rad_s"], 2.0),
    (&["noise", "force_std_n"], 2.0),
    (&["noise", "gyro_bias_max_rad_s"], 2.0),
    (&["noise", "accel_bias_max_m_s2"], 2.0),
    (&["noise", "q_bias_max_rad"], 2.0),
    (&["noise", "force_bias_max_n"], 2.0),
    (&["postures", "lie", "q_rad", "RL_calf"], 0.9),
    (&["postures", "lie", "height_m"], 1.1),
    (&["postures", "stand", "q_rad", "FR_thigh"], 1.1),
    (&["postures", "stand", "height_m"], 1.1),
    (&["stand", "kp"], 1.1),
    (&["stand", "kd"], 1.1),
    (&["stand", "stand_up_s"], 1.1),
    (&["stand", "lie_down_s"], 1.1),
    (&["protection", "tilt_limit_rad"], 1.1),
    (&["protection", "battery", "voltage_min_v"], 1.05),
    (&["protection", "battery", "voltage_warn_v"], 1.05),
    (&["protection", "battery", "voltage_max_v"], 1.1),
    (&["protection", "battery", "current_max_a"], 1.1),
    (&["policy", "latency_ticks_min"], 2.0),
];

fn changed(path: &[&str], factor: f64) -> Robot {
    let mut tree = Tree::frozen();
    let Tree::Number(value) = tree.at(path) else { panic!("{path:?} is no number") };
    *value *= factor;
    tree.load()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn key_order_and_spelling_do_not_count(seed in any::<u64>()) {
        let mut tree = Tree::frozen();
        tree.shuffle(&mut seed.clone());
        let (spelt_anew, robot) = (tree.load(), frozen::robot());
        prop_assert_eq!(spelt_anew.hash, robot.hash);
        prop_assert_eq!(spelt_anew.limits_hash, robot.limits_hash);
        prop_assert_eq!(spelt_anew, robot);
    }

    #[test]
    fn any_tightening_of_any_limit_changes_both(joint in 0..12usize, cut in 0.5..0.999f64, which in 0..4usize) {
        let key = ["tau_max_nm", "q_min_rad", "q_max_rad", "dq_max_rad_s"][which];
        let robot = frozen::robot();
        let limits = &robot.joints[joint].limits;
        // Half way towards the standing pose and less: the posture stays legal.
        let stand = robot.joints[joint].default_q_rad;
        let value = match which {
            0 => limits.tau_max_nm * cut,
            1 => stand + (limits.q_min_rad - stand) * cut,
            2 => stand + (limits.q_max_rad - stand) * cut,
            _ => limits.dq_max_rad_s * cut,
        };
        let mut tree = Tree::frozen();
        let place = joint.to_string();
        let Tree::Map(Entries(entries)) = tree.at(&["joints", &place, "limits"]) else { panic!() };
        entries.retain(|(name, _)| name != key);
        entries.push((key.to_owned(), Tree::Number(value)));
        // The folded legs of the lying pose may lie outside a tightened range: lie as one stands.
        let stand = tree.at(&["postures", "stand", "q_rad"]).clone();
        *tree.at(&["postures", "lie", "q_rad"]) = stand.clone();
        let mut untouched = Tree::frozen();
        *untouched.at(&["postures", "lie", "q_rad"]) = stand;
        let (tightened, robot) = (tree.load(), untouched.load());
        prop_assert_ne!(tightened.hash, robot.hash);
        prop_assert_ne!(tightened.limits_hash, robot.limits_hash);
    }
}

#[test]
fn every_number_of_the_limits_part_changes_both_hashes() {
    let robot = frozen::robot();
    for (path, factor) in LIMITS {
        let other = changed(path, *factor);
        assert_ne!(other.hash, robot.hash, "{path:?}");
        assert_ne!(other.limits_hash, robot.limits_hash, "{path:?}");
    }
}

#[test]
fn every_other_number_changes_the_whole_and_leaves_the_limits() {
    let robot = frozen::robot();
    for (path, factor) in REST {
        let other = changed(path, *factor);
        assert_ne!(other.hash, robot.hash, "{path:?}");
        assert_eq!(other.limits_hash, robot.limits_hash, "{path:?}");
    }
}

#[test]
fn the_model_counts_and_its_comments_do_not() {
    let robot = frozen::robot();
    let commented = frozen::MODEL.replace("  <actuator>", "  <!-- drives -->\n\n  <actuator>");
    assert_eq!(Robot::parse(frozen::YAML, &commented).unwrap().hash, robot.hash);
    let swapped = frozen::MODEL.replace("kp=\"40\" kv=\"1.0\"", "kv=\"1.0\" kp=\"40\"");
    assert_ne!(swapped, frozen::MODEL);
    assert_eq!(Robot::parse(frozen::YAML, &swapped).unwrap().hash, robot.hash);
    for (from, to) in [("mass=\"8.0\"", "mass=\"8.1\""), ("iterations=\"4\"", "iterations=\"5\"")] {
        let model = frozen::MODEL.replacen(from, to, 1);
        let other = Robot::parse(frozen::YAML, &model).unwrap();
        assert_ne!(other.hash, robot.hash, "{from} -> {to}");
        assert_eq!(other.limits_hash, robot.limits_hash);
    }
}
