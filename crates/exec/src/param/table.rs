//! The parameters of `job_param`, as data for the documentation.

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// A text.
    Text,
    /// A text that is never shown.
    Secret,
    /// A text, number or boolean, or a list of them.
    Arguments,
    /// A map from names to texts, numbers or booleans.
    Map,
    /// True or false.
    Boolean,
    /// Seconds, or a text such as `1m30s`.
    Duration,
    /// Bytes, or a text such as `16MiB`.
    Size,
    /// A path of the file system.
    FilePath,
}

/// One parameter of `job_param`.
#[derive(Debug, Clone, Copy)]
pub struct ParamDoc {
    /// The key.
    pub name: &'static str,
    /// What values it takes.
    pub kind: ParamKind,
    /// Whether it must be given.
    pub required: bool,
    /// What it does.
    pub doc: &'static str,
}

const fn doc(name: &'static str, kind: ParamKind, doc: &'static str) -> ParamDoc {
    ParamDoc { name, kind, required: false, doc }
}

/// All parameters, in the order in which they are documented.
pub const PARAMS: [ParamDoc; 19] = [
    ParamDoc {
        name: "cmd",
        kind: ParamKind::Text,
        required: true,
        doc: "The program: a name to be found in PATH, or a path (relative to `<work_dir>/run`). With `repo`, a path \
              inside the repository. No shell is involved unless it is named.",
    },
    doc("arg", ParamKind::Arguments, "One argument, or a list of them; numbers and booleans become text."),
    doc("env", ParamKind::Map, "Further environment variables; numbers and booleans become text."),
    doc(
        "env_file",
        ParamKind::Map,
        "Files for the time of the job, readable for this user alone: the variable of each name holds the path of a \
         file with the string, or with the bytes that `base64: STRING` encodes.",
    ),
    doc(
        "param_env_name",
        ParamKind::Text,
        "The variable that holds the execution parameters as JSON (default `HERALD_EXECUTE_PARAM`); the same name with \
         `_FILE` names a file with the same JSON.",
    ),
    doc(
        "ignore_param_env",
        ParamKind::Boolean,
        "No variable with the parameters; `HERALD_EXECUTE_PARAM_FILE` names the file all the same.",
    ),
    doc(
        "background",
        ParamKind::Boolean,
        "Start the program and succeed at once, with its `pid` as the result; its output is thrown away. Herald ends \
         it when Herald itself stops.",
    ),
    doc(
        "timeout",
        ParamKind::Duration,
        "How long the job may take, the Git checkout included. After it: TERM to all its processes, a grace, then KILL.",
    ),
    doc(
        "output_limit",
        ParamKind::Size,
        "How much of standard output and of standard error is kept (default: the executor's `output_limit`).",
    ),
    doc(
        "repo",
        ParamKind::Text,
        "Git repository that holds `cmd`: https, http, ssh, `user@host:path`, file or an absolute path.",
    ),
    doc("git_repo", ParamKind::Text, "The same as `repo`."),
    doc(
        "git_branch",
        ParamKind::Text,
        "Branch or tag (a branch wins over a tag of the same name); default: the remote's default branch.",
    ),
    doc(
        "git_commit",
        ParamKind::Text,
        "An exact commit, in full or its first 7 or more digits; wins over `git_branch`.",
    ),
    doc(
        "git_username",
        ParamKind::Text,
        "Who logs in at the remote; default: the one in the URL, else `git`.",
    ),
    doc(
        "git_password",
        ParamKind::Secret,
        "Password or token for http(s), or for ssh servers that take passwords.",
    ),
    doc("git_ssh_key", ParamKind::Secret, "Private key for ssh, the text itself."),
    doc(
        "git_ssh_key_file",
        ParamKind::FilePath,
        "Private key for ssh, a file. Without any key, the user's own `~/.ssh/id_*`.",
    ),
    doc("git_ssh_key_password", ParamKind::Secret, "Password of an encrypted private key."),
    doc(
        "git_known_hosts",
        ParamKind::FilePath,
        "Known hosts file for ssh; default: `~/.ssh/known_hosts`. An unknown or changed host key is refused.",
    ),
];
