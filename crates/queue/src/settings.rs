//! Where a queue is, and how to authenticate.

use std::fmt;
use std::path::PathBuf;

use herald_base::secret_name::MASKED;
use herald_net::tls::ClientFiles;

use crate::invalid::InvalidQueueSettings;

/// When a message that was put is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// `sync`: it is on the disk of Redis.
    Sync,
    /// `write`: Redis has it, and writes it to its disk as its own configuration says.
    #[default]
    Write,
}

/// One queue: a section `queue.NAME` of a configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct QueueSettings {
    /// Its name in the configuration.
    pub name: String,
    /// `redis://HOST[:PORT][/DB]`, `rediss://…` with TLS, `redis+unix:///PATH[?db=N]`, or
    /// `redis+sentinel://HOST[:PORT][,HOST…]/MASTER[/DB]` (`rediss+sentinel://` with TLS). May hold a user and a
    /// password; secret.
    pub url: String,
    /// The user, where it is not in the URL.
    pub username: Option<String>,
    /// The password, where it is not in the URL. Secret.
    pub password: Option<String>,
    /// The keys that sign: the first signs, all verify. At least one, each of at least 16 bytes. Secret.
    pub sign: Vec<String>,
    /// When a put is answered.
    pub durable: Durability,
    /// The certificates to trust and to present, if not those of the machine. For `rediss` only.
    pub tls: Option<ClientFiles>,
}

impl fmt::Debug for QueueSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = QueueAddress::parse(&self.url).map(|address| address.to_string());
        f.debug_struct("QueueSettings")
            .field("name", &self.name)
            .field("url", &address.as_deref().unwrap_or(MASKED))
            .field("username", &self.username)
            .field("password", &MASKED)
            .field("sign", &MASKED)
            .field("durable", &self.durable)
            .field("tls", &self.tls)
            .finish()
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerPlace {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
    Sentinel { hosts: Vec<(String, u16)>, master: String },
}

/// A parsed `url`. Its text form has neither user nor password.
#[derive(Clone, PartialEq, Eq)]
pub struct QueueAddress {
    pub(crate) place: ServerPlace,
    pub(crate) tls: bool,
    pub(crate) db: i64,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
}

impl QueueAddress {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong, without the URL itself.
    pub fn parse(url: &str) -> Result<Self, InvalidQueueSettings> {
        let wrong = InvalidQueueSettings::Url;
        let (scheme, rest) = url.split_once("://").ok_or(wrong(
            "this is not the URL of a queue; expected redis://, rediss://, redis+unix:// or redis+sentinel://",
        ))?;
        let (tls, kind) = match scheme {
            "redis" | "valkey" => (false, Scheme::Tcp),
            "rediss" | "valkeys" => (true, Scheme::Tcp),
            "redis+unix" | "unix" => (false, Scheme::Unix),
            "redis+sentinel" => (false, Scheme::Sentinel),
            "rediss+sentinel" => (true, Scheme::Sentinel),
            _ => {
                return Err(wrong(
                    "unknown scheme: expected one of redis, rediss, redis+unix, redis+sentinel, rediss+sentinel",
                ));
            }
        };
        if kind == Scheme::Unix {
            return unix(rest);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        let UrlUser { username, password } = credentials(user)?;
        let (place, db) = match kind {
            Scheme::Sentinel => {
                let (master, db) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(wrong("the name of the master is missing: redis+sentinel://HOST/MASTER"));
                }
                let hosts = hosts.split(',').map(|host| host_port(host, 26379)).collect::<Result<_, _>>()?;
                (ServerPlace::Sentinel { hosts, master: master.to_owned() }, db)
            }
            _ => {
                let (host, port) = host_port(hosts, 6379)?;
                (ServerPlace::Tcp { host, port }, path)
            }
        };
        Ok(Self { place, tls, db: database(db)?, username, password })
    }

    /// Whether connections to it are encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.tls
    }

    /// Whether it is on this machine: a unix socket, or a loopback address.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.place {
            ServerPlace::Unix(_) => true,
            ServerPlace::Tcp { host, .. } => is_loopback(host),
            ServerPlace::Sentinel { hosts, .. } => hosts.iter().all(|(host, _)| is_loopback(host)),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[derive(PartialEq, Eq)]
enum Scheme {
    Tcp,
    Unix,
    Sentinel,
}

fn unix(rest: &str) -> Result<QueueAddress, InvalidQueueSettings> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, path) = match path.split_once('@') {
        Some((user, path)) if !user.starts_with('/') => (Some(user), path),
        _ => (None, path),
    };
    if !path.starts_with('/') {
        return Err(InvalidQueueSettings::Url(
            "the path of a socket must be absolute: redis+unix:///run/redis.sock",
        ));
    }
    let db = match query {
        "" => 0,
        query => match query.strip_prefix("db=") {
            Some(db) => database(db)?,
            None => {
                return Err(InvalidQueueSettings::Url("the only parameter is db: redis+unix:///PATH?db=1"));
            }
        },
    };
    let UrlUser { username, password } = credentials(user)?;
    Ok(QueueAddress { place: ServerPlace::Unix(decoded(path)?.into()), tls: false, db, username, password })
}

#[derive(Default)]
struct UrlUser {
    username: Option<String>,
    password: Option<String>,
}

fn credentials(user: Option<&str>) -> Result<UrlUser, InvalidQueueSettings> {
    let Some(user) = user else { return Ok(UrlUser::default()) };
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let part = |text: &str| if text.is_empty() { Ok(None) } else { decoded(text).map(Some) };
    Ok(UrlUser { username: part(name)?, password: part(password)? })
}

/// `%XX` as bytes.
fn decoded(text: &str) -> Result<String, InvalidQueueSettings> {
    let wrong = InvalidQueueSettings::Url("contains an invalid %-escape");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().unwrap_or(b'x'), rest.next().unwrap_or(b'x')];
        let digits = std::str::from_utf8(&digits).map_err(|_| wrong.clone())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong.clone())?);
    }
    String::from_utf8(bytes).map_err(|_| wrong)
}

fn host_port(text: &str, default: u16) -> Result<(String, u16), InvalidQueueSettings> {
    let wrong = InvalidQueueSettings::Url("the host or port is not valid");
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(wrong.clone())?;
            (host, after.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| wrong.clone()))?;
    let is_valid = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
    if is_valid { Ok((host.to_owned(), port)) } else { Err(wrong) }
}

fn database(text: &str) -> Result<i64, InvalidQueueSettings> {
    match text {
        "" => Ok(0),
        text => text
            .parse::<u16>()
            .map(i64::from)
            .map_err(|_| InvalidQueueSettings::Url("the number of the database is not valid")),
    }
}

fn shown(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl fmt::Display for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            ServerPlace::Tcp { host, port } => f.write_str(&shown(host, *port)),
            ServerPlace::Unix(path) => write!(f, "{}", path.display()),
            ServerPlace::Sentinel { hosts, master } => {
                let hosts: Vec<String> = hosts.iter().map(|(host, port)| shown(host, *port)).collect();
                write!(f, "master {master} of {}", hosts.join(","))
            }
        }
    }
}

impl fmt::Debug for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueueAddress({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        // The URL, its text form with the database, or what is wrong.
        const CASES: [(&str, &str); 16] = [
            ("redis://10.0.0.5", "10.0.0.5:6379 0"),
            ("redis://u:p%40ss@h:7/3", "h:7 3"),
            ("rediss://:secret@[::1]:7", "[::1]:7 0 tls"),
            ("redis+unix:///run/redis.sock?db=2", "/run/redis.sock 2"),
            ("unix:///run/redis.sock", "/run/redis.sock 0"),
            ("redis+sentinel://a,b:1/main/4", "master main of a:26379,b:1 4"),
            ("rediss+sentinel://a/main", "master main of a:26379 0 tls"),
            ("redis://", "not valid"),
            ("redis://h:70000", "not valid"),
            ("redis://h/x", "not valid"),
            ("redis://a b", "not valid"),
            ("redis://u:%zz@h", "%-escape"),
            ("redis+unix://run/redis.sock", "absolute"),
            ("redis+sentinel://a", "MASTER"),
            ("http://a", "unknown scheme"),
            ("10.0.0.5:6379", "not the URL of a queue"),
        ];
        for (url, expected) in CASES {
            match QueueAddress::parse(url) {
                Ok(read) => {
                    let tls = if read.is_encrypted() { " tls" } else { "" };
                    assert_eq!(format!("{read} {}{tls}", read.db), expected, "{url}");
                }
                Err(problem) => assert!(problem.to_string().contains(expected), "{url}: {problem}"),
            }
        }
        let read = QueueAddress::parse("redis://u:p%40ss@h").unwrap();
        assert_eq!((read.username.as_deref(), read.password.as_deref()), (Some("u"), Some("p@ss")));
        assert!(QueueAddress::parse("redis://127.0.0.1").unwrap().is_local());
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = QueueSettings {
            name: "main".to_owned(),
            url: "redis://u:hunter2@h".to_owned(),
            username: None,
            password: Some("hunter3".to_owned()),
            sign: vec!["hunter4hunter4hunter4".to_owned()],
            durable: Durability::Write,
            tls: None,
        };
        let shown = format!("{settings:?} {:?}", QueueAddress::parse(&settings.url));
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("h:6379"), "{shown}");
    }
}
