//! What a thread asked of the kernel and what it got: printed at start, refused in strict mode.
use std::fmt;

/// A property a real-time thread asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// SCHED_FIFO and its priority.
    Scheduling,
    /// Pinning to one core.
    Affinity,
    /// Memory locked as it is touched.
    MemoryLock,
    /// The heap keeps what it has been given.
    HeapRetention,
    /// Stack pages touched beforehand.
    StackPrefault,
    /// Timer slack of 1 ns (matters without FIFO).
    TimerSlack,
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Aspect::Scheduling => "scheduling",
            Aspect::Affinity => "core",
            Aspect::MemoryLock => "memory lock",
            Aspect::HeapRetention => "heap",
            Aspect::StackPrefault => "stack",
            Aspect::TimerSlack => "timer slack",
        })
    }
}

/// One property: asked, got, and why it did not take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    pub aspect: Aspect,
    pub asked: String,
    /// Read back from the kernel where it can be.
    pub got: String,
    /// None when it took effect; else the cause and how to mend it.
    pub reason: Option<String>,
}

impl Effect {
    /// True when the kernel does what was asked.
    #[must_use]
    pub fn took_effect(&self) -> bool {
        self.reason.is_none()
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: asked {}, got {}", self.aspect, self.asked, self.got)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
    }
}

/// Everything one thread asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtReport {
    pub thread: String,
    /// True on a kernel with full preemption (PREEMPT_RT); for display, strict mode does not ask for it.
    pub preempt_rt: bool,
    pub effects: Vec<Effect>,
}

impl RtReport {
    /// True when every property asked for took effect.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.effects.iter().all(Effect::took_effect)
    }

    /// The properties that did not.
    pub fn missing(&self) -> impl Iterator<Item = &Effect> {
        self.effects.iter().filter(|effect| !effect.took_effect())
    }
}

impl fmt::Display for RtReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernel = if self.preempt_rt { "PREEMPT_RT kernel" } else { "kernel without PREEMPT_RT" };
        write!(f, "thread {} on a {kernel}", self.thread)?;
        for effect in &self.effects {
            write!(f, "; {effect}")?;
        }
        Ok(())
    }
}
