//! The command line of `sinew model import`.
use clap::{Args, ValueEnum};
use std::path::PathBuf;

use crate::cli::RobotChoice;

#[derive(Debug, Args)]
pub struct ModelImport {
    /// The folder of the foreign policy.
    pub folder: PathBuf,
    #[command(flatten)]
    pub robot: RobotChoice,
    /// Its format [default: by its content].
    #[arg(long, value_enum)]
    pub from: Option<ImportKind>,
    /// Name of the model [default: the folder's name].
    #[arg(long)]
    pub name: Option<String>,
    /// What the files do not say, as KEY=VALUE (YAML), e.g. --set joints.kp=40; several times.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The same as a YAML file; --set wins.
    #[arg(long, value_name = "FILE")]
    pub set_file: Option<PathBuf>,
    /// Where the model is put [default: the robot's models].
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Replace a model of the same name.
    #[arg(long)]
    pub force: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportKind {
    /// LEAPP bundle (YAML, ONNX, initial values).
    Leapp,
    /// deploy.yaml of Isaac Lab trainings for Unitree robots.
    Unitree,
    /// rl_sar's config.yaml and base.yaml.
    RlSar,
    /// ONNX with metadata, or one the user describes by the same keys.
    OnnxMetadata,
    /// LeRobot's config.json with processors, and an ONNX export.
    Lerobot,
}

impl From<ImportKind> for sinew_inference::import::Kind {
    fn from(kind: ImportKind) -> Self {
        match kind {
            ImportKind::Leapp => Self::Leapp,
            ImportKind::Unitree => Self::Unitree,
            ImportKind::RlSar => Self::RlSar,
            ImportKind::OnnxMetadata => Self::OnnxMetadata,
            ImportKind::Lerobot => Self::Lerobot,
        }
    }
}
