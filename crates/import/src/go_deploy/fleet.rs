//! The machines of all apps: each is one node, whatever its aliases.

use serde_json::{Value, json};

use super::names::unique;
use crate::original::OriginalValue;

/// The port of herald-runner.
const RUNNER_PORT: u16 = 8124;

/// A machine with a herald-runner.
pub(super) struct FleetNode {
    pub(super) name: String,
    /// As in a URL.
    host: String,
    /// The environment variable with the secret of its runner.
    pub(super) variable: String,
}

impl FleetNode {
    /// Its entry under `node`.
    pub(super) fn entry(&self) -> Value {
        let (host, variable) = (&self.host, &self.variable);
        json!({"host": format!("https://{host}:{RUNNER_PORT}"), "secret": format!("${{env:{variable}}}")})
    }
}

/// All machines.
#[derive(Default)]
pub(super) struct Fleet(pub(super) Vec<FleetNode>);

impl Fleet {
    /// The name of the machine of this node of an app; none where it has no usable address.
    pub(super) fn name_of(&mut self, node: &OriginalValue<'_>) -> Option<String> {
        let Some(address) = node.text_at("addr").filter(|address| !address.trim().is_empty()) else {
            node.omit("a node without `addr` is left out");
            return None;
        };
        let at = node.get("addr")?;
        let Some(host) = host_of(address.trim()) else {
            at.omit(format!("addr: `{address}` is not a valid address, HOST:PORT: the node is left out"));
            return None;
        };
        if host == LOCAL && address.starts_with(':') {
            at.omit("addr: it has no host; 127.0.0.1 is used");
        }
        let alias = node.text_at("alias").unwrap_or_default();
        if let Some(known) = self.0.iter().find(|known| known.host == host) {
            if known.name != alias {
                at.omit(format!(
                    "the machine {host} is the node `{}` already, which is used here",
                    known.name
                ));
            }
            return Some(known.name.clone());
        }
        let name = unique(&alias, "node", |name| self.0.iter().any(|node| node.name == name));
        if name != alias {
            let what = match alias.as_str() {
                "" => format!("a node without `alias` gets the name `{name}`"),
                alias => format!(
                    "alias: `{alias}` cannot be used or has another machine already; the node is `{name}`"
                ),
            };
            node.get("alias").unwrap_or_else(|| node.clone()).omit(what);
        }
        at.omit(format!(
            "node `{name}`: herald-runner takes the place of the client at {address}; it listens on port {RUNNER_PORT} with \
             HTTPS, and heraldd needs its secret in {}",
            self.variable(&name)
        ));
        let variable = self.variable(&name);
        self.0.push(FleetNode { name: name.clone(), host, variable });
        Some(name)
    }

    /// A name for the secret that no other node has.
    fn variable(&self, name: &str) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let base: String = name.chars().map(letter).collect();
        let name = unique(&base, "NODE", |part| {
            self.0.iter().any(|node| node.variable == format!("HERALD_SECRET_{part}"))
        });
        format!("HERALD_SECRET_{name}")
    }
}

/// Where an address names no host.
const LOCAL: &str = "127.0.0.1";

/// The host of `HOST:PORT`, as in a URL.
fn host_of(address: &str) -> Option<String> {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !address.ends_with(']') => (host, port),
        _ => (address, "0"),
    };
    port.parse::<u16>().ok()?;
    if host.is_empty() {
        return Some(LOCAL.to_owned());
    }
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (host.chars().all(is_host) && !host.starts_with(['.', '-'])).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (address, host) in [
            ("192.168.1.11:8081", Some("192.168.1.11")),
            ("Web1.Example.com:8081", Some("web1.example.com")),
            ("web1", Some("web1")),
            (":8081", Some("127.0.0.1")),
            ("[::1]:8081", Some("[::1]")),
            ("[FE80::1]", Some("[fe80::1]")),
            ("::1", None),
            ("[x]:1", None),
            ("web1:http", None),
            ("web1:99999", None),
            ("a b:1", None),
            ("http://web1:1", None),
            ("-x:1", None),
        ] {
            assert_eq!(host_of(address).as_deref(), host, "{address}");
        }
    }
}
