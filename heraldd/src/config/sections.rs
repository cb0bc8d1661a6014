//! The settings of the daemon that are maps: `log`, `history`, `api`.

use std::path::PathBuf;
use std::time::Duration;

use herald_core::problem::{Path, Problem, near_miss};
use herald_core::spec::{Description, OptionKind, OptionSpec, Options};
use herald_core::unit;
use serde::Deserialize;
use serde_json::{Map, Value};
use tracing::level_filters::LevelFilter;

use crate::tls::{self, TlsListener};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What the log looks like and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The least important lines that are written.
    pub level: LevelFilter,
    /// Where it goes.
    pub output: LogOutput,
    /// Text or JSON.
    pub format: LogFormat,
}

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogOutput {
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// A file, which is appended to.
    File(PathBuf),
}

impl LogOutput {
    /// The names of the two streams are no files: whoever writes `stderr` does not want one of that name.
    fn of(output: Option<PathBuf>) -> Self {
        match output {
            None => Self::Stderr,
            Some(path) if path.as_os_str() == "stderr" => Self::Stderr,
            Some(path) if path.as_os_str() == "stdout" => Self::Stdout,
            Some(path) => Self::File(path),
        }
    }
}

/// What a line of the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistorySettings {
    /// How long a job is kept after it was made.
    pub keep: Duration,
    /// How many jobs are kept.
    pub max_jobs: u64,
    /// How many bytes of the output of one attempt are kept.
    pub log_limit: u64,
}

/// Where the control API is served beside its socket, and who may use it there.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// The address to listen on.
    pub host: String,
    /// The port; 0 takes any that is free.
    pub port: u16,
    /// What callers must know. Secret.
    pub token: String,
    /// How it is shielded from those who listen in.
    pub tls: Option<TlsListener>,
}

impl std::fmt::Debug for ApiSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// The `history` section.
pub(super) fn history_description() -> Description {
    Description::new("history", "How much of the past is kept. Jobs that have not ended are always kept.")
        .option(
            OptionSpec::new("keep", OptionKind::Duration, "How long a job is kept after it was made.")
                .default("30d"),
        )
        .option(
            OptionSpec::new(
                "max_jobs",
                OptionKind::Integer { min: 1, max: 1_000_000_000 },
                "How many jobs are kept.",
            )
            .default(100_000),
        )
        .option(
            OptionSpec::new(
                "log_limit",
                OptionKind::Size,
                "How much of what one attempt of a job writes is kept as its log; the rest is dropped, and marked.",
            )
            .default("16MiB"),
        )
}

/// The `api` section.
pub(super) fn api_description() -> Description {
    Description::new(
        "api",
        "Serves the control API on a TCP port too, for those who know the token. Left out, it is served on \
         `heraldd.sock` in the state_dir alone, which only the daemon's own user can open.",
    )
    .option(OptionSpec::new("host", OptionKind::Text, "The address to listen on.").default("127.0.0.1"))
    .option(
        OptionSpec::new(
            "port",
            OptionKind::Integer { min: 0, max: 65535 },
            "The port to listen on; 0 takes any that is free, and the log says which.",
        )
        .required(),
    )
    .option(
        OptionSpec::new(
            "token",
            OptionKind::Text,
            "What callers must send as `Authorization: Bearer TOKEN`; at least 16 characters.",
        )
        .required()
        .check(|token| match token.as_str() {
            Some(token) if token.chars().count() < SHORTEST_TOKEN => Err(format!(
                "whoever knows it can run every job: at least {SHORTEST_TOKEN} characters, please (openssl rand -hex 32)"
            )),
            Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err("only visible ASCII characters without blanks can be sent".to_owned())
            }
            _ => Ok(()),
        }),
    )
    .option(tls::listener_option())
}

/// The shortest token, in characters.
const SHORTEST_TOKEN: usize = 16;

/// The `log` section.
pub(super) fn log_description() -> Description {
    Description::new("log", "What the daemon writes about its work, and where.")
        .option(
            OptionSpec::new(
                "level",
                OptionKind::Text,
                "The least important lines that are written: off, error, warn, info, debug or trace, in small or \
                 large letters.",
            )
            .default("info")
            .check(check_level),
        )
        .option(OptionSpec::new(
            "output",
            OptionKind::FilePath,
            "A file to append to, opened again at SIGHUP; or `stdout` or `stderr`. Left out, the log goes to standard \
             error.",
        ))
        .option(
            OptionSpec::new(
                "format",
                OptionKind::OneOf(&["text", "json"]),
                "`text` for people, or `json` with one object a line.",
            )
            .default("text"),
        )
}

fn check_level(value: &Value) -> Result<(), String> {
    let given = value.as_str().unwrap_or("");
    if level(given).is_some() {
        return Ok(());
    }
    let known = LEVELS.join(", ");
    Err(match near_miss(&given.to_ascii_lowercase(), LEVELS) {
        Some(meant) => format!("there is no such level; did you mean \"{meant}\"?"),
        None => format!("there is no such level; known are: {known}"),
    })
}

fn level(text: &str) -> Option<LevelFilter> {
    match text.to_ascii_lowercase().as_str() {
        "off" => Some(LevelFilter::OFF),
        "error" => Some(LevelFilter::ERROR),
        "warn" | "warning" => Some(LevelFilter::WARN),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        "trace" => Some(LevelFilter::TRACE),
        _ => None,
    }
}

#[derive(Deserialize)]
struct GivenHistory {
    #[serde(deserialize_with = "unit::de_duration")]
    keep: Duration,
    max_jobs: u64,
    #[serde(deserialize_with = "unit::de_size")]
    log_limit: u64,
}

#[derive(Deserialize)]
struct GivenLog {
    level: String,
    output: Option<PathBuf>,
    format: LogFormat,
}

#[derive(Deserialize)]
struct GivenApi {
    host: String,
    port: u16,
    token: String,
}

/// Reads a section that is a map by its description; `None` when there are problems.
fn section(
    given: Option<&Value>,
    description: &Description,
    example: &str,
    problems: &mut Vec<Problem>,
) -> Option<Options> {
    let name = &description.type_name;
    let at = Path::top().key(name);
    let given = match given {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map.clone(),
        Some(_) => {
            let known: Vec<&str> = description.options.iter().map(|option| &*option.name).collect();
            let known = known.join(", ");
            let known =
                known.rsplit_once(", ").map_or(known.clone(), |(first, last)| format!("{first} and {last}"));
            let problem = Problem::error(at, format!("expected a map with {known}"));
            problems.push(problem.help(format!("write  {example}")));
            return None;
        }
    };
    let (options, found) = description.check(&given, &at);
    let good = found.is_empty();
    problems.extend(found);
    good.then_some(options)
}

fn parsed<T: serde::de::DeserializeOwned>(
    name: &str,
    options: &Options,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let parsed = options.parse::<T>();
    parsed.map_err(|error| problems.push(Problem::error(Path::top().key(name), error.to_string()))).ok()
}

/// Reads the `log` section; `None` when there are problems.
pub(super) fn log(given: Option<&Value>, problems: &mut Vec<Problem>) -> Option<LogSettings> {
    let options = section(given, &log_description(), "log: {level: info}", problems)?;
    let given: GivenLog = parsed("log", &options, problems)?;
    Some(LogSettings {
        level: level(&given.level).unwrap_or(LevelFilter::INFO),
        output: LogOutput::of(given.output),
        format: given.format,
    })
}

/// Reads the `history` section; `None` when there are problems.
pub(super) fn history(given: Option<&Value>, problems: &mut Vec<Problem>) -> Option<HistorySettings> {
    let options = section(given, &history_description(), "history: {keep: 30d}", problems)?;
    let given: GivenHistory = parsed("history", &options, problems)?;
    Some(HistorySettings { keep: given.keep, max_jobs: given.max_jobs, log_limit: given.log_limit })
}

/// Reads the `api` section: the inner `None` is a configuration without one. The outer one: there are problems.
#[expect(clippy::option_option, reason = "the section may be absent, and it may be wrong")]
pub(super) fn api(given: Option<&Value>, problems: &mut Vec<Problem>) -> Option<Option<ApiSettings>> {
    if matches!(given, None | Some(Value::Null)) {
        return Some(None);
    }
    let example = "api: {port: 8124, token: \"${file:/etc/heraldd.token}\"}";
    let options = section(given, &api_description(), example, problems)?;
    let doubts = tls::listener_doubts(&options).into_iter();
    problems.extend(doubts.map(|doubt| Problem { path: Path::top().key("api").join(&doubt.path), ..doubt }));
    let given: GivenApi = parsed("api", &options, problems)?;
    let tls = TlsListener::of(&options);
    Some(Some(ApiSettings { host: given.host, port: given.port, token: given.token, tls }))
}
