//! The parameters of jobs that run a program, as options that are described and checked.

use std::borrow::Cow;
use std::path::Path as FilePath;

use herald_core::param::Params;
use herald_core::problem::{Path, Problem};
use herald_core::spec::{OptionKind, OptionSpec};
use herald_core::template::holds_template;
use herald_exec::{PARAMS, ParamDoc, ParamKind};
use serde_json::{Map, Value};

use crate::no_effect::without_effect;

/// What programs that run through [`herald_exec`] read from `job_param`, here or on a runner.
#[must_use]
pub fn job_params() -> Vec<OptionSpec> {
    PARAMS.iter().map(job_param).collect()
}

/// Why a job with these parameters, filled in, would fail at once.
#[must_use]
pub fn refusal(job_param: &Params) -> Option<String> {
    let problems: Vec<String> = herald_exec::check(job_param).iter().map(ToString::to_string).collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// What does not go together among the parameters of [`job_params`].
#[must_use]
pub fn together(given: &Params) -> Vec<Problem> {
    let is_given = |name: &str| given.get(name).is_some_and(|value| !value.is_null());
    let mut problems = Vec::new();
    if is_given("repo") || is_given("git_repo") {
        if let Some(Value::String(cmd)) = given.get("cmd").filter(|cmd| !holds_template(cmd))
            && let Err(why) = herald_exec::check_inside(cmd)
        {
            problems.push(Problem::error(Path::top().key("cmd"), format!("`cmd` {why}")));
        }
    } else {
        let of_git = given.keys().filter(|key| key.starts_with("git_") && is_given(key));
        for key in of_git.filter(|key| PARAMS.iter().any(|param| param.name == key.as_str())) {
            let what = format!("`{key}` has no effect without `repo`");
            problems.push(Problem::warning(Path::top().key(key), what).at_key().help("add  repo: URL"));
        }
    }
    if let Some(Value::String(cmd)) = given.get("cmd").filter(|cmd| !holds_template(cmd))
        && looks_like_a_line(cmd, &|path| FilePath::new(path).is_file())
    {
        let what = "`cmd` is the name of one program, and this one has spaces in it";
        let help = "arguments go to `arg`; for a shell line:  cmd: sh, arg: [-c, …]";
        problems.push(Problem::warning(Path::top().key("cmd"), what).help(help));
    }
    if let Some(Value::String(arg)) = given.get("arg")
        && let Some((option, rest)) = option_with_value(arg)
    {
        let what = "`arg` is one argument, and this one is an option with a space in it";
        let help = format!("write a list:  arg: [{option}, {rest}]");
        problems.push(Problem::warning(Path::top().key("arg"), what).help(help));
    }
    problems.extend(contradictions(given));
    problems.extend(without_effect(given));
    problems
}

/// What the executor would say of the literal values together, and not of one alone.
fn contradictions(given: &Params) -> impl Iterator<Item = Problem> {
    let literal = literal(given);
    herald_exec::check(&literal).into_iter().filter_map(move |problem| {
        // `cmd` is checked by itself, and may be given by a task.
        let key = problem.key.split('/').next().filter(|key| *key != "cmd")?;
        let alone = Map::from_iter([(key.to_owned(), literal.get(key)?.clone())]);
        let is_wrong_alone = herald_exec::check(&alone).iter().any(|other| other.key == problem.key);
        let what = format!("`{key}` {}", problem.message);
        (!is_wrong_alone).then(|| Problem::error(Path::top().key(key), what))
    })
}

/// Without templates; mostly there are none, and nothing is copied.
fn literal(given: &Params) -> Cow<'_, Params> {
    if !given.values().any(holds_template) {
        return Cow::Borrowed(given);
    }
    let literal = given.iter().filter(|(_, value)| !holds_template(value));
    Cow::Owned(literal.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Whether this is a program with arguments, or a shell line, rather than the name of a program with spaces in it.
fn looks_like_a_line(cmd: &str, is_file: &dyn Fn(&str) -> bool) -> bool {
    let Some((first, _)) = cmd.trim().split_once(char::is_whitespace) else { return false };
    // An absolute path may be that of a file on another machine.
    !is_file(cmd) && (!cmd.starts_with('/') || is_file(first))
}

/// The two arguments of `-l /tmp`, which is one as it is written.
fn option_with_value(arg: &str) -> Option<(&str, &str)> {
    let (option, rest) = arg.split_once(' ')?;
    let letters = option.strip_prefix('-')?;
    let is_option = !letters.is_empty() && letters.chars().all(|c| c.is_ascii_alphabetic());
    (is_option && !rest.trim().is_empty()).then(|| (option, rest.trim()))
}

fn job_param(param: &ParamDoc) -> OptionSpec {
    let kind = match param.kind {
        ParamKind::Text => OptionKind::Text,
        ParamKind::Secret => OptionKind::Secret,
        ParamKind::Arguments => OptionKind::Any,
        ParamKind::Map => OptionKind::Map,
        ParamKind::Boolean => OptionKind::Boolean,
        ParamKind::Duration => OptionKind::Duration,
        ParamKind::Size => OptionKind::Size,
        ParamKind::FilePath => OptionKind::FilePath,
    };
    let name = param.name;
    // What the kind does not tell, the engine itself knows.
    let check = move |value: &Value| {
        let alone = Map::from_iter([(name.to_owned(), value.clone())]);
        for problem in herald_exec::check(&alone) {
            match problem.key.split_once('/') {
                None if problem.key == name => return Err(problem.message),
                Some((key, within)) if key == name => {
                    // Items of a list are counted from 1, as people do.
                    let item = within.parse::<usize>().map(|n| format!("item {}", n.saturating_add(1)));
                    return Err(format!("{}: {}", item.as_deref().unwrap_or(within), problem.message));
                }
                _ => {}
            }
        }
        Ok(())
    };
    let spec = OptionSpec::new(name, kind, param.doc).check(check);
    let spec = match param.kind {
        ParamKind::Arguments => spec.takes("argument or list of arguments"),
        _ => spec,
    };
    if param.required { spec.required() } else { spec }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_contradicts_itself_is_an_error() {
        for (given, keys) in [
            (json!({"cmd": "x", "repo": "/a", "git_repo": "/b"}), &["git_repo"][..]),
            (json!({"cmd": "x", "repo": "/a", "git_repo": "/a"}), &[]),
            (json!({"cmd": "x", "repo": "/a", "git_repo": "{{ trigger_param.r }}"}), &[]),
            (json!({"cmd": "{{ trigger_param.c }}", "repo": "/a", "git_repo": "/b"}), &["git_repo"]),
            (json!({"cmd": "x", "repo": "h:a", "git_username": "a b"}), &["git_username"]),
            // The option says so itself.
            (json!({"cmd": "x", "repo": "ftp://a"}), &[]),
            (json!({"repo": "/a"}), &[]),
        ] {
            let problems = contradictions(given.as_object().unwrap());
            let found: Vec<String> = problems.map(|problem| problem.path.to_string()).collect();
            assert_eq!(found, keys, "{given}");
        }
    }

    #[test]
    fn an_option_and_its_value_are_two_arguments() {
        for (arg, expected) in [
            ("-l /tmp", Some(("-l", "/tmp"))),
            ("-la  /tmp", Some(("-la", "/tmp"))),
            ("-l", None),
            ("-l ", None),
            ("--message=hello world", None),
            ("hello -l world", None),
            ("- x", None),
            ("-1 x", None),
        ] {
            assert_eq!(option_with_value(arg), expected, "{arg}");
        }
    }

    #[test]
    fn lines_are_not_names_of_programs() {
        let is_file = |path: &str| ["/usr/bin/uptime", "/opt/my script", "my script"].contains(&path);
        for (cmd, expected) in [
            ("uptime", false),
            ("/usr/bin/uptime", false),
            ("echo hello world", true),
            ("uptime | mail root", true),
            ("/usr/bin/uptime -p", true),
            ("/opt/my script", false),
            ("my script", false),
            ("/elsewhere/my script", false),
            ("bin/deploy.sh --force", true),
        ] {
            assert_eq!(looks_like_a_line(cmd, &is_file), expected, "{cmd}");
        }
    }
}
