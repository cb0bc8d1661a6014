//! References to secrets: `${env:NAME}` and `${file:/path}`. This is the only place that reads them, and the text
//! `$${env:NAME}` (or `$${file:…}`) that is written where `${env:NAME}` is meant as text.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use herald_base::private_file::is_open_to_everybody;

use crate::problem;
use crate::spec::home;

/// The largest file that a reference may name.
const LARGEST: u64 = 1 << 20;
/// What a reference begins with.
const BEGINNINGS: [&str; 2] = ["${env:", "${file:"];

/// Where references lead.
pub struct Lookup<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The folder at which relative paths begin that are written at a place: that of the file with this place.
    pub folder: &'a dyn Fn(&problem::Path) -> PathBuf,
}

/// `${env:NAME}` or `${file:/path}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'a> {
    /// The environment variable of this name.
    Env(&'a str),
    /// The file at this path.
    File(&'a str),
}

/// Why a reference gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It is only a part of a text.
    #[error("a secret reference must be the whole value")]
    Embedded,
    /// Nothing follows `env:` or `file:`.
    #[error("the reference names no {0}")]
    NoName(&'static str),
    /// There is no such variable.
    #[error("the environment variable {0} is not set")]
    NotSet(String),
    /// The variable holds something that is not text.
    #[error("the environment variable {0} is not UTF-8")]
    NotUtf8(String),
    /// The variable holds nothing.
    #[error("the environment variable {0} is empty")]
    EmptyVariable(String),
    /// The file gives nothing.
    #[error("the secret file {path} {why}")]
    File {
        /// As it is written.
        path: String,
        /// The end of a sentence.
        why: FileError,
    },
}

impl ReferenceError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Embedded => {
                Some("put the whole text into the variable or the file; `$${` instead of `${` is plain text")
            }
            _ => None,
        }
    }
}

/// Why a secret file gives nothing, as the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("does not exist")]
    Missing,
    /// It is in the home folder, and there is none.
    #[error("is in the home folder, and HOME is not set")]
    NoHome,
    /// This process has no permission to read it.
    #[error("cannot be read: permission denied")]
    Denied,
    /// A folder, a pipe or a device, which could keep the program waiting.
    #[error("is not a regular file")]
    NotRegular,
    /// It is too large.
    #[error("is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// It is not text.
    #[error("is not UTF-8")]
    NotUtf8,
    /// It holds nothing.
    #[error("is empty")]
    Empty,
    /// Anything else.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

impl From<std::io::Error> for FileError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            std::io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Unreadable(error.to_string()),
        }
    }
}

impl<'a> Reference<'a> {
    /// Reads a text as a reference; `None` for a text that has nothing of one, or only escaped ones.
    #[must_use]
    pub fn of(text: &'a str) -> Option<Result<Self, ReferenceError>> {
        if !beginnings(text).any(|at| !is_escaped(text, at)) {
            return None;
        }
        let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let Some((scheme, name)) = inner.filter(|inner| !inner.contains('}')).and_then(|i| i.split_once(':'))
        else {
            return Some(Err(ReferenceError::Embedded));
        };
        Some(match (scheme, name) {
            ("env", "") => Err(ReferenceError::NoName("variable")),
            ("file", "") => Err(ReferenceError::NoName("file")),
            ("env", name) => Ok(Self::Env(name)),
            ("file", path) => Ok(Self::File(path)),
            _ => Err(ReferenceError::Embedded),
        })
    }

    /// The secret that it names; `at` is its place. One line break at its end is cut.
    ///
    /// # Errors
    /// When there is none, or it is empty.
    pub fn look_up(&self, lookup: &Lookup<'_>, at: &problem::Path) -> Result<String, ReferenceError> {
        match *self {
            Self::Env(name) => {
                let value = (lookup.variable)(name).ok_or_else(|| ReferenceError::NotSet(name.to_owned()))?;
                let text = value.into_string().map_err(|_| ReferenceError::NotUtf8(name.to_owned()))?;
                without_line_break(&text).ok_or_else(|| ReferenceError::EmptyVariable(name.to_owned()))
            }
            Self::File(path) => {
                let text = file_path(lookup, at, path).and_then(|path| read(&path));
                let secret = text.and_then(|text| without_line_break(&text).ok_or(FileError::Empty));
                secret.map_err(|why| ReferenceError::File { path: path.to_owned(), why })
            }
        }
    }

    /// The file that it names, where every user of this machine can read it.
    #[must_use]
    pub fn open_file(&self, lookup: &Lookup<'_>, at: &problem::Path) -> Option<PathBuf> {
        let Self::File(path) = *self else { return None };
        file_path(lookup, at, path).ok().filter(|path| is_open_to_everybody(path))
    }
}

/// The path of a file, which begins at the home folder, or else at the folder of the file that names it.
fn file_path(lookup: &Lookup<'_>, at: &problem::Path, path: &str) -> Result<PathBuf, FileError> {
    home::path(path).map(|path| (lookup.folder)(at).join(path)).map_err(|_| FileError::NoHome)
}

/// A text that is meant when this one is written: each `$${env:` and `$${file:` in it is short of one `$`. `None` when
/// there is none.
#[must_use]
pub fn unescaped(text: &str) -> Option<String> {
    let escaped: Vec<usize> = sorted(beginnings(text).filter(|at| is_escaped(text, *at)));
    if escaped.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for at in escaped {
        out.push_str(text.get(from..at - 1).unwrap_or_default());
        from = at;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Some(out)
}

/// How this text is written in a configuration so that nothing in it is a reference.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for at in sorted(beginnings(text)) {
        out.push_str(text.get(from..at).unwrap_or_default());
        out.push('$');
        from = at;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// Where a text holds what a reference begins with.
fn beginnings(text: &str) -> impl Iterator<Item = usize> {
    // Most texts hold none, and are only looked through once.
    let beginnings = if text.contains('$') { &BEGINNINGS[..] } else { &[] };
    beginnings.iter().flat_map(move |beginning| {
        let found = text.match_indices(beginning);
        found
            .filter(|(at, _)| !is_shell(text.get(at + beginning.len()..).unwrap_or_default()))
            .map(|(at, _)| at)
    })
}

fn is_escaped(text: &str, at: usize) -> bool {
    text.get(..at).is_some_and(|before| before.ends_with('$'))
}

fn sorted(places: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut places: Vec<usize> = places.collect();
    places.sort_unstable();
    places
}

/// The text without the line break at its end, unless nothing remains.
fn without_line_break(text: &str) -> Option<String> {
    let secret = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    (!secret.is_empty()).then(|| secret.to_owned())
}

/// Whether what follows `${env:` is a shell's default value, as in `echo ${env:-prod}`: scripts are values, too.
fn is_shell(rest: &str) -> bool {
    rest.starts_with(['-', '=', '?', '+'])
}

/// A secret file, whole. A pipe or a device could keep the program waiting, and is refused.
fn read(path: &Path) -> Result<String, FileError> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(FileError::NotRegular);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(FileError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| FileError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_values_are_references() {
        for (text, expected) in [
            ("plain", None),
            ("${x}", None),
            ("${env:-prod}", None),
            ("echo ${file:=/tmp/x}", None),
            ("${env:NAME}", Some(Ok(Reference::Env("NAME")))),
            ("${file:/a b}", Some(Ok(Reference::File("/a b")))),
            ("${env:}", Some(Err(ReferenceError::NoName("variable")))),
            ("x${env:NAME}", Some(Err(ReferenceError::Embedded))),
            ("${env:A}${env:B}", Some(Err(ReferenceError::Embedded))),
            ("$${env:NAME}", None),
            ("a $${file:/x} $$${env:B}", None),
            ("$${env:A}${env:B}", Some(Err(ReferenceError::Embedded))),
            ("$${env:-prod}", None),
        ] {
            assert_eq!(Reference::of(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_that_only_look_like_references() {
        for (plain, written) in [
            ("plain $x ${y}", "plain $x ${y}"),
            ("${env:A}", "$${env:A}"),
            ("a ${file:/b} ${env:", "a $${file:/b} $${env:"),
            ("$${env:A}", "$$${env:A}"),
            ("$$${env:A}${file:b}", "$$$${env:A}$${file:b}"),
            ("$${env:-prod}", "$${env:-prod}"),
            ("é${env:ü}", "é$${env:ü}"),
        ] {
            assert_eq!(escaped(plain), written);
            assert_eq!(Reference::of(written), None, "{written}");
            assert_eq!(unescaped(written).unwrap_or_else(|| written.to_owned()), plain);
        }
        assert_eq!(unescaped("${env:A}"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_written(text in r"([$]{0,3}(\{(env|file):)?[-a=}é]{0,2}){0,5}") {
            let written = escaped(&text);
            proptest::prop_assert_eq!(Reference::of(&written), None);
            proptest::prop_assert_eq!(unescaped(&written).unwrap_or(written), text);
        }
    }

    #[test]
    fn files_are_bounded_regular_and_relative_to_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("good"), "a secret\r\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        std::fs::write(folder.path().join("bytes"), [0xff]).unwrap();
        let large = File::create(folder.path().join("large")).unwrap();
        large.set_len(LARGEST + 1).unwrap();
        let in_folder = |_: &problem::Path| folder.path().to_owned();
        let lookup = Lookup { variable: &|_| None, folder: &in_folder };
        let at = problem::Path::top();
        let read = |path| Reference::File(path).look_up(&lookup, &at);
        assert_eq!(read("good").unwrap(), "a secret");
        for (path, why) in [
            ("empty", FileError::Empty),
            ("bytes", FileError::NotUtf8),
            ("large", FileError::TooLarge),
            ("none", FileError::Missing),
            (".", FileError::NotRegular),
            ("/dev/zero", FileError::NotRegular),
        ] {
            assert_eq!(read(path), Err(ReferenceError::File { path: path.to_owned(), why }));
        }
        assert_eq!(Reference::Env("X").look_up(&lookup, &at), Err(ReferenceError::NotSet("X".to_owned())));
    }
}
