//! Twists in, wishes out: /cmd_vel as a lease client like any other.
//!
//! ```text
//!            twist, robot stands or walks, lease free          stands: ask for the policy
//!   idle ──────────────────────────────────────▶ asking ──granted──▶ holding ─┐ velocity, heartbeat
//!    ▲                                                                │  ▲────┘
//!    └───────────────── 1 s without a twist, or damped ◀── Release ───┘
//! ```
//! It never arms, never stands the robot up and never takes the lease from somebody: those need a person.
use crate::gid::Gid;
use crate::msg::geometry_msgs::TwistStamped;
use sinew_wire::{
    MotionCommand, NO_POLICY, Request, RobotMode, RobotState, Source, StepTime, WatchTime, robot_id,
};

/// A twist counts for this long, step time; afterwards the wish is zero.
const FRESH_NS: u64 = 500_000_000;
/// After this long without a twist the lease goes back, step time.
const RELEASE_NS: u64 = 1_000_000_000;
/// A twist never counts longer than this in wall time, however slowly the world runs.
const FRESH_WALL_NS: u64 = 2_000_000_000;
/// Another publisher is heard when the first has been silent for this long, wall time.
const OWNER_SILENT_NS: u64 = 500_000_000;
/// Time between two requests for the same thing, step time.
const ASK_AGAIN_NS: u64 = 100_000_000;
/// How long after the state it answers a command holds.
const VALID_FOR_US: u32 = 200_000;

/// Who decides that /cmd_vel may move the robot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquire {
    /// A fresh twist is enough: simulation.
    Auto,
    /// Only after [`CmdVel::ask`]: hardware.
    Explicit,
}

/// What may vary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmdVelConfig {
    /// Name of the robot.
    pub robot: String,
    /// Random per process start.
    pub boot_id: u32,
    pub acquire: Acquire,
    /// Number of the policy that walks.
    pub policy: u8,
}

/// Why a twist was not taken; each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwistRefusal {
    #[error("twist: a value is not finite or beyond single precision")]
    NotFinite,
    #[error("twist: its frame is not the robot's base; expected base_link, base_footprint or none")]
    Frame,
    #[error("twist: stamped earlier than the one before it")]
    Older,
    #[error("twist: another publisher is steering; stop it first")]
    OtherPublisher,
}

/// What became of the twists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CmdVelCounters {
    pub taken: u64,
    pub not_finite: u64,
    pub wrong_frame: u64,
    pub older: u64,
    pub other_publisher: u64,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    publisher: Option<Gid>,
    stamp_ns: i64,
    velocity: [f32; 3],
    at: StepTime,
    at_wall: WatchTime,
}

/// Turns the newest twist and the robot's state into the next wish.
#[derive(Clone, Debug)]
pub struct CmdVel {
    config: CmdVelConfig,
    frames: [String; 5],
    robot: u32,
    period_ns: u64,
    seq: u32,
    now: StepTime,
    heard: Option<Heard>,
    asked: bool,
    /// This process has asked for the lease; one that an earlier process of ours left behind is not ours.
    has_acquired: bool,
    policy_asked_at: Option<StepTime>,
    counters: CmdVelCounters,
}

impl CmdVel {
    /// For a robot whose step lasts `period_ns`.
    #[must_use]
    pub fn new(config: CmdVelConfig, period_ns: u64) -> Self {
        let robot = &config.robot;
        let frames = [
            String::new(),
            "base_link".to_owned(),
            "base_footprint".to_owned(),
            format!("{robot}/base_link"),
            format!("{robot}/base_footprint"),
        ];
        Self {
            frames,
            robot: robot_id(robot),
            period_ns,
            seq: 0,
            now: StepTime::default(),
            heard: None,
            asked: false,
            has_acquired: false,
            policy_asked_at: None,
            counters: CmdVelCounters::default(),
            config,
        }
    }

    /// A person wants /cmd_vel to steer: with [`Acquire::Explicit`] the next fresh twist may take the lease, once.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    /// A twist has arrived. Of its velocity x, y and the turn about z count.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn offer(
        &mut self,
        twist: &TwistStamped,
        publisher: Option<Gid>,
        now: WatchTime,
    ) -> Result<(), TwistRefusal> {
        let verdict = self.judge(twist, publisher, now);
        let counter = match verdict {
            Ok(()) => &mut self.counters.taken,
            Err(TwistRefusal::NotFinite) => &mut self.counters.not_finite,
            Err(TwistRefusal::Frame) => &mut self.counters.wrong_frame,
            Err(TwistRefusal::Older) => &mut self.counters.older,
            Err(TwistRefusal::OtherPublisher) => &mut self.counters.other_publisher,
        };
        *counter += 1;
        verdict
    }

    fn judge(
        &mut self,
        twist: &TwistStamped,
        publisher: Option<Gid>,
        now: WatchTime,
    ) -> Result<(), TwistRefusal> {
        if !self.frames.contains(&twist.header.frame_id) {
            return Err(TwistRefusal::Frame);
        }
        let velocity =
            [twist.twist.linear.x, twist.twist.linear.y, twist.twist.angular.z].map(|value| value as f32);
        if !velocity.iter().all(|value| value.is_finite()) {
            return Err(TwistRefusal::NotFinite);
        }
        let stamp_ns = twist.header.stamp.as_ns();
        let steering = self.heard.filter(|heard| now.since_ns(heard.at_wall) < OWNER_SILENT_NS);
        if let Some(heard) = steering {
            if heard.publisher != publisher {
                return Err(TwistRefusal::OtherPublisher);
            }
            // Many publishers leave the stamp zero; those are judged by their arrival alone.
            if stamp_ns != 0 && stamp_ns < heard.stamp_ns {
                return Err(TwistRefusal::Older);
            }
        }
        self.heard = Some(Heard { publisher, stamp_ns, velocity, at: self.now, at_wall: now });
        Ok(())
    }

    /// The wish that answers `state`; `None` when there is nothing to say.
    pub fn step(&mut self, state: &RobotState, now: WatchTime) -> Option<MotionCommand> {
        let step_now = StepTime::from_ns(state.header.step.saturating_mul(self.period_ns));
        if step_now < self.now {
            // Another run: what was heard belongs to the old one.
            self.heard = None;
            self.policy_asked_at = None;
        }
        self.now = step_now;
        let heard = self.heard.filter(|heard| now.since_ns(heard.at_wall) <= FRESH_WALL_NS);
        let age_ns = heard.map(|heard| step_now.since_ns(heard.at));
        let fresh = heard.filter(|_| age_ns.is_some_and(|age| age <= FRESH_NS));
        let forgotten = age_ns.is_none_or(|age| age > RELEASE_NS);
        let body = &state.body;
        let mode = body.robot_mode();
        let moves = matches!(mode, RobotMode::Stand | RobotMode::Policy);

        let holds = self.has_acquired && body.lease_holder == Source::CMD_VEL.0;
        let (request, argument) = if !holds {
            let free = body.lease_holder == Source::NONE.0;
            let may = self.config.acquire == Acquire::Auto || self.asked;
            if fresh.is_none() || !free || !may || !moves {
                return None;
            }
            self.has_acquired = true;
            (Request::Acquire, 0)
        } else if forgotten || !moves {
            self.asked = false;
            (Request::Release, 0)
        } else if fresh.is_some() && mode == RobotMode::Stand && body.active_policy == NO_POLICY {
            self.ask_for_policy()
        } else {
            (Request::None, 0)
        };
        let velocity = fresh.filter(|_| holds && moves).map_or([0.0; 3], |heard| heard.velocity);
        Some(self.frame(state, holds, request, argument, velocity))
    }

    /// What became of the twists.
    #[must_use]
    pub fn counters(&self) -> CmdVelCounters {
        self.counters
    }

    fn ask_for_policy(&mut self) -> (Request, u8) {
        if self.policy_asked_at.is_some_and(|at| self.now.since_ns(at) < ASK_AGAIN_NS) {
            return (Request::None, 0);
        }
        self.policy_asked_at = Some(self.now);
        (Request::Policy, self.config.policy)
    }

    fn frame(
        &mut self,
        state: &RobotState,
        holds: bool,
        request: Request,
        argument: u8,
        velocity: [f32; 3],
    ) -> MotionCommand {
        self.seq = self.seq.wrapping_add(1);
        let mut frame = MotionCommand::default();
        frame.header.robot = self.robot;
        frame.header.source = Source::CMD_VEL.0;
        frame.header.boot_id = self.config.boot_id;
        frame.header.seq = self.seq;
        frame.header.step = state.header.step;
        frame.header.valid_for_us = VALID_FOR_US;
        frame.header.epoch = if holds { state.body.lease_epoch } else { 0 };
        frame.header.set_based_on(state.header.id());
        frame.body.request = request as u8;
        frame.body.argument = argument;
        frame.body.velocity = velocity;
        frame
    }
}
