//! When a model runs, on what, and what a missed run does.

use super::parse::file_and_hash;
use super::reader::{Entry, ManifestError, Section};
use super::{DECIMATION_BASE_HZ, GraphFile};
use crate::library::is_inside;

/// An engine a manifest may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// The executor of this room.
    Native,
    /// ONNX Runtime, opened at run time.
    OnnxRuntime,
    /// The pure-Rust executor behind a cargo feature.
    Tract,
}

impl EngineKind {
    /// As manifests write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::OnnxRuntime => "onnxruntime",
            Self::Tract => "tract",
        }
    }
}

/// What one missed run does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMiss {
    /// The last target stays.
    #[default]
    Hold,
    /// Damping.
    Damp,
    /// The policy faults.
    Fault,
}

/// Rate, deadline, latency, engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Runtime {
    /// Frames per second; without a chunk the graph runs as often.
    pub rate_hz: f64,
    /// A run longer than this is a miss, ms of wall time.
    pub deadline_ms: f64,
    /// Control ticks from the observation to the tick that uses the output.
    pub latency_ticks: u32,
    /// What one miss does.
    pub on_miss: OnMiss,
    /// Misses in a row that end the policy.
    pub misses_max: u32,
    /// Engines in order of preference; never empty.
    pub engines: Vec<EngineKind>,
    /// Where the nodes have to run.
    pub placement: Placement,
}

/// Providers of an engine that has them, and what must be proven about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// In order of preference; never empty. Which names exist is for the engine to say.
    pub providers: Vec<String>,
    /// The weakest provider allowed; one of `providers`.
    pub require: String,
    /// Share of nodes on `require` or a stronger one, 0 to 1.
    pub min_node_share: f64,
    /// Runs before the first one that is measured.
    pub warmup: u32,
    /// Threads inside one operator.
    pub threads: u32,
    /// May those threads spin while they wait?
    pub spin: bool,
    /// TensorRT's life cycle.
    pub tensorrt: TensorRt,
    /// `provider.key` and value, passed on as they are.
    pub extra: Vec<(String, String)>,
    /// Providers from libraries of their own.
    pub plugins: Vec<Plugin>,
    /// Line of `[runtime]`, for messages.
    pub line: usize,
}

/// A provider from a library of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Name of the provider.
    pub name: String,
    /// The library, in the manifest's folder or below it; [`crate::Library::verify`] gives its full path.
    pub library: GraphFile,
}

/// When TensorRT engines are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildTime {
    /// By `sinew model build`, never while a robot starts.
    Offline,
    /// While the model is installed.
    Install,
    /// At the start of the process.
    OnStart,
}

/// Shapes of one input between which an engine works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Input tensor.
    pub tensor: String,
    /// Smallest shape.
    pub min: Vec<usize>,
    /// Shape the engine is tuned for.
    pub opt: Vec<usize>,
    /// Largest shape.
    pub max: Vec<usize>,
}

/// Options of TensorRT engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorRt {
    /// When engines are built.
    pub build: BuildTime,
    /// Largest workspace, MiB.
    pub workspace_mb: Option<u32>,
    /// Effort of the builder, 0 to 5.
    pub builder_level: Option<u32>,
    /// Deep-learning accelerator core.
    pub dla_core: Option<u32>,
    /// Capture runs as a CUDA graph.
    pub cuda_graph: bool,
    /// Keep measured timings.
    pub timing_cache: bool,
    /// Let the builder choose half precision; better said in the graph.
    pub fp16: bool,
    /// Let the builder choose 8-bit integers; better said in the graph.
    pub int8: bool,
    /// One per input, or none.
    pub profiles: Vec<Profile>,
}

impl Default for TensorRt {
    fn default() -> Self {
        Self {
            build: BuildTime::Offline,
            workspace_mb: None,
            builder_level: None,
            dla_core: None,
            cuda_graph: false,
            timing_cache: true,
            fp16: false,
            int8: false,
            profiles: Vec::new(),
        }
    }
}

impl Runtime {
    pub(super) fn parse(section: Section<'_>) -> Result<Self, ManifestError> {
        let rate_hz = match (section.optional("rate_hz"), section.optional("decimation")) {
            (Some(rate), None) => rate.number_in(1.0, 1000.0, "Hz")?,
            (None, Some(every)) => DECIMATION_BASE_HZ / every.integer_in(1, 500)? as f64,
            (None, None) => {
                return Err(section.error("neither", "`rate_hz` or `decimation`", "add one of them"));
            }
            (Some(_), Some(_)) => {
                return Err(section.error("both", "`rate_hz` or `decimation`", "remove one of them"));
            }
        };
        let entry = section.required("deadline_ms", "ms")?;
        let deadline_ms = entry.number_in(0.01, 1000.0, "ms")?;
        let period_ms = 1000.0 / rate_hz;
        if deadline_ms > period_ms * (1.0 + 1e-9) {
            let expected = format!("at most {period_ms} ms, one period of {rate_hz} Hz");
            let hint = "a run still going when the next is due is a miss: lower the deadline or the rate";
            return Err(entry.error(format!("{deadline_ms} ms"), expected, hint));
        }
        let latency_ticks = whole(&section, "latency_ticks", 1, 100)?.unwrap_or(2);
        let on_miss = match section.optional("on_miss") {
            Some(entry) => {
                entry.choice(&[("hold", OnMiss::Hold), ("damp", OnMiss::Damp), ("fault", OnMiss::Fault)])?
            }
            None => OnMiss::Hold,
        };
        let misses_max = whole(&section, "misses_max", 1, 1000)?.unwrap_or(2);
        let engine = section.required("engine", "a list of engines in order of preference")?;
        let kinds = [EngineKind::Native, EngineKind::OnnxRuntime, EngineKind::Tract].map(|k| (k.name(), k));
        let engines = engine
            .list("a list of engines in order of preference")?
            .iter()
            .map(|e| e.choice(&kinds))
            .collect::<Result<Vec<_>, _>>()?;
        if engines.is_empty() {
            return Err(engine.error("an empty list", "at least one engine", "write engine = [\"native\"]"));
        }
        let placement = Placement::parse(&section)?;
        section.finish()?;
        Ok(Self { rate_hz, deadline_ms, latency_ticks, on_miss, misses_max, engines, placement })
    }
}

impl Placement {
    fn parse(section: &Section<'_>) -> Result<Self, ManifestError> {
        let providers = match section.optional("providers") {
            Some(entry) => super::joints::names(&entry, "provider")?,
            None => vec!["cpu".to_owned()],
        };
        let require = match section.optional("require") {
            // With several, taking the weakest unasked would be falling back in silence.
            None if providers.len() > 1 => {
                let found = format!("nothing, with the providers {}", providers.join(", "));
                let expected = "`require`: the weakest provider that is good enough";
                return Err(section.error(found, expected, "say which one it must at least run on"));
            }
            None => providers.first().cloned().unwrap_or_default(),
            Some(entry) => {
                let name = entry.text("one of the providers")?;
                if !providers.contains(&name) {
                    let expected = format!("one of the providers: {}", providers.join(", "));
                    let hint = "require the weakest provider that is good enough";
                    return Err(entry.error(format!("\"{name}\""), expected, hint));
                }
                name
            }
        };
        let min_node_share = match section.optional("min_node_share") {
            Some(entry) => entry.number_in(0.0, 1.0, "of the nodes")?,
            None => 1.0,
        };
        let flag = |key| section.optional(key).map(|e| e.flag()).transpose();
        let tensorrt = match section.optional("tensorrt") {
            Some(entry) => TensorRt::parse(entry.section()?)?,
            None => TensorRt::default(),
        };
        let extra = match section.optional("extra") {
            Some(entry) => entry.section()?.texts()?,
            None => Vec::new(),
        };
        let plugins = match section.optional("plugin") {
            Some(entry) => {
                entry.list("[[runtime.plugin]] sections")?.iter().map(plugin).collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        Ok(Self {
            require,
            min_node_share,
            warmup: whole(section, "warmup", 0, 100_000)?.unwrap_or(20),
            threads: whole(section, "threads", 1, 64)?.unwrap_or(1),
            spin: flag("spin")?.unwrap_or(false),
            tensorrt,
            extra,
            plugins,
            providers,
            line: section.line(),
        })
    }
}

impl TensorRt {
    fn parse(section: Section<'_>) -> Result<Self, ManifestError> {
        let standard = Self::default();
        let flag =
            |key, otherwise| Ok(section.optional(key).map(|e| e.flag()).transpose()?.unwrap_or(otherwise));
        let build = match section.optional("build") {
            Some(entry) => entry.choice(&[
                ("offline", BuildTime::Offline),
                ("install", BuildTime::Install),
                ("on_start", BuildTime::OnStart),
            ])?,
            None => standard.build,
        };
        let dla = section.optional("dla_core").map(|e| e.integer_in(-1, 7)).transpose()?;
        let mut profiles = Vec::new();
        if let Some(entry) = section.optional("profiles") {
            for (tensor, shapes) in entry.section()?.entries() {
                profiles.push(Profile::parse(tensor, shapes.section()?)?);
            }
        }
        let parsed = Self {
            build,
            workspace_mb: whole(&section, "workspace_mb", 1, 1 << 20)?,
            builder_level: whole(&section, "builder_level", 0, 5)?,
            dla_core: dla.and_then(|core| u32::try_from(core).ok()),
            cuda_graph: flag("cuda_graph", standard.cuda_graph)?,
            timing_cache: flag("timing_cache", standard.timing_cache)?,
            fp16: flag("fp16", standard.fp16)?,
            int8: flag("int8", standard.int8)?,
            profiles,
        };
        section.finish()?;
        Ok(parsed)
    }
}

impl Profile {
    fn parse(tensor: String, section: Section<'_>) -> Result<Self, ManifestError> {
        let shape = |key| section.required(key, "a shape")?.shape();
        let profile = Self { tensor, min: shape("min")?, opt: shape("opt")?, max: shape("max")? };
        let ordered = |a: &[usize], b: &[usize]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a <= b);
        if !ordered(&profile.min, &profile.opt) || !ordered(&profile.opt, &profile.max) {
            let found = format!("min {:?}, opt {:?}, max {:?}", profile.min, profile.opt, profile.max);
            return Err(section.error(found, "min <= opt <= max in every dimension", "order the shapes"));
        }
        section.finish()?;
        Ok(profile)
    }
}

fn plugin(entry: &Entry<'_>) -> Result<Plugin, ManifestError> {
    let section = entry.section()?;
    let name = section.required("name", "the provider's name")?.text("the provider's name")?;
    let library = file_and_hash(&section, "library")?;
    if !is_inside(&library.file) {
        let entry = section.required("library", "a file beside the manifest")?;
        let expected = "a file in the manifest's folder or below it";
        let hint = "copy the library there; it is opened with all the rights of this program";
        return Err(entry.error(format!("\"{}\"", library.file), expected, hint));
    }
    section.finish()?;
    Ok(Plugin { name, library })
}

fn whole(section: &Section<'_>, key: &'static str, lo: i64, hi: i64) -> Result<Option<u32>, ManifestError> {
    Ok(section.optional(key).map(|e| e.integer_in(lo, hi)).transpose()?.and_then(|v| u32::try_from(v).ok()))
}
