//! The result of an event, as the response to its request: `respond: result`.

use herald_core::depth::NOT_THE_RESULT;
use herald_core::param::Params;
use herald_core::status::Status;
use herald_core::watch::{Ended, Made};
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::fixed::{Fixed, text_reply};
use herald_net::serve::{JsonReply, error_reply, json_reply};

/// The result of an event: its finished jobs, and the unfinished ones.
pub(crate) struct EventResult {
    pub(crate) event_id: String,
    pub(crate) ended: Vec<Ended>,
    pub(crate) open: Vec<Made>,
}

/// Whether the caller prefers text to JSON (RFC 9110, 12.5.1): by quality, then by which is named more exactly, then by
/// which comes first.
pub(crate) fn wants_text(headers: &HeaderMap) -> bool {
    let given = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<(String, f32)> = given.flat_map(|value| value.split(',')).map(range).collect();
    let wish = |names: [&str; 3]| {
        let found = names.iter().enumerate().find_map(|(exact, name)| {
            let place = ranges.iter().position(|(range, _)| range == name)?;
            Some((ranges[place].1, std::cmp::Reverse(exact), std::cmp::Reverse(place)))
        });
        found.filter(|(quality, ..)| *quality > 0.0)
    };
    let text = wish(["text/plain", "text/*", "*/*"]);
    text.is_some() && text > wish(["application/json", "application/*", "*/*"])
}

/// A media range and how much it is wanted, 0 to 1.
fn range(one: &str) -> (String, f32) {
    let mut parts = one.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, quality.and_then(|quality| quality.trim().parse().ok()).unwrap_or(1.0))
}

impl EventResult {
    fn all_succeeded(&self) -> bool {
        self.open.is_empty() && self.ended.iter().all(|ended| ended.status == Status::Succeeded)
    }

    /// The answer.
    pub(crate) fn reply(&self, text: bool, fixed: &Fixed) -> JsonReply {
        if fixed.plain
            && let Some(why) = self.ended.iter().find_map(not_as_written)
        {
            return fixed.failed.put(error_reply(StatusCode::BAD_GATEWAY, &why));
        }
        let good = self.all_succeeded();
        let status = if good { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
        let matched = self.ended.len() + self.open.len();
        let reply = if fixed.plain {
            text_reply(status, self.ended.iter().map(output).collect::<String>())
        } else if text {
            text_reply(status, self.text())
        } else {
            json_reply(status, self.json(matched).to_string())
        };
        match (matched, good) {
            (0, _) => fixed.unmatched.put(reply),
            (_, true) => fixed.matched.put(reply),
            (_, false) => fixed.failed.put(reply),
        }
    }

    fn json(&self, matched: usize) -> Value {
        let jobs: Vec<Value> = self
            .ended
            .iter()
            .map(|ended| {
                json!({
                    "job_id": &*ended.job_id,
                    "router": &*ended.router,
                    "task": &*ended.task,
                    "status": ended.status.as_str(),
                    "error": ended.error,
                    "result": ended.result,
                })
            })
            .collect();
        let mut answer = json!({"event_id": self.event_id, "matched": matched, "jobs": jobs});
        if !self.open.is_empty() {
            let open =
                |made: &Made| json!({"job_id": &*made.job_id, "router": &*made.router, "task": &*made.task});
            answer["unfinished"] = json!(self.open.len());
            answer["unfinished_jobs"] = self.open.iter().map(open).collect();
        }
        answer
    }

    /// A block for each job, and for each node of a job.
    fn text(&self) -> String {
        let mut all: Vec<String> = self.ended.iter().flat_map(blocks).collect();
        all.extend(self.open.iter().map(|made| {
            format!(
                "== {}/{}: has not ended yet\n-- it goes on as job {}\n",
                made.router, made.task, made.job_id
            )
        }));
        if all.is_empty() {
            all.push("no router matched this event\n".to_owned());
        }
        all.join("\n")
    }
}

/// What Herald adds to what a job wrote, and to what a node's part of a job wrote.
const ADDED: [&str; 8] =
    ["exit_code", "signal", "stderr", "truncated", "invalid_utf8", "status", "error", "attempt"];
/// How many of these are added to what a job wrote.
const OF_JOB: usize = 5;

/// A job, or the part of a job on one node.
struct JobPart<'a> {
    status: &'a str,
    error: Option<&'a str>,
    result: &'a Params,
    /// The keys that Herald added to the result.
    added: &'a [&'a str],
}

fn blocks(ended: &Ended) -> Vec<String> {
    let name = format!("{}/{}", ended.router, ended.task);
    match nodes(ended) {
        None => {
            let (status, error) = (ended.status.as_str(), ended.error.as_deref());
            vec![block(&name, &JobPart { status, error, result: &ended.result, added: &ADDED[..OF_JOB] })]
        }
        Some(nodes) => nodes
            .map(|(node, child)| {
                let text = |key: &str| child.get(key).and_then(Value::as_str);
                let (status, error) = (text("status").unwrap_or("?"), text("error"));
                let part = JobPart { status, error, result: child, added: &ADDED };
                block(&format!("{name} on {node}"), &part)
            })
            .collect(),
    }
}

/// The nodes of a job on several nodes, and what each gave.
fn nodes(ended: &Ended) -> Option<impl Iterator<Item = (&String, &Params)>> {
    let nodes = ended.result.get("node")?.as_object()?;
    let is_child = |child: &Value| child.get("status").is_some_and(Value::is_string);
    nodes
        .values()
        .all(is_child)
        .then(|| nodes.iter().filter_map(|(node, child)| child.as_object().map(|child| (node, child))))
}

fn block(name: &str, part: &JobPart<'_>) -> String {
    let JobPart { status, error, result, added } = *part;
    let mut block = format!("== {name}: {status}\n");
    if let Some(error) = error {
        block.push_str(&format!("-- {error}\n"));
    }
    let stderr = result.get("stderr").and_then(Value::as_str).unwrap_or_default();
    for text in [written(result, added, keys), stderr.to_owned()] {
        block.push_str(&text);
        if !text.is_empty() && !text.ends_with('\n') {
            block.push('\n');
        }
    }
    block
}

/// What a job wrote to its standard output: text as it was, and JSON as `json` shows it.
fn written(result: &Params, added: &[&str], json: fn(&Params) -> String) -> String {
    let own: Params = result
        .iter()
        .filter(|(key, _)| !added.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    // Beside an output that is text, a note is what Herald says of it.
    let has_note = own.get("note").and_then(Value::as_str).is_some_and(|note| note.contains(NOT_THE_RESULT));
    match own.get("output") {
        Some(Value::String(output)) if own.len() == 1 + usize::from(has_note) => output.clone(),
        _ if own.is_empty() => String::new(),
        _ => json(&own),
    }
}

/// A line for each key.
fn keys(own: &Params) -> String {
    let line = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{key}: {text}\n"),
        other => format!("{key}: {other}\n"),
    };
    own.iter().map(line).collect()
}

fn json_line(own: &Params) -> String {
    format!("{}\n", Value::Object(own.clone()))
}

/// Why what is kept of a job's output is not all that it wrote, or not as it was.
fn not_as_written(ended: &Ended) -> Option<String> {
    let says = |key: &str| {
        let says = |result: &Params| result.get(key) == Some(&Value::Bool(true));
        nodes(ended).map_or_else(|| says(&ended.result), |mut nodes| nodes.any(|(_, child)| says(child)))
    };
    let (router, task, id) = (&ended.router, &ended.task, &ended.job_id);
    if says("truncated") {
        return Some(format!(
            "the output of {router}/{task} is longer than its `output_limit`; it is kept as far as that goes, in the job {id}"
        ));
    }
    says("invalid_utf8").then(|| {
        format!(
            "the output of {router}/{task} is not text (UTF-8), and nothing else can be answered; let it write Base64, say \
             (job {id})"
        )
    })
}

/// What a job wrote and nothing else.
fn output(ended: &Ended) -> String {
    match nodes(ended) {
        Some(nodes) => nodes.map(|(_, child)| written(child, &ADDED, json_line)).collect(),
        None => written(&ended.result, &ADDED[..OF_JOB], json_line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http_body_util::BodyExt as _;

    fn ended(task: &str, status: Status, result: Value) -> Ended {
        Ended {
            job_id: "j".into(),
            router: "r".into(),
            task: task.into(),
            status,
            error: (status != Status::Succeeded).then(|| "exit code 3".to_owned()),
            result: result.as_object().unwrap().clone(),
        }
    }

    async fn answered(ended: Vec<Ended>, open: usize, text: bool, fixed: Value) -> (u16, String) {
        let made =
            |n| Made { job_id: format!("j{n}").as_str().into(), router: "r".into(), task: "late".into() };
        let open = (0..open).map(made).collect();
        let outcome = EventResult { event_id: "e".to_owned(), ended, open };
        let reply = outcome.reply(text, &serde_json::from_value(fixed).unwrap());
        let status = reply.status().as_u16();
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn answers() {
        let good = || ended("a", Status::Succeeded, json!({"output": "fine\n", "exit_code": 0}));
        let bad = || ended("b", Status::Failed, json!({"output": "so\n", "stderr": "oh no", "exit_code": 3}));
        let own = || ended("c", Status::Succeeded, json!({"tag": "v1", "n": 5, "exit_code": 0}));
        let all = || {
            let wrote = json!({"status": "green", "output": "x", "error": "e", "n": {"a": 1.0}, "stderr": "s", "exit_code": 0});
            ended("d", Status::Succeeded, wrote)
        };
        let child = |text: &str| json!({"status": "succeeded", "output": text, "exit_code": 0, "attempt": 1});
        let nodes =
            || ended("f", Status::Succeeded, json!({"node": {"web1": child("1\n"), "web2": child("2\n")}}));
        for (jobs, open, fixed, status, text) in [
            (vec![good()], 0, json!({}), 200, "== r/a: succeeded\nfine\n"),
            (
                vec![good(), bad()],
                0,
                json!({}),
                502,
                "== r/a: succeeded\nfine\n\n== r/b: failed\n-- exit code 3\nso\noh no\n",
            ),
            (vec![own()], 0, json!({}), 200, "== r/c: succeeded\ntag: v1\nn: 5\n"),
            (
                vec![nodes()],
                0,
                json!({}),
                200,
                "== r/f on web1: succeeded\n1\n\n== r/f on web2: succeeded\n2\n",
            ),
            (
                vec![good()],
                1,
                json!({}),
                502,
                "== r/a: succeeded\nfine\n\n== r/late: has not ended yet\n-- it goes on as job j0\n",
            ),
            (
                vec![all()],
                0,
                json!({}),
                200,
                "== r/d: succeeded\nstatus: green\noutput: x\nerror: e\nn: {\"a\":1.0}\ns\n",
            ),
            (
                vec![all()],
                0,
                json!({"plain": true}),
                200,
                "{\"status\":\"green\",\"output\":\"x\",\"error\":\"e\",\"n\":{\"a\":1.0}}\n",
            ),
            (vec![], 0, json!({}), 200, "no router matched this event\n"),
            (vec![good(), nodes()], 0, json!({"plain": true}), 200, "fine\n1\n2\n"),
            (vec![good()], 0, json!({"matched": {"status": 201, "body": "OK"}}), 201, "OK"),
            (vec![bad()], 0, json!({"failed": {"status": 500, "body": "no"}}), 500, "no"),
            (vec![], 0, json!({"unmatched": {"body": "nobody"}}), 200, "nobody"),
        ] {
            assert_eq!(answered(jobs, open, true, fixed.clone()).await, (status, text.to_owned()), "{fixed}");
        }
    }

    #[tokio::test]
    async fn a_plain_answer_is_whole_or_an_error() {
        let cut =
            || ended("a", Status::Succeeded, json!({"output": "aaa", "truncated": true, "exit_code": 0}));
        let child = json!({"status": "succeeded", "output": "aaa", "truncated": true});
        let nodes = || ended("f", Status::Succeeded, json!({"node": {"web1": child}}));
        let jobs: [&dyn Fn() -> Ended; 2] = [&cut, &nodes];
        for job in jobs {
            let (status, text) = answered(vec![job()], 0, false, json!({"plain": true})).await;
            assert!(
                status == 502 && text.contains("output_limit") && !text.contains("aaa"),
                "{status} {text}"
            );
            let words = json!({"plain": true, "failed": {"status": 500, "body": "failed"}});
            assert_eq!(answered(vec![job()], 0, false, words).await, (500, "failed".to_owned()));
            assert_eq!(answered(vec![job()], 0, false, json!({})).await.0, 200);
        }
    }

    #[tokio::test]
    async fn a_plain_answer_is_what_was_written_or_an_error() {
        let bytes = json!({"output": "\u{fffd}PNG", "invalid_utf8": true, "exit_code": 0});
        let nodes =
            json!({"node": {"web1": {"status": "succeeded", "output": "\u{fffd}", "invalid_utf8": true}}});
        let plain = json!({"plain": true});
        for result in [bytes.clone(), nodes] {
            let job = || vec![ended("a", Status::Succeeded, result.clone())];
            let (status, text) = answered(job(), 0, false, plain.clone()).await;
            assert!(status == 502 && text.contains("r/a is not text (UTF-8)"), "{status} {text}");
            assert_eq!(answered(job(), 0, false, json!({})).await.0, 200);
        }
        let text = answered(vec![ended("a", Status::Succeeded, bytes)], 0, true, json!({})).await;
        assert_eq!(text, (200, "== r/a: succeeded\n\u{fffd}PNG\n".to_owned()));
        let noted = json!({"output": "a\n{\"b\":1}", "note": "other text, so that it is not the result", "exit_code": 0});
        let noted = vec![ended("a", Status::Succeeded, noted)];
        assert_eq!(answered(noted, 0, false, plain.clone()).await, (200, "a\n{\"b\":1}".to_owned()));
        // The program's own.
        let own = vec![ended("a", Status::Succeeded, json!({"output": "a", "note": "b", "exit_code": 0}))];
        let own = answered(own, 0, false, plain).await.1;
        assert_eq!(serde_json::from_str::<Value>(&own).unwrap(), json!({"output": "a", "note": "b"}));
    }

    #[tokio::test]
    async fn as_json_every_job_is_there() {
        let bad = ended("b", Status::Failed, json!({"output": "so\n", "stderr": "oh no", "exit_code": 3}));
        let (status, body) = answered(vec![bad], 1, false, json!({})).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["matched"], &body["unfinished"]), (502, &json!(2), &json!(1)));
        assert_eq!(body["unfinished_jobs"], json!([{"job_id": "j0", "router": "r", "task": "late"}]));
        assert_eq!(body["jobs"][0]["status"], "failed");
        assert_eq!(body["jobs"][0]["result"]["stderr"], "oh no");
    }

    #[test]
    fn who_wants_text() {
        for (accept, text) in [
            (None, false),
            (Some("text/plain"), true),
            (Some("TEXT/Plain;charset=utf-8"), true),
            (Some("text/plain; q=0.9, */*"), false),
            (Some("text/plain, */*"), true),
            (Some("text/plain;q=0.1, application/json"), false),
            (Some("application/json;q=0.5, text/plain;q=0.6"), true),
            (Some("text/plain, application/json"), true),
            (Some("text/plain;q=0"), false),
            (Some("text/*, application/*"), true),
            (Some("application/json, text/plain"), false),
            (Some("*/*"), false),
            (Some("text/html, text/plain"), true),
        ] {
            let mut headers = HeaderMap::new();
            accept.map(|accept| headers.insert(ACCEPT, HeaderValue::from_static(accept)));
            assert_eq!(wants_text(&headers), text, "{accept:?}");
        }
    }
}
