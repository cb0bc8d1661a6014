//! Requests of version 2: a JSON body whose digest, method and path are signed, once.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::message::job::{JOIN, JOIN_ONLY};
use crate::signing::digest::{self, BodyDigest};
use crate::signing::runner_id::{RunnerId, TO};
use crate::signing::secret::Secrets;
use crate::signing::signature::{
    self, LABEL, MessageSignature, SignatureError, SignatureParams, SignedComponent, SigningKey,
};

/// How old a request may be, in seconds.
pub const MAX_AGE: i64 = 300;
/// How far ahead of the runner's clock the daemon's may be, in seconds.
pub const MAX_SKEW: i64 = 30;
/// The longest nonce, in bytes.
const MAX_NONCE: usize = 256;
/// The bytes of chance in a nonce of ours.
const NONCE_BYTES: usize = 16;

const METHOD: SignedComponent<'static> = SignedComponent::new("@method");
const PATH: SignedComponent<'static> = SignedComponent::new("@path");
const DIGEST: SignedComponent<'static> = SignedComponent::new("content-digest");

/// A request as a signature sees it.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// As in the request line, without the query.
    pub path: &'a str,
    /// Without the question mark.
    pub query: Option<&'a str>,
    /// The host asked for, when the request line names it; else the Host header counts.
    pub authority: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
}

impl RequestView<'_> {
    fn resolve(&self, component: &SignedComponent<'_>, scheme: &str) -> Option<String> {
        if component.req {
            return None;
        }
        if !component.name.starts_with('@') {
            return signature::field_component(self.headers, component);
        }
        if component.key.is_some() {
            return None;
        }
        let path = if self.path.is_empty() { "/" } else { self.path };
        let query = self.query.map(|query| format!("?{query}"));
        match component.name {
            "@method" => Some(self.method.to_owned()),
            "@path" => Some(path.to_owned()),
            "@query" => Some(query.unwrap_or_else(|| "?".to_owned())),
            "@request-target" => Some(format!("{path}{}", query.unwrap_or_default())),
            "@authority" => self.authority(scheme),
            "@scheme" => Some(scheme.to_owned()),
            "@target-uri" => {
                Some(format!("{scheme}://{}{path}{}", self.authority(scheme)?, query.unwrap_or_default()))
            }
            _ => None,
        }
    }

    fn authority(&self, scheme: &str) -> Option<String> {
        let given = match self.authority {
            Some(authority) => authority.to_owned(),
            None => signature::field(self.headers, "host")?,
        };
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let lower = given.to_ascii_lowercase();
        Some(lower.strip_suffix(default_port).map_or(lower.clone(), str::to_owned))
    }
}

/// What ties an answer to its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTie {
    /// The label of the request's signature.
    pub label: String,
    /// The value of the request's Signature header.
    pub signature: String,
}

/// The headers to send, and what to hold the answer against.
#[derive(Debug)]
pub struct SignedRequest {
    /// Content-Digest, Signature-Input, Signature and, where they apply, Herald-To and Herald-Join.
    pub headers: HeaderMap,
    /// For [`crate::answer::verify`].
    pub tie: RequestTie,
}

/// What is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// As it will stand in the request line.
    pub path: &'a str,
    /// The whole body.
    pub body: &'a [u8],
    /// The runner that it is for; none in version 2.0.
    pub to: Option<&'a RunnerId>,
    /// Only join the job, never start it.
    pub join: bool,
    /// Seconds since 1970.
    pub now: i64,
    /// Never used before: [`nonce`].
    pub nonce: &'a str,
}

/// A fresh nonce.
///
/// # Errors
/// When the system gives no randomness.
pub fn nonce() -> std::io::Result<String> {
    let mut bytes = [0; NONCE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(hex::encode(bytes))
}

/// Signs a request with the first secret.
///
/// # Errors
/// When the path or nonce cannot stand in a header.
pub fn sign(request: &Outgoing<'_>, secrets: &Secrets) -> Result<SignedRequest, SignatureError> {
    let mut headers = HeaderMap::new();
    insert(&mut headers, "content-digest", &digest::content_digest(request.body))?;
    let mut components = vec![METHOD, PATH, DIGEST];
    if let Some(to) = request.to {
        insert(&mut headers, TO, to.as_str())?;
        components.push(SignedComponent::new(TO));
    }
    if request.join {
        insert(&mut headers, JOIN, JOIN_ONLY)?;
        components.push(SignedComponent::new(JOIN));
    }
    let params =
        SignatureParams { created: request.now, nonce: Some(request.nonce), keyid: secrets.key_id(0) };
    let view = RequestView {
        method: request.method,
        path: request.path,
        query: None,
        authority: None,
        headers: &headers,
    };
    let resolve = |component: &SignedComponent<'_>| view.resolve(component, "");
    let signed = signature::sign(LABEL, &components, &params, &resolve, SigningKey { secrets, index: 0 })?;
    insert(&mut headers, "signature-input", &signed.input)?;
    insert(&mut headers, "signature", &signed.signature)?;
    Ok(SignedRequest { headers, tie: RequestTie { label: LABEL.to_owned(), signature: signed.signature } })
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), SignatureError> {
    let value = HeaderValue::from_str(value).map_err(|_| SignatureError::Malformed(name))?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

/// A request whose signature was found right. Whether its nonce was seen before, and whether it is for this runner, is
/// for the caller to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The nonce, as sent.
    pub nonce: String,
    /// When it was signed, in seconds since 1970.
    pub created: i64,
    /// Which secret signed it.
    pub secret: usize,
    /// Only join the job, never start it.
    pub join: bool,
    /// The runner that it is for, as sent; none in version 2.0. See [`crate::runner_id::RecipientRule`].
    pub to: Option<String>,
    /// What the answer is signed over.
    pub tie: RequestTie,
}

/// Whether a request claims to be one of version 2.
#[must_use]
pub fn is_signed(headers: &HeaderMap) -> bool {
    headers.contains_key("signature-input") || headers.contains_key("signature")
}

/// Verifies a request: method, path, digest and body, age, and any further component that it covers.
///
/// # Errors
/// When no signature is valid; the error is that of the first.
pub fn verify(
    view: &RequestView<'_>,
    body: &[u8],
    secrets: &Secrets,
    now: i64,
) -> Result<Verified, SignatureError> {
    let (verified, mut digest) = verify_head(view, secrets, now)?;
    digest.update(body);
    digest.finish()?;
    Ok(verified)
}

/// Verifies the head of a request, before its body is read: everything that [`verify`] does but for the body, which
/// must then fit the digest that is returned.
///
/// # Errors
/// When no signature is valid; the error is that of the first.
pub fn verify_head(
    view: &RequestView<'_>,
    secrets: &Secrets,
    now: i64,
) -> Result<(Verified, BodyDigest), SignatureError> {
    let input = signature::field(view.headers, "signature-input");
    let header = signature::field(view.headers, "signature");
    let presented = MessageSignature::all(input.as_deref(), header.as_deref())?;
    let mut verdict = SignatureError::Unsigned;
    for one in &presented {
        match verify_one(one, view, secrets, now) {
            Ok(verified) => {
                let given = signature::field(view.headers, "content-digest").unwrap_or_default();
                return Ok((verified, BodyDigest::demanded(&given)?));
            }
            Err(error) if verdict == SignatureError::Unsigned => verdict = error,
            Err(_) => {}
        }
    }
    Err(verdict)
}

fn verify_one(
    one: &MessageSignature,
    view: &RequestView<'_>,
    secrets: &Secrets,
    now: i64,
) -> Result<Verified, SignatureError> {
    for wanted in [METHOD, PATH, DIGEST] {
        one.require(&wanted)?;
    }
    let join = view.headers.contains_key(JOIN);
    if join {
        one.require(&SignedComponent::new(JOIN))?;
    }
    if view.headers.contains_key(TO) {
        one.require(&SignedComponent::new(TO))?;
    }
    let created = one.integer("created")?.ok_or(SignatureError::Parameter("created"))?;
    let nonce = one.text("nonce")?.filter(|nonce| (1..=MAX_NONCE).contains(&nonce.len()));
    let nonce = nonce.ok_or(SignatureError::Parameter("nonce"))?;
    // Every secret is tried whatever it says, but a request must name the one it means.
    one.text("keyid")?.ok_or(SignatureError::Parameter("keyid"))?;
    let secret = verify_schemes(one, view, secrets)?;
    check_age(created, one.integer("expires")?, now)?;
    let signature = signature::field(view.headers, "signature").unwrap_or_default();
    let tie = RequestTie { label: one.label.clone(), signature };
    let to = signature::field(view.headers, TO);
    Ok(Verified { nonce: nonce.to_owned(), created, secret, join, to, tie })
}

/// A runner does not know whether a proxy in front of it was asked over https, so a signature that covers the scheme
/// is tried with both.
fn verify_schemes(
    one: &MessageSignature,
    view: &RequestView<'_>,
    secrets: &Secrets,
) -> Result<usize, SignatureError> {
    let with = |scheme: &str| {
        one.verify(&|component: &SignedComponent<'_>| view.resolve(component, scheme), secrets)
    };
    with("http").or_else(|error| if error == SignatureError::Forged { with("https") } else { Err(error) })
}

fn check_age(created: i64, expires: Option<i64>, now: i64) -> Result<(), SignatureError> {
    let age = now.saturating_sub(created);
    if age > MAX_AGE {
        return Err(SignatureError::Stale(age));
    }
    if age < -MAX_SKEW {
        return Err(SignatureError::Future(age.saturating_neg()));
    }
    match expires {
        Some(expires) if expires < now => Err(SignatureError::Stale(age)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const BODY: &[u8] = br#"{"job_id":"a","attempt":1}"#;

    fn secrets() -> Secrets {
        Secrets::new(["the_secret_should_be_strong_enough"]).unwrap()
    }

    fn signed(join: bool) -> SignedRequest {
        signed_for(None, join)
    }

    fn signed_for(to: Option<&RunnerId>, join: bool) -> SignedRequest {
        let nonce = "000102030405060708090a0b0c0d0e0f";
        let request = Outgoing { method: "POST", path: "/run", body: BODY, to, join, now: NOW, nonce };
        sign(&request, &secrets()).unwrap()
    }

    fn runner_id() -> RunnerId {
        RunnerId::try_from("5f0c1a9e3b7d48261122334455667788".to_owned()).unwrap()
    }

    fn view(headers: &HeaderMap) -> RequestView<'_> {
        RequestView { method: "POST", path: "/run", query: None, authority: None, headers }
    }

    #[test]
    fn the_golden_request() {
        let SignedRequest { headers, tie } = signed(false);
        let lines: Vec<String> = ["content-digest", "signature-input", "signature"]
            .map(|name| format!("{name}: {}", headers[name].to_str().unwrap()))
            .to_vec();
        assert_eq!(lines.join("\n"), include_str!("../../tests/golden/v2-request.txt").trim_end());
        let verified = verify(&view(&headers), BODY, &secrets(), NOW).unwrap();
        assert_eq!(verified.tie, tie);
        assert_eq!((verified.join, verified.secret, verified.created), (false, 0, NOW));
        assert!(verify(&view(&signed(true).headers), BODY, &secrets(), NOW).unwrap().join);
    }

    /// Version 2.1: the request names the runner that it is for.
    #[test]
    fn the_golden_request_for_one_runner() {
        let id = runner_id();
        let SignedRequest { headers, tie } = signed_for(Some(&id), false);
        let lines: Vec<String> = ["content-digest", "herald-to", "signature-input", "signature"]
            .map(|name| format!("{name}: {}", headers[name].to_str().unwrap()))
            .to_vec();
        let golden = include_str!("../../tests/golden/v2.1-request.txt").trim_end();
        assert_eq!(lines.join("\n"), golden);
        // Both ways: what is in the file is also read.
        let mut read = HeaderMap::new();
        for line in golden.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            read.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let verified = verify(&view(&read), BODY, &secrets(), NOW).unwrap();
        assert_eq!((verified.tie, verified.to.as_deref()), (tie, Some(id.as_str())));
        let joins = verify(&view(&signed_for(Some(&id), true).headers), BODY, &secrets(), NOW).unwrap();
        assert_eq!((joins.join, joins.to.as_deref()), (true, Some(id.as_str())));
        assert_eq!(verify(&view(&signed(false).headers), BODY, &secrets(), NOW).unwrap().to, None);
    }

    #[test]
    fn the_runner_that_a_request_names_cannot_be_changed() {
        type Alter = fn(&mut HeaderMap);
        let uncovered = SignatureError::Uncovered("\"herald-to\"".to_owned());
        let lost = SignatureError::Component("\"herald-to\"".to_owned());
        let bound = || signed_for(Some(&runner_id()), false).headers;
        let cases: [(&str, HeaderMap, Alter, SignatureError); 5] = [
            ("another", bound(), |h| replace(h, TO, "5f0c", "5f0d"), SignatureError::Forged),
            ("removed", bound(), |h| drop(h.remove(TO)), lost),
            (
                "a second one",
                bound(),
                |h| {
                    h.append(TO, HeaderValue::from_static("other-runner"));
                },
                SignatureError::Forged,
            ),
            (
                "added to version 2.0",
                signed(false).headers,
                |h| drop(h.insert(TO, HeaderValue::from_static("other-runner"))),
                uncovered.clone(),
            ),
            (
                "no longer covered",
                bound(),
                |h| replace(h, "signature-input", " \"herald-to\"", ""),
                uncovered,
            ),
        ];
        for (what, mut headers, alter, expected) in cases {
            alter(&mut headers);
            assert_eq!(verify(&view(&headers), BODY, &secrets(), NOW).err(), Some(expected), "{what}");
        }
    }

    #[test]
    fn age_is_bounded_on_both_sides() {
        let headers = signed(false).headers;
        for (later, expected) in [
            (0, None),
            (300, None),
            (301, Some(SignatureError::Stale(301))),
            (-30, None),
            (-31, Some(SignatureError::Future(31))),
            (i64::MAX - NOW, Some(SignatureError::Stale(i64::MAX - NOW))),
        ] {
            let verdict = verify(&view(&headers), BODY, &secrets(), NOW + later);
            assert_eq!(verdict.err(), expected, "{later}");
        }
    }

    #[test]
    fn alterations_are_found() {
        type Alter = fn(&mut HeaderMap);
        let cases: [(&str, Alter); 8] = [
            ("no signature", |h| drop(h.remove("signature"))),
            ("no input", |h| drop(h.remove("signature-input"))),
            ("no digest", |h| drop(h.remove("content-digest"))),
            ("two digests", |h| {
                h.append("content-digest", HeaderValue::from_static("sha-256=:AAAA:"));
            }),
            ("other nonce", |h| replace(h, "signature-input", "0001", "0002")),
            ("other time", |h| replace(h, "signature-input", "1800000000", "1800000001")),
            ("less covered", |h| replace(h, "signature-input", "\"@path\" ", "")),
            ("join added", |h| {
                h.insert(JOIN, HeaderValue::from_static("only"));
            }),
        ];
        for (what, alter) in cases {
            let mut headers = signed(false).headers;
            alter(&mut headers);
            assert!(verify(&view(&headers), BODY, &secrets(), NOW).is_err(), "{what}");
        }
        let headers = signed(false).headers;
        assert!(verify(&view(&headers), b"{}", &secrets(), NOW).is_err());
        let other = RequestView { method: "PUT", ..view(&headers) };
        assert_eq!(verify(&other, BODY, &secrets(), NOW).err(), Some(SignatureError::Forged));
        let other = RequestView { path: "/run/cancel", ..view(&headers) };
        assert_eq!(verify(&other, BODY, &secrets(), NOW).err(), Some(SignatureError::Forged));
        let unknown = Secrets::new(["quite another secret than that"]).unwrap();
        assert_eq!(verify(&view(&headers), BODY, &unknown, NOW).err(), Some(SignatureError::Forged));
    }

    fn replace(headers: &mut HeaderMap, name: &'static str, from: &str, to: &str) {
        let value = headers[name].to_str().unwrap().replace(from, to);
        insert(headers, name, &value).unwrap();
    }

    /// What another implementation of RFC 9421 may send: its own label and keyid, more components, another order.
    #[test]
    fn foreign_signatures_are_verified() {
        let secrets = secrets();
        for (names, scheme) in [
            (&["content-digest", "@path", "@method"][..], "http"),
            (&["@method", "@target-uri", "@path", "content-digest", "content-type"], "https"),
            (&["@method", "@authority", "@scheme", "@query", "@path", "content-digest"], "http"),
            (&["@request-target", "@method", "@path", "content-digest", "host"], "http"),
        ] {
            let mut headers = HeaderMap::new();
            insert(&mut headers, "content-digest", &digest::content_digest(BODY)).unwrap();
            insert(&mut headers, "content-type", " application/json ").unwrap();
            insert(&mut headers, "host", "Runner.Example:80").unwrap();
            let components: Vec<SignedComponent<'_>> =
                names.iter().map(|name| SignedComponent::new(name)).collect();
            let params = SignatureParams { created: NOW, nonce: Some("n"), keyid: "whatever" };
            let request = RequestView { query: Some("a=b"), ..view(&headers) };
            let resolve = |component: &SignedComponent<'_>| request.resolve(component, scheme);
            let signed = signature::sign(
                "sig1",
                &components,
                &params,
                &resolve,
                SigningKey { secrets: &secrets, index: 0 },
            )
            .unwrap();
            let mut sent = headers.clone();
            insert(&mut sent, "signature-input", &signed.input).unwrap();
            insert(&mut sent, "signature", &signed.signature).unwrap();
            let seen = RequestView { headers: &sent, ..request };
            let verified = verify(&seen, BODY, &secrets, NOW);
            assert_eq!(verified.map(|v| v.tie.label), Ok("sig1".to_owned()), "{names:?}");
        }
    }

    #[test]
    fn created_nonce_and_keyid_must_be_there_and_expires_counts() {
        let headers = signed(false).headers;
        for (from, to, expected) in [
            (";created=1800000000", "", SignatureError::Parameter("created")),
            (";created=1800000000", ";created=\"1\"", SignatureError::Parameter("created")),
            (";nonce=\"000102030405060708090a0b0c0d0e0f\"", "", SignatureError::Parameter("nonce")),
            (
                ";nonce=\"000102030405060708090a0b0c0d0e0f\"",
                ";nonce=\"\"",
                SignatureError::Parameter("nonce"),
            ),
            (";keyid=\"c3769cb589c859a4\"", "", SignatureError::Parameter("keyid")),
            (";keyid=\"c3769cb589c859a4\"", ";keyid=c3769cb589c859a4", SignatureError::Parameter("keyid")),
        ] {
            let mut headers = headers.clone();
            replace(&mut headers, "signature-input", from, to);
            assert_eq!(verify(&view(&headers), BODY, &secrets(), NOW).err(), Some(expected), "{to}");
        }
        assert_eq!(check_age(NOW - 10, Some(NOW - 1), NOW), Err(SignatureError::Stale(10)));
        assert_eq!(check_age(NOW - 10, Some(NOW), NOW), Ok(()));
    }
}
