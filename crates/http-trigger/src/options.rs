//! The options of `http`.

use std::path::PathBuf;
use std::time::Duration;

use herald_config::listener::{self, ListenerOptions};
use herald_core::spec::{CheckError, Description, OptionKind, OptionSpec};
use herald_core::trigger::ComponentError;
use herald_core::unit;
use http::{HeaderValue, Method};
use serde::Deserialize;
use serde_json::Value;

use super::auth;
use super::fixed;
use herald_net::network::Network;
use herald_net::serve::is_host;
use herald_requests::{Respond, Web};
use herald_tls_options as tls;
use herald_webhook::auth::Auth;
use herald_webhook::body::{self, BodyKind};
use herald_webhook::client_address::Addresses;
use herald_webhook::path::Pattern;
use herald_webhook::request::Headers;

/// The port that it listens on unless another one is given.
pub const PORT: u16 = 8123;
const MAX_BODY: u64 = 1 << 20;
/// A body is held in memory, several at once: more than this in one is a mistake.
const MOST_BODY: u64 = 1 << 30;
/// How long a repeated request is known.
const DEDUP_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the results of jobs are waited for.
const RESPOND_TIMEOUT: Duration = Duration::from_secs(30);
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Adds all options to the description, in the order in which they are documented.
pub(crate) fn add_to(description: Description) -> Description {
    listening()
        .into_iter()
        .chain(checking())
        .chain(receiving())
        .chain(answering())
        .fold(description, Description::option)
}

fn listening() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    let requests = vec![
        new(
            "path",
            OptionKind::Text,
            "The path of the requests, such as `/deploy/{app}`; the value at `{app}` goes into the parameters under \
             that name. Triggers with different paths may share host and port; of several that fit, the one that writes \
             out more counts. Default: every path.",
        )
        .check(|path| {
            let read = Pattern::read(path.as_str().unwrap_or_default());
            read.map(drop).map_err(|error| CheckError::new(error.to_string()))
        }),
        new("methods", OptionKind::Texts, "The methods that are taken. With GET the query is the parameters; `d` in it \
             may hold JSON, or Base64 of JSON, whose keys then are parameters too. Default: `[POST]`.")
            .check(|given| methods(given).map(drop)),
        tls::listener_option(),
    ];
    listener::options(PORT, false).into_iter().chain(requests).collect()
}

fn checking() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        auth::spec(),
        new(
            "allow_ips",
            OptionKind::Texts,
            "Networks such as `10.0.0.0/8`, or addresses: requests from elsewhere are rejected with 403. Default: \
             all are allowed.",
        )
        .check(|given| networks(given).map(drop)),
        new(
            "trusted_proxies",
            OptionKind::Texts,
            "Networks of proxies whose `X-Forwarded-For` counts. From anybody else it does not.",
        )
        .check(|given| networks(given).map(drop)),
        new(
            "allowed_hosts",
            OptionKind::Texts,
            "Names that requests may bear in `Host` when it listens on a loopback address, besides `localhost`, \
             loopback addresses and `host`: the name of a reverse proxy, say. Other names are rejected, since a \
             web page can make a browser send requests under its own name.",
        )
        .check(|given| texts(given).iter().try_for_each(|host| allowed_host(host))),
    ]
}

fn receiving() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        new(
            "body",
            OptionKind::OneOf(&body::KINDS),
            "What the body is: `json`, an object (of `github`, `gitea`, `forgejo` and `gogs` a form, too); `form`, urlencoded or multipart, whose \
             fields are the parameters (the keys of JSON in a field `payload` as well; a file is an object with `filename`, \
             `content_type`, `size` and `text`, or `base64` where it is not text); `text`, which is the parameter `text`; \
             `any`, whatever comes: an object or a form as above, other JSON as the parameter `root`, text (also the \
             empty one) as `text`, and other bytes as `base64`; `webhook`, as adnanh/webhook takes \
             it: what its Content-Type says, without parameters where it is something else, with the first of several values, \
             and with GET no parameters out of the query; and `GET /` on its port is answered with `OK`, unless a trigger has \
             that path.",
        )
        .default("json"),
        new(
            "content_type",
            OptionKind::Text,
            "What the body is taken for, whatever its Content-Type says. Default: what that says.",
        )
        .check(|given| content_type(given).map(drop)),
        new(
            "headers",
            OptionKind::Texts,
            "The headers that go into `_request/headers/NAME`, in small letters; `'*'` for all but those with \
             secrets. Default: the usual ones of webhook senders.",
        )
        .check(|given| {
            let read = Headers::read(&texts(given));
            read.map(drop).map_err(|error| CheckError::new(error.to_string()))
        }),
        new(
            "keep_raw",
            OptionKind::Boolean,
            "Whether the raw body goes into `_request/body` (`_request/body_base64` when it is not text); of a form that \
             Gitea, Forgejo or Gogs sent, the field `payload`, which alone is signed.",
        )
        .default(false),
        new(
            "max_body",
            OptionKind::Size,
            "The longest body that is taken, in bytes or as `16MiB`; at most 1 GiB.",
        )
        .default("1MiB")
        .check(check_max_body),
        new(
            "dedup_window",
            OptionKind::Any,
            "How long a request is known: the same one to the same path again is answered with the first event's id and \
             runs nothing; the same id with another body or query is rejected with 422. With `provider` and `hmac` it is known by \
             what is signed, whatever its headers, and by the provider's own id; where a time is signed, at least as \
             long as that is valid. Otherwise by its `Idempotency-Key`, its `webhook-id` or the delivery id of a forge. A \
             duration, or 0 to take each request for a new one.",
        )
        .takes("duration or 0")
        .default("24h")
        .check(|window| unit::duration_or_zero(window).map(drop)),
    ]
}

fn answering() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        new(
            "respond",
            OptionKind::OneOf(&["accepted", "result"]),
            "`accepted` answers once the event is safe. `result` waits for its jobs and answers with what each gave: 200 \
             when all succeeded, 502 otherwise; with `Accept: text/plain` as text, a block for each.",
        )
        .default("accepted"),
        new("respond_timeout", OptionKind::Duration, "How long `respond: result` waits for the jobs.").default("30s"),
        fixed::spec(),
    ]
}

pub(crate) fn check_max_body(size: &Value) -> Result<(), CheckError> {
    match unit::size(size)? {
        0 => Err("it must be at least 1".to_owned().into()),
        1..=MOST_BODY => Ok(()),
        _ => Err("it must be at most 1 GiB, since a body is held in memory".to_owned().into()),
    }
}

/// One text, or a list of them.
fn texts(given: &Value) -> Vec<String> {
    match given {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Whether an entry of `allowed_hosts` can be what a request has in `Host`.
fn allowed_host(host: &str) -> Result<(), CheckError> {
    if is_host(host) {
        return Ok(());
    }
    let bare = host.split_once("://").map_or(host, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let help = match is_host(bare) {
        true => format!("write  {bare}"),
        false if host.trim().is_empty() => "remove it, or write a name such as herald.example.com".to_owned(),
        false => "write each name in full, as an entry of its own".to_owned(),
    };
    Err(CheckError::new("this is not the name of a host, so no request could have it in `Host`").help(help))
}

fn content_type(given: &Value) -> Result<HeaderValue, CheckError> {
    let text = given.as_str().unwrap_or_default();
    HeaderValue::from_str(text).map_err(|_| CheckError::new("expected a type such as application/json"))
}

fn networks(given: &Value) -> Result<Vec<Network>, CheckError> {
    texts(given)
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|error: herald_net::network::NetworkError| CheckError::new(error.to_string()))
        })
        .collect()
}

pub(crate) fn methods(given: &Value) -> Result<Vec<Method>, CheckError> {
    let names = texts(given);
    if names.is_empty() {
        return Err(CheckError::new("name at least one method"));
    }
    let read = |name: &String| match METHODS.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) => {
            Method::from_bytes(known.as_bytes()).map_err(|error| CheckError::new(error.to_string()))
        }
        None => {
            let expected = METHODS.join(", ");
            Err(CheckError::new(format!("`{name}` is not a method; expected one of: {expected}")))
        }
    };
    names.iter().map(read).collect()
}

/// The options, read.
pub(crate) struct HttpOptions {
    /// Host and port.
    pub(crate) tcp: Option<(String, u16)>,
    /// Path and permissions.
    pub(crate) unix: Option<(PathBuf, u32)>,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) max_body: u64,
    pub(crate) dedup_window: Duration,
    pub(crate) path: Option<Pattern>,
    pub(crate) web: Option<Web>,
}

/// The options that make a trigger more than it is without them.
const WEB: [&str; 10] = [
    "path",
    "methods",
    "auth",
    "allow_ips",
    "trusted_proxies",
    "headers",
    "answer",
    "keep_raw",
    "body",
    "content_type",
];

#[derive(Deserialize)]
struct Plain {
    #[serde(default, deserialize_with = "unit::de_optional_size")]
    max_body: Option<u64>,
    dedup_window: Option<Value>,
    path: Option<String>,
    #[serde(default)]
    body: BodyKind,
    #[serde(default)]
    keep_raw: bool,
    respond: Option<String>,
    respond_timeout: Option<Value>,
}

impl HttpOptions {
    /// Reads them.
    pub(crate) fn of(options: &herald_core::spec::Options) -> Result<Self, ComponentError> {
        let plain: Plain = options.parse()?;
        let list = |name: &str| options.0.get(name).map(texts).unwrap_or_default();
        let ListenerOptions { host, port, has_port, unix_socket, unix_socket_mode } =
            ListenerOptions::of(options, PORT);
        let window = plain.dedup_window.as_ref().map_or(Ok(DEDUP_WINDOW), unit::duration_or_zero);
        Ok(Self {
            allowed_hosts: list("allowed_hosts").into_iter().chain([host.clone()]).collect(),
            tcp: has_port.then_some((host, port)),
            unix: unix_socket.map(|path| (path, unix_socket_mode)),
            max_body: plain.max_body.unwrap_or(MAX_BODY),
            dedup_window: window.map_err(at("dedup_window"))?,
            path: plain.path.as_deref().map(Pattern::read).transpose().map_err(at("path"))?,
            web: plain.web(options)?,
        })
    }
}

fn at<E: std::fmt::Display>(name: &'static str) -> impl Fn(E) -> ComponentError {
    move |what| ComponentError::of_option(name, what)
}

/// What the body may be, where a sender proves itself so. Forges send forms as well as JSON.
fn body_kind(auth: Option<&Auth>, methods: &[Method], given: BodyKind) -> Result<BodyKind, CheckError> {
    let body = match (auth, given) {
        (Some(Auth::Provider(provider, _)), BodyKind::Json) if provider.sends_forms() => BodyKind::JsonOrForm,
        _ => given,
    };
    // Only the program webhook reads the body of a GET.
    let unsigned = body != BodyKind::Webhook && methods.contains(&Method::GET);
    if unsigned && auth.is_some_and(Auth::signs) {
        return Err(CheckError::new(
            "a request with GET has no body, so nothing of it is signed, and anybody could send one with any query; \
             remove GET, or use `auth: {token: …}`",
        ));
    }
    Ok(body)
}

impl Plain {
    /// What makes the trigger more than it is without options, if anything does.
    fn web(&self, options: &herald_core::spec::Options) -> Result<Option<Web>, ComponentError> {
        let respond = match self.respond.as_deref() {
            Some("result") => {
                let timeout = self.respond_timeout.as_ref().map_or(Ok(RESPOND_TIMEOUT), unit::duration);
                Respond::Result(timeout.map_err(at("respond_timeout"))?)
            }
            _ => Respond::Accepted,
        };
        // `body` and `keep_raw` have defaults, which say nothing.
        let said = |name: &&str| match *name {
            "body" => self.body != BodyKind::Json,
            "keep_raw" => self.keep_raw,
            name => options.0.contains_key(name),
        };
        if respond == Respond::Accepted && !WEB.iter().any(said) {
            return Ok(None);
        }
        let given = |name: &str| options.0.get(name);
        let read = |name: &'static str| given(name).map(networks).transpose().map_err(at(name));
        let methods = given("methods").map_or(Ok(vec![Method::POST]), methods).map_err(at("methods"))?;
        let auth = given("auth").map(auth::read).transpose().map_err(at("auth"))?;
        let body = body_kind(auth.as_ref(), &methods, self.body).map_err(at("methods"))?;
        Ok(Some(Web {
            methods,
            auth,
            addresses: Addresses {
                allowed: read("allow_ips")?,
                trusted: read("trusted_proxies")?.unwrap_or_default(),
            },
            body,
            content_type: given("content_type").map(content_type).transpose().map_err(at("content_type"))?,
            headers: match given("headers") {
                Some(names) => Headers::read(&texts(names)).map_err(at("headers"))?,
                None => Headers::default(),
            },
            keep_raw: self.keep_raw,
            respond,
            fixed: given("answer").map(fixed::read).transpose().map_err(at("answer"))?.unwrap_or_default(),
        }))
    }
}
