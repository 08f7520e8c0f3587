//! Samples of the sensors on the bridge's buses, in the body frame.
use arrayvec::ArrayVec;
use sinew_bus::{CanFrame, CanId};
use sinew_devices::{foot, imu};
use sinew_wire::{ContactSample, ImuSample, MAX_CONTACTS, MAX_IMUS};

use crate::config::{FootPlan, ImuPlan};
use crate::drive::SILENT_AFTER;

/// The newest samples and how long they have been missing.
#[derive(Clone, Debug)]
pub struct Sensors {
    imus: ArrayVec<ImuSlot, MAX_IMUS>,
    feet: ArrayVec<FootSlot, MAX_CONTACTS>,
}

#[derive(Clone, Debug)]
struct ImuSlot {
    plan: ImuPlan,
    sample: ImuSample,
    gyro: bool,
    accel: bool,
    missing: u32,
}

#[derive(Clone, Debug)]
struct FootSlot {
    plan: FootPlan,
    sample: ContactSample,
}

fn rotate(rotation: &[[f64; 3]; 3], v: [f64; 3]) -> [f32; 3] {
    rotation.map(|row| row.iter().zip(v).map(|(r, x)| r * x).sum::<f64>() as f32)
}

impl Sensors {
    pub fn new(imus: &[ImuPlan], feet: &[FootPlan]) -> Self {
        let imu = |plan: &ImuPlan| ImuSlot {
            plan: *plan,
            sample: ImuSample::default(),
            gyro: false,
            accel: false,
            missing: 0,
        };
        Self {
            imus: imus.iter().map(imu).collect(),
            feet: feet.iter().map(|plan| FootSlot { plan: *plan, sample: ContactSample::default() }).collect(),
        }
    }

    /// At the start of a cycle every sample is a period older and not yet renewed.
    pub fn begin(&mut self, period_us: u32) {
        for slot in &mut self.imus {
            (slot.gyro, slot.accel) = (false, false);
            slot.sample.valid = 0;
            slot.sample.age_us = slot.sample.age_us.saturating_add(period_us);
        }
        for slot in &mut self.feet {
            slot.sample.valid = 0;
            slot.sample.age_us = slot.sample.age_us.saturating_add(period_us);
        }
    }

    /// Takes a reply of `bus`; true when it was a sensor's.
    pub fn take(&mut self, bus: usize, frame: &CanFrame, age_us: u32) -> bool {
        let CanId::Standard(id) = frame.id() else { return false };
        for slot in self.imus.iter_mut().filter(|s| s.plan.bus == bus) {
            match imu::decode(frame) {
                Ok(imu::Message::Gyro(sample)) if id == slot.plan.gyro_id && !sample.status.failed => {
                    slot.sample.gyro_rad_s = rotate(&slot.plan.body_from_sensor, sample.vector);
                    slot.gyro = true;
                }
                Ok(imu::Message::Accel(sample)) if id == slot.plan.accel_id && !sample.status.failed => {
                    slot.sample.accel_m_s2 = rotate(&slot.plan.body_from_sensor, sample.vector);
                    slot.accel = true;
                }
                _ => continue,
            }
            if slot.gyro && slot.accel {
                slot.sample.valid = 1;
                slot.sample.age_us = age_us;
                slot.missing = 0;
            }
            return true;
        }
        if let Some(slot) = self.feet.iter_mut().find(|s| s.plan.bus == bus && s.plan.id == id) {
            let Ok(sample) = foot::decode(frame) else { return false };
            if sample.status.failed {
                return true;
            }
            slot.sample = ContactSample { force_n: sample.force_n as f32, age_us, valid: 1, reserved: [0; 3] };
            return true;
        }
        false
    }

    /// At the end of a cycle: how many sensor samples did not come.
    pub fn finish(&mut self) -> u32 {
        let mut missing = 0;
        for slot in &mut self.imus {
            if slot.sample.valid == 0 {
                slot.missing = slot.missing.saturating_add(1);
                missing += 1;
            }
        }
        missing + self.feet.iter().filter(|slot| slot.sample.valid == 0).count() as u32
    }

    /// An inertial sensor has not answered for [`SILENT_AFTER`] cycles.
    pub fn imu_silent(&self) -> bool {
        self.imus.iter().any(|slot| slot.missing >= SILENT_AFTER)
    }

    /// Angular rate of the first inertial sensor, rad/s.
    pub fn gyro_rad_s(&self) -> Option<[f32; 3]> {
        self.imus.first().map(|slot| slot.sample.gyro_rad_s)
    }

    pub fn imus(&self) -> impl Iterator<Item = &ImuSample> {
        self.imus.iter().map(|slot| &slot.sample)
    }

    pub fn contacts(&self) -> impl Iterator<Item = &ContactSample> {
        self.feet.iter().map(|slot| &slot.sample)
    }
}
