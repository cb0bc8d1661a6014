//! The reference of scripts: what a program that a job runs gets, and what it gives back.

use herald_core::spec::Description;

const DOC: &str = "\
What a program that a job runs gets, and what it gives back. A program that a job of `local` or `http_remote` runs gets its parameters in the environment, and says how it went with \
its exit code: 0 is success, everything else a failure, whose error ends with the last line of standard error. What it \
writes to standard output and standard error is the log of the job (`heraldd logs ID`). **A program that gives a result \
writes one JSON object to standard output and nothing else; everything else goes to standard error.** The object is the \
result of the job, with `exit_code` added: `exe_done` and `heraldd job ID` show it. Any other output is its `output`, \
with `invalid_utf8: true` where it is not text. Standard input is empty. When the job is cancelled or its time is over, the program gets SIGTERM, and after `kill_grace` \
SIGKILL, with everything that it started.";

const HOLDS: [(&str, &str); 8] = [
    (
        "HERALD_EXECUTE_PARAM",
        "the parameters as JSON: `id`, `router`, `task`, `attempt`, `trigger_param`, `select_param`, `job_param` and more, \
         with `node` on a runner; `param_env_name` gives it another name, `ignore_param_env` leaves it out",
    ),
    (
        "HERALD_EXECUTE_PARAM_FILE",
        "the path of a file with the same JSON, also where it is too long for a variable",
    ),
    ("HERALD_NODE", "on a runner: the name of the node"),
    (
        "env, env_file",
        "the variables that `job_param` names; those of `env_file` hold paths of files that others cannot read",
    ),
    (
        "the current directory",
        "the folder `run` of `work_dir` for all jobs, or with `run_dir: job` a folder for this job alone; a program of a \
         repository starts there as well: `cd \"$(dirname \"$0\")\"` leads to its checkout",
    ),
    (
        "result: file.NAME",
        "in the JSON object, the path of a result file: `{\"file\": {\"backup\": \"backup.tar\"}}`, relative to the \
         current directory. From a runner it is copied to the `data_dir` of the executor, with its checksum; with `local` it \
         stays where it is. The result names where it is",
    ),
    ("result: NAME", "everything else in the JSON object; boards and `exe_done` read it as `result/NAME`"),
    ("exit code", "0: `succeeded`; others: `failed`, and `policy.retry` may start another attempt"),
];

const EXAMPLE: &str = r#"
trigger:
  nightly: {type: cron, cron: '30 2 * * *'}

executor:
  here: {type: local}

router:
  backup:
    trigger: nightly
    selector: all
    task: {backup: here}
    job_param:
      cmd: sh
      arg:
        - -ec
        - |
          echo "backing up for job $(printf %s "$HERALD_EXECUTE_PARAM" | head -c 20)" >&2
          tar -czf backup.tar.gz /etc/hostname
          printf '{"size": %s, "file": {"backup": "backup.tar.gz"}}\n' "$(stat -c %s backup.tar.gz)"
"#;

/// What a script gets and gives back.
pub(crate) fn description() -> Description {
    let gives = HOLDS.iter().map(|(name, what)| ((*name).to_owned(), (*what).to_owned())).collect();
    Description { gives, example: EXAMPLE.to_owned(), ..Description::new("script", DOC) }
}
