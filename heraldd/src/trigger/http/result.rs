//! What became of an event, for whoever sent it: `respond: result`.

use herald_core::status::Status;
use herald_core::watch::Ended;
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::fixed::{Fixed, text_reply};
use crate::server::{Reply, json_reply};

/// What became of it: the jobs that have ended, and how many have not.
pub(super) struct Outcome {
    pub(super) event_id: String,
    pub(super) ended: Vec<Ended>,
    pub(super) open: usize,
}

/// Whether the caller wants text.
pub(super) fn wants_text(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut first = accepted
        .flat_map(|value| value.split(','))
        .map(|one| one.split(';').next().unwrap_or_default().trim());
    let known = first.find(|one| ["text/plain", "text/*", "application/json", "*/*"].contains(one));
    matches!(known, Some("text/plain" | "text/*"))
}

impl Outcome {
    fn all_succeeded(&self) -> bool {
        self.open == 0 && self.ended.iter().all(|ended| ended.status == Status::Succeeded)
    }

    /// The answer.
    pub(super) fn reply(&self, text: bool, fixed: &Fixed) -> Reply {
        let good = self.all_succeeded();
        let status = if good { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
        let matched = self.ended.len() + self.open;
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
        if self.open > 0 {
            answer["unfinished"] = json!(self.open);
        }
        answer
    }

    /// A block for each job, and for each node of a job.
    fn text(&self) -> String {
        let mut blocks: Vec<String> = self.ended.iter().flat_map(blocks).collect();
        match (self.open, blocks.is_empty()) {
            (0, true) => blocks.push("no router wants this event\n".to_owned()),
            (0, false) => {}
            (open, _) => blocks.push(format!("{open} jobs have not ended yet\n")),
        }
        blocks.join("\n")
    }
}

fn blocks(ended: &Ended) -> Vec<String> {
    let name = format!("{}/{}", ended.router, ended.task);
    match ended.result.get("node").and_then(Value::as_object) {
        None => vec![block(
            &name,
            ended.status.as_str(),
            ended.error.as_deref(),
            &Value::Object(ended.result.clone()),
        )],
        Some(nodes) => nodes
            .iter()
            .map(|(node, child)| {
                let text = |key: &str| child.get(key).and_then(Value::as_str);
                block(&format!("{name} on {node}"), text("status").unwrap_or("?"), text("error"), child)
            })
            .collect(),
    }
}

fn block(name: &str, status: &str, error: Option<&str>, result: &Value) -> String {
    let mut block = format!("== {name}: {status}\n");
    if let Some(error) = error {
        block.push_str(&format!("-- {error}\n"));
    }
    for text in [written(result), result.get("stderr").and_then(Value::as_str).unwrap_or_default().to_owned()]
    {
        block.push_str(&text);
        if !text.is_empty() && !text.ends_with('\n') {
            block.push('\n');
        }
    }
    block
}

/// What a job wrote; the keys of its result where it wrote JSON.
fn written(result: &Value) -> String {
    if let Some(output) = result.get("output").and_then(Value::as_str) {
        return output.to_owned();
    }
    let Value::Object(result) = result else { return String::new() };
    let own: Vec<(&String, &Value)> = result
        .iter()
        .filter(|(key, _)| {
            !["exit_code", "signal", "stderr", "truncated", "status", "error"].contains(&key.as_str())
        })
        .collect();
    own.iter()
        .map(|(key, value)| match value {
            Value::String(text) => format!("{key}: {text}\n"),
            other => format!("{key}: {other}\n"),
        })
        .collect()
}

fn output(ended: &Ended) -> String {
    let of = |result: &Value| result.get("output").and_then(Value::as_str).map(str::to_owned);
    let result = Value::Object(ended.result.clone());
    match ended.result.get("node").and_then(Value::as_object) {
        Some(nodes) => nodes.values().map(|child| of(child).unwrap_or_else(|| written(child))).collect(),
        None => of(&result).unwrap_or_else(|| written(&result)),
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
        let outcome = Outcome { event_id: "e".to_owned(), ended, open };
        let reply = outcome.reply(text, &Fixed::of(&fixed).unwrap());
        let status = reply.status().as_u16();
        let body = reply.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn answers() {
        let good = || ended("a", Status::Succeeded, json!({"output": "fine\n", "exit_code": 0}));
        let bad = || ended("b", Status::Failed, json!({"output": "so\n", "stderr": "oh no", "exit_code": 3}));
        let own = || ended("c", Status::Succeeded, json!({"tag": "v1", "n": 5, "exit_code": 0}));
        let child = |text: &str| json!({"status": "succeeded", "output": text, "exit_code": 0});
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
            (vec![good()], 1, json!({}), 502, "== r/a: succeeded\nfine\n\n1 jobs have not ended yet\n"),
            (vec![], 0, json!({}), 200, "no router wants this event\n"),
            (vec![good(), nodes()], 0, json!({"plain": true}), 200, "fine\n1\n2\n"),
            (vec![good()], 0, json!({"matched": {"status": 201, "body": "OK"}}), 201, "OK"),
            (vec![bad()], 0, json!({"failed": {"status": 500, "body": "no"}}), 500, "no"),
            (vec![], 0, json!({"unmatched": {"body": "nobody"}}), 200, "nobody"),
        ] {
            assert_eq!(answered(jobs, open, true, fixed.clone()).await, (status, text.to_owned()), "{fixed}");
        }
        let (status, body) = answered(vec![bad()], 1, false, json!({})).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["matched"], &body["unfinished"]), (502, &json!(2), &json!(1)));
        assert_eq!(body["jobs"][0]["status"], "failed");
        assert_eq!(body["jobs"][0]["result"]["stderr"], "oh no");
    }

    #[test]
    fn who_wants_text() {
        for (accept, text) in [
            (None, false),
            (Some("text/plain"), true),
            (Some("text/plain; q=0.9, */*"), true),
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
