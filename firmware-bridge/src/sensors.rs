//! Samples of the sensors on the bridge's buses, in the body frame.
//!
//! Every sensor frame echoes the counter of the SYNC it answers, so it names the cycle it was sampled in: this one,
//! or the one before when it came after the cutoff. Anything else, and any counter heard twice, is an old sample
//! however fresh its stamp on the bus, and is refused.
use arrayvec::ArrayVec;
use sinew_bus::{CanFrame, CanId};
use sinew_devices::{foot, imu};
use sinew_wire::{ContactSample, ImuSample, MAX_CONTACTS, MAX_IMUS};

use crate::config::{FootPlan, ImuPlan};

/// The newest samples and how long they have been missing.
#[derive(Clone, Debug)]
pub struct Sensors {
    imus: ArrayVec<ImuSlot, MAX_IMUS>,
    feet: ArrayVec<FootSlot, MAX_CONTACTS>,
    /// Counter of this cycle's SYNC.
    sync: u8,
    period_us: u32,
    /// Cycles without a sample that make a sensor silent.
    misses_max: u32,
}

#[derive(Clone, Debug)]
struct ImuSlot {
    plan: ImuPlan,
    sample: ImuSample,
    gyro: Half,
    accel: Half,
    missing: u32,
    on_time: bool,
}

/// One of the two frames that make an inertial sample.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    vector: [f32; 3],
    /// SYNC it answered.
    sync: Option<u8>,
}

#[derive(Clone, Debug)]
struct FootSlot {
    plan: FootPlan,
    sample: ContactSample,
    sync: Option<u8>,
    on_time: bool,
}

fn rotate(rotation: &[[f64; 3]; 3], v: [f64; 3]) -> [f32; 3] {
    rotation.map(|row| row.iter().zip(v).map(|(r, x)| r * x).sum::<f64>() as f32)
}

impl Sensors {
    pub fn new(imus: &[ImuPlan], feet: &[FootPlan], period_us: u32, misses_max: u32) -> Self {
        let imu = |plan: &ImuPlan| ImuSlot {
            plan: *plan,
            sample: ImuSample::default(),
            gyro: Half::default(),
            accel: Half::default(),
            missing: 0,
            on_time: false,
        };
        let foot = |plan: &FootPlan| FootSlot {
            plan: *plan,
            sample: ContactSample::default(),
            sync: None,
            on_time: false,
        };
        Self {
            imus: imus.iter().map(imu).collect(),
            feet: feet.iter().map(foot).collect(),
            sync: 0,
            period_us,
            misses_max,
        }
    }

    /// At the start of the cycle of SYNC `sync` every sample is a period older and not yet renewed.
    pub fn begin(&mut self, sync: u8) {
        self.sync = sync;
        for slot in &mut self.imus {
            slot.on_time = false;
            slot.sample.valid = 0;
            slot.sample.age_us = slot.sample.age_us.saturating_add(self.period_us);
        }
        for slot in &mut self.feet {
            slot.on_time = false;
            slot.sample.valid = 0;
            slot.sample.age_us = slot.sample.age_us.saturating_add(self.period_us);
        }
    }

    /// Periods since the SYNC that was answered, if that is this cycle's or the one before, and not `heard` already.
    fn lag(&self, answered: u8, heard: Option<u8>) -> Option<u32> {
        let lag = self.sync.wrapping_sub(answered);
        (lag <= 1 && heard != Some(answered)).then_some(u32::from(lag))
    }

    /// Takes a reply of `bus`; true when it was a sensor's.
    pub fn take(&mut self, bus: usize, frame: &CanFrame) -> bool {
        let CanId::Standard(id) = frame.id() else { return false };
        self.take_imu(bus, id, frame) || self.take_foot(bus, id, frame)
    }

    fn take_imu(&mut self, bus: usize, id: u16, frame: &CanFrame) -> bool {
        let is_ours = |s: &ImuSlot| s.plan.bus == bus && (s.plan.gyro_id == id || s.plan.accel_id == id);
        let Some(index) = self.imus.iter().position(is_ours) else { return false };
        let Ok(imu::Message::Gyro(sample) | imu::Message::Accel(sample)) = imu::decode(frame) else {
            return true;
        };
        let heard =
            self.imus.get(index).and_then(|s| if s.plan.gyro_id == id { s.gyro.sync } else { s.accel.sync });
        let lag = self.lag(sample.sequence, heard);
        let (Some(lag), Some(slot)) = (lag, self.imus.get_mut(index)) else { return true };
        // A rate at the end of its range is not the motion. A force there still says that something hit, and the
        // estimator knows the range and doubts it; coasting over a hit instead, it would look for the jump of the
        // velocity in its biases for seconds.
        if sample.status.failed || (sample.status.saturated && slot.plan.gyro_id == id) {
            return true;
        }
        let half =
            Half { vector: rotate(&slot.plan.body_from_sensor, sample.vector), sync: Some(sample.sequence) };
        if slot.plan.gyro_id == id {
            slot.gyro = half;
        } else {
            slot.accel = half;
        }
        if slot.gyro.sync == slot.accel.sync {
            slot.sample.gyro_rad_s = slot.gyro.vector;
            slot.sample.accel_m_s2 = slot.accel.vector;
            slot.sample.age_us = lag * self.period_us;
            slot.sample.valid = 1;
            slot.on_time = lag == 0;
            slot.missing = 0;
        }
        true
    }

    fn take_foot(&mut self, bus: usize, id: u16, frame: &CanFrame) -> bool {
        let Some(index) = self.feet.iter().position(|s| s.plan.bus == bus && s.plan.id == id) else {
            return false;
        };
        let Ok(sample) = foot::decode(frame) else { return true };
        let lag = self.lag(sample.sequence, self.feet.get(index).and_then(|s| s.sync));
        let (Some(lag), Some(slot)) = (lag, self.feet.get_mut(index)) else { return true };
        if !sample.status.failed {
            let (force_n, age_us) = (sample.force_n as f32, lag * self.period_us);
            slot.sample = ContactSample { force_n, age_us, valid: 1, reserved: [0; 3] };
            slot.sync = Some(sample.sequence);
            slot.on_time = lag == 0;
        }
        true
    }

    /// At the end of a cycle: how many sensor samples did not come in time.
    pub fn finish(&mut self) -> u32 {
        let mut late = 0;
        for slot in &mut self.imus {
            late += u32::from(!slot.on_time);
            if slot.sample.valid == 0 {
                slot.missing = slot.missing.saturating_add(1);
            }
        }
        late + self.feet.iter().filter(|slot| !slot.on_time).count() as u32
    }

    /// An inertial sensor has given nothing for too many cycles.
    pub fn imu_silent(&self) -> bool {
        self.imus.iter().any(|slot| slot.missing >= self.misses_max)
    }

    /// Angular rate of the first inertial sensor, rad/s, if it was heard in this cycle.
    pub fn gyro_rad_s(&self) -> Option<[f32; 3]> {
        self.imus.first().filter(|slot| slot.sample.valid == 1).map(|slot| slot.sample.gyro_rad_s)
    }

    pub fn imus(&self) -> impl Iterator<Item = &ImuSample> {
        self.imus.iter().map(|slot| &slot.sample)
    }

    pub fn contacts(&self) -> impl Iterator<Item = &ContactSample> {
        self.feet.iter().map(|slot| &slot.sample)
    }
}
