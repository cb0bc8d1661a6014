//! The JSON that crosses the boundary, for both sides. `include/herald_plugin.h` shows each message.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::executor::{Failure, FailureKind, Outcome};
use crate::component::selector::{Answer, Question};
use crate::component::trigger::ComponentError;
use crate::event::activation::Name;
use crate::job::Job;
use crate::value::param::Params;
use crate::value::secret::Mask;

/// The kinds of components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentKind {
    /// Triggers.
    Trigger,
    /// Selectors.
    Selector,
    /// Executors.
    Executor,
}

impl std::fmt::Display for ComponentKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Trigger => "trigger",
            Self::Selector => "selector",
            Self::Executor => "executor",
        })
    }
}

/// Asks for a component.
#[derive(Serialize, Deserialize)]
pub struct Create {
    /// Of which kind.
    pub kind: ComponentKind,
    /// Of which type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its options, checked and with defaults filled in.
    pub options: Params,
}

/// The two lists of a type that may be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The options of the component in the configuration.
    Options,
    /// What it reads of `select_param` or `job_param`.
    Params,
}

/// Asks whether a value is right.
#[derive(Serialize, Deserialize)]
pub struct Check {
    /// Of which kind of component.
    pub kind: ComponentKind,
    /// Of which type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Which list the option belongs to.
    pub of: Of,
    /// The option.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// Runs a trigger.
#[derive(Serialize, Deserialize)]
pub struct Run {
    /// The name that the trigger has in the configuration.
    pub trigger: String,
}

/// Why something was not done.
#[derive(Default, Serialize, Deserialize)]
pub struct CallError {
    /// One sentence.
    pub error: String,
    /// For jobs: how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<End>,
    /// For jobs: what it gave all the same.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub result: Params,
}

impl CallError {
    /// As JSON.
    #[must_use]
    pub fn json(error: impl std::fmt::Display) -> Vec<u8> {
        json(&Self { error: error.to_string(), ..Self::default() })
    }
}

/// How a job ended that did not succeed.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// [`FailureKind::Failed`].
    Failed,
    /// [`FailureKind::TimedOut`].
    TimedOut,
    /// [`FailureKind::Cancelled`].
    Cancelled,
    /// [`FailureKind::Lost`].
    Lost,
}

/// As JSON. What crosses here can always be written.
#[must_use]
pub fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// From JSON.
///
/// # Errors
/// One sentence about what came instead.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ComponentError> {
    serde_json::from_slice(bytes).map_err(|error| {
        ComponentError::new(match error.classify() {
            serde_json::error::Category::Data => format!("JSON of another shape: {error}"),
            _ => format!("no JSON: {error}"),
        })
    })
}

#[derive(Serialize)]
struct QuestionOut<'a> {
    event_id: &'a str,
    trigger: &'a str,
    router: &'a str,
    task: &'a str,
    trigger_param: &'a Params,
    select_param: &'a Params,
}

#[derive(Deserialize)]
struct QuestionIn {
    event_id: Name,
    trigger: Name,
    router: Name,
    task: Name,
    trigger_param: Params,
    select_param: Params,
}

/// A question to a selector, as JSON.
#[must_use]
pub fn question_json(question: &Question) -> Vec<u8> {
    json(&QuestionOut {
        event_id: &question.event_id,
        trigger: &question.trigger,
        router: &question.router,
        task: &question.task,
        trigger_param: &question.trigger_param,
        select_param: &question.select_param,
    })
}

/// A question to a selector, from JSON.
///
/// # Errors
/// When it is none.
pub fn read_question(bytes: &[u8]) -> Result<Question, ComponentError> {
    let QuestionIn { event_id, trigger, router, task, trigger_param, select_param } = read(bytes)?;
    let (trigger_param, select_param) = (Arc::new(trigger_param.into()), Arc::new(select_param));
    Ok(Question { event_id, trigger, router, task, trigger_param, select_param })
}

#[derive(Serialize, Deserialize)]
struct AnswerMessage {
    yes: bool,
    #[serde(default)]
    why: String,
}

/// A selector's answer, as JSON.
#[must_use]
pub fn answer_json(answer: Answer) -> Vec<u8> {
    json(&AnswerMessage { yes: answer.yes, why: answer.why.into_owned() })
}

/// A selector's answer, from JSON.
///
/// # Errors
/// When it is none.
pub fn read_answer(bytes: &[u8]) -> Result<Answer, ComponentError> {
    let AnswerMessage { yes, why } = read(bytes)?;
    Ok(Answer { yes, why: why.into() })
}

#[derive(Serialize)]
struct ExecutionOut<'a> {
    job: &'a Params,
    secrets: Vec<&'a str>,
}

#[derive(Deserialize)]
struct ExecutionIn {
    job: JobIn,
    #[serde(default)]
    secrets: Vec<String>,
}

#[derive(Deserialize)]
struct JobIn {
    id: Name,
    trigger_id: Name,
    router: Name,
    trigger: Name,
    selector: Name,
    task: Name,
    executor: Name,
    trigger_param: Params,
    select_param: Params,
    job_param: Params,
    chain_depth: u32,
    attempt: u32,
}

/// A job to run, as JSON. Of the secrets, only those go along that are in the job itself.
#[must_use]
pub fn execution_json(job: &Job, mask: &Mask) -> Vec<u8> {
    let params = Value::Object(job.params());
    let secrets = mask.found_in(&params);
    let Value::Object(job) = &params else { return Vec::new() };
    json(&ExecutionOut { job, secrets })
}

/// A job to run, from JSON.
///
/// # Errors
/// When it is none.
pub fn read_execution(bytes: &[u8]) -> Result<(Job, Mask), ComponentError> {
    let ExecutionIn { job, secrets } = read(bytes)?;
    let mut mask = Mask::new();
    secrets.iter().for_each(|secret| mask.add(secret));
    let job = Job {
        id: job.id,
        trigger_id: job.trigger_id,
        router: job.router,
        trigger: job.trigger,
        selector: job.selector,
        task: job.task,
        executor: job.executor,
        trigger_param: Arc::new(job.trigger_param.into()),
        select_param: Arc::new(job.select_param),
        job_param: Arc::new(job.job_param),
        chain_depth: job.chain_depth,
        attempt: job.attempt,
        by: None,
        rerun: false,
    };
    Ok((job, mask))
}

/// How a job ended, as JSON: its result, or why it did not succeed.
///
/// # Errors
/// The second kind.
pub fn outcome_json(outcome: Outcome) -> Result<Vec<u8>, Vec<u8>> {
    outcome.map(|result| json(&result)).map_err(|failure| {
        let kind = match failure.kind {
            FailureKind::Failed => End::Failed,
            FailureKind::TimedOut => End::TimedOut,
            FailureKind::Cancelled => End::Cancelled,
            FailureKind::Lost => End::Lost,
        };
        json(&CallError { error: failure.error, kind: Some(kind), result: failure.result })
    })
}

/// Why a job did not succeed; of this kind, where the plugin names none.
#[must_use]
pub fn failure(wrong: CallError, default_kind: FailureKind) -> Failure {
    let kind = match wrong.kind {
        None => default_kind,
        Some(End::Failed) => FailureKind::Failed,
        Some(End::TimedOut) => FailureKind::TimedOut,
        Some(End::Cancelled) => FailureKind::Cancelled,
        Some(End::Lost) => FailureKind::Lost,
    };
    Failure { kind, error: wrong.error, result: wrong.result }
}
