//! Who may move the robot: one lease, fenced by a growing epoch, and the operator ladder on its holder.
//!
//! ```text
//!  free ──Acquire──▶ held(epoch+1) ──heartbeats──▶ held ──Release or 3 s of silence──▶ free
//!  age of the holder's newest frame:  100 ms ▶ ramp to zero   200 ms ▶ stop, latched until released and pressed again
//!                                     1 s ▶ safe posture       3 s ▶ lease freed
//! ```
//! Damping and EStop are heard from anybody, without lease, epoch or age.
use arrayvec::ArrayVec;
use sinew_wire::{FrameId, LeaseRefusal, MotionCommand, Request, Source, StepTime};

/// Ages of the operator ladder, ns.
pub const RAMP_AFTER_NS: u64 = 100_000_000;
pub const STOP_AFTER_NS: u64 = 200_000_000;
pub const SAFE_POSTURE_AFTER_NS: u64 = 1_000_000_000;
pub const FREE_AFTER_NS: u64 = 3_000_000_000;
/// A motion frame computed from an older robot state than this is refused, ns.
pub const MOTION_AGE_MAX_NS: u64 = 200_000_000;
/// Own robot states remembered to judge that age.
const REMEMBERED: usize = 256;
/// A velocity below this counts as a released stick.
const RELEASED: f32 = 1e-3;

/// A declared source of motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MotionSource {
    pub source: Source,
    /// A strictly higher one may take the lease from a lower one.
    pub priority: u8,
}

/// A request that passed the arbiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    pub source: Source,
    pub request: Request,
    pub argument: u8,
}

/// One process of a source. A second one of the same source is somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    source: Source,
    boot_id: u32,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    declared: MotionSource,
    last: Option<FrameId>,
}

/// Lease, heartbeats and velocity of the holder.
#[derive(Debug)]
pub struct Arbiter {
    sources: ArrayVec<Heard, 16>,
    states: [(FrameId, StepTime); REMEMBERED],
    next_state: usize,
    holder: Option<Holder>,
    epoch: u32,
    heard_at: StepTime,
    velocity: [f32; 3],
    stop_latched: bool,
    refusal: LeaseRefusal,
    last: (Source, u32),
    requests: ArrayVec<Granted, 16>,
    refused: u32,
}

impl Arbiter {
    /// Declared sources beyond the first sixteen are refused like undeclared ones.
    #[must_use]
    pub fn new(sources: &[MotionSource]) -> Self {
        Self {
            sources: sources.iter().take(16).map(|s| Heard { declared: *s, last: None }).collect(),
            states: [(FrameId::default(), StepTime::default()); REMEMBERED],
            next_state: 0,
            holder: None,
            epoch: 0,
            heard_at: StepTime::default(),
            velocity: [0.0; 3],
            stop_latched: false,
            refusal: LeaseRefusal::None,
            last: (Source::NONE, 0),
            requests: ArrayVec::new(),
            refused: 0,
        }
    }

    /// Remembers an own robot state, so that the age of what is computed from it is known.
    pub fn published(&mut self, id: FrameId, at: StepTime) {
        if let Some(slot) = self.states.get_mut(self.next_state) {
            *slot = (id, at);
        }
        self.next_state = (self.next_state + 1) % REMEMBERED;
    }

    /// Takes the motion frames of one tick, in inbox order, and gives the requests to carry out.
    pub fn hear(&mut self, robot: u32, frames: &[MotionCommand], now: StepTime) -> &[Granted] {
        self.requests.clear();
        for frame in frames {
            // A frame that holds for no time says nothing: a declared source that is silent in a lockstep run. A
            // stop is heard whatever its header says.
            if frame.header.valid_for_us == 0 && !is_stop(frame.body.request()) {
                continue;
            }
            match self.judge(robot, frame, now) {
                Ok(()) => self.last = (Source(frame.header.source), frame.header.seq),
                Err(reason) => self.refuse(reason),
            }
        }
        self.expire(now);
        &self.requests
    }

    fn judge(&mut self, robot: u32, frame: &MotionCommand, now: StepTime) -> Result<(), LeaseRefusal> {
        let source = Source(frame.header.source);
        let request = frame.body.request();
        if frame.header.robot != robot {
            return Err(LeaseRefusal::Malformed);
        }
        if is_stop(request) {
            self.push(source, frame);
            return Ok(());
        }
        let declared = {
            let heard =
                self.sources.iter_mut().find(|h| h.declared.source == source).ok_or(LeaseRefusal::Source)?;
            let id = frame.header.id();
            // Another boot of the same source starts a new count; a replay of an older boot fails by its age.
            if heard.last.is_some_and(|last| last.boot_id == id.boot_id && !id.is_newer_than(last)) {
                return Err(LeaseRefusal::Sequence);
            }
            let based_on = frame.header.based_on();
            let at = self.states.iter().find(|(known, _)| *known == based_on && known.seq != 0);
            let fresh = at.is_some_and(|(_, at)| now.since_ns(*at) <= MOTION_AGE_MAX_NS);
            if !fresh {
                return Err(LeaseRefusal::Age);
            }
            heard.last = Some(id);
            heard.declared
        };
        if !frame.body.velocity.iter().all(|v| v.is_finite()) {
            return Err(LeaseRefusal::NonFinite);
        }
        let process = Holder { source, boot_id: frame.header.boot_id };
        if request == Request::Acquire {
            return self.acquire(process, declared.priority, now);
        }
        if self.holder != Some(process) {
            // A heartbeat of a source that lost the lease is no event; a wish is.
            return if request == Request::None { Ok(()) } else { Err(LeaseRefusal::NoLease) };
        }
        if frame.header.epoch != self.epoch {
            return Err(LeaseRefusal::Epoch);
        }
        self.heard_at = now;
        self.steer(frame.body.velocity);
        match request {
            Request::None => {}
            Request::Release => self.free(),
            _ => self.push(source, frame),
        }
        Ok(())
    }

    fn acquire(&mut self, asking: Holder, priority: u8, now: StepTime) -> Result<(), LeaseRefusal> {
        match self.holder {
            Some(holder) if holder == asking => {}
            // The source was started anew: its earlier process is fenced off once it has fallen silent.
            Some(holder) if holder.source == asking.source => {
                if now.since_ns(self.heard_at) <= STOP_AFTER_NS {
                    return Err(LeaseRefusal::Held);
                }
                self.grant(asking);
            }
            Some(holder) => {
                let held_by = self.sources.iter().find(|h| h.declared.source == holder.source);
                if held_by.is_some_and(|h| h.declared.priority >= priority) {
                    return Err(LeaseRefusal::Held);
                }
                self.grant(asking);
            }
            None => self.grant(asking),
        }
        self.heard_at = now;
        self.refusal = LeaseRefusal::None;
        Ok(())
    }

    fn grant(&mut self, holder: Holder) {
        self.epoch = self.epoch.wrapping_add(1).max(1);
        self.holder = Some(holder);
        self.velocity = [0.0; 3];
        self.stop_latched = false;
    }

    /// After a controlled stop the stick must be released before it counts again.
    fn steer(&mut self, velocity: [f32; 3]) {
        if self.stop_latched && velocity.iter().all(|v| v.abs() < RELEASED) {
            self.stop_latched = false;
        }
        self.velocity = if self.stop_latched { [0.0; 3] } else { velocity };
    }

    fn push(&mut self, source: Source, frame: &MotionCommand) {
        let granted = Granted { source, request: frame.body.request(), argument: frame.body.argument };
        // More than sixteen requests in one tick are a babbling source; stops come through by being heard again.
        if self.requests.try_push(granted).is_err() {
            self.refused = self.refused.saturating_add(1);
        }
    }

    fn expire(&mut self, now: StepTime) {
        if self.holder.is_none() {
            self.velocity = [0.0; 3];
            return;
        }
        let age = now.since_ns(self.heard_at);
        if age > RAMP_AFTER_NS {
            self.velocity = [0.0; 3];
        }
        if age > STOP_AFTER_NS {
            self.stop_latched = true;
        }
        if age > FREE_AFTER_NS {
            self.free();
        }
    }

    fn free(&mut self) {
        self.holder = None;
        self.velocity = [0.0; 3];
        self.stop_latched = false;
    }

    /// Takes the lease away, so that whoever wants to go on must ask for a fresh epoch.
    pub fn revoke(&mut self) {
        self.free();
    }

    /// Notes why a request was not carried out.
    pub fn refuse(&mut self, reason: LeaseRefusal) {
        self.refusal = reason;
        self.refused = self.refused.saturating_add(1);
    }

    /// The last word of the holder, or of whoever was it last, is so old that the robot takes a safe posture.
    #[must_use]
    pub fn wants_safe_posture(&self, now: StepTime) -> bool {
        now.since_ns(self.heard_at) > SAFE_POSTURE_AFTER_NS
    }
    /// Velocity asked for, before ramps: vx, vy m/s, wz rad/s.
    #[must_use]
    pub fn velocity(&self) -> [f32; 3] {
        self.velocity
    }
    #[must_use]
    pub fn holder(&self) -> Option<Source> {
        self.holder.map(|h| h.source)
    }
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
    #[must_use]
    pub fn refusal(&self) -> LeaseRefusal {
        self.refusal
    }
    /// Source and sequence number of the motion frame taken last.
    #[must_use]
    pub fn last(&self) -> (Source, u32) {
        self.last
    }
    /// Motion frames refused since start.
    #[must_use]
    pub fn refused(&self) -> u32 {
        self.refused
    }
}

/// Heard from anybody, without lease, epoch, age or sequence.
fn is_stop(request: Request) -> bool {
    matches!(request, Request::Damping | Request::EStop)
}
