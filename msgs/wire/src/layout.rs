//! One macro that declares a wire struct, its size and the text its schema hash is made of, so that they cannot
//! drift apart.

/// 32-bit FNV-1a, usable in constants: schema hashes and robot ids.
#[must_use]
pub const fn fnv1a(text: &str, mut hash: u32) -> u32 {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    hash
}

/// Start value of [`fnv1a`].
pub const FNV_OFFSET: u32 = 0x811c_9dc5;

/// Declares a `repr(C)` struct without padding, asserts its size, and records its layout as text.
macro_rules! wire_struct {
    ($(#[$meta:meta])* pub struct $name:ident[$size:literal] { $($(#[$fmeta:meta])* pub $field:ident: $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout,
        )]
        #[repr(C)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }
        impl $name {
            /// Names and types of the fields in order: the input of the schema hash.
            pub const LAYOUT: &'static str =
                concat!(stringify!($name), "{", $(stringify!($field), ":", stringify!($ty), ";",)* "}");
        }
        const _: () = assert!(core::mem::size_of::<$name>() == $size, "wire layout changed: bump VERSION, renew the golden bytes");
    };
}
