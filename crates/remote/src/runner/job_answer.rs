//! What an answer must look like, and what it is once it was read.

use std::path::Path;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use herald_wire::answer::{self, Claim};
use herald_wire::ending::EndingName;
use herald_wire::log::OutputSummary;
use herald_wire::manifest::AnswerManifest;
use herald_wire::request::RequestTie;
use herald_wire::secret::Secrets;
use herald_wire::signature::SignatureError;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::last_answer::LastAnswer;
use super::staging::Staging;

/// What an answer must be signed with.
#[derive(Clone, Copy)]
pub(super) struct SignedWith<'a> {
    pub(super) tie: &'a RequestTie,
    pub(super) secrets: &'a Secrets,
    /// Where it is noted that the runner answers.
    pub(super) last_answer: &'a LastAnswer,
}

impl SignedWith<'_> {
    /// The manifest of an answer, once its signature is verified.
    pub(super) fn verify(&self, claim: &Claim<'_>) -> Result<AnswerManifest, SignatureError> {
        let manifest = answer::verify(claim, self.tie, self.secrets)?;
        self.last_answer.note();
        Ok(manifest)
    }
}

/// What an answer must look like.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    /// For version 2.
    pub(super) signed: Option<SignedWith<'a>>,
    /// Where files are stored.
    pub(super) data_dir: &'a Path,
    /// The most bytes that all files may have together.
    pub(super) max_files_size: Option<u64>,
}

/// A job that ran.
pub(super) struct JobAnswer {
    /// The result, without `file`.
    pub(super) result: Map<String, Value>,
    /// The files, checked but not in place yet.
    pub(super) staging: Option<Staging>,
    /// How its process ended; unknown in version 1.
    pub(super) ending: Option<EndingName>,
    /// The last line of its standard error, where it failed by itself.
    pub(super) error_line: Option<String>,
    /// What it wrote, where its runner says that with its answer.
    pub(super) output: Option<OutputSummary>,
}

pub(super) type AnswerBody = BoxStream<'static, Result<Bytes, std::io::Error>>;

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The connection broke in the middle of an answer.
pub(super) fn truncated(error: impl std::fmt::Display) -> Fault {
    Fault::Truncated(format!("the answer was truncated: {error}"))
}

pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(mut result)) => {
            // Paths on the runner are of no use here.
            result.remove("file");
            Ok(result)
        }
        _ => Err(Fault::Invalid("the result is not a JSON object".to_owned())),
    }
}
