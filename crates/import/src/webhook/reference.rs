//! References of hooks to values of the request, in CEL and as templates.

use std::collections::BTreeSet;

use herald_base::secret_name::is_secret_name;

use super::formula::Formula;
use super::header::is_header_name;
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

impl RequestUsage {
    /// A filter for all values of a map: those that are parsed as JSON are what they hold.
    fn parse_filter(&self, map: NamedValues) -> String {
        let names = self.parsed.iter().filter(|parsed| parsed.map == map);
        let names: Vec<String> = names.map(|parsed| template_text(&map.key(&parsed.name))).collect();
        if names.is_empty() { String::new() } else { format!("|json_object_at({})", names.join(", ")) }
    }
}

/// A parameter whose string is JSON.
pub(super) struct ParsedParameter {
    map: NamedValues,
    name: String,
    /// Its key in `select_param`.
    pub(super) key: String,
}

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

    /// All of it, as a template. The original never sees the header Host.
    fn whole(self) -> &'static str {
        match self {
            Self::Headers => "trigger_param._request.headers|without('host')",
            Self::Query => "trigger_param._request.query",
            Self::Payload => "trigger_param|without('_request')",
        }
    }

    /// The key under which Herald has a name.
    fn key(self, name: &str) -> String {
        if self == Self::Headers { name.to_ascii_lowercase() } else { name.to_owned() }
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReferenceKind {
    Named(NamedValues),
    /// The header Host, which the original never sees, or one that no request can have.
    Missing,
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
            "header" if name.eq_ignore_ascii_case("host") || !is_header_name(&name) => ReferenceKind::Missing,
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
            ReferenceKind::Missing => (Formula::Known(false), "\"\"".to_owned()),
            ReferenceKind::Literal => (Formula::Known(true), cel_text(&self.name)),
            ReferenceKind::Body => (Formula::Known(true), "trigger_param._request.body".to_owned()),
            ReferenceKind::Method => (Formula::Known(true), "trigger_param._request.method".to_owned()),
            ReferenceKind::RemoteAddress => {
                (Formula::Known(true), "trigger_param._request.remote_address".to_owned())
            }
            ReferenceKind::Entire(map) => (Formula::Known(true), format!("text({})", map.path())),
        }
    }

    /// Whether rules cannot evaluate it: as text it differs from the original's.
    pub(super) fn is_beyond_rules(&self, usage: &RequestUsage) -> bool {
        match self.kind {
            ReferenceKind::Entire(NamedValues::Query) => !usage.parse_filter(NamedValues::Query).is_empty(),
            ReferenceKind::Entire(_) => true,
            _ => false,
        }
    }

    /// As a template that gives a string.
    pub(super) fn in_template(&self, usage: &mut RequestUsage) -> String {
        match self.kind {
            ReferenceKind::Literal => literal(&self.name),
            ReferenceKind::Missing => String::new(),
            _ => format!("{{{{ {} }}}}", self.expression(usage)),
        }
    }

    /// As a template that gives the string in Base64.
    pub(super) fn in_base64(&self, usage: &mut RequestUsage) -> String {
        if self.base64 {
            self.in_template(usage)
        } else {
            format!("{{{{ {}|b64encode }}}}", self.expression(usage))
        }
    }

    /// As an expression of templates that gives a string.
    fn expression(&self, usage: &mut RequestUsage) -> String {
        self.note_usage(usage);
        match self.kind {
            ReferenceKind::Named(map) => format!("text({})", self.found(map, usage)),
            ReferenceKind::Missing => "''".to_owned(),
            ReferenceKind::Literal => template_text(&self.name),
            ReferenceKind::Body => "trigger_param._request.body".to_owned(),
            ReferenceKind::Method => "trigger_param._request.method".to_owned(),
            ReferenceKind::RemoteAddress => "trigger_param._request.remote_address".to_owned(),
            ReferenceKind::Entire(map) => format!("{}{}|tojson", map.whole(), usage.parse_filter(map)),
        }
    }

    /// As an expression of templates that gives the value, or none.
    fn found(&self, map: NamedValues, usage: &RequestUsage) -> String {
        let (base, path) = self.place(map, usage);
        format!("at({base}, {})", template_text(&path))
    }

    /// As a template that gives the string of the last of these that is there; the original sets a variable once for
    /// each that is.
    pub(super) fn last_there(references: &[Self], usage: &mut RequestUsage) -> String {
        let each = |reference: &Self, usage: &mut RequestUsage| reference.expression(usage);
        Self::last_of(references, usage, each, Self::in_template)
    }

    /// As [`Self::last_there`], in Base64.
    pub(super) fn last_in_base64(references: &[Self], usage: &mut RequestUsage) -> String {
        let each = |reference: &Self, usage: &mut RequestUsage| {
            let expression = reference.expression(usage);
            if reference.base64 { expression } else { format!("{expression}|b64encode") }
        };
        Self::last_of(references, usage, each, Self::in_base64)
    }

    fn last_of(
        references: &[Self],
        usage: &mut RequestUsage,
        each: impl Fn(&Self, &mut RequestUsage) -> String,
        only: impl Fn(&Self, &mut RequestUsage) -> String,
    ) -> String {
        // What comes before one that is always there never counts.
        let from = references.iter().rposition(Self::is_always_there).unwrap_or_default();
        let possible = references.get(from..).unwrap_or_default();
        let (first, rest) = match possible {
            [] => return String::new(),
            [one] => return only(one, usage),
            [first, rest @ ..] => (first, rest),
        };
        let mut expression = each(first, usage);
        for reference in rest {
            let ReferenceKind::Named(map) = reference.kind else { continue };
            let value = each(reference, usage);
            expression = format!("{value} if {} is not none else {expression}", reference.found(map, usage));
        }
        format!("{{{{ {expression} }}}}")
    }

    fn is_always_there(&self) -> bool {
        !matches!(self.kind, ReferenceKind::Named(_) | ReferenceKind::Missing)
    }

    fn note_usage(&self, usage: &mut RequestUsage) {
        match self.kind {
            ReferenceKind::Named(NamedValues::Headers) => {
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
        let name = map.key(&self.name);
        for parsed in usage.parsed.iter().filter(|parsed| parsed.map == map) {
            match name.strip_prefix(&map.key(&parsed.name)) {
                Some("") => return ("select_param".to_owned(), parsed.key.clone()),
                Some(rest) if rest.starts_with('.') => {
                    return (format!("select_param.{}", parsed.key), rest[1..].to_owned());
                }
                _ => {}
            }
        }
        (map.path().to_owned(), name)
    }
}

impl ParsedParameter {
    /// A parameter that is to be parsed as JSON, and the template that does so.
    pub(super) fn new(argument: &RequestReference, usage: &mut RequestUsage) -> Option<(Self, String)> {
        let ReferenceKind::Named(map) = argument.kind else { return None };
        let (base, path) = argument.place(map, usage);
        // Templates in select_param do not see the other ones.
        if base.starts_with("select_param") {
            return None;
        }
        argument.note_usage(usage);
        let template = format!("{{{{ at({base}, {})|json_object }}}}", template_text(&path));
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let mut key = format!("parsed_{}", argument.name.chars().map(plain).collect::<String>());
        while usage.parsed.iter().any(|parsed| parsed.key == key) {
            key.push('_');
        }
        Some((Self { map, name: argument.name.clone(), key }, template))
    }
}

/// Whether a reference looks at a query parameter, or at something in it.
pub(super) fn uses_query(reference: &OriginalValue<'_>, name: &str) -> bool {
    let text = |key: &str| reference.get(key).and_then(|item| item.text()).unwrap_or_default();
    match text("source").as_str() {
        "entire-query" => true,
        "url" | "query" => {
            text("name").strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        }
        _ => false,
    }
}

/// Names that only the original's reader of XML gives.
fn is_xml(name: &str) -> bool {
    name.split('.').any(|step| step == "#text" || step.len() > 1 && step.starts_with('-'))
}
