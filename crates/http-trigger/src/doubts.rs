//! What deserves a warning of an `http` trigger in which nothing is wrong.

use herald_core::problem::{Path, Problem};
use herald_core::spec::Options;
use herald_net::tls::is_loopback;
use serde_json::Value;

use herald_tls_options as tls;

/// Tokens and secrets with fewer characters could be guessed.
const SHORT: usize = 16;

/// By its options; paths begin there.
pub(crate) fn of(options: &Options) -> Vec<Problem> {
    let doubts = tls::listener_doubts(options);
    doubts.into_iter().chain(open_to_others(options)).chain(short_secrets(options)).collect()
}

/// Other machines can connect, and nothing shows who they are.
fn open_to_others(options: &Options) -> Option<Problem> {
    let given = |name: &str| options.0.get(name);
    let host = given("host").and_then(Value::as_str).filter(|host| !is_loopback(host))?;
    let authenticates =
        given("auth").is_some() || given("tls").and_then(|tls| tls.get("client_ca")).is_some();
    let what = format!(
        "other machines can connect to {host}, and without `auth` anybody there can fire this trigger"
    );
    let help = "add  auth: {provider: …, secret: …}  or  auth: {token: …};  or listen on 127.0.0.1";
    (!authenticates).then(|| Problem::warning(Path::top().key("host"), what).help(help))
}

fn short_secrets(options: &Options) -> Vec<Problem> {
    let Some(auth) = options.0.get("auth") else { return Vec::new() };
    let at = Path::top().key("auth");
    let hmac = auth.get("hmac").and_then(|hmac| hmac.get("secret"));
    let secrets = [
        (auth.get("token"), at.key("token"), "token"),
        (auth.get("secret"), at.key("secret"), "secret"),
        (hmac, at.key("hmac").key("secret"), "secret"),
    ];
    let mut doubts = Vec::new();
    for (value, at, name) in secrets {
        let list = match value {
            Some(Value::Array(list)) => list.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        if list.iter().filter_map(Value::as_str).any(|secret| secret.chars().count() < SHORT) {
            let what = format!("`{name}`: shorter than {SHORT} characters, so it could be guessed");
            doubts.push(Problem::warning(at, what).help("make one with  openssl rand -hex 32").plain());
        }
    }
    doubts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(given: &Value) -> Vec<String> {
        of(&Options(given.as_object().unwrap().clone())).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_port_for_others_without_proof_deserves_a_warning() {
        let auth = json!({"token": "0123456789abcdef", "header": "x-token"});
        for (given, warned) in [
            (json!({"host": "127.0.0.1"}), false),
            (json!({"host": "localhost"}), false),
            (json!({"unix_socket": "/s"}), false),
            (json!({}), false),
            (json!({"host": "0.0.0.0"}), true),
            (json!({"host": "hooks.example.com", "allow_ips": "10.0.0.0/8"}), true),
            (json!({"host": "0.0.0.0", "auth": auth}), false),
            (json!({"host": "0.0.0.0", "tls": {"cert": "c", "key": "k"}}), true),
            (json!({"host": "0.0.0.0", "tls": {"cert": "c", "key": "k", "client_ca": "ca"}}), false),
        ] {
            let said = said(&given);
            let found: Vec<&String> = said.iter().filter(|said| said.contains("without `auth`")).collect();
            assert_eq!(found.len(), usize::from(warned), "{given}: {said:?}");
            assert!(
                found.iter().all(|said| said.starts_with("host: other machines") && said.contains("auth: {"))
            );
        }
    }

    #[test]
    fn short_tokens_and_secrets_deserve_a_warning() {
        let long = "0123456789abcdef";
        for (auth, at) in [
            (json!({"token": "sesame-4730"}), "auth.token: `token`: shorter than 16"),
            (json!({"token": [long, "sesame-4730"]}), "auth.token: `token`: shorter than 16"),
            (
                json!({"provider": "github", "secret": "sesame-4730"}),
                "auth.secret: `secret`: shorter than 16",
            ),
            (
                json!({"hmac": {"header": "x", "secret": "sesame-4730"}}),
                "auth.hmac.secret: `secret`: shorter than 16",
            ),
            (json!({"token": long}), ""),
            (json!({"basic": {"user": "u", "password": "p"}}), ""),
        ] {
            let said = said(&json!({ "auth": auth }));
            assert_eq!(said.len(), usize::from(!at.is_empty()), "{auth}: {said:?}");
            assert!(said.iter().all(|said| said.starts_with(at) && !said.contains("sesame")), "{said:?}");
        }
    }
}
