//! The library's C interface with nothing around it: what an engine on it can cost at least.

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use ort::AsPointer;
use ort::sys;
use sinew_inference::{EngineIo, TensorInfo};

use super::check;
use crate::runtime::Runtime;

/// Calls `Run` with arrays prepared once: the peer that a bench compares engines with. f32 tensors only.
pub struct RawSession {
    session: NonNull<sys::OrtSession>,
    input_names: Vec<CString>,
    output_names: Vec<CString>,
    inputs: Vec<RawTensor>,
    outputs: Vec<RawTensor>,
    /// Pointers into the four above, as `Run` takes them.
    input_name_pointers: Vec<*const std::ffi::c_char>,
    output_name_pointers: Vec<*const std::ffi::c_char>,
    input_values: Vec<*const sys::OrtValue>,
    output_values: Vec<*mut sys::OrtValue>,
    /// Keeps the library open; a session may not be run by two threads.
    _runtime: Runtime,
    _one_thread: PhantomData<*mut ()>,
}

/// Values and the library's view of them.
struct RawTensor {
    value: NonNull<sys::OrtValue>,
    /// A box by its address, since the library keeps that, too.
    data: NonNull<[f32]>,
}

impl Drop for RawTensor {
    fn drop(&mut self) {
        // SAFETY: the value was made by the library and is released once; then the box is freed, made in `tensor`.
        unsafe {
            (ort::api().ReleaseValue)(self.value.as_ptr());
            drop(Box::from_raw(self.data.as_ptr()));
        }
    }
}

impl Drop for RawSession {
    fn drop(&mut self) {
        // SAFETY: made by the library, released once.
        unsafe { (ort::api().ReleaseSession)(self.session.as_ptr()) }
    }
}

impl RawSession {
    /// A session with the same options as an engine on the CPU: all optimisations, one thread, no spinning.
    ///
    /// # Errors
    /// What the library said.
    pub fn new(runtime: &Runtime, graph: &[u8], io: &EngineIo) -> Result<Self, String> {
        let session = create(runtime, graph)?;
        let mut raw = Self {
            session,
            input_names: names(&io.inputs)?,
            output_names: names(&io.outputs)?,
            inputs: Vec::new(),
            outputs: Vec::new(),
            input_name_pointers: Vec::new(),
            output_name_pointers: Vec::new(),
            input_values: Vec::new(),
            output_values: Vec::new(),
            _runtime: runtime.clone(),
            _one_thread: PhantomData,
        };
        raw.inputs = io.inputs.iter().map(tensor).collect::<Result<_, _>>()?;
        raw.outputs = io.outputs.iter().map(tensor).collect::<Result<_, _>>()?;
        raw.input_name_pointers = raw.input_names.iter().map(|name| name.as_ptr()).collect();
        raw.output_name_pointers = raw.output_names.iter().map(|name| name.as_ptr()).collect();
        raw.input_values = raw.inputs.iter().map(|t| t.value.as_ptr().cast_const()).collect();
        raw.output_values = raw.outputs.iter().map(|t| t.value.as_ptr()).collect();
        Ok(raw)
    }

    /// Buffer of an input; empty when there is none.
    pub fn input_mut(&mut self, index: usize) -> &mut [f32] {
        // SAFETY: the box is ours, and the library looks at it during `run` only, which needs `self`, too.
        self.inputs.get_mut(index).map_or(&mut [], |tensor| unsafe { tensor.data.as_mut() })
    }

    /// Buffer of an output; empty when there is none.
    pub fn output(&self, index: usize) -> &[f32] {
        // SAFETY: as for the inputs.
        self.outputs.get(index).map_or(&[], |tensor| unsafe { tensor.data.as_ref() })
    }

    /// One call of `Run`.
    ///
    /// # Errors
    /// What the library said.
    pub fn run(&mut self) -> Result<(), String> {
        // SAFETY: all arrays live in `self` and have the lengths given; every value is the library's own, over a
        // buffer in `self` that nobody else touches during the call.
        let status = unsafe {
            (ort::api().Run)(
                self.session.as_ptr(),
                ptr::null(),
                self.input_name_pointers.as_ptr(),
                self.input_values.as_ptr(),
                self.input_values.len(),
                self.output_name_pointers.as_ptr(),
                self.output_values.len(),
                self.output_values.as_mut_ptr(),
            )
        };
        check(status)
    }
}

fn create(runtime: &Runtime, graph: &[u8]) -> Result<NonNull<sys::OrtSession>, String> {
    let api = ort::api();
    let mut options = ptr::null_mut();
    // SAFETY: the out-pointer is valid.
    check(unsafe { (api.CreateSessionOptions)(&raw mut options) })?;
    let mut session = ptr::null_mut();
    let entry = |key: &CStr, value: &CStr| {
        // SAFETY: `options` is live; both texts outlive the call.
        check(unsafe { (api.AddSessionConfigEntry)(options, key.as_ptr(), value.as_ptr()) })
    };
    // SAFETY: `options` is live until it is released below; `graph` outlives the call, which copies it.
    let made = unsafe {
        check((api.SetSessionGraphOptimizationLevel)(options, sys::GraphOptimizationLevel::ORT_ENABLE_ALL))
            .and_then(|()| check((api.SetIntraOpNumThreads)(options, 1)))
            .and_then(|()| check((api.SetInterOpNumThreads)(options, 1)))
            .and_then(|()| entry(c"session.intra_op.allow_spinning", c"0"))
            .and_then(|()| entry(c"session.inter_op.allow_spinning", c"0"))
            .and_then(|()| {
                let (data, len) = (graph.as_ptr().cast(), graph.len());
                let environment = runtime.environment().ptr();
                check((api.CreateSessionFromArray)(environment, data, len, options, &raw mut session))
            })
    };
    // SAFETY: made above, released once; a session keeps its own copy.
    unsafe { (api.ReleaseSessionOptions)(options) };
    made?;
    NonNull::new(session).ok_or_else(|| "no session".to_owned())
}

fn names(tensors: &[TensorInfo]) -> Result<Vec<CString>, String> {
    tensors.iter().map(|t| CString::new(t.name.as_str()).map_err(|e| e.to_string())).collect()
}

fn tensor(info: &TensorInfo) -> Result<RawTensor, String> {
    let api = ort::api();
    let mut memory = ptr::null_mut();
    let (allocator, kind) = (sys::OrtAllocatorType::OrtDeviceAllocator, sys::OrtMemType::OrtMemTypeDefault);
    // SAFETY: the out-pointer is valid.
    check(unsafe { (api.CreateCpuMemoryInfo)(allocator, kind, &raw mut memory) })?;
    let data = vec![0.0f32; info.len()].into_boxed_slice();
    let bytes = size_of_val(&*data);
    let data = NonNull::from(Box::leak(data));
    let shape: Vec<i64> = info.shape.iter().map(|d| *d as i64).collect();
    let mut value = ptr::null_mut();
    // SAFETY: `data` has the size given and lives as long as the value, which is released first.
    let status = unsafe {
        (api.CreateTensorWithDataAsOrtValue)(
            memory,
            data.as_ptr().cast(),
            bytes,
            shape.as_ptr(),
            shape.len(),
            sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
            &raw mut value,
        )
    };
    // SAFETY: made above, released once; a value keeps its own copy.
    unsafe { (api.ReleaseMemoryInfo)(memory) };
    match check(status).and_then(|()| NonNull::new(value).ok_or_else(|| "no value".to_owned())) {
        Ok(value) => Ok(RawTensor { value, data }),
        Err(reason) => {
            // SAFETY: leaked above, and no value was made that knows of it.
            drop(unsafe { Box::from_raw(data.as_ptr()) });
            Err(reason)
        }
    }
}
