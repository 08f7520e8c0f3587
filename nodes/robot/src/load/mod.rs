//! From text to a checked [`Robot`]: reads section by section, joins the model by name, checks the whole.

mod behaviour;
mod feet;
mod joints;
mod section;
mod wiring;

use crate::error::{LoadError, RefusalKind, Refusals};
use crate::kinematics::{LEG_JOINTS_MAX, Leg};
use crate::model::Model;
use crate::robot::{Foot, Robot};
use crate::yaml::Node;
use crate::{ROBOT_FILE, hash, mjcf, range};
use section::{Placed, Section};
use std::io::Read;
use std::path::Path;
use wiring::Wiring;

/// Largest description file accepted, bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Reads the two files of a robot's folder.
pub(crate) fn from_dir(dir: &Path) -> Result<Robot, LoadError> {
    let path = dir.join(ROBOT_FILE);
    let text = read(&path)?;
    from_text(&path.display().to_string(), &text, |name| {
        let path = dir.join(name);
        Ok((path.display().to_string(), read(&path)?))
    })
}

fn read(path: &Path) -> Result<String, LoadError> {
    let failed = |reason| LoadError::Read { path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    // One byte more than allowed tells a full file from a longer one, also where the size is not known.
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if read as u64 > MAX_FILE_BYTES {
        let file = path.display().to_string();
        return Err(LoadError::TooLarge { file, found_bytes: read as u64, max_bytes: MAX_FILE_BYTES });
    }
    Ok(text)
}

/// Reads a robot from the text of its `robot.yaml`; `open_model` gives (name for messages, text) of the MJCF.
pub(crate) fn from_text(
    file: &str,
    yaml: &str,
    open_model: impl FnOnce(&str) -> Result<(String, String), LoadError>,
) -> Result<Robot, LoadError> {
    let mut refusals = Refusals::new(file);
    let Some(node) = Node::parse(yaml, &mut refusals) else {
        return Err(LoadError::Refused(refusals.list));
    };
    let mut root = Section::open(&node, "", &mut refusals);
    root.number(&range::SCHEMA, &mut refusals);
    let name = root.name("name", &mut refusals).value;
    let period_ns = read_period(&mut root, &mut refusals);
    let Some(model_file) = read_model_name(&mut root, &mut refusals) else {
        return Err(LoadError::Refused(refusals.sorted()));
    };
    let (model_name, model_text) = open_model(&model_file)?;

    let mut model_refusals = Refusals::new(&model_name);
    let document = mjcf::document(&model_text, &mut model_refusals);
    let model = document.as_ref().and_then(|document| mjcf::parse(document, &mut model_refusals));
    let (Some(document), Some(mut model)) = (document.as_ref(), model) else {
        // Half the checks need the model; what the file itself shows wrong so far is told along.
        let mut all = refusals.sorted();
        all.extend(model_refusals.sorted());
        return Err(LoadError::Refused(all));
    };

    let mut wiring = Wiring::read(&mut root, &mut refusals);
    let joints = joints::read(&mut root, &mut model, &model_name, &mut wiring, &mut refusals);
    let imus = wiring::read_imus(&mut root, &model, &mut wiring, &mut refusals);
    let feet = feet::read(&mut root, &model, &mut wiring, &mut refusals);
    let noise = behaviour::read_noise(&mut root, &mut refusals);
    let start = behaviour::read_start(&mut root, &mut refusals);
    // Postures are judged joint by joint: with one joint missing they would only repeat its refusal.
    let postures = if joints.complete {
        behaviour::read_postures(&mut root, &joints.list, &mut refusals)
    } else {
        behaviour::PlacedPostures::unread(&mut root)
    };
    let joints = joints.list;
    let stand = behaviour::read_stand(&mut root, &joints, &mut refusals);
    let protection = behaviour::read_protection(&mut root, &mut refusals);
    let timing = behaviour::read_timing(&mut root, period_ns, &joints, &mut refusals);
    let policy = behaviour::read_policy(&mut root, &mut refusals);
    root.finish(&mut refusals);
    let legs = fold_legs(&model, &feet, &mut refusals);

    let mut joints: Vec<_> = joints.into_iter().map(|joint| joint.value).collect();
    for (joint, q_rad) in joints.iter_mut().zip(&postures.stand.value.q_rad) {
        joint.default_q_rad = *q_rad;
    }
    let (buses, bus_places) = wiring.buses();
    let stand_height = Placed { value: postures.stand.value.height_m, place: postures.stand.place };
    let mut robot = Robot {
        name,
        hash: [0; 32],
        limits_hash: 0,
        period_ns,
        model_file,
        model_text: model_text.clone(),
        model,
        joints,
        legs,
        buses,
        imus,
        feet: feet.into_iter().map(|foot| foot.value).collect(),
        noise,
        start,
        postures: postures.into_values(),
        stand,
        protection,
        timing,
        policy,
    };
    wiring::check_budget(&robot, &bus_places, &mut refusals);
    behaviour::check_height(&robot, stand_height, &mut refusals);
    refusals.finish()?;
    robot.limits_hash = hash::of_limits(&robot);
    robot.hash = hash::of_robot(&robot, document);
    Ok(robot)
}

fn read_period(root: &mut Section<'_>, refusals: &mut Refusals) -> u64 {
    let period = root.number(&range::PERIOD_MS, refusals);
    let micros = period.value * 1e3;
    if (micros - micros.round()).abs() > 1e-6 {
        let found = format!("{} ms", period.value);
        refusals.add(RefusalKind::OutOfRange, period.place, "period_ms", found, "whole microseconds", "");
    }
    micros.round() as u64 * 1_000
}

fn read_model_name(root: &mut Section<'_>, refusals: &mut Refusals) -> Option<String> {
    const EXPECTED: &str =
        "an MJCF file beside robot.yaml or in a folder beside its own, such as quad.xml or ../quad/quad.xml";
    let file = root.text("model", EXPECTED, refusals)?;
    let plain = |part: &str| !part.starts_with('.') && !part.is_empty() && !part.contains(['\\', '\0']);
    let fits = match file.value.split('/').collect::<Vec<_>>().as_slice() {
        [name] => plain(name),
        // Two kinds of robot that differ in their policies share one machine.
        ["..", folder, name] => plain(folder) && plain(name),
        _ => false,
    };
    if fits && file.value.ends_with(".xml") {
        return Some(file.value);
    }
    let found = format!("`{}`", file.value.escape_debug());
    refusals.add(
        RefusalKind::OutOfRange,
        file.place,
        "model",
        found,
        EXPECTED,
        "no other folders; it ends in .xml",
    );
    None
}

fn fold_legs(model: &Model, feet: &[Placed<Foot>], refusals: &mut Refusals) -> Vec<Leg> {
    let mut legs = Vec::with_capacity(feet.len());
    for foot in feet.iter().filter(|foot| model.site(&foot.value.site).is_some()) {
        match Leg::fold(model, &foot.value.name, &foot.value.site) {
            Ok(leg) => legs.push(leg),
            Err(found) => {
                let field = format!("feet[{}].site", foot.value.name);
                let found = format!("{found} between base and foot");
                let expected = format!("1 to {LEG_JOINTS_MAX} hinges");
                let hint = "a leg is the chain of hinges from the base to the foot's site";
                refusals.add(RefusalKind::Unsupported, foot.place, field, found, expected, hint);
            }
        }
    }
    legs
}
