//! Repository addresses: which ones are taken, and how they are shown.

use std::path::Path;

/// What is wrong with an address. Never repeats the address: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RepoUrlError {
    #[error("must not be empty or contain spaces or control characters")]
    Characters,
    #[error("must not begin with -")]
    LeadingDash,
    #[error("file:// needs an absolute path: file:///path")]
    RelativePath,
    #[error(
        "expected https://…, http://…, ssh://…, user@host:path, file:///… or an absolute path; nothing else is allowed"
    )]
    Form,
    #[error("an ssh URL must not contain a password: use git_password")]
    SshPassword,
    #[error("the path is missing: ssh://host/path")]
    NoPath,
    #[error("the user name of an ssh repository may contain only letters, digits, . _ - +")]
    User,
    #[error("the host name is missing or contains characters that are not allowed in host names")]
    Host,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("contains an invalid %-escape")]
    Escape,
}

/// How a repository is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    /// `https://` or `http://`.
    Http,
    /// `ssh://` or `user@host:path`.
    Ssh {
        /// Name or address, without brackets, in lower case.
        host: String,
        port: u16,
        user: Option<String>,
    },
    /// A folder of this machine.
    Local,
}

/// A repository's address, taken apart so that its secrets stay behind.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RepoUrl {
    /// Without a user or password, for libgit2 (the user of ssh is put back by [`Self::dial`]).
    bare: String,
    pub(crate) transport: Transport,
    /// The user of an http URL.
    pub(crate) user: Option<String>,
    /// The password of an http URL.
    pub(crate) password: Option<String>,
}

impl RepoUrl {
    /// Takes an address apart.
    ///
    /// # Errors
    /// [`RepoUrlError`] says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, RepoUrlError> {
        if text.is_empty() || text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(RepoUrlError::Characters);
        }
        if text.starts_with('-') {
            return Err(RepoUrlError::LeadingDash);
        }
        if text.starts_with('/') {
            return Ok(Self::local(text.to_owned()));
        }
        match text.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                scheme @ ("http" | "https") => Self::http(scheme, rest),
                "ssh" => Self::ssh(rest),
                "file" => {
                    let path = rest.strip_prefix("localhost").unwrap_or(rest);
                    if !path.starts_with('/') {
                        return Err(RepoUrlError::RelativePath);
                    }
                    Ok(Self::local(decode(path)?))
                }
                _ => Err(RepoUrlError::Form),
            },
            None => Self::scp(text),
        }
    }

    fn local(path: String) -> Self {
        Self { bare: path, transport: Transport::Local, user: None, password: None }
    }

    fn http(scheme: &str, rest: &str) -> Result<Self, RepoUrlError> {
        let (authority, path) = split_authority(rest);
        let (user, password, place) = userinfo(authority)?;
        check_host(place)?;
        let bare = format!("{scheme}://{}{path}", place.to_ascii_lowercase());
        Ok(Self { bare, transport: Transport::Http, user, password })
    }

    fn ssh(rest: &str) -> Result<Self, RepoUrlError> {
        let (authority, path) = split_authority(rest);
        let (user, password, place) = userinfo(authority)?;
        if password.is_some() {
            return Err(RepoUrlError::SshPassword);
        }
        check_host(place)?;
        if path.len() < 2 || !path.starts_with('/') {
            return Err(RepoUrlError::NoPath);
        }
        let (host, port) = split_port(place)?;
        Self::over_ssh(host, port.unwrap_or(22), user, format!("ssh://{place}{path}"))
    }

    /// `user@host:path`, as scp and git write it.
    fn scp(text: &str) -> Result<Self, RepoUrlError> {
        let bracket = text.find(']').unwrap_or(0);
        let colon = text[bracket..].find(':').map(|at| at + bracket);
        let Some(colon) = colon.filter(|colon| !text[..*colon].contains('/')) else {
            return Err(RepoUrlError::Form);
        };
        let (place, path) = (&text[..colon], &text[colon + 1..]);
        // `ext::sh -c …` and the like name a program.
        if path.is_empty() || path.starts_with([':', '-']) {
            return Err(RepoUrlError::Form);
        }
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, place),
        };
        check_host(place)?;
        Self::over_ssh(place, 22, user, format!("{place}:{path}"))
    }

    fn over_ssh(host: &str, port: u16, user: Option<String>, bare: String) -> Result<Self, RepoUrlError> {
        if let Some(user) = &user {
            check_user(user)?;
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Ok(Self { bare, transport: Transport::Ssh { host, port, user }, user: None, password: None })
    }

    /// The address that libgit2 connects to; `user` is who logs in over ssh.
    pub(crate) fn dial(&self, user: &str) -> String {
        match (&self.transport, self.bare.strip_prefix("ssh://")) {
            (Transport::Ssh { .. }, Some(rest)) => format!("ssh://{user}@{rest}"),
            (Transport::Ssh { .. }, None) => match self.bare.split_once("]:") {
                // libgit2 does not resolve an IPv6 address in this form. `~` is what the path is relative to.
                Some((address, path)) if path.starts_with('/') => format!("ssh://{user}@{address}]{path}"),
                Some((address, path)) => format!("ssh://{user}@{address}]/~/{path}"),
                None => format!("{user}@{}", self.bare),
            },
            _ => self.bare.clone(),
        }
    }

    /// For people: without user, password and query.
    pub(crate) fn shown(&self) -> &str {
        self.bare.split(['?', '#']).next().unwrap_or_default()
    }

    /// The identity of this repository: without a password, so that a changed one finds the same mirror.
    pub(crate) fn identity(&self) -> String {
        match &self.transport {
            Transport::Ssh { user: Some(user), .. } => format!("{user}@{}", self.bare),
            _ => self.bare.clone(),
        }
    }

    /// Whether a folder of this machine is meant that does not exist.
    pub(crate) fn is_missing(&self) -> bool {
        self.folder().is_some_and(|folder| !folder.is_dir())
    }

    /// The folder of this machine that is meant.
    pub(crate) fn folder(&self) -> Option<&Path> {
        (self.transport == Transport::Local).then(|| Path::new(&self.bare))
    }
}

impl std::fmt::Debug for RepoUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.shown())
    }
}

/// The same address without its password (and for http without its user): what a script may see.
pub(crate) fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (authority, path) = split_authority(rest);
    match authority.rsplit_once('@') {
        Some((user, place)) if scheme.eq_ignore_ascii_case("ssh") => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{place}{path}")
        }
        Some((_, place)) => format!("{scheme}://{place}{path}"),
        None => text.to_owned(),
    }
}

fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

fn userinfo(authority: &str) -> Result<(Option<String>, Option<String>, &str), RepoUrlError> {
    let Some((info, place)) = authority.rsplit_once('@') else { return Ok((None, None, authority)) };
    let (user, password) = match info.split_once(':') {
        Some((user, password)) => (user, Some(decode(password)?)),
        None => (info, None),
    };
    Ok((Some(decode(user)?).filter(|user| !user.is_empty()), password, place))
}

/// Who logs in over ssh goes back into the address, so it may hold nothing that means something there.
pub(crate) fn check_user(user: &str) -> Result<(), RepoUrlError> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    if user.is_empty() || user.starts_with('-') || !user.chars().all(fine) {
        return Err(RepoUrlError::User);
    }
    Ok(())
}

fn check_host(place: &str) -> Result<(), RepoUrlError> {
    let (host, _) = split_port(place)?;
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let fine = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && !host.starts_with('-')
                && host.chars().all(|c| c.is_alphanumeric() || "._-".contains(c))
        }
    };
    if fine { Ok(()) } else { Err(RepoUrlError::Host) }
}

fn split_port(place: &str) -> Result<(&str, Option<u16>), RepoUrlError> {
    let from = place.find(']').unwrap_or(0);
    match place[from..].rfind(':').map(|at| at + from) {
        None => Ok((place, None)),
        Some(at) => match place[at + 1..].parse() {
            Ok(0) | Err(_) => Err(RepoUrlError::Port),
            Ok(port) => Ok((&place[..at], Some(port))),
        },
    }
}

fn decode(text: &str) -> Result<String, RepoUrlError> {
    let bad = || RepoUrlError::Escape;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
        let (high, low) = (digit().ok_or_else(bad)?, digit().ok_or_else(bad)?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| bad())?);
    }
    String::from_utf8(bytes).ok().filter(|decoded| !decoded.contains('\0')).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, dialled, shown) in [
            (
                "https://Example.com/a/b.git",
                Some("https://example.com/a/b.git"),
                "https://example.com/a/b.git",
            ),
            ("https://u:p%40ss@h/a?token=x", Some("https://h/a?token=x"), "https://h/a"),
            ("http://h:8080/x", Some("http://h:8080/x"), "http://h:8080/x"),
            ("ssh://h/~/x", Some("ssh://me@h/~/x"), "ssh://h/~/x"),
            ("ssh://git@h:2222/x", Some("ssh://me@h:2222/x"), "ssh://h:2222/x"),
            ("ssh://git@[::1]:2222/x", Some("ssh://me@[::1]:2222/x"), "ssh://[::1]:2222/x"),
            ("git@github.com:o/r.git", Some("me@github.com:o/r.git"), "github.com:o/r.git"),
            ("h:r", Some("me@h:r"), "h:r"),
            ("git@[::1]:r.git", Some("ssh://me@[::1]/~/r.git"), "[::1]:r.git"),
            ("[::1]:/srv/r.git", Some("ssh://me@[::1]/srv/r.git"), "[::1]:/srv/r.git"),
            ("file:///srv/my%20repo", Some("/srv/my repo"), "/srv/my repo"),
            ("/srv/repo", Some("/srv/repo"), "/srv/repo"),
            ("ext::sh -c id", None, ""),
            ("ext::sh", None, ""),
            ("fd::17", None, ""),
            ("git://h/x", None, ""),
            ("ftp://h/x", None, ""),
            ("--upload-pack=touch", None, ""),
            ("-h:x", None, ""),
            ("ssh://-oProxyCommand=x/y", None, ""),
            ("ssh://u:p@h/x", None, ""),
            ("h:-x", None, ""),
            ("relative/path", None, ""),
            ("./x:y", None, ""),
            ("", None, ""),
            ("https:///x", None, ""),
            ("https://h:0/x", None, ""),
            ("https://h:x/x", None, ""),
            ("https://a b/x", None, ""),
            ("https://u:%zz@h/x", None, ""),
            ("ssh://a;b@h/x", None, ""),
            ("ssh://h", None, ""),
            ("file://host/x", None, ""),
        ] {
            let parsed = RepoUrl::parse(text);
            assert_eq!(parsed.as_ref().ok().map(|url| url.dial("me")).as_deref(), dialled, "{text}");
            if let Ok(url) = parsed {
                assert_eq!(url.shown(), shown);
            }
        }
    }

    #[test]
    fn credentials_stay_behind() {
        let url = RepoUrl::parse("https://user:p%40ss@host/x").unwrap();
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("user"), Some("p@ss")));
        assert!(!format!("{url:?}{}{}", url.identity(), url.dial("u")).contains("p@ss"));
        for (text, without) in [
            ("https://user:pass@host/x", "https://host/x"),
            ("https://token@host/x", "https://host/x"),
            ("ssh://git:pw@host/x", "ssh://git@host/x"),
            ("git@host:x", "git@host:x"),
            ("/x@y", "/x@y"),
            ("https://host/a@b", "https://host/a@b"),
        ] {
            assert_eq!(without_credentials(text), without);
        }
    }
}
