//! `--host HOST:PORT`: where the `http` triggers of a configuration listen on this machine, whatever it says.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::listener::{ListenerOptions, check_host};
use crate::problem::{Path, Problem};
use crate::spec::Options;

/// The type of the triggers that it is about.
const HTTP: &str = "http";

/// A host and a port to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerOverride {
    host: String,
    port: u16,
}

/// A text is not a host with a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenerOverrideError {
    /// It has no port.
    #[error("expected HOST:PORT, such as 127.0.0.1:8123 or [::1]:8123")]
    NoPort,
    /// What follows the host is not a port.
    #[error("`{0}` is not a port: expected a number from 0 to 65535, after HOST:")]
    Port(String),
    /// The host cannot be one.
    #[error("{0}")]
    Host(String),
}

impl FromStr for ListenerOverride {
    type Err = ListenerOverrideError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(ListenerOverrideError::NoPort)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        // An IPv6 address without its brackets ends with something like a port.
        if bare.is_none() && host.contains(':') {
            return Err(ListenerOverrideError::NoPort);
        }
        let port = port.parse().map_err(|_| ListenerOverrideError::Port(port.to_owned()))?;
        let host = bare.unwrap_or(host).to_owned();
        check_host(&json!(host)).map_err(|error| ListenerOverrideError::Host(error.to_string()))?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for ListenerOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// A listener of the configuration: its address, and the triggers that share it.
struct SharedAddress {
    at: ListenerOverride,
    triggers: Vec<String>,
}

impl ListenerOverride {
    /// Lets the listener of the `http` triggers in this configuration be here. `default_port` is the one they have when
    /// none is written.
    ///
    /// # Errors
    /// When there is no such listener, or more than one: several cannot be at one place.
    pub fn apply(&self, top: &mut Map<String, Value>, default_port: u16) -> Result<(), Problem> {
        let addresses = addresses(top, default_port);
        let [address] = addresses.as_slice() else {
            let at = Path::top().key("trigger");
            return Err(if addresses.is_empty() {
                Problem::error(at, "--host: there is no `http` trigger that listens on a port")
            } else {
                let listed = addresses.iter().map(|one| format!("{} ({})", one.at, one.triggers.join(", ")));
                let listed = listed.collect::<Vec<_>>().join(", ");
                Problem::error(
                    at,
                    format!("--host: the `http` triggers listen at more than one place: {listed}"),
                )
                .help("--host holds for one listener; start without it, or let them share host and port")
            });
        };
        if !top.get("trigger").is_some_and(Value::is_object) {
            top.insert("trigger".to_owned(), json!({}));
        }
        for name in &address.triggers {
            let options = &mut top["trigger"][name.as_str()];
            if !options.is_object() {
                *options = json!({});
            }
            options["host"] = json!(self.host);
            options["port"] = json!(self.port);
        }
        Ok(())
    }
}

/// Where `http` triggers listen, those that only have a unix socket left out.
fn addresses(top: &Map<String, Value>, default_port: u16) -> Vec<SharedAddress> {
    let mut addresses: Vec<SharedAddress> = Vec::new();
    let empty = Map::new();
    let configured = top.get("trigger").and_then(Value::as_object).unwrap_or(&empty);
    let of_type = |name: &str, options: &Value| {
        options.get("type").map_or(name == HTTP, |type_name| type_name.as_str() == Some(HTTP))
    };
    let mut all: Vec<(&str, &Value)> = configured
        .iter()
        .filter(|(name, options)| of_type(name, options))
        .map(|(name, options)| (name.as_str(), options))
        .collect();
    if !configured.contains_key(HTTP) && is_used_by_type(top) {
        all.push((HTTP, &Value::Null));
    }
    for (name, options) in all {
        let options = Options(options.as_object().cloned().unwrap_or_default());
        let ListenerOptions { host, port, has_port, .. } = ListenerOptions::of(&options, default_port);
        if !has_port {
            continue;
        }
        let at = ListenerOverride { host, port };
        // Port 0 is another one for each trigger.
        match addresses.iter_mut().find(|one| port != 0 && one.at == at) {
            Some(same) => same.triggers.push(name.to_owned()),
            None => addresses.push(SharedAddress { at, triggers: vec![name.to_owned()] }),
        }
    }
    addresses
}

/// Whether a router names the type itself as its trigger.
fn is_used_by_type(top: &Map<String, Value>) -> bool {
    let routers = top.get("router").and_then(Value::as_object);
    let names_it = |trigger: &Value| match trigger {
        Value::Array(several) => several.iter().any(|one| one == HTTP),
        one => one == HTTP,
    };
    routers.into_iter().flatten().filter_map(|(_, router)| router.get("trigger")).any(names_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port() {
        for (text, read) in [
            ("127.0.0.1:8123", Ok(("127.0.0.1", 8123))),
            ("[::1]:0", Ok(("::1", 0))),
            ("web.example:80", Ok(("web.example", 80))),
            ("8123", Err("expected HOST:PORT")),
            ("::1", Err("expected HOST:PORT")),
            ("", Err("expected HOST:PORT")),
            ("127.0.0.1:", Err("`` is not a port")),
            ("127.0.0.1:70000", Err("`70000` is not a port")),
            (":8123", Err("expected an address or a name")),
            ("a b:1", Err("expected an address or a name")),
            ("300.1.1.1:80", Err("300.1.1.1 is not an IPv4 address")),
        ] {
            match (text.parse::<ListenerOverride>(), read) {
                (Ok(found), Ok((host, port))) => {
                    assert_eq!((&*found.host, found.port), (host, port), "{text}")
                }
                (Err(error), Err(says)) => assert!(error.to_string().starts_with(says), "{text}: {error}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn which_listener_it_is_for() {
        let elsewhere: ListenerOverride = "0.0.0.0:9000".parse().unwrap();
        let there = json!({"host": "0.0.0.0", "port": 9000});
        for (configuration, expected) in [
            // (the configuration, which triggers are there then or what is wrong)
            (json!({"trigger": {"a": {"type": "http"}, "c": {"type": "cron"}}}), Ok(vec!["a"])),
            (json!({"trigger": {"http": null}}), Ok(vec!["http"])),
            (json!({"router": {"r": {"trigger": "http"}}}), Ok(vec!["http"])),
            (json!({"trigger": null, "router": {"r": {"trigger": ["c", "http"]}}}), Ok(vec!["http"])),
            (
                json!({"trigger": {"a": {"type": "http", "path": "/a"}, "b": {"type": "http", "path": "/b"}}}),
                Ok(vec!["a", "b"]),
            ),
            (
                json!({"trigger": {"a": {"type": "http"}, "s": {"type": "http", "unix_socket": "/s"}}}),
                Ok(vec!["a"]),
            ),
            (
                json!({"trigger": {"a": {"type": "http"}, "b": {"type": "http", "port": 8200, "host": "::1"}}}),
                Err("more than one place: 127.0.0.1:8123 (a), [::1]:8200 (b)"),
            ),
            (
                json!({"trigger": {"a": {"type": "http", "port": 0}, "b": {"type": "http", "port": 0}}}),
                Err("127.0.0.1:0 (a), 127.0.0.1:0 (b)"),
            ),
            (json!({"trigger": {"c": {"type": "cron"}}}), Err("there is no `http` trigger")),
            (json!({}), Err("there is no `http` trigger")),
        ] {
            let mut top = configuration.as_object().unwrap().clone();
            match (elsewhere.apply(&mut top, 8123), expected) {
                (Ok(()), Ok(names)) => {
                    let moved = top["trigger"].as_object().unwrap().iter().filter(|(_, options)| {
                        there.as_object().unwrap().iter().all(|(key, value)| options.get(key) == Some(value))
                    });
                    assert_eq!(moved.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
                }
                (Err(problem), Err(says)) => assert!(format!("{problem:?}").contains(says), "{problem:?}"),
                (found, _) => panic!("{configuration}: {found:?}"),
            }
        }
    }
}
