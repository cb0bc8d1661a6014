//! What a job of `publish` asks for.

use herald_core::job::Job;
use herald_etcd::{ProjectKeys, ProjectLayout};
use serde_json::Value;

/// Why there is a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestReason {
    /// Something changed, or began.
    Change,
    /// Everything was compared.
    Resync,
    /// Somebody asked for it.
    Manual,
}

/// What a job asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobRequest {
    pub(crate) reason: RequestReason,
    /// Everything is written, and all commands run.
    pub(crate) is_forced: bool,
    /// Also where etcd is of another history.
    pub(crate) is_accepted: bool,
    /// The publication that is restored.
    pub(crate) rollback: Option<String>,
}

/// Why a job cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestProblem {
    #[error(
        "no `{0}`: the event is not one of a trigger `etcd` with `layout: projects`; give it in job_param"
    )]
    Missing(&'static str),
    #[error("a project and a host are one part of a key each, without `/`")]
    Slash,
}

/// The project of a job: as its parameters say, else as its event does.
pub(crate) fn keys(job: &Job) -> Result<ProjectKeys, RequestProblem> {
    let text = |name: &'static str| {
        let given = job.job_param.get(name).or_else(|| job.trigger_param.get(name));
        let given = given.and_then(Value::as_str).filter(|text| name == "prefix" || !text.is_empty());
        given.ok_or(RequestProblem::Missing(name))
    };
    let (project, host, prefix) = (text("project")?, text("host")?, text("prefix")?);
    if project.contains('/') || host.contains('/') {
        return Err(RequestProblem::Slash);
    }
    Ok(ProjectLayout::new(prefix, host).project(project))
}

impl JobRequest {
    pub(crate) fn of(job: &Job) -> Self {
        let reason = job.trigger_param.get("reason").and_then(Value::as_str).unwrap_or_default();
        let is_manual = reason == "manual";
        let flag = |name: &str| is_manual && job.trigger_param.get(name) == Some(&Value::Bool(true));
        let rollback = job.trigger_param.get("rollback").and_then(Value::as_str).filter(|_| is_manual);
        Self {
            reason: match reason {
                "manual" => RequestReason::Manual,
                "resync" => RequestReason::Resync,
                _ => RequestReason::Change,
            },
            is_forced: reason == "force" || flag("force"),
            is_accepted: flag("accept"),
            rollback: rollback.map(str::to_owned),
        }
    }
}
