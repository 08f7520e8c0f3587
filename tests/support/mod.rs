//! A running robot for tests: its own name, its own router port, gone with the test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // each test file uses its own part of it
use serde_json::Value;
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The executable under test.
pub fn sinew() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sinew"))
}

/// Runs `sinew` with `args` to its end.
pub fn run(args: &[&str]) -> Output {
    sinew().args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs `sinew` and reads the one JSON object on its standard output.
pub fn json(args: &[&str]) -> Value {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| {
        panic!("{args:?}: {error}\nstdout: {text}\nstderr: {}", String::from_utf8_lossy(&output.stderr))
    })
}

/// A TCP port nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `sinew up` of one robot.
pub struct Robot {
    pub name: String,
    pub port: u16,
    child: Child,
}

impl Robot {
    /// Starts a robot whose name begins with `prefix` and waits until it stands.
    pub fn standing(prefix: &str, port: u16, more: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{prefix}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let child = sinew()
            .arg("up")
            .arg(format!("robot:={name}"))
            .arg(format!("ros_port:={port}"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut robot = Self { name, port, child };
        robot.wait_for("Stand", Duration::from_secs(120));
        robot
    }

    /// `sinew status` of this robot; null while it cannot be had.
    pub fn status(&self) -> Value {
        let output = run(&["status", "--robot", &self.name, "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Waits for a robot mode.
    pub fn wait_for(&mut self, mode: &str, within: Duration) {
        let deadline = Instant::now() + within;
        loop {
            let status = self.status();
            if status["mode"] == mode && (mode != "Stand" || status["lease_holder"] == "nobody") {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "{}: `up` has ended", self.name);
            assert!(Instant::now() < deadline, "{}: {mode} not reached: {status}", self.name);
        }
    }

    /// Ctrl-C, and how `up` ended.
    pub fn stop(mut self) -> std::process::ExitStatus {
        self.interrupt();
        self.child.wait().unwrap()
    }

    fn interrupt(&self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).ok();
    }
}

impl Drop for Robot {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.interrupt();
            self.child.wait().ok();
        }
    }
}
