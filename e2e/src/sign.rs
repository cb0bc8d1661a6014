//! Signatures of both wire versions, written from the contract, RFC 9421 and RFC 9530.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::http::Message;

fn mac(secret: &str, bytes: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}

/// SHA-256 in hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// `X-Herald-Signature` and `X-Gogs-Signature`: hex(HMAC-SHA256(secret, body)).
#[must_use]
pub fn v1(secret: &str, body: &[u8]) -> String {
    hex::encode(mac(secret, body))
}

/// A version 1 request.
#[must_use]
pub fn v1_request(secret: &str, body: &[u8]) -> Message {
    let signature = v1(secret, body);
    let headers = [("Content-Type", "application/json"), ("X-Herald-Signature", signature.as_str())];
    Message::request("POST", "/", &headers, body)
}

/// `Content-Digest` of RFC 9530.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(body)))
}

/// The contents of a `Signature-Input` header with one signature.
#[derive(Debug, Clone)]
pub struct Input {
    /// The signature's label.
    pub label: String,
    /// The covered components, without quotes.
    pub components: Vec<String>,
    /// The signature's parameters, in order, as written.
    pub params: Vec<(String, String)>,
}

impl Input {
    /// Of a signed request.
    #[must_use]
    pub fn of(request: &Message) -> Self {
        let text = request.get("signature-input").expect("a Signature-Input");
        let (label, rest) = text.split_once("=(").expect("label=(");
        let (components, params) = rest.split_once(')').expect("a closing parenthesis");
        let params = params.split(';').filter(|param| !param.trim().is_empty());
        Self {
            label: label.trim().to_owned(),
            components: components.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect(),
            params: params
                .map(|param| param.trim().split_once('=').expect("name=value"))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// A parameter, as written.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Sets a parameter that is there.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        let (_, old) = self.params.iter_mut().find(|(key, _)| key == name).expect("the parameter");
        value.clone_into(old);
        self
    }

    /// Drops a parameter.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.params.retain(|(key, _)| key != name);
        self
    }

    /// With an unused nonce.
    #[must_use]
    pub fn fresh_nonce(self) -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let unique = format!(
            "{}-{}-{}",
            crate::wait::unix_now(),
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        // As long as any reader may ask for.
        self.set("nonce", &format!("\"{}\"", sha256_hex(unique.as_bytes())))
    }

    fn signature_params(&self) -> String {
        let covered: Vec<String> = self.components.iter().map(|name| format!("\"{name}\"")).collect();
        let params: String = self.params.iter().map(|(name, value)| format!(";{name}={value}")).collect();
        format!("({}){params}", covered.join(" "))
    }

    fn base(&self, request: &Message) -> String {
        let (method, target) = request.target();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut base = String::new();
        for name in &self.components {
            let value = match name.as_str() {
                "@method" => method.to_owned(),
                "@path" => path.to_owned(),
                "@query" => format!("?{query}"),
                "@authority" => request.get("host").unwrap_or_default().to_lowercase(),
                header => request.get(header).unwrap_or_default().to_owned(),
            };
            base.push_str(&format!("\"{name}\": {value}\n"));
        }
        base.push_str(&format!("\"@signature-params\": {}", self.signature_params()));
        base
    }

    /// The `Signature` header that this request should carry.
    #[must_use]
    pub fn signature(&self, secret: &str, request: &Message) -> String {
        format!("{}=:{}:", self.label, BASE64_STANDARD.encode(mac(secret, self.base(request).as_bytes())))
    }

    /// Signs the request with this input.
    #[must_use]
    pub fn sign(&self, secret: &str, request: &Message) -> Message {
        let mut signed = request.clone();
        signed.set("Signature-Input", &format!("{}={}", self.label, self.signature_params()));
        let signature = self.signature(secret, &signed);
        signed.set("Signature", &signature);
        signed
    }
}
