//! The policy's joints in its own order, with default positions and gains.

use super::output::DEGREES;
use super::reader::{Entry, ManifestError, Section};

/// Most joints of a policy: as many as one frame carries.
const MAX_JOINTS: usize = 64;

/// The policy's joints in its own order; all lists are equally long.
#[derive(Clone, Debug, PartialEq)]
pub struct Joints {
    /// Names, mapped to the robot's.
    pub order: Vec<String>,
    /// Default position, rad.
    pub default_pos_rad: Vec<f64>,
    /// Stiffness, N m/rad.
    pub kp_nm_per_rad: Vec<f64>,
    /// Damping, N m s/rad.
    pub kd_nm_s_per_rad: Vec<f64>,
    /// Line of `order`, for messages.
    pub line: usize,
    /// Line of `default_pos`, for messages.
    pub default_pos_line: usize,
    /// Line of `kp`, for messages.
    pub kp_line: usize,
}

impl Joints {
    pub(super) fn parse(section: Section<'_>) -> Result<Self, ManifestError> {
        let entry = section.required("order", "the joint names in the policy's order")?;
        let order = names(&entry, "joint")?;
        if order.len() > MAX_JOINTS {
            let found = format!("{} joints", order.len());
            return Err(entry.error(found, format!("1 to {MAX_JOINTS}"), "list the joints the policy moves"));
        }
        let line = entry.line();
        let default = section.required("default_pos", "rad")?;
        let default_pos_rad = default.numbers(order.len(), "one per joint")?;
        let default_pos_line = default.line();
        refuse_degrees(&default, &default_pos_rad)?;
        let mut kp_nm_per_rad = gains(&section, "kp", "N m/rad", order.len())?;
        let mut kd_nm_s_per_rad = gains(&section, "kd", "N m s/rad", order.len())?;
        match section.optional("gain_order") {
            Some(entry) if entry.is_list() => {
                let motors = names(&entry, "joint")?;
                let picks = permutation(&entry, &order, &motors)?;
                let pick = |values: &[f64]| picks.iter().filter_map(|at| values.get(*at).copied()).collect();
                (kp_nm_per_rad, kd_nm_s_per_rad) = (pick(&kp_nm_per_rad), pick(&kd_nm_s_per_rad));
            }
            Some(entry) => entry.choice(&[("policy", ())])?,
            None => {
                refuse_lopsided(&section, "kp", &order, &kp_nm_per_rad)?;
                refuse_lopsided(&section, "kd", &order, &kd_nm_s_per_rad)?;
            }
        }
        let kp_line = section.required("kp", "N m/rad")?.line();
        section.finish()?;
        Ok(Self { order, default_pos_rad, kp_nm_per_rad, kd_nm_s_per_rad, line, default_pos_line, kp_line })
    }

    /// Position of `name` in the policy's order.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.order.iter().position(|n| n == name)
    }
}

/// A list of names, each once.
pub(super) fn names(entry: &Entry<'_>, of: &str) -> Result<Vec<String>, ManifestError> {
    let expected = format!("a list of {of} names");
    let list = entry.list(&expected)?;
    if list.is_empty() {
        return Err(entry.error("an empty list", expected, "name at least one"));
    }
    let mut names: Vec<String> = Vec::with_capacity(list.len());
    for item in &list {
        let text = item.text(&format!("a {of} name"))?;
        if names.contains(&text) {
            let expected = format!("each {of} once");
            return Err(item.error(format!("\"{text}\" again"), expected, "remove the repetition"));
        }
        names.push(text);
    }
    Ok(names)
}

/// A subset of the policy's joints as positions in its order.
pub(super) fn subset(entry: &Entry<'_>, order: &[String]) -> Result<Vec<usize>, ManifestError> {
    let mut picks = Vec::new();
    for name in names(entry, "joint")? {
        let at = order.iter().position(|n| *n == name).ok_or_else(|| {
            let expected = format!("one of joints.order: {}", order.join(", "));
            entry.error(format!("\"{name}\""), expected, "correct the name, or add it to joints.order")
        })?;
        picks.push(at);
    }
    Ok(picks)
}

fn gains(
    section: &Section<'_>,
    key: &'static str,
    unit: &str,
    count: usize,
) -> Result<Vec<f64>, ManifestError> {
    let entry = section.required(key, unit)?;
    let values = entry.numbers(count, "one per joint")?;
    if values.iter().all(|v| *v >= 0.0) {
        return Ok(values);
    }
    Err(entry.error("a negative gain", format!("at least 0 {unit}"), "give the gain used in training"))
}

fn refuse_degrees(entry: &Entry<'_>, values_rad: &[f64]) -> Result<(), ManifestError> {
    match values_rad.iter().find(|v| v.abs() > std::f64::consts::TAU) {
        Some(value) => Err(entry.error(value.to_string(), "rad, within one turn", DEGREES)),
        None => Ok(()),
    }
}

/// Where each policy joint stands in `motors`.
fn permutation(entry: &Entry<'_>, order: &[String], motors: &[String]) -> Result<Vec<usize>, ManifestError> {
    let picks: Vec<usize> = order.iter().filter_map(|name| motors.iter().position(|m| m == name)).collect();
    if picks.len() == order.len() && motors.len() == order.len() {
        return Ok(picks);
    }
    let expected = format!("the {} names of joints.order in the order of the gains", order.len());
    Err(entry.error(format!("{} names", motors.len()), expected, "list every joint of joints.order once"))
}

/// A robot's left and right are built alike. Gains that are not were most likely written in another order than the
/// joints.
fn refuse_lopsided(
    section: &Section<'_>,
    key: &'static str,
    order: &[String],
    gains: &[f64],
) -> Result<(), ManifestError> {
    for (index, (name, gain)) in order.iter().zip(gains).enumerate() {
        let Some(kind) = without_side(name) else { continue };
        let others = order.iter().zip(gains).take(index);
        let twin = others.filter(|(n, _)| without_side(n).as_ref() == Some(&kind)).find(|(_, g)| *g != gain);
        if let Some((other, theirs)) = twin {
            let found = format!("{theirs} for `{other}` and {gain} for `{name}`");
            let hint = "the gains are probably in motor order: list that order in joints.gain_order, or write \
                        gain_order = \"policy\" if they differ on purpose";
            return Err(section.required(key, "gains")?.error(found, "equal gains left and right", hint));
        }
    }
    Ok(())
}

/// The name with its left or right taken out; `None` for a joint in the middle.
fn without_side(name: &str) -> Option<String> {
    const SIDES: [(&str, &str); 14] = [
        ("left", "*"),
        ("right", "*"),
        ("l", "*"),
        ("r", "*"),
        ("fl", "f*"),
        ("fr", "f*"),
        ("rl", "r*"),
        ("rr", "r*"),
        ("hl", "h*"),
        ("hr", "h*"),
        ("lf", "*f"),
        ("rf", "*f"),
        ("lh", "*h"),
        ("rh", "*h"),
    ];
    let mut found = false;
    let parts: Vec<String> = name
        .to_ascii_lowercase()
        .split('_')
        .map(|part| {
            let side = SIDES.iter().find(|(side, _)| *side == part);
            found |= side.is_some();
            side.map_or(part, |(_, kind)| kind).to_owned()
        })
        .collect();
    found.then(|| parts.join("_"))
}

#[cfg(test)]
mod tests {
    use super::without_side;

    #[test]
    fn sides_are_found_in_the_usual_names() {
        for (a, b) in [
            ("FL_hip", "FR_hip"),
            ("left_knee_joint", "right_knee_joint"),
            ("L_ankle_roll", "R_ankle_roll"),
            ("hip_yaw_l", "hip_yaw_r"),
        ] {
            assert!(without_side(a).is_some() && without_side(a) == without_side(b), "{a} {b}");
        }
        assert_ne!(without_side("FL_hip"), without_side("RL_hip"));
        assert_eq!(without_side("waist_yaw"), None);
    }
}
