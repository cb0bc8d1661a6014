//! `tls` in the configuration, of listeners and of clients: the options, the files that they name, and what deserves a
//! warning.

use std::path::PathBuf;

use herald_core::problem::{Path, Problem};
use herald_core::spec::{OptionKind, OptionSpec, Options};
use herald_core::trigger::ComponentError;
use herald_net::tls::{ClientFiles, Identity, ServerFiles, ServerTls, TlsError, is_loopback};
use reqwest::Url;
use serde_json::Value;

const TLS: &str = "tls";
const HOST: &str = "host";

/// The option `tls` of everything that listens.
#[must_use]
pub fn listener_option() -> OptionSpec {
    let file = |name: &str, doc: &str| OptionSpec::new(name, OptionKind::FilePath, doc);
    let fields = vec![
        file("cert", "The certificate, as PEM, then those that link it to its authority.").required(),
        file("key", "The private key that fits it, as PEM, without a passphrase.").required(),
        file(
            "client_ca",
            "Authorities, as PEM: only clients with a certificate of one of them come in (mutual TLS).",
        ),
    ];
    let doc = "Speaks HTTPS on the TCP port; a unix socket stays as it is. Changed files are taken up within a second, \
               for new connections; those that cannot be used change nothing.";
    OptionSpec::new(TLS, OptionKind::Fields(fields), doc)
        .check(|tls| listener_files(tls).check().map_err(|error| at_option(&error)))
}

/// The option `tls` of everything that connects to a runner.
#[must_use]
pub fn client_option() -> OptionSpec {
    let file = |name: &str, doc: &str| OptionSpec::new(name, OptionKind::FilePath, doc);
    let fields = vec![
        file("ca", "The authorities to trust, as PEM, instead of those that this machine trusts."),
        file("client_cert", "The certificate to show, as PEM, then those that link it to its authority."),
        file("client_key", "The private key that fits it, as PEM, without a passphrase."),
    ];
    let doc = "Whom to trust over HTTPS, and what to show of oneself. Changed files are taken up within a second; those \
               that cannot be used change nothing.";
    OptionSpec::new(TLS, OptionKind::Fields(fields), doc)
        .check(|tls| client_files(tls).and_then(|files| files.check().map_err(|error| at_option(&error))))
}

/// An error that stands at the option that names the file.
fn at_option(error: &TlsError) -> String {
    format!("{}: {error}", error.option)
}

fn path(tls: &Value, name: &str) -> Option<PathBuf> {
    tls.get(name).and_then(Value::as_str).map(PathBuf::from)
}

/// The files of a listener, of a value of [`listener_option`].
fn listener_files(tls: &Value) -> ServerFiles {
    ServerFiles {
        cert: path(tls, "cert").unwrap_or_default(),
        key: path(tls, "key").unwrap_or_default(),
        client_ca: path(tls, "client_ca"),
    }
}

/// The files of a client, of a value of [`client_option`].
///
/// # Errors
/// When something is missing.
fn client_files(tls: &Value) -> Result<ClientFiles, String> {
    let identity = match (path(tls, "client_cert"), path(tls, "client_key")) {
        (Some(cert), Some(key)) => Some(Identity { cert, key }),
        (None, None) => None,
        (Some(_), None) => return Err("client_cert: its `client_key` is missing".to_owned()),
        (None, Some(_)) => return Err("client_key: its `client_cert` is missing".to_owned()),
    };
    let ca = path(tls, "ca");
    if ca.is_none() && identity.is_none() {
        return Err(
            "it names nothing; give `ca`, or `client_cert` and `client_key`, or leave it out".to_owned()
        );
    }
    Ok(ClientFiles { ca, identity })
}

/// What `tls` of a listener says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsListener(ServerFiles);

impl TlsListener {
    /// Of checked options, if they have it.
    #[must_use]
    pub fn of(options: &Options) -> Option<Self> {
        options.0.get(TLS).map(|tls| Self(listener_files(tls)))
    }

    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub async fn load(&self) -> Result<ServerTls, ComponentError> {
        let files = self.0.clone();
        let loaded = tokio::task::spawn_blocking(move || ServerTls::load(files)).await;
        let loaded = loaded.map_err(|error| ComponentError(error.to_string()))?;
        loaded.map_err(|error| ComponentError(format!("tls: {}", at_option(&error))))
    }
}

/// What `tls` of a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsClient(pub ClientFiles);

impl TlsClient {
    /// Reads a value of [`client_option`].
    ///
    /// # Errors
    /// When something is missing.
    pub fn read(tls: &Value) -> Result<Self, String> {
        client_files(tls).map(Self)
    }
}

/// What deserves a warning of something that listens at `host` or a unix socket, by its options. Paths begin there.
#[must_use]
pub fn listener_doubts(options: &Options) -> Vec<Problem> {
    let has = |name: &str| options.0.contains_key(name);
    if has(TLS) && has("unix_socket") && !has(HOST) && !has("port") {
        let what = "it counts for nothing, since only a unix socket is listened on";
        return vec![Problem::warning(Path::top().key(TLS), what).help("give a `port` too, or leave it out")];
    }
    match (options.0.get(TLS), options.0.get(HOST).and_then(Value::as_str)) {
        (Some(tls), _) => of_files(listener_files(tls).warnings()),
        (None, Some(host)) if !is_loopback(host) => {
            let what = "this address is not of this machine alone, and what passes there is not encrypted";
            let help =
                "give  tls: {cert: …, key: …}  or listen on 127.0.0.1, behind something that speaks HTTPS";
            vec![Problem::warning(Path::top().key(HOST), what).help(help)]
        }
        _ => Vec::new(),
    }
}

/// What deserves a warning of something that connects to the URL `host`, by its options. Paths begin there.
#[must_use]
pub fn client_doubts(options: &Options) -> Vec<Problem> {
    let url = options.0.get(HOST).and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
    let in_the_clear = url
        .is_some_and(|url| url.scheme() == "http" && url.host_str().is_some_and(|host| !is_loopback(host)));
    let files = options.0.get(TLS).and_then(|tls| client_files(tls).ok());
    let mut doubts = files.map(|files| of_files(files.warnings())).unwrap_or_default();
    if in_the_clear {
        let what = "this is another machine, and what is sent there is signed but not encrypted: jobs, their secrets, \
                    their results";
        let help = "write https://; herald-runner speaks it with  tls: {cert: …, key: …}";
        doubts.push(Problem::warning(Path::top().key(HOST), what).help(help));
    }
    doubts
}

fn of_files(warnings: Vec<String>) -> Vec<Problem> {
    warnings.into_iter().map(|warning| Problem::warning(Path::top().key(TLS), warning)).collect()
}

#[cfg(test)]
mod tests {
    use herald_net::tls::testing::{Authority, Validity};
    use serde_json::json;

    use super::*;

    fn options(given: Value) -> Options {
        Options(given.as_object().unwrap().clone())
    }

    #[test]
    fn in_the_clear_is_said_of_what_leaves_the_machine() {
        for (host, said) in [
            ("127.0.0.1", false),
            ("::1", false),
            ("localhost", false),
            ("0.0.0.0", true),
            ("::", true),
            ("herald.example.com", true),
        ] {
            let doubts = listener_doubts(&options(json!({ "host": host })));
            assert_eq!(!doubts.is_empty(), said, "{host}: {doubts:?}");
        }
        assert_eq!(listener_doubts(&options(json!({"port": 80}))), []);
        let unheard = listener_doubts(&options(json!({"unix_socket": "/s", "tls": {}})));
        assert!(unheard[0].message.contains("counts for nothing"), "{unheard:?}");
        for (host, said) in [
            ("http://127.0.0.1:8124/", false),
            ("http://[::1]:8124/", false),
            ("http://localhost/", false),
            ("https://runner.example.com/", false),
            ("http://runner.example.com/", true),
            ("HTTP://192.0.2.1:8124", true),
        ] {
            let doubts = client_doubts(&options(json!({ "host": host })));
            assert_eq!(!doubts.is_empty(), said, "{host}: {doubts:?}");
        }
    }

    #[test]
    fn what_is_wrong_stands_at_its_option() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Authority");
        let pair = authority.issue(folder.path(), "a", &["localhost"], Validity::Good);
        let other = authority.issue(folder.path(), "b", &["localhost"], Validity::Expired);
        let ca = folder.path().join("ca.crt");
        authority.write(&ca);
        let (listener, client) = (listener_option().check.unwrap(), client_option().check.unwrap());
        for (tls, says) in [
            (json!({"cert": pair.cert, "key": pair.key}), ""),
            (json!({"cert": pair.cert, "key": pair.key, "client_ca": ca}), ""),
            (json!({"cert": pair.cert, "key": other.key}), "key: "),
            (json!({"cert": pair.key, "key": pair.key}), "cert: "),
            (
                json!({"cert": pair.cert, "key": pair.key, "client_ca": "/none"}),
                "client_ca: /none: cannot be read",
            ),
        ] {
            let said = listener(&tls).err().map(|wrong| wrong.message).unwrap_or_default();
            assert!(said.starts_with(says) && said.is_empty() == says.is_empty(), "{tls}: {said}");
        }
        for (tls, says) in [
            (json!({"ca": ca}), ""),
            (json!({"ca": ca, "client_cert": pair.cert, "client_key": pair.key}), ""),
            (json!({"client_cert": pair.cert}), "client_cert: its `client_key` is missing"),
            (json!({"client_key": pair.key}), "client_key: its `client_cert` is missing"),
            (json!({"client_cert": pair.cert, "client_key": other.key}), "client_key: "),
            (json!({}), "it names nothing"),
        ] {
            let said = client(&tls).err().map(|wrong| wrong.message).unwrap_or_default();
            assert!(said.starts_with(says) && said.is_empty() == says.is_empty(), "{tls}: {said}");
        }
        let expired = json!({"host": "0.0.0.0", "tls": {"cert": other.cert, "key": other.key}});
        let doubts = listener_doubts(&options(expired));
        assert!(matches!(&doubts[..], [one] if one.message.contains("expired at 2001")), "{doubts:?}");
    }
}
