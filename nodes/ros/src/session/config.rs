//! Settings of the native session: those of a stock rmw_zenoh session, with a shorter lease.
use super::SessionError;
use crate::ROS_PORT;

/// What may vary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// First chunk of every key; robots of one network that should not see each other differ here.
    pub domain_id: u32,
    /// Port of the router on this machine.
    pub router_port: u16,
    /// False writes `TypeHashNotSupported`, as Humble does.
    pub type_hashes: bool,
    /// A Zenoh configuration file to use instead of the built-in settings.
    pub file: Option<String>,
    /// Zenoh settings that win over everything, as (key, JSON5).
    pub overrides: Vec<(String, String)>,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { domain_id: 0, router_port: ROS_PORT, type_hashes: true, file: None, overrides: Vec::new() }
    }
}

/// Why an environment variable is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    #[error("environment: {name} is {found:?}; expected {expected}")]
    Value { name: &'static str, found: String, expected: &'static str },
}

impl SessionConfig {
    /// From the variables that ROS and rmw_zenoh users know: `ROS_DOMAIN_ID`, `ROS_DISTRO`,
    /// `ZENOH_SESSION_CONFIG_URI`, `ZENOH_CONFIG_OVERRIDE` (`key=json5;key=json5`).
    ///
    /// # Errors
    /// A value that cannot be meant.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Self, EnvironmentError> {
        let given = |name: &str| get(name).filter(|value| !value.is_empty());
        let mut config = Self::default();
        if let Some(found) = given("ROS_DOMAIN_ID") {
            let id = found.trim().parse().ok().filter(|id| *id <= 232);
            config.domain_id = id.ok_or(EnvironmentError::Value {
                name: "ROS_DOMAIN_ID",
                found,
                expected: "a number from 0 to 232",
            })?;
        }
        config.type_hashes = given("ROS_DISTRO").as_deref() != Some("humble");
        config.file = given("ZENOH_SESSION_CONFIG_URI");
        if let Some(text) = given("ZENOH_CONFIG_OVERRIDE") {
            for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
                let (key, value) = pair.split_once('=').ok_or_else(|| EnvironmentError::Value {
                    name: "ZENOH_CONFIG_OVERRIDE",
                    found: pair.to_owned(),
                    expected: "key=value pairs separated by ;",
                })?;
                config.overrides.push((key.trim().to_owned(), value.trim().to_owned()));
            }
        }
        Ok(config)
    }

    /// Spells it for Zenoh.
    pub(super) fn to_zenoh(&self) -> Result<zenoh::Config, SessionError> {
        let mut config = match &self.file {
            Some(path) => {
                // An address of the form file:///path is common in these variables.
                let plain = path.strip_prefix("file://").unwrap_or(path);
                zenoh::Config::from_file(plain)
                    .map_err(|source| SessionError::ConfigFile { path: path.clone(), source })?
            }
            None => self.built_in()?,
        };
        for (key, value) in &self.overrides {
            insert(&mut config, key, value)?;
        }
        Ok(config)
    }

    fn built_in(&self) -> Result<zenoh::Config, SessionError> {
        let mut config = zenoh::Config::default();
        let connect = format!("[\"tcp/localhost:{}\"]", self.router_port);
        for (key, value) in [
            ("mode", "\"peer\""),
            ("connect/endpoints", connect.as_str()),
            // The robot lives without a router, and finds one that comes later.
            ("connect/timeout_ms", "-1"),
            ("connect/exit_on_failure", "false"),
            ("connect/retry", "{ period_init_ms: 1000, period_max_ms: 4000, period_increase_factor: 2 }"),
            ("listen/endpoints", "[\"tcp/localhost:0\"]"),
            ("scouting/multicast/enabled", "false"),
            ("scouting/gossip/enabled", "true"),
            (
                "scouting/gossip/autoconnect_strategy",
                "{ peer: { to_router: \"always\", to_peer: \"greater-zid\" } }",
            ),
            // History is matched by timestamp.
            ("timestamping/enabled", "true"),
            ("queries_default_timeout", "600000"),
            // A node that lost power leaves the graph after this.
            ("transport/link/tx/lease", "10000"),
            ("adminspace/enabled", "false"),
        ] {
            insert(&mut config, key, value)?;
        }
        Ok(config)
    }
}

fn insert(config: &mut zenoh::Config, key: &str, value: &str) -> Result<(), SessionError> {
    config.insert_json5(key, value).map_err(|source| SessionError::Setting {
        key: key.to_owned(),
        value: value.to_owned(),
        source,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed test should stop where it failed
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<SessionConfig, EnvironmentError> {
        SessionConfig::from_environment(|name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn every_setting_is_known_to_the_linked_zenoh() {
        let config = SessionConfig { router_port: 17_447, ..SessionConfig::default() }.to_zenoh().unwrap();
        let get = |key: &str| config.get_json(key).unwrap();
        assert_eq!(get("mode"), "\"peer\"");
        assert_eq!(get("connect/endpoints"), "[\"tcp/localhost:17447\"]");
        assert_eq!(get("scouting/multicast/enabled"), "false");
        assert_eq!(get("scouting/gossip/enabled"), "true");
        assert_eq!(get("timestamping/enabled"), "true");
        assert!(get("listen/endpoints").contains("localhost"), "only this machine");
    }

    #[test]
    fn the_environment_of_ros_is_honoured() {
        assert_eq!(from(&[]).unwrap(), SessionConfig::default());
        let config = from(&[
            ("ROS_DOMAIN_ID", "7"),
            ("ROS_DISTRO", "humble"),
            ("ZENOH_CONFIG_OVERRIDE", "mode=\"client\"; transport/link/tx/lease=5000"),
        ])
        .unwrap();
        assert_eq!(config.domain_id, 7);
        assert!(!config.type_hashes);
        let zenoh = config.to_zenoh().unwrap();
        assert_eq!(zenoh.get_json("mode").unwrap(), "\"client\"");
        assert_eq!(zenoh.get_json("transport/link/tx/lease").unwrap(), "5000");
    }

    #[test]
    fn wrong_values_are_refused_with_what_was_expected() {
        for found in ["-1", "233", "seven", "4294967296"] {
            let refused = from(&[("ROS_DOMAIN_ID", found)]).unwrap_err().to_string();
            assert!(refused.contains(found) && refused.contains("0 to 232"), "{refused}");
        }
        assert!(from(&[("ZENOH_CONFIG_OVERRIDE", "mode")]).unwrap_err().to_string().contains("mode"));
        let config = from(&[("ZENOH_CONFIG_OVERRIDE", "no/such/key=1")]).unwrap();
        assert!(config.to_zenoh().unwrap_err().to_string().contains("no/such/key"));
        let config = from(&[("ZENOH_SESSION_CONFIG_URI", "/no/such/file.json5")]).unwrap();
        assert!(config.to_zenoh().unwrap_err().to_string().contains("/no/such/file.json5"));
    }
}
