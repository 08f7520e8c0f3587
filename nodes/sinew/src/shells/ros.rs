//! The ROS face of control and bridge: its death costs nothing but the view.
use anyhow::{Result, bail};

use super::site::NodeSite;

pub fn run(_site: &NodeSite) -> Result<()> {
    bail!("under construction")
}
