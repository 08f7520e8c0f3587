//! Joints: name, drive, limits, each held against the model.

use super::section::{Placed, Section};
use super::wiring::{Wiring, check_count, refuse_again};
use crate::error::{Place, RefusalKind, Refusals, nearest};
use crate::model::{JointKind, Model, ModelJoint};
use crate::range::{self, Range};
use crate::robot::{Device, Family, Joint, JointLimits, Scaling, WatchdogAction};
use crate::yaml::Node;
use sinew_wire::MAX_JOINTS;

/// Damiao models known by name.
const DAMIAO_MODELS: [&str; 8] =
    ["DM3507", "DM4310", "DM4340", "DM6006", "DM8006", "DM8009", "DM10010", "DM10010L"];
/// Unit of the Damiao TIMEOUT register, us.
const DAMIAO_TIMEOUT_UNIT_US: f64 = 50.0;
/// Rounding a limit written in decimals may cost against the model's.
const SLACK: f64 = 1e-9;

/// The joints that could be read, and whether those are all that are listed.
pub(super) struct Joints {
    pub list: Vec<Placed<Joint>>,
    pub complete: bool,
}

/// Reads `joints` over `joint_defaults` and tells the model their indices.
pub(super) fn read(
    root: &mut Section<'_>,
    model: &mut Model,
    model_file: &str,
    wiring: &mut Wiring,
    refusals: &mut Refusals,
) -> Joints {
    let defaults = root.node("joint_defaults");
    let nodes = root.list("joints", refusals);
    check_count(root, "joints", nodes.len(), MAX_JOINTS, refusals);
    let mut joints: Vec<Placed<Joint>> = Vec::with_capacity(nodes.len());
    let mut listed = Vec::with_capacity(nodes.len());
    for (i, own) in nodes.iter().enumerate() {
        let node = defaults.map_or_else(|| own.clone(), |defaults| own.over(defaults));
        let (name, joint) = read_one(&node, i, model, model_file, wiring, refusals);
        if listed.contains(&name.value) {
            refuse_again(&name, format!("joints[{i}].name"), "each joint once", refusals);
        }
        listed.push(name.value);
        let Some(joint) = joint else { continue };
        let index = joints.len();
        if let Some(body) = model.bodies.get_mut(joint.value.body)
            && let Some(of_model) = &mut body.joint
        {
            of_model.index = index;
        }
        joints.push(joint);
    }
    for joint in model.joints().filter(|joint| !listed.contains(&joint.name)) {
        let field = format!("joints[{}]", joint.name);
        let expected = format!("every joint of the model; line {} of {model_file} has this one", joint.line);
        let hint = format!("add `- {{name: {}, bus: ..., id: ..., reply_id: ...}}`", joint.name);
        refusals.add(RefusalKind::Missing, root.place(), field, "nothing", expected, hint);
    }
    Joints { complete: joints.len() == nodes.len(), list: joints }
}

/// Reads one joint; its name comes back also when the rest was refused.
fn read_one(
    node: &Node,
    i: usize,
    model: &Model,
    model_file: &str,
    wiring: &mut Wiring,
    refusals: &mut Refusals,
) -> (Placed<String>, Option<Placed<Joint>>) {
    let mut section = Section::open(node, format!("joints[{i}]"), refusals);
    let name = section.name("name", refusals);
    if !name.value.is_empty() {
        section = Section::open(node, format!("joints[{}]", name.value), refusals);
        section.node("name");
    }
    let body =
        model.bodies.iter().position(|b| b.joint.as_ref().is_some_and(|joint| joint.name == name.value));
    let of_model = body.and_then(|body| model.bodies.get(body)).and_then(|body| body.joint.as_ref());
    if of_model.is_none() && !name.value.is_empty() {
        let known: Vec<&str> = model.joints().map(|joint| joint.name.as_str()).collect();
        let hint = nearest(&name.value, known.iter().copied());
        let (field, found) = (section.path_of("name"), format!("`{}`", name.value));
        let expected = format!("a joint of {model_file}: {}", known.join(", "));
        refusals.add(RefusalKind::UnknownName, name.place, field, found, expected, hint);
    }
    let device = read_device(&mut section, wiring, refusals);
    let kd_safe = section.number(&range::KD_SAFE, refusals);
    let limits = match section.section("limits", refusals) {
        Some(limits) => read_limits(limits, of_model, model_file, &device, refusals),
        None => None,
    };
    if let Some(limits) = &limits
        && kd_safe.value > limits.kd_max
    {
        let (found, expected) = (kd_safe.value.to_string(), format!("at most kd_max = {}", limits.kd_max));
        refusals.add(RefusalKind::Conflict, kd_safe.place, section.path_of("kd_safe"), found, expected, "");
    }
    section.finish(refusals);
    let joint = match (limits, device, body) {
        (Some(limits), Some(device), Some(body)) => Some(Joint {
            name: name.value.clone(),
            kind: of_model.map_or(JointKind::Hinge, |joint| joint.kind),
            limits,
            kd_safe: kd_safe.value,
            default_q_rad: 0.0,
            device,
            body,
        }),
        _ => None,
    };
    let place = name.place;
    (name, joint.map(|value| Placed { value, place }))
}

fn read_device(section: &mut Section<'_>, wiring: &mut Wiring, refusals: &mut Refusals) -> Option<Device> {
    let bus = wiring.bus_of(section, true, refusals);
    let id = section.number(&range::ID, refusals);
    wiring.claim(bus, id, section.path_of("id"), refusals);
    let reply_id = section.number(&range::REPLY_ID, refusals);
    wiring.claim(bus, reply_id, section.path_of("reply_id"), refusals);
    let mut drive = section.section("drive", refusals)?;
    let family = drive.choice("family", &[("damiao", Family::Damiao)], refusals);
    let model = drive.choice("model", &DAMIAO_MODELS.map(|model| (model, model)), refusals);
    let gear = drive.number(&range::GEAR, refusals).value;
    let sign = read_sign(&mut drive, refusals);
    let offset_rad = drive.number(&range::OFFSET_RAD, refusals).value;
    let watchdog = drive.number(&range::WATCHDOG_MS, refusals);
    let units = watchdog.value * 1e3 / DAMIAO_TIMEOUT_UNIT_US;
    if (units - units.round()).abs() > 1e-6 {
        let (field, found) = (drive.path_of("watchdog_ms"), watchdog.value.to_string());
        let hint = "the drive counts in these steps";
        refusals.add(RefusalKind::OutOfRange, watchdog.place, field, found, "a multiple of 0.05 ms", hint);
    }
    let action = drive.choice("watchdog_action", &[("off", WatchdogAction::Off)], refusals);
    let scaling = drive.section("scaling", refusals).map(|mut section| {
        let scaling = Scaling {
            p_max_rad: section.number(&range::P_MAX_RAD, refusals).value,
            v_max_rad_s: section.number(&range::V_MAX_RAD_S, refusals).value,
            t_max_nm: section.number(&range::T_MAX_NM, refusals).value,
        };
        section.finish(refusals);
        scaling
    });
    drive.finish(refusals);
    Some(Device {
        bus,
        id: id.value as u16,
        reply_id: reply_id.value as u16,
        family: family?,
        model: model?.to_owned(),
        gear,
        sign,
        offset_rad,
        scaling: scaling?,
        watchdog_ns: (watchdog.value * 1e6).round() as u64,
        watchdog_action: action?,
    })
}

fn read_sign(drive: &mut Section<'_>, refusals: &mut Refusals) -> f64 {
    const SIGN: Range =
        Range { section: "drive", key: "sign", min: -1.0, max: 1.0, default: Some(1.0), whole: true };
    let sign = drive.number(&SIGN, refusals);
    if sign.value == 0.0 {
        refusals.add(RefusalKind::OutOfRange, sign.place, drive.path_of("sign"), "0", "1 or -1", "");
    }
    sign.value
}

/// The limits of one joint: the model's where the file is silent, never wider than the model's or the drive's.
fn read_limits(
    mut section: Section<'_>,
    of_model: Option<&ModelJoint>,
    model_file: &str,
    device: &Option<Device>,
    refusals: &mut Refusals,
) -> Option<JointLimits> {
    let line = of_model.map_or(0, |joint| joint.line);
    let range_of_model = of_model.and_then(|joint| joint.range);
    let low = range_of_model.map(|(low, _)| low);
    let high = range_of_model.map(|(_, high)| high);
    let effort = of_model.and_then(|joint| joint.effort_max);
    let source = Source { file: model_file, line };
    let q_min = bounded(&mut section, &range::Q_MIN_RAD, low, Bound::AtLeast, &source, refusals);
    let q_max = bounded(&mut section, &range::Q_MAX_RAD, high, Bound::AtMost, &source, refusals);
    let tau_max = bounded(&mut section, &range::TAU_MAX_NM, effort, Bound::AtMost, &source, refusals);
    let dq_max = section.number(&range::DQ_MAX_RAD_S, refusals);
    let ddq_max_rad_s2 = section.number(&range::DDQ_MAX_RAD_S2, refusals).value;
    let kp_max = section.number(&range::KP_MAX, refusals).value;
    let kd_max = section.number(&range::KD_MAX, refusals).value;
    let warn = section.number(&range::TEMPERATURE_WARN_C, refusals);
    let max = section.number(&range::TEMPERATURE_MAX_C, refusals);
    let mut conflict = |key: &str, place: Place, found: String, expected: String| {
        refusals.add(RefusalKind::Conflict, place, section.path_of(key), found, expected, "");
    };
    if warn.value >= max.value {
        let expected = format!("below temperature_max_c = {}", max.value);
        conflict("temperature_warn_c", warn.place, warn.value.to_string(), expected);
    }
    if let (Some(q_min), Some(q_max)) = (&q_min, &q_max)
        && q_min.value >= q_max.value
    {
        let expected = format!("below q_max_rad = {}", q_max.value);
        conflict("q_min_rad", q_min.place, q_min.value.to_string(), expected);
    }
    if let (Some(device), Some(q_min), Some(q_max), Some(tau)) = (device, &q_min, &q_max, &tau_max) {
        let Scaling { p_max_rad, v_max_rad_s, t_max_nm } = device.scaling;
        let mut fits = |key: &str, place: Place, joint: f64, drive: f64, full_scale: f64| {
            if drive.abs() > full_scale {
                let expected =
                    format!("within the drive's full scale of {full_scale} (here {drive} at the drive)");
                conflict(key, place, joint.to_string(), expected);
            }
        };
        fits("q_min_rad", q_min.place, q_min.value, device.device_q_rad(q_min.value), p_max_rad);
        fits("q_max_rad", q_max.place, q_max.value, device.device_q_rad(q_max.value), p_max_rad);
        fits("dq_max_rad_s", dq_max.place, dq_max.value, device.device_dq_rad_s(dq_max.value), v_max_rad_s);
        fits("tau_max_nm", tau.place, tau.value, device.device_tau_nm(tau.value), t_max_nm);
    }
    section.finish(refusals);
    Some(JointLimits {
        q_min_rad: q_min?.value,
        q_max_rad: q_max?.value,
        dq_max_rad_s: dq_max.value,
        ddq_max_rad_s2,
        tau_max_nm: tau_max?.value,
        kp_max,
        kd_max,
        temperature_warn_c: warn.value,
        temperature_max_c: max.value,
    })
}

/// Where the model's value stands.
struct Source<'a> {
    file: &'a str,
    line: u32,
}

enum Bound {
    AtLeast,
    AtMost,
}

/// A limit the file may tighten and the model bounds.
fn bounded(
    section: &mut Section<'_>,
    range: &Range,
    of_model: Option<f64>,
    bound: Bound,
    source: &Source<'_>,
    refusals: &mut Refusals,
) -> Option<Placed<f64>> {
    let own = section.optional_number(range, refusals);
    let field = section.path_of(range.key);
    let (Some(own), Some(of_model)) = (own, of_model) else {
        let either = own.or(of_model.map(|value| Placed { value, place: section.place() }));
        if either.is_none() && source.line > 0 {
            let expected = format!("a limit here or at line {} of {}", source.line, source.file);
            let hint = "a joint without a limit is not driven";
            refusals.add(RefusalKind::Missing, section.place(), field, "nothing", expected, hint);
        }
        return either;
    };
    let (wider, word) = match bound {
        Bound::AtLeast => (own.value < of_model - SLACK, "at least"),
        Bound::AtMost => (own.value > of_model + SLACK, "at most"),
    };
    if wider {
        let expected = format!("{word} {of_model} (line {} of {})", source.line, source.file);
        let hint = "robot.yaml may tighten the model's limits, not widen them";
        refusals.add(RefusalKind::Conflict, own.place, field, own.value.to_string(), expected, hint);
    }
    Some(own)
}
