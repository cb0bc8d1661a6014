//! `/try`: what an event would start, with its final parameters. Nothing is started, and nothing recorded.

use std::collections::BTreeMap;

use herald_control::model::{Rehearsal, RehearsedTask, TrialResource, TriggerResource};
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::elements::{self, PartUnavailable, word};
use crate::frame::Frame;
use crate::request::MAX_FORM;

/// The methods that a form offers.
const METHODS: [&str; 6] = ["POST", "GET", "PUT", "PATCH", "DELETE", "HEAD"];
/// The type of the triggers that receive requests.
const HTTP: &str = "http";
/// What the headers are unless somebody writes others.
const HEADERS: &str = "Content-Type: application/json";

/// What the form holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TryForm {
    /// The trigger.
    pub trigger: String,
    /// The method of the request.
    pub method: String,
    /// Its path, with its query.
    pub path: String,
    /// Its headers, one a line.
    pub headers: String,
    /// Its body.
    pub body: String,
    /// In place of a request: the parameters, as JSON.
    pub params: String,
    /// Whether authentication and address are not checked.
    pub is_unchecked: bool,
}

impl TryForm {
    /// Of the fields that were sent.
    #[must_use]
    pub fn of(mut fields: BTreeMap<String, String>) -> Self {
        // Browsers write the ends of lines of a text area with a carriage return.
        let mut text = |key: &str| fields.remove(key).unwrap_or_default().replace("\r\n", "\n");
        Self {
            trigger: text("trigger"),
            method: text("method"),
            path: text("path"),
            headers: text("headers"),
            body: text("body"),
            params: text("params"),
            is_unchecked: !text("unchecked").is_empty(),
        }
    }

    /// The request as it is on the wire; `Host` is this machine unless the headers name another.
    #[must_use]
    pub fn request(&self) -> String {
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join("%20");
        let path = one_line(&self.path);
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        let mut lines = vec![format!("{} {path} HTTP/1.1", one_line(&self.method))];
        let headers: Vec<&str> =
            self.headers.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let is_host =
            |line: &&str| line.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("host"));
        if !headers.iter().any(is_host) {
            lines.push("Host: localhost".to_owned());
        }
        lines.extend(headers.into_iter().map(str::to_owned));
        format!("{}\n\n{}", lines.join("\n"), self.body)
    }

    /// The command that does the same.
    #[must_use]
    pub fn command(&self, is_request: bool) -> String {
        let trigger = word(&self.trigger);
        let unchecked = if self.is_unchecked { " --unchecked" } else { "" };
        if is_request {
            let request = word(&self.request());
            return format!(
                "printf %s {request} |\n  heraldd try --trigger {trigger} --request -{unchecked}"
            );
        }
        let params = if self.params.trim().is_empty() { "{}" } else { self.params.trim() };
        format!("heraldd try --trigger {trigger} --data {}", word(params))
    }
}

/// What the screen shows.
pub struct TryData {
    /// The triggers, and those that Herald fires itself.
    pub triggers: Vec<TriggerResource>,
    /// The internal triggers.
    pub internal: Vec<String>,
    /// What the form holds.
    pub form: TryForm,
    /// What came of it; none before it was sent.
    pub outcome: Option<Result<TrialResource, PartUnavailable>>,
}

impl TryData {
    /// What the form asks for, as the API takes it.
    ///
    /// # Errors
    /// [`PartUnavailable`]: the parameters are not a JSON object.
    pub fn wanted(&self) -> Result<Map<String, Value>, PartUnavailable> {
        let form = &self.form;
        if self.is_request() {
            let fields = [
                ("request".to_owned(), Value::from(form.request())),
                ("unchecked".to_owned(), Value::from(form.is_unchecked)),
            ];
            return Ok(fields.into_iter().collect());
        }
        let text = form.params.trim();
        let wrong = |error: serde_json::Error| {
            PartUnavailable(format!("the parameters must be a JSON object: {error}"))
        };
        let params: Map<String, Value> =
            if text.is_empty() { Map::new() } else { serde_json::from_str(text).map_err(wrong)? };
        Ok([("params".to_owned(), Value::Object(params))].into_iter().collect())
    }

    /// Whether the trigger that was chosen receives requests.
    fn is_request(&self) -> bool {
        self.chosen().is_some_and(|trigger| trigger.type_name == HTTP)
    }

    /// The trigger that was chosen; none where it is an internal one.
    fn chosen(&self) -> Option<&TriggerResource> {
        self.triggers.iter().find(|trigger| trigger.name == self.form.trigger)
    }
}

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, data: &TryData) -> String {
    let is_request = data.is_request();
    frame.screen(
        "Try",
        &html! {
            p { "What would an event start? Every selector is asked, also those that run a program. No job is created, and nothing is recorded." }
            (choice(frame, data))
            @if !data.form.trigger.is_empty() { (form(frame, data, is_request)) }
            @match &data.outcome {
                None => {},
                Some(Err(PartUnavailable(why))) => { p #outcome.wrong role="alert" { "✕ " bdi { (why) } } },
                Some(Ok(trial)) => { (outcome(trial)) },
            }
            @if data.outcome.is_some() {
                p.command { "On the command line:" }
                pre.card { code { (data.form.command(is_request)) } }
            } @else { (elements::command("heraldd try --trigger NAME --request FILE    heraldd try --trigger NAME --data JSON")) }
        },
    )
}

/// Which trigger: a form of its own, since the other fields depend on it.
fn choice(frame: &Frame<'_>, data: &TryData) -> Markup {
    let chosen = &data.form.trigger;
    html! {
        form.filter method="get" action=(frame.site.to("/try")) {
            label { "Trigger" select name="trigger" required {
                @if chosen.is_empty() { option value="" { "choose …" } }
                @for trigger in &data.triggers {
                    option value=(trigger.name) selected[trigger.name == *chosen] {
                        (trigger.name) @if trigger.type_name != trigger.name { " (" (trigger.type_name) ")" }
                    }
                }
                optgroup label="Fired by Herald itself" {
                    @for name in &data.internal { option value=(name) selected[name == chosen] { (name) } }
                }
            } }
            button.plain type="submit" { "Choose" }
        }
    }
}

fn form(frame: &Frame<'_>, data: &TryData, is_request: bool) -> Markup {
    let form = &data.form;
    let is_new = data.outcome.is_none();
    let or =
        |text: &str, other: &str| if is_new && text.is_empty() { other.to_owned() } else { text.to_owned() };
    let path = data.chosen().and_then(|trigger| trigger.path.as_deref());
    html! {
        form.act.try.card method="post" action={ (frame.site.to("/try")) "#outcome" } data-most=(MAX_FORM) {
            input type="hidden" name="trigger" value=(form.trigger);
            h2 { @if is_request { "A request to " } @else { "An event of " } bdi { (form.trigger) } }
            @if is_request {
                div.row {
                    label { "Method" select name="method" {
                        @for method in METHODS { option value=(method) selected[method == form.method] { (method) } }
                    } }
                    label.wide { "Path and query" input type="text" name="path" maxlength="8000" value=(or(&form.path, path.unwrap_or("/"))) aria-describedby=[is_pattern(path).then_some("pattern")]; }
                }
                @if is_pattern(path) { p #pattern .soft { "The trigger takes " code { (path.unwrap_or_default()) } ": write something in place of what is in braces." } }
                label { "Headers, one a line" textarea name="headers" rows="3" spellcheck="false" { "\n" (or(&form.headers, HEADERS)) } }
                label { "Body" textarea.tall name="body" rows="8" spellcheck="false" { "\n" (or(&form.body, "{}")) } }
                label.check { input type="checkbox" name="unchecked" value="true" checked[form.is_unchecked]; "without the checks of authentication and address" }
            } @else {
                label { "Parameters of the event (a JSON object)" textarea.tall name="params" rows="8" spellcheck="false" { "\n" (or(&form.params, "{}")) } }
            }
            button type="submit" { "Try" }
        }
    }
}

/// Whether a part of the path can be anything.
fn is_pattern(path: Option<&str>) -> bool {
    path.is_some_and(|path| path.contains('{'))
}

fn outcome(trial: &TrialResource) -> Markup {
    html! {
        section #outcome aria-label="Outcome" {
            @if let Some(response) = &trial.response {
                h2 { "No event" }
                @let class = if response.status < 400 { "notice" } else { "wrong" };
                p class=(class) { "The response would be " b { (response.status) } ": " bdi { (response.why) } }
            }
            @if let Some(rehearsal) = &trial.rehearsal { (rehearsed(rehearsal)) }
        }
    }
}

fn rehearsed(rehearsal: &Rehearsal) -> Markup {
    let count = rehearsal.tasks.iter().filter(|task| task.params.is_some()).count();
    html! {
        h2 { @match count { 0 => "No job would be created", 1 => "One job would be created", _ => { (count) " jobs would be created" } } }
        @if rehearsal.tasks.is_empty() { p.empty { "No router names this trigger." } }
        @else { div.scroll tabindex="0" role="region" aria-label="Answers of the selectors" { table.cards {
            thead { tr { th { "Router" } th { "Task" } th { "Selector" } th { "Matches" } th { "Why" } th { "Executor" } } }
            tbody { @for task in &rehearsal.tasks { tr {
                td.name.lead { bdi { (task.router) } }
                td.name { bdi { (task.task) } }
                td.name data-n="Selector" { bdi { (task.selector) } }
                td.mark { (elements::status(&task.answer)) }
                td.text { bdi { (task.why) } }
                td.name data-n="Executor" { bdi { (task.executor) } }
            } } }
        } } }
        @for task in &rehearsal.tasks { (job(task)) }
        (elements::values("Parameters of the event", &rehearsal.trigger_param))
    }
}

/// What the executor would get.
fn job(task: &RehearsedTask) -> Markup {
    let name = || html! { bdi { (task.router) } " ▸ " bdi { (task.task) } };
    let part = |params: &Map<String, Value>, key: &str| {
        params
            .get(key)
            .map(|value| serde_json::to_string_pretty(value).unwrap_or_default())
            .unwrap_or_default()
    };
    html! {
        @if let Some(error) = &task.error { p.wrong { "✕ " (name()) " would fail at once: " bdi { (error) } } }
        @if let Some(params) = &task.params {
            h3 { (name()) " would get" }
            pre.card.json { (part(params, "job_param")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> TryForm {
        TryForm::of(fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn requests_and_their_commands() {
        for (fields, request, command) in [
            (
                &[
                    ("trigger", "hook"),
                    ("method", "POST"),
                    ("path", "/x?a=1"),
                    ("headers", "A: b\r\n\r\nC: d"),
                    ("body", "{\r\n}"),
                ][..],
                "POST /x?a=1 HTTP/1.1\nHost: localhost\nA: b\nC: d\n\n{\n}",
                "printf %s 'POST /x?a=1 HTTP/1.1\nHost: localhost\nA: b\nC: d\n\n{\n}' |\n  heraldd try --trigger hook --request -",
            ),
            (
                &[
                    ("trigger", "a b"),
                    ("method", "GET"),
                    ("path", "x y\nEvil: z"),
                    ("headers", "HOST: h"),
                    ("unchecked", "true"),
                ],
                "GET /x%20y%20Evil:%20z HTTP/1.1\nHOST: h\n\n",
                "printf %s 'GET /x%20y%20Evil:%20z HTTP/1.1\nHOST: h\n\n' |\n  heraldd try --trigger 'a b' --request - --unchecked",
            ),
        ] {
            let form = form(fields);
            assert_eq!(form.request(), request);
            assert_eq!(form.command(true), command);
        }
        let params = form(&[("trigger", "tick"), ("params", "{\"a\": \"it's\"}")]);
        assert_eq!(params.command(false), r#"heraldd try --trigger tick --data '{"a": "it'\''s"}'"#);
        assert_eq!(form(&[("trigger", "tick")]).command(false), "heraldd try --trigger tick --data '{}'");
    }
}
