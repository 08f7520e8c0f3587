//! An operator without hands: reads the robot state, asks for what leads to a goal, one request at a time.
//!
//! Autostart, `drive`, the velocity topic and scenarios are all this operator with different goals; the requests are
//! those a person would press, and the lease rules hold for all of them.
use sinew_wire::{
    EstimatorStatus, FrameId, LinkState, MotionCommand, NO_POLICY, Request, RobotMode, RobotState, Source,
    robot_id,
};

/// Where the operator wants the robot to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Goal {
    /// Watches; gives the lease back if it has it.
    #[default]
    Watch,
    /// Armed and standing.
    Stand,
    /// Walking with this policy.
    Policy(u8),
    /// On its belly, damped.
    LieDown,
    /// Stopped, by the emergency stop.
    EStop,
    /// Damped, from wherever it is.
    Damping,
    /// Out of EStop or FaultStop, by the two explicit steps.
    Reset,
}

/// Frames until the same request is made again, because it has had no effect: half a second at 50 Hz.
const ASK_AGAIN_FRAMES: u32 = 25;

/// State between two motion frames.
#[derive(Clone, Debug)]
pub struct Operator {
    robot: u32,
    source: Source,
    boot_id: u32,
    seq: u32,
    goal: Goal,
    velocity: [f32; 3],
    reset_sent: u32,
    /// The last request, and how many frames ago it was made.
    asked: (Request, u8, u32),
}

impl Operator {
    /// For the robot named `robot`, as `source`.
    #[must_use]
    pub fn new(robot: &str, source: Source, boot_id: u32) -> Self {
        Self {
            robot: robot_id(robot),
            source,
            boot_id,
            seq: 0,
            goal: Goal::Watch,
            velocity: [0.0; 3],
            reset_sent: 0,
            asked: (Request::None, 0, 0),
        }
    }

    pub fn set_goal(&mut self, goal: Goal) {
        if goal != self.goal {
            self.reset_sent = 0;
            self.asked = (Request::None, 0, 0);
        }
        self.goal = goal;
    }

    /// vx, vy m/s, wz rad/s; counts while a policy walks.
    pub fn set_velocity(&mut self, velocity: [f32; 3]) {
        self.velocity = velocity;
    }

    #[must_use]
    pub fn goal(&self) -> Goal {
        self.goal
    }

    /// True when this operator holds the lease in `state`.
    #[must_use]
    pub fn holds(&self, state: &RobotState) -> bool {
        state.body.lease_holder == self.source.0
    }

    /// True when the robot is where the goal wants it.
    #[must_use]
    pub fn arrived(&self, state: &RobotState) -> bool {
        let mode = state.body.robot_mode();
        match self.goal {
            Goal::Watch => !self.holds(state),
            Goal::Stand => mode == RobotMode::Stand && state.body.active_policy == NO_POLICY,
            Goal::Policy(policy) => mode == RobotMode::Policy && state.body.active_policy == policy,
            Goal::LieDown => matches!(mode, RobotMode::Damping | RobotMode::Off),
            Goal::EStop => mode == RobotMode::EStop,
            Goal::Damping => matches!(mode, RobotMode::Damping | RobotMode::Off),
            Goal::Reset => mode == RobotMode::Off && self.reset_sent >= 2,
        }
    }

    /// The frame that answers `state`: a heartbeat, a velocity and at most one request.
    pub fn step(&mut self, state: &RobotState) -> MotionCommand {
        self.seq = self.seq.wrapping_add(1);
        let (request, argument) = self.wanted(state);
        let (request, argument) = self.patiently(request, argument);
        let mut frame = MotionCommand::default();
        frame.header.robot = self.robot;
        frame.header.source = self.source.0;
        frame.header.boot_id = self.boot_id;
        frame.header.seq = self.seq;
        frame.header.step = state.header.step;
        frame.header.valid_for_us = 200_000;
        frame.header.epoch = if self.holds(state) { state.body.lease_epoch } else { 0 };
        let based_on: FrameId = state.header.id();
        frame.header.set_based_on(based_on);
        frame.body.request = request as u8;
        frame.body.argument = argument;
        frame.body.velocity = if matches!(self.goal, Goal::Policy(_)) { self.velocity } else { [0.0; 3] };
        frame
    }

    /// A request is made once and then given time; only what stops the robot is repeated until it is seen to hold.
    fn patiently(&mut self, request: Request, argument: u8) -> (Request, u8) {
        let (last, last_argument, age) = &mut self.asked;
        *age = age.saturating_add(1);
        let stops = matches!(request, Request::None | Request::EStop | Request::Damping);
        if !stops && (request, argument) == (*last, *last_argument) && *age < ASK_AGAIN_FRAMES {
            return (Request::None, 0);
        }
        if request != Request::None {
            self.asked = (request, argument, 0);
        }
        (request, argument)
    }

    fn wanted(&mut self, state: &RobotState) -> (Request, u8) {
        let body = &state.body;
        match self.goal {
            Goal::EStop => return (Request::EStop, 0),
            Goal::Damping if body.robot_mode() != RobotMode::Damping => return (Request::Damping, 0),
            Goal::Watch | Goal::Damping => {
                return (if self.holds(state) { Request::Release } else { Request::None }, 0);
            }
            Goal::LieDown if self.arrived(state) => return (Request::None, 0),
            _ => {}
        }
        if !self.holds(state) {
            return (Request::Acquire, 0);
        }
        let healthy = body.estimator_status() == EstimatorStatus::Healthy;
        match (self.goal, body.robot_mode()) {
            (Goal::Reset, _) if self.reset_sent < 2 => {
                self.reset_sent += 1;
                (if self.reset_sent == 1 { Request::ResetStep1 } else { Request::ResetStep2 }, 0)
            }
            (Goal::Stand | Goal::Policy(_), RobotMode::Off) if body.link_state() == LinkState::Disabled => {
                (Request::Arm, 0)
            }
            (Goal::Stand | Goal::Policy(_), RobotMode::Damping) if healthy => (Request::StandUp, 0),
            (Goal::Policy(policy), RobotMode::Stand) if body.active_policy == NO_POLICY => {
                (Request::Policy, policy)
            }
            (Goal::Stand, RobotMode::Policy) => (Request::Stand, 0),
            (Goal::LieDown, RobotMode::StandUp | RobotMode::Stand | RobotMode::Policy) => {
                (Request::LieDown, 0)
            }
            _ => (Request::None, 0),
        }
    }
}
