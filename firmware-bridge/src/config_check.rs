//! The start-up check: what robot.yaml claims about a drive is read back from the drive before it may be armed.
//!
//! Published scaling tables of one motor disagree by factors; a wrong one is a wrong gain. So PMAX, VMAX and TMAX
//! come from the drive's own registers, and its watchdog is written and read back. Before that each drive is switched
//! off: it may still be on from the life of an earlier bridge, and takes no register then.
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
    SwitchOff,
    Range(Register),
    ControlMode,
    WriteWatchdog,
    ReadWatchdog,
}

const QUESTIONS: [Question; 7] = [
    Question::SwitchOff,
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
        "joint {joint}: no drive answers after {cycles} cycles; check power, bus wiring, id, reply_id and termination"
    )]
    Silent { joint: usize, cycles: u32 },
    #[error(
        "joint {joint}: still on after {cycles} cycles of switching off; cut its power and look at the drive"
    )]
    StaysOn { joint: usize, cycles: u32 },
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
    /// It has answered the order to switch off, and was still on.
    still_on: bool,
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
            progress.question = QUESTIONS.len();
            let cycles = GIVE_UP_AFTER;
            let failure = match register_of(question) {
                Some(register) => CheckFailure::NoAnswer { joint, register: register.number(), cycles },
                None if progress.still_on => CheckFailure::StaysOn { joint, cycles },
                None => CheckFailure::Silent { joint, cycles },
            };
            self.fail(failure);
            return None;
        }
        if progress.waited > 0 {
            progress.waited -= 1;
            return None;
        }
        progress.waited = REPEAT_AFTER - 1;
        match (question, register_of(question)) {
            (Question::SwitchOff, _) | (_, None) => damiao::disable(plan.id).ok(),
            (Question::WriteWatchdog, Some(register)) => {
                let ticks = RegisterValue::Integer(plan.watchdog_ticks);
                damiao::write_register(plan.id, register, ticks).ok()
            }
            (_, Some(register)) => damiao::read_register(plan.id, register).ok(),
        }
    }

    /// Takes a frame that may be the answer of drive `joint`; true when it was.
    pub fn answer(&mut self, joint: usize, plan: &DrivePlan, frame: &CanFrame) -> bool {
        if frame.id() != CanId::Standard(plan.master_id) {
            return false;
        }
        let is_register = damiao::is_register_reply(plan.id, frame.payload());
        let Some(progress) = self.progress.get_mut(joint) else { return is_register };
        let Some(question) = QUESTIONS.get(progress.question) else { return is_register };
        let Some(register) = register_of(*question) else {
            // Switching off is answered by ordinary feedback, which is nobody's register.
            if let Ok(feedback) = damiao::decode_feedback(&plan.scaling, frame.payload())
                && !is_register
                && u16::from(feedback.id) == plan.id & 0xf
            {
                if feedback.enabled() {
                    progress.still_on = true;
                } else {
                    *progress = Progress { question: progress.question + 1, ..Progress::default() };
                }
            }
            return is_register;
        };
        if !is_register {
            return false;
        }
        let Ok(reply) = damiao::decode_register_reply(frame.payload()) else { return true };
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
            Question::SwitchOff => return true,
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

/// The register a question is about; none for the order to switch off.
fn register_of(question: Question) -> Option<Register> {
    match question {
        Question::SwitchOff => None,
        Question::Range(register) => Some(register),
        Question::ControlMode => Some(Register::ControlMode),
        Question::WriteWatchdog | Question::ReadWatchdog => Some(Register::Timeout),
    }
}
