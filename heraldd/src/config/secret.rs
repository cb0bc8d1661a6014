//! Secret references and literal secrets.
//!
//! A whole value `${env:NAME}` or `${file:/path}` is replaced by what it names. What is secret goes into the mask.
//! Nothing here remembers the references: whoever keeps a job's parameters for longer keeps the unresolved values of
//! the document, and gives them to [`Secrets::resolve`] again.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path as FilePath, PathBuf};

use herald_core::problem::{Path, Problem};
use herald_core::secret::{MASKED, Mask, is_secret_name};
use serde_json::Value;

/// A place on the way down, which costs nothing until somebody asks for it.
pub(super) struct At<'a> {
    above: Option<&'a At<'a>>,
    step: Down<'a>,
}

#[derive(Clone, Copy)]
enum Down<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    /// A section of the file.
    pub(super) fn section(name: &'a str) -> Self {
        Self { above: None, step: Down::Key(name) }
    }

    /// One key further.
    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self { above: Some(self), step: Down::Key(key) }
    }

    fn index(&'a self, n: usize) -> Self {
        Self { above: Some(self), step: Down::Index(n) }
    }

    fn path(&self) -> Path {
        let above = self.above.map_or_else(Path::top, At::path);
        match self.step {
            Down::Key(key) => above.key(key),
            Down::Index(n) => above.index(n),
        }
    }
}

/// The largest file that a reference may name.
const LARGEST: u64 = 1 << 20;
/// What stands in the place of a secret that could not be had.
const NOT_THERE: &str = "a secret that could not be had";
/// The shortest line of a secret of many lines that is hidden by itself.
const SHORTEST_LINE: usize = 8;

/// Where references lead.
pub(super) struct Lookup<'a> {
    /// The value of an environment variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// What relative paths begin at.
    pub(super) folder: PathBuf,
}

/// What was found on the way through the values.
pub(super) struct Secrets<'a> {
    lookup: Lookup<'a>,
    pub(super) mask: Mask,
    pub(super) problems: Vec<Problem>,
    /// What references gave, by place.
    resolved: HashMap<Path, String>,
    /// Places of secrets that stand in the file itself.
    pub(super) literal: Vec<Path>,
}

impl<'a> Secrets<'a> {
    pub(super) fn new(lookup: Lookup<'a>) -> Self {
        Self {
            lookup,
            mask: Mask::new(),
            problems: Vec::new(),
            resolved: HashMap::new(),
            literal: Vec::new(),
        }
    }

    /// What references gave.
    pub(super) fn references(&self) -> Mask {
        let mut mask = Mask::new();
        self.resolved.values().for_each(|secret| mask.add(secret));
        mask
    }

    /// Whether the value at this place came from a reference.
    pub(super) fn is_resolved(&self, at: &Path) -> bool {
        self.resolved.contains_key(at)
    }

    /// Replaces the references in a value and below, and notes what is secret.
    pub(super) fn resolve(&mut self, value: &mut Value, at: &At<'_>) {
        self.walk(value, at, None);
    }

    /// `under` is the secret name that the value stands under.
    fn walk(&mut self, value: &mut Value, at: &At<'_>, under: Option<&str>) {
        match value {
            Value::String(text) => self.text(text, at, under),
            Value::Number(number) if under.is_some() => self.literal(&number.to_string(), &at.path()),
            Value::Null => {
                if let Some(name) = under {
                    self.empty(name, at);
                }
            }
            Value::Array(list) => {
                for (n, item) in list.iter_mut().enumerate() {
                    self.walk(item, &at.index(n), under);
                }
            }
            Value::Object(map) => {
                for (key, item) in map.iter_mut() {
                    let under = under.or_else(|| is_secret_name(key).then_some(key.as_str()));
                    self.walk(item, &at.key(key), under);
                }
            }
            Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &mut String, at: &At<'_>, under: Option<&str>) {
        match Reference::of(text) {
            None => match under {
                Some(name) if text.is_empty() => self.empty(name, at),
                Some(_) => self.literal(text, &at.path()),
                None => {
                    if let Some(password) = password_in_url(text) {
                        self.literal(password, &at.path());
                    }
                }
            },
            Some(Err(why)) => self.problems.push(why.at(&at.path())),
            Some(Ok(reference)) => match reference.look_up(&self.lookup) {
                Err(why) => {
                    self.problems.push(Problem::error(at.path(), why));
                    // Whatever else reads it finds nothing wrong with it.
                    NOT_THERE.clone_into(text);
                }
                Ok(secret) => {
                    self.hide(&secret);
                    self.resolved.insert(at.path(), secret.clone());
                    *text = secret;
                }
            },
        }
    }

    fn empty(&mut self, name: &str, at: &At<'_>) {
        self.problems.push(
            Problem::error(at.path(), format!("the secret `{name}` is empty"))
                .help("write it, or a reference such as ${env:NAME} or ${file:/path}"),
        );
    }

    /// A secret that stands in the file.
    pub(super) fn literal(&mut self, secret: &str, at: &Path) {
        if !self.is_resolved(at) {
            self.hide(secret);
            self.literal.push(at.clone());
        }
    }

    /// A key of many lines is hidden line by line too: a program may print one of them.
    fn hide(&mut self, secret: &str) {
        self.mask.add(secret);
        if let Some(password) = password_in_url(secret) {
            self.mask.add(password);
        }
        if secret.trim_end().contains('\n') {
            let lines = secret.lines().map(str::trim);
            lines
                .filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("-----"))
                .for_each(|line| self.mask.add(line));
        }
    }

    /// Refuses references where none may stand.
    pub(super) fn refuse(&mut self, value: &Value, at: &At<'_>) {
        match value {
            Value::String(text) if Reference::of(text).is_some() => {
                let help =
                    "it may stand in the options of components, in presets, select_param and job_param";
                self.problems
                    .push(Problem::error(at.path(), "a secret reference cannot stand here").help(help));
            }
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(n, item)| self.refuse(item, &at.index(n)));
            }
            Value::Object(map) => map.iter().for_each(|(key, item)| self.refuse(item, &at.key(key))),
            _ => {}
        }
    }

    /// The problem without any secret in its words.
    pub(super) fn masked(&self, mut problem: Problem) -> Problem {
        if problem.plain {
            return problem;
        }
        let near = self.resolved.iter().filter(|(path, secret)| {
            !secret.is_empty() && (path.0.starts_with(&problem.path.0) || problem.path.0.starts_with(&path.0))
        });
        let mut texts = [Some(std::mem::take(&mut problem.message)), problem.help.take()];
        for (_, secret) in near {
            for text in texts.iter_mut().flatten() {
                // However short it is: the message is about this very value.
                *text = text.replace(secret.as_str(), MASKED);
            }
        }
        let [message, help] = texts.map(|text| text.map(|text| self.mask.text(&text)));
        problem.message = message.unwrap_or_default();
        problem.help = help;
        problem
    }
}

/// Why a text that looks like a reference is none.
enum NoReference {
    Embedded,
    Nameless(&'static str),
}

impl NoReference {
    fn at(self, at: &Path) -> Problem {
        match self {
            Self::Embedded => Problem::error(at.clone(), "a secret reference must be the whole value")
                .help("put the whole text into the variable or the file"),
            Self::Nameless(what) => Problem::error(at.clone(), format!("the reference names no {what}")),
        }
    }
}

/// What a reference begins with.
const BEGINNINGS: [&str; 2] = ["${env:", "${file:"];

/// `${env:NAME}` or `${file:/path}`.
enum Reference<'a> {
    Env(&'a str),
    File(&'a str),
}

impl<'a> Reference<'a> {
    /// `None` for a text that has nothing of a reference.
    fn of(text: &'a str) -> Option<Result<Self, NoReference>> {
        if !BEGINNINGS.iter().any(|beginning| text.split(beginning).skip(1).any(|rest| !is_shell(rest))) {
            return None;
        }
        let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let Some((scheme, name)) = inner.filter(|inner| !inner.contains('}')).and_then(|i| i.split_once(':'))
        else {
            return Some(Err(NoReference::Embedded));
        };
        Some(match (scheme, name) {
            ("env", "") => Err(NoReference::Nameless("variable")),
            ("file", "") => Err(NoReference::Nameless("file")),
            ("env", name) => Ok(Self::Env(name)),
            ("file", path) => Ok(Self::File(path)),
            _ => Err(NoReference::Embedded),
        })
    }

    fn look_up(&self, lookup: &Lookup<'_>) -> Result<String, String> {
        let (what, text) = match self {
            Self::Env(name) => {
                let what = format!("the environment variable {name}");
                let value = (lookup.variable)(name).ok_or_else(|| format!("{what} is not set"))?;
                let text = value.into_string().map_err(|_| format!("{what} is not UTF-8"))?;
                (what, text)
            }
            Self::File(path) => {
                let what = format!("the secret file {path}");
                let text = file(&lookup.folder.join(path)).map_err(|why| format!("{what} {why}"))?;
                (what, text)
            }
        };
        let secret = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text));
        if secret.is_empty() {
            return Err(format!("{what} is empty"));
        }
        Ok(secret.to_owned())
    }
}

/// Whether what follows `${env:` is a shell's default value, as in `echo ${env:-prod}`: scripts stand in `arg` too.
fn is_shell(rest: &str) -> bool {
    rest.starts_with(['-', '=', '?', '+'])
}

/// The password of a URL such as `https://user:password@host/x.git`.
fn password_in_url(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    if text.contains(char::is_whitespace) || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+') {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// A secret file, whole. A pipe or a device could keep the daemon waiting, and is refused.
fn file(path: &FilePath) -> Result<String, String> {
    let explain = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read (permission denied)".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    if !std::fs::metadata(path).map_err(explain)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(explain)?.take(LARGEST + 1).read_to_end(&mut bytes).map_err(explain)?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("is larger than {} MiB", LARGEST >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}
