//! What hooks of webhook refer to in a request, in CEL and as templates.

use std::collections::BTreeSet;

use herald_base::secret_name::is_secret_name;

use super::formula::Formula;
use crate::escape::{cel_text, literal, template_text};
use crate::given::Item;

/// The request and what is to be known of it, as far as one hook goes.
#[derive(Default)]
pub(super) struct Wanted {
    /// Headers that are looked at, in lower case; `*` for all.
    pub(super) headers: BTreeSet<String>,
    pub(super) body: bool,
    /// Texts that are taken apart as JSON.
    pub(super) parsed: Vec<Parsed>,
}

/// A parameter whose text is JSON.
pub(super) struct Parsed {
    map: Map,
    name: String,
    /// Its key in `select_param`.
    pub(super) key: String,
}

const REST: &str = "trigger_param|without('_request')";

/// Where values with names come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Map {
    Headers,
    Query,
    Payload,
}

impl Map {
    fn path(self) -> &'static str {
        match self {
            Self::Headers => "trigger_param._request.headers",
            Self::Query => "trigger_param._request.query",
            Self::Payload => "trigger_param",
        }
    }
}

/// A reference to a value of the request.
pub(super) struct Argument {
    kind: Kind,
    pub(super) name: String,
    pub(super) envname: Option<String>,
    pub(super) base64: bool,
}

enum Kind {
    Named(Map),
    Literal,
    Body,
    Method,
    RemoteAddress,
    Entire(Map),
}

impl Argument {
    /// Reads one.
    ///
    /// # Errors
    /// What the original makes nothing of.
    pub(super) fn read(item: &Item<'_>) -> Result<Self, String> {
        item.only(&["source", "name", "envname", "base64decode"]);
        let name = item.text_at("name").unwrap_or_default();
        let source = item.text_at("source").unwrap_or_default();
        let kind = match source.as_str() {
            "header" => Kind::Named(Map::Headers),
            "url" | "query" => Kind::Named(Map::Query),
            "payload" => Kind::Named(Map::Payload),
            "string" => Kind::Literal,
            "raw-request-body" => Kind::Body,
            "request" => match name.to_ascii_lowercase().as_str() {
                "method" => Kind::Method,
                "remote-addr" => Kind::RemoteAddress,
                _ => return Err(format!("`{name}` is nothing of a request that the original knows")),
            },
            "entire-payload" => Kind::Entire(Map::Payload),
            "entire-headers" => Kind::Entire(Map::Headers),
            "entire-query" => Kind::Entire(Map::Query),
            other => return Err(format!("there is no source `{other}`")),
        };
        let envname = item.text_at("envname").filter(|name| !name.is_empty());
        Ok(Self { kind, name, envname, base64: item.flag_at("base64decode") })
    }

    /// Gives an empty text.
    pub(super) fn empty() -> Self {
        Self { kind: Kind::Literal, name: String::new(), envname: None, base64: false }
    }

    /// Header or query parameter: its place in an `auth` option, and the name.
    pub(super) fn in_auth(&self) -> Option<(&'static str, &str)> {
        match self.kind {
            Kind::Named(Map::Headers) => Some(("header", &self.name)),
            Kind::Named(Map::Query) => Some(("query", &self.name)),
            _ => None,
        }
    }

    /// Whether what stands there is likely to be a secret.
    pub(super) fn is_secret(&self) -> bool {
        is_secret_name(&self.name) || self.name.eq_ignore_ascii_case("authorization")
    }

    /// Where it differs from the original.
    pub(super) fn difference(&self) -> Option<&'static str> {
        match self.kind {
            Kind::RemoteAddress => Some("remote-addr: the address comes without the port"),
            Kind::Entire(Map::Headers) => {
                Some("entire-headers: names are in lower case, those that hold secrets are left out")
            }
            Kind::Named(Map::Payload) if is_xml(&self.name) => {
                Some("the name looks like one of an XML payload: XML is not taken apart")
            }
            _ => None,
        }
    }

    /// Whether it is there, and its text, in CEL.
    pub(super) fn in_cel(&self, wanted: &mut Wanted) -> (Formula, String) {
        self.want(wanted);
        match self.kind {
            Kind::Named(map) => {
                let (base, path) = self.place(map, wanted);
                let at = format!("at({base}, {})", cel_text(&path));
                (Formula::Equal(at.clone(), "null".to_owned(), false), format!("text({at})"))
            }
            Kind::Literal => (Formula::Known(true), cel_text(&self.name)),
            Kind::Body => (Formula::Known(true), "trigger_param._request.body".to_owned()),
            Kind::Method => (Formula::Known(true), "trigger_param._request.method".to_owned()),
            Kind::RemoteAddress => (Formula::Known(true), "trigger_param._request.remote_address".to_owned()),
            Kind::Entire(map) => (Formula::Known(true), format!("text({})", map.path())),
        }
    }

    /// Whether rules cannot look at it.
    pub(super) fn is_beyond_rules(&self) -> bool {
        matches!(self.kind, Kind::Entire(Map::Payload))
    }

    /// As a template that gives a text.
    pub(super) fn in_template(&self, wanted: &mut Wanted) -> String {
        self.want(wanted);
        let expression = match self.kind {
            Kind::Named(map) => {
                let (base, path) = self.place(map, wanted);
                format!("text(at({base}, {}))", template_text(&path))
            }
            Kind::Literal => return literal(&self.name),
            Kind::Body => "trigger_param._request.body".to_owned(),
            Kind::Method => "trigger_param._request.method".to_owned(),
            Kind::RemoteAddress => "trigger_param._request.remote_address".to_owned(),
            Kind::Entire(Map::Payload) => format!("{REST}|tojson"),
            Kind::Entire(map) => format!("{}|tojson", map.path()),
        };
        format!("{{{{ {expression} }}}}")
    }

    fn want(&self, wanted: &mut Wanted) {
        match self.kind {
            // The original never sees the header Host.
            Kind::Named(Map::Headers) if !self.name.eq_ignore_ascii_case("host") => {
                wanted.headers.insert(self.name.to_ascii_lowercase());
            }
            Kind::Entire(Map::Headers) => {
                wanted.headers.insert("*".to_owned());
            }
            Kind::Body => wanted.body = true,
            _ => {}
        }
    }

    /// The map and the path in it.
    fn place(&self, map: Map, wanted: &Wanted) -> (String, String) {
        for parsed in wanted.parsed.iter().filter(|parsed| parsed.map == map) {
            if let Some(rest) = self.name.strip_prefix(&parsed.name).and_then(|rest| rest.strip_prefix('.')) {
                return (format!("select_param.{}", parsed.key), rest.to_owned());
            }
        }
        match map {
            Map::Headers => (map.path().to_owned(), self.name.to_ascii_lowercase()),
            _ => (map.path().to_owned(), self.name.clone()),
        }
    }
}

impl Parsed {
    /// A parameter that is to be taken apart as JSON, and the template that does so.
    pub(super) fn new(argument: &Argument, wanted: &mut Wanted) -> Option<(Self, String)> {
        let Kind::Named(map) = argument.kind else { return None };
        argument.want(wanted);
        let (base, path) = argument.place(map, wanted);
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
