//! Resolves the references in a configuration, and finds the secrets that are written in it.
//!
//! A whole value `${env:NAME}` or `${file:/path}` is replaced by what it names, and `$${env:NAME}` by the text
//! `${env:NAME}`. What is secret goes into the mask.
//! Nothing here remembers the references: code that keeps a job's parameters for longer keeps the unresolved values of
//! the document, and passes them to [`SecretResolver::resolve`] again.

use std::collections::{HashMap, HashSet};

use herald_base::private_file::closing_command;
use herald_base::secret_name::{MASKED, is_secret_name};
use serde_json::Value;

use super::mask::Mask;
use super::reference::{Lookup, Reference, ReferenceError, unescaped};
use crate::Params;
use crate::problem::{Path, Problem, Severity, near_miss};
use crate::spec::{Description, OptionKind};

/// A place on the way down, which costs nothing until somebody asks for it.
pub struct LazyPath<'a> {
    above: Option<&'a LazyPath<'a>>,
    /// None at the top of the document.
    step: Option<Down<'a>>,
}

#[derive(Clone, Copy)]
enum Down<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> LazyPath<'a> {
    /// The top of the document.
    #[must_use]
    pub fn top() -> Self {
        Self { above: None, step: None }
    }

    /// A section of the file.
    #[must_use]
    pub fn section(name: &'a str) -> Self {
        Self { above: None, step: Some(Down::Key(name)) }
    }

    /// One key further.
    #[must_use]
    pub fn key(&'a self, key: &'a str) -> Self {
        Self { above: Some(self), step: Some(Down::Key(key)) }
    }

    fn index(&'a self, n: usize) -> Self {
        Self { above: Some(self), step: Some(Down::Index(n)) }
    }

    fn path(&self) -> Path {
        let above = self.above.map_or_else(Path::top, LazyPath::path);
        match self.step {
            None => above,
            Some(Down::Key(key)) => above.key(key),
            Some(Down::Index(n)) => above.index(n),
        }
    }
}

/// The value in place of a secret that could not be read.
const NOT_THERE: &str = "a secret that could not be read";
/// What to do about a secret with more in it than is meant.
const DOUBT_HELP: &str = "write it with  printf %s SECRET > FILE";
/// The shortest line of a secret of many lines that is hidden by itself.
const SHORTEST_LINE: usize = 8;

/// A secret of one line that hardly anybody means so: most senders cannot even write it into a header.
fn doubt(reference: &Reference<'_>, secret: &str) -> Option<String> {
    let what = if secret.starts_with('\u{feff}') {
        "begins with a byte order mark"
    } else if !secret.trim().contains('\n') && secret.trim().len() < secret.len() {
        "has blanks or more than one line end around it"
    } else {
        return None;
    };
    let of_file = matches!(reference, Reference::File(_));
    of_file.then(|| format!("the file of this secret {what}, and all of it counts"))
}

/// What was found on the way through the values.
pub struct SecretResolver<'a> {
    lookup: Lookup<'a>,
    mask: Mask,
    problems: Vec<Problem>,
    /// What references gave, by place.
    resolved: HashMap<Path, String>,
    /// Places of secrets that are written in the file itself.
    literal: Vec<Path>,
    /// Places of values that their description declares secret, whatever their name.
    declared: Vec<Path>,
}

impl<'a> SecretResolver<'a> {
    /// Follows references with this.
    #[must_use]
    pub fn new(lookup: Lookup<'a>) -> Self {
        Self {
            lookup,
            mask: Mask::new(),
            problems: Vec::new(),
            resolved: HashMap::new(),
            literal: Vec::new(),
            declared: Vec::new(),
        }
    }

    /// What references gave.
    #[must_use]
    pub fn references(&self) -> Mask {
        let mut mask = Mask::new();
        self.resolved.values().for_each(|secret| mask.add(secret));
        mask
    }

    /// Whether the value at this place came from a reference.
    #[must_use]
    pub fn is_resolved(&self, at: &Path) -> bool {
        self.resolved.contains_key(at)
    }

    /// Replaces the references in a value and below, and notes what is secret.
    pub fn resolve(&mut self, value: &mut Value, at: &LazyPath<'_>) {
        self.walk(value, at, None);
    }

    /// `under` is the secret name that the value is under.
    fn walk(&mut self, value: &mut Value, at: &LazyPath<'_>, under: Option<&str>) {
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

    fn text(&mut self, text: &mut String, at: &LazyPath<'_>, under: Option<&str>) {
        match Reference::of(text) {
            None => {
                if let Some(plain) = unescaped(text) {
                    *text = plain;
                }
                self.written(text, at, under);
            }
            Some(Err(why)) => self.problems.push(problem(&why, at)),
            Some(Ok(reference)) => match reference.look_up(&self.lookup, &at.path()) {
                Err(why) => {
                    self.problems.push(problem(&why, at));
                    // Whatever else reads it finds nothing wrong with it.
                    NOT_THERE.clone_into(text);
                }
                Ok(secret) => {
                    if let Some(warning) = doubt(&reference, &secret) {
                        self.problems.push(Problem::warning(at.path(), warning).help(DOUBT_HELP).plain());
                    }
                    if let Some(file) = reference.open_file(&self.lookup, &at.path()) {
                        let warning =
                            format!("every user of this machine can read the secret file {}", file.display());
                        self.problems.push(Problem::warning(at.path(), warning).help(closing_command(&file)));
                    }
                    self.hide(&secret);
                    self.resolved.insert(at.path(), secret.clone());
                    *text = secret;
                }
            },
        }
    }

    /// A text that is not a reference.
    fn written(&mut self, text: &str, at: &LazyPath<'_>, under: Option<&str>) {
        match under {
            Some(name) if text.is_empty() => self.empty(name, at),
            Some(_) => self.literal(text, &at.path()),
            None => {
                if let Some(password) = password_in_url(text) {
                    self.literal(password, &at.path());
                }
            }
        }
    }

    /// Whether a reference or a secret was found wrong.
    #[must_use]
    pub fn found_problems(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The places of secrets that stand in the file itself.
    #[must_use]
    pub fn literals(&self) -> &[Path] {
        &self.literal
    }

    /// The places of everything secret in the file, whatever its name.
    pub fn places(&self) -> impl Iterator<Item = &Path> {
        self.literal.iter().chain(&self.declared)
    }

    /// Options as their description wants them. The environment and files hold text only: where a number or a switch is
    /// wanted, what a reference gave is read as one. What the description declares secret is secret under any name.
    #[must_use]
    pub fn typed(&mut self, description: &Description, given: &Params, at: &Path) -> Params {
        let mut given = given.clone();
        self.misspelt(description, &given, at);
        for option in &description.options {
            let place = at.key(&option.name);
            if matches!(option.kind, OptionKind::Secret | OptionKind::Secrets) {
                self.declare(given.get(&option.name), place);
                continue;
            }
            let Some(Value::String(text)) = given.get(&option.name) else { continue };
            let value = match option.kind {
                _ if !self.is_resolved(&place) => None,
                OptionKind::Integer { .. } => text.trim().parse::<i64>().ok().map(Value::from),
                OptionKind::Boolean => text.trim().parse::<bool>().ok().map(Value::from),
                _ => None,
            };
            if let Some(value) = value {
                given.insert(option.name.clone(), value);
            }
        }
        given
    }

    /// A misspelt name of a secret holds a secret all the same.
    fn misspelt(&mut self, description: &Description, given: &Params, at: &Path) {
        let is_known = |key: &str| description.options.iter().any(|option| option.name == key);
        let secrets = || description.options.iter().filter(|option| option.is_secret());
        let unknown = given.iter().filter(|(key, _)| !is_known(key));
        for (key, value) in unknown {
            if near_miss(key, secrets().map(|option| option.name.as_str())).is_some() {
                self.declare(Some(value), at.key(key));
            }
        }
    }

    fn declare(&mut self, value: Option<&Value>, at: Path) {
        match value {
            Some(Value::String(secret)) if !secret.is_empty() => self.literal(secret, &at),
            Some(Value::Array(list)) => {
                for (n, secret) in list.iter().enumerate() {
                    if let Some(secret) = secret.as_str().filter(|secret| !secret.is_empty()) {
                        self.literal(secret, &at.index(n));
                    }
                }
            }
            _ => {}
        }
        self.declared.push(at);
    }

    /// All problems, and the mask of what is secret: those of the references, and `others` but for what is said of
    /// values that could not be had. None of them shows a secret.
    #[must_use]
    pub fn finish(mut self, others: Vec<Problem>) -> Resolved {
        let own = std::mem::take(&mut self.problems);
        let without: HashSet<&Path> = own.iter().map(|problem| &problem.path).collect();
        let others = others.into_iter().filter(|problem| !without.contains(&problem.path));
        let problems: Vec<Problem> = others.map(|problem| self.masked(problem)).collect();
        let own = own.iter().map(|problem| self.masked(problem.clone()));
        let problems = problems.into_iter().chain(own).collect();
        Resolved { problems, mask: self.mask }
    }

    fn empty(&mut self, name: &str, at: &LazyPath<'_>) {
        self.problems.push(
            Problem::error(at.path(), format!("the secret `{name}` is empty"))
                .help("write it, or a reference such as ${env:NAME} or ${file:/path}"),
        );
    }

    /// A secret that is written in the file.
    pub fn literal(&mut self, secret: &str, at: &Path) {
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
    pub fn refuse(&mut self, value: &Value, at: &LazyPath<'_>) {
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
    fn masked(&self, mut problem: Problem) -> Problem {
        if problem.plain {
            return problem;
        }
        let near = self.resolved.iter().filter(|(path, secret)| {
            !secret.is_empty() && (path.starts_with(&problem.path) || problem.path.starts_with(path))
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

/// What came of resolving a configuration.
pub struct Resolved {
    /// What is wrong; no text holds a secret.
    pub problems: Vec<Problem>,
    /// Hides what is secret.
    pub mask: Mask,
}

fn problem(error: &ReferenceError, at: &LazyPath<'_>) -> Problem {
    let problem = Problem::error(at.path(), error.to_string());
    match error.help() {
        Some(help) => problem.help(help),
        None => problem,
    }
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
