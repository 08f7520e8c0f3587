//! The only proof: a graph that runs where it was asked to.

use std::path::Path;

use sinew_inference::{EngineIo, Model, TensorInfo};

use crate::cache::EngineCache;
use crate::config::ProviderConfig;
use crate::engine::{OrtEngine, io_of};
use crate::placement::Placement;
use crate::runtime::Runtime;
use crate::session::GraphBytes;

/// What is tried.
pub struct Trial {
    /// Graph.
    pub graph: GraphBytes,
    /// Its tensors.
    pub io: EngineIo,
    /// Providers, and what is asked of them.
    pub config: ProviderConfig,
}

impl Trial {
    /// A model as its manifest configures it.
    pub fn of_model(model: &Model, config: ProviderConfig) -> Self {
        Self { graph: GraphBytes::of(model), io: io_of(model), config }
    }

    /// One matrix product on exactly these providers.
    pub fn of_providers(providers: &[String]) -> Self {
        let (graph, io) = trial_graph();
        let require = providers.last().cloned().unwrap_or_default();
        let config =
            ProviderConfig { providers: providers.to_vec(), require, warmup: 3, ..ProviderConfig::default() };
        Self { graph, io, config }
    }

    /// Runs it: where it ran, or why not.
    pub fn run(&self, runtime: &Runtime, engines: &Path) -> Result<Placement, String> {
        let cache = EngineCache::new(engines);
        OrtEngine::proven(runtime, &self.graph, &self.io, &self.config, Some(&cache))
            .map(|(_, placement)| placement)
            .map_err(|e| e.to_string())
    }
}

/// y = x x, 8 by 8: the smallest graph whose node every provider takes.
pub fn trial_graph() -> (GraphBytes, EngineIo) {
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2, bytes.len() as u8];
        out.extend_from_slice(bytes);
        out
    };
    let node =
        [field(1, b"x"), field(1, b"x"), field(2, b"y"), field(3, b"product"), field(4, b"MatMul")].concat();
    // TypeProto: tensor_type = 1 of (elem_type = 1: 1 is f32; shape = 2 of dimensions = 1 of dim_value = 1).
    let eight = field(1, &[1 << 3, 8]);
    let tensor = [vec![1 << 3, 1], field(2, &[eight.clone(), eight].concat())].concat();
    let port = |name: &[u8]| [field(1, name), field(2, &field(1, &tensor))].concat();
    let graph =
        [field(1, &node), field(2, b"trial"), field(11, &port(b"x")), field(12, &port(b"y"))].concat();
    // ModelProto: ir_version = 1, opset_import = 8 of (version = 2), graph = 7.
    let model = [vec![1 << 3, 8], field(8, &[2 << 3, 13]), field(7, &graph)].concat();
    let tensor = |name: &str| TensorInfo::f32(name, [8, 8]);
    (GraphBytes::whole(model), EngineIo { inputs: vec![tensor("x")], outputs: vec![tensor("y")] })
}
