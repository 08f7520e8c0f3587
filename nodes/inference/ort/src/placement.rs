//! Where a model really runs, and whether that is where its manifest wants it.
//!
//! Three witnesses, each able to convict (a fourth, the golden vectors on this engine, is the policy's): the session's own record of which provider got which node, the profile of
//! the kernels that ran, and the clock. The record can be right while the run is elsewhere, so they are compared with
//! each other, too. Nothing here opens a library; every verdict is tested on planted evidence.

use std::fmt;

use crate::config::ProviderConfig;
use crate::profile::Kernels;
use crate::provider::Provider;
use crate::subgraph::Subgraph;
use crate::weights::Weights;

const DEADLINE: &str = "runtime.deadline_ms";
const P99: &str = "99th percentile";

/// What the shares of a [`Placement`] were counted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// The session's own record: nodes as it handed them out.
    #[default]
    Record,
    /// The profile of the warm-up, with a library whose interface has no record: kernels that ran.
    Profile,
}

/// Nodes of one provider.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Share {
    /// Provider, as configurations call it.
    pub provider: String,
    /// Nodes assigned to it.
    pub nodes: usize,
    /// As a share of all nodes.
    pub node_share: f64,
    /// Bytes of constants they read, as far as the nodes of the file are found again among them.
    pub parameter_bytes: u64,
    /// Pieces they were handed over in; many small ones mean copying to and fro.
    pub subgraphs: usize,
    /// Operators among them, each once, sorted.
    pub operators: Vec<String>,
}

/// Measured after warm-up, with nothing else of ours running.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Timing {
    /// Runs measured.
    pub runs: usize,
    /// First run of all, us: what a node without warm-up would meet in flight.
    pub first_us: f64,
    /// Median, us.
    pub p50_us: f64,
    /// 99th percentile, us.
    pub p99_us: f64,
    /// Largest, us.
    pub max_us: f64,
}

/// The whole proof, for reports and diagnostics.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Placement {
    /// Version of the library.
    pub library: String,
    /// Providers asked for, in order.
    pub requested: Vec<String>,
    /// Weakest provider allowed.
    pub require: String,
    /// Smallest share of nodes, and of parameters, on allowed providers.
    pub min_node_share: f64,
    /// True when the library itself was told to refuse nodes on its CPU kernels.
    pub cpu_forbidden: bool,
    /// What shares were counted from.
    pub evidence: Evidence,
    /// Assigned nodes by provider, those asked for first and in their order.
    pub providers: Vec<Share>,
    /// Share of nodes on allowed providers.
    pub node_share: f64,
    /// Share of parameters (bytes of constants) on allowed providers, those whose node is not found again counted as
    /// elsewhere; none when the file has no constants.
    pub parameter_share: Option<f64>,
    /// Kernels that ran during warm-up, by provider.
    pub kernels: Vec<Kernels>,
    /// Cost of a run.
    pub timing: Option<Timing>,
    /// Longest median allowed, us.
    pub deadline_us: Option<f64>,
    /// Largest 99th percentile allowed, us.
    pub p99_limit_us: Option<f64>,
    /// What is worth knowing although it does not keep the model from running.
    pub warning: Option<String>,
}

/// Why a model does not run where it should.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlacementError {
    /// The record is empty.
    #[error(
        "the session recorded no node of this graph on any provider; use a library that records its assignment (1.24 or newer)"
    )]
    Nothing,
    /// Too few nodes where they should be.
    #[error(
        "{on_allowed} of {nodes} {counted} ({share:.1} %) run on {allowed}; the manifest asks for {least:.1} %; elsewhere: {elsewhere}; use operators that the provider has, or lower runtime.min_node_share, or runtime.require"
    )]
    NodeShare {
        /// Nodes on allowed providers.
        on_allowed: usize,
        /// All nodes.
        nodes: usize,
        /// `nodes`, or what stands for them.
        counted: &'static str,
        /// In per cent.
        share: f64,
        /// Allowed providers.
        allowed: String,
        /// Manifest's bound in per cent.
        least: f64,
        /// Other providers with their operators.
        elsewhere: String,
    },
    /// Too few parameters where they should be.
    #[error(
        "{share:.1} % of the parameters are read on {allowed}; the manifest asks for {least:.1} %; elsewhere: {elsewhere}; the heavy layers are not on the accelerator (or the graph's nodes have no names)"
    )]
    ParameterShare {
        /// In per cent.
        share: f64,
        /// Allowed providers.
        allowed: String,
        /// Manifest's bound in per cent.
        least: f64,
        /// Other providers with bytes.
        elsewhere: String,
    },
    /// A kernel ran where no node was assigned.
    #[error(
        "the session says that no node is on {provider}, the profile says that {kernels} kernels ran there; do not trust this library on this graph"
    )]
    Contradiction {
        /// Provider.
        provider: String,
        /// Kernels.
        kernels: usize,
    },
    /// An allowed provider got nodes, none of its kernels ran.
    #[error(
        "the session says that {nodes} nodes are on {provider}, the profile shows no kernel of it; do not trust this library on this graph"
    )]
    Idle {
        /// Provider.
        provider: String,
        /// Nodes.
        nodes: usize,
    },
    /// Too slow.
    #[error(
        "{what} {found_us:.0} us; the manifest allows {allowed_us:.0} us; use a faster provider, a smaller model, or a longer {key}"
    )]
    TooSlow {
        /// `median`, or `99th percentile`.
        what: &'static str,
        /// Measured.
        found_us: f64,
        /// Allowed.
        allowed_us: f64,
        /// Manifest key.
        key: &'static str,
    },
}

impl Placement {
    /// The evidence of the session's record against `config`, with the `weights` of the file; `call` gives the configuration's name of a provider.
    pub(crate) fn of_assignment(
        library: &str,
        config: &ProviderConfig,
        subgraphs: &[Subgraph],
        weights: &Weights,
        call: &dyn Fn(&str) -> String,
    ) -> Self {
        let mut providers: Vec<Share> = Vec::new();
        for subgraph in subgraphs {
            let name = call(&subgraph.provider);
            let index = providers.iter().position(|s| s.provider == name).unwrap_or_else(|| {
                providers.push(Share { provider: name, ..Share::default() });
                providers.len() - 1
            });
            let Some(share) = providers.get_mut(index) else { continue };
            share.subgraphs += 1;
            share.nodes += subgraph.nodes.len();
            for node in &subgraph.nodes {
                let dot = if node.domain.is_empty() { "" } else { "." };
                share.operators.push(format!("{}{dot}{}", node.domain, node.operator));
            }
        }
        let nodes: usize = providers.iter().map(|s| s.nodes).sum();
        let names_on = |wanted: &dyn Fn(&str) -> bool| -> u64 {
            let chosen = subgraphs.iter().filter(|s| wanted(&call(&s.provider)));
            weights.of(chosen.flat_map(|s| s.nodes.iter().map(|n| n.name.as_str())))
        };
        for share in &mut providers {
            share.parameter_bytes = names_on(&|p| p == share.provider);
            share.operators.sort();
            share.operators.dedup();
            share.node_share = ratio(share.nodes as f64, nodes as f64);
        }
        let rank = |s: &Share| config.providers.iter().position(|p| *p == s.provider).unwrap_or(usize::MAX);
        providers.sort_by_key(rank);
        let mut placement = Self {
            library: library.to_owned(),
            requested: config.providers.clone(),
            require: config.require.clone(),
            min_node_share: config.min_node_share,
            cpu_forbidden: config.forbids_cpu(),
            evidence: Evidence::Record,
            providers,
            node_share: 0.0,
            parameter_share: None,
            kernels: Vec::new(),
            timing: None,
            deadline_us: config.deadline_us,
            p99_limit_us: config.p99_us,
            warning: None,
        };
        let on_allowed = placement.on_allowed();
        placement.node_share = ratio(on_allowed as f64, nodes as f64);
        let total = weights.total();
        // When every node is where it should be, so are their parameters, named or not.
        let placed = if on_allowed == nodes { total } else { names_on(&|p| placement.allows(p)) };
        placement.parameter_share = (total > 0).then(|| ratio(placed as f64, total as f64));
        placement
    }

    /// As [`Placement::of_assignment`], from the kernels of a profile.
    pub(crate) fn of_profile(
        library: &str,
        config: &ProviderConfig,
        kernels: &[Subgraph],
        weights: &Weights,
        call: &dyn Fn(&str) -> String,
    ) -> Self {
        let placement = Self::of_assignment(library, config, kernels, weights, call);
        Self { evidence: Evidence::Profile, ..placement }
    }

    fn counted(&self) -> &'static str {
        match self.evidence {
            Evidence::Record => "nodes",
            Evidence::Profile => "kernels of the profile",
        }
    }

    /// Refuses a record with too few nodes, or too few parameters, on allowed providers.
    pub(crate) fn judge_assignment(&self) -> Result<(), PlacementError> {
        let nodes: usize = self.providers.iter().map(|s| s.nodes).sum();
        if nodes == 0 {
            return Err(PlacementError::Nothing);
        }
        if self.node_share >= self.min_node_share {
            return self.judge_parameters();
        }
        let other = |s: &&Share| !self.allows(&s.provider);
        let told = |s: &Share| format!("{} nodes on {} ({})", s.nodes, s.provider, s.operators.join(", "));
        let elsewhere: Vec<String> = self.providers.iter().filter(other).map(told).collect();
        Err(PlacementError::NodeShare {
            on_allowed: self.on_allowed(),
            nodes,
            counted: self.counted(),
            share: 100.0 * self.node_share,
            allowed: self.allowed().join(", "),
            least: 100.0 * self.min_node_share,
            elsewhere: elsewhere.join("; "),
        })
    }

    /// Adds the profile of the warm-up and refuses what contradicts the record or the manifest.
    pub(crate) fn judge_kernels(&mut self, kernels: Vec<Kernels>) -> Result<(), PlacementError> {
        self.kernels = kernels;
        for k in &self.kernels {
            if !self.providers.iter().any(|s| s.provider == k.provider && s.nodes > 0) {
                return Err(PlacementError::Contradiction {
                    provider: k.provider.clone(),
                    kernels: k.kernels,
                });
            }
        }
        for s in self.providers.iter().filter(|s| s.nodes > 0) {
            if !self.kernels.iter().any(|k| k.provider == s.provider && k.kernels > 0) {
                return Err(PlacementError::Idle { provider: s.provider.clone(), nodes: s.nodes });
            }
        }
        Ok(())
    }

    fn judge_parameters(&self) -> Result<(), PlacementError> {
        let Some(share) = self.parameter_share.filter(|share| *share < self.min_node_share) else {
            return Ok(());
        };
        let other = |s: &&Share| !self.allows(&s.provider);
        let told = |s: &Share| format!("{} bytes on {}", s.parameter_bytes, s.provider);
        let elsewhere: Vec<String> = self.providers.iter().filter(other).map(told).collect();
        Err(PlacementError::ParameterShare {
            share: 100.0 * share,
            allowed: self.allowed().join(", "),
            least: 100.0 * self.min_node_share,
            elsewhere: elsewhere.join("; "),
        })
    }

    /// Adds measured times, us, in the order measured, and refuses what is too slow for the manifest.
    pub(crate) fn judge_times(
        &mut self,
        first_us: f64,
        mut times_us: Vec<f64>,
    ) -> Result<(), PlacementError> {
        times_us.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = ((times_us.len() as f64 * share).ceil() as usize).saturating_sub(1);
            times_us.get(index).copied().unwrap_or(f64::NAN)
        };
        let timing =
            Timing { runs: times_us.len(), first_us, p50_us: at(0.5), p99_us: at(0.99), max_us: at(1.0) };
        self.timing = Some(timing);
        // Without a bound of its own the 99th percentile is held against the deadline. On a processor whatever else
        // runs there decides it, so a start would depend on the moment: a warning then.
        let (rare, rare_key) = match self.p99_limit_us {
            Some(_) => (self.p99_limit_us, "verify.p99_ms"),
            None if self.on_processor() => (None, ""),
            None => (self.deadline_us, DEADLINE),
        };
        let bounds =
            [("median", timing.p50_us, self.deadline_us, DEADLINE), (P99, timing.p99_us, rare, rare_key)];
        for (what, found_us, allowed, key) in bounds {
            if let Some(allowed_us) = allowed
                && (found_us.is_nan() || found_us > allowed_us)
            {
                return Err(PlacementError::TooSlow { what, found_us, allowed_us, key });
            }
        }
        self.warning = self.deadline_us.filter(|deadline| timing.p99_us > *deadline).map(|deadline| {
            let found = timing.p99_us;
            format!("{P99} {found:.0} us is beyond {DEADLINE}, {deadline:.0} us: one run in a hundred may be missed")
        });
        Ok(())
    }

    /// True when every node is on the processor.
    fn on_processor(&self) -> bool {
        let on = |s: &Share| Provider::parse(&s.provider).is_ok_and(Provider::on_processor);
        self.providers.iter().filter(|s| s.nodes > 0).all(on)
    }

    /// True when several providers share the nodes.
    pub fn is_mixed(&self) -> bool {
        self.providers.iter().filter(|s| s.nodes > 0).count() > 1
    }

    /// In one phrase for an engine's name: `TensorRT 97 %, CUDA 3 %` in the configuration's names.
    pub fn summary(&self) -> String {
        let used: Vec<&Share> = self.providers.iter().filter(|s| s.nodes > 0).collect();
        match used.as_slice() {
            [only] => only.provider.clone(),
            several => {
                let one = |s: &&Share| format!("{} {:.0} %", s.provider, 100.0 * s.node_share);
                several.iter().map(one).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The whole report as one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn allowed(&self) -> &[String] {
        let last = self.requested.iter().position(|p| *p == self.require).unwrap_or(0);
        self.requested.get(..=last).unwrap_or(&[])
    }

    fn allows(&self, provider: &str) -> bool {
        self.allowed().iter().any(|p| p == provider)
    }

    fn on_allowed(&self) -> usize {
        self.providers.iter().filter(|s| self.allows(&s.provider)).map(|s| s.nodes).sum()
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: usize = self.providers.iter().map(|s| s.nodes).sum();
        write!(f, "onnxruntime {}: asked for {}", self.library, self.requested.join(", "))?;
        write!(f, "; weakest allowed {}, at least {:.0} %", self.require, 100.0 * self.min_node_share)?;
        if self.cpu_forbidden {
            f.write_str("; its CPU kernels forbidden")?;
        }
        for s in &self.providers {
            let (share, subgraphs) = (100.0 * s.node_share, s.subgraphs);
            write!(
                f,
                "\n  {}: {} of {nodes} {} ({share:.0} %) in {subgraphs} subgraphs",
                s.provider,
                s.nodes,
                self.counted()
            )?;
        }
        if self.evidence == Evidence::Profile {
            f.write_str(
                "\n  counted in the profile: this interface of the library has no record of its assignment",
            )?;
        }
        if let Some(share) = self.parameter_share {
            write!(f, "\n  parameters: {:.0} % on allowed providers", 100.0 * share)?;
        }
        for k in &self.kernels {
            write!(
                f,
                "\n  {}: {} kernels ran, {:.0} us per run with profiling",
                k.provider, k.kernels, k.us_per_run
            )?;
        }
        if let Some(t) = self.timing {
            write!(
                f,
                "\n  run: first {:.0} us; then p50 {:.0}, p99 {:.0}, max {:.0} us of {} runs",
                t.first_us, t.p50_us, t.p99_us, t.max_us, t.runs
            )?;
            if let Some(deadline) = self.deadline_us {
                write!(f, "; deadline {deadline:.0} us")?;
            }
        }
        if let Some(warning) = &self.warning {
            write!(f, "\n  WARNING: {warning}")?;
        }
        Ok(())
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests;
