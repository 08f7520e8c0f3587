//! Providers that are not there, register in silence, are recorded wrongly or vanish: the real library with some of
//! its answers exchanged, and every exchange found out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

mod foreign;

use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foreign::{compile, define};
use ort::sys::OrtApi;
use sinew_inference::{Directory, Engine, Model, RunError};
use sinew_inference_ort::{
    Cause, ConfigError, CudaDriver, EngineCache, GraphBytes, LoaderPath, Machine, NameError, ONNX_RUNTIME,
    OrtEngine, OrtEngineError, Placement, PlacementError, Provider, ProviderConfig, Runtime, engine_key,
    io_of, places,
};
use sinew_pinned::Places;
use sinew_policy::{Policy, PolicyConfig, PolicyFault};
use sinew_wire::{PolicyStatus, RobotJoint, RobotState, StepTime};

/// One library per process, one lie at a time.
struct Liar {
    runtime: Runtime,
    control: PathBuf,
    folder: PathBuf,
}

static ONE_AT_A_TIME: Mutex<Option<Liar>> = Mutex::new(None);

impl Liar {
    fn new() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("lying-{}", std::process::id()));
        let places = Places {
            runtime_dir: Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("onnxruntime")),
            ..places()
        };
        let real = ONNX_RUNTIME
            .find(&places)
            .or_else(|_| ONNX_RUNTIME.fetch(places.runtime_dir.as_deref().unwrap()))
            .unwrap();
        let control = folder.join("lies");
        let slot = |offset: usize| (offset / size_of::<usize>()).to_string();
        let slots = [
            ("SLOTS", slot(size_of::<OrtApi>())),
            ("CREATE_STATUS", slot(offset_of!(OrtApi, CreateStatus))),
            ("AVAILABLE", slot(offset_of!(OrtApi, GetAvailableProviders))),
            ("RELEASE_AVAILABLE", slot(offset_of!(OrtApi, ReleaseAvailableProviders))),
            ("CREATE_CUDA", slot(offset_of!(OrtApi, CreateCUDAProviderOptions))),
            ("UPDATE_CUDA", slot(offset_of!(OrtApi, UpdateCUDAProviderOptions))),
            ("RELEASE_CUDA", slot(offset_of!(OrtApi, ReleaseCUDAProviderOptions))),
            ("APPEND_CUDA", slot(offset_of!(OrtApi, SessionOptionsAppendExecutionProvider_CUDA_V2))),
            #[cfg(feature = "ort-api-24")]
            ("PROVIDER_NAME", slot(offset_of!(OrtApi, EpAssignedSubgraph_GetEpName))),
            ("RUN", slot(offset_of!(OrtApi, Run))),
        ];
        let mut flags: Vec<String> = slots.iter().map(|(name, value)| format!("-D{name}={value}")).collect();
        flags.push(define("REAL", real.to_str().unwrap()));
        flags.push(define("CONTROL", control.to_str().unwrap()));
        let library = folder.join("libonnxruntime.so");
        compile(include_str!("foreign/lying.c"), &library, &flags);
        Self { runtime: Runtime::open(&library).unwrap(), control, folder }
    }

    fn with<R>(lies: &[&str], body: impl FnOnce(&Self) -> R) -> R {
        let mut liar: MutexGuard<'_, Option<Self>> =
            ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let liar = liar.get_or_insert_with(Self::new);
        liar.tell(lies);
        let result = body(liar);
        liar.tell(&[]);
        result
    }

    fn tell(&self, lies: &[&str]) {
        std::fs::write(&self.control, lies.join(" ")).unwrap();
    }

    fn proven(&self, config: &ProviderConfig) -> Result<(OrtEngine, Placement), OrtEngineError> {
        let model = model();
        let graph = GraphBytes::whole(model.graph_bytes.clone());
        let cache = EngineCache::new(self.folder.join("engines"));
        OrtEngine::proven(&self.runtime, &graph, &io_of(&model), config, Some(&cache))
    }

    fn refusal(&self, config: &ProviderConfig) -> OrtEngineError {
        match self.proven(config) {
            Ok((engine, placement)) => panic!("{} started: {placement}", engine.name()),
            Err(error) => error,
        }
    }
}

fn model() -> Model {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../launch/robots/quad/models");
    Model::load(&Directory::new(folder), "quad_walk.model.toml").unwrap()
}

/// CUDA wanted, the CPU named behind it.
fn cuda(require: &str, least: f64) -> ProviderConfig {
    let mut config = ProviderConfig::of(&[Provider::Cuda, Provider::Cpu]);
    (config.require, config.min_node_share, config.warmup) = (require.to_owned(), least, 3);
    config
}

#[test]
fn a_provider_that_was_not_compiled_in_is_named() {
    Liar::with(&[], |liar| {
        for provider in Provider::all().filter(|p| *p != Provider::Cpu) {
            let error = liar.refusal(&ProviderConfig::of(&[provider, Provider::Cpu]));
            assert!(
                matches!(&error, OrtEngineError::NotCompiledIn { provider: p, .. } if p == provider.key())
            );
            let told = error.to_string();
            assert!(told.contains(provider.key()) && told.contains("it has cpu"), "{told}");
        }
        assert_eq!(liar.runtime.compiled_in(), [Provider::Cpu]);
    });
}

#[test]
fn a_provider_that_is_listed_and_does_not_come_up_is_refused_with_its_causes() {
    Liar::with(&["cuda_listed"], |liar| {
        assert!(liar.runtime.compiled_in().contains(&Provider::Cuda), "the library says that it is there");
        let error = liar.refusal(&cuda("cpu", 0.0));
        let OrtEngineError::Provider { causes, .. } = &error else { panic!("{error}") };
        assert!(causes.iter().any(|c| matches!(c, Cause::File { .. })), "{error}");
        assert!(error.to_string().contains("libonnxruntime_providers_cuda.so is not in"), "{error}");

        // TensorRT is asked for its version first: nothing can be prepared for a TensorRT that is not there.
        let error = liar.refusal(&ProviderConfig::of(&[Provider::TensorRt, Provider::Cpu])).to_string();
        assert!(error.contains("libonnxruntime_providers_tensorrt.so is not in"), "{error}");
    });
}

#[test]
fn the_library_missing_deep_below_a_provider_is_named() {
    Liar::with(&["cuda_listed"], |liar| {
        let at = |name: &str| liar.folder.join(name);
        let link = |name: &str| vec![at(name).display().to_string(), "-Wl,-rpath,$ORIGIN".to_owned()];
        let named = |name: &str| format!("-Wl,-soname,{name}");
        compile("int b(void) { return 1; }", &at("libblas_of_test.so.13"), &[named("libblas_of_test.so.13")]);
        let mut flags = link("libblas_of_test.so.13");
        flags.push(named("libdnn_of_test.so.9"));
        compile("int b(void); int d(void) { return b(); }", &at("libdnn_of_test.so.9"), &flags);
        let provider = at("libonnxruntime_providers_cuda.so");
        compile("int d(void); int p(void) { return d(); }", &provider, &link("libdnn_of_test.so.9"));

        let told = liar.refusal(&cuda("cpu", 0.0)).to_string();
        assert!(!told.contains("of_test"), "everything is there: {told}");
        std::fs::remove_file(at("libblas_of_test.so.13")).unwrap();
        let told = liar.refusal(&cuda("cpu", 0.0)).to_string();
        assert!(told.contains("libblas_of_test.so.13 is missing, needed by libdnn_of_test.so.9"), "{told}");
        std::fs::write(at("libblas_of_test.so.13"), b"cut short").unwrap();
        let told = liar.refusal(&cuda("cpu", 0.0)).to_string();
        assert!(told.contains("libblas_of_test.so.13, needed by") && told.contains("not a 64-bit"), "{told}");
        std::fs::remove_file(provider).unwrap();
    });
}

#[test]
fn an_engine_is_prepared_for_the_device_that_the_configuration_names() {
    Liar::with(&["cuda_listed"], |liar| {
        let at = |name: &str| liar.folder.join(name);
        let driver = at("libcuda_of_test.so.1");
        compile(include_str!("foreign/driver.c"), &driver, &["-DFAILS=0".to_owned()]);
        let infer = at("libnvinfer.so.10");
        let soname = ["-Wl,-soname,libnvinfer.so.10".to_owned()];
        compile("int getInferLibVersion(void) { return 101602; }", &infer, &soname);
        let source = "int getInferLibVersion(void); int p(void) { return getInferLibVersion(); }";
        let provider = at("libonnxruntime_providers_tensorrt.so");
        compile(source, &provider, &[infer.display().to_string()]);
        let machine = Machine {
            loader: LoaderPath { environment: vec![liar.folder.clone()], ..LoaderPath::of_process() },
            driver: CudaDriver::query_library(&driver),
        };
        let key = |option: Option<&str>| {
            let mut config = ProviderConfig::of(&[Provider::TensorRt, Provider::Cpu]);
            config.extra.extend(option.map(|n| ("tensorrt.device_id".to_owned(), n.to_owned())));
            engine_key(&liar.runtime, &GraphBytes::whole(model().graph_bytes), &config, &machine)
        };
        let (first, second) = (key(None).unwrap(), key(Some("1")).unwrap());
        assert_eq!((first.capability.as_str(), second.capability.as_str()), ("8.7", "9.0"));
        assert_ne!(first.id(), second.id());
        let error = key(Some("2")).unwrap_err().to_string();
        assert!(error.contains("device_id = 2, and the NVIDIA driver sees 2"), "{error}");
        std::fs::remove_file(provider).unwrap();
    });
}

#[test]
fn a_provider_that_registers_and_does_nothing_is_found_by_the_session() {
    Liar::with(&["cuda_listed", "cuda_registers"], |liar| {
        // Nothing but CUDA allowed: the library itself refuses its CPU kernels.
        let error = liar.refusal(&cuda("cuda", 1.0));
        assert!(matches!(&error, OrtEngineError::CpuFallback { .. }), "{error}");
        assert!(error.to_string().contains("runtime.require = \"cuda\" forbids it"), "{error}");
        // A tenth may be elsewhere: the record convicts.
        let error = liar.refusal(&cuda("cuda", 0.9));
        let OrtEngineError::Placement { error: placement, .. } = &error else { panic!("{error}") };
        assert!(matches!(placement, PlacementError::NodeShare { on_allowed: 0, .. }), "{error}");
        let convicts =
            if cfg!(feature = "ort-api-24") { "0 of 15 nodes (" } else { " kernels of the profile (" };
        assert!(error.to_string().contains(&format!("{convicts}0.0 %) run on cuda")), "{error}");
        // The CPU allowed: it runs, under the name of where it runs.
        let (engine, placement) = liar.proven(&cuda("cpu", 1.0)).unwrap();
        assert_eq!((placement.node_share, placement.summary().as_str()), (1.0, "cpu"));
        assert!(engine.name().ends_with("(cpu)"), "{}", engine.name());
    });
}

#[cfg(feature = "ort-api-24")] // else there is no record that could say anything
#[test]
fn a_record_that_says_cuda_is_refuted_by_the_profile() {
    Liar::with(&["cuda_listed", "cuda_registers", "assignment_says_cuda"], |liar| {
        let error = liar.refusal(&cuda("cuda", 0.9));
        let OrtEngineError::Placement { error: placement, .. } = &error else { panic!("{error}") };
        assert!(
            matches!(placement, PlacementError::Contradiction { provider, .. } if provider == "cpu"),
            "{error}"
        );
        // Refused, too, when nobody asked for CUDA.
        let error = liar.refusal(&ProviderConfig::default());
        assert!(matches!(&error, OrtEngineError::Placement { .. }), "{error}");
    });
}

#[test]
fn names_are_checked_before_the_library_is_asked() {
    Liar::with(&["cuda_listed"], |liar| {
        let mut config = cuda("cpu", 1.0);
        config.extra.push(("cuda.cudnn_conv_algo".into(), "HEURISTIC".into()));
        let error = liar.refusal(&config);
        let OrtEngineError::Config(ConfigError::Name(NameError::Option { .. })) = &error else {
            panic!("{error}")
        };
        assert!(error.to_string().contains("cudnn_conv_algo_search"), "{error}");
    });
}

#[test]
fn a_warm_up_that_fails_does_not_start() {
    Liar::with(&["run_fails"], |liar| {
        let error = liar.refusal(&ProviderConfig::default());
        assert!(matches!(&error, OrtEngineError::WarmUp { run: 1, .. }), "{error}");
        assert!(error.to_string().contains("CUDA error 719"), "{error}");
    });
}

#[test]
fn a_provider_that_vanishes_in_flight_is_a_fault_of_the_policy() {
    Liar::with(&[], |liar| {
        let model = model();
        let (mut engine, _) = liar.proven(&ProviderConfig::default()).unwrap();
        engine.run().unwrap();
        liar.tell(&["run_fails"]);
        let error = engine.run().unwrap_err();
        assert!(matches!(&error, RunError::Engine { reason, .. } if reason.contains("719")), "{error}");
        liar.tell(&[]);

        let joints = model.manifest.joints.order.clone();
        let config = PolicyConfig {
            number: 0,
            joints: &joints,
            feet: &[],
            max_gains: None,
            stand_kp_nm_per_rad: None,
            position_limits: None,
            period_ns: 2_000_000,
            latency_ticks_min: 0,
            boot_id: 1,
        };
        let mut policy = Policy::new(&model, Box::new(engine), &config).unwrap();
        let step = |policy: &mut Policy, tick: u64, activation: u32| {
            let mut state = RobotState::default();
            state.header.step = 10 * tick;
            state.body.projected_gravity = [0.0, 0.0, -1.0];
            (state.body.active_policy, state.body.activation) = (0, activation);
            state.joints.extend(joints.iter().map(|_| RobotJoint::default()));
            policy.step(&state, StepTime::default()).body.status()
        };
        assert_eq!(step(&mut policy, 0, 1), PolicyStatus::Targets);
        liar.tell(&["run_fails"]);
        assert_eq!(step(&mut policy, 1, 1), PolicyStatus::Fault);
        assert!(matches!(policy.fault(), Some(PolicyFault::Engine(_))), "{:?}", policy.fault());
        // It may come back; the policy does not, until it is activated anew.
        liar.tell(&[]);
        assert_eq!(step(&mut policy, 2, 1), PolicyStatus::Fault);
        assert_eq!(step(&mut policy, 3, 2), PolicyStatus::Targets);
    });
}

#[test]
fn no_profile_is_left_behind() {
    Liar::with(&[], |liar| {
        liar.proven(&ProviderConfig::default()).unwrap();
        // Nor by a session that was never built.
        liar.tell(&["cuda_listed", "cuda_registers"]);
        liar.refusal(&cuda("cuda", 1.0));
        let own = format!("sinew-profile-{}-", std::process::id());
        let left = |dir: &Path| {
            std::fs::read_dir(dir)
                .unwrap()
                .flatten()
                .filter(|e| e.file_name().to_str().is_some_and(|n| n.starts_with(&own)))
                .count()
        };
        assert_eq!(left(&std::env::temp_dir()), 0);
    });
}
