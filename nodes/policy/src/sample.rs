//! What one run knows of the robot, already in the policy's joint order.

/// One moment of the robot, for terms to take from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample<'a> {
    /// Base frame, rad/s.
    pub gyro_rad_s: [f64; 3],
    /// Base frame, m/s.
    pub velocity_m_s: [f64; 3],
    /// Unit vector in the base frame.
    pub projected_gravity: [f64; 3],
    /// Base in the odometry frame: w, x, y, z.
    pub orientation_wxyz: [f64; 4],
    /// Base in the odometry frame, m.
    pub position_m: [f64; 3],
    /// Base above the support plane, m.
    pub height_m: f64,
    /// Contact probability per foot, in the robot's order.
    pub contact: [f64; 8],
    /// What the policy sees of the velocity command: vx, vy m/s, wz rad/s.
    pub command: [f64; 3],
    /// Where that command is going.
    pub goal: [f64; 3],
    /// Per policy joint, rad.
    pub q_rad: &'a [f64],
    /// Per policy joint, rad/s.
    pub dq_rad_s: &'a [f64],
    /// Per policy joint, N m.
    pub tau_nm: &'a [f64],
    /// The action fed back, at each stage; zero after a reset.
    pub action: FedBack<'a>,
    /// Nothing was observed before: history, clocks and ramps start anew.
    pub fresh: bool,
    /// Runs since the last one; 1 unless some were left out.
    pub elapsed: u32,
}

/// The last action at each stage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FedBack<'a> {
    /// The graph's own output.
    pub raw: &'a [f32],
    /// After `clip_raw`.
    pub clipped: &'a [f32],
    /// After `clip_raw` and scale.
    pub scaled: &'a [f32],
    /// Joint targets, rad.
    pub applied: &'a [f32],
}

impl Sample<'_> {
    /// True when the command, or where it is going, is above `threshold` in norm.
    pub fn is_moving(&self, threshold: f64) -> bool {
        norm(&self.command) > threshold || norm(&self.goal) > threshold
    }
}

fn norm(values: &[f64; 3]) -> f64 {
    values.iter().map(|c| c * c).sum::<f64>().sqrt()
}
