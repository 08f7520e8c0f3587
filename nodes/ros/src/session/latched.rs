//! History for those who come later (transient_local), in the key space that stock caches and readers use:
//! a queryable and a token on `KEY/@adv/pub/ZID/uhlc/_`.
//!
//! ```text
//!  writer: keep the last `depth` samples ── put on KEY ──▶ readers who are here
//!  late reader: sees the token ──get KEY/@adv/pub/ZID/uhlc/_?_max=depth──▶ cache ──replies on KEY──▶ reader
//! ```
//! A reply carries the timestamp and attachment of the original sample, so a reader that got both drops one.
use super::inbox::Inbox;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use zenoh::Wait;
use zenoh::bytes::ZBytes;
use zenoh::liveliness::LivelinessToken;
use zenoh::query::{ConsolidationMode, Query, QueryTarget, Queryable, ReplyKeyExpr};
use zenoh::sample::{Sample, SampleKind};
use zenoh::time::Timestamp;

/// One sample as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub payload: ZBytes,
    pub attachment: ZBytes,
    pub timestamp: Timestamp,
}

/// The last samples of one publisher, and what makes them findable.
#[derive(Debug)]
pub(super) struct Cache {
    // Withdrawn before the queryable, so that nobody is sent to an empty place.
    _token: LivelinessToken,
    _queryable: Queryable<()>,
    samples: Arc<Mutex<VecDeque<Stored>>>,
    depth: usize,
}

impl Cache {
    pub(super) fn declare(session: &zenoh::Session, key: &str, depth: usize) -> Result<Self, zenoh::Error> {
        let at = format!("{key}/@adv/pub/{}/uhlc/_", session.zid());
        let samples = Arc::new(Mutex::new(VecDeque::with_capacity(depth)));
        let shared = Arc::clone(&samples);
        let reply_key = key.to_owned();
        let queryable = session
            .declare_queryable(at.clone())
            .callback(move |query| answer(&query, &reply_key, &shared))
            .wait()?;
        let token = session.liveliness().declare_token(at).wait()?;
        Ok(Self { _token: token, _queryable: queryable, samples, depth })
    }

    /// Before the sample is put, so that a reader who comes in between finds it.
    pub(super) fn keep(&self, sample: Stored) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == self.depth {
            samples.pop_front();
        }
        samples.push_back(sample);
    }
}

fn answer(query: &Query, key: &str, samples: &Mutex<VecDeque<Stored>>) {
    let most = query.parameters().get("_max").and_then(|max| max.parse().ok()).unwrap_or(usize::MAX);
    let newest: Vec<Stored> = {
        let samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.iter().skip(samples.len().saturating_sub(most)).cloned().collect()
    };
    for sample in newest {
        let sent =
            query.reply(key, sample.payload).timestamp(sample.timestamp).attachment(sample.attachment).wait();
        if let Err(error) = sent {
            // Who asks without accepting any key cannot be answered; its own reader says so too.
            tracing::debug!(key, %error, "history not sent");
            return;
        }
    }
}

/// Fetches the history of every cache of `key`, those here now and those that come, into `inbox`.
pub(super) fn watch(
    session: &zenoh::Session,
    key: &str,
    depth: usize,
    inbox: &Arc<Mutex<Inbox>>,
) -> Result<zenoh::pubsub::Subscriber<()>, zenoh::Error> {
    let inbox = Arc::clone(inbox);
    let asking = session.clone();
    session
        .liveliness()
        .declare_subscriber(format!("{key}/@adv/pub/**"))
        .history(true)
        .callback(move |token| {
            if token.kind() == SampleKind::Put {
                let selector = format!("{}?_max={depth}", token.key_expr());
                let inbox = Arc::clone(&inbox);
                let asked = asking
                    .get(selector)
                    .accept_replies(ReplyKeyExpr::Any)
                    .consolidation(ConsolidationMode::None)
                    .target(QueryTarget::All)
                    .callback(move |reply| {
                        if let Ok(sample) = reply.result() {
                            deliver(&inbox, sample);
                        }
                    })
                    .wait();
                if let Err(error) = asked {
                    tracing::warn!(%error, "history not asked for");
                }
            }
        })
        .wait()
}

/// Hands a sample to the queue.
pub(super) fn deliver(inbox: &Mutex<Inbox>, sample: &Sample) {
    let attachment = sample.attachment().map(ZBytes::to_bytes);
    let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
    inbox.offer(&sample.payload().to_bytes(), attachment.as_deref());
}
