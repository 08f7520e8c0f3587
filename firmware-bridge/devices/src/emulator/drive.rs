//! A simulated Damiao drive.
//!
//! ```text
//!              FC (1)                       fault, watchdog (3)
//!  Disabled ──────────▶ Enabled ─────────────────────────────────▶ Faulted
//!     ▲  ◀──────────────┘  FD (2)                                    │
//!     └───────────────────────────────── FB (4) ─────────────────────┘
//! ```
//! 1 `enable`: the command starts at zero, the watchdog anew. 2 `disable`. 3 `latch`: no torque, status
//! nibble. 4 `clear`: a cause that is still there latches again at the next substep.
//!
//! It answers every frame addressed to it, enabled or not, but applies MIT commands only while enabled.
//! Any MIT frame feeds the watchdog, orders and registers do not.
//!
//! Invariant: torque is zero unless enabled, and never beyond the limit that the current allows.

use super::drive_config::{DamiaoEmulatorConfig, SpeedTorque};
use super::fault::DriveFault;
use super::noise::Noise;
use super::registers::Registers;
use super::thermal::Temperatures;
use crate::damiao::{
    Access, ControlMode, Fault, Feedback, Register, RegisterValue, Request, TIMEOUT_UNIT_NS, decode_request,
    encode_feedback, encode_register_reply,
};
use crate::mit::{MitCommand, MitScaling, decode_command};
use sinew_bus::{CanFrame, Device};

/// Stiffness (N m/rad) and damping (N m s/rad) with which a jammed gearbox holds its output.
const JAM: (f64, f64) = (200.0, 4.0);

/// How far above its trip temperature an injected over-temperature puts the windings, K.
const OVERHEAT_K: f64 = 5.0;

/// True motion of the drive's output, in the drive's coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JointTruth {
    /// Position, rad.
    pub q_rad: f64,
    /// Velocity, rad/s.
    pub dq_rad_s: f64,
}

/// What is going on inside, for logs, checkers and hashes. The stack has no path to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriveStatus {
    /// Commands are applied.
    pub enabled: bool,
    /// Nibble of the latched fault; 0 is none.
    pub fault: u8,
    /// Motor torque of the last substep, N m.
    pub torque_nm: f64,
    /// The last MIT frame as decoded; zero since power-on or enabling.
    pub applied: MitCommand,
    /// Bus time of the last MIT frame.
    pub last_command_ns: Option<u64>,
    /// Winding temperature, degrees Celsius.
    pub rotor_c: f64,
    /// Power stage temperature, degrees Celsius.
    pub mos_c: f64,
    /// The watchdog fired and was not cleared yet.
    pub watchdog_fired: bool,
    /// Frames addressed to it since power-on.
    pub frames: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Injected {
    jammed_at_rad: Option<f64>,
    torque_loss: bool,
    silent: bool,
    deaf: bool,
    stuck_gain: bool,
    frozen_at_rad: Option<f64>,
    jump_rad: f64,
}

/// The drive. See the module head.
#[derive(Clone, Debug)]
pub struct DamiaoEmulator {
    config: DamiaoEmulatorConfig,
    speed_torque: SpeedTorque,
    stored: Registers,
    live: Registers,
    /// Ranges by the live registers.
    scaling: MitScaling,
    noise: Noise,
    injected: Injected,
    enabled: bool,
    fault: Option<Fault>,
    applied: MitCommand,
    last_command_ns: Option<u64>,
    /// Last thing that fed the watchdog.
    fed_ns: u64,
    frames: u64,
    /// Encoder reading that counts as zero.
    zero_rad: f64,
    truth: JointTruth,
    reported: JointTruth,
    torque_nm: f64,
    temperatures: Temperatures,
}

impl DamiaoEmulator {
    /// A drive as shipped, powered and disabled; its watchdog is off until TIMEOUT is written.
    pub fn new(config: DamiaoEmulatorConfig, seed: u64) -> Self {
        let registers = Registers::of(config.model, config.id, config.master_id, config.thermal.rotor_trip_c);
        DamiaoEmulator {
            speed_torque: SpeedTorque::of(config.model),
            stored: registers,
            live: registers,
            scaling: registers.scaling(config.model),
            noise: Noise::new(seed),
            injected: Injected::default(),
            enabled: false,
            fault: None,
            applied: MitCommand::default(),
            last_command_ns: None,
            fed_ns: 0,
            frames: 0,
            zero_rad: 0.0,
            truth: JointTruth::default(),
            reported: JointTruth::default(),
            torque_nm: 0.0,
            temperatures: Temperatures { rotor_c: config.ambient_c, mos_c: config.ambient_c },
            config,
        }
    }

    /// Replaces the estimate of the torque-speed curve.
    pub fn set_speed_torque(&mut self, speed_torque: SpeedTorque) {
        self.speed_torque = speed_torque;
    }

    /// Writes a register into flash and makes it live, as a workshop would before mounting the drive.
    /// False if the drive does not take the value.
    pub fn store_register(&mut self, register: Register, value: RegisterValue) -> bool {
        let taken = self.stored.set(register, value) && self.live.set(register, value);
        self.scaling = self.live.scaling(self.config.model);
        taken
    }

    /// What a register holds now.
    pub fn register(&self, register: Register) -> RegisterValue {
        self.live.get(register)
    }

    /// The inside of the drive.
    pub fn status(&self) -> DriveStatus {
        DriveStatus {
            enabled: self.enabled,
            fault: self.fault.map_or(0, Fault::nibble),
            torque_nm: self.torque_nm,
            applied: self.applied,
            last_command_ns: self.last_command_ns,
            rotor_c: self.temperatures.rotor_c,
            mos_c: self.temperatures.mos_c,
            watchdog_fired: self.fault == Some(Fault::LostCommunication),
            frames: self.frames,
        }
    }

    /// Injects a fault now.
    pub fn inject(&mut self, fault: DriveFault) {
        match fault {
            DriveFault::Stall => self.injected.jammed_at_rad = Some(self.truth.q_rad),
            DriveFault::TorqueLoss => self.injected.torque_loss = true,
            DriveFault::Silent => self.injected.silent = true,
            DriveFault::Deaf => self.injected.deaf = true,
            DriveFault::StuckGain => self.injected.stuck_gain = true,
            DriveFault::EncoderFreeze => {
                self.injected.frozen_at_rad = Some(self.encoder(self.truth).q_rad + self.zero_rad);
            }
            DriveFault::EncoderJump(jump_rad) if jump_rad.is_finite() => self.injected.jump_rad += jump_rad,
            DriveFault::EncoderJump(_) => {}
            DriveFault::OverTemperature => {
                self.temperatures.rotor_c = f64::from(self.live.over_temperature_c) + OVERHEAT_K;
            }
            DriveFault::Latch(fault) => self.latch(fault),
            DriveFault::Reset => self.reset(),
            DriveFault::Recover => self.injected = Injected::default(),
        }
    }

    /// Latches what the replies of this cycle report: encoder, noise. Call once per cycle.
    pub fn observe(&mut self, truth: JointTruth) {
        // Both are drawn always, so that a fault does not shift the stream.
        let (q_noise, dq_noise) = (self.noise.normal(), self.noise.normal());
        if !is_finite(truth) {
            return;
        }
        self.truth = truth;
        let measured = self.encoder(truth);
        let frozen = self.injected.frozen_at_rad.is_some();
        self.reported = if frozen {
            measured
        } else {
            JointTruth {
                q_rad: measured.q_rad + self.config.noise.q_std_rad * q_noise,
                dq_rad_s: measured.dq_rad_s + self.config.noise.dq_std_rad_s * dq_noise,
            }
        };
    }

    /// One physics substep over `[now_ns, now_ns + dt_ns)`: watchdog, inner loop, clipping, heat. Returns
    /// the torque on the joint, at the output, N m.
    pub fn substep(&mut self, truth: JointTruth, now_ns: u64, dt_ns: u64) -> f64 {
        self.check_watchdog(now_ns);
        if !is_finite(truth) {
            self.torque_nm = 0.0;
            return 0.0;
        }
        self.truth = truth;
        self.torque_nm = self.motor_torque_nm(truth);
        let dt_s = dt_ns as f64 * 1e-9;
        self.temperatures =
            self.config.thermal.advance(self.temperatures, self.config.ambient_c, self.torque_nm, dt_s);
        self.check_temperatures();
        self.output_torque_nm(truth)
    }

    /// What the encoder says: truth, bias and jumps against the stored zero.
    fn encoder(&self, truth: JointTruth) -> JointTruth {
        match self.injected.frozen_at_rad {
            Some(q_rad) => JointTruth { q_rad: q_rad - self.zero_rad, dq_rad_s: 0.0 },
            None => JointTruth {
                q_rad: truth.q_rad + self.config.noise.q_bias_rad + self.injected.jump_rad - self.zero_rad,
                dq_rad_s: truth.dq_rad_s,
            },
        }
    }

    fn motor_torque_nm(&self, truth: JointTruth) -> f64 {
        if !self.enabled || self.live.control_mode != ControlMode::Mit as u32 {
            return 0.0;
        }
        let measured = self.encoder(truth);
        let law = &self.applied;
        let wanted_nm =
            law.kp * (law.q_rad - measured.q_rad) + law.kd * (law.dq_rad_s - measured.dq_rad_s) + law.tau_nm;
        let limit_nm = self.config.torque_limit_nm.min(self.scaling.t_max_nm).max(0.0);
        let driving = wanted_nm * truth.dq_rad_s > 0.0;
        let share = if driving { self.speed_torque.share(truth.dq_rad_s.abs()) } else { 1.0 };
        wanted_nm.min(limit_nm * share).max(-limit_nm * share)
    }

    fn output_torque_nm(&self, truth: JointTruth) -> f64 {
        if let Some(jammed_at_rad) = self.injected.jammed_at_rad {
            let limit_nm = self.config.torque_limit_nm;
            let hold_nm = JAM.0 * (jammed_at_rad - truth.q_rad) - JAM.1 * truth.dq_rad_s;
            return hold_nm.min(limit_nm).max(-limit_nm);
        }
        if self.injected.torque_loss { 0.0 } else { self.torque_nm }
    }

    fn check_watchdog(&mut self, now_ns: u64) {
        let timeout_ns = u64::from(self.live.timeout) * TIMEOUT_UNIT_NS;
        if self.enabled && timeout_ns > 0 && now_ns.saturating_sub(self.fed_ns) >= timeout_ns {
            self.latch(Fault::LostCommunication);
        }
    }

    fn check_temperatures(&mut self) {
        if self.temperatures.rotor_c >= f64::from(self.live.over_temperature_c) {
            self.latch(Fault::RotorOverTemperature);
        } else if self.temperatures.mos_c >= self.config.thermal.mos_trip_c {
            self.latch(Fault::MosOverTemperature);
        }
    }

    /// The first fault stays until it is cleared.
    fn latch(&mut self, fault: Fault) {
        self.disable();
        self.fault = self.fault.or(Some(fault));
    }

    fn disable(&mut self) {
        self.enabled = false;
        self.torque_nm = 0.0;
    }

    fn enable(&mut self, at_ns: u64) {
        if self.fault.is_none() && !self.enabled {
            self.enabled = true;
            self.applied = MitCommand::default();
            self.fed_ns = at_ns;
        }
    }

    fn clear(&mut self) {
        if self.fault.take().is_some() {
            self.disable();
        }
    }

    fn reset(&mut self) {
        self.disable();
        self.fault = None;
        self.live = self.stored;
        self.scaling = self.live.scaling(self.config.model);
        self.applied = MitCommand::default();
        self.last_command_ns = None;
    }

    fn command(&mut self, bytes: &[u8; 8], at_ns: u64) {
        let command = decode_command(&self.scaling, bytes);
        let (kp, kd) = (self.applied.kp, self.applied.kd);
        self.applied = if self.injected.stuck_gain { MitCommand { kp, kd, ..command } } else { command };
        self.last_command_ns = Some(at_ns);
        self.fed_ns = at_ns;
    }

    /// Writes if the drive may; the answer says what the register holds then.
    fn write(&mut self, number: u8, bytes: [u8; 4]) {
        if let Some(register) = Register::from_number(number)
            && !self.enabled
            && self.live.set(register, register.value(bytes))
        {
            self.scaling = self.live.scaling(self.config.model);
        }
    }

    fn feedback(&self) -> Option<[u8; 8]> {
        let status = self.fault.map_or(u8::from(self.enabled), Fault::nibble);
        let degrees = |celsius: f64| libm::round(celsius).clamp(0.0, 255.0) as u8;
        let feedback = Feedback {
            id: (self.live.esc_id & 0xF) as u8,
            status,
            q_rad: self.reported.q_rad,
            dq_rad_s: self.reported.dq_rad_s,
            tau_nm: self.torque_nm,
            t_mos_c: degrees(self.temperatures.mos_c),
            t_rotor_c: degrees(self.temperatures.rotor_c),
        };
        // Refused only if the configured noise is not finite: such a drive is silent.
        encode_feedback(&self.scaling, &feedback).ok()
    }

    fn register_reply(&self, access: Access, number: u8) -> Option<[u8; 8]> {
        let register = Register::from_number(number)?;
        let value = self.live.get(register);
        Some(encode_register_reply(self.live.esc_id as u16, access, register, value))
    }
}

impl Device for DamiaoEmulator {
    fn on_frame(&mut self, frame: &CanFrame, at_ns: u64, reply: &mut dyn FnMut(CanFrame)) {
        if self.injected.deaf {
            return;
        }
        let Some(request) = decode_request(self.live.esc_id as u16, frame) else { return };
        self.frames += 1;
        match request {
            Request::Enable => self.enable(at_ns),
            Request::Disable => self.disable(),
            Request::ClearFault => self.clear(),
            Request::SetZero => self.zero_rad += self.reported.q_rad,
            Request::Mit(bytes) => self.command(&bytes, at_ns),
            Request::WriteRegister(number, bytes) => self.write(number, bytes),
            Request::Store => self.stored = if self.enabled { self.stored } else { self.live },
            Request::ReadRegister(_) | Request::Refresh | Request::Cascade => {}
        }
        let answer = match request {
            Request::ReadRegister(number) => self.register_reply(Access::Read, number),
            Request::WriteRegister(number, _) => self.register_reply(Access::Write, number),
            _ => self.feedback(),
        };
        if let Some(bytes) = answer.filter(|_| !self.injected.silent) {
            reply(CanFrame::standard_8(self.live.master_id as u16, bytes));
        }
    }
}

fn is_finite(truth: JointTruth) -> bool {
    truth.q_rad.is_finite() && truth.dq_rad_s.is_finite()
}
