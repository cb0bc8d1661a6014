//! From YAML to a [`Config`].

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use herald_wire::secret::{self, Secrets};

use super::model::{Config, Listen, LogConfig, LogFormat, LogLevel, REQUEST_TIMEOUT};
use super::read::{self, Entry, Kind, Node};
use super::report::{self, Problem};
use super::tls;
use super::value;

/// Every key, in the order in which they are documented.
const KEYS: [&str; 20] = [
    "log_level",
    "log_output",
    "log_format",
    "host",
    "port",
    "tls",
    "unix_socket",
    "unix_socket_mode",
    "secret",
    "work_dir",
    "allow_v1",
    "max_body",
    "max_jobs",
    "output_limit",
    "log_limit",
    "kill_grace",
    "git_timeout",
    "keep_results",
    "shutdown_grace",
    "request_timeout",
];

/// Checks a configuration. `exposed` says whether others can read the file.
///
/// # Errors
/// The whole report, for people.
pub fn parse(text: &str, file: &str, exposed: bool) -> Result<Config, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (entries, problems) = read::entries(text);
    let broken = !problems.is_empty();
    let mut check = Check { problems, ..Check::default() };
    for entry in entries {
        check.take(entry);
    }
    let config = check.config(exposed.then_some(file), broken, text.len());
    match config {
        Some(config) if check.problems.is_empty() => Ok(config),
        _ => Err(report::render(file, text, check.problems, &check.secret_places)),
    }
}

#[derive(Default)]
struct Check {
    values: HashMap<String, Node>,
    problems: Vec<Problem>,
    secret_places: Vec<Range<usize>>,
    literal_secret: bool,
}

impl Check {
    fn problem(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.problems.push(Problem::new(span.clone(), message));
    }

    fn take(&mut self, entry: Entry) {
        let Entry { key, span, value } = entry;
        // A misspelt or misplaced name may hold a secret all the same.
        let lower = key.to_ascii_lowercase();
        if distance(&lower, "secret") <= 3
            || ["secr", "pass", "token", "key"].iter().any(|mark| lower.contains(mark))
        {
            self.secret_places.push(value.span.clone());
        }
        if !KEYS.contains(&key.as_str()) {
            let near = KEYS
                .iter()
                .map(|known| (distance(&key, known), *known))
                .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
                .min();
            let help = match near {
                Some((_, known)) => format!("did you mean `{known}`?"),
                None => format!("known are: {}", KEYS.join(", ")),
            };
            self.problems.push(Problem::new(span, format!("the key `{key}` is not known")).help(Some(help)));
            return;
        }
        if self.values.contains_key(&key) {
            self.problem(&span, format!("the key `{key}` stands here a second time"));
            return;
        }
        self.values.insert(key, value);
    }

    fn config(&mut self, exposed: Option<&str>, broken: bool, end: usize) -> Option<Config> {
        let listen = self.listen();
        let log = self.log();
        let secrets = self.secrets(broken, end);
        let work_dir = self.path("work_dir").or_else(default_work_dir);
        if work_dir.is_none() {
            self.problem(
                &(end..end),
                "`work_dir` is needed: neither a home folder nor a state folder is known",
            );
        }
        let mut warnings = tls::warnings(listen.tcp.as_ref(), listen.tls.as_ref());
        if let (Some(file), true) = (exposed, self.literal_secret) {
            warnings
                .push(format!("{file} holds a secret and can be read by others; run: chmod go-rwx {file}"));
        }
        let seconds = Duration::from_secs;
        Some(Config {
            log,
            listen,
            allow_v1: self.boolean("allow_v1", false),
            max_body: self.size("max_body", 32 << 20, 1 << 30),
            max_jobs: usize::try_from(self.integer("max_jobs", 64, 1, 100_000)).unwrap_or(64),
            output_limit: self.size("output_limit", 1 << 20, 4 << 20) as u64,
            log_limit: self.size("log_limit", 16 << 20, 1 << 30) as u64,
            kill_grace: self.duration("kill_grace", seconds(5)),
            git_timeout: self.duration("git_timeout", seconds(600)),
            keep_results: self.duration("keep_results", seconds(3600)),
            shutdown_grace: self.duration("shutdown_grace", seconds(30)),
            request_timeout: self.request_timeout(),
            warnings,
            secrets: secrets?,
            work_dir: work_dir?,
        })
    }

    fn log(&mut self) -> LogConfig {
        let level = self.choice(
            "log_level",
            LogLevel::Info,
            &[
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("warning", LogLevel::Warn),
                ("info", LogLevel::Info),
                ("debug", LogLevel::Debug),
                ("trace", LogLevel::Trace),
            ],
        );
        let format = self.choice(
            "log_format",
            LogFormat::Text,
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
        );
        LogConfig { level, output: self.path("log_output"), format }
    }

    fn listen(&mut self) -> Listen {
        let asked = self.values.contains_key("host") || self.values.contains_key("port");
        let host = self.text("host").map_or_else(|| "127.0.0.1".to_owned(), |(host, _)| host);
        let port = u16::try_from(self.integer("port", 8124, 0, 65535)).unwrap_or(8124);
        let unix_socket = self.path("unix_socket");
        let tcp = (asked || unix_socket.is_none()).then_some((host, port));
        let tls = self.values.get("tls").and_then(|node| tls::read(node, &mut self.problems));
        Listen { tcp, tls, unix_socket, unix_socket_mode: self.mode("unix_socket_mode", 0o600) }
    }

    fn request_timeout(&mut self) -> Duration {
        let place = self.values.get("request_timeout").map(|node| node.span.clone());
        let limit = self.duration("request_timeout", REQUEST_TIMEOUT);
        if let Some(place) = place.filter(|_| limit > REQUEST_TIMEOUT) {
            self.problem(&place, format!("`request_timeout` is at most {} s", REQUEST_TIMEOUT.as_secs()));
        }
        limit
    }

    fn secrets(&mut self, broken: bool, end: usize) -> Option<Secrets> {
        let Some(node) = self.values.remove("secret") else {
            if !broken {
                self.problem(&(end..end), format!("`secret` is missing: {}", secret::SecretError::Missing));
            }
            return None;
        };
        let (nodes, list_span) = match node {
            Node { kind: Kind::List(items), span } => (items, span),
            other => (vec![other.clone()], other.span),
        };
        let mut texts = Vec::new();
        let before = self.problems.len();
        for node in &nodes {
            self.secret_places.push(node.span.clone());
            match self.one_secret(node) {
                Ok(text) => texts.push(text),
                Err(message) => self.problem(&node.span, message),
            }
        }
        if self.problems.len() > before {
            return None;
        }
        Secrets::new(&texts).map_err(|error| self.problem(&list_span, error.to_string())).ok()
    }

    fn one_secret(&mut self, node: &Node) -> Result<String, String> {
        let text = match &node.kind {
            Kind::Scalar { text, .. } => text,
            Kind::Null => return Err(secret::SecretError::Empty.to_string()),
            other => return Err(format!("a secret is a text, not {}", other.name())),
        };
        let (text, reference) = value::resolve(text)?;
        self.literal_secret |= !reference;
        secret::check(text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(text)
    }

    /// The text of a key and whether it stands without quotes; `None` when the key is absent or no single value.
    fn text(&mut self, key: &str) -> Option<(String, bool)> {
        let node = self.values.get(key)?.clone();
        match node.kind {
            Kind::Scalar { text, plain } if !text.is_empty() => Some((text, plain)),
            Kind::Null | Kind::Scalar { .. } => {
                self.problem(&node.span, format!("`{key}` is empty; leave the line out for the default"));
                None
            }
            other => {
                self.problem(&node.span, format!("`{key}` takes a single value, not {}", other.name()));
                None
            }
        }
    }

    fn parsed<T>(&mut self, key: &str, default: T, what: &str, read: impl Fn(&str, bool) -> Option<T>) -> T {
        let Some((text, plain)) = self.text(key) else { return default };
        read(&text, plain).unwrap_or_else(|| {
            let span = self.values.get(key).map_or(0..0, |node| node.span.clone());
            self.problem(&span, format!("`{key}` takes {what}, not `{text}`"));
            default
        })
    }

    fn boolean(&mut self, key: &str, default: bool) -> bool {
        self.parsed(key, default, "true or false", |text, plain| match text {
            "true" | "True" | "TRUE" if plain => Some(true),
            "false" | "False" | "FALSE" if plain => Some(false),
            _ => None,
        })
    }

    fn integer(&mut self, key: &str, default: i64, min: i64, max: i64) -> i64 {
        let what = format!("a whole number from {min} to {max}");
        self.parsed(key, default, &what, |text, _| {
            text.parse::<i64>().ok().filter(|number| (min..=max).contains(number))
        })
    }

    fn size(&mut self, key: &str, default: usize, max: usize) -> usize {
        let what = format!("bytes from 1 to {max}, or a size such as 8MiB");
        self.parsed(key, default, &what, |text, _| {
            value::size(text)
                .and_then(|size| usize::try_from(size).ok())
                .filter(|size| (1..=max).contains(size))
        })
    }

    fn duration(&mut self, key: &str, default: Duration) -> Duration {
        self.parsed(key, default, "seconds, or a duration such as 1m30s, above zero", |text, _| {
            value::duration(text).filter(|duration| !duration.is_zero())
        })
    }

    fn mode(&mut self, key: &str, default: u32) -> u32 {
        self.parsed(key, default, "an octal mode such as 0660", |text, _| {
            let digits = text.strip_prefix("0o").unwrap_or(text);
            u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777)
        })
    }

    fn choice<T: Copy>(&mut self, key: &str, default: T, known: &[(&str, T)]) -> T {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        self.parsed(key, default, &format!("one of {}", names.join(", ")), |text, _| {
            let lower = text.to_ascii_lowercase();
            known.iter().find(|(name, _)| *name == lower).map(|(_, choice)| *choice)
        })
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        let (text, _) = self.text(key)?;
        Some(PathBuf::from(text))
    }
}

/// Where systemd says, else where root keeps state, else where users do.
fn default_work_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(state) = std::env::var_os("STATE_DIRECTORY") {
        let state = state.to_string_lossy().split(':').next().unwrap_or_default().to_owned();
        return Some(PathBuf::from(state).join("work"));
    }
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/herald-runner/work"));
    }
    let state =
        absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("herald-runner/work"))
}

/// How many single letters must change to make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (b, cell) in other.iter().zip(row.iter_mut().skip(1)) {
            let next = (diagonal + usize::from(a != *b)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = next;
            left = next;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "secret: the_secret_should_be_strong_enough\n";

    fn read(text: &str) -> Result<Config, String> {
        parse(text, "c.yml", false)
    }

    #[test]
    fn the_example_of_the_seed() {
        let config = read(
            "log_level: INFO\nlog_output: /var/log/herald-runner/herald-runner.log\n\nhost: 0.0.0.0\nport: 8124\n\
             #unix_socket: /var/run/herald-runner/herald-runner.sock\n\n\
             secret: the_secret_should_be_strong_enough\nwork_dir: /var/lib/herald-runner/work\n",
        )
        .unwrap();
        assert_eq!(config.listen.tcp, Some(("0.0.0.0".to_owned(), 8124)));
        assert_eq!(config.work_dir, PathBuf::from("/var/lib/herald-runner/work"));
        assert_eq!(config.log.output, Some(PathBuf::from("/var/log/herald-runner/herald-runner.log")));
        assert!(!config.allow_v1);
    }

    #[test]
    fn values_in_all_their_forms() {
        let config = read(
            "secret: [the_secret_should_be_strong_enough, &s 'another secret, long enough', *s]\n\
             log_level: Debug\nlog_format: json\nunix_socket: /run/x.sock\nunix_socket_mode: 0660\nwork_dir: /w\n\
             allow_v1: true\nmax_body: 1MiB\nmax_jobs: 3\nkill_grace: 1m30s\nkeep_results: 5\n",
        )
        .unwrap();
        assert_eq!(config.listen.tcp, None, "a socket alone means only the socket");
        assert_eq!(config.listen.unix_socket_mode, 0o660);
        assert_eq!(config.log.level, LogLevel::Debug);
        assert_eq!(config.kill_grace, Duration::from_secs(90));
        assert!(config.allow_v1);
        assert!(!config.secrets.key_id(2).is_empty());
        assert_eq!(config.secrets.key_id(1), config.secrets.key_id(2));
    }

    #[test]
    fn every_problem_has_its_place() {
        for (text, expected) in [
            ("port: 8124\n", "c.yml:2:1: `secret` is missing"),
            ("secret:\n", "c.yml:1:7: the secret is empty"),
            ("secret: ''\n", "c.yml:1:9: the secret is empty"),
            ("secret: short\n", "c.yml:1:9: the secret is too short (5 bytes"),
            ("secret: []\n", "c.yml:1:9: a secret is needed"),
            ("secret: [the_secret_should_be_strong_enough, short]\n", "c.yml:1:46: the secret is too short"),
            ("secret: {a: b}\n", "c.yml:1:9: a secret is a text, not a map"),
            (
                "secret: ${env:HERALD_NO_SUCH}\n",
                "c.yml:1:9: the environment variable HERALD_NO_SUCH is not set",
            ),
            ("secret: ${file:/no/such}\n", "c.yml:1:9: the file /no/such cannot be read"),
            ("secret: ${x}\n", "c.yml:1:9: a reference is"),
            ("secert: the_secret_should_be_strong_enough\n", "c.yml:1:1: the key `secert` is not known"),
            ("- a\n", "c.yml:1:1: the configuration is a map of keys, not a list"),
            ("a: b: c\n", "c.yml:1:5: this is not YAML"),
        ] {
            let report = read(text).unwrap_err();
            assert!(report.contains(expected), "{text}: {report}");
        }
        for (line, expected) in [
            ("port: 70000\n", "c.yml:2:7: `port` takes a whole number from 0 to 65535, not `70000`"),
            ("port: [1]\n", "c.yml:2:7: `port` takes a single value, not a list"),
            ("allow_v1: yes\n", "c.yml:2:11: `allow_v1` takes true or false, not `yes`"),
            ("allow_v1: 'true'\n", "c.yml:2:11: `allow_v1` takes true or false"),
            ("host:\n", "c.yml:2:5: `host` is empty"),
            ("log_level: loud\n", "c.yml:2:12: `log_level` takes one of error, warn"),
            ("kill_grace: 0\n", "c.yml:2:13: `kill_grace` takes seconds"),
            ("max_body: many\n", "c.yml:2:11: `max_body` takes bytes"),
            ("unix_socket_mode: 0999\n", "c.yml:2:19: `unix_socket_mode` takes an octal mode"),
            ("request_timeout: 31\n", "c.yml:2:18: `request_timeout` is at most"),
            (
                "secret: the_secret_should_be_strong_enough\n",
                "c.yml:2:1: the key `secret` stands here a second time",
            ),
        ] {
            let report = read(&format!("{SECRET}{line}")).unwrap_err();
            assert!(report.contains(expected), "{line}: {report}");
            assert!(!report.contains("strong_enough"), "{report}");
        }
    }

    #[test]
    fn all_at_once_with_the_line_and_the_near_miss_and_no_secret() {
        let report = read("secert: very_secret_value_here\nprot: 1\nmax_jobs: 0\n").unwrap_err();
        let expected = "\
c.yml:1:1: the key `secert` is not known
  |
1 | secert: ***
  | ^
  = did you mean `secret`?

c.yml:2:1: the key `prot` is not known
  |
2 | prot: 1
  | ^
  = did you mean `port`?

c.yml:3:11: `max_jobs` takes a whole number from 1 to 100000, not `0`
  |
3 | max_jobs: 0
  |           ^
";
        assert!(report.starts_with(expected), "{report}");
        for text in [
            "secret: \"very_secret_value\nport: 1\n",
            "secret:\n  - very_secret_value: [\n",
            "secret: very_secret_value: x\n",
        ] {
            let report = read(text).unwrap_err();
            assert!(!report.contains("very_secret_value"), "{report}");
        }
    }

    #[test]
    fn an_exposed_literal_secret_earns_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "the_secret_should_be_strong_enough\n").unwrap();
        let reference = format!("secret: ${{file:{}}}\n", file.display());
        for (text, exposed, warned) in
            [(SECRET, true, true), (SECRET, false, false), (reference.as_str(), true, false)]
        {
            let config = parse(text, "c.yml", exposed).unwrap();
            assert_eq!(!config.warnings.is_empty(), warned, "{text}");
        }
        let by_file = parse(&reference, "c.yml", false).unwrap();
        assert_eq!(by_file.secrets.key_id(0), read(SECRET).unwrap().secrets.key_id(0));
    }
}
