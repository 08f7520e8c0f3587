//! Where a running policy process is asked for another model: answered when the swap has ended.
//!
//! ```text
//!  query ─▶ loader thread: read, verify, build ─▶ policy loop: shadow run, blend ─▶ answer
//! ```
//! The loop itself never waits for any of it. The same desk answers what the process has counted so far.
use anyhow::{Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use sinew_inference::{Directory, Model};
use sinew_policy::{Policy, SwapRequest};
use sinew_rt::fast_path::FastPath;
use sinew_stack::{PolicyHost, Setup, SwapReport};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;
use zenoh::Wait;
use zenoh::query::{Query, Queryable};

use super::policy::NUMBER;
use super::site::NodeSite;

/// Key of the query below the robot's name.
pub const SWAP: &str = "policy/0/swap";

/// Key of the other query: what the policy process has counted.
pub const REPORT: &str = "policy/0/report";

/// What is asked.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SwapAsk {
    /// Manifest, as the policy process finds it.
    pub model: PathBuf,
    /// Ticks of control in which old and new are compared.
    pub shadow_ticks: u64,
    pub blend_s: f64,
    pub max_difference_rad: f32,
}

/// A query on its way to the loader, or a policy that nobody needs any more.
enum Errand {
    Load(Query),
    Drop(Box<Policy>),
}

struct Loaded {
    query: Query,
    policy: Policy,
    request: SwapRequest,
}

/// The loop's end of it.
pub struct SwapDesk {
    queryables: Vec<Queryable<()>>,
    reports: Receiver<Query>,
    errands: Option<Sender<Errand>>,
    loaded: Receiver<Loaded>,
    /// The query behind the swap in progress.
    open: Option<Query>,
}

impl SwapDesk {
    /// Declares the query and starts the loader.
    ///
    /// # Errors
    /// When the session is closed.
    pub fn open<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        site: &'env NodeSite,
        session: &FastPath,
    ) -> Result<Self> {
        let (errands, incoming) = channel();
        let (finished, loaded) = channel();
        let scripted = site.scenario.is_some();
        scope.spawn(move || load_all(&site.setup, scripted, &incoming, &finished));
        let asks = errands.clone();
        // Loader and loop live as long as the queryables: what cannot be handed on is nobody's loss.
        let swaps = declare(session, SWAP, move |query| drop(asks.send(Errand::Load(query))))?;
        let (ask, reports) = channel();
        let asked = declare(session, REPORT, move |query| drop(ask.send(query)))?;
        Ok(Self { queryables: vec![swaps, asked], reports, errands: Some(errands), loaded, open: None })
    }

    /// Between two frames: begins what is loaded, answers what has ended.
    pub fn attend(&mut self, host: &mut PolicyHost) {
        if let Ok(Loaded { query, policy, request }) = self.loaded.try_recv() {
            match host.slot().begin_swap(policy, request) {
                Ok(()) => self.open = Some(query),
                Err(refusal) => answer(&query, &SwapReport::refused(&refusal.to_string())),
            }
        }
        if let Some(report) = host.take_swap_news()
            && let Some(query) = self.open.take()
        {
            answer(&query, &report);
        }
        if let Some(retired) = host.slot().take_retired()
            && let Some(errands) = &self.errands
        {
            // Given back where time does not matter; without a loader it is given back here.
            errands.send(Errand::Drop(Box::new(retired))).ok();
        }
    }

    /// Answers who asks what was counted.
    pub fn tell(&mut self, report: impl Fn() -> Result<serde_json::Value>) {
        while let Ok(query) = self.reports.try_recv() {
            match report() {
                Ok(report) => answer(&query, &report),
                Err(error) => eprintln!("policy report: {error:#}"),
            }
        }
    }

    /// Ends the loader; queries still open are left without an answer.
    pub fn close(&mut self) {
        self.queryables.clear();
        (self.errands, self.open) = (None, None);
    }
}

fn declare(
    session: &FastPath,
    key: &str,
    callback: impl Fn(Query) + Send + Sync + 'static,
) -> Result<Queryable<()>> {
    let full = format!("{}/{key}", session.robot());
    let queryable = session.session().declare_queryable(full).callback(callback).wait();
    queryable.map_err(|error| anyhow!("query {key}: {error}"))
}

fn answer<T: Serialize>(query: &Query, report: &T) {
    let sent = serde_json::to_vec(report)
        .map_err(|error| anyhow!("{error}"))
        .and_then(|bytes| query.reply(query.key_expr().clone(), bytes).wait().map_err(|e| anyhow!("{e}")));
    if let Err(error) = sent {
        // Whoever asked is gone; what they asked for is done all the same.
        eprintln!("policy: an answer could not be sent: {error}");
    }
}

/// The loader thread: until nobody can ask any more.
fn load_all(setup: &Setup, scripted: bool, errands: &Receiver<Errand>, finished: &Sender<Loaded>) {
    while let Ok(errand) = errands.recv() {
        match errand {
            Errand::Drop(policy) => drop(policy),
            Errand::Load(query) => match load(setup, scripted, &query) {
                Ok((policy, request)) => {
                    // The loop is gone: nobody waits for the answer either.
                    finished.send(Loaded { query, policy, request }).ok();
                }
                Err(error) => answer(&query, &SwapReport::refused(&format!("{error:#}"))),
            },
        }
    }
}

fn load(setup: &Setup, scripted: bool, query: &Query) -> Result<(Policy, SwapRequest)> {
    if scripted {
        bail!("a scenario decides about its policies; write an event of kind `swap` into it");
    }
    let payload = query.payload().map(|p| p.to_bytes()).unwrap_or_default();
    let ask: SwapAsk = serde_json::from_slice(&payload)?;
    let (source, manifest) = Directory::of_file(&ask.model)?;
    let model = Model::load(&source, &manifest)?;
    let policy = setup.policy_of(&model, NUMBER, 0)?;
    let period_s = setup.robot.period_ns as f64 * 1e-9;
    let runs = |ticks: u64| u32::try_from(ticks.div_ceil(policy.decimation())).unwrap_or(u32::MAX);
    let request = SwapRequest {
        shadow_runs: runs(ask.shadow_ticks),
        blend_runs: runs((ask.blend_s / period_s).round() as u64),
        max_difference_rad: ask.max_difference_rad,
    };
    Ok((policy, request))
}
