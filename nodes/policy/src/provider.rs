//! Which provider computed, as frames name it.

use sinew_wire::Provider;

/// Engines call themselves `native`, `<runtime> <version> (<provider>)`, or, when several share the nodes of a graph,
/// `<runtime> <version> (<provider> <share> %, ..)`: then it is the one with the largest share, the first of equals.
pub(crate) fn provider(engine: &str) -> Provider {
    let named = engine.rsplit_once('(').map_or("", |(_, provider)| provider.trim_end_matches(')'));
    let mut largest = (named, 0);
    for part in named.split(", ") {
        let shared = part.strip_suffix(" %").and_then(|part| part.rsplit_once(' '));
        if let Some((provider, share)) = shared
            && let Ok(share) = share.parse::<u32>()
            && share > largest.1
        {
            largest = (provider, share);
        }
    }
    match largest.0.to_ascii_lowercase().as_str() {
        _ if engine.starts_with("native") => Provider::Native,
        "cpu" => Provider::Cpu,
        "cuda" => Provider::Cuda,
        "tensorrt" => Provider::TensorRt,
        _ => Provider::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_read_off_the_engine_s_name() {
        for (name, expected) in [
            ("native", Provider::Native),
            ("onnxruntime 1.32.0 (CPU)", Provider::Cpu),
            ("onnxruntime 1.32.0 (CUDA)", Provider::Cuda),
            ("onnxruntime 1.32.0 (TensorRT)", Provider::TensorRt),
            ("onnxruntime 1.32.0 (OpenVINO)", Provider::Other),
            ("tract", Provider::Other),
            // Several: the largest share counts, wherever it stands.
            ("onnxruntime 1.32.0 (tensorrt 80 %, cuda 10 %, cpu 10 %)", Provider::TensorRt),
            ("onnxruntime 1.32.0 (tensorrt 30 %, cuda 60 %, cpu 10 %)", Provider::Cuda),
            ("onnxruntime 1.32.0 (tensorrt 50 %, cuda 50 %)", Provider::TensorRt),
            ("onnxruntime 1.32.0 (tensorrt 10 %, cpu 90 %)", Provider::Cpu),
            ("onnxruntime 1.32.0 (openvino 70 %, cpu 30 %)", Provider::Other),
            // Asked for, not proven.
            ("onnxruntime 1.32.0 (unproven: cuda, cpu)", Provider::Other),
        ] {
            assert_eq!(provider(name), expected, "{name}");
        }
    }
}
