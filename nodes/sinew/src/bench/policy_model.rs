//! Policies of any size for a bench, made in memory: dense layers, a manifest, and what such a robot measures.
use anyhow::{Context, Result};
use sinew_inference::onnx::{
    Attribute, AttributeValue, Constant, ConstantData, Dimension, Graph, Node, Port,
};
use sinew_inference::{ElementType, Model, Source, SourceError, sha256_hex};

/// Joints of the robot.
pub const JOINTS: usize = 12;
/// Values of the observation: what the manifest's terms add up to.
pub const OBSERVATION: usize = 48;

/// Terms of 3 + 3 + 3 + 12 + 12 + 12 + 2 + 1 values.
const TERMS: &str = r#"
[[input]]
tensor = "obs"
dtype = "f32"
shape = [1, 48]
normalize = { mode = "none" }
[[input.term]]
kind = "state/body/angular_velocity"
scale = 0.25
[[input.term]]
kind = "state/body/projected_gravity"
[[input.term]]
kind = "command/body/velocity"
scale = [2.0, 2.0, 1.0]
[[input.term]]
kind = "state/joint/position"
minus = "default_pos"
[[input.term]]
kind = "state/joint/velocity"
scale = 0.05
[[input.term]]
kind = "feedback/action"
stage = "raw"
[[input.term]]
kind = "phase/sin_cos"
rate_hz = 2.0
freeze_below = 0.05
[[input.term]]
kind = "constant"
values = [1.0]

[[output]]
tensor = "actions"
kind = "target/joint/position"
joints = "@joints"
scale = 0.25
"#;

/// Name of joint `index`.
pub fn joint(index: usize) -> String {
    format!("joint_{index}")
}

/// A policy with hidden layers of these sizes and Elu between them, with its number of parameters.
///
/// # Errors
/// When the model does not load, which is a mistake in this file.
pub fn policy(hidden: &[usize]) -> Result<(Model, usize)> {
    let graph = graph(hidden);
    let parameters = graph.constants.iter().map(|c| c.data.len()).sum();
    let bytes = graph.to_bytes();
    let hash = sha256_hex(&bytes);
    let joints: Vec<String> = (0..JOINTS).map(joint).collect();
    let zeros = [0.0f32; JOINTS];
    let golden = serde_json::json!({
        "schema": 1, "graph_sha256": hash, "rate_hz": 50.0, "joints": joints,
        // A bench does not verify; what comes out is compared between the engines.
        "cases": [{ "name": "none", "ticks": [{
            "gyro_rad_s": [0.0, 0.0, 0.0], "projected_gravity": [0.0, 0.0, -1.0], "command": [0.0, 0.0, 0.0],
            "q_rad": zeros, "dq_rad_s": zeros, "target_rad": zeros,
        }] }],
    })
    .to_string();
    let manifest = format!(
        r#"schema = 1
[model]
name = "bench"
version = "1"
task = "policy"
[[graph]]
file = "bench.onnx"
sha256 = "{hash}"
[runtime]
rate_hz = 50
deadline_ms = 4.0
engine = ["native", "onnxruntime"]
[joints]
order = {joints:?}
default_pos = 0.0
kp = 40.0
kd = 1.0
{TERMS}
[verify]
golden = "bench.golden.json"
sha256 = "{}"
atol = 1e-4
rtol = 1e-4
"#,
        sha256_hex(golden.as_bytes())
    );
    let files = Files { manifest: manifest.into_bytes(), graph: bytes, golden: golden.into_bytes() };
    let model = Model::load(&files, "bench.model.toml").context("the bench's own model")?;
    Ok((model, parameters))
}

struct Files {
    manifest: Vec<u8>,
    graph: Vec<u8>,
    golden: Vec<u8>,
}

impl Source for Files {
    fn read(&self, name: &str) -> std::result::Result<Vec<u8>, SourceError> {
        match name {
            "bench.model.toml" => Ok(self.manifest.clone()),
            "bench.onnx" => Ok(self.graph.clone()),
            "bench.golden.json" => Ok(self.golden.clone()),
            _ => Err(SourceError::Unreadable { path: name.to_owned(), reason: "no such file".to_owned() }),
        }
    }
}

fn graph(hidden: &[usize]) -> Graph {
    let mut graph = Graph { opset: 17, ir_version: 8, ..Graph::default() };
    let sizes: Vec<usize> =
        std::iter::once(OBSERVATION).chain(hidden.iter().copied()).chain([JOINTS]).collect();
    let mut input = "obs".to_owned();
    let mut random = 1u32;
    for (layer, pair) in sizes.windows(2).enumerate() {
        let [from, to] = *pair else { continue };
        let last = layer + 2 == sizes.len();
        // Of a size that keeps the values of each layer in the range of the layer before.
        let mut weight = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((random >> 8) as f32 / 8_388_608.0 - 1.0) * (3.0 / from as f32).sqrt()
        };
        let (w, b) = (format!("w{layer}"), format!("b{layer}"));
        let weights: Vec<f32> = (0..from * to).map(|_| weight()).collect();
        let biases: Vec<f32> = (0..to).map(|_| 0.1 * weight()).collect();
        for (name, shape, values) in [(&w, vec![to, from], weights), (&b, vec![to], biases)] {
            let data = ConstantData::F32(values);
            graph.constants.push(Constant { name: name.clone(), element: ElementType::F32, shape, data });
        }
        let sum = if last { "actions".to_owned() } else { format!("sum{layer}") };
        graph.nodes.push(Node {
            name: format!("layer{layer}"),
            op: "Gemm".to_owned(),
            inputs: vec![input, w, b],
            outputs: vec![sum.clone()],
            attributes: vec![Attribute { name: "transB".to_owned(), value: AttributeValue::Int(1) }],
        });
        input = sum;
        if !last {
            let out = format!("hidden{layer}");
            graph.nodes.push(Node {
                name: format!("elu{layer}"),
                op: "Elu".to_owned(),
                inputs: vec![input],
                outputs: vec![out.clone()],
                attributes: Vec::new(),
            });
            input = out;
        }
    }
    let port = |name: &str, width| Port {
        name: name.to_owned(),
        element_type: 1,
        shape: Some(vec![Dimension::Fixed(1), Dimension::Fixed(width)]),
    };
    graph.inputs.push(port("obs", OBSERVATION));
    graph.outputs.push(port("actions", JOINTS));
    graph
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    #[test]
    fn the_policies_of_the_bench_have_the_sizes_they_say() {
        let (small, parameters) = policy(&[256, 128]).unwrap();
        assert_eq!(parameters, 48 * 256 + 256 + 256 * 128 + 128 + 128 * 12 + 12);
        assert_eq!(small.graph, Graph::parse(&small.graph_bytes).unwrap());
        assert_eq!(small.inputs()[0].len(), OBSERVATION);
    }
}
