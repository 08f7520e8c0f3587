//! The standard messages this room speaks, each declared once: Rust type, CDR and type description together.
//!
//! Values, units and frames are those of the ROS interface packages of the same names (Jazzy).
use crate::cdr::{CdrReader, CdrWriter, DecodeError, EncodeError};
use crate::rihs01::{FieldType, TypeDescription};
use std::collections::BTreeMap;

/// Anything that can be a field.
pub trait Field: Sized {
    const TYPE: FieldType;
    /// Fewest bytes one value takes, alignment left out; bounds what a count may claim.
    const MIN_BYTES: usize;
    /// The value of a field nobody has set.
    fn empty() -> Self;
    fn write(&self, out: &mut CdrWriter<'_>);
    /// # Errors
    /// Where and why the bytes do not fit.
    fn read(from: &mut CdrReader<'_>) -> Result<Self, DecodeError>;
    /// Adds the types this field uses.
    fn describe(_types: &mut BTreeMap<&'static str, TypeDescription>) {}
}

/// A whole message.
pub trait Message: Field {
    /// `package/msg/Name`.
    const NAME: &'static str;

    /// Writes the message with its header into `out`, whose memory is reused.
    ///
    /// # Errors
    /// Too large, or a string that CDR cannot carry.
    fn to_cdr(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut writer = CdrWriter::new(out);
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads a message with its header; padding after the last field is allowed.
    ///
    /// # Errors
    /// Where and why the bytes do not fit.
    fn from_cdr(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::read(&mut CdrReader::new(bytes)?)
    }
}

macro_rules! primitive_field {
    ($($ty:ty = $id:literal),*) => { $(
        impl Field for $ty {
            const TYPE: FieldType = FieldType::primitive($id);
            const MIN_BYTES: usize = size_of::<$ty>();
            fn empty() -> Self { Self::default() }
            fn write(&self, out: &mut CdrWriter<'_>) { out.primitive(self.to_le_bytes()); }
            fn read(from: &mut CdrReader<'_>) -> Result<Self, DecodeError> {
                from.primitive().map(Self::from_le_bytes)
            }
        }
    )* };
}
primitive_field!(i8 = 2, u8 = 3, i16 = 4, u16 = 5, i32 = 6, u32 = 7, i64 = 8, u64 = 9, f32 = 10, f64 = 11);

impl Field for bool {
    const TYPE: FieldType = FieldType::primitive(15);
    const MIN_BYTES: usize = 1;
    fn empty() -> Self {
        false
    }
    fn write(&self, out: &mut CdrWriter<'_>) {
        out.primitive([u8::from(*self)]);
    }
    fn read(from: &mut CdrReader<'_>) -> Result<Self, DecodeError> {
        from.bool()
    }
}

/// ROS `byte`: eight bits that a type description tells apart from `uint8`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Byte(pub u8);

impl Field for Byte {
    const TYPE: FieldType = FieldType::primitive(16);
    const MIN_BYTES: usize = 1;
    fn empty() -> Self {
        Self(0)
    }
    fn write(&self, out: &mut CdrWriter<'_>) {
        out.primitive([self.0]);
    }
    fn read(from: &mut CdrReader<'_>) -> Result<Self, DecodeError> {
        from.primitive().map(|[byte]| Self(byte))
    }
}

impl Field for String {
    const TYPE: FieldType = FieldType::primitive(17);
    const MIN_BYTES: usize = 4;
    fn empty() -> Self {
        Self::new()
    }
    fn write(&self, out: &mut CdrWriter<'_>) {
        out.string(self);
    }
    fn read(from: &mut CdrReader<'_>) -> Result<Self, DecodeError> {
        from.string().map(str::to_owned)
    }
}

impl<T: Field> Field for Vec<T> {
    const TYPE: FieldType = T::TYPE.sequence();
    const MIN_BYTES: usize = 4;
    fn empty() -> Self {
        Self::new()
    }
    fn write(&self, out: &mut CdrWriter<'_>) {
        out.count(self.len());
        self.iter().for_each(|item| item.write(out));
    }
    fn read(from: &mut CdrReader<'_>) -> Result<Self, DecodeError> {
        let count = from.count(T::MIN_BYTES)?;
        (0..count).map(|_| T::read(from)).collect()
    }
    fn describe(types: &mut BTreeMap<&'static str, TypeDescription>) {
        T::describe(types);
    }
}

impl<T: Field + Copy, const N: usize> Field for [T; N] {
    const TYPE: FieldType = T::TYPE.array(N as u32);
    const MIN_BYTES: usize = N * T::MIN_BYTES;
    fn empty() -> Self {
        [T::empty(); N]
    }
    fn write(&self, out: &mut CdrWriter<'_>) {
        self.iter().for_each(|item| item.write(out));
    }
    fn read(from: &mut CdrReader<'_>) -> Result<Self, DecodeError> {
        let mut items = Self::empty();
        for item in &mut items {
            *item = T::read(from)?;
        }
        Ok(items)
    }
    fn describe(types: &mut BTreeMap<&'static str, TypeDescription>) {
        T::describe(types);
    }
}

/// Declares a message: `message! { Name = "package/msg/Name" { field: Type, .. } }`; `= value` after a type is the
/// interface's own default.
macro_rules! message {
    ($($(#[$meta:meta])* $name:ident = $ros:literal {
        $($(#[$fmeta:meta])* $field:ident: $ty:ty $(= $default:expr)?,)*
    })*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }

        impl Default for $name {
            fn default() -> Self { Self { $($field: message!(@default $ty $(, $default)?),)* } }
        }
        impl crate::msg::Field for $name {
            const TYPE: crate::rihs01::FieldType = crate::rihs01::FieldType::nested($ros);
            const MIN_BYTES: usize = 0 $(+ <$ty as crate::msg::Field>::MIN_BYTES)*;
            fn empty() -> Self { Self::default() }
            fn write(&self, out: &mut crate::cdr::CdrWriter<'_>) {
                $(crate::msg::Field::write(&self.$field, out);)*
            }
            fn read(from: &mut crate::cdr::CdrReader<'_>) -> Result<Self, crate::cdr::DecodeError> {
                Ok(Self { $($field: crate::msg::Field::read(from)?,)* })
            }
            fn describe(types: &mut std::collections::BTreeMap<&'static str, crate::rihs01::TypeDescription>) {
                $(<$ty as crate::msg::Field>::describe(types);)*
                types.insert($ros, vec![$((stringify!($field), <$ty as crate::msg::Field>::TYPE),)*]);
            }
        }
        impl crate::msg::Message for $name { const NAME: &'static str = $ros; }
    )* };
    (@default $ty:ty) => { <$ty as crate::msg::Field>::empty() };
    (@default $ty:ty, $default:expr) => { $default };
}

pub mod builtin_interfaces;
pub mod diagnostic_msgs;
pub mod geometry_msgs;
pub mod nav_msgs;
pub mod rosgraph_msgs;
pub mod sensor_msgs;
pub mod std_msgs;
pub mod tf2_msgs;
