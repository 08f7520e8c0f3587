//! What keeps a provider from coming up, found on machines that do not exist.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failing set-up is a failing test

mod foreign;

use foreign::compile;
use sinew_inference_ort::{
    Cause, CudaDriver, DriverError, LoaderPath, Machine, Provider, architectures, diagnose, missing,
    tensorrt_version,
};

/// GPU code for sm_89 and sm_90, as the CUDA compiler lays it out: one container, two entries without payload.
const FATBIN: &str = r#"
struct __attribute__((packed)) entry { unsigned short kind, pad; unsigned header; unsigned long payload; unsigned rest[3]; unsigned sm; };
struct __attribute__((packed)) container { unsigned magic; unsigned short version, header; unsigned long body; struct entry entries[2]; };
__attribute__((section(".nv_fatbin"), used)) const struct container code = {
    0xBA55ED50u, 1, 16, 64, {{2, 0, 32, 0, {0, 0, 0}, 89}, {2, 0, 32, 0, {0, 0, 0}, 90}}};
"#;

fn driver(fails: u32) -> (tempfile::TempDir, Result<CudaDriver, DriverError>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("libcuda.so.1");
    compile(include_str!("foreign/driver.c"), &path, &[format!("-DFAILS={fails}")]);
    let driver = CudaDriver::query_library(&path);
    (dir, driver)
}

#[test]
fn the_driver_is_asked_for_its_devices() {
    let (_dir, found) = driver(0);
    let found = found.unwrap();
    assert_eq!(found.cuda, (13, 2));
    let devices: Vec<_> = found.devices.iter().map(|d| (d.name.as_str(), d.capability)).collect();
    assert_eq!(devices, [("Orin of a test", (8, 7)), ("Hopper of a test", (9, 0))]);
    let (_dir, failed) = driver(100);
    assert_eq!(failed.unwrap_err(), DriverError::Call { call: "cuInit", code: 100 });
    let error = CudaDriver::query_library(std::path::Path::new("/nowhere/libcuda.so.1")).unwrap_err();
    let told = error.to_string();
    assert!(told.starts_with("no NVIDIA driver: /nowhere/libcuda.so.1: cannot open"), "{told}");
}

#[test]
fn code_for_other_devices_is_found_before_the_first_kernel() {
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("libonnxruntime.so");
    std::fs::write(&library, b"").unwrap();
    let provider = dir.path().join("libonnxruntime_providers_cuda.so");
    compile(FATBIN, &provider, &[]);
    assert_eq!(architectures(&provider).unwrap().to_string(), "cubins sm_89, sm_90; PTX none");
    let (_dir, orin) = driver(0);
    let machine = Machine { loader: LoaderPath::of_process(), driver: orin };
    let causes = diagnose(Provider::Cuda, &library, &machine, 0);
    let [Cause::Architecture { major: 8, minor: 7, .. }] = causes.as_slice() else {
        unreachable!("{causes:?}")
    };
    let told = causes[0].to_string();
    assert!(
        told.contains("cubins sm_89, sm_90; PTX none, none of which runs on Orin of a test (sm_87)"),
        "{told}"
    );
    // The same file on the other device, which it has code for; and on one that is not there.
    assert_eq!(diagnose(Provider::Cuda, &library, &machine, 1), []);
    let causes = diagnose(Provider::Cuda, &library, &machine, 2);
    assert_eq!(causes, [Cause::NoSuchDevice { wanted: 2, count: 2 }]);
    assert!(causes[0].to_string().contains("device_id = 2, and the NVIDIA driver sees 2"), "{}", causes[0]);
    let mut other = machine.clone();
    // And without any device.
    if let Ok(driver) = &mut other.driver {
        driver.devices.clear();
    }
    assert_eq!(diagnose(Provider::Cuda, &library, &other, 0), [Cause::NoDevice]);
}

#[test]
fn the_tensorrt_a_provider_is_linked_to_says_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("libonnxruntime.so"), b"").unwrap();
    let machine = Machine {
        loader: LoaderPath { environment: vec![dir.path().to_owned()], system: Vec::new() },
        driver: Err(DriverError::NoLibrary { reason: "none".into() }),
    };
    let version = || tensorrt_version(&at("libonnxruntime.so"), &machine);
    assert!(version().unwrap_err().contains("libonnxruntime_providers_tensorrt.so"));
    let infer = at("libnvinfer.so.10");
    let soname = ["-Wl,-soname,libnvinfer.so.10".to_owned()];
    compile("int getInferLibVersion(void) { return 101602; }", &infer, &soname);
    let provider = at("libonnxruntime_providers_tensorrt.so");
    let source = "int getInferLibVersion(void); int p(void) { return getInferLibVersion(); }";
    compile(source, &provider, &[infer.display().to_string()]);
    assert_eq!(version().unwrap(), "10.16.2");
    std::fs::remove_file(&infer).unwrap();
    assert!(version().unwrap_err().contains("libnvinfer.so.10 is missing"));
}

#[test]
fn this_test_lacks_no_library_and_a_cycle_ends() {
    let own = std::env::current_exe().unwrap();
    assert_eq!(missing(&own, &LoaderPath::of_process()).unwrap(), None);
    // Two libraries that need each other.
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let named = |name: &str| format!("-Wl,-soname,{name}");
    compile("int a(void) { return 1; }", &at("liba.so"), &[named("liba.so")]);
    let to_a = [named("libb.so"), at("liba.so").display().to_string()];
    compile("int a(void); int b(void) { return a(); }", &at("libb.so"), &to_a);
    let to_b = [named("liba.so"), at("libb.so").display().to_string()];
    compile("int b(void); int a(void) { return b(); }", &at("liba.so"), &to_b);
    let loader = LoaderPath { environment: vec![dir.path().to_owned()], ..LoaderPath::of_process() };
    assert_eq!(missing(&at("liba.so"), &loader).unwrap(), None);
}
