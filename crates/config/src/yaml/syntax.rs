//! Syntax errors in words that say what to do.

use serde_yaml::granit_parser::ErrorKind;

use super::tree::DEEPEST;

/// YAML takes what begins with `*` for an alias.
const QUOTE_STAR: &str = "a value that begins with * must be quoted";
const QUOTE_STAR_HELP: &str = "write it in quotes, as in  cron: '*/5 * * * *'";

/// A secret without quotes that begins like an alias, an anchor or a tag is read as one, and must not be shown either.
///
/// Of an alias whose anchor is missing, under a secret name.
pub(super) const SECRET_ALIAS: &str = "this secret begins with `*`, which YAML takes for an alias";
/// Of an anchor without a value, under a secret name.
pub(super) const SECRET_ANCHOR: &str = "this secret begins with `&`, which YAML takes for an anchor";
/// Of an unknown tag, under a secret name.
pub(super) const SECRET_TAG: &str = "this secret begins with `!`, which YAML takes for a tag";
/// Of a name that comes twice in a map without values, under a secret name.
pub(super) const SECRET_MAP: &str = "this secret begins with `{`, which YAML takes for a map";
/// What to do about them.
pub(super) const QUOTE_SECRET: &str = "put the secret in quotes";

pub(super) fn too_deep() -> String {
    format!("nested deeper than {DEEPEST} levels")
}

/// Of an alias whose anchor is missing: `*/5` was meant as a schedule.
pub(super) fn unresolved_alias(name: &str) -> (String, Option<&'static str>) {
    match name.starts_with('/') {
        true => (QUOTE_STAR.to_owned(), Some(QUOTE_STAR_HELP)),
        false => (format!("unknown anchor `&{name}`: an anchor must come before its alias"), None),
    }
}

/// What is wrong, and what to do about it.
pub(super) fn explain(kind: &ErrorKind) -> (String, Option<&'static str>) {
    let (message, help) = match kind {
        ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => ("a tab cannot indent", "use spaces"),
        ErrorKind::UnclosedQuotedScalar => ("this quote is never closed", "add the closing quote"),
        ErrorKind::InvalidQuotedScalarIndent => (
            "the quoted text that began above goes on here without indentation",
            "close the quote above, or indent this line",
        ),
        ErrorKind::MappingValueNotAllowed => (
            "a `:` that begins a value is not allowed here",
            "quote a string that holds `: `, and check the indentation of this line and the one before",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            ("a `:` is missing after this key", "write  key: value  and check the indentation")
        }
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => {
            ("this line does not fit the lines before it", "check its indentation")
        }
        ErrorKind::ExpectedBlockSequenceEntry => {
            ("a list entry must begin with `- `", "check the indentation")
        }
        ErrorKind::ExpectedNodeContent => {
            ("a value is missing or cannot begin like this", "quote it if it is a string")
        }
        ErrorKind::ExpectedFlowMappingSeparator => {
            ("a `,` or the closing `}` is missing", "check the braces")
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            ("a `,` or the closing `]` is missing", "check the brackets")
        }
        ErrorKind::UnexpectedEofFlowMapping | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            ("the file ends before the closing `}`", "check the braces")
        }
        ErrorKind::UnexpectedEofFlowSequence => {
            ("the file ends before the closing `]`", "check the brackets")
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            return (format!("this `{open}` is never closed"), Some("check the brackets and braces"));
        }
        ErrorKind::UnexpectedCharacter { character } => {
            let message = format!("`{}` cannot begin a value", character.escape_default());
            return (message, Some("quote the string that begins with it"));
        }
        ErrorKind::UnknownQuotedScalarEscape => (
            "this escape is not known in double quotes",
            "write `\\\\` for a backslash, or use single quotes",
        ),
        ErrorKind::RecursionLimitExceeded => return (too_deep(), None),
        other if other.to_string().contains("anchor or alias") => (QUOTE_STAR, QUOTE_STAR_HELP),
        other => return (format!("this is not YAML: {other}"), None),
    };
    (message.to_owned(), Some(help))
}
