//! The option `tls` of listeners and of clients. It knows paths alone: what is in the files is checked by what the
//! programs hand in.

use std::path::PathBuf;

use serde_json::Value;

use crate::problem::{Path, Problem};
use crate::spec::{CheckError, OptionKind, OptionSpec, Options};

const TLS: &str = "tls";
const HOST: &str = "host";

/// The files of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsListenerOptions {
    /// The certificate, with those that link it to its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of clients.
    pub client_ca: Option<PathBuf>,
}

/// The files of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsClientOptions {
    /// The authorities to trust.
    pub ca: Option<PathBuf>,
    /// The certificate to show, and its key.
    pub identity: Option<TlsIdentityOptions>,
}

/// What a client shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentityOptions {
    /// The certificate, with those that link it to its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What only a program with a network and files can say of a listener.
#[derive(Clone, Copy)]
pub struct TlsListenerChecks {
    /// Whether the files can be used.
    pub usable: fn(&TlsListenerOptions) -> Result<(), CheckError>,
    /// What about them deserves a warning.
    pub warnings: fn(&TlsListenerOptions) -> Vec<String>,
    /// Whether a host is this machine alone.
    pub is_loopback: fn(&str) -> bool,
    /// What is said of a listener on another address without `tls`.
    pub in_the_clear: &'static str,
}

/// The option `tls` of everything that listens.
#[must_use]
pub fn listener_option(checks: TlsListenerChecks) -> OptionSpec {
    let file = |name: &str, doc: &str| OptionSpec::new(name, OptionKind::FilePath, doc);
    let fields = vec![
        file("cert", "The certificate, as PEM, then those that link it to its authority.").required(),
        file("key", "The private key that fits it, as PEM, without a passphrase.").required(),
        file(
            "client_ca",
            "Authorities, as PEM: only clients with a certificate of one of them come in (mutual TLS).",
        ),
    ];
    let doc = "Speaks HTTPS on the TCP port; a unix socket stays as it is. Changed files are used for new connections \
               within a second; files that are not valid change nothing.";
    OptionSpec::new(TLS, OptionKind::Fields(fields), doc)
        .check(move |tls| (checks.usable)(&TlsListenerOptions::read(tls)))
}

/// The option `tls` of everything that connects to a runner.
#[must_use]
pub fn client_option(usable: fn(&TlsClientOptions) -> Result<(), CheckError>) -> OptionSpec {
    let file = |name: &str, doc: &str| OptionSpec::new(name, OptionKind::FilePath, doc);
    let fields = vec![
        file("ca", "The authorities to trust, as PEM, instead of those that this machine trusts."),
        file("client_cert", "The certificate to show, as PEM, then those that link it to its authority."),
        file("client_key", "The private key that fits it, as PEM, without a passphrase."),
    ];
    let doc = "Whom to trust over HTTPS, and what to show of oneself. Changed files are used within a second; \
               files that are not valid change nothing.";
    OptionSpec::new(TLS, OptionKind::Fields(fields), doc)
        .check(move |tls| TlsClientOptions::read(tls).and_then(|files| usable(&files)))
}

fn path(tls: &Value, name: &str) -> Option<PathBuf> {
    tls.get(name).and_then(Value::as_str).map(PathBuf::from)
}

impl TlsListenerOptions {
    /// Of checked options, if they have it.
    #[must_use]
    pub fn of(options: &Options) -> Option<Self> {
        options.0.get(TLS).map(Self::read)
    }

    /// Of a value of [`listener_option`].
    fn read(tls: &Value) -> Self {
        Self {
            cert: path(tls, "cert").unwrap_or_default(),
            key: path(tls, "key").unwrap_or_default(),
            client_ca: path(tls, "client_ca"),
        }
    }
}

impl TlsClientOptions {
    /// Of a value of [`client_option`].
    ///
    /// # Errors
    /// When something is missing.
    pub fn read(tls: &Value) -> Result<Self, CheckError> {
        let missing =
            |given: &str, other: &str| CheckError::new(format!("its `{other}` is missing")).of_option(given);
        let identity = match (path(tls, "client_cert"), path(tls, "client_key")) {
            (Some(cert), Some(key)) => Some(TlsIdentityOptions { cert, key }),
            (None, None) => None,
            (Some(_), None) => return Err(missing("client_cert", "client_key")),
            (None, Some(_)) => return Err(missing("client_key", "client_cert")),
        };
        let ca = path(tls, "ca");
        if ca.is_none() && identity.is_none() {
            let help = "give `ca`, or `client_cert` and `client_key`, or leave it out";
            return Err(CheckError::new("it names nothing").help(help));
        }
        Ok(Self { ca, identity })
    }
}

/// What deserves a warning of something that listens at `host` or a unix socket, by its options. Paths begin there.
#[must_use]
pub fn listener_doubts(options: &Options, checks: &TlsListenerChecks) -> Vec<Problem> {
    let has = |name: &str| options.0.contains_key(name);
    if has(TLS) && has("unix_socket") && !has(HOST) && !has("port") {
        let what = "it has no effect: only a unix socket is listened on";
        return vec![Problem::warning(Path::top().key(TLS), what).help("give a `port` too, or leave it out")];
    }
    match (TlsListenerOptions::of(options), options.0.get(HOST).and_then(Value::as_str)) {
        (Some(tls), _) => file_doubts((checks.warnings)(&tls)),
        (None, Some(host)) if !(checks.is_loopback)(host) => {
            let help =
                "give  tls: {cert: …, key: …}  or listen on 127.0.0.1, behind something that speaks HTTPS";
            let what = format!("other machines can connect to {host}, and {}", checks.in_the_clear);
            vec![Problem::warning(Path::top().key(HOST), what).help(help)]
        }
        _ => Vec::new(),
    }
}

/// Warnings about the files of `tls`, by the options that have it.
#[must_use]
pub fn file_doubts(warnings: Vec<String>) -> Vec<Problem> {
    warnings.into_iter().map(|warning| Problem::warning(Path::top().key(TLS), warning)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CHECKS: TlsListenerChecks = TlsListenerChecks {
        usable: |files| match files.key.to_str() {
            Some("wrong") => Err(CheckError::new("it does not fit").of_option("key")),
            _ => Ok(()),
        },
        warnings: |_| vec!["it expires".to_owned()],
        is_loopback: |host| host == "127.0.0.1",
        in_the_clear: "not encrypted",
    };

    #[test]
    fn doubts_of_a_listener() {
        for (options, says) in [
            (json!({"host": "127.0.0.1"}), None),
            (json!({"port": 80}), None),
            (json!({"host": "0.0.0.0"}), Some("other machines can connect to 0.0.0.0, and not encrypted")),
            (json!({"unix_socket": "/s", "tls": {}}), Some("it has no effect")),
            (json!({"host": "0.0.0.0", "tls": {}}), Some("it expires")),
        ] {
            let doubts = listener_doubts(&Options(options.as_object().unwrap().clone()), &CHECKS);
            let said = doubts.first().map(|doubt| doubt.message.as_str());
            assert_eq!(said.is_some(), says.is_some(), "{options}: {doubts:?}");
            assert!(said.unwrap_or_default().starts_with(says.unwrap_or_default()), "{options}: {doubts:?}");
        }
    }

    #[test]
    fn what_is_wrong_names_its_option() {
        let listener = listener_option(CHECKS).check.unwrap();
        assert_eq!(listener(&json!({"cert": "c", "key": "k"})), Ok(()));
        let error = listener(&json!({"cert": "c", "key": "wrong"})).unwrap_err();
        assert_eq!(error.option.as_deref(), Some("key"));
        let client = client_option(|_| Ok(())).check.unwrap();
        for (tls, says) in [
            (json!({"ca": "c"}), ""),
            (json!({"client_cert": "c", "client_key": "k"}), ""),
            (json!({"client_cert": "c"}), "client_cert: its `client_key` is missing"),
            (json!({"client_key": "k"}), "client_key: its `client_cert` is missing"),
            (json!({}), "it names nothing; give `ca`, or `client_cert` and `client_key`, or leave it out"),
        ] {
            let said = client(&tls).err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(said, says, "{tls}");
        }
    }
}
