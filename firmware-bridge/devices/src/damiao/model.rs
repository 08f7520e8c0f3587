//! Models and their ranges.

use crate::mit::{Arithmetic, MitScaling};

/// A Damiao model. The ranges are those of the vendor's C++ driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// DM3507 (tables disagree on velocity and torque: read back).
    Dm3507,
    /// DM4310, 24 V.
    Dm4310,
    /// DM4310, 48 V.
    Dm4310V48,
    /// DM4340 (tables disagree on velocity: read back).
    Dm4340,
    /// DM6006.
    Dm6006,
    /// DM8006.
    Dm8006,
    /// DM8009.
    Dm8009,
    /// DM10010.
    Dm10010,
    /// DM10010L.
    Dm10010L,
}

impl Model {
    /// Every model.
    pub const ALL: [Model; 9] = [
        Model::Dm3507,
        Model::Dm4310,
        Model::Dm4310V48,
        Model::Dm4340,
        Model::Dm6006,
        Model::Dm8006,
        Model::Dm8009,
        Model::Dm10010,
        Model::Dm10010L,
    ];

    /// Name as printed on the drive and written in robot descriptions.
    pub const fn name(self) -> &'static str {
        match self {
            Model::Dm3507 => "DM3507",
            Model::Dm4310 => "DM4310",
            Model::Dm4310V48 => "DM4310_48V",
            Model::Dm4340 => "DM4340",
            Model::Dm6006 => "DM6006",
            Model::Dm8006 => "DM8006",
            Model::Dm8009 => "DM8009",
            Model::Dm10010 => "DM10010",
            Model::Dm10010L => "DM10010L",
        }
    }

    /// The model of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Model> {
        Model::ALL.into_iter().find(|model| model.name() == name)
    }
}

/// Ranges of a model as shipped. Gains are 0 to 500 and 0 to 5 on all.
pub const fn scaling(model: Model) -> MitScaling {
    let (v_max_rad_s, t_max_nm) = match model {
        Model::Dm3507 => (50.0, 5.0),
        Model::Dm4310 => (30.0, 10.0),
        Model::Dm4310V48 => (50.0, 10.0),
        Model::Dm4340 => (10.0, 28.0),
        Model::Dm6006 => (45.0, 20.0),
        Model::Dm8006 => (45.0, 40.0),
        Model::Dm8009 => (45.0, 54.0),
        Model::Dm10010 => (20.0, 200.0),
        Model::Dm10010L => (25.0, 200.0),
    };
    let mini_cheetah = MitScaling::mini_cheetah(12.5, v_max_rad_s, t_max_nm);
    MitScaling { arithmetic: Arithmetic::Double, ..mini_cheetah }
}
