//! Wrong descriptions: each row is one mistake a person makes, and what they are told.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod frozen;

use sinew_robot::{LoadError, Refusal, RefusalKind, Robot};

/// One mistake: text replaced once, the line it then stands on (a fragment of that line), and what is said.
struct Row {
    from: &'static str,
    to: &'static str,
    /// The refused line contains this.
    line: &'static str,
    kind: RefusalKind,
    /// The field path.
    field: &'static str,
    /// Part of `found`.
    found: &'static str,
    /// Part of `expected`.
    expected: &'static str,
}

macro_rules! rows {
    ($($kind:ident: $from:expr => $to:expr, on $line:expr, $field:expr, $found:expr, $expected:expr;)*) => {
        &[$(Row {
            from: $from,
            to: $to,
            line: $line,
            kind: RefusalKind::$kind,
            field: $field,
            found: $found,
            expected: $expected,
        }),*]
    };
}

const FR_CALF: &str =
    "name: FR_calf, bus: can2, id: 0x01, reply_id: 0x11, limits: {ddq_max_rad_s2: 400, tau_max_nm: 36}";

const IN_YAML: &[Row] = rows! {
    // Spelling, types, ranges.
    Unknown: "  dq_std_rad_s: 0.05" => "  dq_std_rads: 0.05", on "dq_std_rads:",
        "noise.dq_std_rads", "`dq_std_rads`", "one of gyro_std_rad_s";
    Missing: "  dq_std_rad_s: 0.05" => "  # 0.05", on "gyro_std_rad_s: 0.01",
        "noise.dq_std_rad_s", "nothing", "a number 0..5";
    Duplicate: "  kp: 60 " => "  kp: 60\n  kp: 50 ", on "  kp: 50", "stand.kp", "`kp` again", "each key once";
    WrongType: "  kp: 60 " => "  kp: sixty ", on "kp: sixty", "stand.kp", "`sixty`", "a number 1..500";
    WrongType: "  t1_ms: 10 " => "  t1_ms: 10ms ", on "t1_ms: 10ms", "timing.t1_ms", "`10ms`", "a number 4..20";
    WrongType: "  t1_ms: 10 " => "  t1_ms: \"10\" ", on "t1_ms: \"10\"", "timing.t1_ms", "`10`", "a number 4..20";
    WrongType: "  t1_ms: 10 " => "  t1_ms: ", on "t1_ms:  ", "timing.t1_ms", "nothing", "a number 4..20";
    NotFinite: "  kd: 2 " => "  kd: .nan ", on "kd: .nan", "stand.kd", "NaN", "a number 0..5";
    NotFinite: "dq_max_rad_s: 21 " => "dq_max_rad_s: .inf ", on "dq_max_rad_s: .inf",
        "joints[FR_hip].limits.dq_max_rad_s", "inf", "a number 0.1..60";
    OutOfRange: "dq_max_rad_s: 21 " => "dq_max_rad_s: 2100 ", on "dq_max_rad_s: 2100",
        "joints[FR_hip].limits.dq_max_rad_s", "2100", "a number 0.1..60";
    OutOfRange: "  t2_ms: 50 " => "  t2_ms: 500 ", on "t2_ms: 500", "timing.t2_ms", "500", "a number 10..100";
    OutOfRange: "reply_misses_max: 5 " => "reply_misses_max: 2.5 ", on "reply_misses_max: 2.5",
        "timing.reply_misses_max", "2.5", "a whole number 1..50";
    OutOfRange: "schema: 1 " => "schema: 2 ", on "schema: 2", "schema", "2", "1";
    OutOfRange: "period_ms: 2 " => "period_ms: 0.5 ", on "period_ms: 0.5", "period_ms", "0.5", "a number 1..10";
    WrongType: "name: quad " => "name: \"the dog\" ", on "the dog", "name", "`the dog`", "letters, digits and `_`";
    OutOfRange: "model: quad.xml " => "model: ../../other/quad.xml ", on "model: ..",
        "model", "../../other", "an MJCF file beside robot.yaml";
    OutOfRange: "model: quad.xml " => "model: ../../quad.xml ", on "model: ..", "model", "../../quad.xml", "an MJCF file beside";
    OutOfRange: "model: quad.xml " => "model: /etc/quad.xml ", on "model: /etc", "model", "/etc", "an MJCF file beside";
    OutOfRange: "model: quad.xml " => "model: sub/quad.xml ", on "model: sub", "model", "sub/", "an MJCF file beside";
    WrongType: "orientation_wxyz: [1, 0, 0, 0]" => "orientation_wxyz: [0, 0, 0]", on "orientation_wxyz: [0",
        "imus[0].orientation_wxyz", "a list of 3", "a list of 4 numbers";
    WrongType: "noise:\n" => "noise: 3\nnoises:\n", on "noise: 3", "noise", "3", "a map";
    Unknown: "policy:\n" => "polices: {}\npolicy:\n", on "polices:", "polices", "`polices`", "policy";

    // Names that are not there.
    UnknownName: "name: FR_calf," => "name: FR_claf,", on "FR_claf",
        "joints[FR_claf].name", "`FR_claf`", "a joint of quad.xml: FR_hip";
    Duplicate: "name: FL_hip," => "name: FR_hip,", on "id: 0x02, reply_id: 0x12, limits: {ddq_max_rad_s2: 150",
        "joints[3].name", "`FR_hip` again", "each joint once";
    UnknownName: "name: FR_calf, bus: can2" => "name: FR_calf, bus: can9", on "can9",
        "joints[FR_calf].bus", "`can9`", "a bus of kind drives: can0, can1, can2";
    UnknownName: "name: FR, bus: can3" => "name: FR, bus: can0", on "name: FR, bus: can0",
        "feet[0].bus", "`can0`", "a bus of kind sensors: can3";
    UnknownName: "site: FR_foot" => "site: FR_food", on "FR_food",
        "feet[0].site", "`FR_food`", "a site of the model: imu, FR_foot";
    UnknownName: "model: DM8009 " => "model: DM8900 ", on "DM8900",
        "joints[FR_hip].drive.model", "`DM8900`", "one of DM3507";
    UnknownName: "watchdog_action: off" => "watchdog_action: hold", on "watchdog_action: hold",
        "joints[FR_hip].drive.watchdog_action", "`hold`", "one of off";
    UnknownName: "kind: sensors" => "kind: sensor", on "kind: sensor,", "buses[3].kind", "`sensor`", "one of drives, sensors";
    Duplicate: "name: can1, kind" => "name: can0, kind", on "  - {name: can0, kind: drives, bitrate_bps: 1000000}",
        "buses[1].name", "`can0` again", "each bus once";

    // Postures.
    Missing: "{FR_hip: 0, " => "{", on "FR_thigh: 0.8", "postures.stand.q_rad.FR_hip", "nothing", "every joint of the robot";
    Unknown: "{FR_hip: 0, " => "{tail: 0, FR_hip: 0, ", on "tail: 0", "postures.stand.q_rad.tail", "`tail`", "FR_hip";
    OutOfRange: "FR_calf: -2.65" => "FR_calf: -2.75", on "FR_calf: -2.75",
        "postures.lie.q_rad.FR_calf", "-2.75", "a number -2.7..-0.8";
    Conflict: "height_m: 0.29" => "height_m: 0.5", on "height_m: 0.5",
        "postures.stand.height_m", "0.5 m", "within 0.1 m of the 0.329 m";

    // Limits against the model, the drive and each other.
    Conflict: "400, tau_max_nm: 36" => "400, tau_max_nm: 40", on "tau_max_nm: 40",
        "joints[FR_calf].limits.tau_max_nm", "40", "at most 36 (line";
    Conflict: "400, tau_max_nm: 36" => "400, q_min_rad: -2.8", on "q_min_rad: -2.8",
        "joints[FR_calf].limits.q_min_rad", "-2.8", "at least -2.7 (line";
    Conflict: "400, tau_max_nm: 36" => "400, q_max_rad: -0.7", on "q_max_rad: -0.7",
        "joints[FR_calf].limits.q_max_rad", "-0.7", "at most -0.8 (line";
    Conflict: "400, tau_max_nm: 36" => "400, q_min_rad: -0.9, q_max_rad: -1", on "q_max_rad: -1}",
        "joints[FR_calf].limits.q_min_rad", "-0.9", "below q_max_rad = -1";
    Conflict: "v_max_rad_s: 45 " => "v_max_rad_s: 20 ", on "dq_max_rad_s: 21",
        "joints[FR_hip].limits.dq_max_rad_s", "21", "within the drive's full scale of 20";
    Conflict: "  kd_safe: 3 " => "  kd_safe: 4 ", on "kd_safe: 4", "joints[FR_hip].kd_safe", "4", "at most kd_max = 3.5";
    Conflict: "temperature_warn_c: 75" => "temperature_warn_c: 95", on "temperature_warn_c: 95",
        "joints[FR_hip].limits.temperature_warn_c", "95", "below temperature_max_c = 90";
    Conflict: "  kp: 60 " => "  kp: 130 ", on "kp: 130", "stand.kp", "130", "at most kp_max = 120";
    Conflict: "voltage_warn_v: 22 " => "voltage_warn_v: 32 ", on "voltage_warn_v: 32",
        "protection.battery.voltage_warn_v", "32", "voltage_min_v = 20";
    OutOfRange: "sign: 1 " => "sign: 0 ", on "sign: 0", "joints[FR_hip].drive.sign", "0", "1 or -1";

    // Timing.
    Conflict: "  t1_ms: 10 " => "  t1_ms: 6 ", on "valid_for_ms: 8", "timing.valid_for_ms", "8", "at most t1_ms = 6";
    Conflict: "valid_for_ms: 8 " => "valid_for_ms: 3 ", on "valid_for_ms: 3", "timing.valid_for_ms", "3", "two periods";
    Conflict: "  t2_ms: 50 " => "  t2_ms: 10 ", on "t1_ms: 10", "timing.t1_ms", "10", "below t2_ms = 10";
    Conflict: "watchdog_ms: 55" => "watchdog_ms: 45", on "name: FR_hip, bus",
        "joints[FR_hip].drive.watchdog_ms", "45 ms", "after t2_ms = 50 and at most 70 ms";
    Conflict: "watchdog_ms: 55" => "watchdog_ms: 500", on "name: FR_hip, bus",
        "joints[FR_hip].drive.watchdog_ms", "500 ms", "at most 70 ms";
    OutOfRange: "watchdog_ms: 55 " => "watchdog_ms: 55.03 ", on "watchdog_ms: 55.03",
        "joints[FR_hip].drive.watchdog_ms", "55.03", "a multiple of 0.05 ms";

    // Wiring.
    Duplicate: "name: FL_hip, bus: can0, id: 0x02" => "name: FL_hip, bus: can0, id: 0x01", on "name: FL_hip",
        "joints[FL_hip].id", "0x001, which joints[FR_hip].id already has", "an id that is free";
    Duplicate: "name: FL_hip, bus: can0, id: 0x02, reply_id: 0x12" => "name: FL_hip, bus: can0, id: 0x02, reply_id: 0x11",
        on "name: FL_hip", "joints[FL_hip].reply_id", "0x011, which joints[FR_hip].reply_id", "an id that is free";
    Duplicate: "id: 0x0B3" => "id: 0x0A0", on "name: RL, bus", "feet[3].id", "0x0A0, which imus[0].gyro_id", "free";
    OutOfRange: "name: FL_hip, bus: can0, id: 0x02" => "name: FL_hip, bus: can0, id: 0x20", on "name: FL_hip",
        "joints[FL_hip].id", "32", "a whole number 1..15";
    Budget: "name: can1, kind: drives, bitrate_bps: 1000000" => "name: can1, kind: drives, bitrate_bps: 500000",
        on "name: can1", "buses[can1]", "8 frames, 2160 us of 2000 us = 108 %", "at most 80 %";
    Budget: "sensors, bitrate_bps: 1000000" => "sensors, bitrate_bps: 500000", on "name: can3",
        "buses[can3]", "7 frames, 1890 us of 2000 us = 94 %", "at most 80 %";
    Budget: "period_ms: 2 " => "period_ms: 1 ", on "name: can0, kind", "buses[can0]", "1080 us of 1000 us", "at most 80 %";
    Conflict: "position_m: [0, 0, 0]" => "position_m: [0, 0, 0.1]", on "site: imu ",
        "imus[0].site", "[0.0, 0.0, 0.1]", "[0.0, 0.0, 0.0]";
    OutOfRange: "orientation_wxyz: [1, 0, 0, 0]" => "orientation_wxyz: [1, 0.1, 0, 0]", on "orientation_wxyz: [1",
        "imus[0].orientation_wxyz", "a quaternion of norm 1.00498", "norm 1";
    Unsupported: "site: imu " => "site: FR_foot ", on "site: FR_foot ", "imus[0].site", "moves against the base", "base body";
    Conflict: "site: FR_foot}" => "site: imu}", on "site: imu}", "feet[0].site", "`imu` 0.0550 m above the lowest", "sphere geom";
    Unsupported: "site: FR_foot}" => "site: imu}", on "site: imu}", "feet[FR].site", "0 joints", "1 to 8 hinges";

    // How it begins, and how policies are left.
    UnknownName: "policy:\n" => "start: {held_by: crane}\npolicy:\n", on "crane", "start.held_by", "`crane`", "one of ground, harness";
    Missing: "policy:\n" => "start: {}\npolicy:\n", on "start: {}", "start.held_by", "nothing", "one of ground, harness";
    Unknown: "policy:\n" => "start: {held_by: ground, height_m: 1}\npolicy:\n", on "height_m: 1}", "start.height_m", "`height_m`", "held_by";
    OutOfRange: "policy:\n" => "policy:\n  stop_first_s: 9\n", on "stop_first_s: 9", "policy.stop_first_s", "9", "a number 0..5";
    UnknownName: "policy:\n" => "policy:\n  on_loss: hold\n", on "on_loss: hold", "policy.on_loss", "`hold`", "one of stand, damping";
};

const IN_MODEL: &[Row] = rows! {
    NotFinite: "mass=\"8.0\"" => "mass=\"nan\"", on "mass=\"nan\"", "inertial@mass", "`nan`", "finite";
    OutOfRange: "mass=\"8.0\"" => "mass=\"-8\"", on "mass=\"-8\"", "inertial@mass", "`-8`", "above 0";
    OutOfRange: "diaginertia=\"0.05 0.12 0.14\"" => "diaginertia=\"0.05 0.12 0.4\"", on "0.05 0.12 0.4",
        "inertial@diaginertia", "0.4", "none larger than the other two together";
    Missing: "<inertial pos=\"0 0 0\" mass=\"8.0\" diaginertia=\"0.05 0.12 0.14\"/>" => "", on "<body name=\"trunk\"",
        "body[trunk]/inertial", "nothing", "an <inertial>";
    WrongType: "pos=\"0 0 0.33\"" => "pos=\"0 0\"", on "pos=\"0 0\"", "body[trunk]@pos", "`0 0`", "3 numbers";
    WrongType: "pos=\"0 0 0.33\"" => "pos=\"0, 0, 0.33\"", on "0, 0, 0.33", "body[trunk]@pos", "`0, 0, 0.33`", "3 numbers";
    Unsupported: "pos=\"0 0 0.33\"" => "euler=\"0 0 1\"", on "euler", "body[trunk]@euler", "`0 0 1`", "quat or axisangle";
    OutOfRange: "<joint name=\"FR_hip\" axis=\"1 0 0\"" => "<joint name=\"FR_hip\" axis=\"0 0 0\"", on "axis=\"0 0 0\"",
        "joint[FR_hip]@axis", "`0 0 0`", "not zero";
    OutOfRange: "range=\"-0.9 0.9\"" => "range=\"0.9 -0.9\"", on "range=\"0.9", "joint[FR_hip]@range", "`0.9 -0.9`", "low below high";
    Unsupported: "<joint name=\"FR_hip\" axis" => "<joint name=\"FR_hip\" type=\"ball\" axis", on "ball",
        "joint[FR_hip]@type", "`ball`", "hinge or slide";
    Unsupported: "<joint name=\"FR_hip\" axis" => "<joint name=\"FR_hip\" ref=\"0.2\" axis", on "ref=", "joint[FR_hip]@ref", "`0.2`", "0";
    Unsupported: "<joint name=\"FR_hip\" axis" => "<joint name=\"FR_hip\" pos=\"0 0 1\" axis", on "pos=\"0 0 1\"",
        "joint[FR_hip]@pos", "`0 0 1`", "0 0 0";
    Duplicate: "<joint name=\"FL_hip\"" => "<joint name=\"FR_hip\"", on "name=\"FR_hip\"", "joint[FR_hip]@name", "again", "each name once";
    Duplicate: "<body name=\"FL_hip\"" => "<body name=\"FR_hip\"", on "name=\"FR_hip\"", "body[FR_hip]@name", "again", "each name once";
    Missing: "<body name=\"FR_hip\" pos" => "<body pos", on "<body pos", "body@name", "nothing", "a name";
    UnknownName: "class=\"knee\" axis" => "class=\"kne\" axis", on "class=\"kne\"", "joint@class", "`kne`", "knee";
    UnknownName: "joint=\"FR_thigh\"/>" => "joint=\"FR_tigh\"/>", on "FR_tigh", "position[FR_thigh]@joint", "`FR_tigh`", "FR_thigh";
    Unsupported: "<position name=\"FR_hip\"" => "<general name=\"FR_hip\"", on "<general", "general[FR_hip]", "this actuator", "position, velocity or motor";
    OutOfRange: "forcerange=\"-24 24\"" => "forcerange=\"24 24\"", on "forcerange=\"24 24\"",
        "position[FR_hip]@forcerange", "`24 24`", "a range around zero";
    Unsupported: "  <actuator>" => "  <include file=\"more.xml\"/>\n  <actuator>", on "<include", "include", "<include>", "supported MJCF subset";
    Unsupported: "autolimits=\"true\"" => "eulerseq=\"zyx\"", on "eulerseq", "compiler@eulerseq", "`zyx`", "angle";
    UnknownName: "angle=\"radian\"" => "angle=\"rad\"", on "angle=\"rad\"", "compiler@angle", "`rad`", "radian or degree";
    Unsupported: "    </body>\n  </worldbody>" => "    </body><body name=\"box\"/>\n  </worldbody>", on "<body name=\"box\"",
        "worldbody", "2 bodies", "exactly one body";
    Missing: "size=\"0.022\" contype=\"1\" conaffinity=\"1\"" => "size=\"0.022\"", on "name: FR, bus",
        "feet[0].site", "`FR_foot` without a shape that touches the ground", "sphere geom";
    OutOfRange: "size=\"0.012\"" => "size=\"0\"", on "size=\"0\"", "geom@size", "`0`", "lengths above 0";
};

fn without(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the file has no `{from}`: mend the row");
    text.replacen(from, to, 1)
}

fn refusals(yaml: &str, model: &str) -> Vec<Refusal> {
    match Robot::parse(yaml, model) {
        Err(LoadError::Refused(list)) => list,
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

/// The row must be among the refusals, on its line, and `Display` must print all its parts.
fn check(row: &Row, file: &str, text: &str, list: &[Refusal]) -> Result<(), String> {
    let told = list.iter().find(|refusal| refusal.kind == row.kind && refusal.field == row.field);
    let refusal = told.ok_or_else(|| format!("`{}` not refused at {}: {list:#?}", row.to, row.field))?;
    let line = text.lines().nth(refusal.line as usize - 1).unwrap_or_default();
    let printed = refusal.to_string();
    let place = format!("{file}:{}:{}: {}: found ", refusal.line, refusal.column, row.field);
    if !line.contains(row.line) {
        return Err(format!("{printed}\nstands on `{line}`, not on `{}`", row.line));
    }
    if !refusal.found.contains(row.found) || !refusal.expected.contains(row.expected) {
        return Err(format!("{printed}\nsays neither `{}` nor `{}`", row.found, row.expected));
    }
    if !printed.starts_with(&place) || !printed.contains(row.found) || !printed.contains(row.expected) {
        return Err(format!("{printed}\nlacks a part"));
    }
    Ok(())
}

#[test]
fn every_mistake_in_the_yaml_is_told_with_its_place_and_what_was_expected() {
    let wrong: Vec<String> = IN_YAML
        .iter()
        .filter_map(|row| {
            // One row needs a companion: the default kd_max is already the largest the schema takes.
            let base = match row.field {
                "joints[FR_hip].kd_safe" => without(frozen::YAML, "kd_max: 5 ", "kd_max: 3.5 "),
                _ => frozen::YAML.to_owned(),
            };
            let yaml = without(&base, row.from, row.to);
            check(row, "robot.yaml", &yaml, &refusals(&yaml, frozen::MODEL)).err()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_mistake_in_the_model_is_told_with_its_place_and_what_was_expected() {
    let wrong: Vec<String> = IN_MODEL
        .iter()
        .filter_map(|row| {
            let model = without(frozen::MODEL, row.from, row.to);
            // A model whose feet do not fit is told where robot.yaml names them.
            let (file, text) = match row.field.starts_with("feet") {
                true => ("robot.yaml", frozen::YAML),
                false => ("quad.xml", model.as_str()),
            };
            check(row, file, text, &refusals(frozen::YAML, &model)).err()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn the_unchanged_files_are_right_and_the_check_itself_can_fail() {
    assert_eq!(refusals(frozen::YAML, frozen::MODEL), []);
    let row = &IN_YAML[0];
    let yaml = without(frozen::YAML, row.from, row.to);
    let list = refusals(&yaml, frozen::MODEL);
    assert!(check(row, "robot.yaml", &yaml, &list).is_ok());
    let planted = [
        Row { line: "kp: 60", ..*row },
        Row { kind: RefusalKind::Missing, ..*row },
        Row { field: "noise.other", ..*row },
        Row { found: "something else", ..*row },
        Row { expected: "something else", ..*row },
    ];
    assert!(planted.iter().all(|wrong| check(wrong, "robot.yaml", &yaml, &list).is_err()));
    assert!(check(row, "other.yaml", &yaml, &list).is_err());
}

#[test]
fn a_joint_that_is_not_listed_and_one_without_limits_are_missing() {
    let yaml = without(frozen::YAML, &format!("  - {{{FR_CALF}}}\n"), "");
    let list = refusals(&yaml, frozen::MODEL);
    let missing = list.iter().find(|refusal| refusal.field == "joints[FR_calf]").unwrap();
    assert_eq!(missing.kind, RefusalKind::Missing);
    assert!(missing.expected.contains("every joint of the model; line"), "{missing}");

    let model = without(
        frozen::MODEL,
        "<joint name=\"FR_hip\" axis=\"1 0 0\" range=\"-0.9 0.9\"/>",
        "<joint name=\"FR_hip\" axis=\"1 0 0\"/>",
    );
    let list = refusals(frozen::YAML, &model);
    let missing: Vec<_> = list.iter().map(|refusal| (refusal.kind, refusal.field.as_str())).collect();
    assert!(missing.contains(&(RefusalKind::Missing, "joints[FR_hip].limits.q_min_rad")), "{missing:?}");
    assert!(missing.contains(&(RefusalKind::Missing, "joints[FR_hip].limits.q_max_rad")), "{missing:?}");
}

#[test]
fn hints_name_what_was_meant() {
    let hint = |from: &str, to: &str, field: &str| {
        let list = refusals(&without(frozen::YAML, from, to), frozen::MODEL);
        list.iter().find(|refusal| refusal.field == field).unwrap().to_string()
    };
    let told = hint("name: FR_calf,", "name: FR_claf,", "joints[FR_claf].name");
    assert!(told.contains("hint: did you mean `FR_calf`?"), "{told}");
    let told = hint("  dq_std_rad_s: 0.05", "  dq_std_rads: 0.05", "noise.dq_std_rads");
    assert!(told.contains("hint: did you mean `dq_std_rad_s`?"), "{told}");
}

#[test]
fn all_mistakes_come_at_once_in_file_order_and_a_wrong_default_once() {
    let yaml = without(frozen::YAML, "kp_max: 120 ", "kp_max: -1 ");
    let yaml = without(&yaml, "tilt_limit_rad: 0.9", "tilt_limit_rad: 9");
    let yaml = without(&yaml, "gyro_id: 0x0A0", "gyro_id: 0x801");
    let list = refusals(&yaml, frozen::MODEL);
    let leaves: Vec<_> = list.iter().filter_map(|refusal| refusal.field.rsplit('.').next()).collect();
    let told: Vec<_> = leaves.iter().filter(|leaf| **leaf != "kp").copied().collect();
    assert_eq!(told, ["kp_max", "gyro_id", "tilt_limit_rad"], "{list:#?}");
}

#[test]
fn one_mistake_is_one_refusal_however_much_hangs_on_it() {
    // All twelve joints, and with them both postures, hang on this one default.
    let list =
        refusals(&without(frozen::YAML, "watchdog_action: off", "watchdog_action: hold"), frozen::MODEL);
    assert_eq!(list.len(), 1, "{list:#?}");
    let list = refusals(&without(frozen::YAML, "  family: damiao ", "  # damiao "), frozen::MODEL);
    assert_eq!(list.len(), 1, "{list:#?}");
}

#[test]
fn text_that_is_neither_yaml_nor_xml_is_one_refusal_with_its_line() {
    let list = refusals("schema: 1\nname: [quad\nmodel: quad.xml\n", frozen::MODEL);
    assert_eq!((list.len(), list[0].kind), (1, RefusalKind::Syntax));
    assert!(list[0].line >= 2);
    let broken = without(frozen::MODEL, "</worldbody>", "</world>");
    let list = refusals(frozen::YAML, &broken);
    assert_eq!((list.len(), list[0].kind, list[0].file.as_str()), (1, RefusalKind::Syntax, "quad.xml"));
    assert!(list[0].line > 50, "{}", list[0]);
    let urdf = refusals(frozen::YAML, "<robot name=\"quad\"/>");
    assert!(
        urdf[0].to_string().contains("quad.xml:1:1: root element: found <robot>, expected <mujoco>"),
        "{}",
        urdf[0]
    );
    let bomb = "<!DOCTYPE m [<!ENTITY a \"aaaa\">]><mujoco/>";
    assert_eq!(refusals(frozen::YAML, bomb)[0].kind, RefusalKind::Syntax);
}

#[test]
fn more_joints_than_a_frame_can_carry_are_refused() {
    let extra: String =
        (0..60).map(|i| format!("  - {{name: extra{i}, bus: can0, id: 1, reply_id: 1}}\n")).collect();
    let yaml = without(frozen::YAML, "joints:\n", &format!("joints:\n{extra}"));
    let list = refusals(&yaml, frozen::MODEL);
    let told = list.iter().find(|refusal| refusal.field == "joints").unwrap();
    assert!(told.found == "72 entries" && told.expected == "at most 64", "{told}");
}

#[test]
fn a_file_that_cannot_be_a_description_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("robot.yaml"), vec![b'#'; 5 << 20]).unwrap();
    let error = Robot::load(folder.path()).unwrap_err();
    assert!(matches!(error, LoadError::TooLarge { .. }), "{error}");
    std::fs::write(folder.path().join("robot.yaml"), [0xFF, 0xFE, 0x00]).unwrap();
    let error = Robot::load(folder.path()).unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }), "{error}");
}

mod any_text {
    use super::*;
    use proptest::prelude::*;

    /// The text with a stretch of it replaced.
    fn mutated(text: &'static str) -> impl Strategy<Value = String> {
        (0..text.len(), 0..40usize, "[ -~\n]{0,12}").prop_map(move |(at, length, instead)| {
            let end = (at + length).min(text.len());
            match (text.get(..at), text.get(end..)) {
                (Some(head), Some(tail)) => format!("{head}{instead}{tail}"),
                _ => text.to_owned(),
            }
        })
    }

    proptest! {
        #[test]
        fn a_mangled_file_never_panics_and_never_gives_a_half_robot(
            yaml in mutated(frozen::YAML),
            model in mutated(frozen::MODEL),
        ) {
            for (yaml, model) in [(yaml.as_str(), frozen::MODEL), (frozen::YAML, model.as_str())] {
                match Robot::parse(yaml, model) {
                    Ok(robot) => {
                        prop_assert_eq!((robot.joints.len(), robot.legs.len()), (12, robot.feet.len()));
                        let finite = robot.joints.iter().all(|joint| {
                            joint.limits.tau_max_nm.is_finite() && joint.limits.q_min_rad < joint.limits.q_max_rad
                        });
                        prop_assert!(finite);
                    }
                    Err(error) => prop_assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
}
