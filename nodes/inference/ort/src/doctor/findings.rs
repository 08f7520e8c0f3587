//! From facts to findings, each with its remedy.

use std::fmt;

use crate::config::ProviderConfig;
use crate::diagnose::{Cause, device};
use crate::placement::Placement;
use crate::provider::Provider;

use super::facts::{Facts, ProviderFile};

/// How a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Not wanted by the configured providers, or only worth knowing.
    Note,
    /// Keeps the configured providers from working.
    Bad,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Finding {
    /// Layer.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What is there.
    pub found: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// All layers from the bottom up, and the trial.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    /// Providers that were to work.
    pub wanted: Vec<String>,
    /// True when the trial ran where it should.
    pub works: bool,
    /// Layers.
    pub findings: Vec<Finding>,
    /// Where the trial ran.
    pub placement: Option<Placement>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let mark = match finding.status {
                Status::Ok => "ok",
                Status::Note => "note",
                Status::Bad => "MISSING",
            };
            writeln!(f, "  {mark:<8} {:<22} {}", finding.name, finding.found.replace('\n', "\n           "))?;
            if let Some(fix) = &finding.fix {
                writeln!(f, "           {:<22} -> {fix}", "")?;
            }
        }
        let wanted = self.wanted.join(", ");
        if self.works {
            write!(f, "{wanted} works")
        } else {
            write!(f, "{wanted} does not work on this machine")
        }
    }
}

/// Judges `facts` for the providers of `config` on the devices it names, with the outcome of the trial.
pub fn examine(facts: &Facts, config: &ProviderConfig, trial: Result<Placement, String>) -> Report {
    let wanted = config.providers.as_slice();
    let wants = |p: Provider| wanted.iter().any(|w| w == p.key());
    let nvidia = wants(Provider::Cuda) || wants(Provider::TensorRt) || wants(Provider::NvRtx);
    let mut layers = Layers { findings: Vec::new(), nvidia };
    layers.driver(facts, config);
    layers.jetson(facts);
    layers.libraries(facts);
    layers.runtime(facts, wanted);
    for file in &facts.files {
        if wants(file.provider) || file.exists {
            // A number that is none is refused by the trial.
            let on = config.device_of(file.provider).unwrap_or(0);
            layers.provider(facts, file, wants(file.provider), on);
        }
    }
    let works = trial.is_ok();
    match &trial {
        Ok(placement) => layers.add("trial", Status::Ok, placement.to_string(), None),
        Err(reason) => layers.add("trial", Status::Bad, reason.clone(), None),
    }
    Report { wanted: wanted.to_vec(), works, findings: layers.findings, placement: trial.ok() }
}

struct Layers {
    findings: Vec<Finding>,
    /// Is an NVIDIA provider wanted?
    nvidia: bool,
}

impl Layers {
    fn add(&mut self, name: &str, status: Status, found: String, fix: Option<&str>) {
        self.findings.push(Finding { name: name.to_owned(), status, found, fix: fix.map(str::to_owned) });
    }

    /// Bad when NVIDIA is wanted, else worth a note.
    fn lacks(&mut self, name: &str, found: String, fix: &str) {
        let status = if self.nvidia { Status::Bad } else { Status::Note };
        self.add(name, status, found, Some(fix));
    }

    fn driver(&mut self, facts: &Facts, config: &ProviderConfig) {
        match (&facts.kernel_module, &facts.machine.driver) {
            (Some(line), _) => self.add("kernel module", Status::Ok, line.clone(), None),
            // On a Jetson the driver is part of the kernel and has no such file.
            (None, Ok(_)) => {}
            (None, Err(_)) => self.lacks(
                "kernel module",
                "no NVIDIA driver is loaded".to_owned(),
                "install the driver for this kernel, or start the container with the NVIDIA runtime",
            ),
        }
        match &facts.machine.driver {
            Err(error) => {
                let fix = "install the NVIDIA driver (on a Jetson: JetPack); in a container, start it with the NVIDIA runtime";
                self.lacks("driver library", error.to_string(), fix);
            }
            Ok(driver) => {
                let (major, minor) = driver.cuda;
                self.add("driver library", Status::Ok, format!("serves CUDA {major}.{minor}"), None);
                if driver.devices.is_empty() {
                    self.lacks("device", "none".to_owned(), "check power and slot, or CUDA_VISIBLE_DEVICES");
                }
                for (number, device) in driver.devices.iter().enumerate() {
                    let (major, minor) = device.capability;
                    let found = format!("{}, compute capability {major}.{minor}", device.name);
                    self.add(&format!("device {number}"), Status::Ok, found, None);
                }
                for provider in [Provider::Cuda, Provider::TensorRt, Provider::NvRtx] {
                    let wanted = config.providers.iter().any(|p| p == provider.key());
                    if let (true, Ok(number)) = (wanted, config.device_of(provider))
                        && let Err(cause @ Cause::NoSuchDevice { .. }) = device(driver, number)
                    {
                        let fix = format!("correct runtime.extra \"{}.device_id\"", provider.key());
                        let name = format!("provider {}, device", provider.key());
                        self.add(&name, Status::Bad, cause.to_string(), Some(&fix));
                    }
                }
            }
        }
    }

    fn jetson(&mut self, facts: &Facts) {
        let Some(jetson) = &facts.jetson else { return };
        let jetpack = jetson.jetpack.as_deref().unwrap_or("without the nvidia-jetpack package");
        self.add("JetPack", Status::Ok, format!("L4T {}, JetPack {jetpack}", jetson.l4t), None);
        if facts.versions_of("libnvdla_compiler").next().is_none() {
            let gone = jetson.release().is_some_and(|release| release >= (39, 2));
            let fix = if gone {
                "L4T 39.2 and newer no longer have it: use the host's TensorRT (10.16), not an older one from a container"
            } else {
                "install nvidia-l4t-dla-compiler, or mount it into the container"
            };
            self.add("libnvdla_compiler", Status::Note, "not found".to_owned(), Some(fix));
        }
    }

    fn libraries(&mut self, facts: &Facts) {
        let layers = [
            ("CUDA runtime", "libcudart", "install the CUDA runtime, or put its folder on LD_LIBRARY_PATH"),
            ("cuDNN", "libcudnn", "install cuDNN 9, or put its folder on LD_LIBRARY_PATH"),
            ("TensorRT", "libnvinfer", "install TensorRT 10, or put its folder on LD_LIBRARY_PATH"),
        ];
        for (name, library, fix) in layers {
            let versions: Vec<String> = facts
                .versions_of(library)
                .map(|l| format!("{} ({})", l.version.as_deref().unwrap_or("?"), l.path.display()))
                .collect();
            if versions.is_empty() {
                self.add(name, Status::Note, format!("{library} is not on the loader's path"), Some(fix));
            } else {
                self.add(name, Status::Ok, versions.join(", "), None);
            }
        }
    }

    fn runtime(&mut self, facts: &Facts, wanted: &[String]) {
        let runtime = match &facts.runtime {
            Err(reason) => {
                self.add("ONNX Runtime", Status::Bad, reason.clone(), None);
                return;
            }
            Ok(runtime) => runtime,
        };
        let names: Vec<&str> = runtime.compiled_in.iter().map(|p| p.key()).collect();
        let found =
            format!("{} at {}, built with {}", runtime.version, runtime.library.display(), names.join(", "));
        let lacking: Vec<&String> = wanted
            .iter()
            .filter(|w| Provider::parse(w).is_ok_and(|p| !runtime.compiled_in.contains(&p)))
            .collect();
        if lacking.is_empty() {
            self.add("ONNX Runtime", Status::Ok, found, None);
            return;
        }
        let lacking: Vec<&str> = lacking.into_iter().map(String::as_str).collect();
        let fix = format!(
            "this build has no {}; set ORT_DYLIB_PATH to one that has (PyPI's onnxruntime-gpu for discrete NVIDIA devices, a build for JetPack on a Jetson, the vendor's otherwise)",
            lacking.join(", ")
        );
        self.add("ONNX Runtime", Status::Bad, found, Some(&fix));
    }

    fn provider(&mut self, facts: &Facts, file: &ProviderFile, wanted: bool, on: usize) {
        let name = format!("provider {}", file.provider.key());
        let bad = if wanted { Status::Bad } else { Status::Note };
        let path = file.path.display();
        if !file.exists {
            let fix = "keep the files of the runtime's build together in one folder";
            self.add(&name, bad, format!("{path} is not there"), Some(fix));
            return;
        }
        if let Some(problem) = &file.problem {
            self.add(&name, bad, format!("{path}: {problem}"), Some("copy the file again"));
            return;
        }
        if let Some(missing) = &file.missing {
            let (stem, version) = missing.library.split_once(".so").unwrap_or((&missing.library, ""));
            let others: Vec<String> = facts.versions_of(stem).filter_map(|l| l.version.clone()).collect();
            let fix = if others.is_empty() {
                format!(
                    "install {stem} {}, or put its folder on LD_LIBRARY_PATH",
                    version.trim_start_matches('.')
                )
            } else {
                format!(
                    "version {} is here; install {}, or a runtime built for what is here",
                    others.join(", "),
                    version.trim_start_matches('.')
                )
            };
            self.add(&name, bad, missing.to_string(), Some(&fix));
        }
        self.toolkit(facts, file, &name, bad);
        if let Ok(driver) = &facts.machine.driver
            && let Some(device) = driver.devices.get(on)
            && file.code.any()
        {
            let (major, minor) = device.capability;
            if file.code.runs_on(device.capability) {
                let found = format!("{}, runs on sm_{major}{minor}", file.code);
                self.add(&format!("{name}, GPU code"), Status::Ok, found, None);
            } else {
                let cause = Cause::Architecture {
                    file: path.to_string(),
                    found: file.code.clone(),
                    device: device.name.clone(),
                    major,
                    minor,
                };
                let fix = format!("use a build of ONNX Runtime with code for sm_{major}{minor}");
                self.add(&format!("{name}, GPU code"), bad, cause.to_string(), Some(&fix));
            }
        } else if file.code.any() {
            self.add(&format!("{name}, GPU code"), Status::Note, file.code.to_string(), None);
        }
        if file.missing.is_none() {
            self.add(&name, Status::Ok, format!("{path}, every library it needs is found"), None);
        }
    }

    /// A driver older than the CUDA that the provider was built with.
    fn toolkit(&mut self, facts: &Facts, file: &ProviderFile, name: &str, bad: Status) {
        let built_with = file.needed.iter().find_map(|n| n.strip_prefix("libcudart.so."));
        let Some(major) = built_with.and_then(|v| v.split('.').next()).and_then(|v| v.parse::<u32>().ok())
        else {
            return;
        };
        if let Ok(driver) = &facts.machine.driver
            && driver.cuda.0 < major
        {
            let found =
                format!("built with CUDA {major}, the driver serves {}.{}", driver.cuda.0, driver.cuda.1);
            let fix = format!(
                "update the driver to one that serves CUDA {major}, or use a build for CUDA {}",
                driver.cuda.0
            );
            self.add(&format!("{name}, CUDA"), bad, found, Some(&fix));
        }
    }
}
