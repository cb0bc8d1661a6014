//! The section `etcd`: where components read keys from.

use herald_config::spec::CheckError;
use herald_config::tls::file_doubts;
use herald_core::param::Params;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{Description, OptionKind, OptionSpec, Options};
use herald_core::unit;
use herald_etcd::{EtcdCredentials, EtcdSettings};
use herald_net::tls::is_loopback;
use reqwest::Url;
use serde_json::{Map, Value};

use herald_projects::EtcdConnections;
use herald_sections::{Invalid, NamedOptions, References, Section, SectionReader, Shape};
use herald_tls_options::{self as tls, TlsClient};

pub(super) const SECTION: Section = Section {
    name: "etcd",
    holds: "servers of etcd: `NAME: {endpoints: [URL, …], username: USER, password: SECRET, tls: {…}}`",
    references: References::Everywhere,
    shape: Shape::Named(description),
};

fn description() -> Description {
    let new = OptionSpec::new;
    let endpoints = new(
        "endpoints",
        OptionKind::Texts,
        "The URLs of its members. They are tried in this order, and the next one is used when one fails. etcd 3.4 or \
         newer, with its JSON gateway (enabled by default).",
    );
    Description::new("etcd", "An etcd: one server or a cluster. Components name it with their option `etcd`.")
        .option(endpoints.required().check(check_endpoints))
        .option(
            new("timeout", OptionKind::Duration, "How long one request may take, until its whole answer.")
                .default("5s"),
        )
        .option(new("username", OptionKind::Text, "The user, where etcd has authentication enabled."))
        .option(new("password", OptionKind::Secret, "The password of that user."))
        .option(tls::client_option())
        .doubts(doubts)
        .example("etcd: {main: {endpoints: ['http://localhost:2379']}}")
}

fn urls(endpoints: &Value) -> Vec<&str> {
    match endpoints {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn check_endpoints(endpoints: &Value) -> Result<(), CheckError> {
    let all = urls(endpoints);
    if all.is_empty() {
        return Err(
            CheckError::new("it needs at least one URL").help("write  endpoints: ['http://localhost:2379']")
        );
    }
    all.into_iter().try_for_each(check_endpoint)
}

fn check_endpoint(text: &str) -> Result<(), CheckError> {
    let wrong = |what: &str| CheckError::new(format!("`{text}` is not the URL of an etcd: {what}"));
    let url = match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => url,
        _ => {
            return Err(
                wrong("expected http://HOST:PORT or https://HOST:PORT").help(format!("write http://{text}"))
            );
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        // Not shown: it has a password in it.
        return Err(CheckError::plain("a URL of an etcd has no user; write  username: …, password: …"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a query or a fragment"));
    }
    Ok(())
}

/// What deserves a warning. Paths begin at the options.
fn doubts(options: &Options) -> Vec<Problem> {
    let endpoints = options.0.get("endpoints").map(urls).unwrap_or_default();
    let remote = |url: &&str| {
        let url = Url::parse(url).ok();
        url.is_some_and(|url| url.scheme() == "http" && url.host_str().is_some_and(|host| !is_loopback(host)))
    };
    let client = options.0.get("tls").and_then(|tls| TlsClient::read(tls).ok());
    let mut found = client.map(|TlsClient(files)| file_doubts(files.warnings())).unwrap_or_default();
    if endpoints.iter().any(remote) {
        let what = "this is another machine, and what is exchanged with it is not encrypted: keys, values, passwords";
        found.push(Problem::warning(Path::top().key("endpoints"), what).help("write https://"));
    }
    found
}

/// What is said of the section.
const NAMED: NamedOptions = NamedOptions {
    section: "etcd",
    things: "etcds",
    needs: "endpoints",
    example: "{endpoints: ['http://localhost:2379']}",
};

pub(super) fn read(reading: &mut SectionReader<'_, '_>) -> Result<Vec<EtcdSettings>, Invalid> {
    reading.named(&NAMED, one)
}

fn one(
    reading: &mut SectionReader<'_, '_>,
    name: &str,
    body: &Params,
    at: &Path,
) -> Result<EtcdSettings, Invalid> {
    let options = reading.options(&description(), body, at)?;
    let text = |name: &str| options.0.get(name).and_then(Value::as_str).map(str::to_owned);
    let wrong = |option: &str, message: &str, help: &str| {
        Problem::error(at.key(option), message).help(help.to_owned())
    };
    let credentials = match (text("username"), text("password")) {
        (Some(username), Some(password)) => Some(EtcdCredentials { username, password }),
        (None, None) => None,
        (Some(_), None) => {
            let problem = wrong("username", "its `password` is missing", "write  password: \"${file:…}\"");
            return Err(reading.wrong(problem));
        }
        (None, Some(_)) => {
            return Err(reading.wrong(wrong("password", "its `username` is missing", "write  username: …")));
        }
    };
    let endpoints: Vec<Url> = options
        .0
        .get("endpoints")
        .map(urls)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|url| Url::parse(url).ok())
        .collect();
    let tls = options.0.get("tls").filter(|tls| !tls.is_null()).and_then(|tls| TlsClient::read(tls).ok());
    if tls.is_some() && endpoints.iter().all(|url| url.scheme() == "http") {
        let problem =
            wrong("tls", "all endpoints begin with http://, so `tls` has no effect", "write https://");
        return Err(reading.wrong(problem));
    }
    let timeout =
        options.0.get("timeout").and_then(|given| unit::duration(given).ok()).unwrap_or(DEFAULT_TIMEOUT);
    Ok(EtcdSettings {
        name: name.to_owned(),
        endpoints,
        timeout,
        credentials,
        tls: tls.map(|TlsClient(files)| files),
    })
}

/// The connections of these settings; those of `before` that are the same are kept. With wrong settings the names are
/// still known, since the problems are reported already.
pub(super) fn connections(
    read: Option<&[EtcdSettings]>,
    top: &Map<String, Value>,
    before: &EtcdConnections,
) -> EtcdConnections {
    let stand_in = |name: &String| EtcdSettings {
        name: name.clone(),
        endpoints: Vec::new(),
        timeout: DEFAULT_TIMEOUT,
        credentials: None,
        tls: None,
    };
    match read {
        Some(read) => before.updated(read),
        None => {
            let written = top.get("etcd").and_then(Value::as_object).into_iter().flatten();
            let names: Vec<EtcdSettings> = written.map(|(name, _)| stand_in(name)).collect();
            before.updated(&names)
        }
    }
}

/// Where nothing else is written.
const DEFAULT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
