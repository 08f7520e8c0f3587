//! A harness that holds the base of a robot which cannot rest on the ground without power.
//!
//! ```text
//!            stood by itself long enough (1)       faded (2)
//!  Holding ─────────────────────────────▶ Letting go ─────────▶ Off, for good
//! ```
//! 1 the base has been above `stood_height_m` for [`STOOD_S`]; the rope below is slack by then, only the hands that keep
//! the base upright and in place still touch it. 2 those fade over [`FADE_S`]. A robot that falls later falls.
//!
//! A rope from above carries the base from below its height on and never pushes it down; springs keep it upright
//! and in place. Forces are bounded, so a robot can tear itself loose; the drives know nothing of it.

use crate::physics::{BaseTruth, Physics};
use crate::rotation::world_from_body;

/// Standing for this long, it is let go.
const STOOD_S: f64 = 1.0;
const FADE_S: f64 = 0.5;
/// The rope gives by this under the whole weight, m.
const SAG_M: f64 = 0.004;
/// Damping ratio of the rope.
const ROPE_DAMPING: f64 = 1.0;
/// Most the rope carries, in weights.
const ROPE_WEIGHTS: f64 = 3.0;
/// Keeping in place: N/m and N s/m per kg, at most so many N per kg.
const PLACE: (f64, f64, f64) = (100.0, 20.0, 10.0);
/// Keeping upright: N m/rad and N m s/rad per kg m of mass times height, at most so many N m per kg m.
const UPRIGHT: (f64, f64, f64) = (60.0, 3.0, 10.0);

/// The harness of one run.
#[derive(Debug, Clone)]
pub(crate) struct Harness {
    at_m: [f64; 3],
    stood_height_m: f64,
    mass_kg: f64,
    stood_s: f64,
    /// Share of the forces still applied; 1 while holding.
    share: f64,
}

impl Harness {
    /// Holds a robot of `mass_kg` at `height_m` over the origin until its base has been above `stood_height_m`.
    pub(crate) fn new(height_m: f64, stood_height_m: f64, mass_kg: f64) -> Self {
        Self { at_m: [0.0, 0.0, height_m], stood_height_m, mass_kg, stood_s: 0.0, share: 1.0 }
    }

    /// It still touches the robot.
    pub(crate) fn holds(&self) -> bool {
        self.share > 0.0
    }

    /// Forces of the coming physics step of `dt_s`.
    pub(crate) fn step(&mut self, physics: &mut dyn Physics, dt_s: f64) {
        if !self.holds() {
            return;
        }
        let base = physics.base();
        let stands = base.position_m[2] >= self.stood_height_m;
        self.stood_s = if stands { self.stood_s + dt_s } else { 0.0 };
        // Once letting go it goes on letting go, whatever becomes of the robot.
        if self.stood_s >= STOOD_S || self.share < 1.0 {
            self.share = (self.share - dt_s / FADE_S).max(0.0);
        }
        let (force, torque) = self.wrench(&base);
        physics.set_base_wrench(force.map(|f| f * self.share), torque.map(|t| t * self.share));
    }

    fn wrench(&self, base: &BaseTruth) -> ([f64; 3], [f64; 3]) {
        let [x, y, z] = base.position_m;
        let [vx, vy, vz] = base.linear_velocity_m_s;
        let [ax, ay, az] = self.at_m;
        let weight_n = self.mass_kg * crate::physics::GRAVITY_M_S2;
        let stiffness = weight_n / SAG_M;
        let damping = 2.0 * ROPE_DAMPING * (stiffness * self.mass_kg).sqrt();
        let stretch = az - z;
        let rope = if stretch > 0.0 { stiffness * stretch - damping * vz } else { 0.0 };
        let (k, c, most) = PLACE;
        let aside = |gap: f64, speed: f64| {
            (self.mass_kg * (k * gap - c * speed)).clamp(-most * self.mass_kg, most * self.mass_kg)
        };
        let force = [aside(ax - x, vx), aside(ay - y, vy), rope.clamp(0.0, ROPE_WEIGHTS * weight_n)];
        // Turn that would bring the base upright and ahead, body frame: twice the vector part of the inverse quaternion.
        let [w, qx, qy, qz] = base.orientation;
        let back = [qx, qy, qz].map(|part| -2.0 * part * w.signum());
        let (k, c, most) = UPRIGHT;
        let lever = self.mass_kg * self.stood_height_m;
        let mut torque = [0.0; 3];
        for ((torque, back), rate) in torque.iter_mut().zip(back).zip(base.angular_velocity_rad_s) {
            *torque = (lever * (k * back - c * rate)).clamp(-most * lever, most * lever);
        }
        (force, world_from_body(base.orientation, torque))
    }
}
