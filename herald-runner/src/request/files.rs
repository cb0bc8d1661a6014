//! Result files on their way out: read, hashed and sent in one pass, in constant memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use herald_base::clock::{Clock as _, SystemClock};
use herald_base::os_error;
use herald_exec::ResultFile;
use herald_wire::MAX_FILES;
use herald_wire::answer::Signer;
use herald_wire::disposition::{self, Disposition, FileNameError};
use herald_wire::manifest::{self, AnswerManifest, FileSum};
use herald_wire::multipart;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

/// How much is read at a time.
const CHUNK: usize = 512 * 1024;
/// How many pieces wait for the connection.
const AHEAD: usize = 4;

const OCTETS: &str = "application/octet-stream";
const JSON: &str = "application/json";

/// A body that is sent piece by piece.
pub type Pieces = mpsc::Receiver<io::Result<Bytes>>;
type Out = mpsc::Sender<io::Result<Bytes>>;

/// An open result file.
#[derive(Debug)]
pub struct Opened {
    name: String,
    filename: String,
    path: PathBuf,
    file: File,
}

impl Opened {
    /// The job's name for the file, what it is called, and the file.
    pub(crate) fn into_parts(self) -> (String, String, File) {
        (self.name, self.filename, self.file)
    }
}

/// Why result files cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum OpenFilesError {
    /// Too many.
    #[error("the job names {0} result files; at most {MAX_FILES} can be sent")]
    TooMany(usize),
    /// One of them cannot be used.
    #[error("the result file `{name}` ({}) {what}", path.display())]
    Unusable {
        /// The job's name for the file.
        name: String,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// One of the names cannot be sent.
    #[error(transparent)]
    Name(#[from] FileNameError),
}

/// Opens all files before the first byte of an answer, so that a missing one can still be reported.
///
/// # Errors
/// [`OpenFilesError`] names the file.
pub fn open_all(files: &[ResultFile]) -> Result<Vec<Opened>, OpenFilesError> {
    if files.len() > MAX_FILES {
        return Err(OpenFilesError::TooMany(files.len()));
    }
    files.iter().map(open).collect()
}

fn open(result: &ResultFile) -> Result<Opened, OpenFilesError> {
    let ResultFile { name, path, .. } = result;
    let fault = |what: &str| OpenFilesError::Unusable {
        name: name.clone(),
        path: path.clone(),
        what: os_error::plain(what),
    };
    let filename = path.file_name().ok_or_else(|| fault("has no name"))?;
    let filename = filename.to_str().ok_or_else(|| fault("has a name that is not UTF-8"))?.to_owned();
    disposition::check_names(name, &filename)?;
    let file = result.open().map_err(|error| fault(&error.to_string()))?;
    Ok(Opened { name: name.clone(), filename, path: path.clone(), file })
}

/// Reads a file piece by piece, hands each to `send` and hashes it. Stops early when `send` returns false.
fn pass(file: &mut File, path: &Path, mut send: impl FnMut(Bytes) -> bool) -> io::Result<(u64, String)> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut sent = VecDeque::new();
    loop {
        let mut piece = buffer(&mut sent);
        let read = fill(file, &mut piece).map_err(named)?;
        if read == 0 {
            return Ok((size, hex::encode(hash.finalize())));
        }
        piece.truncate(read);
        size += read as u64;
        let piece = piece.freeze();
        // It is on its way while it is hashed.
        if !send(piece.clone()) {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "the daemon closed the connection"));
        }
        hash.update(&piece);
        sent.push_back(piece);
    }
}

/// The buffer of a piece that has gone out, or a fresh one: giving memory back and taking it again for each piece costs
/// as much as reading the file.
fn buffer(sent: &mut VecDeque<Bytes>) -> BytesMut {
    match sent.pop_front().map(Bytes::try_into_mut) {
        Some(Ok(mut buffer)) => {
            buffer.resize(CHUNK, 0);
            buffer
        }
        Some(Err(still_used)) => {
            if sent.len() < 2 * AHEAD {
                sent.push_front(still_used);
            }
            BytesMut::zeroed(CHUNK)
        }
        None => BytesMut::zeroed(CHUNK),
    }
}

/// Fills the buffer, or as much of it as there is.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A multipart answer of version 2: the manifest comes last, so that one pass is enough.
///
/// # Errors
/// When the system gives no randomness.
pub fn stream_v2(
    result: Bytes,
    files: Vec<Opened>,
    manifest: AnswerManifest,
    signer: Signer,
) -> io::Result<(String, Pieces)> {
    let boundary = multipart::boundary()?;
    let content_type = multipart::content_type(&boundary);
    let (out, pieces) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let sent = send_v2(&out, &boundary, result, files, manifest, &signer);
        give_up(&out, sent);
    });
    Ok((content_type, pieces))
}

fn send_v2(
    out: &Out,
    boundary: &str,
    result: Bytes,
    files: Vec<Opened>,
    mut manifest: AnswerManifest,
    signer: &Signer,
) -> io::Result<()> {
    push(out, multipart::part_head(boundary, true, &Disposition::field("result"), JSON, &[]))?;
    push(out, result)?;
    for mut opened in files {
        let disposition = Disposition {
            name: opened.name.clone(),
            filename: Some(opened.filename.clone()),
            sha256sum: None,
        };
        push(out, multipart::part_head(boundary, false, &disposition, OCTETS, &[]))?;
        let (size, sha256) =
            pass(&mut opened.file, &opened.path, |piece| out.blocking_send(Ok(piece)).is_ok())?;
        manifest.file.insert(opened.name, FileSum { filename: opened.filename, size, sha256 });
    }
    let text = signer.manifest_text(manifest);
    let signed = signer.sign(200, &text, SystemClock.unix_seconds()).map_err(io::Error::other)?;
    let headers = [("Signature-Input", signed.input.as_str()), ("Signature", signed.signature.as_str())];
    push(out, multipart::part_head(boundary, false, &Disposition::field(manifest::PART), JSON, &headers))?;
    push(out, text.into())?;
    push(out, multipart::end(boundary))
}

/// A multipart answer of version 1: the checksum comes before each file, so each is read twice.
///
/// # Errors
/// When the system gives no randomness.
pub fn stream_v1(result: Bytes, files: Vec<Opened>) -> io::Result<(String, Pieces)> {
    let boundary = multipart::boundary()?;
    let content_type = multipart::content_type(&boundary);
    let (out, pieces) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let sent = send_v1(&out, &boundary, result, files);
        give_up(&out, sent);
    });
    Ok((content_type, pieces))
}

fn send_v1(out: &Out, boundary: &str, result: Bytes, files: Vec<Opened>) -> io::Result<()> {
    use std::io::Seek as _;
    push(out, multipart::part_head(boundary, true, &Disposition::field("result"), JSON, &[]))?;
    push(out, result)?;
    for mut opened in files {
        let (size, sha256) = pass(&mut opened.file, &opened.path, |_| !out.is_closed())?;
        opened.file.rewind()?;
        let disposition = Disposition {
            name: opened.name,
            filename: Some(opened.filename),
            sha256sum: Some(sha256.clone()),
        };
        push(out, multipart::part_head(boundary, false, &disposition, OCTETS, &[]))?;
        let second = pass(&mut opened.file, &opened.path, |piece| out.blocking_send(Ok(piece)).is_ok())?;
        if second != (size, sha256) {
            return Err(io::Error::other(format!("{} changed while it was sent", opened.path.display())));
        }
    }
    push(out, multipart::end(boundary))
}

fn push(out: &Out, piece: Bytes) -> io::Result<()> {
    if piece.is_empty() {
        return Ok(());
    }
    let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the daemon closed the connection");
    out.blocking_send(Ok(piece)).map_err(gone)
}

/// Breaks the answer off, so that it cannot pass as a whole one.
fn give_up(out: &Out, sent: io::Result<()>) {
    if let Err(error) = sent {
        tracing::warn!(%error, "cannot send the whole answer");
        // The receiver may be gone.
        let _ = out.blocking_send(Err(error));
    }
}
