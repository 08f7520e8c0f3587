//! Rigid transforms: nalgebra inside, plain arrays at the border.

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion, Vector3};

/// Position and orientation of one frame in another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// Position, m.
    pub position_m: [f64; 3],
    /// Orientation as a unit quaternion (w, x, y, z).
    pub orientation_wxyz: [f64; 4],
}

impl Pose {
    /// The identity.
    pub const IDENTITY: Pose = Pose { position_m: [0.0; 3], orientation_wxyz: [1.0, 0.0, 0.0, 0.0] };

    /// Rotates a vector of this frame into the outer one.
    pub fn rotate(&self, vector: [f64; 3]) -> [f64; 3] {
        (isometry(self).rotation * Vector3::from(vector)).into()
    }

    /// Expresses a point of this frame in the outer one.
    pub fn transform(&self, point_m: [f64; 3]) -> [f64; 3] {
        (isometry(self) * nalgebra::Point3::from(point_m)).coords.into()
    }
}

pub(crate) fn isometry(pose: &Pose) -> Isometry3<f64> {
    let [w, x, y, z] = pose.orientation_wxyz;
    let rotation = UnitQuaternion::new_unchecked(Quaternion::new(w, x, y, z));
    Isometry3::from_parts(Translation3::from(pose.position_m), rotation)
}

pub(crate) fn pose(isometry: &Isometry3<f64>) -> Pose {
    let q = isometry.rotation.quaternion();
    Pose { position_m: isometry.translation.vector.into(), orientation_wxyz: [q.w, q.i, q.j, q.k] }
}
