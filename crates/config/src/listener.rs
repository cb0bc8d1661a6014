//! The options of everything that listens: `host`, `port`, `unix_socket` and `unix_socket_mode`.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde_json::Value;

use crate::spec::{CheckError, OptionKind, OptionSpec, Options, PathUse};

/// The host that is listened on unless another one is given.
pub const HOST: &str = "127.0.0.1";
const SOCKET_MODE: u32 = 0o600;

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerOptions {
    /// `host`, or the default.
    pub host: String,
    /// `port`, or the default.
    pub port: u16,
    /// Whether the port is listened on: not where only a unix socket was asked for.
    pub has_port: bool,
    /// `unix_socket`
    pub unix_socket: Option<PathBuf>,
    /// `unix_socket_mode`
    pub unix_socket_mode: u32,
}

/// The options, in the order in which they are documented, with this default of `port`; `makes_folder`: whether the
/// folder of the socket is made.
#[must_use]
pub fn options(port: u16, makes_folder: bool) -> [OptionSpec; 4] {
    let new = OptionSpec::new;
    let folder = if makes_folder { "Its folder is made" } else { "Its folder must exist" };
    [
        new(
            "host",
            OptionKind::Text,
            "The address to listen on. Default: `127.0.0.1`; with `unix_socket` and neither `host` nor `port`, no \
             TCP port is opened.",
        )
        .check(check_host),
        new(
            "port",
            OptionKind::Integer { min: 0, max: 65_535 },
            &format!("The TCP port; 0 takes any that is free and logs it. Default: {port}, see `host`."),
        ),
        new(
            "unix_socket",
            OptionKind::FilePath,
            &format!(
                "A unix socket to listen on, alone or besides the port. {folder}. It never takes the place of another \
                 file or of the socket of a program that runs."
            ),
        )
        .used_as(PathUse::Socket { makes_folder }),
        new(
            "unix_socket_mode",
            OptionKind::Any,
            "The permissions of the socket's file, in octal: `'0660'` lets its group connect.",
        )
        .takes("file mode")
        .default("0600")
        .check(|mode| socket_mode(mode).map(drop)),
    ]
}

impl ListenerOptions {
    /// Of checked options, with this default of `port`.
    #[must_use]
    pub fn of(options: &Options, port: u16) -> Self {
        let given = |name: &str| options.0.get(name);
        let unix_socket = given("unix_socket").and_then(Value::as_str).map(PathBuf::from);
        Self {
            host: given("host").and_then(Value::as_str).unwrap_or(HOST).to_owned(),
            port: given("port")
                .and_then(Value::as_u64)
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(port),
            has_port: unix_socket.is_none() || given("host").is_some() || given("port").is_some(),
            unix_socket,
            unix_socket_mode: given("unix_socket_mode")
                .and_then(|mode| socket_mode(mode).ok())
                .unwrap_or(SOCKET_MODE),
        }
    }
}

/// Whether it can be the name or the address of this machine. Whether it is one shows at start only.
///
/// # Errors
/// What is wrong with it.
pub fn check_host(host: &Value) -> Result<(), CheckError> {
    let host = host.as_str().unwrap_or_default();
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(CheckError::new(
            "expected an address or a name of this machine, such as 127.0.0.1 or ::1",
        ));
    }
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if host.split('.').all(is_number) && host.parse::<Ipv4Addr>().is_err() {
        return Err(CheckError::new(format!("{host} is not an IPv4 address"))
            .help("four numbers from 0 to 255, such as 127.0.0.1"));
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            Err(CheckError::new("the port belongs in `port`"))
        }
        _ => Ok(()),
    }
}

/// Octal as text, `0660` or `0o660`; or the number itself, as YAML makes of `0o660`.
fn socket_mode(mode: &Value) -> Result<u32, CheckError> {
    let number = match mode {
        Value::String(text) => u32::from_str_radix(text.strip_prefix("0o").unwrap_or(text), 8).ok(),
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    };
    number
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| CheckError::new("expected permissions in octal, such as '0660'"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn permissions_are_octal() {
        for (mode, read) in [
            (json!("0600"), Some(0o600)),
            (json!("660"), Some(0o660)),
            (json!("0o666"), Some(0o666)),
            (json!(0o640), Some(0o640)),
            (json!("0999"), None),
            (json!("1777"), None),
            (json!(660), None),
            (json!(-1), None),
            (json!(true), None),
        ] {
            assert_eq!(socket_mode(&mode).ok(), read, "{mode}");
        }
    }

    #[test]
    fn a_socket_alone_means_only_the_socket() {
        for (given, has_port) in [
            (json!({}), true),
            (json!({"unix_socket": "/s"}), false),
            (json!({"unix_socket": "/s", "host": "::1"}), true),
            (json!({"unix_socket": "/s", "port": 0}), true),
        ] {
            let options = Options(given.as_object().unwrap().clone());
            assert_eq!(ListenerOptions::of(&options, 8123).has_port, has_port, "{given}");
        }
    }
}
