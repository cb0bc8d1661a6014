//! Selects events of Gogs by host, repository, branch and event. Everything is compared exactly.

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::param::{Params, lookup};
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{CheckError, Description, OptionKind, OptionSpec, SelectorType};
use herald_core::trigger::ComponentError;
use hyper::Uri;
use serde_json::Value;

/// The prefix of the branch in the `ref` of a push.
const HEADS: &str = "refs/heads/";

/// The selector type `gogs_hook`.
#[must_use]
pub fn selector() -> SelectorType {
    let param = |name, doc| OptionSpec::new(name, OptionKind::Texts, doc);
    let description = Description::new(
        "gogs_hook",
        "Matches events of the trigger `gogs_hook` for which every given parameter matches. A parameter can be a list, \
         of which one must be equal. All are compared exactly.",
    )
    .param(
        param(
            "gogs_host",
            "The host of the repository's web page, with its port or without: `gogs.example.com`.",
        )
        .check(each(check_host)),
    )
    .param(param("gogs_name", "The repository, with its owner: `owner/name`.").check(each(check_name)))
    .param(
        param("gogs_branch", "The branch that was pushed to: `main` matches `refs/heads/main` and nothing else.")
            .check(each(check_branch)),
    )
    .param(param("gogs_event", "The event, as Gogs calls it: `push`, `release`…").check(each(check_text)))
    .refuse_near_misses()
    .example(EXAMPLE);
    SelectorType::new(description, |_| Ok(Arc::new(GogsHookSelector)))
}

const EXAMPLE: &str = "
trigger:
  gogs_hook:
    secret: a_secret_that_Gogs_knows_as_well

router:
  deploy:
    trigger: gogs_hook
    selector: gogs_hook
    task:
      show: print
    select_param:
      gogs_host: gogs.example.com
      gogs_name: owner/project
      gogs_branch: [main, stable]
      gogs_event: push
";

/// Checks one string, or each of a list of at least one.
fn each(check: fn(&str) -> Result<(), CheckError>) -> impl Fn(&Value) -> Result<(), CheckError> {
    move |value| {
        let texts = texts(value);
        if texts.is_empty() {
            return Err(CheckError::new("an empty list matches nothing; omit it to match all"));
        }
        texts.into_iter().try_for_each(check)
    }
}

fn check_text(text: &str) -> Result<(), CheckError> {
    if text.is_empty() {
        Err(CheckError::new("an empty string matches nothing; omit it to match all"))
    } else {
        Ok(())
    }
}

fn check_host(host: &str) -> Result<(), CheckError> {
    check_text(host)?;
    if host.contains('/') {
        Err(CheckError::new("write the host only, such as gogs.example.com"))
    } else {
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), CheckError> {
    match name.split_once('/') {
        Some((owner, name)) if !owner.is_empty() && !name.is_empty() && !name.contains('/') => Ok(()),
        _ => Err(CheckError::new(format!("\"{name}\" is not a repository with its owner; write owner/name"))),
    }
}

fn check_branch(branch: &str) -> Result<(), CheckError> {
    check_text(branch)?;
    match branch.strip_prefix(HEADS) {
        Some(name) => Err(CheckError::new(format!("write the branch only: {name}"))),
        None => Ok(()),
    }
}

struct GogsHookSelector;

#[async_trait]
impl Selector for GogsHookSelector {
    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        Ok(decide(&question.trigger_param, &question.select_param))
    }
}

/// Whether one string of a parameter matches the event.
type Fits<'a> = &'a dyn Fn(&str) -> bool;

fn decide(event: &Params, wanted: &Params) -> Answer {
    if !event.get("payload").is_some_and(Value::is_object) {
        return Answer::no("not an event of Gogs");
    }
    let found = |path| lookup(event, path).and_then(Value::as_str);
    let fits: [(&str, &str, Fits<'_>); 4] = [
        ("gogs_event", "another event", &|event| found("event") == Some(event)),
        ("gogs_host", "another host", &|host| {
            found("payload/repository/html_url").is_some_and(|url| is_at(url, host))
        }),
        ("gogs_name", "another repository", &|name| found("payload/repository/full_name") == Some(name)),
        ("gogs_branch", "another branch", &|branch| {
            found("payload/ref").and_then(|name| name.strip_prefix(HEADS)) == Some(branch)
        }),
    ];
    for (key, no, fits) in fits {
        if wanted.get(key).is_some_and(|value| !texts(value).into_iter().any(fits)) {
            return Answer::no(no);
        }
    }
    Answer::yes("all parameters match")
}

/// Whether a URL is at this host. Hosts are compared without case; without a port, any port matches.
fn is_at(url: &str, host: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let Some(authority) = url.authority() else { return false };
    let with_port = authority.port().map(|port| format!("{}:{port}", authority.host()));
    authority.host().eq_ignore_ascii_case(host)
        || with_port.is_some_and(|with_port| with_port.eq_ignore_ascii_case(host))
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(name: &str, reference: &str, url: &str) -> Params {
        let payload = json!({"ref": reference, "repository": {"full_name": "owner/name", "name": "name", "html_url": url}});
        json!({"event": name, "payload": payload}).as_object().unwrap().clone()
    }

    #[test]
    fn everything_that_is_given_must_fit() {
        let push = event("push", "refs/heads/feature/main", "https://gogs.example.com:3000/owner/name");
        for (wanted, yes) in [
            (json!({}), true),
            (json!({"gogs_event": "push"}), true),
            (json!({"gogs_event": ["release", "push"]}), true),
            (json!({"gogs_event": "Push"}), false),
            (json!({"gogs_event": "pus"}), false),
            (json!({"gogs_event": []}), false),
            (json!({"gogs_event": 5}), false),
            (json!({"gogs_name": "owner/name"}), true),
            (json!({"gogs_name": "name"}), false),
            (json!({"gogs_name": "owner/nam"}), false),
            (json!({"gogs_name": "owner/name2"}), false),
            (json!({"gogs_name": "Owner/name"}), false),
            (json!({"gogs_branch": "feature/main"}), true),
            (json!({"gogs_branch": "main"}), false),
            (json!({"gogs_branch": "feature"}), false),
            (json!({"gogs_branch": ["main", "feature/main"]}), true),
            (json!({"gogs_host": "gogs.example.com"}), true),
            (json!({"gogs_host": "GOGS.example.com"}), true),
            (json!({"gogs_host": "gogs.example.com:3000"}), true),
            (json!({"gogs_host": "gogs.example.com:3001"}), false),
            (json!({"gogs_host": "example.com"}), false),
            (json!({"gogs_host": "gogs.example.com.evil"}), false),
            (json!({"gogs_host": "gogs.example.com", "gogs_name": "owner/name", "gogs_event": "push"}), true),
            (
                json!({"gogs_host": "gogs.example.com", "gogs_name": "owner/other", "gogs_event": "push"}),
                false,
            ),
        ] {
            let answer = decide(&push, wanted.as_object().unwrap());
            assert_eq!(answer.yes, yes, "{wanted}: {}", answer.why);
        }
    }

    #[test]
    fn only_what_is_there_fits() {
        for (event, wanted, yes) in [
            (event("push", "refs/tags/main", "https://h/o/n"), json!({"gogs_branch": "main"}), false),
            (event("create", "main", "https://h/o/n"), json!({"gogs_branch": "main"}), false),
            (event("push", "refs/heads/", "https://h/o/n"), json!({"gogs_branch": "main"}), false),
            (event("push", "refs/heads/m", "https://h@evil/o/n"), json!({"gogs_host": "h"}), false),
            (event("push", "refs/heads/m", "/o/n"), json!({"gogs_host": "h"}), false),
            (event("push", "refs/heads/m", "not a url"), json!({"gogs_host": "h"}), false),
            (json!({"counter": 1}).as_object().unwrap().clone(), json!({}), false),
            (
                json!({"event": "push", "payload": {}}).as_object().unwrap().clone(),
                json!({"gogs_name": "o/n"}),
                false,
            ),
            (json!({"event": "push", "payload": {}}).as_object().unwrap().clone(), json!({}), true),
        ] {
            assert_eq!(decide(&event, wanted.as_object().unwrap()).yes, yes, "{event:?} {wanted}");
        }
    }

    #[test]
    fn slips_of_the_pen_are_found() {
        let description = selector().description;
        for (name, value, right) in [
            ("gogs_name", json!("owner/name"), true),
            ("gogs_name", json!(["owner/name", "name"]), false),
            ("gogs_name", json!("a/b/c"), false),
            ("gogs_name", json!("/b"), false),
            ("gogs_branch", json!("main"), true),
            ("gogs_branch", json!("refs/heads/main"), false),
            ("gogs_branch", json!([]), false),
            ("gogs_branch", json!(""), false),
            ("gogs_host", json!("gogs.example.com"), true),
            ("gogs_host", json!("https://gogs.example.com"), false),
            ("gogs_event", json!("push"), true),
            ("gogs_event", json!([""]), false),
        ] {
            let param = description.params.iter().find(|param| param.name == name).unwrap();
            assert_eq!((param.check.as_ref().unwrap())(&value).is_ok(), right, "{name}: {value}");
        }
    }
}
