//! `/events/ID`: an event; for each router of its trigger why it matched, and why not.

use herald_control::model::{DecisionResource, EventResource};
use maud::{Markup, html};

use super::events::replay_act;
use crate::elements::{self, ACTS};
use crate::frame::Frame;

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, event: &EventResource) -> String {
    let routers = event.decisions.iter().map(|decision| &*decision.router);
    let may_replay = frame.may_all(ACTS, routers);
    let title = format!("{} ▸ {}", event.trigger, elements::short(&event.id));
    frame.screen(
        &title,
        &html! {
            section #event data-part {
                dl.card {
                    dt { "Event" } dd.id { (event.id) }
                    dt { "Accepted" } dd { (elements::time(frame, &event.accepted_at)) }
                    dt { "Caused by" } dd { @match &event.by { Some(by) => { (elements::actor(by)) }, None => { "the trigger itself" } } }
                    @if event.chain_depth > 0 { dt { "Chain" } dd { (event.chain_depth) @if event.chain_depth == 1 { " job" } @else { " jobs" } " came before it" } }
                }
                h2 { "Why and why not" }
                @if event.routed_at.is_none() { p.soft { "The selectors are being asked." } }
                @else if event.decisions.is_empty() { p.empty { "No router names this trigger, so it created no job." } }
                @else {
                    (decisions(frame, &event.decisions))
                    @if event.decisions_left_out > 0 {
                        p.soft { (event.decisions_left_out) " more tasks did not match and are left out. " code { "heraldd explain " (event.id) " --router NAME" } " asks about one router." }
                    }
                }
            }
            (elements::acts(frame, may_replay, &[replay_act(frame, &event.id)]))
            section #values.folds data-part { (elements::values("Parameters", &event.trigger_param)) }
            (elements::command(&format!("heraldd explain {0}    heraldd replay {0} --run", event.id)))
        },
    )
}

fn decisions(frame: &Frame<'_>, decisions: &[DecisionResource]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Answers of the selectors" { table.cards {
            thead { tr { th { "Router" } th { "Task" } th { "Selector" } th { "Matched" } th { "Why" } th { "Job" } } }
            tbody { @for one in decisions { tr {
                td.name.lead { bdi { (one.router) } }
                td.name { bdi { (one.task) } }
                td.name data-n="Selector" { bdi { (one.selector) } }
                td.mark { (elements::status(&one.answer)) }
                td.text { bdi { (one.why) } @if one.asked_again { span.soft { "\u{a0}*" } } }
                td data-n=[one.job_id.as_ref().map(|_| "Job")] { @match &one.job_id { Some(id) => { (elements::job_link(frame, id)) }, None => { span.soft { "no job" } } } }
            } } }
        } }
        @if decisions.iter().any(|one| one.asked_again) {
            p.soft { "* This selector was asked again now, with the configuration of now." }
        }
    }
}
