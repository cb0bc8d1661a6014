//! `/published` and `/published/PROJECT`: the projects that are published from etcd, and how one differs from it.

use herald_control::model::{PublishedDiff, PublishedList, PublishedResource};
use maud::{Markup, html};

use crate::elements::{self, ACTS, ActButton, PartUnavailable, encode, sign, word};
use crate::frame::Frame;

/// The most projects of a page.
const MOST: usize = 100;
/// The most files, and the most bytes of each difference, that are shown.
const FILES: usize = 100;
const DIFF: usize = 20_000;

/// The document of `/published`.
#[must_use]
pub fn screen(frame: &Frame<'_>, projects: &PublishedList) -> String {
    let wanted = frame.asked("name").unwrap_or_default();
    let state = frame.asked("state").unwrap_or_default();
    let is_wanted = |one: &&PublishedResource| {
        (one.project.contains(&wanted) || one.host.contains(&wanted))
            && (state.is_empty() || one.state == state)
    };
    let shown: Vec<&PublishedResource> = projects.items.iter().filter(is_wanted).collect();
    let first: usize = frame.asked("from").and_then(|from| from.parse().ok()).unwrap_or(0);
    let next = first.saturating_add(MOST);
    let next = (next < shown.len()).then(|| next.to_string());
    frame.screen(
        "Published",
        &html! {
            form.filter role="search" method="get" action=(frame.site.to("/published")) {
                label { "Project or host" input type="text" name="name" value=(wanted); }
                label { "State" select name="state" {
                    option value="" { "any" }
                    @for one in STATES { option value=(one) selected[one == state] { (one.replace('_', " ")) } }
                } }
                button type="submit" { "Filter" }
            }
            section #published data-part {
                @if shown.is_empty() { (elements::empty_list(frame, "/published", "No project matches.", "No project is published yet. An event of a trigger of the type “etcd” names the first one.")) }
                @else { div.scroll tabindex="0" role="region" aria-label="Projects" { table.cards {
                    thead { tr { th { "Project" } th { "State" } th { "Host" } th { "Files" } th { "Revision" } th { "Published" } th { "Error" } } }
                    tbody { @for one in shown.iter().skip(first).take(MOST) { tr {
                        td.name.lead { a href=(address(frame, &name_of(one, &projects.items))) { bdi { (one.project) } } }
                        td.mark { (elements::status(&one.state)) }
                        td.name data-n="Host" { bdi { (one.host) } }
                        td data-n="Files" { (one.files) }
                        td data-n="Revision" { (one.revision) }
                        td data-n="Published" { (elements::time_or_none(frame, one.published_at.as_deref())) }
                        td.text { bdi { (elements::cut(one.error.as_deref().unwrap_or_default(), 200)) } }
                    } } }
                } } }
                (elements::next_page(frame, "from", next.as_deref()))
            }
            (elements::command("heraldd published    heraldd publish PROJECT"))
        },
    )
}

/// The states of projects.
const STATES: [&str; 6] = ["in_sync", "pending", "publishing", "failed", "held", "drifted"];

/// What calls name it by: its host as well, where several have a project of this name.
#[must_use]
pub fn name_of(one: &PublishedResource, all: &[PublishedResource]) -> String {
    match all.iter().filter(|other| other.project == one.project).count() {
        0 | 1 => one.project.clone(),
        _ => format!("{}/{}", one.host, one.project),
    }
}

fn address(frame: &Frame<'_>, name: &str) -> String {
    frame.site.at("/published", &[name])
}

/// What the screen of a project shows.
pub struct ProjectData {
    /// What calls name it by.
    pub name: String,
    /// The project.
    pub project: PublishedResource,
    /// The routers that publish it.
    pub routers: Vec<String>,
    /// How it differs from etcd, or why that is not known; none where it was not asked for.
    pub diff: Option<Result<PublishedDiff, PartUnavailable>>,
}

/// The document of `/published/PROJECT` and of `/published/PROJECT/diff`.
#[must_use]
pub fn project(frame: &Frame<'_>, data: &ProjectData) -> String {
    let ProjectData { name, project, .. } = data;
    let may = frame.may_all(ACTS, data.routers.iter().map(String::as_str));
    frame.screen(
        &project.project,
        &html! {
            section #state data-part { (state(frame, project)) }
            section #acts data-part { @if may { div.acts { @for act in acts(frame, data) { details { summary { (act.label) " …" } (act.form(frame)) } } (roll_back(frame, data)) } } }
            @match &data.diff {
                None => p { a href=(frame.site.at("/published", &[name, "diff"])) { "What a publication would change" } },
                Some(diff) => (difference(frame, diff)),
            }
            p {
                @for router in data.routers.iter().take(5) {
                    a href={ (frame.site.to("/jobs?router=")) (encode(router)) } { "Jobs of " bdi { (router) } } " "
                }
            }
            (elements::command(&format!("heraldd published {0} --diff    heraldd publish {0}", word(name))))
        },
    )
}

/// What is wrong in this state, and how bad that is.
fn trouble(state: &str) -> Option<(&'static str, &'static str)> {
    match state {
        "held" => {
            Some(("odd", "Held: the files stay as they are, until a key changes or somebody publishes."))
        }
        "drifted" => Some(("odd", "Drifted: files were changed on this machine by somebody else.")),
        "failed" => Some(("bad", "The last publication failed; the files are those of the one before.")),
        _ => None,
    }
}

fn state(frame: &Frame<'_>, project: &PublishedResource) -> Markup {
    html! {
        @if let Some((kind, says)) = trouble(&project.state) {
            p.wrong { (sign(kind)) (says) @if let Some(error) = &project.error { br; bdi { (error) } } }
        }
        dl.card {
            dt { "State" } dd { (elements::status(&project.state)) }
            dt { "Published" } dd { (elements::time_or_none(frame, project.published_at.as_deref())) }
            dt { "Revision of etcd" } dd { (project.revision) }
            dt { "Files" } dd { (project.files) }
            dt { "Keys" } dd { code { (project.prefix) "/" (project.host) "/" (project.project) "/" } }
        }
    }
}

fn acts<'a>(frame: &Frame<'_>, data: &ProjectData) -> Vec<ActButton<'a>> {
    let to = || frame.site.at("/published", &[&data.name, "publish"]);
    let flag = |name: &'a str| vec![(name, "true".to_owned())];
    let mut acts = vec![
        ActButton::new(to(), "Publish", "What etcd has now is published, where it differs."),
        ActButton {
            fields: flag("force"),
            ..ActButton::new(
                to(),
                "Publish all again",
                "Every file is written and every command runs, also where nothing changed.",
            )
        },
    ];
    if data.project.state == "held" {
        let means =
            "What etcd has now is published, although it was wiped or restored: files may be deleted.";
        let accept = ActButton::new(to(), "Accept what etcd has", means);
        acts.insert(0, ActButton { fields: flag("accept"), is_dangerous: true, ..accept });
    }
    acts
}

/// A form that restores what an earlier publication wrote.
fn roll_back(frame: &Frame<'_>, data: &ProjectData) -> Markup {
    html! {
        details { summary { "Roll back …" }
            form.act method="post" action=(frame.site.at("/published", &[&data.name, "publish"])) {
                (elements::form_key(frame))
                p { "Restores the files as a publication left them, until a key changes or somebody publishes." }
                label { "Job of that publication " input type="text" name="rollback" maxlength="100" required; }
                label { "Why " input type="text" name="reason" maxlength="500" placeholder="optional"; }
                button.danger type="submit" { "Roll back" }
            }
        }
    }
}

fn difference(frame: &Frame<'_>, diff: &Result<PublishedDiff, PartUnavailable>) -> Markup {
    html! {
        // It reads all of the project's keys and files.
        section #diff data-part data-gap="10000" {
            h2 { "What a publication would change" }
            @match diff {
                Err(why) => p.wrong { (sign("bad")) bdi { (why.0) } },
                Ok(diff) if diff.equal => p.notice { (sign("good")) "Nothing: the files are as etcd has them." },
                Ok(diff) => {
                    p { (elements::counted(diff.files.len(), "file")) "; secrets read ***." }
                    @for file in diff.files.iter().take(FILES) {
                        details open[diff.files.len() == 1] {
                            summary { bdi { (file.file) } " " span.soft { (file.action) } }
                            pre.diff tabindex="0" { @for line in elements::cut(&file.diff, DIFF).lines() { (diff_line(line)) } }
                        }
                    }
                    @if diff.files.len() > FILES { p.soft { (diff.files.len() - FILES) " more are not shown." } }
                }
            }
            p.soft { "As of " (elements::time(frame, &frame.now.to_string())) "." }
        }
    }
}

fn diff_line(line: &str) -> Markup {
    let kind = match line.as_bytes().first() {
        Some(b'+') => Some("good"),
        Some(b'-') => Some("bad"),
        Some(b'@') => Some("soft"),
        _ => None,
    };
    html! { span class=[kind] { (line) } "\n" }
}

/// Whether somebody has to look at it.
#[must_use]
pub fn needs_attention(project: &PublishedResource) -> bool {
    matches!(&*project.state, "held" | "drifted" | "failed")
}
