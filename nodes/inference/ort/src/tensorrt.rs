//! TensorRT's section of a manifest, and the exact options it becomes.
//!
//! Shapes are pinned: an engine built for other shapes would be rebuilt in the middle of a run, for minutes. Without
//! profiles the graph's own fixed shapes are used; the manifest pins every dimension anyway.

use std::path::Path;

use sinew_inference::TensorInfo;

/// When engines may be built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Build {
    /// Only by `sinew model build`; a node without a valid cache refuses to start.
    #[default]
    Offline,
    /// By `sinew model build` during installation; for the node the same as offline.
    Install,
}

/// Smallest, likeliest and largest shape of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Input tensor.
    pub tensor: String,
    /// Smallest shape.
    pub min: Vec<usize>,
    /// The shape kernels are chosen for.
    pub opt: Vec<usize>,
    /// Largest shape.
    pub max: Vec<usize>,
}

/// Types the builder may use beyond those in the graph; legacy since TensorRT 11 knows only the graph's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Those of the graph.
    #[default]
    Graph,
    /// FP16 where the builder likes it.
    Fp16,
    /// INT8 with the graph's scales.
    Int8,
}

/// `[runtime.tensorrt]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorRt {
    /// When to build.
    pub build: Build,
    /// Scratch memory of the builder, MiB.
    pub workspace_mb: u64,
    /// 0 (quick) to 5 (thorough).
    pub builder_level: u8,
    /// Core of the deep-learning accelerator; none when below zero.
    pub dla_core: i32,
    /// Replay the whole run as one CUDA graph.
    pub cuda_graph: bool,
    /// Keep kernel timings between builds.
    pub timing_cache: bool,
    /// Types beyond the graph's.
    pub precision: Precision,
    /// Pinned shapes, by input.
    pub profiles: Vec<Profile>,
}

impl Default for TensorRt {
    fn default() -> Self {
        Self {
            build: Build::Offline,
            workspace_mb: 512,
            builder_level: 3,
            dla_core: -1,
            cuda_graph: false,
            timing_cache: true,
            precision: Precision::Graph,
            profiles: Vec::new(),
        }
    }
}

/// What the section gets wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorRtError {
    /// A number out of its range.
    #[error("runtime.tensorrt.{field}: found {found}; expected {expected}")]
    Range {
        /// Key.
        field: &'static str,
        /// As written.
        found: String,
        /// Range.
        expected: &'static str,
    },
    /// Profiles that do not pin every input.
    #[error("runtime.tensorrt.profiles: found {found}; expected {expected}; pin every input or none")]
    Profile {
        /// What stands there.
        found: String,
        /// What should.
        expected: String,
    },
}

impl TensorRt {
    /// Checks numbers, and that profiles pin each of `inputs` around its own shape.
    pub fn check(&self, inputs: &[TensorInfo]) -> Result<(), TensorRtError> {
        let range = |field, found: String, expected| Err(TensorRtError::Range { field, found, expected });
        if !(1..=65_536).contains(&self.workspace_mb) {
            return range("workspace_mb", self.workspace_mb.to_string(), "1 to 65536");
        }
        if self.builder_level > 5 {
            return range("builder_level", self.builder_level.to_string(), "0 to 5");
        }
        if !(-1..=15).contains(&self.dla_core) {
            return range("dla_core", self.dla_core.to_string(), "-1 (none) to 15");
        }
        if self.profiles.is_empty() {
            return Ok(());
        }
        for profile in &self.profiles {
            let wrong = |found: String, expected: String| Err(TensorRtError::Profile { found, expected });
            let Some(input) = inputs.iter().find(|i| i.name == profile.tensor) else {
                let names: Vec<&str> = inputs.iter().map(|i| i.name.as_str()).collect();
                return wrong(
                    format!("a profile of `{}`", profile.tensor),
                    format!("inputs {}", names.join(", ")),
                );
            };
            let ranks = [&profile.min, &profile.opt, &profile.max].map(|s| s.len() == input.shape.len());
            let bounds = profile.min.iter().zip(&profile.opt).zip(&profile.max).zip(&input.shape);
            let ordered = bounds.clone().all(|(((min, opt), max), _)| min <= opt && opt <= max);
            let holds = bounds.clone().all(|(((min, _), max), own)| min <= own && own <= max);
            if ranks != [true; 3] || !ordered || !holds {
                let (min, opt, max) = (&profile.min, &profile.opt, &profile.max);
                let found = format!("{min:?} <= {opt:?} <= {max:?} of `{}`", profile.tensor);
                return wrong(found, format!("ordered bounds around {:?}", input.shape));
            }
        }
        let pinned = |input: &&TensorInfo| !self.profiles.iter().any(|p| p.tensor == input.name);
        if let Some(input) = inputs.iter().find(pinned) {
            let found = format!("no profile of `{}`", input.name);
            return Err(TensorRtError::Profile { found, expected: "one for each input".to_owned() });
        }
        Ok(())
    }

    /// The provider's options, engines and timings under `cache` with names that begin with `prefix`.
    pub fn options(&self, cache: &Path, prefix: &str) -> Vec<(String, String)> {
        let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
        let path = cache.display().to_string();
        let mut options: Vec<(&str, String)> = vec![
            ("trt_engine_cache_enable", flag(true)),
            ("trt_engine_cache_path", path.clone()),
            ("trt_engine_cache_prefix", prefix.to_owned()),
            ("trt_max_workspace_size", (self.workspace_mb << 20).to_string()),
            ("trt_builder_optimization_level", self.builder_level.to_string()),
            ("trt_cuda_graph_enable", flag(self.cuda_graph)),
            ("trt_timing_cache_enable", flag(self.timing_cache)),
        ];
        if self.timing_cache {
            options.push(("trt_timing_cache_path", path));
        }
        if self.dla_core >= 0 {
            options.push(("trt_dla_enable", flag(true)));
            options.push(("trt_dla_core", self.dla_core.to_string()));
        }
        match self.precision {
            Precision::Graph => {}
            Precision::Fp16 => options.push(("trt_fp16_enable", flag(true))),
            Precision::Int8 => options.push(("trt_int8_enable", flag(true))),
        }
        if !self.profiles.is_empty() {
            options.push(("trt_profile_min_shapes", shapes(&self.profiles, |p| &p.min)));
            options.push(("trt_profile_opt_shapes", shapes(&self.profiles, |p| &p.opt)));
            options.push(("trt_profile_max_shapes", shapes(&self.profiles, |p| &p.max)));
        }
        options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// `name:1x3x320x320,other:1x10`, the notation of the provider.
fn shapes(profiles: &[Profile], which: impl Fn(&Profile) -> &Vec<usize>) -> String {
    let one = |profile: &Profile| {
        let dimensions: Vec<String> = which(profile).iter().map(ToString::to_string).collect();
        format!("{}:{}", profile.tensor, dimensions.join("x"))
    };
    profiles.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;
    use crate::provider::Provider;

    fn images() -> TensorInfo {
        TensorInfo { name: "images".into(), shape: vec![1, 3, 320, 320] }
    }

    fn full() -> TensorRt {
        let shape = |s: usize| vec![1, 3, s, s];
        let images =
            Profile { tensor: "images".into(), min: shape(160), opt: shape(320), max: shape(640) };
        TensorRt {
            workspace_mb: 256,
            builder_level: 5,
            dla_core: 1,
            cuda_graph: true,
            precision: Precision::Fp16,
            profiles: vec![images],
            ..TensorRt::default()
        }
    }

    #[test]
    fn the_section_becomes_exactly_these_options() {
        let options = full().options(Path::new("/state/engines"), "abc");
        let lines: Vec<String> = options.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            lines,
            [
                "trt_engine_cache_enable=1",
                "trt_engine_cache_path=/state/engines",
                "trt_engine_cache_prefix=abc",
                "trt_max_workspace_size=268435456",
                "trt_builder_optimization_level=5",
                "trt_cuda_graph_enable=1",
                "trt_timing_cache_enable=1",
                "trt_timing_cache_path=/state/engines",
                "trt_dla_enable=1",
                "trt_dla_core=1",
                "trt_fp16_enable=1",
                "trt_profile_min_shapes=images:1x3x160x160",
                "trt_profile_opt_shapes=images:1x3x320x320",
                "trt_profile_max_shapes=images:1x3x640x640",
            ]
        );
        for (key, _) in options {
            Provider::TensorRt.check_option(&key).unwrap();
        }
        let plain = TensorRt { timing_cache: false, ..TensorRt::default() }.options(Path::new("/s"), "p");
        let keys: Vec<&str> = plain.iter().map(|(k, _)| k.as_str()).collect();
        assert!(!keys.iter().any(|k| k.contains("dla") || k.contains("fp16") || k.contains("profile")));
        assert!(!keys.contains(&"trt_timing_cache_path"), "{keys:?}");
    }

    #[test]
    fn profiles_must_hold_every_input_around_its_shape() {
        full().check(&[images()]).unwrap();
        let refused = |change: &dyn Fn(&mut TensorRt)| {
            let mut section = full();
            change(&mut section);
            section.check(&[images()]).unwrap_err().to_string()
        };
        assert!(refused(&|t| t.profiles[0].tensor = "image".into()).contains("inputs images"));
        assert!(refused(&|t| t.profiles[0].max = vec![1, 3, 300, 300]).contains("ordered bounds"));
        assert!(refused(&|t| t.profiles[0].min = vec![1, 3, 400]).contains("ordered bounds"));
        assert!(refused(&|t| t.builder_level = 6).contains("0 to 5"));
        assert!(refused(&|t| t.dla_core = 99).contains("-1 (none)"));
        assert!(refused(&|t| t.workspace_mb = 0).contains("65536"));
        let state = TensorInfo { name: "h_in".into(), shape: vec![1, 1, 256] };
        let error = full().check(&[images(), state]).unwrap_err().to_string();
        assert!(error.contains("no profile of `h_in`"), "{error}");
    }
}
