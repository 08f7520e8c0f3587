//! The judge: from counters and times to one status with its reason.
//!
//! Tilt is not judged here: a robot on its side may know very well where it is.

use nalgebra::Vector3;

use crate::{Config, Health, Reason, Status, filter::Outcome};

/// Time constant of the filtered innovation, s.
const NIS_S: f64 = 0.5;
/// One innovation counts at most this much per degree of freedom.
const NIS_CAP: f64 = 50.0;

#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    nis: f64,
    gated: u32,
    updates: u64,
    imu_missing: u32,
    feet_missing: u32,
    unaided_s: f64,
    covariance_ok: bool,
    // innovations of this step
    sum: f64,
    count: f64,
}

impl Monitor {
    pub fn new() -> Self {
        Self {
            nis: 1.0,
            gated: 0,
            updates: 0,
            imu_missing: 0,
            feet_missing: 0,
            unaided_s: 0.0,
            covariance_ok: true,
            sum: 0.0,
            count: 0.0,
        }
    }

    pub fn updates(&self) -> u64 {
        self.updates
    }

    pub fn imu_missing(&self) -> u32 {
        self.imu_missing
    }

    pub fn feet_missing(&self) -> u32 {
        self.feet_missing
    }

    /// The filter starts anew; totals stay.
    pub fn restart(&mut self) {
        self.nis = 1.0;
        self.unaided_s = 0.0;
    }

    /// Beginning of a step: what came.
    pub fn begin(&mut self, imu: bool, feet: bool, dt: f64) {
        let count = |present: bool, n: u32| if present { 0 } else { n.saturating_add(1) };
        self.imu_missing = count(imu, self.imu_missing);
        self.feet_missing = count(feet, self.feet_missing);
        self.unaided_s += dt;
        self.sum = 0.0;
        self.count = 0.0;
    }

    /// One contact innovation. False when the covariance behind it was broken.
    pub fn contact(&mut self, outcome: Outcome) -> bool {
        let square = match outcome {
            Outcome::Used(square) => {
                self.updates += 1;
                self.unaided_s = 0.0;
                square
            }
            Outcome::Gated(square) => {
                self.gated = self.gated.saturating_add(1);
                square
            }
            Outcome::Singular => return false,
        };
        self.sum += (square / 3.0).min(NIS_CAP);
        self.count += 1.0;
        true
    }

    /// A standstill bounded the velocity.
    pub fn standstill(&mut self) {
        self.unaided_s = 0.0;
    }

    pub fn covariance(&mut self, ok: bool) {
        self.covariance_ok = ok;
    }

    /// End of a step.
    pub fn end(&mut self, dt: f64) {
        if self.count > 0.0 {
            self.nis += (self.sum / self.count - self.nis) * (1.0 - (-dt / NIS_S).exp());
        }
    }

    /// Health while the filter runs.
    pub fn running(&self, gyro_bias: &Vector3<f64>, accel_bias: &Vector3<f64>, config: &Config) -> Health {
        let degraded = |yes: bool, reason: Reason| yes.then_some((Status::Degraded, reason));
        let invalid = |yes: bool, reason: Reason| yes.then_some((Status::Invalid, reason));
        // worst first; the first that holds is named
        let verdict = invalid(self.imu_missing > config.imu_missing_invalid, Reason::ImuMissing)
            .or(invalid(self.unaided_s > config.contact_lost_invalid_s, Reason::NoContact))
            .or(degraded(self.imu_missing > config.imu_missing_degraded, Reason::ImuMissing))
            .or(degraded(self.feet_missing > config.feet_missing_degraded, Reason::KinematicsMissing))
            .or(degraded(self.unaided_s > config.contact_lost_degraded_s, Reason::NoContact))
            .or(degraded(self.nis > config.nis_degraded, Reason::Innovations))
            .or(degraded(
                gyro_bias.amax() > config.gyro_bias_limit_rad_s
                    || accel_bias.amax() > config.accel_bias_limit_m_s2,
                Reason::BiasLimit,
            ));
        let (status, reason) = verdict.unwrap_or((Status::Healthy, Reason::None));
        self.health(status, reason)
    }

    /// Health while waiting for a standstill.
    pub fn health(&self, status: Status, reason: Reason) -> Health {
        Health {
            status,
            nis: self.nis,
            gated: self.gated,
            imu_missing: self.imu_missing,
            time_since_contact_s: self.unaided_s,
            covariance_ok: self.covariance_ok,
            reason,
        }
    }
}
