//! `/apps/NAME`: an application: its nodes, commits and deployments; and what a deployment would do.

use std::collections::BTreeMap;

use herald_control::model::{
    AppPlanResource, AppResource, CommitResource, DeploymentResource, NodeDeploymentResource, Page,
};
use maud::{Markup, html};

use super::apps::revision;
use crate::elements::{self, ACTS, ActButton, PartUnavailable, sign, word};
use crate::frame::Frame;

/// The nodes of a deployment that are shown before the others are folded away.
const NODES: usize = 8;

/// What the screen shows.
pub struct AppData {
    /// The application.
    pub app: AppResource,
    /// Its commits, or why they cannot be read.
    pub commits: Result<Page<CommitResource>, PartUnavailable>,
    /// Its deployments, newest first.
    pub deployments: Page<DeploymentResource>,
}

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, data: &AppData) -> String {
    let app = &data.app;
    frame.screen(
        &app.name,
        &html! {
            (state(frame, app))
            (hold_acts(frame, app))
            (commits(frame, data))
            (deployments(frame, &data.deployments))
            (elements::command(&format!("heraldd app {0}    heraldd deploy {0}    heraldd rollback {0}", word(&app.name))))
        },
    )
}

fn state(frame: &Frame<'_>, app: &AppResource) -> Markup {
    html! {
        section #state data-part {
            @if let Some(hold) = &app.hold {
                p.wrong { (sign("odd")) "Held since " (elements::time(frame, &hold.since)) ": nothing is deployed until "
                    @match &hold.until { Some(until) => { (elements::time(frame, until)) }, None => { "somebody ends the hold" } }
                    " · by " bdi { (hold.by) } ": “" bdi { (hold.reason) } "”" }
            }
            @if let Some(freeze) = &app.freeze { p.wrong { (sign("odd")) "Frozen: " bdi { (freeze) } } }
            @if let Some(running) = &app.running { p.notice { (sign("busy")) "Deployment " bdi { (running) } " is under way." } }
            dl.card {
                dt { "Live" } dd { @match &app.revision { Some(live) => { span.id { (revision(live)) } }, None => { "nothing yet" } } @if let Some(since) = &app.since { " since " (elements::time(frame, since)) } }
                dt { "A rollback goes to" } dd { @match &app.previous { Some(previous) => { span.id { (revision(previous)) } }, None => { "nothing yet" } } }
                dt { "Repository" } dd { (app.kind) " " (app.repo) " (" (app.mode) ")" }
            }
            h2 { "Nodes" }
            div.scroll tabindex="0" role="region" aria-label="Nodes" { table.cards {
                thead { tr { th { "Node" } th { "State" } th { "Live" } th { "Answered" } th { "Path" } th { "Remarks" } } }
                tbody { @for (name, node) in &app.nodes { tr {
                    td.name.lead { bdi { (name) } @if !node.online { " " (elements::status("offline")) } }
                    td.mark { (elements::status(&node.state)) }
                    td.id data-n="Live" { (node.revision.as_deref().map_or("–", revision)) }
                    td data-n="Answered" { (elements::time_or_none(frame, node.checked_at.as_deref())) }
                    td.name data-n="Path" { (node.path) }
                    td.text { bdi { (node.error.as_deref().unwrap_or_default()) }
                        @if let Some(late) = &node.catch_up { " gets " span.id { (revision(late)) } " when it is back" }
                        @if !node.modified.is_empty() { details { summary { (elements::counted(node.modified.len(), "changed file")) } ul { @for file in &node.modified { li { bdi { (file) } } } } } } }
                } } }
            } }
        }
    }
}

fn hold_acts(frame: &Frame<'_>, app: &AppResource) -> Markup {
    let to = |act: &str| frame.site.at("/apps", &[&app.name, act]);
    html! {
        @if frame.may(ACTS, &app.name) {
            div.acts {
                details { summary { "Deploy a revision …" } form.act method="get" action=(to("plan")) {
                    p { "Shows first what it would do." }
                    label { "Branch, tag, commit or number " input type="text" name="revision" maxlength="250" placeholder="HEAD"; }
                    button type="submit" { "Show the plan" }
                } }
                details { summary { "Roll back …" } form.act method="get" action=(to("plan")) {
                    input type="hidden" name="action" value="rollback";
                    p { "Shows first what it would undo." }
                    button type="submit" { "Show the plan" }
                } }
                @if app.hold.is_some() {
                    details { summary { "End the hold …" } (ActButton { asks_reason: false, ..ActButton::new(to("unhold"), "End the hold", "Deployments are possible again.") }.form(frame)) }
                } @else {
                    details { summary { "Hold …" } form.act method="post" action=(to("hold")) {
                        (elements::form_key(frame))
                        p { "Nothing is deployed while it lasts." }
                        label { "Why " input type="text" name="reason" maxlength="500" required; }
                        label { "How long (empty: until somebody ends it) " input type="text" name="for" placeholder="2h"; }
                        button type="submit" { "Hold" }
                    } }
                }
            }
        }
    }
}

fn commits(frame: &Frame<'_>, data: &AppData) -> Markup {
    let may = frame.may(ACTS, &data.app.name);
    html! {
        section #commits data-part {
            h2 { "Commits" }
            @match &data.commits {
                Err(why) => p.wrong { (sign("bad")) bdi { (why.0) } },
                Ok(page) if page.items.is_empty() => p.empty { "There is no commit." },
                Ok(page) => {
                    div.scroll tabindex="0" role="region" aria-label="Commits" { table.cards {
                        thead { tr { th { "Revision" } th { "Subject" } th { "Author" } th { "Time" } th { "Live on" } th { "Act" } } }
                        tbody { @for commit in &page.items { (commit_row(frame, data, commit, may)) } }
                    } }
                    (elements::next_page(frame, "before", page.next_cursor.as_deref()))
                }
            }
        }
    }
}

fn commit_row(frame: &Frame<'_>, data: &AppData, commit: &CommitResource, may: bool) -> Markup {
    let plan = format!("{}?revision={}", frame.site.at("/apps", &[&data.app.name, "plan"]), commit.revision);
    html! {
        tr {
            td.id.mark { (revision(&commit.revision)) }
            td.text.lead { bdi { (commit.subject) } @if commit.bad { " " span.bad { "✕ was rolled back" } } }
            td.name { bdi { (commit.author) } }
            td { (elements::time(frame, &commit.time)) }
            td.name data-n=[(!commit.live.is_empty()).then_some("Live on")] { @if commit.live.is_empty() { span.soft { @if commit.pending { "not deployed" } @else { "not live" } } } @else { bdi { (commit.live.join(", ")) } } }
            td { @if may { a href=(plan) { "Plan " (revision(&commit.revision)) } } }
        }
    }
}

fn deployments(frame: &Frame<'_>, page: &Page<DeploymentResource>) -> Markup {
    html! {
        section #deployments data-part {
            h2 { "Deployments" }
            @if page.items.is_empty() { p.empty { "Nothing was deployed yet." } }
            @else { div.scroll tabindex="0" role="region" aria-label="Deployments" { table.cards {
                thead { tr { th { "Started" } th { "Status" } th { "What" } th { "By" } th { "Nodes" } th { "Job" } th { "Error" } } }
                tbody { @for one in &page.items { tr {
                    td data-n="Started" { (elements::time(frame, &one.started_at)) div.soft { "took " (elements::duration(frame, Some(&one.started_at), Some(&one.ended_at))) } }
                    td.mark { (elements::status(&one.status)) @if one.overridden { " (override)" } }
                    td.lead { (one.action) " " span.id { @if let Some(from) = &one.from { (revision(from)) " → " } (one.to.as_deref().map_or("–", revision)) } }
                    td.name data-n="By" { @match &one.by { Some(by) => { (elements::actor(by)) }, None => { "Herald itself" } } }
                    td.name data-n="Nodes" { (deployed_nodes(&one.nodes)) }
                    td data-n="Job" { @if !one.job_id.is_empty() { (elements::job_link(frame, &one.job_id)) } }
                    td.text { bdi { (one.error.as_deref().unwrap_or_default()) } }
                } } }
            } } }
        }
    }
}

/// How it ended on each node; how long its steps took there is folded away.
fn deployed_nodes(nodes: &BTreeMap<String, NodeDeploymentResource>) -> Markup {
    let all: Vec<(&String, &NodeDeploymentResource)> = nodes.iter().collect();
    let has_times = nodes.values().any(|node| !node.steps_ms.is_empty());
    let of = |nodes: &[(&String, &NodeDeploymentResource)]| {
        html! { @for (name, node) in nodes { div { bdi { (name) } " " (elements::status(&node.status)) } } }
    };
    html! {
        (of(&all[..all.len().min(NODES)]))
        @if all.len() > NODES { details { summary { (all.len() - NODES) " more" } (of(&all[NODES..])) } }
        @if has_times {
            details {
                summary { "Steps" }
                ul.steps { @for (name, node) in nodes { li { bdi { (name) } ": " (node.step_times()) } } }
            }
        }
    }
}

/// The document of `/apps/NAME/plan`.
#[must_use]
pub fn plan(frame: &Frame<'_>, plan: &AppPlanResource) -> String {
    let is_rollback = frame.asked("action").as_deref() == Some("rollback");
    let verb = if is_rollback { "Roll back" } else { "Deploy" };
    let title = format!("{verb} {} to {}", plan.app, revision(&plan.to));
    frame.screen(
        &title,
        &html! {
            p { "Now live: " span.id { (plan.from.as_deref().map_or("nothing yet", revision)) } }
            @for refusal in &plan.refusals { p.wrong { (sign("bad")) bdi { (refusal) } } }
            h2 { @if plan.backward { "This undoes " } @else { "This brings " } (elements::counted(plan.commits.len(), "commit")) }
            @if plan.commits.is_empty() { p.empty { "No commit lies between." } }
            @else { ul { @for commit in &plan.commits {
                li { span.id { (revision(&commit.revision)) } " " bdi { (commit.subject) } " " span.soft { bdi { (commit.author) } } }
            } } }
            h2 { "Nodes" }
            @for (name, node) in &plan.nodes {
                div.card {
                    b { bdi { (name) } } " " (elements::status(if node.online { "online" } else { "offline" }))
                    @for refusal in &node.refusals { p.bad { "✕ " bdi { (refusal) } } }
                    (elements::values("What the node says", &node.plan))
                }
            }
            (plan_form(frame, plan, is_rollback))
            p { a href=(frame.site.at("/apps", &[&plan.app])) { "Back to " bdi { (plan.app) } } }
            (elements::command(&format!(
                "heraldd {} {} {}", if is_rollback { "rollback" } else { "deploy" }, word(&plan.app), word(&plan.to)
            )))
        },
    )
}

fn plan_form(frame: &Frame<'_>, plan: &AppPlanResource, is_rollback: bool) -> Markup {
    let (act, label) = if is_rollback { ("rollback", "Roll back to ") } else { ("deploy", "Deploy ") };
    let label = format!("{label}{}", revision(&plan.to));
    let mut fields = vec![("revision", plan.to.clone())];
    // What is shown here must still be so.
    fields.extend(plan.from.clone().map(|from| ("if_live", from)));
    let means = if plan.backward { "Undoes the commits above on all nodes." } else { "On all nodes." };
    let form = ActButton {
        fields,
        is_dangerous: plan.backward,
        ..ActButton::new(frame.site.at("/apps", &[&plan.app, act]), &label, means)
    };
    html! { @if frame.may(ACTS, &plan.app) { div.card { (form.form(frame)) } } }
}
