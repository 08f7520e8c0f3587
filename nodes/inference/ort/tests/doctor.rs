//! Findings on machines that do not exist, and on this one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failing set-up is a failing test

use std::path::{Path, PathBuf};

use sinew_inference_ort::doctor::{
    Facts, Finding, FoundLibrary, Jetson, OpenedRuntime, ProviderFile, Report, Status, Trial, examine,
};
use sinew_inference_ort::{
    Architectures, CudaDevice, CudaDriver, DriverError, LoaderPath, Machine, Missing, Provider,
    ProviderConfig, Runtime, places,
};
use sinew_pinned::Places;

fn wanted(names: &[&str]) -> ProviderConfig {
    let providers = names.iter().map(|n| (*n).to_owned()).collect();
    ProviderConfig { providers, ..ProviderConfig::default() }
}

/// A discrete device with everything in place.
fn healthy() -> Facts {
    let library = |name: &str, version: &str| FoundLibrary {
        name: name.to_owned(),
        path: format!("/usr/lib/{name}.so.{version}").into(),
        version: Some(version.to_owned()),
    };
    let file = |provider: Provider, needed: &[&str]| ProviderFile {
        provider,
        path: Path::new("/opt/ort").join(provider.file().unwrap()),
        exists: true,
        needed: needed.iter().map(|n| (*n).to_owned()).collect(),
        missing: None,
        code: Architectures { cubins: [75, 80, 90].into_iter().collect(), ..Architectures::default() },
        problem: None,
    };
    Facts {
        kernel_module: Some("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65".to_owned()),
        machine: Machine {
            loader: LoaderPath::default(),
            driver: Ok(CudaDriver {
                cuda: (13, 0),
                devices: vec![CudaDevice { name: "H100".into(), capability: (9, 0) }],
            }),
        },
        jetson: None,
        libraries: vec![
            library("libcudart", "13.0.48"),
            library("libcudnn", "9.20.0"),
            library("libnvinfer", "10.16.2"),
        ],
        runtime: Ok(OpenedRuntime {
            library: "/opt/ort/libonnxruntime.so.1.32.0".into(),
            version: "1.32.0".into(),
            compiled_in: vec![Provider::Cpu, Provider::Cuda, Provider::TensorRt],
        }),
        files: vec![
            file(Provider::Cuda, &["libcudart.so.13", "libcublas.so.13"]),
            file(Provider::TensorRt, &["libnvinfer.so.10", "libcudart.so.13"]),
        ],
    }
}

fn report(facts: &Facts, names: &[&str]) -> Report {
    examine(facts, &wanted(names), Err("not tried".to_owned()))
}

fn bad<'r>(report: &'r Report, name: &str) -> &'r Finding {
    let found = report.findings.iter().find(|f| f.name == name && f.status == Status::Bad);
    found.unwrap_or_else(|| panic!("no bad `{name}`: {report}"))
}

#[test]
fn a_healthy_machine_has_nothing_bad_but_a_trial_that_was_not_made() {
    let report = report(&healthy(), &["tensorrt", "cuda"]);
    let names: Vec<&str> =
        report.findings.iter().filter(|f| f.status == Status::Bad).map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["trial"], "{report}");
    assert!(!report.works, "nothing is believed without a trial");
}

#[test]
fn each_layer_that_is_wrong_is_named_with_its_remedy() {
    let mut facts = healthy();
    facts.kernel_module = None;
    facts.machine.driver = Err(DriverError::NoLibrary { reason: "libcuda.so.1: cannot open".into() });
    let without_driver = report(&facts, &["cuda"]);
    assert!(bad(&without_driver, "kernel module").found.contains("no NVIDIA driver"));
    assert!(bad(&without_driver, "driver library").fix.as_deref().unwrap().contains("JetPack"));
    // Nobody wants NVIDIA: the same is only worth a note.
    let cpu = report(&facts, &["cpu"]);
    assert!(cpu.findings.iter().all(|f| f.status != Status::Bad || f.name == "trial"), "{cpu}");

    let mut facts = healthy();
    facts.files[0].missing = Some(Missing {
        library: "libcublasLt.so.13".into(),
        needed_by: "/opt/ort/libonnxruntime_providers_cuda.so".into(),
        problem: None,
    });
    let finding = report(&facts, &["cuda"]);
    let finding = bad(&finding, "provider cuda");
    assert!(finding.found.contains("libcublasLt.so.13 is missing"), "{finding:?}");
    assert!(finding.fix.as_deref().unwrap().contains("install libcublasLt 13"), "{finding:?}");

    // TensorRT 11 is there, the provider is linked to 10.
    let mut facts = healthy();
    facts.libraries[2].version = Some("11.0.1".into());
    facts.files[1].missing = Some(Missing {
        library: "libnvinfer.so.10".into(),
        needed_by: "/opt/ort/libonnxruntime_providers_tensorrt.so".into(),
        problem: None,
    });
    let finding = report(&facts, &["tensorrt"]);
    let fix = bad(&finding, "provider tensorrt").fix.clone().unwrap();
    assert!(fix.contains("version 11.0.1 is here; install 10"), "{fix}");

    let mut facts = healthy();
    if let Ok(driver) = &mut facts.machine.driver {
        driver.devices[0] = CudaDevice { name: "Orin".into(), capability: (8, 7) };
        driver.cuda = (12, 6);
    }
    let orin = report(&facts, &["cuda"]);
    let code = bad(&orin, "provider cuda, GPU code");
    assert!(
        code.found.contains("cubins sm_75, sm_80, sm_90") && code.found.contains("Orin (sm_87)"),
        "{code:?}"
    );
    assert!(code.fix.as_deref().unwrap().contains("sm_87"));
    assert!(bad(&orin, "provider cuda, CUDA").found.contains("built with CUDA 13, the driver serves 12.6"));

    let mut facts = healthy();
    facts.runtime.as_mut().unwrap().compiled_in = vec![Provider::Cpu];
    let fix = bad(&report(&facts, &["cuda"]), "ONNX Runtime").fix.clone().unwrap();
    assert!(fix.contains("no cuda") && fix.contains("ORT_DYLIB_PATH"), "{fix}");
    facts.runtime = Err("too old".into());
    facts.files.clear();
    assert_eq!(bad(&report(&facts, &["cuda"]), "ONNX Runtime").found, "too old");
}

#[test]
fn the_device_that_a_provider_is_to_run_on_is_the_one_judged() {
    let mut facts = healthy();
    if let Ok(driver) = &mut facts.machine.driver {
        driver.devices.insert(0, CudaDevice { name: "Orin".into(), capability: (8, 7) });
    }
    let on = |option: &str, number: &str| {
        let mut config = wanted(&["tensorrt", "cuda"]);
        config.extra.push((option.to_owned(), number.to_owned()));
        examine(&facts, &config, Err("not tried".to_owned()))
    };
    let first = report(&facts, &["tensorrt", "cuda"]);
    assert!(bad(&first, "provider cuda, GPU code").found.contains("Orin (sm_87)"), "{first}");
    assert!(first.to_string().contains("device 1"), "{first}");
    let second = on("cuda.device_id", "1");
    let code = |r: &Report, p: &str| {
        r.findings.iter().find(|f| f.name == format!("provider {p}, GPU code")).unwrap().status
    };
    assert_eq!(code(&second, "cuda"), Status::Ok, "{second}");
    assert_eq!(code(&second, "tensorrt"), Status::Bad, "each provider has its own: {second}");
    assert_eq!(code(&on("tensorrt.device_id", "1"), "tensorrt"), Status::Ok);
    let third = on("cuda.device_id", "2");
    let finding = bad(&third, "provider cuda, device");
    assert!(finding.found.contains("device_id = 2, and the NVIDIA driver sees 2"), "{finding:?}");
    assert!(finding.fix.as_deref().unwrap().contains("cuda.device_id"), "{finding:?}");
}

#[test]
fn a_jetson_without_its_accelerator_compiler_is_told_where_it_went() {
    let mut facts = healthy();
    facts.jetson = Some(Jetson { l4t: "R39.2.0".into(), jetpack: Some("7.2".into()) });
    let told = report(&facts, &["tensorrt"]).to_string();
    assert!(told.contains("L4T R39.2.0, JetPack 7.2") && told.contains("no longer have it"), "{told}");
    facts.jetson = Some(Jetson { l4t: "R36.4".into(), jetpack: None });
    let told = report(&facts, &["tensorrt"]).to_string();
    assert!(told.contains("nvidia-l4t-dla-compiler"), "{told}");
}

#[test]
fn on_this_machine_the_cpu_works_and_is_reported_as_it_is() {
    let build = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("onnxruntime");
    let places = Places { runtime_dir: Some(build), ..places() };
    let runtime = Runtime::find_or_fetch(&places).unwrap();
    let facts = Facts::gather(&places);
    let dir = tempfile::tempdir().unwrap();
    let trial = Trial::of_providers(&wanted(&["cpu"]).providers).run(&runtime, dir.path());
    let report = examine(&facts, &wanted(&["cpu"]), trial);
    assert!(report.works, "{report}");
    assert_eq!(report.placement.as_ref().unwrap().node_share, 1.0);
    assert!(report.to_string().ends_with("cpu works"), "{report}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((json["works"].as_bool(), json["findings"][0]["name"].is_string()), (Some(true), true));

    // Asked for what this library has not, it does not work, whatever the machine has.
    let trial = Trial::of_providers(&wanted(&["qnn"]).providers).run(&runtime, dir.path());
    let report = examine(&facts, &wanted(&["qnn"]), trial);
    assert!(!report.works);
    assert!(bad(&report, "trial").found.contains("built without the provider `qnn`"), "{report}");
}
