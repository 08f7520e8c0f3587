//! The mechanical tree read from the MJCF: bodies, joints, inertia, shapes, sites.

use crate::pose::Pose;

/// The tree of bodies. Parents come before children; body 0 is the base.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The model's own name.
    pub name: String,
    /// Whether the base moves freely (a free joint) or is bolted to the world.
    pub floating: bool,
    /// Bodies in document order.
    pub bodies: Vec<Body>,
}

/// One rigid body.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// Name, unique among bodies.
    pub name: String,
    /// Index of the parent body; `None` for the base.
    pub parent: Option<usize>,
    /// Frame in the parent's frame at joint position zero; for the base, in the world.
    pub pose: Pose,
    /// Mass and inertia.
    pub inertial: Inertial,
    /// The joint that moves this body against its parent, if any.
    pub joint: Option<ModelJoint>,
    /// Shapes, in the body frame.
    pub geoms: Vec<Geom>,
    /// Named points, in the body frame.
    pub sites: Vec<Site>,
}

/// Mass properties of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inertial {
    /// Mass, kg.
    pub mass_kg: f64,
    /// Frame of the principal axes at the centre of mass, in the body frame.
    pub pose: Pose,
    /// Principal moments of inertia, kg m^2.
    pub diagonal_kg_m2: [f64; 3],
}

/// How a joint moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JointKind {
    /// Rotation about the axis, rad.
    Hinge,
    /// Translation along the axis, m.
    Slide,
}

/// One joint of the model; its frame is the body's, its axis goes through the body's origin.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelJoint {
    /// Name, unique among joints.
    pub name: String,
    /// Rotation or translation.
    pub kind: JointKind,
    /// Unit axis in the body frame.
    pub axis: [f64; 3],
    /// Position range, rad or m.
    pub range: Option<(f64, f64)>,
    /// Largest torque of its actuator, N m or N.
    pub effort_max: Option<f64>,
    /// Viscous damping, N m s/rad.
    pub damping: f64,
    /// Coulomb friction, N m.
    pub friction_loss: f64,
    /// Rotor inertia seen at the joint, kg m^2.
    pub armature: f64,
    /// Index of this joint in [`Robot::joints`](crate::Robot::joints).
    pub index: usize,
    /// Line of the model file it stands in.
    pub line: u32,
}

/// One shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Geom {
    /// Name, if it has one.
    pub name: Option<String>,
    /// Frame in the body frame.
    pub pose: Pose,
    /// Shape and size.
    pub shape: Shape,
    /// Whether it collides (`contype` or `conaffinity` is not zero).
    pub collides: bool,
}

/// Shapes a geom can have; lengths in m.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Ball of a radius.
    Sphere(f64),
    /// Box of half extents.
    Box([f64; 3]),
    /// Radius and half length along z.
    Cylinder(f64, f64),
    /// Radius and half length of the cylindrical part along z.
    Capsule(f64, f64),
    /// Half axes.
    Ellipsoid([f64; 3]),
    /// A mesh asset by name; this room does not read the file.
    Mesh(String),
}

/// A named point.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Name, unique among sites.
    pub name: String,
    /// Frame in the body frame.
    pub pose: Pose,
    /// Line of the model file it stands in.
    pub line: u32,
}

impl Model {
    /// Sum of all masses, kg.
    pub fn total_mass_kg(&self) -> f64 {
        self.bodies.iter().map(|body| body.inertial.mass_kg).sum()
    }

    /// The body that carries a site, and the site.
    pub fn site(&self, name: &str) -> Option<(usize, &Site)> {
        self.bodies.iter().enumerate().find_map(|(index, body)| {
            body.sites.iter().find(|site| site.name == name).map(|site| (index, site))
        })
    }

    /// Index of a body.
    pub fn body(&self, name: &str) -> Option<usize> {
        self.bodies.iter().position(|body| body.name == name)
    }

    /// All joints, in tree order.
    pub fn joints(&self) -> impl Iterator<Item = &ModelJoint> {
        self.bodies.iter().filter_map(|body| body.joint.as_ref())
    }

    /// Bodies from the base to `body`, both included.
    pub(crate) fn chain(&self, body: usize) -> Vec<usize> {
        let mut chain = vec![body];
        let mut at = body;
        while let Some(parent) = self.bodies.get(at).and_then(|body| body.parent) {
            chain.push(parent);
            at = parent;
        }
        chain.reverse();
        chain
    }
}
