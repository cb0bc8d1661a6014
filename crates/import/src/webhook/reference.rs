//! References of hooks to values of the request, in CEL and as templates.

use std::collections::BTreeSet;

use herald_base::secret_name::is_secret_name;

use super::formula::Formula;
use crate::escape::{cel_text, literal, template_text};
use crate::original::OriginalValue;

/// Which parts of the request one hook uses.
#[derive(Default)]
pub(super) struct RequestUsage {
    /// Headers, in lower case; `*` for all.
    pub(super) headers: BTreeSet<String>,
    pub(super) body: bool,
    /// Strings that are parsed as JSON.
    pub(super) parsed: Vec<ParsedParameter>,
}

/// A parameter whose string is JSON.
pub(super) struct ParsedParameter {
    map: NamedValues,
    name: String,
    /// Its key in `select_param`.
    pub(super) key: String,
}

const REST: &str = "trigger_param|without('_request')";

/// Where values with names come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NamedValues {
    Headers,
    Query,
    Payload,
}

impl NamedValues {
    fn path(self) -> &'static str {
        match self {
            Self::Headers => "trigger_param._request.headers",
            Self::Query => "trigger_param._request.query",
            Self::Payload => "trigger_param",
        }
    }
}

/// Why a reference gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnknownReference {
    /// The name behind the source `request`.
    #[error("unknown part of a request: `{0}`")]
    RequestPart(String),
    /// The source.
    #[error("unknown source `{0}`")]
    Source(String),
}

/// A reference to a value of the request.
pub(super) struct RequestReference {
    kind: ReferenceKind,
    pub(super) name: String,
    pub(super) envname: Option<String>,
    pub(super) base64: bool,
}

enum ReferenceKind {
    Named(NamedValues),
    Literal,
    Body,
    Method,
    RemoteAddress,
    Entire(NamedValues),
}

impl RequestReference {
    /// Reads one.
    ///
    /// # Errors
    /// When the original does not know it either.
    pub(super) fn read(item: &OriginalValue<'_>) -> Result<Self, UnknownReference> {
        item.only(&["source", "name", "envname", "base64decode"]);
        let name = item.text_at("name").unwrap_or_default();
        let source = item.text_at("source").unwrap_or_default();
        let kind = match source.as_str() {
            "header" => ReferenceKind::Named(NamedValues::Headers),
            "url" | "query" => ReferenceKind::Named(NamedValues::Query),
            "payload" => ReferenceKind::Named(NamedValues::Payload),
            "string" => ReferenceKind::Literal,
            "raw-request-body" => ReferenceKind::Body,
            "request" => match name.to_ascii_lowercase().as_str() {
                "method" => ReferenceKind::Method,
                "remote-addr" => ReferenceKind::RemoteAddress,
                _ => return Err(UnknownReference::RequestPart(name)),
            },
            "entire-payload" => ReferenceKind::Entire(NamedValues::Payload),
            "entire-headers" => ReferenceKind::Entire(NamedValues::Headers),
            "entire-query" => ReferenceKind::Entire(NamedValues::Query),
            _ => return Err(UnknownReference::Source(source)),
        };
        let envname = item.text_at("envname").filter(|name| !name.is_empty());
        Ok(Self { kind, name, envname, base64: item.bool_at("base64decode") })
    }

    /// Gives an empty string.
    pub(super) fn empty() -> Self {
        Self { kind: ReferenceKind::Literal, name: String::new(), envname: None, base64: false }
    }

    /// Header or query parameter: its place in an `auth` option, and the name.
    pub(super) fn in_auth(&self) -> Option<(&'static str, &str)> {
        match self.kind {
            ReferenceKind::Named(NamedValues::Headers) => Some(("header", &self.name)),
            ReferenceKind::Named(NamedValues::Query) => Some(("query", &self.name)),
            _ => None,
        }
    }

    /// Whether the value is likely to be a secret.
    pub(super) fn is_secret(&self) -> bool {
        is_secret_name(&self.name) || self.name.eq_ignore_ascii_case("authorization")
    }

    /// Where it differs from the original.
    pub(super) fn difference(&self) -> Option<&'static str> {
        match self.kind {
            ReferenceKind::RemoteAddress => Some("remote-addr: the address comes without the port"),
            ReferenceKind::Entire(NamedValues::Headers) => {
                Some("entire-headers: names are in lower case, headers with secrets are omitted")
            }
            ReferenceKind::Named(NamedValues::Payload) if is_xml(&self.name) => {
                Some("the name looks like one of an XML payload: XML is not parsed")
            }
            _ => None,
        }
    }

    /// Whether it is there, and its text, in CEL.
    pub(super) fn in_cel(&self, usage: &mut RequestUsage) -> (Formula, String) {
        self.note_usage(usage);
        match self.kind {
            ReferenceKind::Named(map) => {
                let (base, path) = self.place(map, usage);
                let at = format!("at({base}, {})", cel_text(&path));
                (Formula::Equal(at.clone(), "null".to_owned(), false), format!("text({at})"))
            }
            ReferenceKind::Literal => (Formula::Known(true), cel_text(&self.name)),
            ReferenceKind::Body => (Formula::Known(true), "trigger_param._request.body".to_owned()),
            ReferenceKind::Method => (Formula::Known(true), "trigger_param._request.method".to_owned()),
            ReferenceKind::RemoteAddress => {
                (Formula::Known(true), "trigger_param._request.remote_address".to_owned())
            }
            ReferenceKind::Entire(map) => (Formula::Known(true), format!("text({})", map.path())),
        }
    }

    /// Whether rules cannot evaluate it.
    pub(super) fn is_beyond_rules(&self) -> bool {
        matches!(self.kind, ReferenceKind::Entire(NamedValues::Payload))
    }

    /// As a template that gives a string.
    pub(super) fn in_template(&self, usage: &mut RequestUsage) -> String {
        self.note_usage(usage);
        let expression = match self.kind {
            ReferenceKind::Named(map) => {
                let (base, path) = self.place(map, usage);
                format!("text(at({base}, {}))", template_text(&path))
            }
            ReferenceKind::Literal => return literal(&self.name),
            ReferenceKind::Body => "trigger_param._request.body".to_owned(),
            ReferenceKind::Method => "trigger_param._request.method".to_owned(),
            ReferenceKind::RemoteAddress => "trigger_param._request.remote_address".to_owned(),
            ReferenceKind::Entire(NamedValues::Payload) => format!("{REST}|tojson"),
            ReferenceKind::Entire(map) => format!("{}|tojson", map.path()),
        };
        format!("{{{{ {expression} }}}}")
    }

    fn note_usage(&self, usage: &mut RequestUsage) {
        match self.kind {
            // The original never sees the header Host.
            ReferenceKind::Named(NamedValues::Headers) if !self.name.eq_ignore_ascii_case("host") => {
                usage.headers.insert(self.name.to_ascii_lowercase());
            }
            ReferenceKind::Entire(NamedValues::Headers) => {
                usage.headers.insert("*".to_owned());
            }
            ReferenceKind::Body => usage.body = true,
            _ => {}
        }
    }

    /// The map and the path in it.
    fn place(&self, map: NamedValues, usage: &RequestUsage) -> (String, String) {
        for parsed in usage.parsed.iter().filter(|parsed| parsed.map == map) {
            if let Some(rest) = self.name.strip_prefix(&parsed.name).and_then(|rest| rest.strip_prefix('.')) {
                return (format!("select_param.{}", parsed.key), rest.to_owned());
            }
        }
        match map {
            NamedValues::Headers => (map.path().to_owned(), self.name.to_ascii_lowercase()),
            _ => (map.path().to_owned(), self.name.clone()),
        }
    }
}

impl ParsedParameter {
    /// A parameter that is to be parsed as JSON, and the template that does so.
    pub(super) fn new(argument: &RequestReference, usage: &mut RequestUsage) -> Option<(Self, String)> {
        let ReferenceKind::Named(map) = argument.kind else { return None };
        argument.note_usage(usage);
        let (base, path) = argument.place(map, usage);
        let at = format!("at({base}, {})", template_text(&path));
        let template = format!("{{{{ {at}|fromjson if {at} is string else {at} }}}}");
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let key = format!("parsed_{}", argument.name.chars().map(plain).collect::<String>());
        Some((Self { map, name: argument.name.clone(), key }, template))
    }
}

/// Names that only the original's reader of XML gives.
fn is_xml(name: &str) -> bool {
    name.split('.').any(|step| step == "#text" || step.len() > 1 && step.starts_with('-'))
}
