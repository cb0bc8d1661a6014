//! What a signature of the body leaves open, for a warning.

use herald_core::problem::{Path, Problem};
use herald_core::spec::Options;
use herald_webhook::auth::Auth;
use serde_json::Value;

use super::auth;

/// What somebody who has seen one signed request could change in it.
pub(crate) fn doubts(given: &Options) -> Vec<Problem> {
    let auth = given.0.get("auth").and_then(|auth| auth::read(auth).ok());
    if !auth.as_ref().is_some_and(Auth::signs) {
        return Vec::new();
    }
    captures(given).into_iter().collect()
}

fn captures(given: &Options) -> Option<Problem> {
    let path = given.0.get("path").and_then(Value::as_str).filter(|path| path.contains('{'))?;
    let what = format!(
        "the path is not signed, and one secret is for all of {path}: anybody who has seen one request could send it to \
         another one of them"
    );
    let help = "give each path its own trigger and secret, or take the value from the body";
    Some(Problem::warning(Path::top().key("path"), what).help(help))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_outside_the_body_deserves_a_warning() {
        let github = json!({"provider": "github", "secret": "0123456789abcdef"});
        let hmac = json!({"hmac": {
            "header": "x", "secret": "0123456789abcdef", "algorithm": "sha256", "encoding": "hex", "prefix": "",
        }});
        for (given, at) in [
            (json!({"path": "/hooks/{site}", "auth": github}), Some("path")),
            (json!({"path": "/hooks/{site}", "auth": hmac}), Some("path")),
            (json!({"path": "/hooks/site", "auth": github}), None),
            (json!({"path": "/hooks/{site}", "auth": {"token": "0123456789abcdef"}}), None),
            (json!({"path": "/hooks/{site}"}), None),
            (json!({"auth": hmac}), None),
        ] {
            let found = doubts(&Options(given.as_object().unwrap().clone()));
            let places: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(places.len(), usize::from(at.is_some()), "{given}: {places:?}");
            assert!(at.is_none_or(|at| places[0].starts_with(&format!("{at}: "))), "{places:?}");
        }
    }
}
