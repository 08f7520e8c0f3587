//! What a manifest's `[runtime]` section asks of this room, checked before anything foreign is opened.

use std::path::Path;

use sinew_inference::manifest::{self, BuildTime, Manifest};
use sinew_inference::{Library, LibraryError};

use crate::provider::{NameError, Provider};
use crate::tensorrt::{Profile, TensorRt};

/// Option of the NVIDIA providers that chooses among several devices.
const DEVICE_ID: &str = "device_id";

/// A library outside the runtime's build: a provider's, or one that an option of `extra` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Name by which `providers` lists it; also the name it is registered under.
    pub name: String,
    /// Its shared library, hashed.
    pub library: Library,
}

/// One entry of `providers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Compiled into the library, or beside it.
    Builtin(Provider),
    /// The plugin of this name.
    Plugin(String),
}

impl Choice {
    /// Name in the configuration.
    pub fn key(&self) -> &str {
        match self {
            Self::Builtin(provider) => provider.key(),
            Self::Plugin(name) => name,
        }
    }
}

/// `[runtime]`, `[runtime.tensorrt]`, `[runtime.extra]` and `[[runtime.plugin]]` as plain data.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderConfig {
    /// Providers in order of preference, by name; never empty.
    pub providers: Vec<String>,
    /// Weakest provider allowed: nodes on a later one of `providers` count as misplaced.
    pub require: String,
    /// Smallest share of nodes, and of parameters, on providers up to `require`; 0 to 1.
    pub min_node_share: f64,
    /// Runs before the first that counts.
    pub warmup: u32,
    /// Threads of the library's pool; 1 adds none.
    pub threads: usize,
    /// May a waiting pool thread spin? It starves a control loop on the same cores.
    pub spin: bool,
    /// A run longer than this is late, us; the median after warm-up must be below.
    pub deadline_us: Option<f64>,
    /// Largest 99th percentile allowed, us; without it the deadline, on a processor as a warning only.
    pub p99_us: Option<f64>,
    /// TensorRT's own section.
    pub tensorrt: TensorRt,
    /// `"provider.key" = "value"`, in the order written.
    pub extra: Vec<(String, String)>,
    /// Plugin libraries.
    pub plugins: Vec<Plugin>,
}

impl Default for ProviderConfig {
    /// The CPU, one thread, no spinning.
    fn default() -> Self {
        Self {
            providers: vec!["cpu".to_owned()],
            require: "cpu".to_owned(),
            min_node_share: 1.0,
            warmup: 20,
            threads: 1,
            spin: false,
            deadline_us: None,
            p99_us: None,
            tensorrt: TensorRt::default(),
            extra: Vec::new(),
            plugins: Vec::new(),
        }
    }
}

/// What a configuration gets wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A name nobody knows.
    #[error("runtime: {0}")]
    Name(#[from] NameError),
    /// Without a named provider the library would choose one itself.
    #[error("runtime.providers: none is named; expected at least one; name \"cpu\"")]
    NoProvider,
    /// A provider twice.
    #[error("runtime.providers: `{0}` stands there twice; expected each once; remove one")]
    Twice(String),
    /// `require` is not among the providers.
    #[error(
        "runtime.require: found `{found}`; expected one of the providers {listed}; add it or require another"
    )]
    Require {
        /// As written.
        found: String,
        /// Providers.
        listed: String,
    },
    /// An engine built in the launch path.
    #[error(
        "runtime.tensorrt.build: found \"on_start\"; expected \"offline\" or \"install\"; a build takes minutes, a node never builds: run `sinew model build FILE` once"
    )]
    BuildOnStart,
    /// A plugin's library that is not the one the manifest names.
    #[error("runtime.plugin `{name}`: {error}")]
    Plugin {
        /// Name.
        name: String,
        /// Why it is not opened.
        #[source]
        error: LibraryError,
    },
    /// A library that would be opened without a hash.
    #[error(
        "runtime.extra.\"{key}\": found \"{found}\"; expected the `library` of a [[runtime.plugin]], which gives its hash ({listed}); add one with name, library and sha256"
    )]
    Library {
        /// Option.
        key: String,
        /// As written.
        found: String,
        /// Libraries of the plugins.
        listed: String,
    },
    /// A number out of its range.
    #[error("runtime.{field}: found {found}; expected {expected}")]
    Range {
        /// Key.
        field: &'static str,
        /// As written.
        found: String,
        /// Range.
        expected: &'static str,
    },
}

impl ProviderConfig {
    /// What a checked manifest asks for. Plugin libraries lie in the manifest's `folder`; each is hashed here, whole.
    pub fn of_manifest(manifest: &Manifest, folder: &Path) -> Result<Self, ConfigError> {
        let (runtime, placement) = (&manifest.runtime, &manifest.runtime.placement);
        let section = &placement.tensorrt;
        if section.build == BuildTime::OnStart
            && placement.providers.iter().any(|p| p == Provider::TensorRt.key())
        {
            return Err(ConfigError::BuildOnStart);
        }
        let profile = |p: &manifest::Profile| Profile {
            tensor: p.tensor.clone(),
            min: p.min.clone(),
            opt: p.opt.clone(),
            max: p.max.clone(),
        };
        let plugin = |p: &manifest::Plugin| {
            let (name, verified) = (p.name.clone(), Library::verify(folder, &p.library));
            match verified {
                Ok(library) => Ok(Plugin { name, library }),
                Err(error) => Err(ConfigError::Plugin { name, error }),
            }
        };
        let plugins = placement.plugins.iter().map(plugin).collect::<Result<Vec<_>, _>>()?;
        let deadline_us = 1000.0 * runtime.deadline_ms;
        Ok(Self {
            providers: placement.providers.clone(),
            require: placement.require.clone(),
            min_node_share: placement.min_node_share,
            warmup: placement.warmup,
            threads: usize::try_from(placement.threads).unwrap_or(usize::MAX),
            spin: placement.spin,
            deadline_us: Some(deadline_us),
            p99_us: manifest.verify.p99_ms.map(|ms| 1000.0 * ms),
            tensorrt: TensorRt {
                workspace_mb: section.workspace_mb,
                builder_level: section.builder_level,
                dla_core: section.dla_core,
                cuda_graph: section.cuda_graph,
                timing_cache: section.timing_cache,
                fp16: section.fp16,
                int8: section.int8,
                profiles: section.profiles.iter().map(profile).collect(),
            },
            extra: with_verified_libraries(placement, &plugins)?,
            plugins,
        })
    }

    /// CPU first and only, or with an accelerator before it, nothing else set.
    pub fn of(providers: &[Provider]) -> Self {
        let keys: Vec<String> = providers.iter().map(|p| p.key().to_owned()).collect();
        let require = keys.last().cloned().unwrap_or_default();
        Self { providers: keys, require, ..Self::default() }
    }

    /// The providers in order, every name and number checked.
    pub fn check(&self) -> Result<Vec<Choice>, ConfigError> {
        let listed = || self.providers.join(", ");
        let choice = |name: &String| match self.plugins.iter().find(|p| p.name == *name) {
            Some(plugin) => Ok(Choice::Plugin(plugin.name.clone())),
            None => Provider::parse(name).map(Choice::Builtin),
        };
        let choices: Vec<Choice> = self.providers.iter().map(choice).collect::<Result<_, _>>()?;
        for (index, name) in self.providers.iter().enumerate() {
            if self.providers.iter().take(index).any(|n| n == name) {
                return Err(ConfigError::Twice(name.clone()));
            }
        }
        if choices.is_empty() {
            return Err(ConfigError::NoProvider);
        }
        if !self.providers.contains(&self.require) {
            return Err(ConfigError::Require { found: self.require.clone(), listed: listed() });
        }
        let range = |field, found: String, expected| Err(ConfigError::Range { field, found, expected });
        if !(0.0..=1.0).contains(&self.min_node_share) {
            return range("min_node_share", self.min_node_share.to_string(), "0.0 to 1.0");
        }
        if !(1..=64).contains(&self.threads) {
            return range("threads", self.threads.to_string(), "1 to 64");
        }
        if self.warmup > 10_000 {
            return range("warmup", self.warmup.to_string(), "0 to 10000");
        }
        for (key, value) in &self.extra {
            self.check_extra(key, value)?;
        }
        for provider in [Provider::Cuda, Provider::TensorRt, Provider::NvRtx] {
            self.device_of(provider)?;
        }
        Ok(choices)
    }

    /// Options of one provider from `extra`, without its prefix.
    pub fn extra_of(&self, provider: &str) -> impl Iterator<Item = (&str, &str)> {
        self.extra.iter().filter_map(move |(key, value)| {
            let (name, option) = key.split_once('.')?;
            (name == provider).then_some((option, value.as_str()))
        })
    }

    /// Number of the device that `provider` runs on, in the driver's order: its option `device_id`, else 0.
    ///
    /// # Errors
    /// An option that is no such number.
    pub fn device_of(&self, provider: Provider) -> Result<usize, NameError> {
        let Some((_, value)) = self.extra_of(provider.key()).find(|(key, _)| *key == DEVICE_ID) else {
            return Ok(0);
        };
        value.parse().map_err(|_| NameError::Value {
            found: format!("{}.{DEVICE_ID}", provider.key()),
            value: value.to_owned(),
            problem: "is not the number of a device; `sinew doctor gpu` lists them",
        })
    }

    /// Providers that count as placed: those up to and including `require`.
    pub fn allowed(&self) -> &[String] {
        let last = self.providers.iter().position(|p| *p == self.require).unwrap_or(0);
        self.providers.get(..=last).unwrap_or(&[])
    }

    /// The library itself shall refuse nodes on its CPU kernels: nothing weaker than an accelerator is allowed.
    pub fn forbids_cpu(&self) -> bool {
        let allowed_on_cpu = self.allowed().iter().any(|p| p == Provider::Cpu.key());
        !allowed_on_cpu && self.min_node_share >= 1.0
    }

    fn check_extra(&self, key: &str, value: &str) -> Result<(), NameError> {
        let found = || key.to_owned();
        let (provider, option) =
            key.split_once('.').ok_or_else(|| NameError::NotQualified { found: found() })?;
        let plugin = self.plugins.iter().any(|p| p.name == provider);
        if !plugin {
            Provider::parse(provider)?.check_option(option)?;
        }
        if !self.providers.iter().any(|p| p == provider) {
            let listed = self.providers.join(", ");
            return Err(NameError::NotListed { found: found(), provider: provider.to_owned(), listed });
        }
        if value.contains('\0') || option.contains('\0') {
            let problem = "holds a zero byte; remove it";
            return Err(NameError::Value { found: found(), value: value.replace('\0', "\\0"), problem });
        }
        Ok(())
    }
}

/// Options, of whatever provider, whose value is the path of a library that it opens.
const LIBRARY_OPTIONS: [&str; 4] =
    ["backend_path", "qnn_saver_path", "trt_engine_decryption_lib_path", "trt_extra_plugin_lib_paths"];

/// `extra`, with the full paths of the hashed plugins where a library is named.
fn with_verified_libraries(
    placement: &manifest::Placement,
    plugins: &[Plugin],
) -> Result<Vec<(String, String)>, ConfigError> {
    let named: Vec<(&str, &Path)> = placement
        .plugins
        .iter()
        .map(|p| p.library.file.as_str())
        .zip(plugins.iter().map(|p| p.library.path()))
        .collect();
    let one = |(key, value): &(String, String)| {
        let (provider, option) = key.split_once('.').unwrap_or(("", key));
        // Nobody knows what the options of a plugin open.
        let unknown = placement.plugins.iter().any(|p| p.name == provider);
        let opens = LIBRARY_OPTIONS.contains(&option)
            || (unknown && (value.contains(['/', '\\']) || value.contains(".so")));
        if !opens {
            return Ok((key.clone(), value.clone()));
        }
        let mut paths = Vec::new();
        for part in value.split(';').map(str::trim) {
            let Some((_, path)) = named.iter().find(|(file, _)| *file == part) else {
                let listed: Vec<&str> = named.iter().map(|(file, _)| *file).collect();
                let listed = if listed.is_empty() { "none is named".to_owned() } else { listed.join(", ") };
                return Err(ConfigError::Library { key: key.clone(), found: value.clone(), listed });
            };
            let path = path.display().to_string();
            if path.contains(';') {
                let listed = "in a folder without `;` in its name".to_owned();
                return Err(ConfigError::Library { key: key.clone(), found: path, listed });
            }
            paths.push(path);
        }
        Ok((key.clone(), paths.join(";")))
    };
    placement.extra.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    fn refused(change: impl Fn(&mut ProviderConfig)) -> String {
        let mut config = ProviderConfig::of(&[Provider::TensorRt, Provider::Cuda, Provider::Cpu]);
        change(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn what_is_allowed_follows_from_require() {
        let mut config = ProviderConfig::of(&[Provider::TensorRt, Provider::Cuda, Provider::Cpu]);
        assert_eq!((config.allowed().len(), config.forbids_cpu()), (3, false));
        config.require = "cuda".to_owned();
        assert_eq!(config.allowed(), ["tensorrt", "cuda"]);
        assert!(config.forbids_cpu());
        config.min_node_share = 0.9; // a tenth may stay on the CPU: the share decides, not the library
        assert!(!config.forbids_cpu());
    }

    #[test]
    fn every_mistake_is_named() {
        type Change = Box<dyn Fn(&mut ProviderConfig)>;
        let cases: [(&str, Change); 12] = [
            ("unknown provider `gpu`", Box::new(|c| c.providers = vec!["gpu".into()])),
            ("none is named", Box::new(|c| c.providers.clear())),
            ("`cuda` stands there twice", Box::new(|c| c.providers.push("cuda".into()))),
            ("found `qnn`; expected one of the providers tensorrt", Box::new(|c| c.require = "qnn".into())),
            ("0.0 to 1.0", Box::new(|c| c.min_node_share = f64::NAN)),
            ("1 to 64", Box::new(|c| c.threads = 0)),
            ("names no provider", Box::new(|c| c.extra.push(("use_tf32".into(), "0".into())))),
            ("unknown option `cuda.tf32`", Box::new(|c| c.extra.push(("cuda.tf32".into(), "0".into())))),
            ("`qnn` is not among", Box::new(|c| c.extra.push(("qnn.htp_arch".into(), "73".into())))),
            (
                "is not the number of a device",
                Box::new(|c| c.extra.push(("cuda.device_id".into(), "-1".into()))),
            ),
            ("tensorrt.device_id", Box::new(|c| c.extra.push(("tensorrt.device_id".into(), "gpu1".into())))),
            ("zero byte", Box::new(|c| c.extra.push(("cuda.use_tf32".into(), "0\0".into())))),
        ];
        for (expected, change) in cases {
            let error = refused(change);
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn a_plugin_is_named_like_a_provider_and_takes_any_option() {
        let mut config = ProviderConfig::of(&[Provider::Cpu]);
        config.providers.insert(0, "MusaEP".to_owned());
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("libmusa.so"), b"").unwrap();
        let sha256 = sinew_inference::sha256_hex(b"");
        let file = manifest::GraphFile { file: "libmusa.so".into(), sha256, line: 1 };
        let library = Library::verify(dir.path(), &file).unwrap();
        config.plugins.push(Plugin { name: "MusaEP".into(), library });
        config.extra.push(("MusaEP.anything".into(), "1".into()));
        assert_eq!(config.check().unwrap()[0], Choice::Plugin("MusaEP".into()));
        assert_eq!(config.extra_of("MusaEP").collect::<Vec<_>>(), [("anything", "1")]);
    }
}
