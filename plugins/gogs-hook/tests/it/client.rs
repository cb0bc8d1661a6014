//! What Gogs does, byte by byte.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The value of `X-Gogs-Signature`.
pub(crate) fn sign(secret: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// A whole request.
pub(crate) fn post(headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut request = format!(
        "POST /hook HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         X-Gogs-Event: push\r\nX-Gogs-Delivery: d-1\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{request}\r\n{body}").into_bytes()
}

/// Sends a request; the status and the body that come back.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &[u8],
) -> (u16, String) {
    stream.write_all(request).await.unwrap();
    let (status, all) = answer(stream).await;
    (status, all.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// The status and the whole text of an answer.
pub(crate) async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> (u16, String) {
    let mut all = String::new();
    let reading = stream.read_to_string(&mut all);
    tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
    let status =
        all.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{all}"));
    (status, all)
}
