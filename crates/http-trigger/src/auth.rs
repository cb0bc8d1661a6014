//! The option `auth`.

use herald_core::spec::{CheckError, OptionKind, OptionSpec};
use herald_webhook::auth::{Auth, Basic, HmacHeader, Provider, Token, TokenLocation, check_secret};
use herald_webhook::signature::{Algorithm, Encoding};
use http::HeaderName;
use serde::Deserialize;
use serde_json::Value;

/// What the option may hold.
pub(crate) fn spec() -> OptionSpec {
    let new = OptionSpec::new;
    let basic = vec![
        new("user", OptionKind::Text, "The user.").required(),
        new("password", OptionKind::Secrets, "The password, or a list of those accepted.").required(),
    ];
    let hmac = vec![
        new("header", OptionKind::Text, "The header with the signature.").required().check(header),
        new("algorithm", OptionKind::OneOf(&Algorithm::NAMES), "The hash below the HMAC.").default("sha256"),
        new("encoding", OptionKind::OneOf(&["hex", "base64"]), "How the signature is written.")
            .default("hex"),
        new(
            "prefix",
            OptionKind::Texts,
            "The prefix of the signature, such as `sha256=`, or a list of those accepted.",
        )
        .default(""),
        new("secret", OptionKind::Secrets, "The secret, or a list of those accepted.").required(),
    ];
    let fields = vec![
        new("token", OptionKind::Secrets, "A token that the caller sends, or a list of those accepted."),
        new(
            "header",
            OptionKind::Text,
            "The header with the token, with or without `Bearer` before it. Default: `Authorization`, unless `query` is given.",
        )
        .check(header),
        new("query", OptionKind::Text, "The parameter of the query with the token (which proxies may log)."),
        new("basic", OptionKind::Fields(basic), "A user and a password."),
        new("hmac", OptionKind::Fields(hmac), "A signature of the body, an HMAC. Several in one header, with commas between them, are tried each."),
        new(
            "provider",
            OptionKind::OneOf(&Provider::NAMES),
            "The scheme of a webhook sender. Where it includes a timestamp, requests older than 5 minutes are rejected.",
        ),
        new("secret", OptionKind::Secrets, "The secret that the provider signs with, or a list of those accepted."),
    ];
    new(
        "auth",
        OptionKind::Fields(fields),
        "How callers authenticate, one of: a token (`token` with `header` or `query`), `basic`, `hmac`, or `provider` \
         with its `secret`. Other requests are rejected with 401.",
    )
    .check(|auth| read(auth).map(drop))
}

fn header(name: &Value) -> Result<(), CheckError> {
    let name = name.as_str().unwrap_or_default();
    HeaderName::try_from(name).map(drop).map_err(|_| CheckError::new("this is not the name of a header"))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(secret) => vec![secret],
            Self::Many(secrets) => secrets,
        }
    }
}

#[derive(Deserialize)]
struct AuthOptions {
    token: Option<Texts>,
    header: Option<String>,
    query: Option<String>,
    basic: Option<BasicOptions>,
    hmac: Option<HmacOptions>,
    provider: Option<String>,
    secret: Option<Texts>,
}

#[derive(Deserialize)]
struct BasicOptions {
    user: String,
    password: Texts,
}

#[derive(Deserialize)]
struct HmacOptions {
    header: String,
    algorithm: String,
    encoding: String,
    prefix: Texts,
    secret: Texts,
}

/// Reads the option, whose parts are checked already.
pub(crate) fn read(auth: &Value) -> Result<Auth, CheckError> {
    let given: AuthOptions =
        serde_json::from_value(auth.clone()).map_err(|error| CheckError::new(error.to_string()))?;
    let ways = [given.token.is_some(), given.basic.is_some(), given.hmac.is_some(), given.provider.is_some()];
    if ways.iter().filter(|there| **there).count() != 1 {
        return Err(CheckError::new("give exactly one of: token, basic, hmac, provider"));
    }
    if given.token.is_none() && (given.header.is_some() || given.query.is_some()) {
        return Err(CheckError::new("`header` and `query` need a `token`"));
    }
    match (given.provider, given.secret) {
        (Some(name), Some(secret)) => {
            let provider =
                Provider::named(&name).ok_or_else(|| CheckError::new(format!("unknown provider {name}")))?;
            let secrets = secret.list();
            if provider == Provider::StandardWebhooks {
                let checked = secrets.iter().try_for_each(|secret| check_secret(secret));
                checked.map_err(|error| CheckError::new(error.to_string()))?;
            }
            return Ok(Auth::Provider(provider, secrets));
        }
        (Some(_), None) => return Err(CheckError::new("a provider needs its `secret`")),
        (None, Some(_)) => return Err(CheckError::new("`secret` goes with `provider`, or into `hmac`")),
        (None, None) => {}
    }
    if let Some(token) = given.token {
        let place = match (given.header, given.query) {
            (Some(_), Some(_)) => {
                return Err(CheckError::new("a token is in a `header` or in the `query`, not in both"));
            }
            (None, Some(name)) => TokenLocation::Query(name),
            (header, None) => TokenLocation::Header(header.unwrap_or_else(|| "authorization".to_owned())),
        };
        return Ok(Auth::Token(Token { place, tokens: token.list() }));
    }
    if let Some(basic) = given.basic {
        return Ok(Auth::Basic(Basic { user: basic.user, passwords: basic.password.list() }));
    }
    let hmac = given.hmac.ok_or_else(|| CheckError::new("give one of: token, basic, hmac, provider"))?;
    Ok(Auth::Hmac(HmacHeader {
        header: hmac.header,
        algorithm: Algorithm::named(&hmac.algorithm).ok_or_else(|| CheckError::new("unknown algorithm"))?,
        encoding: if hmac.encoding == "base64" { Encoding::Base64 } else { Encoding::Hex },
        prefixes: hmac.prefix.list(),
        secrets: hmac.secret.list(),
    }))
}

#[cfg(test)]
mod tests;
