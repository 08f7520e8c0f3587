//! MJCF text to a rapier world, joints and feet found by name.
//!
//! The loader crate knows no `ref` on joints and takes a model's joints in its own order; here both are
//! refused or mended: every driven joint is asked for by name, and a model that says what we cannot honour
//! is an error, never a guess.

use super::{Foot, RapierPhysics};
use rapier3d::prelude::*;
use rapier3d_mjcf::{MjcfDofKind, MjcfLoaderOptions, MjcfMultibodyOptions, MjcfRobot, mjcf_rs};
use std::ops::Range;

/// Names by which the caller wants to number joints and feet.
#[derive(Debug, Clone, Copy)]
pub struct RobotNames<'a> {
    /// Every hinge of the model, in the caller's order.
    pub joints: &'a [&'a str],
    /// A geom or a site per foot, in the caller's order; a site stands for all collision shapes of its body.
    pub feet: &'a [&'a str],
}

/// Engine settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RapierConfig {
    /// Solver iterations per step: each is a whole small step of the multibody, at nearly the full price.
    ///
    /// Under explicit drive torques at 1 ms steps one is enough: a standing robot creeps 0.05 mm in 28 s with
    /// one and 0.10 mm with four, answers to pushes agree to 1 mm, and a step costs a third. (The solver's own
    /// servo motors, which the twin does not use, creep 50 mm with one.)
    pub solver_iterations: usize,
    /// Half side of the ground square, m.
    pub ground_half_side_m: f64,
    /// One friction coefficient for every contact; `None` keeps what the model's own geoms say.
    pub friction: Option<f64>,
}

impl Default for RapierConfig {
    fn default() -> Self {
        Self { solver_iterations: 1, ground_half_side_m: 200.0, friction: None }
    }
}

/// Why a model was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The text is no MJCF.
    #[error("model: not readable as MJCF: {0}")]
    Parse(String),
    /// The text pulls in other files; a core reads none.
    #[error(
        "model line {line}: <include> found, expected one self-contained file: paste the included part in"
    )]
    Include {
        /// Line of the element, from 1.
        line: u32,
    },
    /// No body with a free joint, or several.
    #[error("model: {found} bodies with a <freejoint>, expected exactly one floating base")]
    FloatingBase {
        /// How many there are.
        found: usize,
    },
    /// A joint was asked for that the model does not have.
    #[error("model: no joint '{name}', expected one of: {known}")]
    UnknownJoint {
        /// The name asked for.
        name: String,
        /// The model's joints.
        known: String,
    },
    /// A joint is not a hinge.
    #[error("model: joint '{name}' is of kind {found}, expected a hinge")]
    NotAHinge {
        /// The joint.
        name: String,
        /// Its kind in the model.
        found: String,
    },
    /// A name was given twice.
    #[error("joint '{name}' is named twice: name each joint once")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// The model has a joint the caller did not name: it would swing free.
    #[error("model: joint '{name}' is driven by nothing: name every hinge of the model")]
    Unnamed {
        /// The joint.
        name: String,
    },
    /// The joint's zero is moved by `ref`, which this engine would ignore.
    #[error("model: joint '{name}' has ref {found}, expected 0: fold the offset into the body's pose")]
    Reference {
        /// The joint.
        name: String,
        /// The offset, rad.
        found: f64,
    },
    /// A foot is neither a geom nor a site, or its body has no collision shape.
    #[error("model: foot '{name}' {why}: name a geom or a site on a body with one that has contype 1")]
    UnknownFoot {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A setting is out of range.
    #[error("physics: {field} is {found}, expected {expected}")]
    Setting {
        /// Which one.
        field: &'static str,
        /// Its value.
        found: f64,
        /// The range.
        expected: &'static str,
    },
}

pub(super) fn load(
    mjcf: &str,
    names: &RobotNames<'_>,
    config: &RapierConfig,
) -> Result<RapierPhysics, ModelError> {
    check_settings(config)?;
    refuse_includes(mjcf)?;
    let options =
        MjcfLoaderOptions { skip_plane_geoms: true, disable_joint_motors: true, ..Default::default() };
    let (robot, model) =
        MjcfRobot::from_str(mjcf, options, ".").map_err(|e| ModelError::Parse(format!("{e:#}")))?;

    let base_index = floating_base(&robot)?;
    let joint_indices = find_joints(&robot, &model, names.joints)?;
    let feet = names
        .feet
        .iter()
        .map(|name| find_foot(&robot, &model, name))
        .collect::<Result<Vec<_>, ModelError>>()?;
    let bare_mass_kg = robot.bodies.iter().skip(1).map(|b| f64::from(b.mass)).sum();

    let undamped: Vec<bool> = joint_indices
        .iter()
        .map(|i| robot.joints.get(*i).is_some_and(|j| j.damping_per_dof == 0.0 && j.springdamper.is_none()))
        .collect();

    let (mut bodies, mut colliders) = (RigidBodySet::new(), ColliderSet::new());
    let (mut impulse_joints, mut multibodies) = (ImpulseJointSet::new(), MultibodyJointSet::new());
    colliders.insert(ground(config));
    let handles = robot.insert_using_multibody_joints(
        &mut bodies,
        &mut colliders,
        &mut multibodies,
        &mut impulse_joints,
        MjcfMultibodyOptions::DISABLE_SELF_CONTACTS | MjcfMultibodyOptions::SKIP_JOINT_MOTORS,
    );
    if let Some(mu) = config.friction {
        colliders.iter_mut().for_each(|(_, c)| c.set_friction(mu as f32));
    }
    // Imported masses reach the solver only after this; without it the first kinematics use no centre of mass.
    for (_, body) in bodies.iter_mut() {
        body.recompute_mass_properties_from_colliders(&colliders);
    }

    let body_of = |index: usize| handles.bodies.get(index).and_then(Option::as_ref);
    let lost = || ModelError::Parse("a body vanished while the world was built".to_owned());
    let base_body = body_of(base_index).ok_or_else(lost)?;
    let joints = joint_indices
        .iter()
        .map(|i| handles.joints.get(*i).and_then(|h| h.joint).ok_or_else(lost))
        .collect::<Result<Vec<_>, ModelError>>()?;
    let feet = feet
        .into_iter()
        .map(|FoundFoot { body, shapes, site }| {
            let body = body_of(body).ok_or_else(lost)?;
            let shapes = body.colliders.get(shapes).ok_or_else(lost)?;
            let handles: Vec<_> = shapes.iter().map(|shape| shape.handle).collect();
            let centre = |handle: &ColliderHandle| colliders.get(*handle)?.position_wrt_parent();
            let centre = handles.first().and_then(centre).map_or(Vector::ZERO, |p| p.translation);
            Ok(Foot { colliders: handles, body: body.body, offset: site.unwrap_or(centre) })
        })
        .collect::<Result<Vec<_>, ModelError>>()?;
    let trunk = base_body
        .colliders
        .iter()
        .map(|c| c.handle)
        .filter(|h| !feet.iter().any(|f| f.colliders.contains(h)))
        .collect();
    let bare_base = bodies.get(base_body.body).map(|b| b.mass_properties().local_mprops).ok_or_else(lost)?;
    let dofs = prepare_multibody(&mut multibodies, &joints, &undamped);

    let params =
        IntegrationParameters { num_solver_iterations: config.solver_iterations, ..Default::default() };
    let mut physics = RapierPhysics {
        base: base_body.body,
        bodies,
        colliders,
        impulse_joints,
        multibodies,
        params,
        pipeline: PhysicsPipeline::new(),
        islands: IslandManager::new(),
        broad: DefaultBroadPhase::new(),
        narrow: NarrowPhase::new(),
        ccd: CCDSolver::new(),
        soft: SoftBodySet::new(),
        joints,
        feet,
        trunk,
        bare_base,
        bare_mass_kg,
        payload_kg: 0.0,
        displacement: vec![0.0; dofs],
        last_dt_s: 0.0,
    };
    physics.settle_kinematics();
    Ok(physics)
}

impl RapierPhysics {
    /// Bring the bodies to where the freshly inserted joints say they are.
    fn settle_kinematics(&mut self) {
        let Some(first) = self.joints.first() else { return };
        if let Some((multibody, _)) = self.multibodies.get_mut(*first) {
            multibody.forward_kinematics(&self.bodies, true);
            multibody.update_rigid_bodies(&mut self.bodies, true);
        }
    }
}

fn check_settings(config: &RapierConfig) -> Result<(), ModelError> {
    let setting = |field, found, expected| Err(ModelError::Setting { field, found, expected });
    if !(1..=64).contains(&config.solver_iterations) {
        return setting("solver_iterations", config.solver_iterations as f64, "1 to 64");
    }
    if !(1.0..=10_000.0).contains(&config.ground_half_side_m) {
        return setting("ground_half_side_m", config.ground_half_side_m, "1 to 10000 m");
    }
    match config.friction {
        Some(mu) if !(0.0..=10.0).contains(&mu) => setting("friction", mu, "0 to 10"),
        _ => Ok(()),
    }
}

fn refuse_includes(mjcf: &str) -> Result<(), ModelError> {
    let document = roxmltree::Document::parse(mjcf).map_err(|e| ModelError::Parse(e.to_string()))?;
    match document.descendants().find(|n| n.has_tag_name("include")) {
        Some(node) => Err(ModelError::Include { line: document.text_pos_at(node.range().start).row }),
        None => Ok(()),
    }
}

/// The ground: a slab whose top is z = 0. The larger coefficient of a contact wins, as in the model's own
/// convention, and the slab's is zero until `set_friction`, so the robot's shapes decide.
fn ground(config: &RapierConfig) -> Collider {
    let half = config.ground_half_side_m as f32;
    ColliderBuilder::cuboid(half, half, 0.5)
        .translation(Vector::new(0.0, 0.0, -0.5))
        .friction(0.0)
        .friction_combine_rule(CoefficientCombineRule::Max)
        .build()
}

fn floating_base(robot: &MjcfRobot) -> Result<usize, ModelError> {
    let mut free = robot.qpos_dofs.iter().filter(|d| d.kind == MjcfDofKind::Free);
    match (free.next(), free.count()) {
        (Some(base), 0) => Ok(base.body),
        (first, more) => Err(ModelError::FloatingBase { found: usize::from(first.is_some()) + more }),
    }
}

fn find_joints(
    robot: &MjcfRobot,
    model: &mjcf_rs::model::Model,
    wanted: &[&str],
) -> Result<Vec<usize>, ModelError> {
    let declared = || {
        model
            .bodies
            .iter()
            .flat_map(|entry| &entry.body.joints)
            .filter(|joint| joint.type_ != mjcf_rs::body::JointType::Free)
    };
    for joint in declared() {
        let name = joint.name.clone().unwrap_or_else(|| "<without a name>".to_owned());
        if !wanted.contains(&name.as_str()) {
            // A name asked for in vain says more than the joint it leaves undriven.
            if let Some(unknown) = wanted.iter().find(|w| !robot.joint_name_to_idx.contains_key(**w)) {
                let known = declared().filter_map(|j| j.name.as_deref()).collect::<Vec<_>>().join(", ");
                return Err(ModelError::UnknownJoint { name: (*unknown).to_owned(), known });
            }
            return Err(ModelError::Unnamed { name });
        }
        if joint.type_ != mjcf_rs::body::JointType::Hinge {
            return Err(ModelError::NotAHinge { name, found: format!("{:?}", joint.type_) });
        }
        if joint.ref_ != 0.0 {
            return Err(ModelError::Reference { name, found: joint.ref_ });
        }
    }
    let mut found = Vec::with_capacity(wanted.len());
    for name in wanted {
        let index = robot.joint_name_to_idx.get(*name).ok_or_else(|| ModelError::UnknownJoint {
            name: (*name).to_owned(),
            known: declared().filter_map(|j| j.name.as_deref()).collect::<Vec<_>>().join(", "),
        })?;
        if found.contains(index) {
            return Err(ModelError::Duplicate { name: (*name).to_owned() });
        }
        found.push(*index);
    }
    Ok(found)
}

/// A foot in the loader's numbers.
struct FoundFoot {
    body: usize,
    /// Which of the body's colliders.
    shapes: Range<usize>,
    /// Where a foot named by its site is, in the body's frame.
    site: Option<Vector>,
}

fn find_foot(robot: &MjcfRobot, model: &mjcf_rs::model::Model, name: &str) -> Result<FoundFoot, ModelError> {
    if let Some((body, collider)) = robot.geom_name_to_collider.get(name).copied()
        && model.site_by_name(name).is_none()
    {
        return Ok(FoundFoot { body, shapes: collider..collider + 1, site: None });
    }
    let unknown = |why| ModelError::UnknownFoot { name: name.to_owned(), why };
    let (body_id, index) =
        model.site_by_name(name).ok_or_else(|| unknown("is neither a colliding geom nor a site"))?;
    let site = model.bodies.get(body_id).and_then(|entry| entry.body.sites.get(index));
    let at = site.map_or(Vector::ZERO, |site| {
        let at = site.pose.translation;
        Vector::new(at.x as f32, at.y as f32, at.z as f32)
    });
    let body = robot
        .bodies
        .iter()
        .position(|b| b.mjcf_body_id == body_id && !b.is_intermediate)
        .ok_or_else(|| unknown("is a site on a body that was not built"))?;
    match robot.bodies.get(body).map_or(0, |b| b.colliders.len()) {
        0 => Err(unknown("is a site on a body without a collision shape")),
        count => Ok(FoundFoot { body, shapes: 0..count, site: Some(at) }),
    }
}

/// Free joint without the engine's own angular damping, and hinges without it where the model says none; every hinge
/// ready to take torque. Returns the number of degrees of freedom.
fn prepare_multibody(
    multibodies: &mut MultibodyJointSet,
    joints: &[MultibodyJointHandle],
    undamped: &[bool],
) -> usize {
    let mut dofs = 0;
    for (i, joint) in joints.iter().enumerate() {
        let Some((multibody, id)) = multibodies.get_mut(*joint) else { continue };
        let at = multibody.link(id).map_or(usize::MAX, |link| link.assembly_id());
        if undamped.get(i) == Some(&true)
            && let Some(damping) = multibody.damping_mut().get_mut(at)
        {
            *damping = 0.0;
        }
        if i == 0 {
            multibody.damping_mut().iter_mut().take(6).for_each(|d| *d = 0.0);
            dofs = multibody.ndofs();
        }
        if let Some(link) = multibody.link_mut(id) {
            let data = &mut link.joint.data;
            data.set_motor_model(JointAxis::AngX, MotorModel::ForceBased);
            data.set_motor_velocity(JointAxis::AngX, 0.0, 0.0);
            data.set_motor_max_force(JointAxis::AngX, 0.0);
        }
    }
    dofs
}
