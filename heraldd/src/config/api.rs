//! The section `api`: the control API on a TCP port.

use herald_config::listener::check_host;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{CheckError, Description, OptionKind, OptionSpec};
use serde::Deserialize;
use serde_json::Value;

use super::access::has_login;
use herald_sections::{Invalid, References, Section, SectionReader, Shape};
use herald_tls_options::{self as tls, TlsListener};

pub(super) const SECTION: Section = Section {
    name: "api",
    holds: "the control API on a TCP port, besides its socket",
    references: References::Everywhere,
    shape: Shape::Options(description),
};

/// The shortest token, in characters.
const SHORTEST_TOKEN: usize = 16;

/// Where the control API is served beside its socket, and who may use it there.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// The address to listen on.
    pub host: String,
    /// The port; 0 takes any that is free.
    pub port: u16,
    /// What an admin sends; none where the section `access` says who may call. Secret.
    pub token: Option<String>,
    /// How it is shielded from those who listen in.
    pub tls: Option<TlsListener>,
}

impl std::fmt::Debug for ApiSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct ApiOptions {
    host: String,
    port: u16,
    token: Option<String>,
}

fn description() -> Description {
    let new = OptionSpec::new;
    Description::new(
        "api",
        "Serves the control API on a TCP port as well, for callers with the token and those of the section `access`. \
         Without this section it is served only on the socket `heraldd.sock` in the state_dir, which only the daemon's \
         user and root can open.",
    )
    .option(new("host", OptionKind::Text, "The address to listen on.").default("127.0.0.1").check(check_host))
    .option(
        new(
            "port",
            OptionKind::Integer { min: 0, max: 65535 },
            "The port to listen on; 0 takes any that is free, and the log says which.",
        )
        .required(),
    )
    .option(
        new(
            "token",
            OptionKind::Text,
            "What an admin sends as `Authorization: Bearer TOKEN`; at least 16 characters. Required, unless the section \
             `access` says who may call.",
        )
        .check(check_token),
    )
    .option(tls::listener_option())
    .doubts(tls::listener_doubts)
    .example("api: {port: 8124, token: \"${file:/etc/heraldd/api.token}\"}")
}

fn check_token(token: &Value) -> Result<(), CheckError> {
    match token.as_str() {
        Some(token) if token.chars().count() < SHORTEST_TOKEN => Err(CheckError::new(format!(
            "a token needs at least {SHORTEST_TOKEN} characters, since it allows running every job (openssl rand -hex 32)"
        ))),
        Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(CheckError::new("only visible ASCII characters without spaces can be sent"))
        }
        _ => Ok(()),
    }
}

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<Option<ApiSettings>, Invalid> {
    if reading.given("api").is_none() {
        return Ok(None);
    }
    let options = reading.section(&description())?;
    let given: ApiOptions = reading.parse(&options, &Path::top().key("api"))?;
    let tls = TlsListener::of(&options);
    if given.token.is_none() && !has_login(reading) {
        let message = "the option `token` of `api` is missing, and no section `access` says who may call";
        let help = "write  token: \"${file:…}\",  or  access: {users: FILE}";
        return Err(reading.wrong(Problem::error(Path::top().key("api"), message).help(help)));
    }
    Ok(Some(ApiSettings { host: given.host, port: given.port, token: given.token, tls }))
}
