//! What there is on this machine, without a verdict.

use std::path::{Path, PathBuf};

use crate::diagnose::{Machine, architectures, folder_of};
use crate::fatbin::Architectures;
use crate::libraries::{Missing, dynamic_of, missing};
use crate::provider::Provider;
use crate::runtime::Runtime;
use sinew_pinned::Places;

use super::jetson::Jetson;

/// Libraries looked for in any version, by the beginning of their names.
const STEMS: [&str; 7] = [
    "libcudart.so.",
    "libcublas.so.",
    "libcudnn.so.",
    "libcufft.so.",
    "libnvinfer.so.",
    "libnvonnxparser.so.",
    "libnvdla_compiler.so",
];

/// A library found by the loader's path.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FoundLibrary {
    /// Name without version, e.g. `libcudnn`.
    pub name: String,
    /// File.
    pub path: PathBuf,
    /// Version in the name of the file it really is.
    pub version: Option<String>,
}

/// ONNX Runtime as it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedRuntime {
    /// File.
    pub library: PathBuf,
    /// Version.
    pub version: String,
    /// Providers in it.
    pub compiled_in: Vec<Provider>,
}

/// A provider's own file beside the runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderFile {
    /// Provider.
    pub provider: Provider,
    /// File.
    pub path: PathBuf,
    /// Is it there?
    pub exists: bool,
    /// Libraries it names itself.
    pub needed: Vec<String>,
    /// First library that is missing, however deep.
    pub missing: Option<Missing>,
    /// GPU code in it.
    pub code: Architectures,
    /// Why it could not be read.
    pub problem: Option<String>,
}

/// Everything looked at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Version line of the kernel module.
    pub kernel_module: Option<String>,
    /// Driver, loader path.
    pub machine: Machine,
    /// JetPack, on a Jetson.
    pub jetson: Option<Jetson>,
    /// CUDA, cuDNN and TensorRT libraries found.
    pub libraries: Vec<FoundLibrary>,
    /// ONNX Runtime, or why there is none.
    pub runtime: Result<OpenedRuntime, String>,
    /// Files of the providers that NVIDIA devices need.
    pub files: Vec<ProviderFile>,
}

impl Facts {
    /// Of this machine; opens the runtime found in `places`, fetches none.
    pub fn gather(places: &Places) -> Self {
        Self::gather_below(Path::new("/"), Machine::here(), places)
    }

    /// As [`Facts::gather`], system files taken from below `root`.
    pub fn gather_below(root: &Path, machine: Machine, places: &Places) -> Self {
        let module = std::fs::read_to_string(root.join("proc/driver/nvidia/version")).ok();
        let opened = Runtime::find(places).map(|r| OpenedRuntime {
            library: r.library().to_owned(),
            version: r.version(),
            compiled_in: r.compiled_in(),
        });
        let runtime = opened.map_err(|e| e.to_string());
        let files = match &runtime {
            Ok(runtime) => provider_files(&runtime.library, &machine),
            Err(_) => Vec::new(),
        };
        Self {
            kernel_module: module.and_then(|text| text.lines().next().map(str::to_owned)),
            jetson: Jetson::read(root),
            libraries: libraries(&machine),
            machine,
            runtime,
            files,
        }
    }

    /// Libraries found whose name begins with `name.so.`.
    pub fn versions_of(&self, name: &str) -> impl Iterator<Item = &FoundLibrary> {
        self.libraries.iter().filter(move |l| l.name == name)
    }
}

fn libraries(machine: &Machine) -> Vec<FoundLibrary> {
    let found = STEMS.iter().flat_map(|stem| machine.loader.find_any_version(stem));
    let mut libraries: Vec<FoundLibrary> = found
        .map(|path| {
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            let file = |p: &Path| p.file_name().and_then(|n| n.to_str()).unwrap_or("").to_owned();
            let name = file(&path).split(".so").next().unwrap_or("").to_owned();
            let version = file(&real).split_once(".so.").map(|(_, version)| version.to_owned());
            FoundLibrary { name, path: real, version }
        })
        .collect();
    libraries.sort_by(|a, b| a.path.cmp(&b.path));
    libraries.dedup();
    libraries
}

fn provider_files(library: &Path, machine: &Machine) -> Vec<ProviderFile> {
    let folder = folder_of(library);
    let mut files = Vec::new();
    for provider in [Provider::Cuda, Provider::TensorRt] {
        let Some(name) = provider.file() else { continue };
        let path = folder.join(name);
        let mut file = ProviderFile {
            provider,
            exists: path.is_file(),
            needed: Vec::new(),
            missing: None,
            code: Architectures::default(),
            problem: None,
            path,
        };
        if file.exists {
            let read = dynamic_of(&file.path)
                .and_then(|dynamic| Ok((dynamic.needed, missing(&file.path, &machine.loader)?)))
                .and_then(|(needed, missing)| Ok((needed, missing, architectures(&file.path)?)));
            match read {
                Ok((needed, missing, code)) => {
                    (file.needed, file.missing, file.code) = (needed, missing, code);
                }
                Err(error) => file.problem = Some(error.to_string()),
            }
        }
        files.push(file);
    }
    files
}
