//! Constant tensors: values inside the graph, or in a file beside it.

use super::graph::{Constant, ConstantData, GraphError, MAX_RANK, MAX_TENSOR_LEN};
use super::protobuf::Fields;
use super::read::{refuse_lfs_pointer, unsupported};
use crate::engine::ElementType;

/// Gives the bytes of a file by the name that the graph calls it.
pub(super) type External<'a, 'f> = dyn Fn(&str) -> Option<&'a [u8]> + 'f;

/// A tensor as the file has it, its values not yet decoded.
#[derive(Default)]
struct Parts<'a> {
    name: String,
    dims: Vec<i64>,
    element_type: i64,
    floats: Vec<f32>,
    ints: Vec<i64>,
    raw: Option<&'a [u8]>,
    outside: bool,
    reference: Reference,
}

/// Where in another file the values lie.
#[derive(Default)]
struct Reference {
    location: Option<String>,
    offset: Option<String>,
    length: Option<String>,
}

/// Reads a constant tensor.
pub(super) fn parse<'a>(fields: Fields<'a>, external: &External<'a, '_>) -> Result<Constant, GraphError> {
    let mut parts = read(fields)?;
    let (shape, len) = shape_of(&parts.name, &parts.dims)?;
    let element = ElementType::from_onnx(parts.element_type).ok_or_else(|| {
        let item = format!("{} of tensor `{}`", parts.element_type, parts.name);
        unsupported(
            "element type",
            item,
            "export with f32, f16 or 8-bit weights and int32, int64 or bool indices",
        )
    })?;
    if parts.outside {
        parts.raw = Some(fetch(&parts, len.checked_mul(width(element)), external)?);
    }
    let data = decode(element, &parts)?;
    let whole = parts.raw.is_none_or(|bytes| bytes.len() % width(element) == 0);
    if data.len() != len || !whole {
        return Err(GraphError::TensorSize {
            name: parts.name,
            shape: parts.dims,
            expected: len.to_string(),
            found: data.len(),
        });
    }
    Ok(Constant { name: parts.name, element, shape, data })
}

/// The file in which a tensor's values lie; `None` when they are in the graph.
pub(super) fn external_file(fields: Fields<'_>) -> Result<Option<String>, GraphError> {
    let parts = read(fields)?;
    if parts.outside { Ok(Some(location(&parts)?.to_owned())) } else { Ok(None) }
}

fn read(mut fields: Fields<'_>) -> Result<Parts<'_>, GraphError> {
    let mut parts = Parts::default();
    while let Some(field) = fields.next_field()? {
        match field.number {
            1 => field.ints_into(&mut parts.dims)?,
            2 => parts.element_type = field.int()?,
            4 => field.floats_into(&mut parts.floats)?,
            5 | 7 => field.ints_into(&mut parts.ints)?,
            8 => parts.name = field.text()?.to_owned(),
            9 => parts.raw = Some(field.bytes()?),
            13 => parts.reference.entry(field.message()?)?,
            14 => parts.outside = field.int()? == 1,
            _ => {}
        }
    }
    Ok(parts)
}

impl Reference {
    fn entry(&mut self, mut fields: Fields<'_>) -> Result<(), GraphError> {
        let (mut key, mut value) = ("", "");
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => key = field.text()?,
                2 => value = field.text()?,
                _ => {}
            }
        }
        match key {
            "location" => self.location = Some(value.to_owned()),
            "offset" => self.offset = Some(value.to_owned()),
            "length" => self.length = Some(value.to_owned()),
            _ => {} // a checksum; the manifest pins the whole file
        }
        Ok(())
    }
}

fn location<'p>(parts: &'p Parts<'_>) -> Result<&'p str, GraphError> {
    let wrong = |found: String, expected: &'static str| GraphError::External {
        tensor: parts.name.clone(),
        found,
        expected,
    };
    let location = parts.reference.location.as_deref().unwrap_or("");
    if location.is_empty() {
        return Err(wrong("no location".to_owned(), "the name of a file beside the graph"));
    }
    let leaves =
        location.starts_with('/') || location.contains('\\') || location.split('/').any(|p| p == "..");
    if leaves {
        return Err(wrong(format!("location `{location}`"), "a file beside the graph, without `..`"));
    }
    Ok(location)
}

fn fetch<'a>(
    parts: &Parts<'a>,
    needed: Option<usize>,
    external: &External<'a, '_>,
) -> Result<&'a [u8], GraphError> {
    let file = location(parts)?;
    let number = |key: &str, text: &Option<String>| match text.as_deref().map(str::parse::<u64>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(GraphError::External {
            tensor: parts.name.clone(),
            found: format!("{key} `{}`", text.as_deref().unwrap_or("")),
            expected: "a number of bytes",
        }),
    };
    let offset = number("offset", &parts.reference.offset)?.unwrap_or(0);
    let length = number("length", &parts.reference.length)?.or(needed.map(|n| n as u64)).unwrap_or(u64::MAX);
    let bytes = external(file)
        .ok_or_else(|| GraphError::ExternalMissing { tensor: parts.name.clone(), file: file.to_owned() })?;
    refuse_lfs_pointer(file, bytes)?;
    let end = offset.saturating_add(length);
    let range = usize::try_from(offset).ok().zip(usize::try_from(end).ok());
    range.and_then(|(from, to)| bytes.get(from..to)).ok_or_else(|| GraphError::ExternalRange {
        tensor: parts.name.clone(),
        file: file.to_owned(),
        offset,
        end,
        bytes: bytes.len(),
    })
}

/// Bytes per value in raw data.
fn width(element: ElementType) -> usize {
    match element {
        ElementType::F32 | ElementType::I32 => 4,
        ElementType::F16 => 2,
        ElementType::I64 => 8,
        ElementType::Bool | ElementType::I8 | ElementType::U8 => 1,
    }
}

fn decode(element: ElementType, parts: &Parts<'_>) -> Result<ConstantData, GraphError> {
    let ints = |decode: &dyn Fn(&[u8]) -> Vec<i64>| match parts.raw {
        Some(bytes) => decode(bytes),
        None => parts.ints.clone(),
    };
    let values = match element {
        ElementType::F32 => match parts.raw {
            Some(bytes) => words(bytes, f32::from_le_bytes),
            None => parts.floats.clone(),
        },
        // Without raw data the bits stand in the integers.
        ElementType::F16 => match parts.raw {
            Some(bytes) => words(bytes, |b| widen(u16::from_le_bytes(b))),
            None => parts.ints.iter().map(|bits| widen(*bits as u16)).collect(),
        },
        ElementType::I32 => {
            return whole(element, parts, ints(&|b| words(b, |w| i64::from(i32::from_le_bytes(w)))));
        }
        ElementType::I8 => {
            return whole(element, parts, ints(&|b| words(b, |w| i64::from(i8::from_le_bytes(w)))));
        }
        ElementType::U8 => {
            return whole(element, parts, ints(&|b| b.iter().map(|v| i64::from(*v)).collect()));
        }
        ElementType::I64 => return Ok(ConstantData::I64(ints(&|b| words(b, i64::from_le_bytes)))),
        ElementType::Bool => {
            let truth = |b: &[u8]| b.iter().map(|v| i64::from(*v != 0)).collect();
            return Ok(ConstantData::I64(ints(&truth)));
        }
    };
    if let Some((index, value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(GraphError::NonFinite { name: parts.name.clone(), index, value: *value });
    }
    Ok(ConstantData::F32(values))
}

/// Whole numbers, all of which `element` can hold: those that are not raw stand in wider ones.
fn whole(element: ElementType, parts: &Parts<'_>, values: Vec<i64>) -> Result<ConstantData, GraphError> {
    let (low, high) = element.byte_range().unwrap_or((i64::from(i32::MIN), i64::from(i32::MAX)));
    match values.iter().enumerate().find(|(_, v)| !(low..=high).contains(*v)) {
        None => Ok(ConstantData::I64(values)),
        Some((index, value)) => {
            Err(GraphError::OutOfRange { name: parts.name.clone(), index, value: *value, element })
        }
    }
}

fn words<const N: usize, T>(bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (words, _) = bytes.as_chunks::<N>();
    words.iter().map(|w| decode(*w)).collect()
}

/// A 16-bit float, exactly.
fn widen(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x3ff);
    match (bits >> 10) & 0x1f {
        0 => sign * fraction / 16_777_216.0, // steps of 2^-24
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        exponent => {
            let power = f32::from_bits((u32::from(exponent) + 112) << 23); // 2^(exponent - 15)
            sign * (1.0 + fraction / 1024.0) * power
        }
    }
}

fn shape_of(name: &str, dims: &[i64]) -> Result<(Vec<usize>, usize), GraphError> {
    if dims.len() > MAX_RANK {
        let item = format!("`{name}` of {} dimensions", dims.len());
        return Err(unsupported("tensor", item, "export with at most 16 dimensions"));
    }
    let mut shape = Vec::with_capacity(dims.len());
    let mut len = 1usize;
    for &dim in dims {
        let size = usize::try_from(dim).ok();
        let product = size.and_then(|n| len.checked_mul(n)).filter(|n| *n <= MAX_TENSOR_LEN);
        let (Some(size), Some(product)) = (size, product) else {
            return Err(GraphError::TensorSize {
                name: name.to_owned(),
                shape: dims.to_vec(),
                expected: format!("0 to {MAX_TENSOR_LEN}"),
                found: 0,
            });
        };
        shape.push(size);
        len = product;
    }
    Ok((shape, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_widened_exactly() {
        let cases = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65_504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
        ];
        for (bits, value) in cases {
            assert_eq!(widen(bits), value, "{bits:#x}");
        }
        assert!(widen(0x7e00).is_nan() && widen(0xfc00) == f32::NEG_INFINITY);
    }
}
