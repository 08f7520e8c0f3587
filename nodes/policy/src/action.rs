//! From the graph's outputs to joint targets and to what is fed back.

use sinew_inference::Engine;
use sinew_inference::manifest::{Output, OutputKind};

/// The action pipeline with its memory.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    target_output: usize,
    feedback_output: usize,
    scale: Vec<f64>,
    offset_rad: Vec<f64>,
    clip_rad: Option<Vec<[f64; 2]>>,
    /// The graph's last action as it came out.
    pub(crate) last_raw: Vec<f32>,
    /// The last targets, rad, in the policy's order.
    pub(crate) last_applied: Vec<f32>,
}

impl Action {
    /// `index` finds a tensor among the engine's outputs. `None` when an output is missing.
    pub(crate) fn new(
        outputs: &[Output],
        joints: usize,
        index: impl Fn(&str) -> Option<usize>,
    ) -> Option<Self> {
        let mut target = None;
        let mut feedback = None;
        for output in outputs {
            let at = index(&output.tensor)?;
            match &output.kind {
                OutputKind::Feedback => feedback = Some(at),
                OutputKind::JointTarget { scale, offset_rad, clip_rad } => {
                    target = Some((at, scale.clone(), offset_rad.clone(), clip_rad.clone()));
                }
            }
        }
        let (target_output, scale, offset_rad, clip_rad) = target?;
        Some(Self {
            target_output,
            feedback_output: feedback.unwrap_or(target_output),
            scale,
            offset_rad,
            clip_rad,
            last_raw: vec![0.0; joints],
            last_applied: vec![0.0; joints],
        })
    }

    /// As after an activation: nothing was done yet.
    pub(crate) fn reset(&mut self) {
        self.last_raw.fill(0.0);
        self.last_applied.fill(0.0);
    }

    /// Takes the outputs of a run; false, and nothing remembered of use, when one is not finite.
    pub(crate) fn take(&mut self, engine: &dyn Engine) -> bool {
        let fed_back = engine.output(self.feedback_output);
        let targets = engine.output(self.target_output);
        if fed_back.len() != self.last_raw.len() || targets.len() != self.last_applied.len() {
            return false;
        }
        self.last_raw.copy_from_slice(fed_back);
        let pipeline = targets.iter().zip(&self.scale).zip(&self.offset_rad);
        for (index, (slot, ((value, scale), offset))) in
            self.last_applied.iter_mut().zip(pipeline).enumerate()
        {
            let rad = offset + scale * f64::from(*value);
            let clip = self.clip_rad.as_ref().and_then(|c| c.get(index));
            *slot = clip.map_or(rad, |[lo, hi]| rad.clamp(*lo, *hi)) as f32;
        }
        self.last_raw.iter().chain(&self.last_applied).all(|v| v.is_finite())
    }
}
