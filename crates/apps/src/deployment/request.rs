//! What is asked of a deployment.

use herald_config::spec::{OptionKind, OptionSpec};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::book::DeploymentWay;

/// A deployment that somebody or something asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRequest {
    /// The job that carries it out.
    pub job_id: String,
    /// The number of its attempt.
    pub attempt: u32,
    /// To a revision, or back.
    pub action: DeploymentWay,
    /// The revision as it was named; for a rollback none is the last good one.
    pub revision: Option<String>,
    /// The nodes; none is all.
    pub nodes: Option<Vec<String>>,
    /// Who or what, as it is recorded.
    pub by: Value,
    /// Their name, for `HERALD_BY`.
    pub by_name: String,
    /// Why.
    pub reason: Option<String>,
    /// Whether no person asked for it.
    pub automatic: bool,
    /// Whether it passes a hold and a freeze.
    pub overrides: bool,
    /// Only if this revision is live.
    pub if_live: Option<String>,
    /// It does not wait for another deployment.
    pub fail_if_busy: bool,
}

/// What is wrong with the parameters of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct RequestError {
    /// The parameter.
    pub key: &'static str,
    /// What is wrong.
    pub what: String,
}

/// The longest revision, reason and node, in characters.
const LONGEST: usize = 500;

/// What a router may say of a deployment: the `job_param` of the executor `app:NAME`.
#[must_use]
pub fn params() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    let action =
        "`deploy`, or `rollback`: without a revision to the last one that was good. Default: `deploy`.";
    vec![
        new("action", OptionKind::OneOf(&["deploy", "rollback"]), action),
        new(
            "revision",
            OptionKind::Any,
            "A branch, a tag, a commit or a number. Default: `revision` of the application.",
        )
        .takes("text or number"),
        new("nodes", OptionKind::Texts, "The nodes. Default: all of the application."),
        new("reason", OptionKind::Text, "Why; it is recorded."),
    ]
}

impl DeploymentRequest {
    /// The id of the deployment: that of the job, with the number of the attempt where that is not the first.
    #[must_use]
    pub fn id(&self) -> String {
        match self.attempt {
            0 | 1 => self.job_id.clone(),
            attempt => format!("{}-{attempt}", self.job_id),
        }
    }

    /// Of the parameters of a job: `revision`, `action`, `nodes`, `reason`, and what the API adds.
    ///
    /// # Errors
    /// The first parameter that cannot be understood.
    pub fn read(job_id: &str, attempt: u32, params: &Map<String, Value>) -> Result<Self, RequestError> {
        let given = |name: &str| params.get(name).filter(|value| !value.is_null());
        let text = |key: &'static str| match given(key) {
            None => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
            // A revision of Subversion is a number.
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(RequestError { key, what: "expected a text".to_owned() }),
        };
        let short = |key: &'static str| match text(key)? {
            Some(long) if long.chars().count() > LONGEST => {
                Err(RequestError { key, what: format!("it has more than {LONGEST} characters") })
            }
            text => Ok(text),
        };
        let flag = |key: &'static str| match given(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(RequestError { key, what: "expected true or false".to_owned() }),
        };
        let action = match text("action")?.as_deref() {
            None | Some("deploy") => DeploymentWay::Deploy,
            Some("rollback") => DeploymentWay::Rollback,
            Some(other) => {
                let what = format!("expected deploy or rollback, found `{other}`");
                return Err(RequestError { key: "action", what });
            }
        };
        let wrong = || RequestError { key: "nodes", what: "expected a list of names".to_owned() };
        let nodes = match given("nodes") {
            None => None,
            Some(Value::String(name)) => Some(vec![name.clone()]),
            Some(Value::Array(list)) => {
                let names = list.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong));
                Some(names.collect::<Result<Vec<_>, _>>()?).filter(|names| !names.is_empty())
            }
            Some(_) => return Err(wrong()),
        };
        Ok(Self {
            job_id: job_id.to_owned(),
            attempt,
            action,
            revision: short("revision")?,
            nodes,
            by: Value::Null,
            by_name: String::new(),
            reason: short("reason")?,
            automatic: true,
            overrides: flag("override")?,
            if_live: short("if_live")?,
            fail_if_busy: flag("fail_if_busy")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters() {
        let read = |params: Value| DeploymentRequest::read("j1", 2, params.as_object().unwrap());
        let request =
            read(json!({"action": "rollback", "revision": 12, "nodes": "web1", "reason": " "})).unwrap();
        assert_eq!((request.action, request.revision.as_deref()), (DeploymentWay::Rollback, Some("12")));
        assert_eq!((request.nodes, request.reason), (Some(vec!["web1".to_owned()]), None));
        assert_eq!(read(json!({})).unwrap().id(), "j1-2");
        for (params, key) in [
            (json!({"action": "undo"}), "action"),
            (json!({"revision": ["a"]}), "revision"),
            (json!({"nodes": [1]}), "nodes"),
            (json!({"override": "yes"}), "override"),
        ] {
            assert_eq!(read(params).unwrap_err().key, key);
        }
    }
}
