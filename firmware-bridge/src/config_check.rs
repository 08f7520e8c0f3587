//! The start-up check: what robot.yaml claims about a drive is read back from the drive before it may be armed.
//!
//! Published scaling tables of one motor disagree by factors; a wrong one is a wrong gain. So PMAX, VMAX and TMAX
//! come from the drive's own registers, and its watchdog is written and read back.
use arrayvec::ArrayVec;
use sinew_bus::{CanFrame, CanId};
use sinew_devices::damiao::{self, Access, Register, RegisterValue};
use sinew_wire::MAX_JOINTS;

use crate::config::DrivePlan;

/// Cycles without an answer before the question is repeated, and how often before the drive is given up.
const REPEAT_AFTER: u32 = 5;
const GIVE_UP_AFTER: u32 = 250;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Range(Register),
    ControlMode,
    WriteWatchdog,
    ReadWatchdog,
}

const QUESTIONS: [Question; 6] = [
    Question::Range(Register::PositionMax),
    Question::Range(Register::VelocityMax),
    Question::Range(Register::TorqueMax),
    Question::ControlMode,
    Question::WriteWatchdog,
    Question::ReadWatchdog,
];

/// One thing about one drive that is not as robot.yaml says.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum CheckFailure {
    #[error(
        "joint {joint}: no answer to register {register} after {cycles} cycles; check power, bus wiring, id and termination"
    )]
    NoAnswer { joint: usize, register: u8, cycles: u32 },
    #[error(
        "joint {joint}: register {register}: robot.yaml says {expected}, the drive says {found}; correct the model in robot.yaml or the drive's parameters"
    )]
    Differs { joint: usize, register: u8, expected: f64, found: f64 },
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    question: usize,
    waited: u32,
    silent: u32,
}

/// The check of all drives, one question per drive and cycle.
#[derive(Clone, Debug)]
pub struct ConfigCheck {
    progress: ArrayVec<Progress, MAX_JOINTS>,
    failures: ArrayVec<CheckFailure, MAX_JOINTS>,
}

impl ConfigCheck {
    #[must_use]
    pub fn new(joints: usize) -> Self {
        Self {
            progress: core::iter::repeat_n(Progress::default(), joints.min(MAX_JOINTS)).collect(),
            failures: ArrayVec::new(),
        }
    }

    /// What to ask drive `joint` this cycle; `None` when it has nothing left to answer or an answer is awaited.
    pub fn question(&mut self, joint: usize, plan: &DrivePlan) -> Option<CanFrame> {
        let progress = self.progress.get_mut(joint)?;
        let question = *QUESTIONS.get(progress.question)?;
        progress.silent += 1;
        if progress.silent > GIVE_UP_AFTER {
            let register = register_of(question).number();
            progress.question = QUESTIONS.len();
            self.fail(CheckFailure::NoAnswer { joint, register, cycles: GIVE_UP_AFTER });
            return None;
        }
        if progress.waited > 0 {
            progress.waited -= 1;
            return None;
        }
        progress.waited = REPEAT_AFTER - 1;
        match question {
            Question::WriteWatchdog => {
                let ticks = RegisterValue::Integer(plan.watchdog_ticks);
                damiao::write_register(plan.id, Register::Timeout, ticks).ok()
            }
            other => damiao::read_register(plan.id, register_of(other)).ok(),
        }
    }

    /// Takes a frame that may be the answer of drive `joint`; true when it was.
    pub fn answer(&mut self, joint: usize, plan: &DrivePlan, frame: &CanFrame) -> bool {
        if frame.id() != CanId::Standard(plan.master_id) || !damiao::is_register_reply(plan.id, frame.payload()) {
            return false;
        }
        let Ok(reply) = damiao::decode_register_reply(frame.payload()) else { return true };
        let Some(progress) = self.progress.get_mut(joint) else { return true };
        let Some(question) = QUESTIONS.get(progress.question) else { return true };
        let register = register_of(*question);
        let access = if *question == Question::WriteWatchdog { Access::Write } else { Access::Read };
        if reply.register != register || reply.access != access {
            return true;
        }
        *progress = Progress { question: progress.question + 1, ..Progress::default() };
        let expected = match question {
            Question::Range(Register::PositionMax) => plan.scaling.p_max_rad,
            Question::Range(Register::VelocityMax) => plan.scaling.v_max_rad_s,
            Question::Range(_) => plan.scaling.t_max_nm,
            Question::ControlMode => f64::from(damiao::ControlMode::Mit as u32),
            Question::WriteWatchdog | Question::ReadWatchdog => f64::from(plan.watchdog_ticks),
        };
        let found = match reply.value {
            RegisterValue::Float(value) => f64::from(value),
            RegisterValue::Integer(value) => f64::from(value),
        };
        // The registers are f32, robot.yaml is decimal: equal within one part in a million.
        if (expected - found).abs() > 1e-6 * expected.abs() {
            self.fail(CheckFailure::Differs { joint, register: register.number(), expected, found });
        }
        true
    }

    fn fail(&mut self, failure: CheckFailure) {
        // Enough to act on: the list has room for one failure per joint.
        if !self.failures.is_full() {
            self.failures.push(failure);
        }
    }

    /// `None` while drives still answer, then whether all of them were as described.
    #[must_use]
    pub fn passed(&self) -> Option<bool> {
        let done = self.progress.iter().all(|p| p.question >= QUESTIONS.len());
        done.then(|| self.failures.is_empty())
    }

    /// What was not as described.
    #[must_use]
    pub fn failures(&self) -> &[CheckFailure] {
        &self.failures
    }
}

fn register_of(question: Question) -> Register {
    match question {
        Question::Range(register) => register,
        Question::ControlMode => Register::ControlMode,
        Question::WriteWatchdog | Question::ReadWatchdog => Register::Timeout,
    }
}
