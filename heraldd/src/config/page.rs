//! The section `page`: the page on a port of its own.

use std::collections::BTreeMap;

use herald_base::near_miss::near_miss;
use herald_config::listener::check_host;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{CheckError, Description, OptionKind, OptionSpec};
use herald_net::tls::is_loopback;
use herald_page::site::PublicBase;
use serde::Deserialize;
use serde_json::Value;

use super::access::has_login;
use herald_sections::{Invalid, References, Section, SectionReader, Shape};
use herald_tls_options::{self as tls, TlsListener};

pub(super) const SECTION: Section = Section {
    name: "page",
    holds: "the page on a TCP port of its own, for those of the section `access`",
    references: References::Nowhere,
    shape: Shape::Options(description),
};

/// Where the page is served, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSettings {
    /// The address to listen on.
    pub host: String,
    /// The port; 0 takes any that is free.
    pub port: u16,
    /// How it is shielded from those who listen in.
    pub tls: Option<TlsListener>,
    /// Below which path it is.
    pub base: PublicBase,
    /// What it is called.
    pub title: Option<String>,
    /// Where the configuration of a router can be read, by router.
    pub links: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct PageOptions {
    host: String,
    port: u16,
    base: String,
    title: Option<String>,
    #[serde(default)]
    links: BTreeMap<String, String>,
}

fn description() -> Description {
    let new = OptionSpec::new;
    Description::new(
        "page",
        "Serves the page on a TCP port, for those of the section `access` and for the links of `heraldd page`; below \
         `/v1` it serves the control API as well. Without this section a port of this machine is opened when \
         `heraldd page` asks for a link.",
    )
    .option(
        new(
            "host",
            OptionKind::Text,
            "The address to listen on. One that other machines reach needs a login in `access`, and `tls` or `access.proxy`.",
        )
        .default("127.0.0.1")
        .check(check_host),
    )
    .option(
        new(
            "port",
            OptionKind::Integer { min: 0, max: 65535 },
            "The port to listen on; 0 takes any that is free, and the log says which.",
        )
        .required(),
    )
    .option(
        new(
            "base",
            OptionKind::Text,
            "The path below which the page is, such as `/herald/`. Behind a proxy that passes another `Host`, or under a \
             name, the whole URL that browsers use, such as `https://ops.example.com/herald/`.",
        )
        .default("/")
        .check(check_base),
    )
    .option(new("title", OptionKind::Text, "What the page is called, such as `Production`."))
    .option(
        new("links", OptionKind::Map, "For a router, the URL at which its configuration can be read, in Git say.")
            .check(check_links),
    )
    .option(tls::listener_option())
    .doubts(tls::listener_doubts)
    .example("page: {port: 8125, title: Production}")
}

fn check_base(base: &Value) -> Result<(), CheckError> {
    match base.as_str().map(PublicBase::parse) {
        Some(Err(error)) => Err(CheckError::new(error.to_string())),
        _ => Ok(()),
    }
}

fn check_links(links: &Value) -> Result<(), CheckError> {
    let is_url = |url: &Value| {
        url.as_str().is_some_and(|url| url.starts_with("https://") || url.starts_with("http://"))
    };
    match links.as_object().and_then(|links| links.iter().find(|(_, url)| !is_url(url))) {
        Some((router, _)) => {
            Err(CheckError::new("expected a URL that begins with http:// or https://").of_option(router))
        }
        None => Ok(()),
    }
}

/// What is wrong with the links and the section `router` together.
pub(super) fn check(page: Option<&PageSettings>, routers: &Value, problems: &mut Vec<Problem>) {
    let links = page.map(|page| page.links.keys()).into_iter().flatten();
    problems.extend(links.filter(|name| routers.get(name.as_str()).is_none()).map(|name| {
        let at = Path::top().key("page").key("links").key(name);
        let names = routers.as_object().map(|routers| routers.keys()).into_iter().flatten();
        let help = match near_miss(name, names.map(String::as_str)) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => "links are by the names of routers".to_owned(),
        };
        Problem::error(at, format!("there is no router \"{name}\"")).at_key().help(help)
    }));
}

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<Option<PageSettings>, Invalid> {
    if reading.given("page").is_none() {
        return Ok(None);
    }
    let at = Path::top().key("page");
    let options = reading.section(&description())?;
    let given: PageOptions = reading.parse(&options, &at)?;
    let tls = TlsListener::of(&options);
    if !is_loopback(&given.host) {
        let access = reading.given("access").and_then(Value::as_object);
        let has_proxy = access.and_then(|access| access.get("proxy")).is_some_and(|proxy| !proxy.is_null());
        let (message, help) = if !has_login(reading) {
            let message =
                format!("other machines can connect to {}, and no section `access` says who may", given.host);
            (message, "write  access: {users: FILE},  or listen on 127.0.0.1")
        } else if tls.is_none() && !has_proxy {
            let message =
                format!("other machines can connect to {}, and passwords would not be encrypted", given.host);
            (
                message,
                "give  tls: {cert: …, key: …},  or  access: {proxy: {from: […]}}  for a proxy that speaks HTTPS",
            )
        } else {
            (String::new(), "")
        };
        if !message.is_empty() {
            return Err(reading.wrong(Problem::error(at.key("host"), message).help(help)));
        }
    }
    // Checked above.
    let base = PublicBase::parse(&given.base).unwrap_or_default();
    let PageOptions { host, port, title, links, .. } = given;
    Ok(Some(PageSettings { host, port, tls, base, title, links }))
}
