//! Under which scheduling Zenoh's own threads really run.
//!
//! They are made at first use and shared by every session of the process, so a session opened earlier by someone
//! else decides for all; only a look at the threads themselves tells.
use std::fs;
use std::path::Path;

/// Names of Zenoh's runtimes, each followed by a number.
const RUNTIMES: [&str; 5] = ["app-", "acc-", "tx-", "rx-", "net-"];
const SCHED_FIFO: u32 = 1;

/// One of Zenoh's threads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worker {
    pub name: String,
    /// Priority under SCHED_FIFO; None under ordinary scheduling.
    pub fifo: Option<u8>,
}

/// Those of this process, in order of name.
pub(super) fn workers() -> Vec<Worker> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    // A thread that ends while one looks is simply not there.
    let mut workers = tasks.flatten().filter_map(|task| worker(&task.path())).collect::<Vec<_>>();
    workers.sort();
    workers
}

fn worker(task: &Path) -> Option<Worker> {
    let name = fs::read_to_string(task.join("comm")).ok()?.trim().to_owned();
    RUNTIMES.iter().any(|runtime| name.starts_with(runtime)).then_some(())?;
    let fifo = fifo_priority(&fs::read_to_string(task.join("stat")).ok()?);
    Some(Worker { name, fifo })
}

/// Fields 40 (priority) and 41 (policy) of proc_pid_stat(5); the name in field 2 may hold blanks, so count from
/// its closing bracket.
fn fifo_priority(stat: &str) -> Option<u8> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(37);
    let priority = fields.next()?.parse().ok()?;
    let policy = fields.next()?.parse::<u32>().ok()?;
    (policy == SCHED_FIFO).then_some(priority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_read_behind_any_name() {
        let stat = |priority: u32, policy: u32| {
            let zeros = ["0"; 36].join(" ");
            format!("12 (a) name (x)) S {zeros} {priority} {policy} 0 0 0")
        };
        assert_eq!(fifo_priority(&stat(70, 1)), Some(70));
        assert_eq!(fifo_priority(&stat(0, 0)), None);
        assert_eq!(fifo_priority("nonsense"), None);
    }
}
