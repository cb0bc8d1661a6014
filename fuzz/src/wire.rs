//! What reaches a herald-runner, or comes back from one.

use std::convert::Infallible;

use bytes::Bytes;
use herald_wire::multipart::MultipartReader;
use herald_wire::request::{self, RequestView};
use herald_wire::secret::Secrets;
use herald_wire::signature::MessageSignature;
use http::{HeaderMap, HeaderValue};

use crate::first_line;

/// A request whose `Signature-Input` and `Signature` are the first two lines: nobody has the secret.
pub fn runner_signature(data: &[u8]) {
    let (input, rest) = first_line(data);
    let (signature, body) = first_line(rest);
    let mut headers = HeaderMap::new();
    for (name, value) in [("signature-input", input), ("signature", signature)] {
        let Ok(value) = HeaderValue::from_str(value) else { return };
        headers.insert(name, value);
    }
    headers.insert("content-digest", HeaderValue::from_static("sha-256=:AAAA:"));
    let view = RequestView { method: "POST", path: "/", query: None, authority: None, headers: &headers };
    let Ok(secrets) = Secrets::new(["0123456789abcdef0123456789abcdef"]) else { return };
    assert!(request::verify(&view, body, &secrets, 0).is_err(), "nobody has the secret");
}

/// Two dictionaries of structured fields (RFC 9651), as signatures have them.
pub fn structured_fields(data: &[u8]) {
    let (input, rest) = first_line(data);
    let (signature, _) = first_line(rest);
    let Ok(found) = MessageSignature::all(Some(input), Some(signature)) else { return };
    for signature in found {
        let _ = signature.components().count();
        let _ = (signature.integer("created"), signature.text("nonce"), signature.text("keyid"));
    }
}

/// A multipart body whose boundary is the first line, in pieces of 7 bytes.
pub fn multipart(data: &[u8]) {
    let (boundary, body) = first_line(data);
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let pieces: Vec<Result<Bytes, Infallible>> =
        body.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let stream = futures_util::stream::iter(pieces);
    let Ok(mut reader) = MultipartReader::new(&content_type, stream) else { return };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    runtime.block_on(async {
        while let Ok(Some(mut part)) = reader.next_part().await {
            let mut length = 0;
            while let Ok(Some(chunk)) = part.chunk().await {
                length += chunk.len();
            }
            assert!(length <= body.len(), "a part is not longer than the body");
        }
    });
}
