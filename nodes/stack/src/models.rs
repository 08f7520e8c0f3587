//! Where a scenario's models come from: beside the scenario first, then the robot's own.
use std::path::{Path, PathBuf};

use sinew_inference::{Directory, Source, SourceError};

/// Two folders of models, searched in order. A manifest that a scenario brings may so be checked against the robot's
/// own graph and golden vectors without a copy of them.
#[derive(Clone, Debug)]
pub struct Models {
    beside: (PathBuf, Directory),
    robot: Directory,
}

impl Models {
    /// The `models` folders beside the scenario `file` and in `robot_folder`; the first need not exist.
    #[must_use]
    pub fn of(file: &Path, robot_folder: &Path) -> Self {
        let beside = file.parent().unwrap_or(Path::new(".")).join("models");
        Self {
            beside: (beside.clone(), Directory::new(beside)),
            robot: Directory::new(robot_folder.join("models")),
        }
    }

    fn place(&self, name: &str) -> &Directory {
        let (folder, directory) = &self.beside;
        if folder.join(name).is_file() { directory } else { &self.robot }
    }
}

impl Source for Models {
    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        // The directory itself refuses names that leave it.
        self.place(name).read(name)
    }
    fn describe(&self, name: &str) -> String {
        self.place(name).describe(name)
    }
}
