//! The library this room opens, and the version it is tested with.

use sinew_pinned::{Build, Pinned, Places};

/// ONNX Runtime; the pinned version is the newest the parity tests were run with.
pub const ONNX_RUNTIME: Pinned = Pinned {
    name: "onnxruntime",
    file: "libonnxruntime.so",
    package: "onnxruntime",
    version: "1.32.0",
    folder: "onnxruntime/capi",
    other_versions: true,
    environment: "ORT_DYLIB_PATH",
    without: "engine = [\"native\"]",
    builds: &[
        Build {
            arch: "x86_64",
            platform: "manylinux_2_28_x86_64",
            wheel: "5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d",
            library: "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
        },
        Build {
            arch: "aarch64",
            platform: "manylinux_2_28_aarch64",
            wheel: "2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c",
            library: "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
        },
    ],
};

/// Where this process looks for it.
pub fn places() -> Places {
    Places::of_process(ONNX_RUNTIME.environment)
}
