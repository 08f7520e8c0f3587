//! The twin's control socket: who takes part, where the robot truly is, and when a script does something to a process.
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is said to the twin.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Ask {
    /// Changes the participants' mask.
    Mask { set: u32, clear: u32 },
    /// Where is the robot?
    Truth,
    /// The held step may begin, with these participants.
    Proceed { mask: u32 },
    /// End the run.
    Stop,
}

/// What the twin says.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Tell {
    Truth(TruthReply),
    /// The twin waits before this step until it is told to proceed.
    Hold {
        step: u64,
    },
}

/// Ground truth for people and scores; nothing in the stack asks for it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct TruthReply {
    pub step: u64,
    pub time_s: f64,
    pub position_m: [f64; 3],
    /// Heading, rad.
    pub yaw_rad: f64,
    pub velocity_m_s: [f64; 3],
    pub tilt_rad: f64,
    pub trunk_contact: bool,
    /// Robot time over wall time, over the last second.
    pub rtf: f64,
    pub mask: u32,
}

/// A datagram socket in the run directory.
#[derive(Debug)]
pub struct Control {
    socket: UnixDatagram,
    path: PathBuf,
}

const MAX_DATAGRAM: usize = 4096;

/// The twin's own address.
#[must_use]
pub fn twin_path(run_dir: &Path) -> PathBuf {
    run_dir.join("twin.ctl")
}

/// Where a scenario's harness listens for holds.
#[must_use]
pub fn harness_path(run_dir: &Path) -> PathBuf {
    run_dir.join("harness.ctl")
}

impl Control {
    /// Binds `path`; a leftover of a dead process is replaced.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn bind(path: PathBuf) -> Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context(path.display().to_string());
            }
            _ => {}
        }
        let socket = UnixDatagram::bind(&path).with_context(|| path.display().to_string())?;
        Ok(Self { socket, path })
    }

    /// Sends one message; a receiver that is not there is an error the caller may ignore.
    ///
    /// # Errors
    /// When nobody owns `to`.
    pub fn send<T: Serialize>(&self, to: &Path, message: &T) -> Result<()> {
        let text = serde_json::to_vec(message)?;
        self.socket.send_to(&text, to).with_context(|| to.display().to_string())?;
        Ok(())
    }

    /// The next message with its sender, within `wait` (zero: what is there).
    pub fn receive<T: for<'a> Deserialize<'a>>(
        &self,
        wait: Duration,
    ) -> Result<Option<(T, Option<PathBuf>)>> {
        let mut buffer = [0; MAX_DATAGRAM];
        self.socket.set_nonblocking(wait.is_zero())?;
        if !wait.is_zero() {
            self.socket.set_read_timeout(Some(wait))?;
        }
        match self.socket.recv_from(&mut buffer) {
            Ok((n, from)) => {
                let message = buffer.get(..n).and_then(|bytes| serde_json::from_slice(bytes).ok());
                Ok(message.map(|message| (message, from.as_pathname().map(Path::to_owned))))
            }
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                Ok(None)
            }
            Err(error) => Err(error).context("control socket"),
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Gone already is fine: the run directory may have been removed.
        std::fs::remove_file(&self.path).ok();
    }
}

/// Asks the twin for the truth, from a socket of this process.
///
/// # Errors
/// When no twin answers within a second.
pub fn ask_truth(control: &Control, run_dir: &Path) -> Result<TruthReply> {
    control.send(&twin_path(run_dir), &Ask::Truth)?;
    let deadline = sinew_rt::clock::deadline_in(Duration::from_secs(1));
    loop {
        let left = sinew_rt::clock::remaining(deadline);
        anyhow::ensure!(!left.is_zero(), "the twin does not answer");
        if let Some((Tell::Truth(truth), _)) = control.receive(left)? {
            return Ok(truth);
        }
    }
}
