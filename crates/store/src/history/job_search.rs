//! What no index has: by whom jobs are, on which node they ran, and texts in them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::view::JobView;

/// How many jobs there are of each state, by its name; none of those that are not named.
pub type JobCounts = BTreeMap<&'static str, u64>;

/// What is looked for in each job. What is hidden in a job is not found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobSearch {
    /// The name of the person, or the account, that caused it.
    pub by: Option<String>,
    /// The name of a node that its result names.
    pub node: Option<String>,
    /// A text in its error, its parameters or those of its event, in small or capital letters.
    pub text: Option<String>,
}

impl JobSearch {
    /// Whether every job is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn finds(&self, job: &JobView) -> bool {
        let by = job.by.as_ref().and_then(|by| by.user.as_deref());
        let nodes = job.result.as_ref().and_then(|result| result.get("node"));
        let ran_on = |node: &String| match nodes {
            Some(Value::Object(nodes)) => nodes.contains_key(node),
            Some(Value::String(name)) => name == node,
            _ => false,
        };
        let has = |text: &String| {
            let text = text.to_lowercase();
            let error = job.summary.state.error.iter();
            let params = [&job.job_param, &job.trigger_param];
            error.map(String::as_str).any(|error| holds(error, &text))
                || params
                    .iter()
                    .flat_map(|params| params.iter())
                    .any(|(key, value)| holds(key, &text) || holds_in(value, &text))
        };
        self.by.as_ref().is_none_or(|wanted| by == Some(wanted))
            && self.node.as_ref().is_none_or(ran_on)
            && self.text.as_ref().is_none_or(has)
    }
}

/// `small` is in small letters.
fn holds(text: &str, small: &str) -> bool {
    text.to_lowercase().contains(small)
}

fn holds_in(value: &Value, small: &str) -> bool {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let is_here = match value {
            Value::String(text) => holds(text, small),
            Value::Number(number) => number.to_string().contains(small),
            Value::Array(list) => {
                open.extend(list);
                false
            }
            Value::Object(map) => {
                open.extend(map.values());
                map.keys().any(|key| holds(key, small))
            }
            Value::Null | Value::Bool(_) => false,
        };
        if is_here {
            return true;
        }
    }
    false
}
