//! Restores the secrets of jobs that a journal or a history kept: both keep what the configuration wrote, with its
//! secrets hidden, and the configuration of today has them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::event::activation::Name;
use crate::job::Job;
use crate::journal::{RecoveredJob, StoredJob, StoredSecrets};
use crate::plan::Plan;
use crate::value::param::Params;
use crate::value::secret::{MASKED, Mask, is_secret_name};
use crate::workflow::{EventContext, Route};

/// A stored job as it can run, or why it cannot.
#[derive(Debug)]
pub struct RestoredJob {
    /// The job, with the secrets of today's configuration.
    pub job: Job,
    /// Why it cannot run, if so: a secret that its configuration no longer names, say.
    pub broken: Option<String>,
}

/// Restores one job. May take a while where its parameters are large templates.
#[must_use]
pub fn restore(plan: &Plan, stored: StoredJob) -> RestoredJob {
    let route = plan.workflow.route(&stored.job.router, &stored.job.task).cloned();
    restore_by(route.as_deref(), plan, stored)
}

/// Restores the jobs of an earlier process, off the async threads where there is anything to restore.
pub(super) async fn restore_all(plan: &Arc<Plan>, jobs: Vec<RecoveredJob>) -> Vec<RecoveredJob> {
    if jobs.iter().all(|recovered| recovered.stored.secrets == StoredSecrets::Present) {
        return jobs;
    }
    let plan = plan.clone();
    let restoring = tokio::task::spawn_blocking(move || {
        let key = |route: &Arc<Route>| ((route.router.clone(), route.task.clone()), route.clone());
        let routes: HashMap<(Name, Name), Arc<Route>> = plan.workflow.all().map(key).collect();
        let one = |recovered: RecoveredJob| {
            let job = &recovered.stored.job;
            let route = routes.get(&(job.router.clone(), job.task.clone())).map(|route| &**route);
            let RestoredJob { job, broken } = restore_by(route, &plan, recovered.stored);
            RecoveredJob { stored: StoredJob { job, secrets: StoredSecrets::Present, broken }, ..recovered }
        };
        jobs.into_iter().map(one).collect::<Vec<_>>()
    });
    match restoring.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(jobs) => jobs,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends, and the jobs stay in the journal.
        Err(Err(_)) => Vec::new(),
    }
}

fn restore_by(route: Option<&Route>, plan: &Plan, stored: StoredJob) -> RestoredJob {
    let mask = &plan.mask;
    let StoredJob { mut job, secrets, mut broken } = stored;
    if secrets == StoredSecrets::Present {
        return RestoredJob { job, broken };
    }
    let today = route.map(|route| Today::of(route, plan, &job));
    let of_today = |one: fn(&Today) -> &Arc<Mask>| today.as_ref().map_or(mask, one);
    let masks = [mask, of_today(|today| &today.mask), of_today(|today| &today.mask_before)];
    let now = |params: fn(&Today) -> &Arc<Params>| today.as_ref().map(params);
    for (name, stored, now) in [
        ("select_param", &mut job.select_param, now(|today| &today.select_param)),
        ("job_param", &mut job.job_param, now(|today| &today.job_param)),
    ] {
        match (Filling { masks }).resolve(stored, now) {
            Ok(resolved) => *stored = resolved,
            Err(MissingSecret { place }) => {
                broken.get_or_insert_with(|| {
                    format!(
                        "the secret at {name}/{place} of router \"{}\", task \"{}\" is not in the configuration any more; \
                         run the event again",
                        job.router, job.task
                    )
                });
            }
        }
    }
    RestoredJob { job, broken }
}

/// What the configuration of today says of a job, its templates filled in once more.
struct Today {
    select_param: Arc<Params>,
    job_param: Arc<Params>,
    /// What the templates made of secrets is hidden, too.
    mask: Arc<Mask>,
    /// Until version 1.0 what an event carried under secret names was hidden wherever it turned up.
    mask_before: Arc<Mask>,
}

impl Today {
    fn of(route: &Route, plan: &Plan, job: &Job) -> Self {
        let mask = &plan.mask;
        let mut today = Self {
            select_param: route.select_param.get(),
            job_param: route.job_param.get(),
            mask: mask.clone(),
            mask_before: mask.clone(),
        };
        let Some(templates) = &route.templates else { return today };
        today.mask_before = Arc::new(job.trigger_param.with_secrets(mask));
        let about = || EventContext {
            event_id: &job.trigger_id,
            trigger_param: &job.trigger_param,
            chain_depth: job.chain_depth,
            published: plan.published.as_ref(),
        };
        // What cannot be filled in any more is not what was stored.
        let select = templates.select_param.as_ref();
        if let Some(Ok(filled)) = select.map(|template| template.render(&route.select_scope(about()))) {
            today.select_param = Arc::new(filled);
        }
        let scope = || route.job_scope(about(), &job.id, &today.select_param, 1);
        if let Some(template) = &templates.job_param
            && let Ok(filled) = template.render(&scope())
        {
            let shown = || job.trigger_param.params().clone();
            today.mask = template.mask(mask, &today.select_param, shown, &filled);
            today.job_param = Arc::new(filled);
        }
        today
    }
}

/// The configuration of today has no secret for this place in the parameters.
struct MissingSecret {
    place: String,
}

impl MissingSecret {
    fn within(self, before: impl std::fmt::Display) -> Self {
        Self { place: format!("{before}{}", self.place) }
    }
}

/// Fills secrets in where they are hidden.
struct Filling<'a> {
    /// One of these hid them.
    masks: [&'a Arc<Mask>; 3],
}

impl Filling<'_> {
    /// Stored parameters with the secrets of today's configuration.
    fn resolve(&self, stored: &Arc<Params>, now: Option<&Arc<Params>>) -> Result<Arc<Params>, MissingSecret> {
        if let Some(now) = now
            && self.masks.iter().any(|mask| mask.params(now) == **stored)
        {
            return Ok(now.clone());
        }
        let mut resolved = Params::clone(stored);
        let empty = Params::new();
        self.fill_map(&mut resolved, now.map_or(&empty, |now| now.as_ref()))?;
        Ok(Arc::new(resolved))
    }

    fn fill_map(&self, stored: &mut Params, now: &Params) -> Result<(), MissingSecret> {
        for (key, value) in stored.iter_mut() {
            let today = now.get(key);
            if is_secret_name(key) && value.as_str() == Some(MASKED) {
                *value = today.cloned().ok_or_else(|| MissingSecret { place: key.clone() })?;
            } else {
                self.fill(value, today).map_err(|missing| missing.within(key))?;
            }
        }
        Ok(())
    }

    fn fill(&self, stored: &mut Value, now: Option<&Value>) -> Result<(), MissingSecret> {
        match stored {
            Value::String(text) if text.contains(MASKED) => match now {
                Some(now) if self.masks.iter().any(|mask| mask.value(now).as_str() == Some(text)) => {
                    *stored = now.clone();
                }
                _ => return Err(MissingSecret { place: String::new() }),
            },
            Value::Array(list) => {
                for (n, item) in list.iter_mut().enumerate() {
                    let now = now.and_then(|now| now.get(n));
                    self.fill(item, now).map_err(|missing| missing.within(format_args!("/{n}")))?;
                }
            }
            Value::Object(map) => {
                let empty = Params::new();
                let now = now.and_then(Value::as_object).unwrap_or(&empty);
                self.fill_map(map, now).map_err(|missing| missing.within('/'))?;
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::component::conformance::job;
    use crate::workflow::{KnownComponents, read};

    fn object(value: Value) -> Params {
        value.as_object().unwrap().clone()
    }

    /// A configuration with one router, whose secret is this.
    fn plan(secret: &str) -> Plan {
        let job_param =
            json!({"cmd": "true", "git_password": secret, "arg": [secret, "plain"], "env": {"X": "a"}});
        plan_of(secret, &json!({}), &job_param)
    }

    fn plan_of(secret: &str, select_param: &Value, job_param: &Value) -> Plan {
        let router = json!({"r": {
            "trigger": "t", "selector": "all", "task": {"k": "local"},
            "select_param": select_param, "job_param": job_param,
        }});
        let known = KnownComponents {
            triggers: [("t".to_owned(), None)].into(),
            selectors: [("all".to_owned(), None)].into(),
            executors: [("local".to_owned(), None)].into(),
            secrets: None,
        };
        let mut mask = Mask::new();
        mask.add(secret);
        Plan { workflow: read(&router, &Value::Null, &known).0, mask: Arc::new(mask), ..Plan::default() }
    }

    fn stored(job_param: Value, secrets: StoredSecrets) -> StoredJob {
        let job = Job {
            selector: "all".into(),
            executor: "local".into(),
            job_param: Arc::new(object(job_param)),
            ..job("j")
        };
        StoredJob { job, secrets, broken: None }
    }

    #[test]
    fn secrets_are_those_of_todays_configuration() {
        let whole = json!({"cmd": "true", "git_password": "***", "arg": ["***", "plain"], "env": {"X": "a"}});
        for (what, kept, now, expected) in [
            ("the same configuration", whole.clone(), "hunter2222", Ok("hunter2222")),
            ("another secret", whole, "correct-horse", Ok("correct-horse")),
            ("other parameters", json!({"git_password": "***", "other": 1}), "hunter2222", Ok("hunter2222")),
            (
                "a secret that is gone",
                json!({"token": "***"}),
                "hunter2222",
                Err("job_param/token of router \"r\""),
            ),
            ("one within a list", json!({"arg": ["plain", "***"]}), "hunter2222", Err("job_param/arg/1 of")),
            (
                "one within a map",
                json!({"env": {"password": "***"}}),
                "hunter2222",
                Err("job_param/env/password of"),
            ),
            ("one within a text", json!({"cmd": "echo ***"}), "hunter2222", Err("job_param/cmd of")),
        ] {
            let RestoredJob { job, broken } = restore(&plan(now), stored(kept, StoredSecrets::Hidden));
            match expected {
                Ok(secret) => {
                    assert_eq!(
                        (job.job_param.get("git_password"), broken),
                        (Some(&json!(secret)), None),
                        "{what}"
                    );
                }
                Err(says) => assert!(broken.as_deref().unwrap().contains(says), "{what}: {broken:?}"),
            }
        }
    }

    #[test]
    fn what_templates_make_of_secrets_is_made_again() {
        let params = json!({
            "arg": ["{{ select_param.tok[:12] }}", "{{ select_param.tok | list }}", "a {{ select_param.tok }}"], "x": 1,
        });
        let kept = json!({"arg": ["***", "***", "a ***"], "x": 1});
        for (secret, whole) in [("hunter22hunter22", true), ("correct-horse-2", true), ("", false)] {
            let plan = plan_of(secret, &json!({"tok": secret}), &params);
            let mut stored = stored(kept.clone(), StoredSecrets::Hidden);
            stored.job.select_param = Arc::new(object(json!({"tok": "***"})));
            let RestoredJob { job, broken } = restore(&plan, stored);
            assert_eq!(broken.is_none(), whole, "{secret}: {broken:?}");
            if whole {
                let list: Vec<String> = secret.chars().map(String::from).collect();
                let made = json!([secret.get(..12), list, format!("a {secret}")]);
                assert_eq!(job.job_param["arg"], made, "{secret}");
            }
        }
    }

    #[test]
    fn what_was_never_hidden_stays_as_it_is() {
        let kept = json!({"token": "***", "cmd": "echo ***"});
        let RestoredJob { job, broken } =
            restore(&Plan::default(), stored(kept.clone(), StoredSecrets::Present));
        assert_eq!((job.job_param.as_ref(), broken), (&object(kept), None));
    }

    #[test]
    fn why_it_could_not_be_read_comes_first() {
        let unreadable = StoredJob {
            broken: Some("damaged".into()),
            ..stored(json!({"token": "***"}), StoredSecrets::Hidden)
        };
        assert_eq!(restore(&Plan::default(), unreadable).broken.as_deref(), Some("damaged"));
    }
}
