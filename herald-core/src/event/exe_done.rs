//! The parameters of the internal triggers: `exe_done` for a finished job, `node_state` for a node.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::component::spec::Description;
use crate::event::activation::{APP, APP_STATE, DEPLOYED, EXE_DONE, NODE_STATE, QUEUE_DEAD, QUEUE_GAP};
use crate::job::Job;
use crate::job::lifecycle::{Status, Verdict};
use crate::value::param::{Params, lookup};
use crate::value::secret::Mask;

/// How many jobs of a chain are nested in the `trigger_param` of the next one.
const MOST_LINKS: u32 = 8;
/// Which parameter says how many jobs failed in a row before.
pub const FAILURES_BEFORE: &str = "failures_before";
/// In place of the others: the id of the event that holds them.
const CUT: &str = "_cut";
/// The parameter of a request that is for this node alone: it came from another one, which has sent it to all others.
/// What follows on its jobs is for this node alone, too.
pub const ONLY_HERE: &str = "_request/query/node";

/// A job that is over.
#[derive(Debug, Clone, Copy)]
pub struct FinishedJob<'a> {
    /// The job, with the number of its last attempt.
    pub job: &'a Job,
    /// How it ended.
    pub verdict: &'a Verdict,
    /// What hides its secrets.
    pub mask: &'a Mask,
    /// When it was created.
    pub queued_at: Timestamp,
    /// When its last attempt started, if one did.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How many attempts were started.
    pub attempts: u32,
    /// How many jobs of its task failed in a row before it.
    pub failures_before: u64,
}

/// The parameters of `exe_done`: those of the job and what [`descriptions`] says, secrets hidden.
#[must_use]
pub fn exe_done_param(finished: &FinishedJob<'_>) -> Params {
    let FinishedJob { job, verdict, mask, .. } = finished;
    // What the event carries and what the job gave goes on to the jobs of the chain; what shows it hides it by its
    // names.
    let shown = |(key, value): (&String, &Value)| {
        let value = if key == "trigger_param" { mask.by_value(value) } else { mask.value(value) };
        (key.clone(), value)
    };
    let mut params: Params = job.params().iter().map(shown).collect();
    cut(&mut params, job);
    let error = verdict.error.as_deref().map_or(Value::Null, |error| Value::String(mask.text(error)));
    let by = job.by.as_ref().map_or(Value::Null, |by| Value::Object(by.params(mask)));
    for (key, value) in [
        ("success", Value::Bool(verdict.status == Status::Succeeded)),
        ("status", Value::from(verdict.status.as_str())),
        ("error", error),
        ("result", mask.by_value(&Value::Object(verdict.result.clone()))),
        ("queued_at", time(finished.queued_at)),
        ("started_at", finished.started_at.map_or(Value::Null, time)),
        ("ended_at", time(finished.ended_at)),
        ("attempts", Value::from(finished.attempts)),
        (FAILURES_BEFORE, Value::from(finished.failures_before)),
        ("by", by),
    ] {
        params.insert(key.to_owned(), value);
    }
    params
}

/// To the millisecond, as the history keeps times, and always with three digits: then texts are in the order of times.
fn time(at: Timestamp) -> Value {
    let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
    Value::String(format!("{at:.3}"))
}

/// Leaves out what lies deeper than [`MOST_LINKS`] jobs of the chain: every job holds the one before it, and all of
/// them are recorded. The innermost one that is left names the event that holds the rest.
fn cut(params: &mut Params, job: &Job) {
    if job.chain_depth < MOST_LINKS {
        return;
    }
    let mut link = params;
    for _ in 0..MOST_LINKS {
        let Some(Value::Object(next)) = link.get_mut("trigger_param") else { return };
        link = next;
    }
    if let Some(event_id) = link.get("trigger_id").cloned() {
        let mut rest = kept(link).unwrap_or_default();
        rest.insert(CUT.to_owned(), event_id);
        link.insert("trigger_param".to_owned(), Value::Object(rest));
    }
}

/// What is kept of the `trigger_param` of this job: [`ONLY_HERE`] of the request with which the chain began, at the
/// place where executors look for it. `None`: that request is for all nodes.
fn kept(link: &Params) -> Option<Params> {
    let first = link.get("trigger")?.as_str()?;
    let (mut trigger, mut origin) = (first, link.get("trigger_param")?.as_object()?);
    while trigger == EXE_DONE {
        (trigger, origin) = (origin.get("trigger")?.as_str()?, origin.get("trigger_param")?.as_object()?);
    }
    let node = lookup(origin, ONLY_HERE)?;
    let request = json!({ "_request": { "query": { "node": node } } });
    let kept =
        if first == EXE_DONE { json!({ "trigger": trigger, "trigger_param": request }) } else { request };
    kept.as_object().cloned()
}

/// What the internal triggers are for and what their events carry, for the reference.
#[must_use]
pub fn descriptions() -> [Description; 7] {
    [
        exe_done_description(),
        node_state_description(),
        queue_dead_description(),
        queue_gap_description(),
        app_description(),
        app_state_description(),
        deployed_description(),
    ]
}

fn app_description() -> Description {
    Description::new(
        APP,
        "Fires when somebody deploys an application of `app` or rolls it back, by command or API. Its routers `app:NAME` \
         are always there. Its name is reserved.",
    )
    .gives("app", "the name of the application")
    .gives("action", "`deploy` or `rollback`")
    .gives("revision", "what is deployed, as it was named; null for the default")
    .gives("nodes", "the nodes, a list; null for all")
    .gives("reason", "why, in the person's own words; null where nothing was said")
}

fn app_state_description() -> Description {
    Description::new(
        APP_STATE,
        "Fires when what is live on a node is no longer what was deployed, or is so again. It is always there, and its name \
         is reserved.",
    )
    .gives("app", "the name of the application")
    .gives("node", "the name of the node")
    .gives("state", "`in_sync`, `outdated`, `drifted` (files were changed there), `broken` or `unknown`")
    .gives("before", "the state before")
    .gives("revision", "the revision that is live; null where there are several")
    .gives("modified", "the files that were changed there, at most 100")
}

fn deployed_description() -> Description {
    Description::new(
        DEPLOYED,
        "Fires when a deployment has ended, so that a chat or a page says so. It is always there, and its name is reserved.",
    )
    .gives("id, job_id", "the id of the deployment, and of its job")
    .gives("app", "the name of the application")
    .gives("action", "`deploy` or `rollback`")
    .gives(
        "status",
        "`succeeded`; `reverted`: it failed, and the old revision is live again; `partial`: the new one is live on some nodes; \
         `failed`, `timed_out`, `cancelled`, `lost`; or `held`: it was not begun",
    )
    .gives("error", "why it did not succeed; null when it did")
    .gives("from, to", "the revision before, and the one that was deployed")
    .gives("commits", "what lies between, a list of `{revision, author, time, subject}`, at most 50")
    .gives("backward", "whether these commits were taken back")
    .gives("nodes", "`{NAME: {from, to, status, error}}`")
    .gives("by", "who or what: `{user, via, address, reason}`; null when nobody did, as with `cron`")
    .gives("reason", "why, in the person's own words")
    .gives("started_at, ended_at", "when it began and ended: RFC 3339, in UTC")
    .example(
        "
router:
  tell_chat:
    trigger: deployed
    selector: all
    task: {say: print}
    job_param: {print_key: trigger_param/status}
",
    )
}

fn exe_done_description() -> Description {
    Description::new(
        EXE_DONE,
        "Fires when a job is over, so that jobs can be chained. It is always there, needs no configuration, and its \
         name is reserved. A job that was rejected does not fire it; a job that is retried fires it once, after its \
         last attempt. The selector must exclude the router's own jobs, or they start each other until \
         `max_chain_depth`.",
    )
    .gives("id, job_id", "the id of the job")
    .gives("trigger_id", "the id of the event that created the job")
    .gives("router, trigger, selector, task, executor", "the names of the job's parts")
    .gives(
        "trigger_param, select_param, job_param",
        "the parameters of the job, secrets of the configuration hidden. In a chain, `trigger_param` holds the job before, and so on; from \
         the ninth job on what lies deeper is left out, and `_cut` names the event that holds it",
    )
    .gives("chain_depth", "how many jobs came before it in its chain")
    .gives("attempt", "the number of the last attempt, from 1")
    .gives("success", "whether the job succeeded")
    .gives("status", "`succeeded`, `failed`, `timed_out`, `cancelled` or `lost`")
    .gives("error", "why it did not succeed; null when it did")
    .gives("result", "the result of the job, an object")
    .gives("queued_at", "when the job was created: RFC 3339, in UTC")
    .gives("started_at", "when its last attempt started; null when none did")
    .gives("ended_at", "when the job ended")
    .gives("attempts", "how many attempts were started")
    .gives(
        FAILURES_BEFORE,
        "how many jobs of the same router and task failed in a row before this one (`failed`, `timed_out`, `lost`; those \
         that were cancelled are not counted); 0 after a success",
    )
    .gives(
        "by",
        "who or what caused the job: `user`, `via` (`cli`, `api`, `token`, `password`, `jwt`, `proxy`, or the name of a trigger of type `http`), \
         `address`, `reason`, each a string or null. A chain inherits it from the event that began it. Null when \
         nobody did, as with `cron`",
    )
    .example(
        "
router:
  failed:
    trigger: exe_done
    selector: expr
    select_param:
      expr: trigger_param.router == 'backup' && trigger_param.status in ['failed', 'timed_out', 'lost']
    task:
      print_error: print
    job_param:
      print_key: trigger_param/error
",
    )
}

fn node_state_description() -> Description {
    Description::new(
        NODE_STATE,
        "Fires when a node of the fleet comes or goes, as the heartbeat sees it. It is always there, and its name is \
         reserved.",
    )
    .gives("node", "the name of the node")
    .gives("tags", "the tags of the node, a list")
    .gives(
        "state",
        "`online`; `offline`; or `rejected`: its runner answers, and does not accept the daemon, since the secrets or the \
         clocks differ",
    )
    .gives("since", "since when: RFC 3339, in UTC")
    .gives("before", "the state before")
    .gives("before_since", "since when it was in that state")
    .gives("version", "the version of its runner; null when that is unknown")
    .gives("error", "why it is not online; null when it is")
}

fn queue_dead_description() -> Description {
    Description::new(
        QUEUE_DEAD,
        "Fires on the worker that makes a message of a queue a dead letter, so that somebody is alarmed. It is always \
         there, and its name is reserved.",
    )
    .gives("queue", "the name of the queue")
    .gives("topic", "the topic")
    .gives("id", "the id of the message; empty where it has none")
    .gives("reason", "why: not signed, malformed, too old, started or requeued too often; a sentence")
    .gives("trigger", "the trigger of type `queue` that received it")
}

fn queue_gap_description() -> Description {
    Description::new(
        QUEUE_GAP,
        "Fires on a node that was away for longer than messages are kept for it (trigger `queue`, `mode: every`, \
         `retain`). It is always there, and its name is reserved.",
    )
    .gives("queue", "the name of the queue")
    .gives("topic", "the topic")
    .gives("missed", "how many messages this node never gets")
    .gives("trigger", "the trigger of type `queue`")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::actor::Actor;
    use herald_base::depth::{DEEPEST, DEEPEST_RESULT};

    fn at(second: i64) -> Timestamp {
        Timestamp::new(1_800_000_000 + second, 123_456_789).unwrap()
    }

    fn job(depth: u32, trigger_param: Params) -> Job {
        Job {
            id: format!("job-{depth}").into(),
            trigger_id: format!("event-{depth}").into(),
            router: "r".into(),
            trigger: EXE_DONE.into(),
            selector: "all".into(),
            task: "k".into(),
            executor: "x".into(),
            trigger_param: Arc::new(trigger_param.into()),
            select_param: Arc::default(),
            job_param: Arc::default(),
            chain_depth: depth,
            attempt: 2,
            by: None,
            rerun: false,
        }
    }

    fn done(job: &Job, verdict: &Verdict, mask: &Mask) -> Params {
        let (queued_at, ended_at) = (at(0), at(2));
        let started_at = (verdict.status != Status::Cancelled).then(|| at(1));
        exe_done_param(&FinishedJob {
            job,
            verdict,
            mask,
            queued_at,
            started_at,
            ended_at,
            attempts: 2,
            failures_before: 1,
        })
    }

    #[test]
    fn it_says_how_the_job_went_and_who_caused_it() {
        let mut mask = Mask::new();
        mask.add("hunter2222");
        let by = Actor {
            user: Some("ann".into()),
            reason: Some("for hunter2222".into()),
            ..Actor::via("cli".into())
        };
        let job = Job { by: Some(Arc::new(by)), ..job(0, Params::new()) };
        let failed = Verdict::without_result(Status::TimedOut, "no hunter2222");
        let params = done(&job, &failed, &mask);
        for (key, value) in [
            ("success", json!(false)),
            ("status", json!("timed_out")),
            ("error", json!("no ***")),
            ("result", json!({})),
            ("queued_at", json!("2027-01-15T08:00:00.123Z")),
            ("started_at", json!("2027-01-15T08:00:01.123Z")),
            ("ended_at", json!("2027-01-15T08:00:02.123Z")),
            ("attempts", json!(2)),
            ("by", json!({"user": "ann", "via": "cli", "address": null, "reason": "for ***"})),
            ("job_id", json!("job-0")),
        ] {
            assert_eq!(params.get(key), Some(&value), "{key}");
        }
        let job = Job { by: None, ..job };
        let params = done(&job, &Verdict::without_result(Status::Cancelled, "x"), &mask);
        assert_eq!((&params["by"], &params["started_at"]), (&Value::Null, &Value::Null));
    }

    #[test]
    fn what_the_event_carries_reaches_the_chain() {
        let mut mask = Mask::new();
        mask.add("hunter2222");
        let event = json!({"token": ["echo"], "other": "echo", "a": "hunter2222"});
        let job = job(0, event.as_object().cloned().unwrap());
        let result = json!({"password": "main", "b": "hunter2222"}).as_object().cloned().unwrap();
        let verdict = Verdict { status: Status::Succeeded, error: None, result };
        let params = done(&job, &verdict, &mask);
        assert_eq!(params["result"], json!({"password": "main", "b": "***"}));
        assert_eq!(params["trigger_param"], json!({"token": ["echo"], "other": "echo", "a": "***"}));
    }

    #[test]
    fn every_parameter_is_described() {
        let verdict = Verdict { status: Status::Succeeded, error: None, result: Params::new() };
        let params = done(&job(0, Params::new()), &verdict, &Mask::new());
        let description = exe_done_description();
        let described: Vec<&str> =
            description.gives.iter().flat_map(|(names, _)| names.split(", ")).collect();
        assert_eq!(params.keys().map(String::as_str).collect::<Vec<_>>().len(), described.len());
        assert!(params.keys().all(|key| described.contains(&key.as_str())), "{params:?}");
    }

    #[test]
    fn a_long_chain_is_cut_from_the_ninth_job_on() {
        let verdict = Verdict { status: Status::Succeeded, error: None, result: Params::new() };
        // What somebody sends is not a chain, however it looks.
        let mut first = json!({"trigger_id": "theirs"});
        for _ in 0..20 {
            first = json!({"trigger_param": first, "trigger_id": "theirs"});
        }
        let mut param = first.as_object().cloned().unwrap();
        for depth in 0..20 {
            let done = done(&job(depth, param), &verdict, &Mask::new());
            let mut link = &Value::Object(done.clone());
            for above in 0..depth.min(8) {
                link = &link["trigger_param"];
                assert_eq!(link["job_id"], json!(format!("job-{}", depth - above - 1)));
            }
            if depth < 8 {
                assert_eq!(link["trigger_param"], first, "whole at {depth}");
            } else {
                assert_eq!(link["trigger_param"], json!({"_cut": format!("event-{}", depth - 8)}), "{depth}");
            }
            param = done;
        }
    }

    /// Readers of JSON stop at 128 levels.
    #[test]
    fn the_deepest_values_stay_readable_however_long_the_chain() {
        let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
        let object = |levels| nested(levels).as_object().cloned().unwrap();
        let result = object(DEEPEST_RESULT);
        let verdict = Verdict { status: Status::Succeeded, error: None, result };
        let mut param = object(DEEPEST);
        for links in 0..20 {
            let job = Job { job_param: Arc::new(object(DEEPEST)), ..job(links, param) };
            param = done(&job, &verdict, &Mask::new());
            // The job of this event, in a message, in a list, in an answer, and one more.
            let wrapped = json!([{"items": [{"params": {"trigger_param": param}}]}]).to_string();
            assert!(serde_json::from_str::<Value>(&wrapped).is_ok(), "{links}");
        }
    }

    #[test]
    fn a_chain_for_one_node_alone_stays_so_however_long() {
        let verdict = Verdict { status: Status::Succeeded, error: None, result: Params::new() };
        let request = json!({"_request": {"query": {"node": "1"}, "body": "large"}});
        let mut param = request.as_object().cloned().unwrap();
        for depth in 0..20 {
            let trigger = if depth == 0 { "web" } else { EXE_DONE };
            let done = done(&Job { trigger: trigger.into(), ..job(depth, param) }, &verdict, &Mask::new());
            // As executors look for it.
            let (mut trigger, mut params) = (EXE_DONE, &done);
            while trigger == EXE_DONE {
                trigger = params["trigger"].as_str().unwrap();
                params = params["trigger_param"].as_object().unwrap();
            }
            assert_eq!(lookup(params, ONLY_HERE), Some(&json!("1")), "{depth}");
            assert_eq!(params.contains_key(CUT), depth == 8, "{depth}");
            param = done;
        }
    }
}
