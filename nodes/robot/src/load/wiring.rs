//! Buses and the sensors on them.

use super::section::{Placed, Section};
use crate::bus_budget::{BusLoad, MAX_BUS_LOAD};
use crate::error::{Place, RefusalKind, Refusals, nearest};
use crate::model::{Model, Site};
use crate::pose::Pose;
use crate::range;
use crate::robot::{Bus, BusKind, Imu, Robot};
use sinew_wire::MAX_IMUS;

/// The buses, and who has claimed which id on them.
pub(super) struct Wiring {
    buses: Vec<Placed<Bus>>,
    claims: Vec<(usize, u16, String)>,
}

impl Wiring {
    /// Reads `buses`.
    pub fn read(root: &mut Section<'_>, refusals: &mut Refusals) -> Wiring {
        let mut wiring = Wiring { buses: Vec::new(), claims: Vec::new() };
        for (i, node) in root.list("buses", refusals).iter().enumerate() {
            let mut section = Section::open(node, format!("buses[{i}]"), refusals);
            let name = section.name("name", refusals);
            let words = [("drives", true), ("sensors", false)];
            let drives = section.choice("kind", &words, refusals).unwrap_or(true);
            let kind = if drives {
                BusKind::Drives
            } else {
                let sync = section.number(&range::SYNC_ID, refusals);
                wiring.claim(i, sync, format!("buses[{i}].sync_id"), refusals);
                BusKind::Sensors { sync_id: sync.value as u16 }
            };
            let bitrate_bps = section.number(&range::BITRATE_BPS, refusals).value as u32;
            if wiring.buses.iter().any(|bus| bus.value.name == name.value) {
                let field = format!("buses[{i}].name");
                refuse_again(&name, field, "each bus once", refusals);
            }
            let bus = Bus { name: name.value, kind, bitrate_bps };
            wiring.buses.push(Placed { value: bus, place: section.place() });
            section.finish(refusals);
        }
        wiring
    }

    /// Resolves the `bus` key of a device; `drives` says which kind it must be.
    pub fn bus_of(&self, section: &mut Section<'_>, drives: bool, refusals: &mut Refusals) -> usize {
        let wanted = section.name("bus", refusals);
        let fits = |bus: &Placed<Bus>| (bus.value.kind == BusKind::Drives) == drives;
        let known = || self.buses.iter().filter(|bus| fits(bus)).map(|bus| bus.value.name.as_str());
        let hit = self.buses.iter().position(|bus| fits(bus) && bus.value.name == wanted.value);
        if hit.is_none() && !wanted.value.is_empty() {
            let kind = if drives { "drives" } else { "sensors" };
            let expected = format!("a bus of kind {kind}: {}", known().collect::<Vec<_>>().join(", "));
            let (field, found) = (section.path_of("bus"), format!("`{}`", wanted.value));
            let hint = nearest(&wanted.value, known());
            refusals.add(RefusalKind::UnknownName, wanted.place, field, found, expected, hint);
        }
        hit.unwrap_or(usize::MAX)
    }

    /// Gives an id on a bus to one owner.
    pub fn claim(&mut self, bus: usize, id: Placed<f64>, field: String, refusals: &mut Refusals) {
        let number = id.value as u16;
        if bus == usize::MAX {
            return;
        }
        if let Some((_, _, owner)) = self.claims.iter().find(|(at, taken, _)| *at == bus && *taken == number)
        {
            let found = format!("0x{number:03X}, which {owner} already has");
            let hint = "two devices with one id on a bus answer over each other";
            let expected = "an id that is free on this bus";
            refusals.add(RefusalKind::Duplicate, id.place, field.as_str(), found, expected, hint);
        }
        self.claims.push((bus, number, field));
    }

    /// The buses and where they stand.
    pub fn buses(self) -> (Vec<Bus>, Vec<Place>) {
        self.buses.into_iter().map(|bus| (bus.value, bus.place)).unzip()
    }
}

pub(super) fn refuse_again(name: &Placed<String>, field: String, expected: &str, refusals: &mut Refusals) {
    if !name.value.is_empty() {
        let found = format!("`{}` again", name.value);
        refusals.add(RefusalKind::Duplicate, name.place, field, found, expected, "");
    }
}

/// Refuses a list longer than the wire can carry.
pub(super) fn check_count(root: &Section<'_>, key: &str, count: usize, max: usize, refusals: &mut Refusals) {
    if count > max {
        let (found, expected) = (format!("{count} entries"), format!("at most {max}"));
        let hint = "the state frame has no room for more";
        refusals.add(RefusalKind::OutOfRange, root.place(), key, found, expected, hint);
    }
}

/// Resolves the `site` key of a sensor.
pub(super) fn site_of<'m>(
    section: &mut Section<'_>,
    model: &'m Model,
    refusals: &mut Refusals,
) -> (Placed<String>, Option<(usize, &'m Site)>) {
    let wanted = section.name("site", refusals);
    let found = model.site(&wanted.value);
    if found.is_none() && !wanted.value.is_empty() {
        let known: Vec<&str> =
            model.bodies.iter().flat_map(|b| &b.sites).map(|site| site.name.as_str()).collect();
        let hint = nearest(&wanted.value, known.iter().copied());
        let expected = format!("a site of the model: {}", known.join(", "));
        let (field, text) = (section.path_of("site"), format!("`{}`", wanted.value));
        refusals.add(RefusalKind::UnknownName, wanted.place, field, text, expected, hint);
    }
    (wanted, found)
}

/// Reads `imus`.
pub(super) fn read_imus(
    root: &mut Section<'_>,
    model: &Model,
    wiring: &mut Wiring,
    refusals: &mut Refusals,
) -> Vec<Imu> {
    let nodes = root.list("imus", refusals);
    check_count(root, "imus", nodes.len(), MAX_IMUS, refusals);
    let mut imus: Vec<Imu> = Vec::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        let path = format!("imus[{i}]");
        let mut section = Section::open(node, path.as_str(), refusals);
        let name = section.name("name", refusals);
        if imus.iter().any(|imu| imu.name == name.value) {
            refuse_again(&name, format!("{path}.name"), "each imu once", refusals);
        }
        let bus = wiring.bus_of(&mut section, false, refusals);
        let gyro = section.number(&range::GYRO_ID, refusals);
        wiring.claim(bus, gyro, format!("{path}.gyro_id"), refusals);
        let accel = section.number(&range::ACCEL_ID, refusals);
        wiring.claim(bus, accel, format!("{path}.accel_id"), refusals);
        let (site, found) = site_of(&mut section, model, refusals);
        let position = section.vector(&range::IMU_POSITION_M, [0.0; 3], refusals);
        let orientation = section.vector(&range::IMU_ORIENTATION, [1.0, 0.0, 0.0, 0.0], refusals);
        check_unit(&orientation, format!("{path}.orientation_wxyz"), refusals);
        let base_from_imu = Pose { position_m: position.value, orientation_wxyz: orientation.value };
        if let Some((body, at)) = found {
            check_mounting(&path, body, at, &base_from_imu, &site, refusals);
        }
        imus.push(Imu {
            name: name.value,
            bus,
            gyro_id: gyro.value as u16,
            accel_id: accel.value as u16,
            site: site.value,
            base_from_imu,
        });
        section.finish(refusals);
    }
    imus
}

fn check_unit(orientation: &Placed<[f64; 4]>, field: String, refusals: &mut Refusals) {
    let norm = orientation.value.iter().map(|part| part * part).sum::<f64>().sqrt();
    if (norm - 1.0).abs() > 1e-6 {
        let found = format!("a quaternion of norm {norm}");
        let expected = "norm 1 within 1e-6";
        let hint = "order is w, x, y, z; identity is [1, 0, 0, 0]";
        refusals.add(RefusalKind::OutOfRange, orientation.place, field, found, expected, hint);
    }
}

/// The extrinsics must be those of the model's site: one robot, one place for its IMU.
fn check_mounting(
    path: &str,
    body: usize,
    site: &Site,
    mounted: &Pose,
    name: &Placed<String>,
    refusals: &mut Refusals,
) {
    if body != 0 {
        let field = format!("{path}.site");
        let found = format!("`{}`, which moves against the base", name.value);
        refusals.add(RefusalKind::Unsupported, name.place, field, found, "a site on the base body", "");
        return;
    }
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let flipped = mounted.orientation_wxyz.map(|part| -part);
    let turn = apart(&mounted.orientation_wxyz, &site.pose.orientation_wxyz)
        .min(apart(&flipped, &site.pose.orientation_wxyz));
    if apart(&mounted.position_m, &site.pose.position_m) > 1e-6 || turn > 1e-6 {
        let Pose { position_m, orientation_wxyz } = &site.pose;
        let found = format!("{:?} {:?}", mounted.position_m, mounted.orientation_wxyz);
        let expected =
            format!("{position_m:?} {orientation_wxyz:?}, where line {} of the model has it", site.line);
        let hint = "one of the two is out of date";
        refusals.add(RefusalKind::Conflict, name.place, format!("{path}.site"), found, expected, hint);
    }
}

/// Refuses a bus that would be busy for more than its share of the period.
pub(super) fn check_budget(robot: &Robot, places: &[Place], refusals: &mut Refusals) {
    for ((bus, place), BusLoad { frames, busy_us, load }) in
        robot.buses.iter().zip(places).zip(robot.bus_loads())
    {
        if load > MAX_BUS_LOAD {
            let period_us = robot.period_ns / 1_000;
            let percent = load * 100.0;
            let found = format!("{frames} frames, {busy_us:.0} us of {period_us} us = {percent:.0} %");
            let expected = format!("at most {:.0} %", MAX_BUS_LOAD * 100.0);
            let field = format!("buses[{}]", bus.name);
            let hint = "move devices to another bus, or lengthen period_ms";
            refusals.add(RefusalKind::Budget, *place, field, found, expected, hint);
        }
    }
}
