//! Reads an answer with result files: a multipart body, whose files go to the disk while they arrive.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use herald_base::os_error;
use herald_wire::answer::Claim;
use herald_wire::manifest::{self, AnswerManifest, FileSum};
use herald_wire::multipart::{MultipartPart, MultipartReader};
use herald_wire::{MAX_FILES, MAX_RESULT};
use http::StatusCode;

use super::fault::Fault;
use super::job_answer::{AnswerBody, Expected, JobAnswer, SignedWith, header, object, truncated};
use super::staging::Staging;

/// The longest manifest: its share for each file is a few hundred bytes.
const MAX_MANIFEST: usize = 4 * 1024 * 1024;

/// Reads an answer with files to its end.
pub(super) async fn read(kind: &str, body: AnswerBody, expected: Expected<'_>) -> Result<JobAnswer, Fault> {
    // An error of the network is distinguished from a wrong body.
    let (sender, broken) = std::sync::mpsc::channel();
    let watched = body.map(move |piece| {
        if let Err(error) = &piece {
            // The receiver lives as long as this is read.
            let _ = sender.send(error.to_string());
        }
        piece
    });
    let parts = parts(kind, watched.boxed(), expected).await;
    match broken.try_recv() {
        Ok(error) => Err(truncated(error)),
        Err(_) => parts,
    }
}

async fn parts(kind: &str, body: AnswerBody, expected: Expected<'_>) -> Result<JobAnswer, Fault> {
    let mut reader = MultipartReader::new(kind, body)?;
    let first = reader.next_part().await?.filter(|part| part.disposition.name == "result");
    let mut first =
        first.ok_or_else(|| Fault::Invalid("the answer does not begin with the result".to_owned()))?;
    let result = first.bytes(MAX_RESULT).await?;
    drop(first);
    let disk = |error: std::io::Error| {
        let (data_dir, error) = (expected.data_dir.display(), os_error::plain(&error.to_string()));
        Fault::Invalid(format!("cannot use the data_dir {data_dir}: {error}"))
    };
    let mut staging = Staging::begin(expected.data_dir).await.map_err(disk)?;
    let mut sums = BTreeMap::new();
    let mut manifest = None;
    let mut left = expected.max_files_size.unwrap_or(u64::MAX);
    while let Some(mut part) = reader.next_part().await? {
        if manifest.is_some() {
            return Err(Fault::Invalid("the answer goes on after its manifest".to_owned()));
        }
        let is_manifest = part.disposition.filename.is_none() && part.disposition.name == manifest::PART;
        match expected.signed {
            Some(signed) if is_manifest => manifest = Some(signed_manifest(&mut part, signed).await?),
            _ if staging.files().len() == MAX_FILES => {
                return Err(Fault::Invalid(format!("the answer has more than {MAX_FILES} files")));
            }
            _ => {
                let sum = file(&mut part, &mut staging, &mut left).await?;
                sums.insert(part.disposition.name.clone(), sum);
            }
        }
    }
    let (ending, error_line, output) = match (expected.signed, manifest) {
        (None, _) => {
            check_sums(&staging, &sums)?;
            (None, None, None)
        }
        (Some(_), None) => return Err(Fault::Invalid("the answer has no signed manifest".to_owned())),
        (Some(_), Some(manifest)) => {
            check_manifest(&staging, &result, &manifest)?;
            (manifest.ending, manifest.error_line, manifest.output)
        }
    };
    let staging = (!staging.files().is_empty()).then_some(staging);
    Ok(JobAnswer { result: object(&result)?, staging, ending, error_line, output })
}

/// Stores one file and returns the checksum that came with it.
async fn file(
    part: &mut MultipartPart,
    staging: &mut Staging,
    left: &mut u64,
) -> Result<Option<String>, Fault> {
    let name = part.disposition.name.clone();
    let filename = part.disposition.filename.clone();
    let filename =
        filename.ok_or_else(|| Fault::Invalid(format!("the part {name:?} of the answer is not a file")))?;
    let mut sink = staging.file(&name, &filename).await.map_err(Fault::invalid)?;
    while let Some(piece) = part.chunk().await? {
        *left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
            Fault::Invalid("the files of the answer are larger than max_files_size allows".to_owned())
        })?;
        sink.push(piece).await.map_err(Fault::invalid)?;
    }
    staging.add(sink.finish().await.map_err(Fault::invalid)?);
    Ok(part.disposition.sha256sum.clone())
}

/// Version 1: every file must come with its checksum.
fn check_sums(staging: &Staging, sums: &BTreeMap<String, Option<String>>) -> Result<(), Fault> {
    for (name, sum) in staging.files() {
        let given = sums.get(name).and_then(Option::as_deref);
        let given = given
            .ok_or_else(|| Fault::Invalid(format!("the result file {name:?} came without a checksum")))?;
        if !given.eq_ignore_ascii_case(&sum.sha256) {
            return Err(Fault::Invalid(format!("the result file {name:?} does not match its checksum")));
        }
    }
    Ok(())
}

async fn signed_manifest(part: &mut MultipartPart, signed: SignedWith<'_>) -> Result<AnswerManifest, Fault> {
    let (input, signature) = (header(part.headers(), "signature-input"), header(part.headers(), "signature"));
    let (input, signature) = (input.map(str::to_owned), signature.map(str::to_owned));
    let text = part.bytes(MAX_MANIFEST).await?;
    let text = String::from_utf8(text).map_err(|_| Fault::Invalid("the manifest is not text".to_owned()))?;
    let claim = Claim {
        status: StatusCode::OK.as_u16(),
        manifest: &text,
        input: input.as_deref(),
        signature: signature.as_deref(),
    };
    signed.verify(&claim).map_err(Fault::invalid)
}

/// Version 2: exactly the files of the manifest, each as it says.
fn check_manifest(staging: &Staging, result: &[u8], manifest: &AnswerManifest) -> Result<(), Fault> {
    if manifest.result != manifest::Sum::of(result) {
        return Err(Fault::Invalid("the result does not match its signed manifest".to_owned()));
    }
    let differs = |name: &String, sum: Option<&FileSum>| match (sum, staging.files().get(name)) {
        (None, _) => Some(format!("the result file {name:?} is not in the signed manifest")),
        (Some(_), None) => Some(format!("the result file {name:?} is missing")),
        (Some(named), Some(received)) if named != received => {
            Some(format!("the result file {name:?} does not match the signed manifest"))
        }
        _ => None,
    };
    let names = manifest.file.keys().chain(staging.files().keys());
    match names.filter_map(|name| differs(name, manifest.file.get(name))).next() {
        Some(wrong) => Err(Fault::Invalid(wrong)),
        None => Ok(()),
    }
}
