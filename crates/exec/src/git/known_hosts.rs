//! Whether an ssh server is the one that the user knows: the known_hosts file of OpenSSH.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use herald_base::os_error;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// A known_hosts file is small; a larger one is a mistake.
const LARGEST: u64 = 16 << 20;

/// Why a server is not trusted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostKeyError {
    #[error("there is no home directory with .ssh/known_hosts: set git_known_hosts to a file")]
    NoHome,
    #[error("the known hosts file {} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    /// The sentence of a [`Refusal`].
    #[error("{0}")]
    Refused(String),
}

/// What a server showed.
pub(crate) struct Shown<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// Such as `ssh-ed25519`.
    pub(crate) kind: &'a str,
    pub(crate) key: &'a [u8],
    pub(crate) sha256: Option<&'a [u8]>,
}

/// Whether the server's key is in the file (default: the user's own).
///
/// # Errors
/// [`HostKeyError`] says what is wrong and what to do.
pub(crate) fn check(file: Option<&Path>, shown: &Shown<'_>) -> Result<(), HostKeyError> {
    let path = match file {
        Some(file) => file.to_owned(),
        None => default_file().ok_or(HostKeyError::NoHome)?,
    };
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.is_none() => String::new(),
        Err(error) => {
            return Err(HostKeyError::Unreadable { path, why: os_error::plain(&error.to_string()) });
        }
    };
    judge(&text, shown).map_err(|refusal| HostKeyError::Refused(refusal.explain(&path, shown)))
}

fn default_file() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".ssh/known_hosts"))
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Unknown,
    OtherKinds(Vec<String>),
    Changed(usize),
    Revoked(usize),
}

impl Refusal {
    fn explain(&self, path: &Path, shown: &Shown<'_>) -> String {
        let Shown { host, port, kind, .. } = shown;
        let file = path.display();
        let place = if *port == 22 { (*host).to_owned() } else { format!("[{host}]:{port}") };
        let print = shown.sha256.map_or_else(String::new, |hash| {
            format!(" (fingerprint SHA256:{})", STANDARD_NO_PAD.encode(hash))
        });
        let add = format!("ssh-keyscan -p {port} -t {} {host} >> {file}", kind.trim_start_matches("ssh-"));
        match self {
            Self::Unknown => format!(
                "the host key of {place} is unknown: {file} has no entry for it. Compare its {kind} key{print} with \
                 what the server's owner says, then add it: {add}"
            ),
            Self::OtherKinds(kinds) => format!(
                "the host {place} showed a {kind} key{print}, but {file} knows only its {}. Compare the fingerprint \
                 with what the server's owner says, then add it: {add}",
                kinds.join(", ")
            ),
            Self::Changed(line) => format!(
                "the host key of {place} HAS CHANGED: its {kind} key{print} is not the one in line {line} of {file}. \
                 The connection may be intercepted, or the server was reinstalled; replace that line only in the latter \
                 case"
            ),
            Self::Revoked(line) => {
                format!("the {kind} key{print} of {place} is marked as revoked in line {line} of {file}")
            }
        }
    }
}

fn judge(text: &str, shown: &Shown<'_>) -> Result<(), Refusal> {
    let names = names(shown);
    let mut found = false;
    let mut changed = None;
    let mut kinds = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some(entry) = KnownHost::parse(line) else { continue };
        if !entry.is_about(&names) {
            continue;
        }
        let same = entry.key == shown.key;
        match entry.marker {
            Some("@revoked") if same => return Err(Refusal::Revoked(number + 1)),
            // Keys of authorities vouch for certificates, which are not used here.
            Some(_) => {}
            None if same => found = true,
            None if entry.kind == shown.kind => changed = changed.or(Some(number + 1)),
            None => kinds.push(entry.kind.to_owned()),
        }
    }
    match (found, changed) {
        (true, _) => Ok(()),
        (false, Some(line)) => Err(Refusal::Changed(line)),
        (false, None) if kinds.is_empty() => Err(Refusal::Unknown),
        (false, None) => Err(Refusal::OtherKinds(kinds)),
    }
}

/// The names under which a host can be listed in the file.
fn names(shown: &Shown<'_>) -> Vec<String> {
    let host = shown.host.to_ascii_lowercase();
    let with_port = format!("[{host}]:{}", shown.port);
    if shown.port == 22 { vec![host, with_port] } else { vec![with_port] }
}

struct KnownHost<'a> {
    marker: Option<&'a str>,
    hosts: &'a str,
    kind: &'a str,
    key: Vec<u8>,
}

impl<'a> KnownHost<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let first = fields.next().filter(|first| !first.starts_with('#'))?;
        let (marker, hosts) =
            if first.starts_with('@') { (Some(first), fields.next()?) } else { (None, first) };
        let (kind, key) = (fields.next()?, fields.next()?);
        Some(Self { marker, hosts, kind, key: STANDARD.decode(key).ok()? })
    }

    fn is_about(&self, names: &[String]) -> bool {
        if let Some(hashed) = self.hosts.strip_prefix("|1|") {
            return names.iter().any(|name| hash_is_of(hashed, name).unwrap_or(false));
        }
        let about = |pattern: &str| names.iter().any(|name| matches(&pattern.to_ascii_lowercase(), name));
        let mut yes = false;
        for pattern in self.hosts.split(',') {
            match pattern.strip_prefix('!') {
                Some(pattern) if about(pattern) => return false,
                Some(_) => {}
                None => yes = yes || about(pattern),
            }
        }
        yes
    }
}

/// `salt|hash`, both in Base64: the hash is the HMAC-SHA-1 of the name under the salt.
fn hash_is_of(hashed: &str, name: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&STANDARD.decode(salt).ok()?).ok()?;
    mac.update(name.as_bytes());
    Some(mac.verify_slice(&STANDARD.decode(hash).ok()?).is_ok())
}

/// Patterns with `*` and `?`, in time that does not explode with the number of stars.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<'a>(host: &'a str, port: u16, key: &'a [u8]) -> Shown<'a> {
        Shown { host, port, kind: "ssh-ed25519", key, sha256: Some(&[7; 32]) }
    }

    fn hashed(name: &str) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(b"salt").unwrap();
        mac.update(name.as_bytes());
        format!("|1|{}|{}", STANDARD.encode(b"salt"), STANDARD.encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn verdicts() {
        let (k, other) = (STANDARD.encode(b"key"), STANDARD.encode(b"other"));
        let line = |hosts: &str, kind: &str, key: &str| format!("{hosts} {kind} {key} comment\n");
        for (text, host, port, verdict) in [
            (String::new(), "h", 22, Err(Refusal::Unknown)),
            (line("h", "ssh-ed25519", &k), "h", 22, Ok(())),
            (line("H", "ssh-ed25519", &k), "h", 22, Ok(())),
            (line("[h]:22", "ssh-ed25519", &k), "h", 22, Ok(())),
            (line("h", "ssh-ed25519", &k), "h", 2222, Err(Refusal::Unknown)),
            (line("[h]:2222", "ssh-ed25519", &k), "h", 2222, Ok(())),
            (line("[h]:2222", "ssh-ed25519", &k), "h", 22, Err(Refusal::Unknown)),
            (line("a,h,b", "ssh-ed25519", &k), "h", 22, Ok(())),
            (line("*.example.com", "ssh-ed25519", &k), "git.example.com", 22, Ok(())),
            (line("*,!h", "ssh-ed25519", &k), "h", 22, Err(Refusal::Unknown)),
            (line("g?t", "ssh-ed25519", &k), "git", 22, Ok(())),
            (line(&hashed("h"), "ssh-ed25519", &k), "h", 22, Ok(())),
            (line(&hashed("[h]:2222"), "ssh-ed25519", &k), "h", 2222, Ok(())),
            (line(&hashed("x"), "ssh-ed25519", &k), "h", 22, Err(Refusal::Unknown)),
            (line("h", "ssh-ed25519", &other), "h", 22, Err(Refusal::Changed(1))),
            (line("h", "ssh-ed25519", &other) + &line("h", "ssh-ed25519", &k), "h", 22, Ok(())),
            (line("h", "ssh-rsa", &other), "h", 22, Err(Refusal::OtherKinds(vec!["ssh-rsa".into()]))),
            (line("h", "ssh-rsa", &other) + &line("h", "ssh-ed25519", &k), "h", 22, Ok(())),
            (
                line("h", "ssh-ed25519", &k) + &line("@revoked *", "ssh-ed25519", &k),
                "h",
                22,
                Err(Refusal::Revoked(2)),
            ),
            (line("@cert-authority h", "ssh-ed25519", &k), "h", 22, Err(Refusal::Unknown)),
            (format!("# {}", line("h", "ssh-ed25519", &k)), "h", 22, Err(Refusal::Unknown)),
            ("h ssh-ed25519 !!!\nh\n|1|x h y\n\n".to_owned(), "h", 22, Err(Refusal::Unknown)),
        ] {
            assert_eq!(judge(&text, &shown(host, port, b"key")), verdict, "{text:?} {host}:{port}");
        }
    }

    #[test]
    fn says_what_to_do() {
        let file = Path::new("/k");
        let text = Refusal::Unknown.explain(file, &shown("h", 2222, b"key"));
        assert!(
            text.contains("[h]:2222") && text.contains("ssh-keyscan -p 2222 -t ed25519 h >> /k"),
            "{text}"
        );
        assert!(Refusal::Changed(3).explain(file, &shown("h", 22, b"key")).contains("line 3 of /k"));
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!matches(&"*a".repeat(2_000), &"a".repeat(1_500)));
    }
}
