//! The rules of waiting: who waits sends its last message again, and silence for half a minute is an error.
use sinew_rt::clock;
use sinew_wire::WatchTime;
use std::time::Duration;

/// Who waits sends its last frame again after this time.
pub const RESEND: Duration = Duration::from_millis(20);
/// Nothing heard for this long is an error, never a fall.
pub const SILENCE: Duration = Duration::from_secs(30);

/// One wait for one thing.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    since: WatchTime,
    resend_at: WatchTime,
}

impl Patience {
    #[must_use]
    pub fn new() -> Self {
        let now = clock::now();
        Self { since: now, resend_at: clock::deadline_in(RESEND) }
    }

    /// Until when to listen before sending again.
    #[must_use]
    pub fn deadline(&self) -> WatchTime {
        self.resend_at
    }

    /// True once per resend interval.
    pub fn resend(&mut self) -> bool {
        if clock::now() < self.resend_at {
            return false;
        }
        self.resend_at = clock::deadline_in(RESEND);
        true
    }

    /// Waited for too long.
    #[must_use]
    pub fn is_over(&self) -> bool {
        u128::from(clock::now().since_ns(self.since)) > SILENCE.as_nanos()
    }
}
