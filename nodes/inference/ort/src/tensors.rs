//! Tensors of a session in the graph's element types, with the f32 buffers of the seam.
//!
//! f32 is written in place; the other types keep a buffer for the seam and convert at each run.

use half::f16;
use ort::AsPointer;
use ort::memory::Allocator;
use ort::value::{DynValue, Tensor, TensorElementType, ValueType};
use sinew_inference::{ElementType, RunError, TensorInfo, check_values};

/// One input.
pub(crate) enum InputTensor {
    /// In place.
    F32(Tensor<f32>),
    /// Converted from the seam's buffer.
    F16(Tensor<f16>, Vec<f32>),
    /// Likewise.
    I64(Tensor<i64>, Vec<f32>),
    /// Likewise.
    I32(Tensor<i32>, Vec<f32>),
    /// Likewise.
    Bool(Tensor<bool>, Vec<f32>),
}

impl InputTensor {
    /// Zeros of that type and shape.
    pub(crate) fn new(info: &TensorInfo) -> Result<Self, ort::Error> {
        let (allocator, shape) = (Allocator::default(), shape(info));
        let seam = vec![0.0; info.len()];
        Ok(match info.element {
            ElementType::F32 => {
                let mut tensor = Tensor::<f32>::new(&allocator, shape)?;
                tensor.extract_tensor_mut().1.fill(0.0);
                Self::F32(tensor)
            }
            ElementType::F16 => Self::F16(Tensor::new(&allocator, shape)?, seam),
            ElementType::I64 => Self::I64(Tensor::new(&allocator, shape)?, seam),
            ElementType::I32 => Self::I32(Tensor::new(&allocator, shape)?, seam),
            ElementType::Bool => Self::Bool(Tensor::new(&allocator, shape)?, seam),
            ElementType::I8 | ElementType::U8 => return Err(inside(info)),
        })
    }

    /// The seam's buffer.
    pub(crate) fn seam(&mut self) -> &mut [f32] {
        match self {
            Self::F32(tensor) => tensor.extract_tensor_mut().1,
            Self::F16(_, seam) | Self::I64(_, seam) | Self::I32(_, seam) | Self::Bool(_, seam) => seam,
        }
    }

    /// Brings the seam's values into the tensor; `index` is for the message.
    pub(crate) fn fill(&mut self, index: usize) -> Result<(), RunError> {
        match self {
            Self::F32(_) => {}
            Self::F16(tensor, seam) => convert(seam, tensor.extract_tensor_mut().1, f16::from_f32),
            Self::I64(tensor, seam) => {
                check_values(index, ElementType::I64, seam)?;
                convert(seam, tensor.extract_tensor_mut().1, |v| v as i64);
            }
            Self::I32(tensor, seam) => {
                check_values(index, ElementType::I32, seam)?;
                convert(seam, tensor.extract_tensor_mut().1, |v| v as i32);
            }
            Self::Bool(tensor, seam) => {
                check_values(index, ElementType::Bool, seam)?;
                convert(seam, tensor.extract_tensor_mut().1, |v| v != 0.0);
            }
        }
        Ok(())
    }

    /// The library's value; lives as long as this tensor, wherever that is moved.
    pub(crate) fn pointer(&self) -> *const ort::sys::OrtValue {
        match self {
            Self::F32(tensor) => tensor.ptr(),
            Self::F16(tensor, _) => tensor.ptr(),
            Self::I64(tensor, _) => tensor.ptr(),
            Self::I32(tensor, _) => tensor.ptr(),
            Self::Bool(tensor, _) => tensor.ptr(),
        }
    }
}

/// A tensor that a session writes its output into, allocated once.
pub(crate) fn output_tensor(info: &TensorInfo) -> Result<DynValue, ort::Error> {
    let (allocator, shape) = (Allocator::default(), shape(info));
    Ok(match info.element {
        ElementType::F32 => Tensor::<f32>::new(&allocator, shape)?.into_dyn(),
        ElementType::F16 => Tensor::<f16>::new(&allocator, shape)?.into_dyn(),
        ElementType::I64 => Tensor::<i64>::new(&allocator, shape)?.into_dyn(),
        ElementType::I32 => Tensor::<i32>::new(&allocator, shape)?.into_dyn(),
        ElementType::Bool => Tensor::<bool>::new(&allocator, shape)?.into_dyn(),
        ElementType::I8 | ElementType::U8 => return Err(inside(info)),
    })
}

/// Copies an output to the seam; the reason when it is not what was promised.
pub(crate) fn read_output(value: &DynValue, info: &TensorInfo, seam: &mut [f32]) -> Result<(), String> {
    let wrong = |e: ort::Error| format!("`{}`: {e}", info.name);
    let sized = |shape: &[i64], found: usize| {
        if found == seam.len() {
            return Ok(());
        }
        Err(format!("`{}` has shape {shape:?}, expected {:?}", info.name, info.shape))
    };
    match info.element {
        ElementType::F32 => {
            let (shape, found) = value.try_extract_tensor::<f32>().map_err(wrong)?;
            sized(shape, found.len())?;
            seam.copy_from_slice(found);
        }
        ElementType::F16 => {
            let (shape, found) = value.try_extract_tensor::<f16>().map_err(wrong)?;
            sized(shape, found.len())?;
            convert(found, seam, f16::to_f32);
        }
        ElementType::I64 => {
            let (shape, found) = value.try_extract_tensor::<i64>().map_err(wrong)?;
            sized(shape, found.len())?;
            convert(found, seam, |v| v as f32);
        }
        ElementType::I32 => {
            let (shape, found) = value.try_extract_tensor::<i32>().map_err(wrong)?;
            sized(shape, found.len())?;
            convert(found, seam, |v| v as f32);
        }
        ElementType::Bool => {
            let (shape, found) = value.try_extract_tensor::<bool>().map_err(wrong)?;
            sized(shape, found.len())?;
            convert(found, seam, |v| if v { 1.0 } else { 0.0 });
        }
        ElementType::I8 | ElementType::U8 => return Err(inside(info).to_string()),
    }
    Ok(())
}

/// Element type of a session's tensor, `None` for one the seam does not carry, with how the library calls it.
pub(crate) fn element(of: &ValueType) -> (Option<ElementType>, String) {
    let element = match of.tensor_type() {
        Some(TensorElementType::Float32) => Some(ElementType::F32),
        Some(TensorElementType::Float16) => Some(ElementType::F16),
        Some(TensorElementType::Int64) => Some(ElementType::I64),
        Some(TensorElementType::Int32) => Some(ElementType::I32),
        Some(TensorElementType::Bool) => Some(ElementType::Bool),
        _ => None,
    };
    (element, of.to_string())
}

/// Does a session's shape, -1 where it is open, take `wanted`?
pub(crate) fn takes(of: &ValueType, wanted: &[usize]) -> bool {
    of.tensor_shape().is_some_and(|shape| {
        shape.len() == wanted.len()
            && shape.iter().zip(wanted).all(|(d, w)| *d < 0 || usize::try_from(*d) == Ok(*w))
    })
}

/// Integers of 8 bits stand between the nodes of a graph; no manifest names a tensor of them.
fn inside(info: &TensorInfo) -> ort::Error {
    ort::Error::new(format!("`{}` holds {}, which stays inside a graph", info.name, info.element))
}

fn shape(info: &TensorInfo) -> Vec<i64> {
    info.shape.iter().map(|d| i64::try_from(*d).unwrap_or(i64::MAX)).collect()
}

fn convert<A: Copy, B>(from: &[A], to: &mut [B], with: impl Fn(A) -> B) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = with(*from);
    }
}
