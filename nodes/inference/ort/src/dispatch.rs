//! From a provider's name and option strings to what `ort` registers on a session.

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ArenaExtendStrategy, ExecutionProvider};

use crate::provider::{NameError, Provider};

/// Was the opened library built with this provider? That says nothing about this machine.
pub(crate) fn compiled_in(provider: Provider) -> bool {
    let asked = match provider {
        Provider::Cpu => ep::CPU::is_available(),
        Provider::Cuda => ep::CUDA::is_available(),
        Provider::TensorRt => ep::TensorRT::is_available(),
        Provider::NvRtx => ep::NVRTX::is_available(),
        Provider::MiGraphX => ep::MIGraphX::is_available(),
        Provider::Rocm => ep::ROCm::is_available(),
        Provider::Vitis => ep::Vitis::is_available(),
        Provider::OpenVino => ep::OpenVINO::is_available(),
        Provider::OneDnn => ep::OneDNN::is_available(),
        Provider::Qnn => ep::QNN::is_available(),
        Provider::Cann => ep::CANN::is_available(),
        Provider::RkNpu => ep::RKNPU::is_available(),
        Provider::VsiNpu => ep::VSINPU::is_available(),
        Provider::Acl => ep::ACL::is_available(),
        #[allow(deprecated)] // still what older Arm builds have
        Provider::ArmNn => ep::ArmNN::is_available(),
        Provider::XnnPack => ep::XNNPACK::is_available(),
        Provider::WebGpu => ep::WebGPU::is_available(),
    };
    asked.unwrap_or(false)
}

/// Registration of one provider that fails aloud.
pub(crate) fn dispatch(
    provider: Provider,
    options: &[(String, String)],
) -> Result<ep::ExecutionProviderDispatch, NameError> {
    let dispatch = match provider {
        Provider::Cpu => {
            ep::CPU::default().with_arena_allocator(flag(provider, options, "use_arena", true)?).build()
        }
        Provider::Cuda => with(ep::CUDA::default(), options).build(),
        Provider::TensorRt => with(ep::TensorRT::default(), options).build(),
        Provider::NvRtx => with(ep::NVRTX::default(), options).build(),
        Provider::MiGraphX => migraphx(options)?.build(),
        Provider::Rocm => with(ep::ROCm::default(), options).build(),
        Provider::Vitis => with(ep::Vitis::default(), options).build(),
        Provider::OpenVino => with(ep::OpenVINO::default(), options).build(),
        Provider::OneDnn => with(ep::OneDNN::default(), options).build(),
        Provider::Qnn => with(ep::QNN::default(), options).build(),
        Provider::Cann => with(ep::CANN::default(), options).build(),
        Provider::RkNpu => ep::RKNPU::default().build(),
        Provider::VsiNpu => ep::VSINPU.build(),
        Provider::Acl => {
            ep::ACL::default().with_fast_math(flag(provider, options, "enable_fast_math", false)?).build()
        }
        #[allow(deprecated)] // still what older Arm builds have
        Provider::ArmNn => {
            ep::ArmNN::default().with_arena_allocator(flag(provider, options, "use_arena", true)?).build()
        }
        Provider::XnnPack => with(ep::XNNPACK::default(), options).build(),
        Provider::WebGpu => with(ep::WebGPU::default(), options).build(),
    };
    Ok(dispatch.error_on_failure())
}

fn with<E: ArbitrarilyConfigurableExecutionProvider>(provider: E, options: &[(String, String)]) -> E {
    options.iter().fold(provider, |provider, (key, value)| provider.with_arbitrary_config(key, value))
}

/// The one provider with many options that `ort` takes as typed values only.
fn migraphx(options: &[(String, String)]) -> Result<ep::MIGraphX, NameError> {
    let on = Provider::MiGraphX;
    let text = |key: &str| options.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let mut provider = ep::MIGraphX::default()
        .with_fp16(flag(on, options, "migraphx_fp16_enable", false)?)
        .with_fp8(flag(on, options, "migraphx_fp8_enable", false)?)
        .with_int8(flag(on, options, "migraphx_int8_enable", false)?)
        .with_exhaustive_tune(flag(on, options, "migraphx_exhaustive_tune", false)?);
    if let Some(device) = number(on, options, "device_id")? {
        provider = provider.with_device_id(device);
    }
    if let Some(limit) = number(on, options, "migraphx_mem_limit")? {
        provider = provider.with_mem_limit(limit);
    }
    if let Some(table) = text("migraphx_int8_calibration_table_name") {
        let native = flag(on, options, "migraphx_use_native_calibration_table", false)?;
        provider = provider.with_int8_calibration_table(table, native);
    }
    if let Some(path) = text("migraphx_save_model_path") {
        provider = provider.with_save_model(path);
    }
    if let Some(path) = text("migraphx_load_model_path") {
        provider = provider.with_load_model(path);
    }
    match text("arena_extend_strategy") {
        None | Some("kNextPowerOfTwo") => {}
        Some("kSameAsRequested") => {
            provider = provider.with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested);
        }
        Some(value) => {
            let problem = "is neither kNextPowerOfTwo nor kSameAsRequested";
            return Err(refused(on, "arena_extend_strategy", value, problem));
        }
    }
    Ok(provider)
}

fn flag(
    provider: Provider,
    options: &[(String, String)],
    key: &str,
    default: bool,
) -> Result<bool, NameError> {
    match options.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str()) {
        None => Ok(default),
        Some("1" | "true") => Ok(true),
        Some("0" | "false") => Ok(false),
        Some(value) => Err(refused(provider, key, value, "is neither 0 nor 1")),
    }
}

fn number<N: std::str::FromStr>(
    provider: Provider,
    options: &[(String, String)],
    key: &str,
) -> Result<Option<N>, NameError> {
    let Some((_, value)) = options.iter().find(|(k, _)| k == key) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| refused(provider, key, value, "is not a whole number"))
}

fn refused(provider: Provider, key: &str, value: &str, problem: &'static str) -> NameError {
    NameError::Value { found: format!("{}.{key}", provider.key()), value: value.to_owned(), problem }
}
