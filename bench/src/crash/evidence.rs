//! Evidence from outside Herald: every start of a job appends a line to a file, whether or not Herald records it.
//!
//! The program itself is the job: `bench job FILE [FOLDER]` with the execution parameters in its environment.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Bytes of each result file.
const FILE: usize = 70_000;

/// Runs as the job. With a folder, it writes two files there and names them in its output.
pub(crate) fn be_the_job(evidence: &Path, folder: Option<&Path>) -> Result<()> {
    let params = std::env::var("HERALD_EXECUTE_PARAM").context("this is not a job of Herald")?;
    let params: Value = serde_json::from_str(&params)?;
    let (id, attempt) = (params["job_id"].as_str().unwrap_or("-"), &params["attempt"]);
    let line = format!("{} {id} {attempt}\n", params["trigger_param"]["n"]);
    // One write: lines of several jobs never mix.
    OpenOptions::new().append(true).create(true).open(evidence)?.write_all(line.as_bytes())?;
    let Some(folder) = folder else { return Ok(()) };
    let mut files = serde_json::Map::new();
    for name in ["first", "second"] {
        let path = folder.join(format!("{id}-{attempt}-{name}.dat"));
        fs::write(&path, content(id, name))?;
        files.insert(name.to_owned(), json!(path));
    }
    println!("{}", json!({ "file": files }));
    Ok(())
}

/// The contents of a result file of this job.
pub(crate) fn content(id: &str, name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FILE + 32);
    let mut block = Sha256::digest(format!("{id} {name}"));
    while bytes.len() < FILE {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    bytes
}

/// How often each attempt (number of the event, job, attempt) was started.
pub(crate) fn starts(evidence: &Path) -> Result<HashMap<(u64, String, u32), usize>> {
    let mut starts = HashMap::new();
    let text = match fs::read_to_string(evidence) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(starts),
        text => text?,
    };
    for line in text.lines() {
        let mut words = line.split(' ');
        let (n, id, attempt) = (words.next(), words.next(), words.next());
        let n = n.and_then(|n| n.parse().ok()).context("a line without its number")?;
        let attempt =
            attempt.and_then(|attempt| attempt.parse().ok()).context("a line without its attempt")?;
        *starts.entry((n, id.unwrap_or_default().to_owned(), attempt)).or_default() += 1;
    }
    Ok(starts)
}
