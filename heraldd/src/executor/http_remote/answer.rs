//! Reads and checks the answer to a job.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use herald_core::param::Params;
use herald_wire::answer::{self, Claim};
use herald_wire::ending::EndingName;
use herald_wire::manifest::{self, FileSum, Manifest};
use herald_wire::multipart::{MultipartError, Part, Reader};
use herald_wire::request::RequestTie;
use herald_wire::secret::Secrets;
use herald_wire::{MAX_FILES, MAX_RESULT};
use http::{HeaderMap, StatusCode};
use reqwest::Response;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::landing::Landing;
use super::mishap::reason;

/// How long an answer that has begun may stand still.
const STALL: Duration = Duration::from_secs(60);
/// The longest text of an error that is read, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// The longest text of an error that is told, in characters.
const MAX_TOLD: usize = 1000;
/// The longest manifest: its share for each file is a few hundred bytes.
const MAX_MANIFEST: usize = 4 * 1024 * 1024;

/// What an answer is held against.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    /// For version 2.
    pub(super) signed: Option<(&'a RequestTie, &'a Secrets)>,
    /// Where files land.
    pub(super) data_dir: &'a Path,
    /// The most bytes that all files may have together.
    pub(super) max_files_size: Option<u64>,
}

/// A job that was run, as its runner tells.
pub(super) struct Ran {
    /// The result, without `file`.
    pub(super) result: Params,
    /// The files, checked but not yet in place.
    pub(super) landing: Option<Landing>,
    /// How its process ended; version 1 does not tell.
    pub(super) ending: Option<EndingName>,
}

/// Why there is no result.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nobody is there: the runner got nothing.
    Unreachable(String),
    /// Somebody may be there, but one side does not trust the other, or does not understand it: the runner got nothing.
    Barred(String),
    /// The connection broke: nobody knows what became of the job.
    Broken(String),
    /// The connection broke in the middle of the answer.
    Cut(String),
    /// The runner cannot take the job now; it says when to ask again, and why.
    Busy(Duration, String),
    /// The runner does not know the job that was to be joined.
    Unknown,
    /// The runner told why the job could not be run.
    Refused(String, Option<EndingName>),
    /// The answer is not what it should be.
    Wrong(String),
}

impl Fault {
    /// For people.
    pub(super) fn why(&self) -> &str {
        match self {
            Self::Unreachable(why) | Self::Barred(why) => why,
            Self::Broken(why) | Self::Cut(why) | Self::Wrong(why) => why,
            Self::Refused(why, _) | Self::Busy(_, why) => why,
            Self::Unknown => "it does not know the job",
        }
    }
}

impl From<MultipartError> for Fault {
    fn from(error: MultipartError) -> Self {
        Self::Wrong(error.to_string())
    }
}

type Body = BoxStream<'static, Result<Bytes, std::io::Error>>;

/// Reads an answer to its end.
pub(super) async fn read(response: Response, expected: Expected<'_>) -> Result<Ran, Fault> {
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
            multipart(kind, body, expected).await
        }
        _ => Err(Fault::Wrong(format!("the runner answered with {}, which is no result", told(&kind)))),
    }
}

/// Reads an answer that is one JSON text of at most `limit` bytes.
pub(super) async fn read_message<T: DeserializeOwned>(
    response: Response,
    signed: Option<(&RequestTie, &Secrets)>,
    limit: usize,
) -> Result<T, Fault> {
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = collect(body(response), limit).await?;
    let said = || told(&String::from_utf8_lossy(&bytes));
    if let Some(signed) = signed
        && let Err(error) = check_short(status, &headers, &bytes, signed)
    {
        return Err(Fault::Wrong(match status {
            StatusCode::OK => error,
            // A runner that does not know who asks cannot sign what it says.
            StatusCode::UNAUTHORIZED => format!("it refuses us, in an answer that is not signed: {}", said()),
            _ => format!("{error} ({status}: {})", said()),
        }));
    }
    match status {
        StatusCode::OK => serde_json::from_slice(&bytes)
            .map_err(|error| Fault::Wrong(format!("the answer is not understood: {error}"))),
        StatusCode::NOT_FOUND => Err(Fault::Unknown),
        StatusCode::BAD_REQUEST => Err(Fault::Refused(said(), None)),
        _ => Err(Fault::Wrong(said())),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The body with a bound on how long it may stand still.
fn body(response: Response) -> Body {
    let stream = response.bytes_stream().boxed();
    futures_util::stream::unfold(Some(stream), |stream| async {
        let mut stream = stream?;
        match tokio::time::timeout(STALL, stream.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(stream))),
            Ok(Some(Err(error))) => Some((Err(std::io::Error::other(reason(&error))), None)),
            Err(_) => Some((Err(std::io::Error::other("it stood still for a minute")), None)),
        }
    })
    .boxed()
}

/// The whole of a short body.
async fn collect(mut body: Body, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Fault::Cut(format!("the answer broke off: {error}")))?;
        if all.len() + piece.len() > limit {
            return Err(Fault::Wrong(format!("the answer is larger than {limit} bytes")));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// The manifest of an answer of one piece, once its signature and the body were found right.
fn check_short(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    (tie, secrets): (&RequestTie, &Secrets),
) -> Result<Manifest, String> {
    let text = header(headers, manifest::HEADER).unwrap_or_default();
    let input = herald_wire::signature::field(headers, "signature-input");
    let signature = herald_wire::signature::field(headers, "signature");
    let claim = Claim {
        status: status.as_u16(),
        manifest: text,
        input: input.as_deref(),
        signature: signature.as_deref(),
    };
    let manifest = answer::verify(&claim, tie, secrets)
        .map_err(|error| format!("the answer of the runner is not signed as it must be: {error}"))?;
    let of_body = Manifest { ending: manifest.ending, ..Manifest::of_body(body, None) };
    if manifest != of_body {
        return Err("the answer does not match its signed manifest".to_owned());
    }
    Ok(manifest)
}

async fn json(headers: &HeaderMap, body: Body, expected: Expected<'_>) -> Result<Ran, Fault> {
    let body = collect(body, MAX_RESULT).await?;
    let ending = match expected.signed {
        Some(signed) => check_short(StatusCode::OK, headers, &body, signed).map_err(Fault::Wrong)?.ending,
        None => None,
    };
    Ok(Ran { result: object(&body)?, landing: None, ending })
}

fn object(bytes: &[u8]) -> Result<Params, Fault> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(mut result)) => {
            // Paths on the runner are of no use here.
            result.remove("file");
            Ok(result)
        }
        _ => Err(Fault::Wrong("the result is not a JSON object".to_owned())),
    }
}

async fn refusal(status: StatusCode, headers: &HeaderMap, body: Body, expected: Expected<'_>) -> Fault {
    let bytes = match collect(body, MAX_TEXT).await {
        Ok(bytes) => bytes,
        Err(fault) => return fault,
    };
    let text = told(&String::from_utf8_lossy(&bytes));
    let said = if text.is_empty() { format!("it answered {status}") } else { text };
    let Some(signed) = expected.signed else { return Fault::Refused(said, None) };
    match check_short(status, headers, &bytes, signed) {
        Ok(_) if status == StatusCode::SERVICE_UNAVAILABLE => {
            let seconds = header(headers, "retry-after").and_then(|value| value.parse().ok()).unwrap_or(2);
            let pause = Duration::from_secs(seconds).clamp(Duration::from_secs(1), Duration::from_secs(60));
            Fault::Busy(pause, said)
        }
        Ok(_) if status == StatusCode::NOT_FOUND => Fault::Unknown,
        Ok(manifest) => Fault::Refused(said, manifest.ending),
        // A runner that does not know who asks cannot sign what it says.
        Err(_) if status == StatusCode::UNAUTHORIZED => Fault::Refused(said, None),
        // Proxies say this when they get no answer in time, or none at all; the job may well be running.
        Err(_) if matches!(status.as_u16(), 502..=504) => {
            Fault::Broken(format!("{status}, from a proxy: {said}"))
        }
        Err(error) => Fault::Wrong(format!("{error} ({status}: {said})")),
    }
}

/// A text from elsewhere, fit for a log line.
fn told(text: &str) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(MAX_TOLD).collect()
}

async fn multipart(kind: &str, body: Body, expected: Expected<'_>) -> Result<Ran, Fault> {
    // What the network did is told apart from what the runner wrote.
    let (tell, broke) = std::sync::mpsc::channel();
    let watched = body.map(move |piece| {
        if let Err(error) = &piece {
            // Heard below, if anybody still wants to know.
            let _ = tell.send(error.to_string());
        }
        piece
    });
    let parts = parts(kind, watched.boxed(), expected).await;
    match broke.try_recv() {
        Ok(error) => Err(Fault::Cut(format!("the answer broke off: {error}"))),
        Err(_) => parts,
    }
}

async fn parts(kind: &str, body: Body, expected: Expected<'_>) -> Result<Ran, Fault> {
    let mut reader = Reader::new(kind, body)?;
    let first = reader.next_part().await?.filter(|part| part.disposition.name == "result");
    let mut first =
        first.ok_or_else(|| Fault::Wrong("the answer does not begin with the result".to_owned()))?;
    let result = first.bytes(MAX_RESULT).await?;
    drop(first);
    let disk =
        |error| Fault::Wrong(format!("the data_dir {} cannot be used: {error}", expected.data_dir.display()));
    let mut landing = Landing::begin(expected.data_dir).await.map_err(disk)?;
    let mut sums = BTreeMap::new();
    let mut manifest = None;
    let mut left = expected.max_files_size.unwrap_or(u64::MAX);
    while let Some(mut part) = reader.next_part().await? {
        if manifest.is_some() {
            return Err(Fault::Wrong("the answer goes on after its manifest".to_owned()));
        }
        let is_manifest = part.disposition.filename.is_none() && part.disposition.name == manifest::PART;
        match expected.signed {
            Some(signed) if is_manifest => manifest = Some(signed_manifest(&mut part, signed).await?),
            _ if landing.files().len() == MAX_FILES => {
                return Err(Fault::Wrong(format!("the answer has more than {MAX_FILES} files")));
            }
            _ => {
                let sum = file(&mut part, &mut landing, &mut left).await?;
                sums.insert(part.disposition.name.clone(), sum);
            }
        }
    }
    let ending = match (expected.signed, manifest) {
        (None, _) => {
            check_sums(&landing, &sums)?;
            None
        }
        (Some(_), None) => return Err(Fault::Wrong("the answer has no signed manifest".to_owned())),
        (Some(_), Some(manifest)) => check_manifest(&landing, &result, manifest)?,
    };
    let landing = (!landing.files().is_empty()).then_some(landing);
    Ok(Ran { result: object(&result)?, landing, ending })
}

/// Takes in one file and gives the checksum that came with it.
async fn file(part: &mut Part, landing: &mut Landing, left: &mut u64) -> Result<Option<String>, Fault> {
    let name = part.disposition.name.clone();
    let filename = part.disposition.filename.clone();
    let filename =
        filename.ok_or_else(|| Fault::Wrong(format!("the part {name:?} of the answer is not a file")))?;
    let mut sink = landing.file(&name, &filename).await.map_err(Fault::Wrong)?;
    while let Some(piece) = part.chunk().await? {
        *left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
            Fault::Wrong("the files of the answer are larger than max_files_size allows".to_owned())
        })?;
        sink.push(piece).await.map_err(Fault::Wrong)?;
    }
    let (name, sum) = sink.end().await.map_err(Fault::Wrong)?;
    landing.took(name, sum);
    Ok(part.disposition.sha256sum.clone())
}

/// Version 1: every file must bear its checksum.
fn check_sums(landing: &Landing, sums: &BTreeMap<String, Option<String>>) -> Result<(), Fault> {
    for (name, sum) in landing.files() {
        let given = sums.get(name).and_then(Option::as_deref);
        let given =
            given.ok_or_else(|| Fault::Wrong(format!("the result file {name:?} came without a checksum")))?;
        if !given.eq_ignore_ascii_case(&sum.sha256) {
            return Err(Fault::Wrong(format!("the result file {name:?} does not match its checksum")));
        }
    }
    Ok(())
}

async fn signed_manifest(
    part: &mut Part,
    (tie, secrets): (&RequestTie, &Secrets),
) -> Result<Manifest, Fault> {
    let (input, signature) = (header(part.headers(), "signature-input"), header(part.headers(), "signature"));
    let (input, signature) = (input.map(str::to_owned), signature.map(str::to_owned));
    let text = part.bytes(MAX_MANIFEST).await?;
    let text = String::from_utf8(text).map_err(|_| Fault::Wrong("the manifest is not text".to_owned()))?;
    let claim = Claim {
        status: StatusCode::OK.as_u16(),
        manifest: &text,
        input: input.as_deref(),
        signature: signature.as_deref(),
    };
    answer::verify(&claim, tie, secrets).map_err(|error| {
        Fault::Wrong(format!("the answer of the runner is not signed as it must be: {error}"))
    })
}

/// Version 2: exactly what the manifest names, each as it says.
fn check_manifest(landing: &Landing, result: &[u8], manifest: Manifest) -> Result<Option<EndingName>, Fault> {
    if manifest.result != manifest::Sum::of(result) {
        return Err(Fault::Wrong("the result does not match its signed manifest".to_owned()));
    }
    let differs = |name: &String, sum: Option<&FileSum>| match (sum, landing.files().get(name)) {
        (None, _) => Some(format!("the result file {name:?} is not in the signed manifest")),
        (Some(_), None) => Some(format!("the result file {name:?} is missing")),
        (Some(named), Some(came)) if named != came => {
            Some(format!("the result file {name:?} does not match the signed manifest"))
        }
        _ => None,
    };
    let names = manifest.file.keys().chain(landing.files().keys());
    match names.filter_map(|name| differs(name, manifest.file.get(name))).next() {
        Some(wrong) => Err(Fault::Wrong(wrong)),
        None => Ok(manifest.ending),
    }
}
