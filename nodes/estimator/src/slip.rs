//! How much standing feet slip: the horizontal change of the vector between two standing feet over a stance.
//!
//! No gate and no force weight sees slow slip; this does. Two feet that each walk by sigma sqrt(T) change the
//! vector between them by 4 sigma^2 T in two axes. Motion common to both feet stays unseen, hence the floor.

use nalgebra::{Matrix3, Vector2};

use crate::{Config, MAX_FEET, input::CleanFoot};

/// First samples of a stance that are averaged, and skipped in time.
const LEAD: u32 = 8;
/// Shortest stance that is read, s.
const SHORTEST_S: f64 = 0.12;
/// Share of the newest sample in the running end vector.
const BLEND: f64 = 0.22;

#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    samples: u32,
    time_s: f64,
    first: Vector2<f64>,
    current: Vector2<f64>,
}

#[derive(Clone, Debug)]
pub(crate) struct SlipMeter {
    pairs: [[Pair; MAX_FEET]; MAX_FEET],
    /// Mean slip, m^2/s.
    mean: f64,
    readings: u32,
    walk: f64,
}

impl SlipMeter {
    pub fn new(config: &Config) -> Self {
        Self {
            pairs: [[Pair::default(); MAX_FEET]; MAX_FEET],
            mean: config.contact_walk * config.contact_walk,
            readings: 0,
            walk: config.contact_walk,
        }
    }

    /// Contact walk to use, m/sqrt(s).
    pub fn walk(&self) -> f64 {
        self.walk
    }

    /// Takes one cycle: the feet that carry the state, and the attitude.
    pub fn update(
        &mut self,
        feet: &[Option<CleanFoot>; MAX_FEET],
        carrying: &[bool; MAX_FEET],
        rotation: &Matrix3<f64>,
        still: bool,
        dt: f64,
        config: &Config,
    ) {
        for a in 0..MAX_FEET {
            for b in 0..a {
                let pair = &mut self.pairs[a][b];
                if carrying[a] && carrying[b] {
                    // a lost frame only makes the stance shorter
                    let (Some(p), Some(q)) = (&feet[a], &feet[b]) else { continue };
                    pair.take((rotation * (p.position - q.position)).xy(), dt);
                } else if pair.samples > 0 {
                    let ended = std::mem::take(pair);
                    // a standing robot does not slip; reading it would make the meter forget how the walk was
                    if ended.time_s > SHORTEST_S && !still {
                        self.read(&ended, config);
                    }
                }
            }
        }
    }

    fn read(&mut self, stance: &Pair, config: &Config) {
        let change = stance.current - stance.first;
        let time = stance.time_s;
        // what encoder noise does to the two means, two feet and two axes
        let lever = 0.25 * config.kinematics_std.joint_rad;
        let noise = 4.0 * lever * lever * (1.0 / f64::from(LEAD) + BLEND / (2.0 - BLEND));
        let reading = ((change.norm_squared() - noise) / (4.0 * time)).clamp(0.0, 8.0 * self.mean.max(1e-5));
        self.readings = self.readings.saturating_add(1);
        let share = (1.0 / f64::from(self.readings)).max(0.01);
        self.mean += (reading - self.mean) * share;
        self.walk =
            (self.mean.sqrt() * config.slip_gain).clamp(config.contact_walk_min, config.contact_walk_max);
    }
}

impl Pair {
    fn take(&mut self, vector: Vector2<f64>, dt: f64) {
        self.samples = self.samples.saturating_add(1);
        if self.samples <= LEAD {
            self.first += (vector - self.first) / f64::from(self.samples);
            self.current = self.first;
        } else {
            self.time_s += dt;
            self.current += (vector - self.current) * BLEND;
        }
    }
}
