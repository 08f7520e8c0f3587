//! Which provider computed, as frames name it.

use sinew_wire::Provider;

/// Engines call themselves `native` or `<runtime> <version> (<provider>)`.
pub(crate) fn provider(engine: &str) -> Provider {
    let named = engine.rsplit_once('(').map_or("", |(_, provider)| provider.trim_end_matches(')'));
    match named.to_ascii_lowercase().as_str() {
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
        ] {
            assert_eq!(provider(name), expected, "{name}");
        }
    }
}
