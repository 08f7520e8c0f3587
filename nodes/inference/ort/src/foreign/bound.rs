//! A session with its tensors, the arrays of a run prepared once.
//!
//! The safe interface of the library's bindings makes names, values and results anew at each run and asks the
//! library for every buffer; at 50 Hz, with cold caches, that is more than half of what a small network costs. Here
//! a run is one call.

use std::ffi::{CString, c_char};
use std::ptr::{self, NonNull};

use ort::AsPointer;
use ort::session::Session;
use ort::sys;
use ort::value::DynValue;
use sinew_inference::{ElementType, EngineIo, RunError, TensorInfo};

use super::check;
use crate::tensors::{InputTensor, output_tensor, read_output};

/// Owns the session and every tensor; nothing that a pointer here leads to can be taken out or replaced.
pub(crate) struct BoundSession {
    session: Session,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    /// Keep the names that the pointers below lead to.
    _names: Vec<CString>,
    input_names: Vec<*const c_char>,
    output_names: Vec<*const c_char>,
    input_values: Vec<*const sys::OrtValue>,
    output_values: Vec<*mut sys::OrtValue>,
}

// SAFETY: session and tensors may be used from any one thread at a time, which `&mut self` and ownership see to; the
// pointers lead to nothing else than what is owned here.
unsafe impl Send for BoundSession {}

struct Input {
    tensor: InputTensor,
    /// The tensor's own buffer, when it holds f32.
    direct: Option<NonNull<[f32]>>,
}

struct Output {
    value: DynValue,
    /// The tensor's own buffer, when it holds f32; else the seam's is filled after each run.
    direct: Option<NonNull<[f32]>>,
    seam: Vec<f32>,
}

impl BoundSession {
    /// Allocates the tensors of `io`, which has the names and order of the session.
    pub(crate) fn new(session: Session, io: &EngineIo) -> Result<Self, ort::Error> {
        let inputs = io.inputs.iter().map(Input::new).collect::<Result<Vec<_>, _>>()?;
        let mut outputs = io.outputs.iter().map(Output::new).collect::<Result<Vec<_>, _>>()?;
        let name = |info: &TensorInfo| {
            CString::new(info.name.as_str()).map_err(|e| ort::Error::new(format!("`{}`: {e}", info.name)))
        };
        let names = io.inputs.iter().chain(&io.outputs).map(name).collect::<Result<Vec<_>, _>>()?;
        let mut pointers = names.iter().map(|name| name.as_ptr());
        let input_names = pointers.by_ref().take(inputs.len()).collect();
        let output_names = pointers.collect();
        let input_values = inputs.iter().map(|input| input.tensor.pointer()).collect();
        let output_values = outputs.iter_mut().map(|output| output.value.ptr_mut()).collect();
        Ok(Self {
            session,
            inputs,
            outputs,
            _names: names,
            input_names,
            output_names,
            input_values,
            output_values,
        })
    }

    /// The session, for what it recorded.
    pub(crate) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The seam's buffer of an input; empty when there is none.
    pub(crate) fn input_mut(&mut self, index: usize) -> &mut [f32] {
        match self.inputs.get_mut(index) {
            None => &mut [],
            // SAFETY: the buffer is that of `tensor`, allocated once, and borrowed with `self`.
            Some(Input { direct: Some(direct), .. }) => unsafe { direct.as_mut() },
            Some(Input { tensor, .. }) => tensor.seam(),
        }
    }

    /// The seam's buffer of an output; empty when there is none.
    pub(crate) fn output(&self, index: usize) -> &[f32] {
        match self.outputs.get(index) {
            None => &[],
            // SAFETY: the buffer is that of `value`, allocated once, and borrowed with `self`.
            Some(Output { direct: Some(direct), .. }) => unsafe { direct.as_ref() },
            Some(Output { seam, .. }) => seam,
        }
    }

    /// Runs once. `Err(Err(reason))` is the library's refusal, `Err(Ok(error))` a value no input may have.
    pub(crate) fn run(&mut self, io: &EngineIo) -> Result<(), Result<RunError, String>> {
        let mut broken = false;
        for index in 0..self.inputs.len() {
            if let Some(Input { tensor, direct: None }) = self.inputs.get_mut(index) {
                tensor.fill(index).map_err(Ok)?;
            }
            broken |= self.input_mut(index).iter().any(|v| v.is_nan());
        }
        // SAFETY: all arrays have the lengths given and lead to names and values owned by `self`, which nobody else
        // touches during the call; the outputs' values are of the shapes the session was checked to have, and are
        // written in place.
        let status = unsafe {
            (ort::api().Run)(
                self.session.ptr().cast_mut(),
                ptr::null(),
                self.input_names.as_ptr(),
                self.input_values.as_ptr(),
                self.input_values.len(),
                self.output_names.as_ptr(),
                self.output_values.len(),
                self.output_values.as_mut_ptr(),
            )
        };
        check(status).map_err(Err)?;
        for (output, info) in self.outputs.iter_mut().zip(&io.outputs) {
            if output.direct.is_none() {
                read_output(&output.value, info, &mut output.seam).map_err(Err)?;
            }
            if broken {
                // The library's LSTM turns a NaN into ordinary numbers; a broken measurement must not look healthy.
                output.values_mut().fill(f32::NAN);
            }
        }
        Ok(())
    }
}

impl Input {
    fn new(info: &TensorInfo) -> Result<Self, ort::Error> {
        let mut tensor = InputTensor::new(info)?;
        let direct = match info.element {
            ElementType::F32 => Some(NonNull::from(tensor.seam())),
            _ => None,
        };
        Ok(Self { tensor, direct })
    }
}

impl Output {
    fn new(info: &TensorInfo) -> Result<Self, ort::Error> {
        let mut value = output_tensor(info)?;
        let direct = match info.element {
            ElementType::F32 => Some(NonNull::from(value.try_extract_tensor_mut::<f32>()?.1)),
            _ => None,
        };
        let seam = if direct.is_some() { Vec::new() } else { vec![0.0; info.len()] };
        Ok(Self { value, direct, seam })
    }

    fn values_mut(&mut self) -> &mut [f32] {
        match &mut self.direct {
            // SAFETY: as in `BoundSession::output`.
            Some(direct) => unsafe { direct.as_mut() },
            None => &mut self.seam,
        }
    }
}
