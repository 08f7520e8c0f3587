//! rapier3d behind the [`Physics`] trait: multibody joints, explicit torques, flat ground.
//!
//! Recipes this file relies on, each held by the conformance suite:
//! - a multibody joint has no torque input; a force-based velocity motor with zero stiffness and damping is a
//!   rigid constraint, so an unreachable target velocity with `max_force = |tau|` delivers exactly that torque;
//! - a sleeping multibody ignores its motors, so the base is woken in each step;
//! - frictionloss, damping and armature sit in the multibody's own vectors (the loader puts them there), the
//!   motors carry torque only;
//! - velocities are read from the generalised coordinates, which are right at once after a push; the rigid
//!   bodies' own copies lag until the next step.

mod load;

pub use load::{ModelError, RapierConfig, RobotNames};

use crate::physics::{BasePose, BaseTruth, FootTruth, GRAVITY_M_S2, Physics, StateError, check_state};
use crate::rotation;
use rapier3d::prelude::*;

/// A target no motor reaches, rad/s; the torque limit does the work.
const UNREACHABLE_RAD_S: f32 = 1e9;

/// One robot in a rapier world.
pub struct RapierPhysics {
    bodies: RigidBodySet,
    colliders: ColliderSet,
    impulse_joints: ImpulseJointSet,
    multibodies: MultibodyJointSet,
    params: IntegrationParameters,
    pipeline: PhysicsPipeline,
    islands: IslandManager,
    broad: DefaultBroadPhase,
    narrow: NarrowPhase,
    ccd: CCDSolver,
    soft: SoftBodySet,
    joints: Vec<MultibodyJointHandle>,
    feet: Vec<Foot>,
    trunk: Vec<ColliderHandle>,
    base: RigidBodyHandle,
    /// Mass properties of the base without payload.
    bare_base: MassProperties,
    bare_mass_kg: f64,
    payload_kg: f64,
    /// Scratch for displacements, one entry per degree of freedom.
    displacement: Vec<f32>,
    /// Length of the last step, s: contact impulses divided by it are forces.
    last_dt_s: f64,
}

/// A foot: colliders fixed to the body that carries them.
struct Foot {
    colliders: Vec<ColliderHandle>,
    body: RigidBodyHandle,
    /// Where the foot is in that body's frame.
    offset: Vector,
}

impl RapierPhysics {
    /// Build a world from MJCF text. Joints and feet are taken by name, in the order given.
    ///
    /// # Errors
    /// [`ModelError`], each naming what was looked for and what the model has instead.
    pub fn new(mjcf: &str, names: &RobotNames<'_>, config: &RapierConfig) -> Result<Self, ModelError> {
        load::load(mjcf, names, config)
    }

    fn multibody(&self) -> Option<&Multibody> {
        self.joints.first().and_then(|j| self.multibodies.get(*j)).map(|(m, _)| m)
    }

    fn generalised_velocity(&self, dof: usize) -> f64 {
        self.multibody().and_then(|m| m.generalized_velocity().get(dof).copied()).map_or(0.0, f64::from)
    }

    fn base_angular_velocity_world(&self) -> [f64; 3] {
        [3, 4, 5].map(|i| self.generalised_velocity(i))
    }

    /// Sum of normal impulses on one collider in the last step, over its length: N.
    fn force_on(&self, collider: ColliderHandle) -> f64 {
        if self.last_dt_s <= 0.0 {
            return 0.0;
        }
        let impulse: f64 = self
            .narrow
            .contact_pairs_with(collider)
            .flat_map(|pair| pair.manifolds())
            .flat_map(|manifold| &manifold.points)
            .map(|point| f64::from(point.data.impulse))
            .sum();
        impulse / self.last_dt_s
    }
}

impl Physics for RapierPhysics {
    fn name(&self) -> &'static str {
        "rapier3d"
    }

    fn joint_count(&self) -> usize {
        self.joints.len()
    }

    fn foot_count(&self) -> usize {
        self.feet.len()
    }

    fn set_state(&mut self, base: &BasePose, q_rad: &[f64]) -> Result<(), StateError> {
        check_state(base, q_rad, self.joints.len())?;
        let [w, x, y, z] = base.orientation.map(|v| v as f32);
        let [px, py, pz] = base.position_m.map(|v| v as f32);
        let rotation = Rotation::from_xyzw(x, y, z, w).normalize();
        let pose = Pose::from_parts(Vector::new(px, py, pz), rotation);
        if let Some(body) = self.bodies.get_mut(self.base) {
            body.set_position(pose, true);
        }
        self.displacement.fill(0.0);
        for (joint, q) in self.joints.iter().zip(q_rad) {
            if let Some((multibody, id)) = self.multibodies.get(*joint)
                && let Some(link) = multibody.link(id)
                && let Some(d) = self.displacement.get_mut(link.assembly_id())
            {
                *d = *q as f32 - hinge_angle(link);
            }
        }
        let Some(first) = self.joints.first() else { return Ok(()) };
        if let Some((multibody, _)) = self.multibodies.get_mut(*first) {
            multibody.apply_displacements(&self.displacement);
            multibody.generalized_velocity_mut().fill(0.0);
            multibody.forward_kinematics(&self.bodies, true);
            multibody.update_rigid_bodies(&mut self.bodies, true);
        }
        for (_, body) in self.bodies.iter_mut() {
            body.set_linvel(Vector::ZERO, true);
            body.set_angvel(Vector::ZERO, true);
        }
        Ok(())
    }

    fn step(&mut self, torques_nm: &[f64], dt_s: f64) {
        for (i, joint) in self.joints.iter().enumerate() {
            let torque = torques_nm.get(i).copied().filter(|t| t.is_finite()).unwrap_or(0.0) as f32;
            if let Some((multibody, id)) = self.multibodies.get_mut(*joint)
                && let Some(link) = multibody.link_mut(id)
            {
                let data = &mut link.joint.data;
                data.set_motor_velocity(JointAxis::AngX, UNREACHABLE_RAD_S.copysign(torque), 0.0);
                data.set_motor_max_force(JointAxis::AngX, torque.abs());
            }
        }
        if let Some(base) = self.bodies.get_mut(self.base) {
            base.wake_up(true);
        }
        self.params.dt = dt_s as f32;
        self.params.min_ccd_dt = self.params.dt / 100.0;
        self.last_dt_s = dt_s;
        self.pipeline.step(
            Vector::new(0.0, 0.0, -GRAVITY_M_S2 as f32),
            &self.params,
            &mut self.islands,
            &mut self.broad,
            &mut self.narrow,
            &mut self.bodies,
            &mut self.colliders,
            &mut self.impulse_joints,
            &mut self.multibodies,
            &mut self.soft,
            &mut self.ccd,
            &(),
            &(),
        );
    }

    fn joint_state(&self, i: usize) -> (f64, f64) {
        let link = self
            .joints
            .get(i)
            .and_then(|j| self.multibodies.get(*j))
            .and_then(|(multibody, id)| multibody.link(id).map(|link| (multibody, link)));
        match link {
            Some((multibody, link)) => {
                let rate = multibody.generalized_velocity().get(link.assembly_id()).copied().unwrap_or(0.0);
                (f64::from(hinge_angle(link)), f64::from(rate))
            }
            None => (0.0, 0.0),
        }
    }

    fn base(&self) -> BaseTruth {
        let (position_m, orientation) = match self.bodies.get(self.base) {
            Some(body) => {
                let (p, r) = (body.translation(), body.rotation());
                ([p.x, p.y, p.z].map(f64::from), [r.w, r.x, r.y, r.z].map(f64::from))
            }
            None => ([0.0; 3], [1.0, 0.0, 0.0, 0.0]),
        };
        BaseTruth {
            position_m,
            orientation,
            linear_velocity_m_s: [0, 1, 2].map(|i| self.generalised_velocity(i)),
            angular_velocity_rad_s: rotation::body_from_world(
                orientation,
                self.base_angular_velocity_world(),
            ),
        }
    }

    fn foot(&self, i: usize) -> FootTruth {
        let Some(foot) = self.feet.get(i) else { return FootTruth::default() };
        let position = self.bodies.get(foot.body).map_or(Vector::ZERO, |b| *b.position() * foot.offset);
        let force_n = foot.colliders.iter().map(|collider| self.force_on(*collider)).sum();
        FootTruth {
            position_m: [position.x, position.y, position.z].map(f64::from),
            force_n,
            contact: force_n > 0.0,
        }
    }

    fn trunk_contact(&self) -> bool {
        self.trunk.iter().any(|collider| self.force_on(*collider) > 0.0)
    }

    fn contact_force_n(&self) -> f64 {
        if self.last_dt_s <= 0.0 {
            return 0.0;
        }
        let impulse: f64 = self
            .narrow
            .contact_pairs()
            .flat_map(|pair| pair.manifolds())
            .flat_map(|manifold| &manifold.points)
            .map(|point| f64::from(point.data.impulse))
            .sum();
        impulse / self.last_dt_s
    }

    fn push(&mut self, delta_v_m_s: [f64; 3]) {
        let Some(first) = self.joints.first() else { return };
        if let Some((multibody, _)) = self.multibodies.get_mut(*first) {
            for (v, dv) in multibody.generalized_velocity_mut().iter_mut().zip(delta_v_m_s) {
                if dv.is_finite() {
                    *v += dv as f32;
                }
            }
            multibody.update_rigid_bodies(&mut self.bodies, true);
        }
    }

    fn set_base_wrench(&mut self, force_n: [f64; 3], torque_nm: [f64; 3]) {
        let finite = |v: [f64; 3]| {
            let [x, y, z] = v.map(|x| if x.is_finite() { x as f32 } else { 0.0 });
            Vector::new(x, y, z)
        };
        let (force, torque) = (finite(force_n), finite(torque_nm));
        if let Some(base) = self.bodies.get_mut(self.base) {
            let lever = base.translation() - base.center_of_mass();
            base.reset_forces(true);
            base.reset_torques(true);
            base.add_force(force, true);
            base.add_torque(torque + lever.cross(force), true);
        }
    }

    fn set_friction(&mut self, mu: f64) {
        let mu = if mu.is_finite() { mu.max(0.0) as f32 } else { 0.0 };
        for (_, collider) in self.colliders.iter_mut() {
            collider.set_friction(mu);
        }
    }

    fn set_payload(&mut self, kg: f64) {
        self.payload_kg = if kg.is_finite() { kg.max(0.0) } else { 0.0 };
        let mut carried = self.bare_base;
        carried.set_mass(self.bare_base.mass() + self.payload_kg as f32, false);
        if let Some(body) = self.bodies.get_mut(self.base) {
            body.set_additional_mass_properties(carried, true);
            body.recompute_mass_properties_from_colliders(&self.colliders);
        }
    }

    fn mass_kg(&self) -> f64 {
        self.bare_mass_kg + self.payload_kg
    }

    fn state_bits(&self, sink: &mut dyn FnMut(&[u8])) {
        if let Some(body) = self.bodies.get(self.base) {
            let (p, r) = (body.translation(), body.rotation());
            for x in [p.x, p.y, p.z, r.w, r.x, r.y, r.z] {
                sink(&x.to_bits().to_le_bytes());
            }
        }
        for joint in &self.joints {
            if let Some((multibody, id)) = self.multibodies.get(*joint)
                && let Some(link) = multibody.link(id)
            {
                sink(&hinge_angle(link).to_bits().to_le_bytes());
            }
        }
        if let Some(multibody) = self.multibody() {
            for v in multibody.generalized_velocity().iter() {
                sink(&v.to_bits().to_le_bytes());
            }
        }
    }
}

/// Angle of a hinge: the loader aligns every hinge with the x axis of its joint frame.
fn hinge_angle(link: &MultibodyLink) -> f32 {
    link.joint().coords()[3]
}
