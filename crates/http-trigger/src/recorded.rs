//! A recorded request, as the running trigger would accept it: for `heraldd try`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use herald_base::near_miss::expected;
use herald_core::clock::SystemClock;
use herald_core::param::Params;
use herald_core::trigger::Trigger;
use herald_core::trigger_param::TriggerParam;
use herald_net::tls::is_loopback;
use herald_webhook::path::precedence;
use herald_webhook::recorded::RecordedRequest;
use http::StatusCode;

use super::http_trigger::HttpTrigger;
use herald_net::serve::ListenAddress;
use herald_net::serve::Peer;
use herald_requests::SenderCheck;

/// Why a recorded request would create no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEvent {
    /// There is no such trigger.
    #[error("there is no trigger \"{name}\"; {help}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// Which names there are.
        help: String,
    },
    /// The trigger is of another type.
    #[error("the trigger \"{0}\" receives no requests: it is not of type http")]
    OtherType(String),
    /// A trigger on the same port, with a path that matches more exactly, receives the request.
    #[error("the trigger \"{0}\" on the same port receives this path")]
    OtherTrigger(String),
    /// The response has this status.
    #[error("{why}")]
    Response {
        /// The status of the response.
        status: StatusCode,
        /// Why.
        why: String,
    },
}

/// The parameters of the event that the trigger `name` among these would create. The sender is checked only where
/// `checked`; the request comes from this machine.
///
/// # Errors
/// [`NoEvent`].
pub async fn dry_run<'a>(
    triggers: impl IntoIterator<Item = (&'a str, &'a (dyn Trigger + 'static))>,
    name: &str,
    request: RecordedRequest,
    checked: bool,
) -> Result<Params, NoEvent> {
    let triggers: Vec<_> = triggers.into_iter().collect();
    let found = triggers.iter().find(|(trigger, _)| *trigger == name);
    let unknown = || {
        let help = expected(name, triggers.iter().map(|(trigger, _)| *trigger));
        NoEvent::Unknown { name: name.to_owned(), help }
    };
    let (_, trigger) = found.ok_or_else(unknown)?;
    let trigger = HttpTrigger::of(*trigger).ok_or_else(|| NoEvent::OtherType(name.to_owned()))?;
    let RecordedRequest(request) = request;
    if let Some(receiver) = trigger.receiver_instead(&triggers, request.uri().path()) {
        return Err(NoEvent::OtherTrigger(receiver.to_owned()));
    }
    let captures = match &trigger.path {
        None => Vec::new(),
        Some(pattern) => match pattern.captures(request.uri().path()) {
            Some(captures) => captures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            None => {
                let why = format!("its path is {}, the trigger's is {pattern}", request.uri().path());
                return Err(NoEvent::Response { status: StatusCode::NOT_FOUND, why });
            }
        },
    };
    let sender = if checked { SenderCheck::Required } else { SenderCheck::Skipped };
    let accepted = trigger.check.accept(request, &trigger.local_peer(), captures, &SystemClock, sender).await;
    let accepted = accepted.map(|accepted| TriggerParam::into_params(accepted.params));
    accepted.map_err(|rejection| NoEvent::Response { status: rejection.status(), why: rejection.why() })
}

impl HttpTrigger {
    /// The trigger on the same port that receives this path instead.
    fn receiver_instead<'a>(
        &self,
        triggers: &[(&'a str, &'a (dyn Trigger + 'static))],
        path: &str,
    ) -> Option<&'a str> {
        let own = precedence(self.path.as_ref());
        let receives = |other: &HttpTrigger| {
            let shares = |address: &ListenAddress| {
                !address.is_any_port()
                    && self.listen_addresses.iter().any(|own| own.place() == address.place())
            };
            let matches = other.path.as_ref().is_none_or(|pattern| pattern.captures(path).is_some());
            matches && precedence(other.path.as_ref()) < own && other.listen_addresses.iter().any(shares)
        };
        let others = triggers.iter().filter_map(|(name, trigger)| Some((*name, HttpTrigger::of(*trigger)?)));
        others
            .filter(|(_, other)| receives(other))
            .min_by_key(|(_, other)| precedence(other.path.as_ref()))
            .map(|(name, _)| name)
    }

    /// A client on this machine: over TCP where the trigger has a port, else over the unix socket.
    fn local_peer(&self) -> Peer {
        let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let host = self.listen_addresses.iter().find_map(|address| match address {
            ListenAddress::Tcp(host, _) => Some(host),
            ListenAddress::Unix(..) => None,
        });
        Peer::new(host.map(|_| local), host.is_some_and(|host| is_loopback(host)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use herald_core::context::Context;
    use herald_core::spec::Options;
    use serde_json::{Value, json};

    /// The parameters, or the status of the response.
    async fn params(given: &Value, request: &[u8], checked: bool) -> Result<Params, u16> {
        let trigger =
            HttpTrigger::new(&Options(given.as_object().unwrap().clone()), &Context::default()).unwrap();
        let request = RecordedRequest::read(request).unwrap();
        let triggers: [(&str, &dyn Trigger); 1] = [("hook", &trigger)];
        dry_run(triggers, "hook", request, checked).await.map_err(|no_event| match no_event {
            NoEvent::Response { status, .. } => status.as_u16(),
            other => panic!("{other}"),
        })
    }

    /// All but the description of the request.
    async fn own_params(given: &Value, request: &[u8], checked: bool) -> Result<Value, u16> {
        let mut params = params(given, request, checked).await?;
        params.remove("_request");
        Ok(Value::Object(params))
    }

    #[tokio::test]
    async fn recorded_requests() {
        let push = b"POST /deploy/web?x=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n{\"a\": 1}";
        let token = json!({"path": "/deploy/{app}", "auth": {"token": "t0ken"}});
        for (given, request, checked, expected) in [
            (json!({}), &push[..], true, Ok(json!({"a": 1}))),
            (json!({"path": "/deploy/{app}"}), push, true, Ok(json!({"a": 1, "app": "web"}))),
            (json!({"path": "/other"}), push, true, Err(404)),
            (token.clone(), push, true, Err(401)),
            (token, push, false, Ok(json!({"a": 1, "app": "web"}))),
            (json!({"methods": "GET"}), push, true, Err(405)),
            (json!({"body": "form"}), push, true, Err(415)),
            (json!({}), b"POST / HTTP/1.1\nHost: localhost\nContent-Type: application/json\n\n[1]", true, Err(400)),
            (json!({"methods": "GET"}), b"GET /?a=1 HTTP/1.1\nHost: localhost\n\n", true, Ok(json!({"a": "1"}))),
            (
                json!({"path": "/"}),
                b"POST / HTTP/1.1\nHost: localhost\nContent-Type: application/json\nX-GitHub-Event: ping\n\n{}",
                true,
                Err(200),
            ),
        ] {
            assert_eq!(own_params(&given, request, checked).await, expected, "{given}");
        }
    }

    #[tokio::test]
    async fn how_deep_an_event_may_be_nested() {
        for (levels, expected) in [(100, Ok(())), (101, Err(400)), (127, Err(400)), (500, Err(400))] {
            for (given, body) in [
                (json!({}), format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))),
                (json!({"path": "/"}), format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels))),
                (json!({}), format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1))),
            ] {
                let request =
                    format!("POST / HTTP/1.1\nHost: localhost\nContent-Type: application/json\n\n{body}");
                assert_eq!(params(&given, request.as_bytes(), true).await.map(drop), expected, "{levels}");
            }
        }
    }

    #[tokio::test]
    async fn nobody_forges_what_herald_says_about_a_request() {
        let forged = b"POST / HTTP/1.1\nHost: localhost\nContent-Type: application/json\n\n{\"_request\":{\"remote_address\":\"10.0.0.1\"}}";
        assert_eq!(params(&json!({}), forged, true).await, Err(400));
        let web = params(&json!({"path": "/"}), forged, true).await.unwrap();
        assert_eq!(web["_request"]["remote_address"], "127.0.0.1");
    }

    #[tokio::test]
    async fn what_providers_send_unasked() {
        let secret = "0123456789abcdef";
        let bitbucket = json!({"auth": {"provider": "bitbucket", "secret": secret}});
        let ping = b"POST / HTTP/1.1\nHost: localhost\nX-Event-Key: diagnostics:ping\nContent-Type: application/json\n\n{\"test\":true}";
        assert_eq!(params(&bitbucket, ping, true).await, Err(200));
        let push = String::from_utf8(ping.to_vec()).unwrap().replace("diagnostics:ping", "repo:refs_changed");
        assert_eq!(params(&bitbucket, push.as_bytes(), true).await, Err(401));
        let github = json!({"auth": {"provider": "github", "secret": secret}});
        assert_eq!(params(&github, ping, true).await, Err(401));
        let form = b"POST / HTTP/1.1\nHost: localhost\nContent-Type: application/x-www-form-urlencoded\n\npayload=%7B%22a%22%3A1%7D";
        assert_eq!(own_params(&github, form, false).await, Ok(json!({"a": 1})));
        assert_eq!(own_params(&json!({"path": "/"}), form, false).await, Err(415));
    }

    /// The signature is that of `{"a":1}` with the secret `key`, made with OpenSSL; anybody can add the rest.
    #[tokio::test]
    async fn what_is_beside_a_signed_field_reaches_no_event() {
        const SIGNATURE: &str = "88a67f24bbcdaed0e6c997404bb79a743baf44c6bab2f4c27328e3009d22e342";
        let added = r#"{"a":2,"b":"&payload=%7B%22a%22%3A1%7D&"}"#;
        for (name, header) in
            [("gitea", "X-Gitea-Signature"), ("forgejo", "X-Gitea-Signature"), ("gogs", "X-Gogs-Signature")]
        {
            for (body, more, expected) in [
                ("payload=%7B%22a%22%3A1%7D", json!({}), Ok(json!({"a": 1}))),
                ("a=2&payload=%7B%22a%22%3A1%7D&b=3", json!({}), Ok(json!({"a": 1}))),
                ("a=2&payload=%7B%22a%22%3A1%7D&b=3", json!({"body": "any"}), Ok(json!({"a": 1}))),
                ("a=2&payload=%7B%22a%22%3A1%7D", json!({"body": "form"}), Ok(json!({"a": 1}))),
                (
                    "a=2&payload=%7B%22a%22%3A1%7D",
                    json!({"body": "webhook"}),
                    Ok(json!({"payload": "{\"a\":1}"})),
                ),
                (added, json!({"content_type": "application/json"}), Err(400)),
                (
                    added,
                    json!({"content_type": "text/plain", "body": "text"}),
                    Ok(json!({
                        "text": "payload=%7B%22a%22%3A1%7D",
                    })),
                ),
                ("payload=%7B%22a%22%3A2%7D", json!({}), Err(401)),
                ("a=2", json!({}), Err(401)),
            ] {
                let mut given = more;
                given["auth"] = json!({"provider": name, "secret": "key"});
                given["keep_raw"] = json!(true);
                let request = format!(
                    "POST / HTTP/1.1\nHost: localhost\n{header}: {SIGNATURE}\n\
                     Content-Type: application/x-www-form-urlencoded\n\n{body}"
                );
                let found = own_params(&given, request.as_bytes(), true).await;
                assert_eq!(found, expected, "{given} {body}");
                if let Ok(params) = params(&given, request.as_bytes(), true).await {
                    assert_eq!(params["_request"]["body"], "payload=%7B%22a%22%3A1%7D", "{given} {body}");
                }
            }
        }
    }

    #[test]
    fn a_signature_of_the_body_and_no_body() {
        let made = |given: Value| {
            HttpTrigger::new(&Options(given.as_object().unwrap().clone()), &Context::default())
        };
        let github = json!({"provider": "github", "secret": "0123456789abcdef"});
        let hmac = json!({"hmac": {
            "header": "x", "secret": "0123456789abcdef", "algorithm": "sha256", "encoding": "hex", "prefix": "",
        }});
        for (given, good) in [
            (json!({"methods": ["GET"], "auth": github}), false),
            (json!({"methods": "GET", "auth": github}), false),
            (json!({"methods": ["GET", "POST"], "auth": github}), false),
            (json!({"methods": ["POST", "get"], "auth": hmac}), false),
            (json!({"methods": ["POST", "GET"], "auth": hmac, "body": "any"}), false),
            (json!({"methods": ["POST", "PUT", "PATCH", "DELETE"], "auth": hmac}), true),
            (json!({"methods": ["GET"], "auth": github, "body": "webhook"}), true),
            (json!({"methods": ["POST", "GET"], "auth": hmac, "body": "webhook"}), true),
            (json!({"methods": ["GET"], "auth": {"token": "0123456789abcdef"}}), true),
            (json!({"methods": ["GET", "POST"], "auth": {"token": "0123456789abcdef"}}), true),
        ] {
            let error = made(given.clone()).err().map(|error| error.to_string());
            assert_eq!(error.is_none(), good, "{given}: {error:?}");
            assert!(error.is_none_or(|error| error.contains("remove GET") && error.contains("token")));
        }
    }

    #[tokio::test]
    async fn bodies_as_webhook_takes_them() {
        for (given, request, expected) in [
            (
                json!({"methods": "GET", "body": "webhook"}),
                &b"GET /?a=1 HTTP/1.1\nHost: localhost\n\n"[..],
                json!({}),
            ),
            (
                json!({"methods": "GET", "body": "webhook"}),
                b"GET /?a=1 HTTP/1.1\nHost: localhost\nContent-Type: x/json\nContent-Type: x\n\n{\"b\": 1}",
                json!({"b": 1}),
            ),
            (
                json!({"body": "webhook", "content_type": "application/json"}),
                b"POST / HTTP/1.1\nHost: localhost\n\n{\"b\": 1}",
                json!({"b": 1}),
            ),
            (
                json!({"content_type": "application/json"}),
                b"POST / HTTP/1.1\nHost: localhost\nContent-Type: text/plain\n\n{\"b\": 1}",
                json!({"b": 1}),
            ),
        ] {
            assert_eq!(own_params(&given, request, true).await.unwrap(), expected, "{given}");
        }
        let given = json!({"methods": "GET", "body": "webhook", "headers": ["x-a"]});
        let request = b"GET /?a=1&b=2&a=3 HTTP/1.1\nHost: localhost\nX-A: 1\nX-A: 2\n\n";
        let firsts = &params(&given, request, true).await.unwrap()["_request"];
        assert_eq!(
            (&firsts["query"], &firsts["headers"]),
            (&json!({"a": "1", "b": "2"}), &json!({"x-a": "1"}))
        );
    }

    /// What the running trigger rejects before it reads the parameters, is rejected here in the same way.
    #[tokio::test]
    async fn all_checks_of_the_running_trigger() {
        let json = "Content-Type: application/json\n";
        for (given, headers, body, status) in [
            (json!({}), json, "{}", None),
            (json!({"path": "/"}), json, "{}", None),
            (json!({}), "Content-Type: application/json\nContent-Encoding: gzip\n", "{}", Some(415)),
            (
                json!({"path": "/"}),
                "Content-Type: application/json\nContent-Encoding: gzip\n",
                "{}",
                Some(415),
            ),
            (json!({}), "Content-Type: application/json\nContent-Encoding: identity\n", "{}", None),
            (
                json!({}),
                "Content-Type: application/json\nContent-Encoding: identity\nContent-Encoding: gzip\n",
                "{}",
                Some(415),
            ),
            (json!({"max_body": 5}), json, "{\"a\":1}", Some(413)),
            (json!({"max_body": 7}), json, "{\"a\":1}", None),
            (json!({"max_body": 5, "path": "/"}), json, "{\"a\":1}", Some(413)),
            (json!({}), "Content-Type: application/json\nHost: x\n", "{}", Some(400)),
            (
                json!({}),
                "Content-Type: application/json\nIdempotency-Key: a\nIdempotency-Key: b\n",
                "{}",
                Some(400),
            ),
            (
                json!({"dedup_window": 0}),
                "Content-Type: application/json\nIdempotency-Key: a\nIdempotency-Key: b\n",
                "{}",
                None,
            ),
            (json!({"allow_ips": "10.0.0.0/8"}), json, "{}", Some(403)),
            (json!({"allow_ips": "127.0.0.1"}), json, "{}", None),
            (
                json!({"allow_ips": "10.0.0.0/8", "trusted_proxies": "127.0.0.1"}),
                "Content-Type: application/json\nX-Forwarded-For: 10.1.2.3\n",
                "{}",
                None,
            ),
            (
                json!({"path": "/"}),
                "Content-Type: application/json\nOrigin: https://evil.example\n",
                "{}",
                Some(403),
            ),
        ] {
            let request = format!("POST / HTTP/1.1\nHost: localhost\n{headers}\n{body}");
            let found = params(&given, request.as_bytes(), true).await.err();
            assert_eq!(found, status, "{given} {request}");
        }
    }

    #[tokio::test]
    async fn the_most_exact_path_on_a_port_receives_the_request() {
        let made = |given: Value| {
            HttpTrigger::new(&Options(given.as_object().unwrap().clone()), &Context::default()).unwrap()
        };
        let all = made(json!({"port": 8123}));
        let any = made(json!({"port": 8123, "path": "/deploy/{app}"}));
        let web = made(json!({"port": 8123, "path": "/deploy/web"}));
        let elsewhere = made(json!({"port": 8124, "path": "/deploy/db"}));
        let triggers: [(&str, &dyn Trigger); 4] =
            [("all", &all), ("any", &any), ("web", &web), ("elsewhere", &elsewhere)];
        for (name, path, receiver) in [
            ("web", "/deploy/web", None),
            ("any", "/deploy/web", Some("web")),
            ("any", "/deploy/db", None),
            ("all", "/deploy/web", Some("web")),
            ("all", "/deploy/db", Some("any")),
            ("all", "/", None),
        ] {
            let request =
                format!("POST {path} HTTP/1.1\nHost: localhost\nContent-Type: application/json\n\n{{}}");
            let recorded = RecordedRequest::read(request.as_bytes()).unwrap();
            let found = dry_run(triggers, name, recorded, true).await.err();
            assert_eq!(found, receiver.map(|name| NoEvent::OtherTrigger(name.to_owned())), "{name} {path}");
        }
    }

    #[tokio::test]
    async fn hosts_are_checked_where_the_listener_is_a_loopback_address() {
        let request = |version: &str, host: &str| {
            format!("POST / {version}\n{host}Content-Type: application/json\n\n{{}}").into_bytes()
        };
        for (given, version, host, checked, status) in [
            (json!({}), "HTTP/1.1", "Host: evil.example\n", true, Some(403)),
            (json!({}), "HTTP/1.1", "Host: evil.example\n", false, None),
            (json!({"allowed_hosts": ["good.example"]}), "HTTP/1.1", "Host: good.example\n", true, None),
            (json!({}), "HTTP/1.1", "", true, Some(400)),
            (json!({}), "HTTP/1.0", "", true, None),
            (json!({"host": "0.0.0.0"}), "HTTP/1.1", "Host: evil.example\n", true, None),
            (json!({"unix_socket": "/tmp/herald.sock"}), "HTTP/1.1", "Host: evil.example\n", true, None),
        ] {
            let found = params(&given, &request(version, host), checked).await.err();
            assert_eq!(found, status, "{given} {version} {host} {checked}");
        }
    }
}
