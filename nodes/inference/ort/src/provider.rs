//! The providers that can be named, what the library calls them, and which option keys each of them knows.
//!
//! A provider is a row of [`Provider::ALL`]; nothing else in this room lists them. An unknown name or key is refused
//! with the list, since a misspelt option that is ignored looks exactly like one that does not help.

use std::fmt;

/// Something that executes nodes. Names in manifests are those of [`Provider::key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// The library's own CPU kernels.
    Cpu,
    /// NVIDIA CUDA.
    Cuda,
    /// NVIDIA TensorRT.
    TensorRt,
    /// NVIDIA TensorRT for RTX.
    NvRtx,
    /// AMD MIGraphX.
    MiGraphX,
    /// AMD ROCm; gone from the library since 1.23, kept for older vendor builds of 1.24 and newer.
    Rocm,
    /// AMD Vitis AI.
    Vitis,
    /// Intel OpenVINO.
    OpenVino,
    /// Intel oneDNN.
    OneDnn,
    /// Qualcomm AI Engine.
    Qnn,
    /// Huawei Ascend.
    Cann,
    /// Rockchip NPU.
    RkNpu,
    /// VeriSilicon NPU (NXP, Amlogic).
    VsiNpu,
    /// Arm Compute Library.
    Acl,
    /// Arm NN; deprecated by the library.
    ArmNn,
    /// XNNPACK.
    XnnPack,
    /// WebGPU through Dawn.
    WebGpu,
}

impl Provider {
    /// Does it compute on the machine's own processor, beside everything else that runs there?
    pub fn on_processor(self) -> bool {
        matches!(self, Self::Cpu | Self::OneDnn | Self::Acl | Self::ArmNn | Self::XnnPack)
    }
}

/// What one provider is called and takes.
struct Row {
    provider: Provider,
    key: &'static str,
    library_name: &'static str,
    /// Shared library the runtime opens from its own folder, when the provider lives in one.
    file: Option<&'static str>,
    options: &'static [&'static str],
}

const CUDA_OPTIONS: &[&str] = &[
    "arena_extend_strategy",
    "cudnn_conv1d_pad_to_nc1d",
    "cudnn_conv_algo_search",
    "cudnn_conv_use_max_workspace",
    "device_id",
    "do_copy_in_default_stream",
    "enable_cuda_graph",
    "enable_cudnn",
    "enable_skip_layer_norm_strict_mode",
    "fuse_conv_bias",
    "gpu_mem_limit",
    "prefer_nhwc",
    "sdpa_kernel",
    "tunable_op_enable",
    "tunable_op_max_tuning_duration_ms",
    "tunable_op_tuning_enable",
    "use_ep_level_unified_stream",
    "use_tf32",
];

const TENSORRT_OPTIONS: &[&str] = &[
    "device_id",
    "trt_auxiliary_streams",
    "trt_bf16_enable",
    "trt_build_heuristics_enable",
    "trt_builder_optimization_level",
    "trt_context_memory_sharing_enable",
    "trt_cuda_graph_enable",
    "trt_detailed_build_log",
    "trt_dla_core",
    "trt_dla_enable",
    "trt_dump_ep_context_model",
    "trt_dump_subgraphs",
    "trt_engine_cache_enable",
    "trt_engine_cache_path",
    "trt_engine_cache_prefix",
    "trt_engine_decryption_enable",
    "trt_engine_decryption_lib_path",
    "trt_engine_hw_compatible",
    "trt_ep_context_embed_mode",
    "trt_ep_context_file_path",
    "trt_extra_plugin_lib_paths",
    "trt_force_sequential_engine_build",
    "trt_force_timing_cache",
    "trt_fp16_enable",
    "trt_int8_calibration_table_name",
    "trt_int8_enable",
    "trt_int8_use_native_calibration_table",
    "trt_layer_norm_fp32_fallback",
    "trt_load_user_initializer",
    "trt_max_partition_iterations",
    "trt_max_workspace_size",
    "trt_min_subgraph_size",
    "trt_onnx_model_folder_path",
    "trt_op_types_to_exclude",
    "trt_preview_features",
    "trt_profile_max_shapes",
    "trt_profile_min_shapes",
    "trt_profile_opt_shapes",
    "trt_sparsity_enable",
    "trt_tactic_sources",
    "trt_timing_cache_enable",
    "trt_timing_cache_path",
    "trt_weight_stripped_engine_enable",
];

const NVRTX_OPTIONS: &[&str] = &[
    "device_id",
    "enable_cuda_graph",
    "nv_cuda_graph_enable",
    "nv_detailed_build_log",
    "nv_dump_subgraphs",
    "nv_max_shared_mem_size",
    "nv_max_workspace_size",
    "nv_multi_profile_enable",
    "nv_profile_max_shapes",
    "nv_profile_min_shapes",
    "nv_profile_opt_shapes",
    "nv_runtime_cache_path",
];

const MIGRAPHX_OPTIONS: &[&str] = &[
    "arena_extend_strategy",
    "device_id",
    "migraphx_exhaustive_tune",
    "migraphx_fp16_enable",
    "migraphx_fp8_enable",
    "migraphx_int8_calibration_table_name",
    "migraphx_int8_enable",
    "migraphx_load_model_path",
    "migraphx_mem_limit",
    "migraphx_save_model_path",
    "migraphx_use_native_calibration_table",
];

const ROCM_OPTIONS: &[&str] = &[
    "arena_extend_strategy",
    "device_id",
    "do_copy_in_default_stream",
    "enable_hip_graph",
    "gpu_mem_limit",
    "miopen_conv_exhaustive_search",
    "miopen_conv_use_max_workspace",
    "tunable_op_enable",
    "tunable_op_max_tuning_duration_ms",
    "tunable_op_tuning_enable",
];

const VITIS_OPTIONS: &[&str] = &[
    "cache_dir",
    "cache_key",
    "config_file",
    "enable_cache_file_io_in_mem",
    "opt_level",
    "target",
    "xclbin",
];

const OPENVINO_OPTIONS: &[&str] = &[
    "cache_dir",
    "context",
    "device_id",
    "device_type",
    "disable_dynamic_shapes",
    "enable_opencl_throttling",
    "enable_qdq_optimizer",
    "layout",
    "load_config",
    "model_priority",
    "num_of_threads",
    "num_streams",
    "precision",
    "reshape_input",
];

const QNN_OPTIONS: &[&str] = &[
    "backend_path",
    "backend_type",
    "device_id",
    "enable_htp_fp16_precision",
    "enable_htp_weight_sharing",
    "htp_arch",
    "htp_graph_finalization_optimization_mode",
    "htp_performance_mode",
    "offload_graph_io_quantization",
    "profiling_file_path",
    "profiling_level",
    "qnn_context_priority",
    "qnn_saver_path",
    "rpc_control_latency",
    "soc_model",
    "vtcm_mb",
];

const CANN_OPTIONS: &[&str] = &[
    "arena_extend_strategy",
    "device_id",
    "dump_graphs",
    "dump_om_model",
    "enable_cann_graph",
    "npu_mem_limit",
    "op_select_impl_mode",
    "optypelist_for_implmode",
    "precision_mode",
];

const WEBGPU_OPTIONS: &[&str] = &[
    "dawnBackendType",
    "defaultBufferCacheMode",
    "deviceId",
    "enableGraphCapture",
    "forceCpuNodeNames",
    "preferredLayout",
    "queryResolveBufferCacheMode",
    "storageBufferCacheMode",
    "uniformBufferCacheMode",
    "validationMode",
];

const ROWS: &[Row] = {
    use Provider as P;
    const fn row(
        provider: Provider,
        key: &'static str,
        library_name: &'static str,
        file: Option<&'static str>,
        options: &'static [&'static str],
    ) -> Row {
        Row { provider, key, library_name, file, options }
    }
    &[
        row(P::Cpu, "cpu", "CPUExecutionProvider", None, &["use_arena"]),
        row(P::Cuda, "cuda", "CUDAExecutionProvider", Some("libonnxruntime_providers_cuda.so"), CUDA_OPTIONS),
        row(
            P::TensorRt,
            "tensorrt",
            "TensorrtExecutionProvider",
            Some("libonnxruntime_providers_tensorrt.so"),
            TENSORRT_OPTIONS,
        ),
        row(
            P::NvRtx,
            "nvrtx",
            "NvTensorRTRTXExecutionProvider",
            Some("libonnxruntime_providers_nv_tensorrt_rtx.so"),
            NVRTX_OPTIONS,
        ),
        row(
            P::MiGraphX,
            "migraphx",
            "MIGraphXExecutionProvider",
            Some("libonnxruntime_providers_migraphx.so"),
            MIGRAPHX_OPTIONS,
        ),
        row(P::Rocm, "rocm", "ROCMExecutionProvider", Some("libonnxruntime_providers_rocm.so"), ROCM_OPTIONS),
        row(
            P::Vitis,
            "vitis",
            "VitisAIExecutionProvider",
            Some("libonnxruntime_providers_vitisai.so"),
            VITIS_OPTIONS,
        ),
        row(
            P::OpenVino,
            "openvino",
            "OpenVINOExecutionProvider",
            Some("libonnxruntime_providers_openvino.so"),
            OPENVINO_OPTIONS,
        ),
        row(
            P::OneDnn,
            "onednn",
            "DnnlExecutionProvider",
            Some("libonnxruntime_providers_dnnl.so"),
            &["use_arena"],
        ),
        row(P::Qnn, "qnn", "QNNExecutionProvider", Some("libonnxruntime_providers_qnn.so"), QNN_OPTIONS),
        row(P::Cann, "cann", "CANNExecutionProvider", Some("libonnxruntime_providers_cann.so"), CANN_OPTIONS),
        row(P::RkNpu, "rknpu", "RknpuExecutionProvider", None, &[]),
        row(P::VsiNpu, "vsinpu", "VSINPUExecutionProvider", None, &[]),
        row(P::Acl, "acl", "ACLExecutionProvider", None, &["enable_fast_math"]),
        row(P::ArmNn, "armnn", "ArmNNExecutionProvider", None, &["use_arena"]),
        row(P::XnnPack, "xnnpack", "XnnpackExecutionProvider", None, &["intra_op_num_threads"]),
        row(P::WebGpu, "webgpu", "WebGpuExecutionProvider", None, WEBGPU_OPTIONS),
    ]
};

/// A name in a configuration that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No such provider.
    #[error(
        "unknown provider `{found}`; expected one of {known}, or the name of a [[runtime.plugin]]; correct the name"
    )]
    Provider {
        /// As written.
        found: String,
        /// All names.
        known: String,
    },
    /// No such option of this provider.
    #[error("unknown option `{provider}.{found}`; expected one of {known}; correct the key")]
    Option {
        /// Provider.
        provider: &'static str,
        /// As written.
        found: String,
        /// All keys.
        known: String,
    },
    /// Not `provider.key`.
    #[error("option `{found}` names no provider; expected `provider.key`, e.g. \"cuda.use_tf32\"")]
    NotQualified {
        /// As written.
        found: String,
    },
    /// An option of a provider that is not asked for: it would do nothing, in silence.
    #[error(
        "option `{found}`: `{provider}` is not among the providers {listed}; name it there or remove the option"
    )]
    NotListed {
        /// As written.
        found: String,
        /// Its provider.
        provider: String,
        /// Providers asked for.
        listed: String,
    },
    /// A value that the foreign library cannot take.
    #[error("option `{found}`: the value `{value}` {problem}")]
    Value {
        /// Key as written.
        found: String,
        /// Value as written.
        value: String,
        /// What is wrong, with what would be right.
        problem: &'static str,
    },
}

impl Provider {
    /// Every provider by name, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.provider)
    }

    /// Provider of that name in a configuration.
    pub fn parse(key: &str) -> Result<Self, NameError> {
        let found = ROWS.iter().find(|row| row.key == key).map(|row| row.provider);
        let known = || ROWS.iter().map(|row| row.key).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| NameError::Provider { found: key.to_owned(), known: known() })
    }

    /// Name in configurations, e.g. `tensorrt`.
    pub fn key(self) -> &'static str {
        self.row().map_or("", |row| row.key)
    }

    /// Name in the library, e.g. `TensorrtExecutionProvider`.
    pub fn library_name(self) -> &'static str {
        self.row().map_or("", |row| row.library_name)
    }

    /// File that the library opens from its own folder for this provider, when there is one.
    pub fn file(self) -> Option<&'static str> {
        self.row().and_then(|row| row.file)
    }

    /// Option keys it knows.
    pub fn options(self) -> &'static [&'static str] {
        self.row().map_or(&[], |row| row.options)
    }

    /// Refuses a key it does not know.
    pub fn check_option(self, key: &str) -> Result<(), NameError> {
        if self.options().contains(&key) {
            return Ok(());
        }
        let known = if self.options().is_empty() { "none".to_owned() } else { self.options().join(", ") };
        Err(NameError::Option { provider: self.key(), found: key.to_owned(), known })
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.provider == self)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// How the library's own name for a provider is written in a configuration; itself for a plugin.
pub fn key_of(library_name: &str) -> &str {
    ROWS.iter().find(|row| row.library_name == library_name).map_or(library_name, |row| row.key)
}

#[cfg(test)]
mod tests {
    // A failed unwrap in a test is the test's failure.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_provider_has_its_own_row_and_name() {
        for provider in Provider::all() {
            assert_eq!(Provider::parse(provider.key()), Ok(provider));
            assert_eq!(key_of(provider.library_name()), provider.key());
            let mut sorted = provider.options().to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted, provider.options(), "{provider}: keys sorted, each once");
        }
        assert_eq!(Provider::all().count(), 17);
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_list() {
        let error = Provider::parse("tensor_rt").map(Provider::key).unwrap_err().to_string();
        assert!(error.contains("`tensor_rt`") && error.contains("tensorrt, nvrtx"), "{error}");
        let error = Provider::Cuda.check_option("use_tf23").unwrap_err().to_string();
        assert!(error.contains("`cuda.use_tf23`") && error.contains("use_tf32"), "{error}");
        assert!(Provider::RkNpu.check_option("core").unwrap_err().to_string().contains("none"));
    }
}
