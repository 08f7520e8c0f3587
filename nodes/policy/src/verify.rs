//! The golden run: the exporter's measurements by joint name through the whole policy, targets by name compared.
//!
//! It goes through the same `step` as on the robot, in the robot's joint order, so what it proves is what runs.

use sinew_inference::golden::GoldenTick;
use sinew_inference::{Golden, Tolerance};
use sinew_wire::{JointCommand, PolicyStatus, RobotJoint, RobotState, StepTime};

use crate::policy::Policy;

/// A golden run that came out right.
#[derive(Clone, Debug, PartialEq)]
pub struct GoldenReport {
    /// Cases run.
    pub cases: usize,
    /// Ticks run.
    pub ticks: usize,
    /// Largest difference of a target, in its own unit (rad, rad/s, N m).
    pub worst_rad: f64,
}

/// A golden run that did not.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GoldenFailure {
    /// A target is not what the exporter got.
    #[error(
        "golden case \"{case}\", tick {tick}: joint `{joint}`: found {found} {unit}; expected {expected} {unit} within {allowed:.1e}; compare joints.order, the terms and their scales with the training code, or export again"
    )]
    Target {
        /// Case.
        case: String,
        /// Tick in the case, from 0.
        tick: usize,
        /// Joint.
        joint: String,
        /// Target of the policy.
        found: f32,
        /// Target of the exporter.
        expected: f32,
        /// Difference allowed.
        allowed: f64,
        /// Unit of the three.
        unit: &'static str,
    },
    /// No targets at all.
    #[error("golden case \"{case}\", tick {tick}: no targets ({reason}); check the graph on these inputs")]
    NoTargets {
        /// Case.
        case: String,
        /// Tick.
        tick: usize,
        /// Why.
        reason: String,
    },
    /// A value that no tick moves: its factor could be any number.
    #[error(
        "line {line} of the manifest: `{value}` of {term} in `{tensor}`: no golden tick moves it (found {shown:.1e} at \
         most; expected above {atol:.1e}, the tolerance), so that a wrong scale or order of it would go unnoticed; make \
         golden vectors with measurements and commands that move every value, as `sinew model import` does"
    )]
    Unexcited {
        /// Input.
        tensor: String,
        /// Kind of its term.
        term: &'static str,
        /// Axis, joint or foot.
        value: String,
        /// Line of the term in the manifest.
        line: usize,
        /// Most that its factor shows in any tick.
        shown: f64,
        /// What it has to be above.
        atol: f64,
    },
    /// A golden column names a joint or foot that is not on the robot.
    #[error("golden column `{name}`: the robot has no such {what}; export for this robot")]
    Column {
        /// `joint` or `foot`.
        what: &'static str,
        /// Name.
        name: String,
    },
}

/// One field of a joint's command.
type FieldOf = fn(&JointCommand) -> f32;

/// Where the golden columns are on the robot.
#[derive(Clone, Debug)]
pub struct GoldenColumns {
    joints: Vec<usize>,
    feet: Vec<usize>,
    robot_joints: usize,
}

impl GoldenColumns {
    /// Finds every column by name.
    pub fn new(
        golden: &Golden,
        robot_joints: &[String],
        robot_feet: &[String],
    ) -> Result<Self, GoldenFailure> {
        let find = |what, names: &[String], robot: &[String]| {
            let place = |name: &String| {
                let at = robot.iter().position(|r| r == name);
                at.ok_or_else(|| GoldenFailure::Column { what, name: name.clone() })
            };
            names.iter().map(place).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            joints: find("joint", &golden.joints, robot_joints)?,
            feet: find("foot", &golden.feet, robot_feet)?,
            robot_joints: robot_joints.len(),
        })
    }

    /// The robot as the exporter saw it, with the policy `number` active.
    pub fn state(&self, tick: &GoldenTick, number: u8, activation: u32, step: u64) -> RobotState {
        let mut state = RobotState::default();
        state.header.step = step;
        let body = &mut state.body;
        body.angular_velocity_rad_s = tick.gyro_rad_s;
        body.projected_gravity = tick.projected_gravity;
        body.command = tick.command;
        body.velocity_m_s = tick.velocity_m_s.unwrap_or_default();
        body.orientation = tick.orientation_wxyz.unwrap_or([1.0, 0.0, 0.0, 0.0]);
        body.position_m = tick.position_m.unwrap_or_default();
        body.height_m = tick.height_m.unwrap_or_default();
        for (foot, contact) in self.feet.iter().zip(tick.contact.iter().flatten()) {
            if let Some(slot) = body.contact_probability.get_mut(*foot) {
                *slot = *contact;
            }
        }
        // The command is as fresh as can be: somebody speaks in every tick.
        body.last_motion_seq = step as u32;
        (body.active_policy, body.activation) = (number, activation);
        state.joints.extend((0..self.robot_joints).map(|_| RobotJoint::default()));
        let zeros = vec![0.0; self.joints.len()];
        let tau_nm = tick.tau_nm.as_ref().unwrap_or(&zeros);
        let columns = self.joints.iter().zip(&tick.q_rad).zip(&tick.dq_rad_s).zip(tau_nm);
        for (((column, q_rad), dq_rad_s), tau_nm) in columns {
            if let Some(joint) = state.joints.get_mut(*column) {
                (joint.q_rad, joint.dq_rad_s, joint.tau_nm) = (*q_rad, *dq_rad_s, *tau_nm);
            }
        }
        state
    }
}

/// Runs all golden cases through `policy` in the joint order of its robot; the policy is left as if new.
pub fn verify(
    policy: &mut Policy,
    golden: &Golden,
    tolerance: Tolerance,
) -> Result<GoldenReport, GoldenFailure> {
    let columns = GoldenColumns::new(golden, policy.robot_joints(), policy.robot_feet())?;
    policy.forget();
    let report = run(policy, golden, &columns, tolerance);
    policy.forget();
    report
}

fn run(
    policy: &mut Policy,
    golden: &Golden,
    columns: &GoldenColumns,
    tolerance: Tolerance,
) -> Result<GoldenReport, GoldenFailure> {
    let mut report = GoldenReport { cases: golden.cases.len(), ticks: 0, worst_rad: 0.0 };
    let mut step = 0;
    for (activation, case) in (1u32..).zip(&golden.cases) {
        for (index, tick) in case.ticks.iter().enumerate() {
            let state = columns.state(tick, policy.number(), activation, step);
            let command = policy.step(&state, StepTime::default());
            step += policy.decimation();
            if command.body.status() != PolicyStatus::Targets {
                let reason = policy.fault().map_or("empty".to_owned(), ToString::to_string);
                return Err(GoldenFailure::NoTargets { case: case.name.clone(), tick: index, reason });
            }
            report.ticks += 1;
            let expected: [(_, &'static str, FieldOf); 3] = [
                (Some(&tick.target_rad), "rad", |j| j.q_rad),
                (tick.target_dq_rad_s.as_ref(), "rad/s", |j| j.dq_rad_s),
                (tick.target_tau_nm.as_ref(), "N m", |j| j.tau_nm),
            ];
            for (values, unit, of) in expected {
                let targets = columns.joints.iter().zip(&golden.joints).zip(values.into_iter().flatten());
                for ((column, joint), expected) in targets {
                    let found = command.joints.get(*column).map_or(f32::NAN, of);
                    if !tolerance.accepts(found, *expected) {
                        return Err(GoldenFailure::Target {
                            case: case.name.clone(),
                            tick: index,
                            joint: joint.clone(),
                            found,
                            expected: *expected,
                            allowed: tolerance.atol + tolerance.rtol * f64::from(expected.abs()),
                            unit,
                        });
                    }
                    report.worst_rad = report.worst_rad.max((f64::from(found) - f64::from(*expected)).abs());
                }
            }
        }
    }
    Ok(report)
}
