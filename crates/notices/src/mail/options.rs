//! The options of the executor `mail`, and the parameters of its jobs.

use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use herald_base::unit;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{CheckError, OptionKind, OptionSpec, Options, PathUse, home};
use herald_core::trigger::ComponentError;
use herald_mail::{Encryption, MailLogin, MailServer, check_address, check_authorities, recipients};
use serde_json::Value;

/// How long a mail may take where the configuration does not say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Those of the executor, in the order in which they are documented.
pub(super) fn options() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    vec![
        new("server", OptionKind::Text, "The SMTP server: a name or an IP address. Its certificate must be for it.")
            .required()
            .check(|server| is_name(server.as_str().unwrap_or_default())),
        new(
            "port",
            OptionKind::Integer { min: 1, max: 65_535 },
            "The port. Default: 587 with `tls: starttls`, 465 with `implicit`, 25 with `none`.",
        ),
        new(
            "tls",
            OptionKind::OneOf(&["starttls", "implicit", "none"]),
            "How the connection is encrypted: after it began (a server that offers no STARTTLS gets nothing), from the \
             first byte, or not at all. Default: `none` for a server on this machine, else `starttls`.",
        ),
        new("ca", OptionKind::FilePath, "The authorities to trust, as PEM, instead of those that this machine trusts.")
            .check(|ca| {
                let file = PathBuf::from(ca.as_str().unwrap_or_default());
                check_authorities(file).map_err(|error| CheckError::new(error.to_string()))
            }),
        new("username", OptionKind::Text, "Who logs in. Default: nobody."),
        new("password", OptionKind::Secret, "The password of `username`, such as `${file:/etc/heraldd/mail-password}`."),
        new("from", OptionKind::Text, "The sender: `herald@example.com` or `Herald <herald@example.com>`.")
            .required()
            .check(|from| address(from.as_str().unwrap_or_default())),
        new("timeout", OptionKind::Duration, "For the whole mail: connection, login, content, answer.").default("30s"),
        new(
            "attach_from",
            OptionKind::Texts,
            "The folders that files may be attached from (`attach`), since an event may name them. Default: where result \
             files are stored by default (`data_dir` of `http_remote`).",
        )
        .check(|folders| {
            let relative = texts(folders).into_iter().find(|folder| !folder.starts_with('/'));
            let error = |folder| CheckError::new(format!("\"{folder}\" is not an absolute path"));
            relative.map_or(Ok(()), |folder| Err(error(folder)))
        })
        .machine_check(|folders| PathUse::Root.machine_check(folders)),
    ]
}

/// Those of a job.
pub(super) fn params() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    let to = "Who gets the mail: a text with commas between the addresses, or a list. All of them get it or, where the \
              server refuses one, nobody.";
    vec![
        new("to", OptionKind::Texts, to).required().check(addressed),
        new("cc", OptionKind::Texts, "Who gets it as well, in the same form.").check(addressed),
        new(
            "subject",
            OptionKind::Text,
            "The subject, made one line. Default: the machine, the router and how its job ended.",
        ),
        new(
            "body",
            OptionKind::Text,
            "The text, cut after 1 MiB. Default: what is known of the job that ended, or else the event as JSON.",
        ),
        new(
            "attach",
            OptionKind::Any,
            "Files: a path, a list of paths, or a map from names to paths such as `{{ trigger_param.result.file }}`. They \
             must be regular files in a folder of `attach_from`: at most 20, and 10 MiB together.",
        )
        .takes("path, list of paths, or map of paths")
        .check(|attach| {
            let fine = match attach {
                Value::Array(list) => list.iter().all(Value::is_string),
                Value::Object(map) => map.values().all(Value::is_string),
                other => other.is_string() || other.is_null(),
            };
            let error = || CheckError::new("expected a path, a list of paths, or a map from names to paths");
            if fine { Ok(()) } else { Err(error()) }
        }),
    ]
}

/// What deserves a warning.
pub(super) fn doubts(options: &Options) -> Vec<Problem> {
    let is_given = |name: &str| options.0.get(name).is_some_and(|value| !value.is_null());
    let read = server(options, String::new());
    let mut doubts = Vec::new();
    if read.is_ok_and(|server| server.shows_password()) {
        let what = "this is another machine, and the password is sent there without encryption";
        doubts.push(
            Problem::warning(Path::top().key("tls"), what).help("write  tls: starttls  or  tls: implicit"),
        );
    }
    if is_given("ca") && encryption(options) == Encryption::None {
        let what = "`ca` has no effect without encryption";
        doubts.push(Problem::warning(Path::top().key("ca"), what).at_key().help("write  tls: starttls"));
    }
    doubts
}

/// The server of checked options.
pub(super) fn server(options: &Options, own_name: String) -> Result<MailServer, ComponentError> {
    let text = |name: &str| options.0.get(name).and_then(Value::as_str).map(str::to_owned);
    let encryption = encryption(options);
    let port = options.0.get("port").and_then(Value::as_u64).and_then(|port| port.try_into().ok());
    let login = match (text("username"), text("password")) {
        (Some(username), Some(password)) => Some(MailLogin { username, password }),
        (None, None) => None,
        (Some(_), None) => return Err(ComponentError::of_option("username", "its `password` is missing")),
        (None, Some(_)) => return Err(ComponentError::of_option("password", "its `username` is missing")),
    };
    let timeout = options.0.get("timeout").map_or(Ok(TIMEOUT), unit::duration);
    Ok(MailServer {
        server: text("server").unwrap_or_default(),
        port: port.unwrap_or(encryption.port()),
        encryption,
        ca: text("ca").map(PathBuf::from),
        login,
        timeout: timeout.map_err(|why| ComponentError::of_option("timeout", why))?,
        own_name,
    })
}

fn encryption(options: &Options) -> Encryption {
    let named = options.0.get("tls").and_then(Value::as_str).and_then(Encryption::named);
    let server = options.0.get("server").and_then(Value::as_str).unwrap_or_default();
    named.unwrap_or_else(|| Encryption::default_for(server))
}

pub(super) fn from(options: &Options) -> String {
    options.0.get("from").and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn folders(options: &Options, result_files: Option<PathBuf>) -> herald_mail::AttachmentFolders {
    let named = options.0.get("attach_from").filter(|folders| !folders.is_null());
    let folders = match named {
        Some(folders) => texts(folders).into_iter().map(PathBuf::from).collect(),
        None => result_files.into_iter().collect(),
    };
    herald_mail::AttachmentFolders(folders)
}

/// The addresses of `to` or `cc`.
pub(super) fn addresses(given: Option<&Value>) -> Vec<String> {
    given.map(texts).unwrap_or_default().into_iter().flat_map(recipients).collect()
}

/// The paths of `attach`.
pub(super) fn attached(attach: &Value) -> Vec<PathBuf> {
    match attach {
        Value::Object(map) => map.values().flat_map(texts).map(in_home).collect(),
        other => texts(other).into_iter().filter(|path| !path.is_empty()).map(in_home).collect(),
    }
}

/// Where there is no home folder, the path stays one that is in no folder of `attach_from`.
fn in_home(path: &str) -> PathBuf {
    home::path(path).unwrap_or_else(|_| PathBuf::from(path))
}

/// A text, or those of a list.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn addressed(value: &Value) -> Result<(), CheckError> {
    texts(value).into_iter().flat_map(recipients).try_for_each(|one| address(&one))
}

fn address(text: &str) -> Result<(), CheckError> {
    check_address(text).map_err(|error| CheckError::new(error.to_string()))
}

fn is_name(server: &str) -> Result<(), CheckError> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let is_fine = !server.is_empty() && server.chars().all(fine);
    if is_fine && (!server.contains(':') || server.parse::<Ipv6Addr>().is_ok()) {
        return Ok(());
    }
    let error = match server.rsplit_once(':') {
        Some((name, port)) if is_fine && !name.is_empty() && port.parse::<u16>().is_ok() => {
            return Err(CheckError::new(format!("\"{server}\" has a port, which is an option of its own"))
                .help(format!("write  server: {name}  and  port: {port}")));
        }
        _ => CheckError::new("expected the name or the IP address of a server"),
    };
    Err(error.help("write  server: mail.example.com  and the port as  port: 587"))
}
