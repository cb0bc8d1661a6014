//! Answers as HTTP responses, signed when the request was.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use herald_base::clock::{Clock as _, SystemClock};
use herald_base::ending::Ending;
use herald_wire::answer::Signer;
use herald_wire::log::OutputSummary;
use herald_wire::manifest::{self, AnswerManifest};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};

use crate::job::ended::JobEnd;
use crate::request::files::{self, Opened, Pieces};

/// The body of every answer.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Seconds after which it is worth to ask again.
const RETRY_SECONDS: u16 = 2;

/// The program of the job ended, and then this.
const NO_FILES: &str = "the job ran, but its result files cannot be sent";

/// How an answer is made: for version 2 with what signs it.
#[derive(Debug, Clone)]
pub enum Wire {
    /// Nobody proved who they are, or it is version 1.
    Plain,
    /// Version 2.
    Signed(Signer),
}

/// A short answer of one piece.
#[derive(Debug)]
pub struct SimpleResponse {
    /// The status code.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
    json: bool,
    ending: Option<Ending>,
    error_line: Option<String>,
    output: Option<OutputSummary>,
}

impl SimpleResponse {
    /// A reason as text.
    pub fn text(status: StatusCode, text: impl std::fmt::Display) -> Self {
        Self {
            status,
            body: format!("{text}\n").into(),
            json: false,
            ending: None,
            error_line: None,
            output: None,
        }
    }

    /// JSON.
    #[must_use]
    pub fn json(body: Bytes, ending: Option<Ending>) -> Self {
        Self { status: StatusCode::OK, body, json: true, ending, error_line: None, output: None }
    }

    /// As a response.
    #[must_use]
    pub fn send(self, wire: &Wire) -> Response<Body> {
        let mut response = Response::new(Full::new(self.body.clone()).map_err(never).boxed_unsync());
        *response.status_mut() = self.status;
        let kind = if self.json { "application/json" } else { "text/plain; charset=utf-8" };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
        if let Wire::Signed(signer) = wire {
            self.sign(signer, &mut response);
        }
        response
    }

    fn sign(&self, signer: &Signer, response: &mut Response<Body>) {
        let manifest = AnswerManifest::of_body(&self.body, self.ending);
        let (error_line, output) = (self.error_line.clone(), self.output.clone());
        let text = signer.manifest_text(AnswerManifest { error_line, output, ..manifest });
        match signer.sign(self.status.as_u16(), &text, SystemClock.unix_seconds()) {
            Ok(signed) => {
                let headers = [
                    (manifest::HEADER, text),
                    ("signature-input", signed.input),
                    ("signature", signed.signature),
                ];
                for (name, value) in headers {
                    if let Ok(value) = HeaderValue::try_from(value) {
                        response.headers_mut().insert(name, value);
                    }
                }
            }
            // The daemon refuses it then, and says that it is not signed.
            Err(error) => tracing::error!(%error, "an answer could not be signed"),
        }
    }
}

fn never(never: Infallible) -> io::Error {
    match never {}
}

/// The answer to a job that was taken. `output`: what it wrote, where that is known.
pub async fn of_job(ended: Arc<JobEnd>, output: Option<OutputSummary>, wire: &Wire) -> Response<Body> {
    let failed = |reason: &str| SimpleResponse::text(StatusCode::INTERNAL_SERVER_ERROR, reason);
    let (body, ending, error_line) = match ended.as_ref() {
        JobEnd::NotRun { reason, ending, .. } => {
            return SimpleResponse { ending: *ending, ..failed(reason) }.send(wire);
        }
        JobEnd::Ran { body, report } => (body.clone(), report.ending, report.error_line.clone()),
    };
    if ended.files().is_empty() {
        return SimpleResponse { error_line, output, ..SimpleResponse::json(body, Some(ending)) }.send(wire);
    }
    let manifest = AnswerManifest { error_line, output, ..AnswerManifest::of_body(&body, Some(ending)) };
    let opened = tokio::task::spawn_blocking(move || files::open_all(ended.files()));
    let opened = match opened.await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return failed(&format!("{NO_FILES}: {error}")).send(wire),
        Err(_) => return failed(NO_FILES).send(wire),
    };
    match multipart(body, opened, manifest, wire) {
        Ok((content_type, pieces)) => streamed(&content_type, pieces),
        Err(error) => failed(&format!("{NO_FILES}: {error}")).send(wire),
    }
}

fn multipart(
    body: Bytes,
    opened: Vec<Opened>,
    manifest: AnswerManifest,
    wire: &Wire,
) -> io::Result<(String, Pieces)> {
    match wire {
        Wire::Plain => files::stream_v1(body, opened),
        Wire::Signed(signer) => files::stream_v2(body, opened, manifest, signer.clone()),
    }
}

fn streamed(content_type: &str, mut pieces: Pieces) -> Response<Body> {
    let stream = futures_util::stream::poll_fn(move |cx| pieces.poll_recv(cx));
    let body = StreamBody::new(stream.map_ok(Frame::data)).boxed_unsync();
    let mut response = Response::new(body);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}
