//! Which instructions a run uses, found once when an engine is built.
//!
//! Portable code multiplies, rounds, adds and rounds again, the same on every CPU. With AVX2 and FMA (x86-64) or
//! NEON (aarch64) a product and a sum are rounded once, so the last bits differ **between** the two kinds; on one
//! machine and one kind they are the same every run. Whoever needs the same bits on different machines builds the
//! engine with [`Kernels::PORTABLE`].
#![allow(unsafe_code)] // one call, into code compiled for instructions that were found on this CPU

use super::step::{Memory, Step};

/// The instructions a run uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels(Kind);

/// Private, so that `Fused` exists only where its instructions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    Fused,
}

impl Kernels {
    /// Plain code: the same bits on every CPU.
    pub const PORTABLE: Self = Self(Kind::Portable);

    /// The fastest this CPU has.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        let fused = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
        #[cfg(not(target_arch = "x86_64"))]
        let fused = cfg!(target_arch = "aarch64");
        Self(if fused { Kind::Fused } else { Kind::Portable })
    }

    /// For reports: `portable`, `AVX2+FMA` or `NEON`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            Kind::Fused if cfg!(target_arch = "x86_64") => "AVX2+FMA",
            Kind::Fused => "NEON",
        }
    }

    /// Carries all steps out.
    pub(super) fn run(self, steps: &[Step], memory: &Memory, arena: &mut [f32]) {
        match self.0 {
            Kind::Portable => run_steps::<Separate>(steps, memory, arena),
            // SAFETY: a `Kernels` of kind `Fused` is only made by `best`, which found AVX2 and FMA on this CPU.
            #[cfg(target_arch = "x86_64")]
            Kind::Fused => unsafe { run_fused(steps, memory, arena) },
            #[cfg(not(target_arch = "x86_64"))]
            Kind::Fused => run_steps::<Fused>(steps, memory, arena),
        }
    }
}

/// A product and a sum, rounded twice or once.
pub(super) trait Arithmetic {
    /// Are there registers for the sums of two panels at once?
    const PAIRS: bool;

    /// `a * b + c`.
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// Rounds the product, then the sum.
pub(super) struct Separate;

impl Arithmetic for Separate {
    const PAIRS: bool = false;

    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// Rounds once; only for code compiled with such an instruction, else it is a slow library call.
pub(super) struct Fused;

impl Arithmetic for Fused {
    const PAIRS: bool = true;

    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

/// Everything a step does is inlined here, so that all of it is compiled for these instructions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_fused(steps: &[Step], memory: &Memory, arena: &mut [f32]) {
    run_steps::<Fused>(steps, memory, arena);
}

#[inline(always)]
fn run_steps<A: Arithmetic>(steps: &[Step], memory: &Memory, arena: &mut [f32]) {
    for step in steps {
        step.run::<A>(memory, arena);
    }
}
