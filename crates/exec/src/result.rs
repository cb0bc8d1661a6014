//! From what a program printed to the job's result.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use herald_base::depth::{self, TooDeep};
use herald_base::ending::Ending;
use rustix::fs::OFlags;
use serde_json::{Map, Value};

use crate::json_note;
use crate::outcome::ResultFile;
use crate::process::capture::Captured;
use crate::process::program::{Exit, Finished};

/// What a result file may not lie in: `/proc/self/environ` is the daemon's own environment when the daemon reads it.
const OF_KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Why the result files of a job cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResultFileError {
    #[error("`file` in the job's output is not a map from names to paths")]
    NotAMap,
    #[error("`file` in the job's output: the path of {0:?} is not a string")]
    PathType(String),
    #[error("`file` in the job's output has an empty name or path")]
    Empty,
    #[error("result file {name:?}: {} {why}", path.display())]
    Unreadable { name: String, path: PathBuf, why: FileAccessError },
}

/// Why one file cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum FileAccessError {
    /// The path.
    #[error("contains a NUL character")]
    Nul,
    /// A folder, a pipe, a device.
    #[error("is not a regular file")]
    NotRegular,
    /// Under `/proc`, `/sys` or `/dev`.
    #[error("is in {0}, which holds the kernel's files and not those of a job")]
    OfKernel(&'static str),
    /// The job runs as another user.
    #[error("does not belong to the job's `user`")]
    NotOwned,
    /// The system refuses it.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

/// The key of a result that says why the JSON in `output` is not the result itself.
pub(crate) const NOTE: &str = "note";

/// The key of a result whose `output` is not what the program wrote, since that was not text.
const INVALID_UTF8: &str = "invalid_utf8";

/// The result: the program's own JSON object, or its `output` as text; then what Herald adds.
pub(crate) fn result_of(finished: &Finished) -> Map<String, Value> {
    let mut result = own(&finished.stdout).unwrap_or_else(|| {
        let mut result = Map::new();
        result.insert("output".to_owned(), Value::String(finished.stdout.text()));
        let note = json_note::of(&finished.stdout.bytes).filter(|_| !finished.stdout.truncated);
        result.extend(note.map(|note| (NOTE.to_owned(), Value::String(note))));
        result
    });
    match finished.exit {
        Exit::Code(code) => result.insert("exit_code".to_owned(), Value::from(code)),
        Exit::Signal(signal) => {
            // A program that was ended has no exit code, whatever it printed.
            result.remove("exit_code");
            result.insert("signal".to_owned(), Value::from(signal))
        }
    };
    if !finished.stderr.bytes.is_empty() && !result.contains_key("stderr") {
        result.insert("stderr".to_owned(), Value::String(finished.stderr.text()));
    }
    if std::str::from_utf8(&finished.stdout.bytes).is_err() && !finished.stdout.truncated {
        result.insert(INVALID_UTF8.to_owned(), Value::Bool(true));
    }
    if finished.stdout.truncated || finished.stderr.truncated {
        result.insert("truncated".to_owned(), Value::Bool(true));
    }
    result
}

/// The last line of standard error of a program that failed by itself.
pub(crate) fn error_line(finished: &Finished) -> Option<String> {
    match finished.ending {
        Ending::Exited(0) | Ending::TimedOut | Ending::Cancelled | Ending::Background => None,
        Ending::Exited(_) | Ending::Signaled(_) => finished.stderr.last_line(),
    }
}

/// Standard output as a JSON object. What was cut is never taken for one.
fn own(stdout: &Captured) -> Option<Map<String, Value>> {
    let text = stdout.bytes.trim_ascii();
    if stdout.truncated || !text.starts_with(b"{") || !text.ends_with(b"}") {
        return None;
    }
    TooDeep::check(depth::of_json(text)).ok()?;
    serde_json::from_slice(text).ok()
}

/// Takes the result files out of `result.file` and makes their paths absolute. Blocks.
///
/// # Errors
/// [`ResultFileError`] names the file.
pub(crate) fn files(
    result: &mut Map<String, Value>,
    run_dir: &Path,
    owner: Option<u32>,
) -> Result<Vec<ResultFile>, ResultFileError> {
    let map = match result.get_mut("file") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(ResultFileError::NotAMap),
    };
    let mut files = Vec::with_capacity(map.len());
    for (name, value) in map {
        let Value::String(given) = value else {
            return Err(ResultFileError::PathType(name.clone()));
        };
        if name.is_empty() || given.is_empty() {
            return Err(ResultFileError::Empty);
        }
        let path = run_dir.join(given.as_str());
        if let Err(why) = open(&path, owner) {
            return Err(ResultFileError::Unreadable { name: name.clone(), path, why });
        }
        *value = Value::String(path.display().to_string());
        files.push(ResultFile { name: name.clone(), path, owner });
    }
    Ok(files)
}

impl ResultFile {
    /// Opens it for reading: a regular file outside of the kernel's folders, also where a process that the job left
    /// behind has replaced it since. Blocks.
    ///
    /// # Errors
    /// [`FileAccessError`], as the end of a sentence that begins with the path.
    pub fn open(&self) -> Result<File, FileAccessError> {
        open(&self.path, self.owner)
    }
}

fn open(path: &Path, owner: Option<u32>) -> Result<File, FileAccessError> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(FileAccessError::Nul);
    }
    // Before it is opened: a device may do something then.
    if !std::fs::metadata(path)?.is_file() {
        return Err(FileAccessError::NotRegular);
    }
    // Opening must not wait for the writer of a pipe that was put there since.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(FileAccessError::NotRegular);
    }
    // This process may read more than the job may.
    if owner.is_some_and(|owner| meta.uid() != owner) {
        return Err(FileAccessError::NotOwned);
    }
    let opened = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let real = opened.or_else(|_| path.canonicalize())?;
    match OF_KERNEL.into_iter().find(|folder| real.starts_with(folder)) {
        Some(folder) => Err(FileAccessError::OfKernel(folder)),
        None => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use herald_base::ending::Ending;

    use super::*;
    use serde_json::json;

    fn finished(stdout: &str, stderr: &str, exit: Exit, truncated: bool) -> Finished {
        Finished {
            ending: Ending::Exited(0),
            exit,
            stdout: Captured { bytes: stdout.into(), truncated, ..Captured::default() },
            stderr: Captured { bytes: stderr.into(), ..Captured::default() },
        }
    }

    #[test]
    fn what_is_no_text_is_marked() {
        for (bytes, truncated, output, marked) in [
            (&b"\x89PNG\xff"[..], false, "\u{fffd}PNG\u{fffd}", Some("invalid_utf8")),
            (b"{\"a\":\"\xff\"}", false, "{\"a\":\"\u{fffd}\"}", Some("invalid_utf8")),
            (b"a\xff", true, "a\u{fffd}", Some("truncated")),
            ("\u{fffd}ä".as_bytes(), false, "\u{fffd}ä", None),
        ] {
            let stdout = Captured { bytes: bytes.into(), truncated, ..Captured::default() };
            let finished = Finished { stdout, ..finished("", "", Exit::Code(0), false) };
            let mut expected = json!({"output": output, "exit_code": 0});
            if let Some(key) = marked {
                expected[key] = json!(true);
            }
            assert_eq!(Value::Object(result_of(&finished)), expected);
        }
    }

    #[test]
    fn results() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
        for (stdout, stderr, exit, cut, expected) in [
            ("hi\n", "", Exit::Code(0), false, json!({"output": "hi\n", "exit_code": 0})),
            ("", "", Exit::Code(3), false, json!({"output": "", "exit_code": 3})),
            (" {\"a\":1} \n", "", Exit::Code(0), false, json!({"a": 1, "exit_code": 0})),
            ("{\"exit_code\":9}", "", Exit::Code(1), false, json!({"exit_code": 1})),
            ("{\"exit_code\":9}", "", Exit::Signal(9), false, json!({"signal": 9})),
            ("{\"a\":1}", "oh", Exit::Code(0), false, json!({"a": 1, "exit_code": 0, "stderr": "oh"})),
            ("{\"stderr\":1}", "oh", Exit::Code(0), false, json!({"stderr": 1, "exit_code": 0})),
            (
                "{\"a\":1}",
                "",
                Exit::Code(0),
                true,
                json!({"output": "{\"a\":1}", "exit_code": 0, "truncated": true}),
            ),
            ("[1]", "", Exit::Code(0), false, json!({"output": "[1]", "exit_code": 0})),
            ("{a}", "", Exit::Code(0), false, json!({"output": "{a}", "exit_code": 0})),
            (
                "done\n{\"a\":1}",
                "",
                Exit::Code(0),
                false,
                json!({
                    "output": "done\n{\"a\":1}", "exit_code": 0,
                    "note": "the output ends with a JSON object, but other text is before it, so that it is not the result: \
                             write that text to standard error"
                }),
            ),
            ("{} {}", "", Exit::Code(0), false, json!({"output": "{} {}", "exit_code": 0})),
            (
                &deep,
                "",
                Exit::Code(0),
                false,
                json!({
                    "output": deep, "exit_code": 0,
                    "note": "the output is JSON nested 5001 levels deep; the limit is 100, so that it is not the result"
                }),
            ),
        ] {
            let shown: String = stdout.chars().take(40).collect();
            assert_eq!(Value::Object(result_of(&finished(stdout, stderr, exit, cut))), expected, "{shown}");
        }
        let big = result_of(&finished("{\"n\":123456789012345678901234567890}", "", Exit::Code(0), false));
        assert_eq!(big["n"].to_string(), "123456789012345678901234567890");
    }

    #[test]
    fn files_are_made_absolute_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.dat"), "x").unwrap();
        std::os::unix::fs::symlink("/proc/self/environ", dir.path().join("leads-to-proc")).unwrap();
        let there = dir.path().join("a.dat").display().to_string();
        for (file, expected) in [
            (json!({"one": "a.dat"}), Some(vec![there.clone()])),
            (json!({"one": there.clone()}), Some(vec![there.clone()])),
            (json!({}), Some(vec![])),
            (json!(null), Some(vec![])),
            (json!({"one": "missing"}), None),
            (json!({"one": "."}), None),
            (json!({"one": 5}), None),
            (json!({"": "a.dat"}), None),
            (json!({"one": ""}), None),
            (json!({"one": "a\u{0}b"}), None),
            (json!("a.dat"), None),
            (json!({"one": "/dev/null"}), None),
            (json!({"one": "/proc/self/environ"}), None),
            (json!({"one": "/proc/self/root/proc/version"}), None),
            (json!({"one": "/sys/kernel/mm/transparent_hugepage/enabled"}), None),
            (json!({"one": "leads-to-proc"}), None),
        ] {
            let mut result = json!({"file": file}).as_object().unwrap().clone();
            let found = files(&mut result, dir.path(), None);
            let paths =
                found.as_ref().ok().map(|list| list.iter().map(|f| f.path.display().to_string()).collect());
            assert_eq!(paths, expected, "{file}: {found:?}");
            if expected.is_some_and(|list| !list.is_empty()) {
                assert_eq!(result["file"]["one"], json!(there));
            }
        }
    }
}
