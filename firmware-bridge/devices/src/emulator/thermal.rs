//! Winding and power stage temperature: heat with the square of the torque, first order each.

use crate::damiao::Model;

/// Thermal behaviour of a drive. Figures of `of` are round estimates from rated torques; a robot
/// description may carry better ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThermalModel {
    /// Torque that the drive holds for ever, N m.
    pub rated_torque_nm: f64,
    /// Rise of the windings above ambient at rated torque, K.
    pub rotor_rise_c: f64,
    /// Time constant of the windings, s.
    pub rotor_time_s: f64,
    /// Rise of the power stage above ambient at rated torque, K.
    pub mos_rise_c: f64,
    /// Time constant of the power stage, s.
    pub mos_time_s: f64,
    /// Windings fault at this temperature, degrees Celsius; the drive's OT register as shipped.
    pub rotor_trip_c: f64,
    /// Power stage faults at this temperature, degrees Celsius.
    pub mos_trip_c: f64,
}

impl ThermalModel {
    /// A plausible model of a drive.
    pub const fn of(model: Model) -> Self {
        let rated_torque_nm = match model {
            Model::Dm3507 => 1.0,
            Model::Dm4310 | Model::Dm4310V48 => 3.0,
            Model::Dm6006 => 4.0,
            Model::Dm8006 => 8.0,
            Model::Dm4340 => 9.0,
            Model::Dm8009 => 20.0,
            Model::Dm10010 | Model::Dm10010L => 50.0,
        };
        ThermalModel {
            rated_torque_nm,
            rotor_rise_c: 60.0,
            rotor_time_s: 300.0,
            mos_rise_c: 40.0,
            mos_time_s: 60.0,
            rotor_trip_c: 100.0,
            mos_trip_c: 110.0,
        }
    }

    /// Advances a temperature pair (rotor, power stage) by `dt_s` under a constant torque.
    pub(crate) fn advance(
        &self,
        now: Temperatures,
        ambient_c: f64,
        torque_nm: f64,
        dt_s: f64,
    ) -> Temperatures {
        let share = torque_nm / self.rated_torque_nm;
        let heat = share * share;
        let toward = |from: f64, rise: f64, time_s: f64| {
            let next = from + (ambient_c + rise * heat - from) * (dt_s / time_s).min(1.0);
            // A model with impossible figures leaves the temperature as it was.
            if next.is_finite() { next } else { from }
        };
        Temperatures {
            rotor_c: toward(now.rotor_c, self.rotor_rise_c, self.rotor_time_s),
            mos_c: toward(now.mos_c, self.mos_rise_c, self.mos_time_s),
        }
    }
}

/// Temperatures of one drive, degrees Celsius.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Temperatures {
    pub rotor_c: f64,
    pub mos_c: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settles_at_the_square_of_the_torque() {
        let model = ThermalModel::of(Model::Dm8009);
        let mut now = Temperatures { rotor_c: 25.0, mos_c: 25.0 };
        for _ in 0..6000 {
            now = model.advance(now, 25.0, 10.0, 1.0);
        }
        assert!((now.rotor_c - (25.0 + 60.0 / 4.0)).abs() < 0.01);
        assert!((now.mos_c - (25.0 + 40.0 / 4.0)).abs() < 0.01);
    }

    #[test]
    fn impossible_figures_change_nothing() {
        let model = ThermalModel { rated_torque_nm: 0.0, ..ThermalModel::of(Model::Dm8009) };
        let now = Temperatures { rotor_c: 25.0, mos_c: 25.0 };
        assert_eq!(model.advance(now, 25.0, 0.0, 0.001), now);
    }
}
