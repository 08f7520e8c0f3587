//! Commands for the guard: legal by construction, too much, or not to be taken at all.
use sinew_bus::SplitMix64;
use sinew_guard::{JointLimits, Limits, Measured};
use sinew_wire::{ActuatorCommand, FrameId, JointCommand, JointMode};

/// What kind of command was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Every field, the braking distance and the predicted torque within limits: must arrive unchanged.
    Legal,
    /// Beyond a limit: must be trimmed.
    Excess,
    /// The same, sent past control's guard: the bridge alone must trim it.
    Direct,
    /// Must be refused.
    Refuse(Refuse),
}

/// Ways of being refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuse {
    NotANumber,
    Infinite,
    Gain,
    Mode,
    Joints,
    Epoch,
    Robot,
    Writer,
    Stale,
    Replay,
}

const REFUSE: [Refuse; 10] = [
    Refuse::NotANumber,
    Refuse::Infinite,
    Refuse::Gain,
    Refuse::Mode,
    Refuse::Joints,
    Refuse::Epoch,
    Refuse::Robot,
    Refuse::Writer,
    Refuse::Stale,
    Refuse::Replay,
];

/// The source of commands.
#[derive(Debug)]
pub struct Commands {
    random: SplitMix64,
    refused_in_row: u32,
}

impl Commands {
    pub fn new(seed: u64) -> Self {
        Self { random: SplitMix64::new(seed ^ 0x6a09_e667_f3bc_c908), refused_in_row: 0 }
    }

    /// 55 % legal, 20 % excess, 10 % direct, 15 % to be refused, never more than two of those in a row: the ladder is
    /// measured elsewhere.
    pub fn class(&mut self) -> Class {
        let dice = self.random.unit();
        let class = match dice {
            d if d < 0.55 => Class::Legal,
            d if d < 0.75 => Class::Excess,
            d if d < 0.85 || self.refused_in_row >= 2 => Class::Direct,
            _ => {
                let which = (self.random.unit() * REFUSE.len() as f64) as usize;
                Class::Refuse(REFUSE.get(which).copied().unwrap_or(Refuse::NotANumber))
            }
        };
        self.refused_in_row = if matches!(class, Class::Refuse(_)) { self.refused_in_row + 1 } else { 0 };
        class
    }

    /// Joint commands of `class` at the measured state.
    pub fn joints(
        &mut self,
        class: Class,
        limits: &Limits,
        measured: &[Measured],
        out: &mut ActuatorCommand,
    ) {
        out.joints.clear();
        for (limit, at) in limits.joints.iter().zip(measured) {
            let command = match class {
                Class::Legal | Class::Refuse(_) => self.legal(limit, *at),
                Class::Excess | Class::Direct => self.excess(limit),
            };
            out.joints.push(command);
        }
    }

    /// Uniform to 99.9 % of the limit, one time in ten exactly on it.
    fn up_to(&mut self, limit: f32) -> f32 {
        if self.random.unit() < 0.1 {
            return limit;
        }
        (self.random.unit() * 0.999 * f64::from(limit)) as f32
    }

    fn signed(&mut self, limit: f32) -> f32 {
        let value = self.up_to(limit);
        if self.random.unit() < 0.5 { -value } else { value }
    }

    fn legal(&mut self, limit: &JointLimits, at: Measured) -> JointCommand {
        let middle = 0.5 * (limit.q_min_rad + limit.q_max_rad);
        let half = 0.5 * (limit.q_max_rad - limit.q_min_rad);
        let q_rad = (middle + self.signed(half)).clamp(limit.q_min_rad, limit.q_max_rad);
        let mut command = JointCommand::impedance(
            q_rad,
            self.signed(limit.dq_max_rad_s),
            self.signed(limit.tau_max_nm),
            self.up_to(limit.kp_max),
            self.up_to(limit.kd_max),
        );
        // No faster towards a stop than can be braked before it, with a hair to spare for rounding.
        let left = |distance: f32| (2.0 * limit.ddq_max_rad_s2 * distance.max(0.0)).sqrt() * 0.999;
        let (up, down) = (left(limit.q_max_rad - at.q_rad), left(at.q_rad - limit.q_min_rad));
        command.dq_rad_s = command.dq_rad_s.clamp(-down, up);
        // No feed-forward towards a stop that the joint has reached, or cannot stop before any more.
        if up <= 0.0 || at.dq_rad_s >= up * 0.999 {
            command.tau_nm = command.tau_nm.min(0.0);
        }
        if down <= 0.0 || -at.dq_rad_s >= down * 0.999 {
            command.tau_nm = command.tau_nm.max(0.0);
        }
        // The law's torque at the measured state within the limit: shrink the whole command towards doing nothing.
        let torque = |c: &JointCommand| {
            f64::from(c.kp) * (f64::from(c.q_rad) - f64::from(at.q_rad))
                + f64::from(c.kd) * (f64::from(c.dq_rad_s) - f64::from(at.dq_rad_s))
                + f64::from(c.tau_nm)
        };
        let predicted = torque(&command).abs();
        let most = f64::from(limit.tau_max_nm) * 0.999;
        if predicted > most {
            let share = (most / predicted) as f32;
            command.kp *= share;
            command.kd *= share;
            command.tau_nm *= share;
        }
        command
    }

    /// Up to three times every limit.
    fn excess(&mut self, limit: &JointLimits) -> JointCommand {
        let mut far = |limit: f32| (self.random.unit() as f32 * 6.0 - 3.0) * limit;
        let reach = limit.q_max_rad.abs().max(limit.q_min_rad.abs());
        let (q, dq, tau) = (far(reach), far(limit.dq_max_rad_s), far(limit.tau_max_nm));
        JointCommand::impedance(q, dq, tau, self.up_to(limit.kp_max), self.up_to(limit.kd_max))
    }

    /// Spoils a frame so that it has to be refused. `old` is a state that is too old, `taken` the sequence number of the
    /// newest command taken.
    pub fn spoil(&mut self, how: Refuse, frame: &mut ActuatorCommand, old: FrameId, taken: u32) {
        let joint = (self.random.unit() * frame.joints.len() as f64) as usize;
        let Some(first) = frame.joints.get_mut(joint) else { return };
        match how {
            Refuse::NotANumber => first.q_rad = f32::NAN,
            Refuse::Infinite => first.tau_nm = f32::INFINITY,
            Refuse::Gain => first.kp = 1e4,
            Refuse::Mode => first.mode = JointMode::Position as u8,
            Refuse::Joints => {
                frame.joints.pop();
            }
            Refuse::Epoch => frame.header.epoch = frame.header.epoch.wrapping_sub(1),
            Refuse::Robot => frame.header.robot ^= 1,
            Refuse::Writer => frame.header.boot_id ^= 1,
            Refuse::Stale => frame.header.set_based_on(old),
            Refuse::Replay => frame.header.seq = taken.wrapping_sub(joint as u32),
        }
    }
}
