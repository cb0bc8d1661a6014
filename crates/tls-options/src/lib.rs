//! TLS of listeners and of clients: the files that `tls` in the configuration names, as herald-net takes them, and what
//! about them deserves a warning.

use herald_config::component_error::ComponentError;
use herald_config::problem::{Path, Problem};
use herald_config::spec::{CheckError, OptionSpec, Options};
use herald_config::tls::{self, TlsClientOptions, TlsListenerChecks, TlsListenerOptions};
use herald_net::tls::{ClientFiles, Identity, ServerFiles, ServerTls, TlsError, is_loopback};
use reqwest::Url;
use serde_json::Value;

const LISTENER: TlsListenerChecks = TlsListenerChecks {
    usable: |tls| server_files(tls).check().map_err(|error| check_error(&error)),
    warnings: |tls| server_files(tls).warnings(),
    is_loopback,
    in_the_clear: "without `tls` requests are not encrypted",
};

/// The option `tls` of everything that listens.
#[must_use]
pub fn listener_option() -> OptionSpec {
    tls::listener_option(LISTENER)
}

/// The option `tls` of everything that connects by URL.
#[must_use]
pub fn client_option() -> OptionSpec {
    tls::client_option(|tls| client_files(tls).check().map_err(|error| check_error(&error)))
}

/// An error about the option that names the file.
fn check_error(error: &TlsError) -> CheckError {
    CheckError::new(error.to_string()).of_option(error.option)
}

fn server_files(tls: &TlsListenerOptions) -> ServerFiles {
    ServerFiles { cert: tls.cert.clone(), key: tls.key.clone(), client_ca: tls.client_ca.clone() }
}

fn client_files(tls: &TlsClientOptions) -> ClientFiles {
    let identity = tls.identity.as_ref();
    ClientFiles {
        ca: tls.ca.clone(),
        identity: identity.map(|own| Identity { cert: own.cert.clone(), key: own.key.clone() }),
    }
}

/// What `tls` of a listener says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsListener(pub ServerFiles);

impl TlsListener {
    /// Of checked options, if they have it.
    #[must_use]
    pub fn of(options: &Options) -> Option<Self> {
        TlsListenerOptions::of(options).map(|tls| Self(server_files(&tls)))
    }

    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub async fn load(&self) -> Result<ServerTls, ComponentError> {
        let files = self.0.clone();
        let loaded = tokio::task::spawn_blocking(move || ServerTls::load(files)).await;
        let loaded = loaded.map_err(ComponentError::new)?;
        loaded.map_err(|error| ComponentError::of_option("tls", format!("{}: {error}", error.option)))
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
    pub fn read(tls: &Value) -> Result<Self, CheckError> {
        TlsClientOptions::read(tls).map(|tls| Self(client_files(&tls)))
    }
}

/// What deserves a warning of something that listens at `host` or a unix socket, by its options. Paths begin there.
#[must_use]
pub fn listener_doubts(options: &Options) -> Vec<Problem> {
    tls::listener_doubts(options, &LISTENER)
}

/// What deserves a warning about the files of `tls` of a client.
#[must_use]
pub fn client_file_doubts(options: &Options) -> Vec<Problem> {
    let client = options.0.get("tls").and_then(|tls| TlsClient::read(tls).ok());
    client.map(|TlsClient(files)| tls::file_doubts(files.warnings())).unwrap_or_default()
}

/// What deserves a warning of something that connects to the URL `host`, by its options. Paths begin there.
#[must_use]
pub fn client_doubts(options: &Options) -> Vec<Problem> {
    let url = options.0.get("host").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
    let in_the_clear = url
        .is_some_and(|url| url.scheme() == "http" && url.host_str().is_some_and(|host| !is_loopback(host)));
    let mut doubts = client_file_doubts(options);
    if in_the_clear {
        let what = "this is another machine, and what is sent there is signed but not encrypted: jobs, their secrets, \
                    their results";
        let help = "write https://; herald-runner speaks it with  tls: {cert: …, key: …}";
        doubts.push(Problem::warning(Path::top().key("host"), what).help(help));
    }
    doubts
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
        assert!(unheard[0].message.contains("has no effect"), "{unheard:?}");
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
            let said = listener(&tls).err().map(|error| error.to_string()).unwrap_or_default();
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
            let said = client(&tls).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.starts_with(says) && said.is_empty() == says.is_empty(), "{tls}: {said}");
        }
        let expired = json!({"host": "0.0.0.0", "tls": {"cert": other.cert, "key": other.key}});
        let doubts = listener_doubts(&options(expired));
        assert!(matches!(&doubts[..], [one] if one.message.contains("expired at 2001")), "{doubts:?}");
    }
}
