//! `/routers`: the routers with how their last jobs ended, and the triggers.

use std::collections::BTreeMap;

use herald_access::Role;
use herald_control::model::{RouterResource, RouterRun, RouterRuns, TriggerResource};
use herald_terminal::human_time;
use jiff::SignedDuration;
use maud::{Markup, html};

use super::events::fire_form;
use crate::elements::{self, ActButton, encode, status_look};
use crate::frame::Frame;

/// The most routers of a page.
const ROUTERS: usize = 100;
/// What a run takes of the picture of the last runs, and how high its parts are.
const STEP: usize = 3;
const ABOVE: f64 = 18.0;
const BELOW: f64 = 6.0;

/// The routers of one page of the list.
pub struct RouterPage<'a> {
    /// Those that are shown.
    pub shown: Vec<&'a RouterResource>,
    /// Where the next page begins.
    next: Option<String>,
}

/// Those whose name or trigger holds `name`; `from` is where the page begins, as its address says it.
#[must_use]
pub fn page_of<'a>(routers: &'a [RouterResource], name: Option<&str>, from: Option<&str>) -> RouterPage<'a> {
    let name = name.unwrap_or_default();
    let first: usize = from.and_then(|from| from.parse().ok()).unwrap_or(0);
    let is_wanted = |router: &&RouterResource| router.name.contains(name) || router.trigger.contains(name);
    let mut rest = routers.iter().filter(is_wanted).skip(first).peekable();
    let shown = rest.by_ref().take(ROUTERS).collect();
    let next = rest.peek().map(|_| first.saturating_add(ROUTERS).to_string());
    RouterPage { shown, next }
}

/// What the screen shows.
pub struct RoutersData {
    /// The routers.
    pub routers: Vec<RouterResource>,
    /// The triggers.
    pub triggers: Vec<TriggerResource>,
    /// The last jobs of the routers that are shown, as far as they are known.
    pub runs: BTreeMap<String, RouterRuns>,
    /// Whether more of them can be found out.
    pub is_partial: bool,
}

/// The document of `/routers`.
#[must_use]
pub fn screen(frame: &Frame<'_>, data: &RoutersData) -> String {
    let RoutersData { routers, triggers, .. } = data;
    let wanted = frame.asked("name").unwrap_or_default();
    let page = page_of(routers, Some(&wanted), frame.asked("from").as_deref());
    frame.screen(
        "Routers",
        &html! {
            form.filter role="search" method="get" action=(frame.site.to("/routers")) {
                label { "Router or trigger" input type="text" name="name" value=(wanted); }
                button type="submit" { "Filter" }
            }
            section #routers data-part data-again[data.is_partial] {
                @if page.shown.is_empty() { (elements::empty_list(frame, "/routers", "No router matches.", "No router is configured. The section “router” names what each trigger starts.")) }
                @else { div.scroll tabindex="0" role="region" aria-label="Routers" { table.cards {
                    thead { tr { th { "Router" } th { "Trigger" } th { "Selector" } th { "Tasks" } th { "Last jobs" } th { "Pause" } } }
                    tbody { @for router in &page.shown { (router_row(frame, router, data.runs.get(&router.name))) } }
                } }
                p.soft { "A bar is a job, the newest at the right, and as high as it took long; what failed goes below the line. At most 30 s old." } }
                (elements::next_page(frame, "from", page.next.as_deref()))
            }
            section #triggers data-part {
                h2 { "Triggers" }
                @let is_wanted = |one: &&TriggerResource| one.name.contains(&wanted) || page.shown.iter().any(|router| router.trigger == one.name);
                @if triggers.is_empty() { p.empty { "No trigger is configured. The section “trigger” names what can happen: a request, a time, a message." } }
                @else if !triggers.iter().any(|one| is_wanted(&one)) { p.empty { "No trigger matches. " a href=(frame.site.to("/routers")) { "Show all" } } }
                @else { div.scroll tabindex="0" role="region" aria-label="Triggers" { table.cards {
                    thead { tr { th { "Trigger" } th { "Type" } th { "Next" } th { "By hand" } } }
                    tbody { @for trigger in triggers.iter().filter(is_wanted).take(ROUTERS) { (trigger_row(frame, trigger, routers)) } }
                } } }
            }
            (elements::command("heraldd routers    heraldd stats    heraldd pause ROUTER    heraldd resume ROUTER    heraldd triggers    heraldd trigger NAME"))
        },
    )
}

fn router_row(frame: &Frame<'_>, router: &RouterResource, runs: Option<&RouterRuns>) -> Markup {
    html! {
        tr {
            td.name.lead {
                @match frame.site.links.get(&router.name) {
                    Some(link) => { a href=(link) rel="noreferrer" { bdi { (router.name) } } },
                    None => { bdi { (router.name) } },
                }
            }
            td.name data-n="Trigger" { bdi { (router.trigger) } }
            td.name data-n="Selector" { bdi { (router.selector) } }
            td.text { @for (n, task) in router.tasks.iter().enumerate() {
                @if n > 0 { br; }
                bdi { (task.task) } " → " bdi { (task.executor) }
                (elements::values("parameters", &task.job_param))
            } }
            td.runs { (last_runs(frame, router, runs)) }
            td.fold { (pause_of(frame, router)) }
        }
    }
}

/// How the last jobs ended, and how long they took.
fn last_runs(frame: &Frame<'_>, router: &RouterResource, runs: Option<&RouterRuns>) -> Markup {
    let jobs = format!("{}{}", frame.site.to("/jobs?router="), encode(&router.name));
    let seconds = |seconds: f64| {
        SignedDuration::try_from_secs_f64(seconds).map_or_else(|_| String::new(), human_time::span)
    };
    html! {
        @match runs {
            None => a href=(jobs) { "Jobs" },
            Some(runs) if runs.runs.is_empty() => { a href=(jobs) { "Jobs" } " " span.soft { "none has ended yet" } },
            Some(runs) => {
                a href=(jobs) title=(words(&runs.runs)) { (share(&runs.runs)) " of " (runs.runs.len()) " succeeded" (bars(&runs.runs)) }
                @if let (Some(median), Some(p95)) = (runs.median_seconds, runs.p95_seconds) {
                    span.soft title="Half of them took less, and 95 % of them" { "p50 " (seconds(median)) " · p95 " (seconds(p95)) }
                }
            }
        }
    }
}

/// `47 succeeded, 3 failed`.
fn words(runs: &[RouterRun]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for run in runs {
        *counts.entry(&run.status).or_default() += 1;
    }
    let word = |(status, count): (&str, usize)| format!("{count} {}", status.replace('_', " "));
    counts.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

/// The share that succeeded, never rounded to all or to none.
fn share(runs: &[RouterRun]) -> String {
    let good = runs.iter().filter(|run| run.status == "succeeded").count();
    let percent = (good * 100 + runs.len() / 2) / runs.len().max(1);
    let percent = if good == runs.len() { 100 } else { percent.min(99).max(usize::from(good > 0)) };
    format!("{percent} %")
}

/// A line for each kind of end, so that fifty bars are a few hundred bytes.
fn bars(runs: &[RouterRun]) -> Markup {
    let longest = runs.iter().filter_map(|run| run.seconds).fold(0.001, f64::max);
    let mut lines: BTreeMap<&str, String> = BTreeMap::new();
    for (n, run) in runs.iter().enumerate() {
        let kind = status_look(&run.status).kind;
        // Longer ones are higher, and short ones can be seen beside them.
        let up = 2.0 + (ABOVE - 2.0) * (run.seconds.unwrap_or_default() / longest).clamp(0.0, 1.0).sqrt();
        let down = if kind == "bad" { BELOW } else { 0.0 };
        let x = n * STEP + STEP / 2;
        let line = lines.entry(kind).or_default();
        line.push_str(&format!("M{x} {:.0}v-{:.0}", ABOVE + down, up + down));
    }
    let width = runs.len().max(1) * STEP;
    html! {
        svg.runs width=(width) height=(ABOVE + BELOW) viewBox={ "0 0 " (width) " " (ABOVE + BELOW) } aria-hidden="true" {
            path.base d={ "M0 " (ABOVE) "h" (width) } {}
            @for (kind, line) in &lines { path class=(kind) d=(line) {} }
        }
    }
}

/// The pause of a router, and what ends or begins it.
fn pause_of(frame: &Frame<'_>, router: &RouterResource) -> Markup {
    let to = |act: &str| frame.site.at("/routers", &[&router.name, act]);
    let may = frame.may(Role::Operator, &router.name);
    html! {
        @match &router.paused {
            Some(pause) => {
                span.odd { "▲ paused" } " since " (elements::time(frame, &pause.since)) ", until "
                @match &pause.until { Some(until) => { (elements::time(frame, until)) }, None => { "somebody resumes it" } }
                " " span.soft { "by " (elements::actor(&pause.by)) }
                @if may { details { summary { "Resume …" } (ActButton { asks_reason: false, ..ActButton::new(to("resume"), "Resume", "It starts jobs again, first those that wait.") }.form(frame)) } }
            },
            None if may => { details { summary { "Pause …" } form.act method="post" action=(to("pause")) {
                (elements::form_key(frame))
                p { "Its events are accepted, and its jobs wait until it is resumed." }
                label { "How long (empty: until somebody resumes it) " input type="text" name="for" maxlength="50" placeholder="2h"; }
                label { "Why " input type="text" name="reason" maxlength="500" placeholder="optional"; }
                button type="submit" { "Pause" }
            } } },
            None => {},
        }
    }
}

fn trigger_row(frame: &Frame<'_>, trigger: &TriggerResource, routers: &[RouterResource]) -> Markup {
    let own: Vec<&str> =
        routers.iter().filter(|router| router.trigger == trigger.name).map(|router| &*router.name).collect();
    html! {
        tr {
            td.name.lead { bdi { (trigger.name) } }
            td.mark { (trigger.type_name) }
            td data-n="Next" { @match (trigger.next.first(), trigger.every_seconds) {
                (Some(next), _) => { (elements::time(frame, next)) @if trigger.waits_for_clock { " (the clock was set back)" } },
                (None, Some(every)) => { (human_time::every(std::time::Duration::try_from_secs_f64(every).unwrap_or_default())) },
                (None, None) => { span.soft { "on demand" } },
            } }
            td.text { (fire_form(frame, &trigger.name, &own)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(statuses: &[(&str, f64)]) -> Vec<RouterRun> {
        let run = |(status, seconds): &(&str, f64)| RouterRun {
            status: (*status).to_owned(),
            seconds: Some(*seconds),
        };
        statuses.iter().map(run).collect()
    }

    #[test]
    fn shares_are_not_rounded_to_all_or_to_none() {
        for (good, of, expected) in
            [(50, 50, "100 %"), (199, 200, "99 %"), (1, 300, "1 %"), (0, 7, "0 %"), (2, 3, "67 %")]
        {
            let all = (0..of).map(|n| (if n < good { "succeeded" } else { "failed" }, 1.0));
            assert_eq!(share(&runs(&all.collect::<Vec<_>>())), expected, "{good} of {of}");
        }
    }

    #[test]
    fn bars_are_as_high_as_jobs_were_long_and_failures_go_below_the_line() {
        let html = bars(&runs(&[("succeeded", 1.0), ("failed", 4.0), ("cancelled", 0.0)])).into_string();
        for part in [
            "<svg class=\"runs\" width=\"9\"",
            "<path class=\"good\" d=\"M1 18v-10\">",
            "<path class=\"bad\" d=\"M4 24v-24\">",
            "<path class=\"none\" d=\"M7 18v-2\">",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let fifty = bars(&runs(&[("succeeded", 1.0); 50])).into_string();
        assert!(fifty.len() < 1000, "{} bytes", fifty.len());
        assert_eq!(words(&runs(&[("timed_out", 1.0), ("succeeded", 1.0)])), "1 succeeded, 1 timed out");
    }
}
