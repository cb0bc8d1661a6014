//! Reads and checks the answer to a request.

use std::time::Duration;

use futures_util::StreamExt as _;
use herald_net::client::reason;
use herald_wire::MAX_RESULT;
use herald_wire::answer::Claim;
use herald_wire::manifest::{self, AnswerManifest};
use herald_wire::runner_id::RunnerId;
use herald_wire::signature::SignatureError;
use http::{HeaderMap, StatusCode};
use reqwest::Response;
use serde::de::DeserializeOwned;

use super::answer_files;
use super::fault::Fault;
use super::job_answer::{AnswerBody, Expected, JobAnswer, SignedWith, header, object, truncated};

/// How long no byte of an answer may arrive once it has begun.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest text of an error that is read, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// The longest text of an error that is shown, in characters.
const MAX_SHOWN: usize = 1000;

/// Reads an answer to its end.
pub(super) async fn read(response: Response, expected: Expected<'_>) -> Result<JobAnswer, Fault> {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = body(response);
    if status != StatusCode::OK {
        return Err(refusal(status, &headers, body, expected).await);
    }
    let kind = header(&headers, "content-type").unwrap_or_default().to_ascii_lowercase();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => json(&headers, body, expected).await,
        "multipart/form-data" => {
            let kind = header(&headers, "content-type").unwrap_or_default();
            answer_files::read(kind, body, expected).await
        }
        _ => Err(Fault::NotARunner(Claimed::new(status, &headers, String::new()).to_string())),
    }
}

/// Reads an answer that is one JSON text of at most `limit` bytes.
pub(super) async fn read_message<T: DeserializeOwned>(
    response: Response,
    signed: Option<SignedWith<'_>>,
    limit: usize,
) -> Result<T, Fault> {
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = collect(body(response), limit).await?;
    let text = || printable(&String::from_utf8_lossy(&bytes));
    if let Some(signed) = signed
        && let Err(error) = verify_whole(status, &headers, &bytes, signed)
    {
        return Err(error.fault(Claimed::new(status, &headers, text())));
    }
    match status {
        StatusCode::OK => serde_json::from_slice(&bytes)
            .map_err(|error| Fault::Invalid(format!("the answer cannot be parsed: {error}"))),
        StatusCode::NOT_FOUND => Err(Fault::Unknown),
        StatusCode::BAD_REQUEST => Err(Fault::Refused { why: text(), accepted: false, ending: None }),
        _ => Err(Fault::Invalid(text())),
    }
}

/// A 401 that its runner signed: it did not do what was asked for, and has not seen the request before.
pub(super) struct SignedRejection {
    /// The runner.
    pub(super) runner: Option<RunnerId>,
    /// Its reason.
    pub(super) why: String,
}

/// Reads a 401. One that is not signed is a fault: its runner, or something on the way, does not know who asks.
pub(super) async fn read_rejection(
    response: Response,
    signed: SignedWith<'_>,
) -> Result<SignedRejection, Fault> {
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = collect(body(response), MAX_TEXT).await?;
    let why = printable(&String::from_utf8_lossy(&bytes));
    match verify_whole(status, &headers, &bytes, signed) {
        Ok(manifest) => Ok(SignedRejection { runner: manifest.runner, why }),
        Err(error) => Err(error.fault(Claimed::new(status, &headers, why))),
    }
}

/// The body, with a limit on how long no byte may arrive.
fn body(response: Response) -> AnswerBody {
    let stream = response.bytes_stream().boxed();
    futures_util::stream::unfold(Some(stream), |stream| async {
        let mut stream = stream?;
        match tokio::time::timeout(STALL_TIMEOUT, stream.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(stream))),
            Ok(Some(Err(error))) => Some((Err(std::io::Error::other(reason(&error))), None)),
            Err(_) => {
                let why = format!("no data for {} s", STALL_TIMEOUT.as_secs());
                Some((Err(std::io::Error::other(why)), None))
            }
        }
    })
    .boxed()
}

/// The whole of a short body.
async fn collect(mut body: AnswerBody, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(truncated)?;
        if all.len() + piece.len() > limit {
            return Err(Fault::Invalid(format!("the answer is larger than {limit} bytes")));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Why an answer does not come from the runner as it is.
#[derive(Debug, thiserror::Error)]
enum VerifyError {
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("the answer does not match its signed manifest")]
    Altered,
}

/// What an answer that cannot be verified says of itself.
struct Claimed {
    status: StatusCode,
    content_type: String,
    text: String,
}

impl Claimed {
    fn new(status: StatusCode, headers: &HeaderMap, text: String) -> Self {
        let content_type = header(headers, "content-type").map(printable).unwrap_or_default();
        Self { status, content_type, text }
    }

    /// Whether it is of a kind that runners do not send.
    fn is_web_page(&self) -> bool {
        let kind = self.content_type.split(';').next().unwrap_or_default().trim();
        !matches!(kind.to_ascii_lowercase().as_str(), "" | "application/json" | "multipart/form-data")
    }
}

impl std::fmt::Display for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.content_type.is_empty() {
            write!(f, " ({})", self.content_type)?;
        }
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        Ok(())
    }
}

impl VerifyError {
    /// What it means for this answer.
    fn fault(self, claimed: Claimed) -> Fault {
        let status = claimed.status;
        match self {
            // A runner that does not know who asks cannot sign what it says.
            _ if status == StatusCode::UNAUTHORIZED => Fault::Unauthorized(claimed.text),
            // Proxies say this when they get no answer in time, or none at all; the job may well be running.
            _ if matches!(status.as_u16(), 502..=504) => Fault::Broken(format!("a proxy answered {claimed}")),
            Self::Signature(SignatureError::Unsigned) if status != StatusCode::OK => {
                Fault::NotARunner(claimed.to_string())
            }
            Self::Signature(SignatureError::Unsigned) if claimed.is_web_page() => {
                Fault::NotARunner(Claimed { text: String::new(), ..claimed }.to_string())
            }
            Self::Signature(SignatureError::Unsigned) => Fault::Invalid(format!(
                "it is not signed: {claimed}; check that a herald-runner listens there (the original one needs \
                 `wire: 1`)"
            )),
            error if status == StatusCode::OK => Fault::invalid(error),
            error => Fault::Invalid(format!("{error} ({claimed})")),
        }
    }
}

/// The manifest of an answer of one piece, once its signature and its body are verified.
fn verify_whole(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    signed: SignedWith<'_>,
) -> Result<AnswerManifest, VerifyError> {
    let text = header(headers, manifest::HEADER).unwrap_or_default();
    let input = herald_wire::signature::field(headers, "signature-input");
    let signature = herald_wire::signature::field(headers, "signature");
    let claim = Claim {
        status: status.as_u16(),
        manifest: text,
        input: input.as_deref(),
        signature: signature.as_deref(),
    };
    let manifest = signed.verify(&claim)?;
    // What the body does not say is taken as it is signed.
    let of_body = AnswerManifest::of_body(body, None);
    if (&manifest.result, &manifest.file) != (&of_body.result, &of_body.file) {
        return Err(VerifyError::Altered);
    }
    Ok(manifest)
}

async fn json(headers: &HeaderMap, body: AnswerBody, expected: Expected<'_>) -> Result<JobAnswer, Fault> {
    let body = collect(body, MAX_RESULT).await?;
    let (ending, error_line, output) = match expected.signed {
        Some(signed) => {
            let verified = verify_whole(StatusCode::OK, headers, &body, signed);
            let manifest = verified
                .map_err(|error| error.fault(Claimed::new(StatusCode::OK, headers, String::new())))?;
            (manifest.ending, manifest.error_line, manifest.output)
        }
        None => (None, None, None),
    };
    Ok(JobAnswer { result: object(&body)?, staging: None, ending, error_line, output })
}

async fn refusal(status: StatusCode, headers: &HeaderMap, body: AnswerBody, expected: Expected<'_>) -> Fault {
    let bytes = match collect(body, MAX_TEXT).await {
        Ok(bytes) => bytes,
        Err(fault) => return fault,
    };
    let text = printable(&String::from_utf8_lossy(&bytes));
    let why = |text: String| if text.is_empty() { format!("it answered {status}") } else { text };
    let accepted = status == StatusCode::INTERNAL_SERVER_ERROR;
    let Some(signed) = expected.signed else {
        return Fault::Refused { why: why(text), accepted, ending: None };
    };
    match verify_whole(status, headers, &bytes, signed) {
        Ok(_) if status == StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = header(headers, "retry-after").and_then(|value| value.parse().ok()).unwrap_or(2);
            let pause = Duration::from_secs(seconds).clamp(Duration::from_secs(1), Duration::from_secs(60));
            Fault::Busy { retry_after: pause, why: why(text) }
        }
        Ok(_) if status == StatusCode::NOT_FOUND => Fault::Unknown,
        Ok(manifest) => Fault::Refused { why: why(text), accepted, ending: manifest.ending },
        Err(error) => error.fault(Claimed::new(status, headers, text)),
    }
}

/// A text from elsewhere, fit for a log line.
fn printable(text: &str) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(MAX_SHOWN).collect()
}
