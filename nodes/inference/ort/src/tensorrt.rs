//! TensorRT's section of a manifest, and the exact options it becomes.
//!
//! Shapes are pinned: an engine built for other shapes would be rebuilt in the middle of a run, for minutes. Without
//! profiles the graph's own fixed shapes are used; the manifest pins every dimension anyway.

use std::path::Path;

use sinew_inference::TensorInfo;

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

/// `[runtime.tensorrt]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorRt {
    /// Scratch memory of the builder, MiB; the provider's default when none.
    pub workspace_mb: Option<u32>,
    /// 0 (quick) to 5 (thorough); the provider's default when none.
    pub builder_level: Option<u32>,
    /// Core of the deep-learning accelerator.
    pub dla_core: Option<u32>,
    /// Replay the whole run as one CUDA graph.
    pub cuda_graph: bool,
    /// Keep kernel timings between builds.
    pub timing_cache: bool,
    /// FP16 where the builder likes it, beyond the graph's types. Legacy: TensorRT 11 knows only the graph's.
    pub fp16: bool,
    /// INT8 with the graph's scales, likewise.
    pub int8: bool,
    /// Pinned shapes, by input.
    pub profiles: Vec<Profile>,
}

impl Default for TensorRt {
    fn default() -> Self {
        Self {
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
        if let Some(mb) = self.workspace_mb.filter(|mb| !(1..=1 << 20).contains(mb)) {
            return range("workspace_mb", mb.to_string(), "1 to 1048576");
        }
        if let Some(level) = self.builder_level.filter(|level| *level > 5) {
            return range("builder_level", level.to_string(), "0 to 5");
        }
        if let Some(core) = self.dla_core.filter(|core| *core > 7) {
            return range("dla_core", core.to_string(), "0 to 7");
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

    /// Options that an engine is built with; they are part of its key. `timings` is where measured kernel timings
    /// are kept between builds.
    pub fn build_options(&self, timings: Option<&Path>) -> Vec<(String, String)> {
        let mut options = self.engine_options();
        if let Some(folder) = timings.filter(|_| self.timing_cache) {
            options.push(("trt_timing_cache_enable".to_owned(), flag(true)));
            options.push(("trt_timing_cache_path".to_owned(), folder.display().to_string()));
        }
        options
    }

    /// Options that a prepared engine runs with: nothing that could build another.
    pub fn run_options(&self) -> Vec<(String, String)> {
        let mut options = self.dla_options();
        options.push(("trt_engine_cache_enable".to_owned(), flag(false)));
        options.push(("trt_timing_cache_enable".to_owned(), flag(false)));
        options.push(("trt_cuda_graph_enable".to_owned(), flag(self.cuda_graph)));
        options
    }

    /// What the engine itself depends on, `key=value`, sorted: for its key.
    pub fn key_options(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.engine_options().iter().map(|(k, v)| format!("{k}={v}")).collect();
        lines.sort();
        lines
    }

    fn dla_options(&self) -> Vec<(String, String)> {
        let Some(core) = self.dla_core else { return Vec::new() };
        vec![("trt_dla_enable".to_owned(), flag(true)), ("trt_dla_core".to_owned(), core.to_string())]
    }

    fn engine_options(&self) -> Vec<(String, String)> {
        let mut options = self.dla_options();
        let mut push = |key: &str, value: String| options.push((key.to_owned(), value));
        if let Some(mb) = self.workspace_mb {
            push("trt_max_workspace_size", (u64::from(mb) << 20).to_string());
        }
        if let Some(level) = self.builder_level {
            push("trt_builder_optimization_level", level.to_string());
        }
        if self.fp16 {
            push("trt_fp16_enable", flag(true));
        }
        if self.int8 {
            push("trt_int8_enable", flag(true));
        }
        if !self.profiles.is_empty() {
            push("trt_profile_min_shapes", shapes(&self.profiles, |p| &p.min));
            push("trt_profile_opt_shapes", shapes(&self.profiles, |p| &p.opt));
            push("trt_profile_max_shapes", shapes(&self.profiles, |p| &p.max));
        }
        options
    }
}

fn flag(on: bool) -> String {
    if on { "1" } else { "0" }.to_owned()
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
        TensorInfo::f32("images", [1, 3, 320, 320])
    }

    fn full() -> TensorRt {
        let shape = |s: usize| vec![1, 3, s, s];
        let images = Profile { tensor: "images".into(), min: shape(160), opt: shape(320), max: shape(640) };
        TensorRt {
            workspace_mb: Some(256),
            builder_level: Some(5),
            dla_core: Some(1),
            cuda_graph: true,
            fp16: true,
            profiles: vec![images],
            ..TensorRt::default()
        }
    }

    fn lines(options: &[(String, String)]) -> Vec<String> {
        for (key, _) in options {
            Provider::TensorRt.check_option(key).unwrap();
        }
        options.iter().map(|(k, v)| format!("{k}={v}")).collect()
    }

    #[test]
    fn the_section_becomes_exactly_these_options() {
        assert_eq!(
            lines(&full().build_options(Some(Path::new("/state/timings")))),
            [
                "trt_dla_enable=1",
                "trt_dla_core=1",
                "trt_max_workspace_size=268435456",
                "trt_builder_optimization_level=5",
                "trt_fp16_enable=1",
                "trt_profile_min_shapes=images:1x3x160x160",
                "trt_profile_opt_shapes=images:1x3x320x320",
                "trt_profile_max_shapes=images:1x3x640x640",
                "trt_timing_cache_enable=1",
                "trt_timing_cache_path=/state/timings",
            ]
        );
        assert_eq!(
            lines(&full().run_options()),
            [
                "trt_dla_enable=1",
                "trt_dla_core=1",
                "trt_engine_cache_enable=0",
                "trt_timing_cache_enable=0",
                "trt_cuda_graph_enable=1",
            ]
        );
        assert!(TensorRt::default().build_options(None).is_empty());
        let int8 = TensorRt { int8: true, timing_cache: false, ..TensorRt::default() };
        assert_eq!(lines(&int8.build_options(Some(Path::new("/t")))), ["trt_int8_enable=1"]);
    }

    #[test]
    fn the_key_knows_what_the_engine_depends_on_and_no_more() {
        let key = full().key_options();
        assert!(key.is_sorted() && key.iter().any(|l| l == "trt_fp16_enable=1"), "{key:?}");
        let same = TensorRt { cuda_graph: false, timing_cache: false, ..full() };
        assert_eq!(same.key_options(), key);
        assert_ne!(TensorRt { fp16: false, ..full() }.key_options(), key);
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
        assert!(refused(&|t| t.builder_level = Some(6)).contains("0 to 5"));
        assert!(refused(&|t| t.dla_core = Some(99)).contains("0 to 7"));
        assert!(refused(&|t| t.workspace_mb = Some(0)).contains("1048576"));
        let state = TensorInfo::f32("h_in", [1, 1, 256]);
        let error = full().check(&[images(), state]).unwrap_err().to_string();
        assert!(error.contains("no profile of `h_in`"), "{error}");
    }
}
