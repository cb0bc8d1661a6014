//! `/jobs/ID`: how a job did, why it ran, and what it wrote.

use herald_control::model::{AttemptResource, EventResource, JobResource};
use maud::{Markup, html};

use super::job_log::{self, JobLog};
use crate::elements::{self, ACTS, ActButton};
use crate::frame::Frame;

/// The document. `event`: the event that created the job, where it is still known.
#[must_use]
pub fn screen(frame: &Frame<'_>, job: &JobResource, event: Option<&EventResource>, log: &JobLog) -> String {
    let summary = &job.summary;
    let title = format!("{} ▸ {}", summary.router, elements::short(&summary.id));
    frame.screen(
        &title,
        &html! {
            section #job data-part {
                div.card {
                    p { (sentence(frame, job)) }
                    (why(frame, job, event))
                }
                (facts(frame, job))
            }
            (acts(frame, job))
            section #values.folds data-part {
                @if let Some(result) = &job.result { (elements::values("Result", result)) }
                (elements::values("Parameters of the event", &job.trigger_param))
                (elements::values("Parameters of the selector", &job.select_param))
                (elements::values("Parameters of the job", &job.job_param))
            }
            (job_log::part(frame, job, log))
            (job_log::more_lines(frame, job))
            (elements::command(&format!("heraldd job {0}    heraldd logs {0}", summary.id)))
        },
    )
}

fn sentence(frame: &Frame<'_>, job: &JobResource) -> Markup {
    let summary = &job.summary;
    html! {
        (elements::status(&summary.status))
        @if summary.attempt > 1 { " at attempt " (summary.attempt) }
        @if let Some(error) = &summary.error { ": " bdi { (error) } }
        @if let Some(began) = summary.began_at() {
            " · " (elements::duration(frame, Some(began), summary.ended_at.as_deref()))
        }
        @if let Some(what) = summary.waits_for(|at| elements::local(frame, at)) { " · waits for " bdi { (what) } }
        @if let Some(retry) = summary.later_attempt() { " · next attempt " (elements::time(frame, retry)) }
        @if let Some(by) = &job.cancelled_by { " · cancelled by " (elements::actor(by)) }
    }
}

fn why(frame: &Frame<'_>, job: &JobResource, event: Option<&EventResource>) -> Markup {
    let summary = &job.summary;
    let decision = event.and_then(|event| {
        event.decisions.iter().find(|one| one.router == summary.router && one.task == summary.task)
    });
    // Who ran it again has not caused its event.
    let caused = event.map_or(job.by.as_ref(), |event| event.by.as_ref());
    let again = job.by.as_ref().filter(|by| Some(*by) != caused);
    html! {
        p {
            @if let Some(by) = again { "Run again by " (elements::actor(by)) ". " }
            "Why: trigger " b { bdi { (summary.trigger) } } " fired event " (elements::event_link(frame, &summary.event_id))
            @if let Some(by) = caused { " by " (elements::actor(by)) }
            "; selector " bdi { (job.selector) } " of router " b { bdi { (summary.router) } } " said yes"
            @if let Some(decision) = decision.filter(|one| !one.why.is_empty()) { ": " bdi { (decision.why) } }
            @if summary.chain_depth > 0 { " · " (summary.chain_depth) @if summary.chain_depth == 1 { " job" } @else { " jobs" } " came before it in its chain" }
        }
    }
}

fn facts(frame: &Frame<'_>, job: &JobResource) -> Markup {
    let summary = &job.summary;
    html! {
        dl.card {
            dt { "Job" } dd.id { (summary.id) }
            dt { "Task, executor" } dd { bdi { (summary.task) } ", " bdi { (summary.executor) } }
            dt { "Created" } dd { (elements::time(frame, &summary.queued_at)) }
            @if let Some(started) = summary.began_at() { dt { "Started" } dd { (elements::time(frame, started)) } }
            @if let Some(link) = frame.site.links.get(&summary.router) {
                dt { "Configuration" } dd { a href=(link) rel="noreferrer" { (link) } }
            }
        }
        // What there is to say of a single one is above.
        @if job.attempts.len() > 1 {
            h2 { "Attempts" }
            div.scroll tabindex="0" role="region" aria-label="Attempts" { table.cards {
                thead { tr { th { "Attempt" } th { "Status" } th { "Started" } th { "Duration" } th { "Error" } } }
                tbody { @for attempt in &job.attempts { (attempt_row(frame, job, attempt)) } }
            } }
        }
    }
}

fn attempt_row(frame: &Frame<'_>, job: &JobResource, attempt: &AttemptResource) -> Markup {
    let log = format!("{}?attempt={}", frame.site.at("/jobs", &[&job.summary.id]), attempt.attempt);
    html! {
        tr {
            td.lead data-n="Attempt" { a href=(log) { (attempt.attempt) } }
            td.mark { (elements::status(&attempt.status)) }
            td { (elements::time(frame, &attempt.started_at)) }
            td { (elements::duration(frame, Some(&attempt.started_at), attempt.ended_at.as_deref())) }
            td.text { bdi { (attempt.error.as_deref().unwrap_or_default()) } }
        }
    }
}

fn acts(frame: &Frame<'_>, job: &JobResource) -> Markup {
    let summary = &job.summary;
    let to = |act: &str| frame.site.at("/jobs", &[&summary.id, act]);
    let is_open = matches!(&*summary.status, "queued" | "running");
    let list = if is_open {
        let means = "The job is ended, and does not get another attempt.";
        vec![ActButton { is_dangerous: true, ..ActButton::new(to("cancel"), "Cancel", means) }]
    } else {
        let replay = frame.site.at("/events", &[&summary.event_id, "replay"]);
        vec![
            ActButton::new(
                to("retry"),
                "Retry",
                "A new job of the same event runs, with the same parameters.",
            ),
            ActButton::new(
                replay,
                "Replay",
                "Its trigger fires again with the same parameters: every router of the trigger is asked.",
            ),
        ]
    };
    html! { section #acts data-part { (elements::acts(frame, frame.may(ACTS, &summary.router), &list)) } }
}
