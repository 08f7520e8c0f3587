//! A scenario's events, resolved to steps and to parts of the robot.
use sinew_bus::BusFaults;
use sinew_devices::emulator::{DriveFault, SensorFault};
use sinew_robot::Robot;
use sinew_twin::WorldEvent;

use crate::scenario::{Event, Participant, Scenario, ScenarioError};

/// Something done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    Kill(Participant),
    Stop(Participant),
    Continue(Participant),
}

/// One thing at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScheduledEvent {
    World(WorldEvent),
    Process(ProcessEvent),
}

/// Every event of the scenario with its step, in order.
///
/// # Errors
/// A bus, joint or number that does not exist.
pub fn resolve(
    scenario: &Scenario,
    robot: &Robot,
    file: &str,
) -> Result<Vec<(u64, ScheduledEvent)>, ScenarioError> {
    let step = |s: f64| (s * 1e9 / robot.period_ns as f64).round() as u64;
    let unknown = |field: &str, expected: String, found: &str| ScenarioError::Value {
        file: file.into(),
        field: field.into(),
        expected,
        found: found.into(),
    };
    let joint = |name: &str| {
        robot.joint_index(name).ok_or_else(|| {
            unknown(
                "events.joint",
                format!("one of {}", robot.joint_names().collect::<Vec<_>>().join(", ")),
                name,
            )
        })
    };
    let bus = |name: &str| {
        robot.buses.iter().position(|b| b.name == name).ok_or_else(|| {
            let names: Vec<_> = robot.buses.iter().map(|b| b.name.as_str()).collect();
            unknown("events.bus", format!("one of {}", names.join(", ")), name)
        })
    };
    let mut events = Vec::new();
    let mut world = |s: f64, event: WorldEvent| events.push((step(s), ScheduledEvent::World(event)));
    if let Some(mu) = scenario.friction {
        world(0.0, WorldEvent::Friction { mu });
    }
    if scenario.payload_kg > 0.0 {
        world(0.0, WorldEvent::Payload { kg: scenario.payload_kg });
    }
    if let Some(pushes) = &scenario.pushes {
        for i in 0..scenario.segments.velocities.len() {
            let from_s = scenario.segments.from_s + scenario.segments.for_s * i as f64;
            for into_s in &pushes.into_segment_s {
                let push = WorldEvent::PushAnywhere { delta_v_m_s: pushes.delta_v_m_s, over_s: 0.0 };
                world(from_s + into_s, push);
            }
        }
    }
    for event in &scenario.events {
        let drive = |name: &str, fault| joint(name).map(|joint| WorldEvent::Drive { joint, fault });
        match event {
            // Done where the link, or the policy, is.
            Event::Link { .. }
            | Event::FlipCommandBit { .. }
            | Event::PolicyLate { .. }
            | Event::Swap { .. }
            | Event::OffboardCut { .. } => {}
            Event::Kill { at_s, target } => {
                events.push((step(*at_s), ScheduledEvent::Process(ProcessEvent::Kill(*target))));
            }
            Event::Stop { at_s, for_s, target } => {
                events.push((step(*at_s), ScheduledEvent::Process(ProcessEvent::Stop(*target))));
                events.push((step(at_s + for_s), ScheduledEvent::Process(ProcessEvent::Continue(*target))));
            }
            Event::BusSilent { at_s, for_s, bus: name } => {
                let bus = bus(name)?;
                let dead = BusFaults { loss: 1.0, ..BusFaults::NONE };
                events.push((step(*at_s), ScheduledEvent::World(WorldEvent::Bus { bus, faults: dead })));
                let healthy = WorldEvent::Bus { bus, faults: BusFaults::NONE };
                events.push((step(at_s + for_s), ScheduledEvent::World(healthy)));
            }
            Event::BusNoise { at_s, for_s, bus: name, rate } => {
                let bus = bus(name)?;
                let faults = BusFaults {
                    loss: *rate,
                    duplication: *rate,
                    corruption: *rate,
                    delay: *rate,
                    delay_ns: 1_000_000,
                    ..BusFaults::NONE
                };
                events.push((step(*at_s), ScheduledEvent::World(WorldEvent::Bus { bus, faults })));
                let healthy = WorldEvent::Bus { bus, faults: BusFaults::NONE };
                events.push((step(at_s + for_s), ScheduledEvent::World(healthy)));
            }
            Event::ImuDead { at_s, for_s } => {
                let dead = WorldEvent::Imu { imu: 0, fault: SensorFault::Silent };
                events.push((step(*at_s), ScheduledEvent::World(dead)));
                let well = WorldEvent::Imu { imu: 0, fault: SensorFault::Recover };
                events.push((step(at_s + for_s), ScheduledEvent::World(well)));
            }
            Event::TorqueLoss { at_s, for_s, joint } => {
                let (weak, well) =
                    (drive(joint, DriveFault::TorqueLoss)?, drive(joint, DriveFault::Recover)?);
                events.push((step(*at_s), ScheduledEvent::World(weak)));
                events.push((step(at_s + for_s), ScheduledEvent::World(well)));
            }
            Event::OverTemperature { at_s, joint } => {
                let hot = drive(joint, DriveFault::OverTemperature)?;
                events.push((step(*at_s), ScheduledEvent::World(hot)));
            }
            Event::EncoderJump { at_s, joint, rad } => {
                let jump = drive(joint, DriveFault::EncoderJump(*rad))?;
                events.push((step(*at_s), ScheduledEvent::World(jump)));
            }
            Event::DriveReset { at_s, joint } => {
                let reset = drive(joint, DriveFault::Reset)?;
                events.push((step(*at_s), ScheduledEvent::World(reset)));
            }
            Event::Push { at_s, delta_v_m_s } => {
                let push = WorldEvent::Push { delta_v_m_s: *delta_v_m_s, over_s: 0.0 };
                events.push((step(*at_s), ScheduledEvent::World(push)));
            }
            Event::Friction { at_s, mu } => {
                events.push((step(*at_s), ScheduledEvent::World(WorldEvent::Friction { mu: *mu })));
            }
        }
    }
    events.sort_by_key(|(step, _)| *step);
    Ok(events)
}
