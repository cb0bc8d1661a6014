//! What `job_param` says (contract, section 3): read once, all problems at once.

pub(crate) mod redact;
pub(crate) mod table;

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use herald_base::unit;
use serde_json::{Map, Value};

use crate::git::url::{RepoUrl, check_user};
use crate::git::{Credentials, GitSource, Revision, is_commit};
use crate::outcome::ParamProblem;
use crate::process::environment::Environment;

/// The name of the JSON variable when nobody chooses one.
pub(crate) const DEFAULT_NAME: &str = "HERALD_EXECUTE_PARAM";
/// The variable with the name of the node, of a job on several nodes.
pub(crate) const NODE_NAME: &str = "HERALD_NODE";
/// The largest `output_limit`: captured output is held in memory.
pub const LARGEST_OUTPUT: u64 = 64 << 20;
/// What a path in the home folder begins with.
const HOME: &str = "~/";
const NO_VARIABLE: &str = "is not a valid variable name: must not be empty or contain = or NUL";

/// What is wrong with the value of one parameter. Never repeats the value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamValueError {
    /// An empty text.
    #[error("must not be empty")]
    Empty,
    /// Something else than a text.
    #[error("expected a string")]
    NotString,
    /// Something else than a boolean.
    #[error("expected a boolean (true or false)")]
    NotBoolean,
    /// A list, a map or nothing.
    #[error("expected a string, a number or a boolean, found {0}")]
    NotScalar(&'static str),
    /// A NUL character, which no program can be given.
    #[error("must not contain a NUL character")]
    Nul,
    /// More than [`LARGEST_OUTPUT`].
    #[error("is more than 64 MiB: write large output to a file")]
    TooMuchOutput,
    /// A duration or a size that cannot be read.
    #[error(transparent)]
    Unit(#[from] unit::UnitError),
    /// No content of a file.
    #[error("expected a string, or a map with `base64` and a string")]
    NotContent,
    /// Content that is not Base64.
    #[error("is not valid Base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// An absolute path in a repository.
    #[error("must be relative to the repository when `repo` is set")]
    AbsoluteInRepo,
    /// A path that leads out of the repository.
    #[error("must not contain .. when `repo` is set: it would lead out of the repository")]
    OutOfRepo,
}

/// `job_param`, parsed.
pub(crate) struct JobParam {
    pub(crate) cmd: String,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Environment,
    /// What files hold, by the variable that names them.
    pub(crate) env_files: Vec<EnvFile>,
    /// The name of the JSON variable; `None` when there is to be none.
    pub(crate) name: Option<String>,
    pub(crate) background: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) output_limit: Option<u64>,
    pub(crate) source: Option<GitSource>,
}

/// A file for the time of the job.
pub(crate) struct EnvFile {
    /// The variable that holds its path.
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

/// All problems of a `job_param`, in the order of the parameters. Other keys are the script's own and are not looked
/// at.
#[must_use]
pub fn check(job_param: &Map<String, Value>) -> Vec<ParamProblem> {
    // Which home folder that will be is known where the job runs.
    read(job_param, Some("/".as_ref())).err().unwrap_or_default()
}

/// Reads `job_param`. `~/` at the beginning of a path is `home`.
///
/// # Errors
/// All problems.
pub(crate) fn read(
    job_param: &Map<String, Value>,
    home: Option<&Path>,
) -> Result<JobParam, Vec<ParamProblem>> {
    let mut reader = ParamReader { map: job_param, home, problems: Vec::new() };
    let cmd = reader.path("cmd");
    if cmd.is_none() && !reader.has_problem("cmd") {
        reader.problem("cmd", "is missing: it names the program to run");
    }
    let args = reader.args();
    let env = reader.env();
    let env_files = reader.env_files();
    let name = reader.text("param_env_name").unwrap_or_else(|| DEFAULT_NAME.to_owned());
    if !is_env_name(&name) {
        reader.problem("param_env_name", "must be letters, digits and _, without a digit in front");
    }
    let ignore = reader.flag("ignore_param_env");
    let background = reader.flag("background");
    let timeout = reader.with("timeout", unit::duration);
    let output_limit = reader.with("output_limit", output_limit);
    let source = reader.source();
    if let (Some(cmd), Some(_)) = (&cmd, &source)
        && let Err(problem) = check_inside(cmd)
    {
        reader.problem("cmd", problem.to_string());
    }
    match cmd {
        Some(cmd) if reader.problems.is_empty() => {
            let name = (!ignore).then_some(name);
            Ok(JobParam { cmd, args, env, env_files, name, background, timeout, output_limit, source })
        }
        _ => Err(reader.problems),
    }
}

/// Whether a path stays inside of a checkout, as far as its text shows.
///
/// # Errors
/// When it is absolute, or has `..` in it.
pub fn check_inside(cmd: &str) -> Result<(), ParamValueError> {
    let mut components = Path::new(cmd).components();
    if cmd.starts_with('/') || cmd.starts_with(HOME) {
        return Err(ParamValueError::AbsoluteInRepo);
    }
    if components.any(|part| part == Component::ParentDir) {
        return Err(ParamValueError::OutOfRepo);
    }
    Ok(())
}

fn is_env_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

struct ParamReader<'a> {
    map: &'a Map<String, Value>,
    home: Option<&'a Path>,
    problems: Vec<ParamProblem>,
}

impl ParamReader<'_> {
    fn problem(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.problems.push(ParamProblem::new(key, message));
    }

    fn has_problem(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| problem.key == key)
    }

    /// The value at a key; null is as good as absent.
    fn with<T, E>(&mut self, key: &str, read: impl FnOnce(&Value) -> Result<T, E>) -> Option<T>
    where
        E: std::fmt::Display,
    {
        match self.map.get(key).filter(|value| !value.is_null()).map(read)? {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(key, error.to_string());
                None
            }
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.with(key, |value| match value {
            Value::String(text) if text.is_empty() => Err(ParamValueError::Empty),
            Value::String(text) => no_nul(text).map(str::to_owned),
            _ => Err(ParamValueError::NotString),
        })
    }

    /// A path, or a text that is none: one that begins with `~/` is in the home folder.
    fn path(&mut self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        let Some(rest) = text.strip_prefix(HOME) else { return Some(text) };
        match self.home.and_then(|home| home.join(rest).to_str().map(str::to_owned)) {
            Some(path) => Some(path),
            None => {
                self.problem(
                    key,
                    "begins with ~/, and the home folder of the user that runs the job is not known",
                );
                None
            }
        }
    }

    fn flag(&mut self, key: &str) -> bool {
        let flag = self.with(key, |value| value.as_bool().ok_or(ParamValueError::NotBoolean));
        flag.unwrap_or(false)
    }

    fn args(&mut self) -> Vec<OsString> {
        let list = match self.map.get("arg") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(list)) => list.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        let mut args = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            match scalar(value) {
                Ok(text) => args.push(text.into()),
                Err(error) => self.problem(format!("arg/{index}"), error.to_string()),
            }
        }
        args
    }

    fn env(&mut self) -> Environment {
        let map = match self.map.get("env") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Object(map)) => map,
            Some(_) => {
                self.problem("env", "expected a map from names to strings");
                return Vec::new();
            }
        };
        let mut env = Vec::with_capacity(map.len());
        for (name, value) in map {
            if name.is_empty() || name.contains(['=', '\0']) {
                self.problem(format!("env/{name}"), NO_VARIABLE);
            }
            match scalar(value) {
                Ok(text) => env.push((name.into(), text.into())),
                Err(error) => self.problem(format!("env/{name}"), error.to_string()),
            }
        }
        env
    }

    fn env_files(&mut self) -> Vec<EnvFile> {
        let map = match self.map.get("env_file") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Object(map)) => map,
            Some(_) => {
                self.problem("env_file", "expected a map from variable names to strings");
                return Vec::new();
            }
        };
        let mut files = Vec::with_capacity(map.len());
        for (name, value) in map {
            if name.is_empty() || name.contains(['=', '\0']) {
                self.problem(format!("env_file/{name}"), NO_VARIABLE);
            }
            match content(value) {
                Ok(content) => files.push(EnvFile { name: name.clone(), content }),
                Err(error) => self.problem(format!("env_file/{name}"), error.to_string()),
            }
        }
        files
    }

    fn source(&mut self) -> Option<GitSource> {
        let (repo, git_repo) = (self.path("repo"), self.path("git_repo"));
        if let (Some(one), Some(other)) = (&repo, &git_repo)
            && one != other
        {
            self.problem("git_repo", "differs from `repo`, which means the same: give one of them");
        }
        let key = if repo.is_some() { "repo" } else { "git_repo" };
        let credentials = Credentials {
            username: self.text("git_username"),
            password: self.text("git_password"),
            ssh_key: self.text("git_ssh_key"),
            ssh_key_file: self.path("git_ssh_key_file").map(PathBuf::from),
            ssh_key_password: self.text("git_ssh_key_password"),
            known_hosts: self.path("git_known_hosts").map(PathBuf::from),
        };
        let revision = self.revision();
        let url = match RepoUrl::parse(repo.as_deref().or(git_repo.as_deref())?) {
            Ok(url) => url,
            Err(error) => {
                self.problem(key, error.to_string());
                return None;
            }
        };
        if let (crate::git::url::Transport::Ssh { .. }, Some(user)) = (&url.transport, &credentials.username)
            && let Err(error) = check_user(user)
        {
            self.problem("git_username", error.to_string());
        }
        Some(GitSource { url, revision, credentials })
    }

    fn revision(&mut self) -> Revision {
        let branch = self.text("git_branch");
        if let Some(branch) = &branch
            && !git2::Reference::is_valid_name(&format!("refs/heads/{branch}"))
        {
            self.problem("git_branch", "is not the name of a branch or tag");
        }
        let commit = self.text("git_commit").map(|commit| commit.to_ascii_lowercase());
        if let Some(commit) = &commit
            && !is_commit(commit)
        {
            self.problem(
                "git_commit",
                "expected a commit's name: 40 hexadecimal digits, or the first 7 or more of them",
            );
        }
        match (commit, branch) {
            (Some(commit), _) => Revision::Commit(commit),
            (None, Some(branch)) => Revision::Name(branch),
            (None, None) => Revision::Default,
        }
    }
}

fn output_limit(value: &Value) -> Result<u64, ParamValueError> {
    match unit::size(value)? {
        size if size <= LARGEST_OUTPUT => Ok(size),
        _ => Err(ParamValueError::TooMuchOutput),
    }
}

fn no_nul(text: &str) -> Result<&str, ParamValueError> {
    if text.contains('\0') { Err(ParamValueError::Nul) } else { Ok(text) }
}

fn scalar(value: &Value) -> Result<String, ParamValueError> {
    match value {
        Value::String(text) => no_nul(text).map(str::to_owned),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null => Err(ParamValueError::NotScalar("nothing")),
        Value::Array(_) => Err(ParamValueError::NotScalar("a list")),
        Value::Object(_) => Err(ParamValueError::NotScalar("a map")),
    }
}

/// What a file of `env_file` contains: a string as it is, or decoded Base64. NUL is allowed in a file.
fn content(value: &Value) -> Result<Vec<u8>, ParamValueError> {
    let encoded = match value {
        Value::String(text) => return Ok(text.clone().into_bytes()),
        Value::Object(map) if map.len() == 1 => map.get("base64"),
        value => return scalar(value).map(String::into_bytes),
    };
    let Some(Value::String(text)) = encoded else {
        return Err(ParamValueError::NotContent);
    };
    let digits: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    Ok(STANDARD.decode(digits)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(value: Value) -> Vec<String> {
        check(value.as_object().unwrap()).into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn finds_all_problems() {
        for (param, keys) in [
            (json!({"cmd": "true"}), vec![]),
            (json!({}), vec!["cmd"]),
            (json!({"cmd": ""}), vec!["cmd"]),
            (json!({"cmd": 5}), vec!["cmd"]),
            (json!({"cmd": "a\u{0}b"}), vec!["cmd"]),
            (json!({"cmd": "x", "own": {"key": 1}}), vec![]),
            (json!({"cmd": "x", "arg": "one two"}), vec![]),
            (json!({"cmd": "x", "arg": ["a", 1, 2.5, true]}), vec![]),
            (json!({"cmd": "x", "arg": ["a", [1], {}, null]}), vec!["arg/1", "arg/2", "arg/3"]),
            (json!({"cmd": "x", "arg": {}}), vec!["arg/0"]),
            (json!({"cmd": "x", "arg": null, "timeout": null}), vec![]),
            (json!({"cmd": "x", "env": {"A": 1, "B": [], "C=": "x"}}), vec!["env/B", "env/C="]),
            (json!({"cmd": "x", "env": "A=1"}), vec!["env"]),
            (json!({"cmd": "x", "env_file": {"A": "x\u{0}", "B": 5, "C": {"base64": "aGV5\naGV5"}}}), vec![]),
            (
                json!({"cmd": "x", "env_file": {"A=": "", "B": {"base64": "%"}, "C": {}, "D": [], "E": {"base64": 1}}}),
                vec!["env_file/A=", "env_file/B", "env_file/C", "env_file/D", "env_file/E"],
            ),
            (json!({"cmd": "x", "env_file": "x"}), vec!["env_file"]),
            (json!({"cmd": "x", "param_env_name": "1A"}), vec!["param_env_name"]),
            (json!({"cmd": "x", "param_env_name": "A=B"}), vec!["param_env_name"]),
            (
                json!({"cmd": "x", "background": "yes", "ignore_param_env": 1}),
                vec!["ignore_param_env", "background"],
            ),
            (json!({"cmd": "x", "timeout": "soon", "output_limit": "big"}), vec!["timeout", "output_limit"]),
            (json!({"cmd": "x", "output_limit": "2GiB"}), vec!["output_limit"]),
            (json!({"cmd": "x", "repo": "https://h/x"}), vec![]),
            (json!({"cmd": "x", "repo": "ext::sh -c id"}), vec!["repo"]),
            (json!({"cmd": "x", "git_repo": "x"}), vec!["git_repo"]),
            (json!({"cmd": "x", "repo": "/a", "git_repo": "/b"}), vec!["git_repo"]),
            (json!({"cmd": "/x", "repo": "/a"}), vec!["cmd"]),
            (json!({"cmd": "a/../../x", "repo": "/a"}), vec!["cmd"]),
            (json!({"cmd": "../x"}), vec![]),
            (json!({"cmd": "~/x", "repo": "~/a"}), vec!["cmd"]),
            (json!({"cmd": "~/x", "git_ssh_key_file": "~/k"}), vec![]),
            (json!({"cmd": "x", "repo": "~/a"}), vec![]),
            (json!({"cmd": "x", "repo": "~ann/a"}), vec!["repo"]),
            (json!({"cmd": "x", "repo": "/a", "git_branch": "--upload-pack=x"}), vec![]),
            (json!({"cmd": "x", "repo": "/a", "git_branch": "a..b"}), vec!["git_branch"]),
            (json!({"cmd": "x", "repo": "/a", "git_branch": "a b"}), vec!["git_branch"]),
            (json!({"cmd": "x", "repo": "/a", "git_commit": "HEAD~1"}), vec!["git_commit"]),
            (json!({"cmd": "x", "repo": "/a", "git_commit": "abcdef"}), vec!["git_commit"]),
            (json!({"cmd": "x", "repo": "/a", "git_commit": "ABCDEF0"}), vec![]),
            (json!({"cmd": "x", "repo": "h:a", "git_username": "a b"}), vec!["git_username"]),
            (json!({"cmd": "x", "git_password": ["x"]}), vec!["git_password"]),
        ] {
            assert_eq!(problems(param.clone()), keys, "{param}");
        }
    }

    #[test]
    fn paths_in_the_home_folder_of_the_user_that_runs_the_job() {
        let param = json!({"cmd": "~/bin/x", "git_ssh_key_file": "~/k", "repo": null});
        let param = param.as_object().unwrap();
        assert_eq!(
            read(param, Some("/home/ann".as_ref())).unwrap_or_else(|_| panic!("fine")).cmd,
            "/home/ann/bin/x"
        );
        let problems = read(param, None).err().unwrap();
        assert_eq!(problems[0].key, "cmd");
        let param = json!({"cmd": "x", "repo": "~/r", "git_known_hosts": "~/h"});
        let source = read(param.as_object().unwrap(), Some("/home/ann".as_ref()))
            .unwrap_or_else(|_| panic!("fine"))
            .source;
        let source = source.unwrap();
        assert_eq!(source.url.shown().to_string(), "/home/ann/r");
        assert_eq!(source.credentials.known_hosts, Some(PathBuf::from("/home/ann/h")));
    }

    #[test]
    fn commit_wins_over_branch() {
        let param = json!({"cmd": "x", "repo": "/a", "git_branch": "b", "git_commit": "abcdef0"});
        let read = read(param.as_object().unwrap(), None).unwrap_or_else(|_| panic!("fine"));
        assert!(matches!(read.source.unwrap().revision, Revision::Commit(commit) if commit == "abcdef0"));
    }

    #[test]
    fn problems_hold_no_values() {
        let param = json!({"cmd": "x", "repo": "ftp://user:hunter2@h", "git_password": {"p": "hunter2"}});
        let text = format!("{:?}", check(param.as_object().unwrap()));
        assert!(!text.contains("hunter2"), "{text}");
    }
}
