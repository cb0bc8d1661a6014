//! The requests of forges in `e2e/data/requests`; the README there says where they come from.

use std::fs;
use std::path::PathBuf;

use crate::http::Message;

/// A request by its file's name without the ending: `github-push`.
#[must_use]
pub fn request(name: &str) -> Message {
    let path = folder().join(format!("{name}.http"));
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Message::read(&mut bytes.as_slice(), false).unwrap_or_else(|| panic!("{} is no request", path.display()))
}

/// The names of all of them, in order.
#[must_use]
pub fn names() -> Vec<String> {
    let files =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        files.filter_map(|file| file.strip_suffix(".http").map(str::to_owned)).collect();
    names.sort();
    names
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "data", "requests"].iter().collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use hmac::{Hmac, KeyInit, Mac};
    use serde_json::Value;
    use sha2::Sha256;

    use super::*;

    /// Request, the header that names the event and its value, a pointer into the body and what is there.
    const EVENTS: [(&str, &str, &str, &str, &str); 18] = [
        ("bitbucket-push", "X-Event-Key", "repo:push", "/push/changes/0/new/name", "main"),
        ("gitea-pull_request", "X-Gitea-Event", "pull_request", "/pull_request/head/ref", "dark-mode"),
        ("gitea-push", "X-Gitea-Event", "push", "/ref", "refs/heads/main"),
        ("gitea-release", "X-Gitea-Event", "release", "/release/tag_name", "v1.4.0"),
        ("gitea-tag", "X-Gitea-Event", "push", "/ref", "refs/tags/v1.4.0"),
        ("gitea-test", "X-Gitea-Event", "push", "/ref", "refs/heads/main"),
        ("github-ping", "X-GitHub-Event", "ping", "/hook/type", "Repository"),
        ("github-pull_request", "X-GitHub-Event", "pull_request", "/pull_request/head/ref", "dark-mode"),
        ("github-push", "X-GitHub-Event", "push", "/ref", "refs/heads/main"),
        ("github-release", "X-GitHub-Event", "release", "/release/tag_name", "v1.4.0"),
        ("github-tag", "X-GitHub-Event", "push", "/ref", "refs/tags/v1.4.0"),
        (
            "gitlab-merge_request",
            "X-Gitlab-Event",
            "Merge Request Hook",
            "/object_attributes/source_branch",
            "dark-mode",
        ),
        ("gitlab-push", "X-Gitlab-Event", "Push Hook", "/ref", "refs/heads/main"),
        ("gitlab-release", "X-Gitlab-Event", "Release Hook", "/tag", "v1.4.0"),
        ("gitlab-tag", "X-Gitlab-Event", "Tag Push Hook", "/ref", "refs/tags/v1.4.0"),
        ("slack-slash_command", "Content-Type", "application/x-www-form-urlencoded", "", "command=%2Fdeploy"),
        ("standard_webhooks-event", "webhook-id", "msg_36qPd0XyVb8TzNwKc4LmRfHsGj", "/data/id", "ord_7c41f0"),
        (
            "stripe-event",
            "Content-Type",
            "application/json; charset=utf-8",
            "/type",
            "payment_intent.succeeded",
        ),
    ];
    const SIGNATURES: [&str; 8] = [
        "X-Hub-Signature",
        "X-Hub-Signature-256",
        "X-Gitea-Signature",
        "X-Gogs-Signature",
        "X-Gitlab-Token",
        "X-Slack-Signature",
        "Stripe-Signature",
        "webhook-signature",
    ];

    #[test]
    fn every_request_is_whole_and_of_its_event() {
        for (name, header, event, pointer, expected) in EVENTS {
            let request = request(name);
            let (forge, _) = name.split_once('-').unwrap();
            assert_eq!(request.target(), ("POST", format!("/hooks/{forge}").as_str()), "{name}");
            assert_eq!(request.get(header), Some(event), "{name}");
            assert!(SIGNATURES.iter().all(|header| request.get(header).is_none()), "{name} is signed");
            if pointer.is_empty() {
                assert!(String::from_utf8_lossy(&request.body).contains(expected), "{name}");
            } else {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                assert_eq!(body.pointer(pointer), Some(&Value::from(expected)), "{name}");
            }
        }
    }

    #[test]
    fn no_request_is_forgotten_and_nothing_follows_a_body() {
        let known = EVENTS.iter().map(|(name, ..)| *name).chain(VECTORS.iter().map(|(name, ..)| *name));
        let mut known: Vec<String> = known.map(str::to_owned).collect();
        known.sort();
        assert_eq!(names(), known);
        for name in known {
            let bytes = fs::read(folder().join(format!("{name}.http"))).unwrap();
            assert!(!bytes.contains(&b'\r'), "{name}: lines end in LF");
            assert!(bytes.ends_with(&request(&name).body), "{name}: Content-Length is not the body's");
            assert!(!bytes.ends_with(b"\n"), "{name}");
        }
    }

    /// Request, secret, the text before the body in the signed message, and the encoding of the signature.
    const VECTORS: [(&str, &[u8], &str, &str, &str); 4] = [
        ("bitbucket-vector", b"It's a Secret to Everybody", "", "X-Hub-Signature", "sha256="),
        ("github-vector", b"It's a Secret to Everybody", "", "X-Hub-Signature-256", "sha256="),
        ("slack-vector", b"8f742231b10e8888abcd99yyyzzz85a5", "v0:1531420618:", "X-Slack-Signature", "v0="),
        (
            "standard_webhooks-vector",
            b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.",
            "webhook-signature",
            "v1,",
        ),
    ];

    #[test]
    fn vectors_agree_with_their_secrets() {
        for (name, secret, before, header, prefix) in VECTORS {
            let request = request(name);
            let is_base64 = prefix == "v1,";
            let key = if is_base64 { BASE64_STANDARD.decode(secret).unwrap() } else { secret.to_vec() };
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(before.as_bytes());
            mac.update(&request.body);
            let code = mac.finalize().into_bytes();
            let code = if is_base64 { BASE64_STANDARD.encode(code) } else { hex::encode(code) };
            assert_eq!(request.get(header), Some(format!("{prefix}{code}").as_str()), "{name}");
        }
    }
}
