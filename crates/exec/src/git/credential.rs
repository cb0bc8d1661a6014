//! Who logs in at the remote, and the callbacks that libgit2 asks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{CertificateCheckStatus, Cred, CredentialType, RemoteCallbacks};
use herald_base::os_error;

use super::cancel::CancelFlag;
use super::known_hosts::{self, Shown};
use super::url::{RepoUrl, Transport};

/// Who logs in over ssh when nobody says so: the custom of all forges.
const SSH_USER: &str = "git";
/// A key is a few KiB.
const LARGEST_KEY: u64 = 1 << 20;

/// The credentials of `job_param`. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) ssh_key: Option<String>,
    pub(crate) ssh_key_file: Option<PathBuf>,
    pub(crate) ssh_key_password: Option<String>,
    pub(crate) known_hosts: Option<PathBuf>,
}

impl Credentials {
    /// Who logs in.
    pub(crate) fn user<'a>(&'a self, url: &'a RepoUrl) -> &'a str {
        let in_url = match &url.transport {
            Transport::Ssh { user, .. } => user.as_deref(),
            _ => url.user.as_deref(),
        };
        self.username.as_deref().or(in_url).unwrap_or(SSH_USER)
    }

    fn password<'a>(&'a self, url: &'a RepoUrl) -> Option<&'a str> {
        self.password.as_deref().or(url.password.as_deref())
    }

    /// A text without the secrets among these.
    pub(crate) fn mask(&self, text: &str, url: &RepoUrl) -> String {
        let secrets = [self.password(url), self.ssh_key_password.as_deref(), self.ssh_key.as_deref()];
        // Over http the user may be a token.
        let user = url.user.as_deref().filter(|user| url.password.is_none() && user.len() >= 8);
        secrets
            .into_iter()
            .chain([user])
            .flatten()
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// Why logging in failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("git_ssh_key_file {} cannot be read: {why}", path.display())]
    KeyFile { path: PathBuf, why: String },
    #[error("{0}")]
    Git(String),
    #[error("{what} is not a private key: no line contains PRIVATE KEY")]
    NotAKey { what: String },
    #[error("the private key {what} is encrypted: set git_ssh_key_password")]
    Encrypted { what: String },
    #[error("authentication failed at {url}, which requires a login: check git_username and git_password")]
    Http { url: String },
    #[error(
        "authentication failed for user `{user}` at {url}: check git_username, git_ssh_key or git_ssh_key_file, \
         git_ssh_key_password and git_password"
    )]
    Ssh { url: String, user: String },
}

impl LoginError {
    fn of_git(error: &git2::Error) -> Self {
        Self::Git(error.message().to_owned())
    }
}

/// An error inside a callback: libgit2 does not always pass the text on.
#[derive(Clone, Default)]
pub(crate) struct CallbackError(Arc<Mutex<Option<String>>>);

impl CallbackError {
    fn set(&self, cause: &impl std::fmt::Display) -> git2::Error {
        let text = cause.to_string();
        let error = git2::Error::from_str(&text);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        error
    }

    pub(crate) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// One method to log in.
enum LoginMethod {
    Password,
    Key { text: String, what: String },
}

/// The callbacks for one connection.
pub(crate) fn callbacks<'a>(
    url: &'a RepoUrl,
    credentials: &'a Credentials,
    cancel: &'a CancelFlag,
    callback_error: &CallbackError,
) -> RemoteCallbacks<'a> {
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(|_| !cancel.is_set());
    callbacks.sideband_progress(|_| !cancel.is_set());
    let (reported, mut methods) = (callback_error.clone(), None);
    callbacks.credentials(move |_, _, allowed| {
        if cancel.is_set() {
            return Err(git2::Error::from_str("stopped"));
        }
        let methods = methods.get_or_insert_with(|| login_methods(url, credentials).map(Vec::into_iter));
        match methods {
            Ok(methods) => log_in(methods, url, credentials, allowed).map_err(|error| reported.set(&error)),
            Err(error) => Err(reported.set(error)),
        }
    });
    let reported = callback_error.clone();
    callbacks.certificate_check(move |shown, _| match (&url.transport, shown.as_hostkey()) {
        (Transport::Ssh { host, port, .. }, Some(cert)) => {
            let key = cert.hostkey().unwrap_or_default();
            let shown = Shown {
                host,
                port: *port,
                kind: kind_of(key).unwrap_or("unknown"),
                key,
                sha256: cert.hash_sha256().map(<[u8; 32]>::as_slice),
            };
            known_hosts::check(credentials.known_hosts.as_deref(), &shown)
                .map(|()| CertificateCheckStatus::CertificateOk)
                .map_err(|error| reported.set(&error))
        }
        // TLS certificates are verified by libgit2, against the system's authorities.
        _ => Ok(CertificateCheckStatus::CertificatePassthrough),
    });
    callbacks
}

/// The kind of key, as the key itself says.
fn kind_of(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    std::str::from_utf8(rest.get(..length)?).ok()
}

/// All methods to log in, in the order of the contract.
fn login_methods(url: &RepoUrl, credentials: &Credentials) -> Result<Vec<LoginMethod>, LoginError> {
    let mut methods = Vec::new();
    let over_ssh = matches!(url.transport, Transport::Ssh { .. });
    // Over http a user name alone may be a token.
    let user_alone = !over_ssh && (credentials.username.is_some() || url.user.is_some());
    if credentials.password(url).is_some() || user_alone {
        methods.push(LoginMethod::Password);
    }
    if !over_ssh {
        return Ok(methods);
    }
    if let Some(text) = &credentials.ssh_key {
        methods.push(LoginMethod::Key { text: with_newline(text), what: "git_ssh_key".to_owned() });
    }
    if let Some(file) = &credentials.ssh_key_file {
        methods.push(key_file(file).map_err(|error| LoginError::KeyFile {
            path: file.clone(),
            why: os_error::plain(&error.to_string()),
        })?);
    }
    if methods.is_empty() {
        methods.extend(own_keys());
    }
    Ok(methods)
}

/// The keys that `ssh` would use for this user.
fn own_keys() -> impl Iterator<Item = LoginMethod> {
    let folder = std::env::home_dir().map(|home| home.join(".ssh"));
    ["id_ed25519", "id_ecdsa", "id_rsa"]
        .into_iter()
        .filter_map(move |name| key_file(&folder.as_ref()?.join(name)).ok())
}

fn key_file(path: &Path) -> std::io::Result<LoginMethod> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(LARGEST_KEY).read_to_string(&mut text)?;
    Ok(LoginMethod::Key { text: with_newline(&text), what: path.display().to_string() })
}

/// A secret reference cuts the newline that the key format asks for.
fn with_newline(key: &str) -> String {
    format!("{}\n", key.trim_end())
}

fn log_in(
    methods: &mut std::vec::IntoIter<LoginMethod>,
    url: &RepoUrl,
    credentials: &Credentials,
    allowed: CredentialType,
) -> Result<Cred, LoginError> {
    let user = credentials.user(url);
    if allowed.contains(CredentialType::USERNAME) {
        return Cred::username(user).map_err(|error| LoginError::of_git(&error));
    }
    for method in methods.by_ref() {
        let cred = match method {
            LoginMethod::Password if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) => {
                Cred::userpass_plaintext(user, credentials.password(url).unwrap_or_default())
            }
            LoginMethod::Key { text, what } if allowed.contains(CredentialType::SSH_MEMORY) => {
                check_key(&text, &what, credentials.ssh_key_password.is_some())?;
                Cred::ssh_key_from_memory(user, None, &text, credentials.ssh_key_password.as_deref())
            }
            _ => continue,
        };
        return cred.map_err(|error| LoginError::of_git(&error));
    }
    Err(rejected(url, user))
}

fn rejected(url: &RepoUrl, user: &str) -> LoginError {
    let shown = url.shown().to_owned();
    match url.transport {
        Transport::Ssh { .. } => LoginError::Ssh { url: shown, user: user.to_owned() },
        _ => LoginError::Http { url: shown },
    }
}

/// An encrypted key without a password fails deep inside with a text that says nothing.
fn check_key(text: &str, what: &str, has_password: bool) -> Result<(), LoginError> {
    if !text.contains("PRIVATE KEY-----") {
        return Err(LoginError::NotAKey { what: what.to_owned() });
    }
    if is_encrypted(text) && !has_password {
        return Err(LoginError::Encrypted { what: what.to_owned() });
    }
    Ok(())
}

fn is_encrypted(text: &str) -> bool {
    use base64::Engine as _;
    if text.contains("ENCRYPTED") {
        return true;
    }
    if !text.contains("OPENSSH PRIVATE KEY") {
        return false;
    }
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    // "openssh-key-v1\0", then the cipher's name with its length in front.
    base64::engine::general_purpose::STANDARD
        .decode(body)
        .is_ok_and(|key| key.get(15..).and_then(kind_of).is_some_and(|cipher| cipher != "none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_in_errors() {
        let url = RepoUrl::parse("https://u:hunter2@host/x").unwrap();
        let credentials =
            Credentials { ssh_key_password: Some("opensesame".into()), ..Credentials::default() };
        let masked = credentials.mask("cannot log in with hunter2 or opensesame", &url);
        assert_eq!(masked, "cannot log in with *** or ***");
    }

    #[test]
    fn who_logs_in() {
        for (url, username, user) in [
            ("git@h:x", None, "git"),
            ("me@h:x", None, "me"),
            ("me@h:x", Some("you"), "you"),
            ("h:x", None, "git"),
            ("https://me@h/x", None, "me"),
        ] {
            let url = RepoUrl::parse(url).unwrap();
            let credentials = Credentials { username: username.map(str::to_owned), ..Credentials::default() };
            assert_eq!(credentials.user(&url), user);
        }
    }
}
