//! The library this room opens, and the version it is tested with.

use sinew_pinned::{Build, Pinned, Places};

/// MuJoCo, in the version the conformance suite was run with: another one changes what a run gives.
pub const MUJOCO: Pinned = Pinned {
    name: "MuJoCo",
    file: "libmujoco.so",
    package: "mujoco",
    version: "3.17.0",
    folder: "mujoco",
    other_versions: false,
    environment: "SINEW_MUJOCO",
    without: "engine rapier",
    builds: &[
        Build {
            arch: "x86_64",
            platform: "manylinux_2_27_x86_64.manylinux_2_28_x86_64",
            wheel: "d66928d86a2d1b601bbaa4dc11db50214d17d5301bb8afd84721313b67ff0874",
            library: "23496b023ee80fb61ab71167e94bc649f9941710fde96b18bb8204fb332523ad",
        },
        Build {
            arch: "aarch64",
            platform: "manylinux_2_27_aarch64.manylinux_2_28_aarch64",
            wheel: "91a70ed9979c383ff1f5c03f25cc2e1280a8254c1a8e558d5dd7f4184f01efc9",
            library: "e2edd0204fb9229f75f332a4fcd1a32345bb9f90651dc0fddfa20ec0670db789",
        },
    ],
};

/// Where this process looks for it.
#[must_use]
pub fn places() -> Places {
    Places::of_process(MUJOCO.environment)
}
