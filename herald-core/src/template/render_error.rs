//! What is wrong with a template, in messages that name the part of it.

use std::ops::Range;
use std::sync::LazyLock;

use herald_base::depth::TooDeep;
use minijinja::ErrorKind;
use regex::{Match, Regex};

use super::convert::NotJson;
use super::engine::{ALONE, Scope};
use herald_config::problem::{Path, Problem};

/// The longest text that a template may give, in bytes.
pub(super) const LONGEST: usize = 16 << 20;

/// Why a template could not be rendered: which parameter, and what is wrong. It may hold what the parameters hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Something in it is not defined.
    #[error("{at}: `{name}` is not defined")]
    Undefined {
        /// The parameter.
        at: Path,
        /// What is not defined, as it is written in the template.
        name: String,
    },
    /// It takes too many steps.
    #[error(
        "{at}: the template exceeded the step limit (each step counts, and each created string by its length)"
    )]
    StepLimit {
        /// The parameter.
        at: Path,
    },
    /// The string that it gives is too long.
    #[error("{at}: the string is longer than {LONGEST} bytes")]
    TooLong {
        /// The parameter.
        at: Path,
    },
    /// What it gives is nested too deep.
    #[error("{at} is {why}")]
    TooDeep {
        /// The parameter.
        at: Path,
        /// How deep it is.
        why: TooDeep,
    },
    /// What it gives has no form in JSON.
    #[error("{at}: `{expression}` {error}")]
    NotJson {
        /// The parameter.
        at: Path,
        /// The expression, as it is written in the template.
        expression: String,
        /// Why not.
        error: NotJson,
    },
    /// A part of it failed.
    #[error("{at}: {}{message}", part.as_ref().map(|part| format!("`{part}`: ")).unwrap_or_default())]
    Failed {
        /// The parameter.
        at: Path,
        /// The part, as it is written in the template.
        part: Option<String>,
        /// What is wrong.
        message: String,
    },
    /// The templates were never finished.
    #[error("the templates were never finished")]
    NotFinished,
    /// Rendering it panicked.
    #[error("rendering the template panicked")]
    Panicked,
}

/// A name of a filter, a function or a test that does not exist.
pub(super) fn unknown(error: Option<minijinja::Error>, text: &str, at: &Path) -> Result<(), Box<Problem>> {
    match error {
        Some(error)
            if matches!(
                error.kind(),
                ErrorKind::UnknownFilter | ErrorKind::UnknownFunction | ErrorKind::UnknownTest
            ) =>
        {
            Err(wrong(&error, text, at))
        }
        _ => Ok(()),
    }
}

pub(super) fn wrong(error: &minijinja::Error, text: &str, at: &Path) -> Box<Problem> {
    let detail = error.detail().unwrap_or_default();
    let what = match (error.kind(), error.range()) {
        (ErrorKind::SyntaxError, Some(range)) if !detail.is_empty() => {
            let before = text.get(..range.start).unwrap_or_default();
            format!("syntax error in the template at character {}: {detail}", before.chars().count() + 1)
        }
        _ => format!("error in the template: {}", plain(error)),
    };
    let problem = Problem::error(at.clone(), what);
    let part = error.range().and_then(|range| text.get(range.start..)).unwrap_or_default();
    let part: String = part.lines().next().unwrap_or_default().to_owned();
    Box::new(if part.is_empty() { problem } else { problem.within(part) })
}

/// The error without the number that is used as its name.
pub(super) fn plain(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// Why a template could not be rendered. What is not defined is named, also where a filter stumbled over it.
pub(super) fn render_error(error: &minijinja::Error, source: &str, scope: &Scope, at: &Path) -> RenderError {
    let undefined = |name: &str| RenderError::Undefined { at: at.clone(), name: name.to_owned() };
    let range = error.range();
    let part =
        range.clone().and_then(|range| whole_name(source, range)).filter(|part| !part.trim().is_empty());
    let argument = range.clone().and_then(|range| undefined_argument(source, range, scope));
    match (error.kind(), part) {
        (ErrorKind::OutOfFuel, _) => RenderError::StepLimit { at: at.clone() },
        _ if let Some(argument) = argument => undefined(argument),
        (ErrorKind::UndefinedError, part) => {
            let part = part.unwrap_or(source);
            let before = range.and_then(|range| source.get(..range.end)).unwrap_or(source);
            let named = undefined_paths(part, scope).next().or_else(|| undefined_paths(before, scope).last());
            undefined(named.unwrap_or(part.trim()))
        }
        (_, part) => RenderError::Failed {
            at: at.clone(),
            part: part.map(|part| part.trim().to_owned()),
            message: plain(error),
        },
    }
}

/// What a filter is given, `x.y` in `x.y | filter`, when it is not there.
fn undefined_argument<'a>(source: &'a str, filter: Range<usize>, scope: &Scope) -> Option<&'a str> {
    let before = source.get(..filter.start)?.trim_end().strip_suffix('|')?.trim_end();
    let last = paths(before).last().filter(|last| last.end() == before.len())?;
    is_undefined(last.as_str(), scope).then_some(last.as_str())
}

/// The paths in an expression that lead nowhere.
fn undefined_paths<'a>(expression: &'a str, scope: &'a Scope) -> impl Iterator<Item = &'a str> {
    paths(expression).map(|path| path.as_str()).filter(|path| is_undefined(path, scope))
}

fn paths(expression: &str) -> impl Iterator<Item = Match<'_>> {
    static PATHS: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"[A-Za-z_]\w*(?:\.\w+|\[\d+\]|\['[^']*'\])*").ok());
    PATHS.as_ref().into_iter().flat_map(|paths| paths.find_iter(expression))
}

fn is_undefined(path: &str, scope: &Scope) -> bool {
    let value = ALONE.compile_expression_owned(path.to_owned()).and_then(|path| path.eval(scope.0.clone()));
    match value {
        Ok(value) => value.is_undefined() && path.contains(['.', '[']),
        Err(error) => error.kind() == ErrorKind::UndefinedError,
    }
}

/// The part of a text that an error is about, with the beginning of the path that ends there.
fn whole_name(source: &str, range: std::ops::Range<usize>) -> Option<&str> {
    let in_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']' | '\'' | '"');
    let before = source.get(..range.start)?;
    source.get(before.trim_end_matches(in_path).len()..range.end)
}
