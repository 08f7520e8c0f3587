//! The twin's trace on disk, from the twin's process to whoever judges the run.
use anyhow::{Context, Result, ensure};
use sinew_stack::{StepTrace, Trace};
use std::path::Path;

/// 64-bit words per step.
const WORDS: usize = 14;

/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, trace: &Trace) -> Result<()> {
    let mut bytes = Vec::with_capacity(trace.steps.len() * WORDS * 8);
    for s in &trace.steps {
        let [vx, vy, wz] = s.velocity.map(f64::to_bits);
        let words: [u64; WORDS] = [
            s.step,
            vx,
            vy,
            wz,
            s.height_m.to_bits(),
            s.tilt_rad.to_bits(),
            u64::from(s.trunk_contact),
            s.torque_peak_nm.to_bits(),
            s.temperature_c.to_bits(),
            s.stiff,
            s.watchdogs,
            s.pushes,
            s.target_step_rad.to_bits(),
            u64::from(s.held),
        ];
        for word in words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// # Errors
/// When the file cannot be read or was cut.
pub fn read(path: &Path) -> Result<Trace> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    ensure!(bytes.len() % (WORDS * 8) == 0, "{}: cut in the middle of a step", path.display());
    let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let steps = words.as_chunks::<WORDS>().0.iter().map(|w| {
        let [
            step,
            vx,
            vy,
            wz,
            height,
            tilt,
            trunk,
            torque,
            temperature,
            stiff,
            watchdogs,
            pushes,
            target_step,
            held,
        ] = *w;
        StepTrace {
            step,
            velocity: [vx, vy, wz].map(f64::from_bits),
            height_m: f64::from_bits(height),
            tilt_rad: f64::from_bits(tilt),
            trunk_contact: trunk != 0,
            torque_peak_nm: f64::from_bits(torque),
            temperature_c: f64::from_bits(temperature),
            stiff,
            watchdogs,
            pushes,
            target_step_rad: f64::from_bits(target_step),
            held: held != 0,
            ..StepTrace::default()
        }
    });
    Ok(Trace { steps: steps.collect() })
}
