//! Which joint of the robot is which joint of the policy: by name, both ways.

use sinew_wire::MAX_JOINTS;

/// Why a policy's joints cannot be found on a robot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JointMapError {
    /// The policy moves a joint the robot does not have.
    #[error("joint `{joint}` of the policy: found none of that name on the robot; expected one of {}; correct joints.order in the manifest or the robot description", robot.join(", "))]
    Missing {
        /// The policy's joint.
        joint: String,
        /// The robot's joints.
        robot: Vec<String>,
    },
    /// More joints than one frame carries.
    #[error("the robot has {found} joints; expected at most {MAX_JOINTS}; split it")]
    TooMany {
        /// Joints of the robot.
        found: usize,
    },
    /// The robot has two joints of one name.
    #[error(
        "the robot has two joints called `{joint}`; expected distinct names; correct the robot description"
    )]
    Ambiguous {
        /// The name.
        joint: String,
    },
}

/// Position in the robot's order of each policy joint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JointMap {
    robot_index: Vec<usize>,
    robot: Vec<String>,
}

impl JointMap {
    /// Finds every name of `policy` among `robot`.
    pub fn new(policy: &[String], robot: &[String]) -> Result<Self, JointMapError> {
        if robot.len() > MAX_JOINTS {
            return Err(JointMapError::TooMany { found: robot.len() });
        }
        let mut robot_index = Vec::with_capacity(policy.len());
        for joint in policy {
            let mut found = robot.iter().enumerate().filter(|(_, name)| *name == joint).map(|(i, _)| i);
            let index = found
                .next()
                .ok_or_else(|| JointMapError::Missing { joint: joint.clone(), robot: robot.to_vec() })?;
            if found.next().is_some() {
                return Err(JointMapError::Ambiguous { joint: joint.clone() });
            }
            robot_index.push(index);
        }
        Ok(Self { robot_index, robot: robot.to_vec() })
    }

    /// Joints of the robot.
    pub fn robot_len(&self) -> usize {
        self.robot.len()
    }

    /// Names of the robot's joints in its order.
    pub fn robot_joints(&self) -> &[String] {
        &self.robot
    }

    /// Robot positions in the policy's order.
    pub fn robot_indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.robot_index.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failing set-up is a failing test
    use super::*;

    fn names(list: &str) -> Vec<String> {
        list.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn joints_are_found_by_name() {
        let map = JointMap::new(&names("a b c"), &names("c x a b")).unwrap();
        assert_eq!(map.robot_indices().collect::<Vec<_>>(), [2, 3, 0]);
        assert_eq!(map.robot_len(), 4);
    }

    #[test]
    fn a_missing_or_doubled_joint_is_refused_by_name() {
        let missing = JointMap::new(&names("a hip"), &names("a hop")).unwrap_err().to_string();
        assert!(missing.contains("`hip`") && missing.contains("a, hop"), "{missing}");
        let doubled = JointMap::new(&names("a"), &names("a b a")).unwrap_err();
        assert_eq!(doubled, JointMapError::Ambiguous { joint: "a".to_owned() });
    }
}
