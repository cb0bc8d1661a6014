//! Bodies of the type `multipart/form-data`, as Mailgun and browsers send them: fields and files.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use multer::Multipart;
use serde_json::{Value, json};

use super::surrogate;

/// So many parts a body may have.
const MOST: usize = 1000;

/// A part.
pub(crate) struct FormPart {
    /// The name of its field.
    pub(crate) name: String,
    /// The name of the file, if it is one.
    file: Option<String>,
    /// What it says of its type.
    content_type: Option<String>,
    bytes: Vec<u8>,
}

/// Why a body has no parts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormPartError {
    /// The type names no boundary.
    #[error("the Content-Type of the body names no boundary")]
    NoBoundary,
    /// It is not what its type says.
    #[error("the body is not multipart/form-data: {0}")]
    Syntax(#[from] multer::Error),
    /// It ends too early.
    #[error("the body is not multipart/form-data: it is cut")]
    Cut,
    /// A part without a name.
    #[error("a part of the body has no name")]
    Nameless,
    /// A field that is not text.
    #[error("the field `{0}` is not text (UTF-8)")]
    NotText(String),
    /// More than [`MOST`].
    #[error("the body has more than {MOST} parts")]
    TooMany,
}

/// The parts of a body, in order.
pub(crate) fn parts(headers: &HeaderMap, body: &[u8]) -> Result<Vec<FormPart>, FormPartError> {
    let given = headers.get(CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(given).map_err(|_| FormPartError::NoBoundary)?;
    // The whole body is there: nothing waits.
    read(Bytes::copy_from_slice(body), boundary).now_or_never().unwrap_or(Err(FormPartError::Cut))
}

async fn read(body: Bytes, boundary: String) -> Result<Vec<FormPart>, FormPartError> {
    let whole = stream::iter([Ok::<Bytes, Infallible>(body)]);
    let mut multipart = Multipart::new(whole, boundary);
    let mut parts = Vec::new();
    while let Some(mut field) = multipart.next_field().await? {
        if parts.len() == MOST {
            return Err(FormPartError::TooMany);
        }
        let name = field.name().map(str::to_owned).ok_or(FormPartError::Nameless)?;
        let file = field.file_name().map(str::to_owned);
        let content_type = field.content_type().map(ToString::to_string);
        let mut bytes = Vec::new();
        while let Some(chunk) = field.chunk().await? {
            bytes.extend_from_slice(&chunk);
        }
        parts.push(FormPart { name, file, content_type, bytes });
    }
    Ok(parts)
}

impl FormPart {
    /// As a parameter: the text of a field; of a file its name, type and content.
    pub(crate) fn param(&self) -> Result<Value, FormPartError> {
        let text = std::str::from_utf8(&self.bytes).ok();
        let Some(file) = &self.file else {
            return text.map(Value::from).ok_or_else(|| FormPartError::NotText(self.name.clone()));
        };
        let mut param = json!({ "filename": file, "size": self.bytes.len() });
        if let Some(content_type) = &self.content_type {
            param["content_type"] = Value::from(content_type.as_str());
        }
        match text {
            Some(text) => param["text"] = Value::from(text),
            None => param["base64"] = Value::from(STANDARD.encode(&self.bytes)),
        }
        Ok(param)
    }

    /// As the program webhook takes it: a field as text, and a file only where it is JSON.
    pub(crate) fn as_webhook(&self) -> Option<Value> {
        match &self.file {
            None => Some(Value::from(String::from_utf8_lossy(&self.bytes))),
            Some(_) => {
                let is_json = self.content_type.as_ref().is_some_and(|given| given == "application/json");
                is_json.then(|| surrogate::read(&self.bytes)).flatten()
            }
        }
    }
}
