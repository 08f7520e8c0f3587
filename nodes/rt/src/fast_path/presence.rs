//! Who is there: liveliness tokens that carry the sender's schema.
//!
//! Key of a token: `{robot}/live/{name}/{schema hash, 16 hex digits}/{session id}`. The session id keeps a
//! restarted process apart from the token of its dead predecessor.
use super::config::is_plain;
use sinew_wire::WatchTime;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use zenoh::Wait;
use zenoh::liveliness::LivelinessToken;
use zenoh::sample::SampleKind;

/// A process that announced itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    pub name: String,
    pub schema_hash: u64,
    /// Session id; another one after a restart.
    pub instance: String,
}

/// Why a name cannot be announced.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    #[error("process name {0:?}: letters, digits, '_' or '-' expected")]
    Name(String),
    #[error("announcement of {name}: {source}")]
    Declare { name: String, source: zenoh::Error },
}

/// Which peers are not there, or there with another schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct MissingPeers {
    /// Names nobody announced.
    pub missing: Vec<String>,
    /// Announced, but speaking another schema.
    pub refused: Vec<Peer>,
    /// The schema we speak.
    pub expected_schema: u64,
}

impl fmt::Display for MissingPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("not there: {} (started? same run directory?)", self.missing.join(", ")));
        }
        for peer in &self.refused {
            parts.push(format!(
                "{} speaks schema {:016x}, expected {:016x}: start every process from one build",
                peer.name, peer.schema_hash, self.expected_schema
            ));
        }
        f.write_str(&parts.join("; "))
    }
}

#[derive(Debug, Default)]
struct Registry {
    peers: Mutex<BTreeSet<Peer>>,
    changed: Condvar,
}

/// Everybody's announcements, kept up to date by Zenoh's threads. Clones look at the same registry.
#[derive(Clone, Debug)]
pub struct Presence {
    registry: Arc<Registry>,
    own: Arc<Mutex<Vec<LivelinessToken>>>,
    robot: String,
    schema_hash: u64,
}

impl Presence {
    pub(super) fn watch(
        session: &zenoh::Session,
        robot: &str,
        schema_hash: u64,
    ) -> Result<Self, zenoh::Error> {
        let registry = Arc::new(Registry::default());
        let seen = Arc::clone(&registry);
        let own_instance = session.zid().to_string();
        session
            .liveliness()
            .declare_subscriber(format!("{robot}/live/*/*/*"))
            .history(true)
            .callback(move |sample| {
                let Some(peer) = parse_token(sample.key_expr().as_str()) else { return };
                if peer.instance != own_instance {
                    seen.update(peer, sample.kind() == SampleKind::Put);
                }
            })
            .background()
            .wait()?;
        Ok(Self { registry, own: Arc::default(), robot: robot.to_owned(), schema_hash })
    }

    pub(super) fn announce(&self, session: &zenoh::Session, name: &str) -> Result<(), AnnounceError> {
        if !is_plain(name) {
            return Err(AnnounceError::Name(name.to_owned()));
        }
        let key = format!("{}/live/{name}/{:016x}/{}", self.robot, self.schema_hash, session.zid());
        let token = session.liveliness().declare_token(key).wait();
        let token = token.map_err(|source| AnnounceError::Declare { name: name.to_owned(), source })?;
        self.own.lock().unwrap_or_else(PoisonError::into_inner).push(token);
        Ok(())
    }

    pub(super) fn withdraw(&self) {
        // Dropping a token undeclares it.
        self.own.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Every process announced now, itself excluded, in order of name.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        self.registry.peers.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// True while `name` is announced with our schema.
    #[must_use]
    pub fn is_present(&self, name: &str) -> bool {
        let peers = self.registry.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.iter().any(|peer| peer.name == name && peer.schema_hash == self.schema_hash)
    }

    /// Waits until every name is announced with our schema. Not for a real-time thread.
    ///
    /// # Errors
    /// [`MissingPeers`] at the deadline, or at once when a name is there with another schema only.
    pub fn wait_for(&self, names: &[&str], deadline: WatchTime) -> Result<(), MissingPeers> {
        let mut peers = self.registry.peers.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Err(wanting) = judge(&peers, names, self.schema_hash) else { return Ok(()) };
            let left = crate::clock::remaining(deadline);
            if left.is_zero() || !wanting.refused.is_empty() {
                return Err(wanting);
            }
            let changed = &self.registry.changed;
            peers = changed.wait_timeout(peers, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until `name` is announced no more; false when it still is at the deadline. Not for a real-time thread.
    #[must_use]
    pub fn wait_gone(&self, name: &str, deadline: WatchTime) -> bool {
        let mut peers = self.registry.peers.lock().unwrap_or_else(PoisonError::into_inner);
        while peers.iter().any(|peer| peer.name == name) {
            let left = crate::clock::remaining(deadline);
            if left.is_zero() {
                return false;
            }
            peers = self.registry.changed.wait_timeout(peers, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Registry {
    fn update(&self, peer: Peer, present: bool) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if present {
            peers.insert(peer);
        } else {
            peers.remove(&peer);
        }
        self.changed.notify_all();
    }
}

/// A name is there when one instance speaks our schema; one that speaks another only is refused.
fn judge(peers: &BTreeSet<Peer>, names: &[&str], expected_schema: u64) -> Result<(), MissingPeers> {
    let mut wanting = MissingPeers { missing: Vec::new(), refused: Vec::new(), expected_schema };
    for name in names {
        let mut instances = peers.iter().filter(|peer| peer.name == *name).peekable();
        if instances.peek().is_none() {
            wanting.missing.push((*name).to_owned());
        } else if !instances.clone().any(|peer| peer.schema_hash == expected_schema) {
            wanting.refused.extend(instances.cloned());
        }
    }
    if wanting.missing.is_empty() && wanting.refused.is_empty() { Ok(()) } else { Err(wanting) }
}

/// The last three parts of a token's key; None for anything else.
fn parse_token(key: &str) -> Option<Peer> {
    let mut parts = key.rsplit('/');
    let instance = parts.next().filter(|id| !id.is_empty())?.to_owned();
    let schema_hash = u64::from_str_radix(parts.next().filter(|hex| hex.len() == 16)?, 16).ok()?;
    let name = parts.next().filter(|name| is_plain(name))?.to_owned();
    (parts.next() == Some("live")).then_some(Peer { name, schema_hash, instance })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test should stop where it failed
mod tests {
    use super::*;

    fn peer(name: &str, schema_hash: u64) -> Peer {
        Peer { name: name.into(), schema_hash, instance: format!("{name}{schema_hash}") }
    }

    #[test]
    fn tokens_are_read_and_anything_else_is_ignored() {
        let read = parse_token("quad/live/control/00000000000000ff/abc1").unwrap();
        assert_eq!((read.name.as_str(), read.schema_hash, read.instance.as_str()), ("control", 255, "abc1"));
        for key in [
            "quad/live/control/ff/abc1",
            "quad/dead/control/00000000000000ff/a",
            "",
            "///",
            "live/a/b/c",
            "a/b",
        ] {
            assert_eq!(parse_token(key), None, "{key}");
        }
    }

    #[test]
    fn missing_and_refused_are_told_apart_and_a_right_instance_outweighs_a_wrong_one() {
        let peers =
            BTreeSet::from([peer("bridge", 7), peer("policy", 8), peer("control", 7), peer("control", 8)]);
        assert_eq!(judge(&peers, &["bridge", "control"], 7), Ok(()));
        let wanting = judge(&peers, &["bridge", "policy", "twin"], 7).unwrap_err();
        assert_eq!(wanting.missing, ["twin"]);
        assert_eq!(wanting.refused, [peer("policy", 8)]);
        let text = wanting.to_string();
        assert!(text.contains("not there: twin") && text.contains("policy speaks schema 0000000000000008"));
    }
}
