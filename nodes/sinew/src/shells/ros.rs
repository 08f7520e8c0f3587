//! The ROS face of control and bridge: its death costs nothing but the view.
use anyhow::Result;
use sinew_guard::{FAULTS, Severity};
use sinew_ros::{Acquire, FaultName, Level, RosNode, RosNodeConfig, SessionConfig};
use sinew_rt::clock;
use sinew_wire::{MAX_FRAME, RobotState, Source};
use std::time::Duration;

use super::keys;
use super::site::NodeSite;

/// States shown per second of wall time, at most.
const SHOWN_HZ: u64 = 100;
/// Without a state for this long, what is seen is old.
const SILENT_AFTER: Duration = Duration::from_secs(1);

pub fn run(site: &NodeSite) -> Result<()> {
    let (robot, run_dir) = (site.setup.name.as_str(), site.run_dir.path());
    let mut session = SessionConfig::from_environment(|name| std::env::var(name).ok())?;
    session.router_port = site.params.number("ros_port", session.router_port)?;
    let mut config = RosNodeConfig::simulated(robot, site.boot_id, session);
    config.acquire = Acquire::Auto;
    config.face.faults = FAULTS
        .iter()
        .map(|row| FaultName {
            bit: row.fault as u8,
            code: row.code.into(),
            level: if row.severity > Severity::Warn { Level::Error } else { Level::Warn },
            hint: row.hint.into(),
        })
        .collect();
    let mut node = RosNode::start(&site.setup.robot, config)?;
    let path = keys::open(robot, run_dir, None, &["control"], None)?;
    let mut motion = path.publisher(&format!("motion/{}", Source::CMD_VEL.0), keys::DEPTH, MAX_FRAME)?;
    let (mut states, _subscription) = keys::hear(&path, &[keys::ROBOT_STATE])?;
    path.announce("ros")?;
    let mut buffer = [0; MAX_FRAME];
    let mut shown_at = clock::now();
    while !site.stopped() {
        let deadline = clock::deadline_in(SILENT_AFTER);
        let Some(bytes) = states.recv(Some(deadline)) else {
            node.silent();
            continue;
        };
        let mut newest = RobotState::decode(bytes).ok();
        while let Some(bytes) = states.try_recv() {
            newest = RobotState::decode(bytes).ok().or(newest);
        }
        let Some(state) = newest else { continue };
        node.publish(&state);
        if let Some(frame) = node.take_cmd_vel() {
            motion.publish(frame.encode(&mut buffer)?)?;
        }
        shown_at = shown_at.plus_ns(1_000_000_000 / SHOWN_HZ).max(clock::now());
        clock::sleep_until(shown_at);
    }
    Ok(())
}
