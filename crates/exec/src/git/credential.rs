//! Who logs in at the remote, and the callbacks that libgit2 asks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{CertificateCheckStatus, Cred, CredentialType, RemoteCallbacks};

use super::halt::Halt;
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

/// What went wrong inside a callback: libgit2 does not always pass the text on.
#[derive(Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    fn tell(&self, text: String) -> git2::Error {
        let error = git2::Error::from_str(&text);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        error
    }

    pub(crate) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// One way to log in.
enum Way {
    Password,
    Key { text: String, what: String },
}

/// The callbacks for one connection.
pub(crate) fn callbacks<'a>(
    url: &'a RepoUrl,
    credentials: &'a Credentials,
    halt: &'a Halt,
    trouble: &Trouble,
) -> RemoteCallbacks<'a> {
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(|_| !halt.is_set());
    callbacks.sideband_progress(|_| !halt.is_set());
    let (told, mut ways) = (trouble.clone(), None);
    callbacks.credentials(move |_, _, allowed| {
        if halt.is_set() {
            return Err(git2::Error::from_str("stopped"));
        }
        let ways = ways.get_or_insert_with(|| ways_in(url, credentials).map(Vec::into_iter));
        match ways {
            Ok(ways) => log_in(ways, url, credentials, allowed).map_err(|text| told.tell(text)),
            Err(text) => Err(told.tell(text.clone())),
        }
    });
    let told = trouble.clone();
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
                .map_err(|text| told.tell(text))
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

/// All ways to log in, in the order of the contract.
fn ways_in(url: &RepoUrl, credentials: &Credentials) -> Result<Vec<Way>, String> {
    let mut ways = Vec::new();
    let over_ssh = matches!(url.transport, Transport::Ssh { .. });
    // Over http a user name alone may be a token.
    let user_alone = !over_ssh && (credentials.username.is_some() || url.user.is_some());
    if credentials.password(url).is_some() || user_alone {
        ways.push(Way::Password);
    }
    if !over_ssh {
        return Ok(ways);
    }
    if let Some(text) = &credentials.ssh_key {
        ways.push(Way::Key { text: with_newline(text), what: "git_ssh_key".to_owned() });
    }
    if let Some(file) = &credentials.ssh_key_file {
        ways.push(key_file(file).map_err(|error| format!("git_ssh_key_file {}: {error}", file.display()))?);
    }
    if ways.is_empty() {
        ways.extend(own_keys());
    }
    Ok(ways)
}

/// The keys that `ssh` would use for this user.
fn own_keys() -> impl Iterator<Item = Way> {
    let folder = std::env::home_dir().map(|home| home.join(".ssh"));
    ["id_ed25519", "id_ecdsa", "id_rsa"]
        .into_iter()
        .filter_map(move |name| key_file(&folder.as_ref()?.join(name)).ok())
}

fn key_file(path: &Path) -> std::io::Result<Way> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(LARGEST_KEY).read_to_string(&mut text)?;
    Ok(Way::Key { text: with_newline(&text), what: path.display().to_string() })
}

/// A secret reference cuts the newline that the key format asks for.
fn with_newline(key: &str) -> String {
    format!("{}\n", key.trim_end())
}

fn log_in(
    ways: &mut std::vec::IntoIter<Way>,
    url: &RepoUrl,
    credentials: &Credentials,
    allowed: CredentialType,
) -> Result<Cred, String> {
    let user = credentials.user(url);
    if allowed.contains(CredentialType::USERNAME) {
        return Cred::username(user).map_err(|error| error.message().to_owned());
    }
    let given = ways.as_slice().len();
    for way in ways.by_ref() {
        let cred = match way {
            Way::Password if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) => {
                Cred::userpass_plaintext(user, credentials.password(url).unwrap_or_default())
            }
            Way::Key { text, what } if allowed.contains(CredentialType::SSH_MEMORY) => {
                check_key(&text, &what, credentials.ssh_key_password.is_some())?;
                Cred::ssh_key_from_memory(user, None, &text, credentials.ssh_key_password.as_deref())
            }
            _ => continue,
        };
        return cred.map_err(|error| error.message().to_owned());
    }
    Err(refused(url, user, given > 0))
}

fn refused(url: &RepoUrl, user: &str, given: bool) -> String {
    let (shown, over_ssh) = (url.shown(), matches!(url.transport, Transport::Ssh { .. }));
    match (over_ssh, given) {
        (false, _) => format!(
            "{shown} asks for a login, and what was given was not enough or was refused: check git_username and git_password"
        ),
        (true, _) => format!(
            "{shown} let `{user}` in neither with a key nor with a password: check git_username, git_ssh_key or \
             git_ssh_key_file, git_ssh_key_password and git_password"
        ),
    }
}

/// An encrypted key without a password fails deep inside with a text that says nothing.
fn check_key(text: &str, what: &str, has_password: bool) -> Result<(), String> {
    if !text.contains("PRIVATE KEY-----") {
        return Err(format!("{what} is not a private key: it has no line with PRIVATE KEY"));
    }
    if is_encrypted(text) && !has_password {
        return Err(format!("the private key {what} is encrypted: give git_ssh_key_password"));
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
