//! Measures signed pushes of a forge that match no rule, the most common request: compared with Debian's `webhook` and
//! the same rule.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use rustix::process::Signal;
use sha2::Sha256;

use crate::load::{Load, NUMBER, Until, run};
use crate::options::Options;
use crate::place::{Place, free_port};
use crate::program::{Program, ask};
use crate::spread::{Spread, quantile};
use crate::table::{Goal, Row, Unit};

/// A push as GitHub sends it, with LF at the ends of lines.
const PUSH: &str = include_str!("../../e2e/data/requests/github-push.http");
const PATH: &str = "/hooks/push";
const SECRET: &str = "for-the-length-of-a-measurement";
/// The branch in the rule of both programs; no push is for it.
const NEVER: &str = "refs/heads/never";
const CONNECTIONS: usize = 64;
/// The goal, although heraldd has each push on disk before it answers, and `webhook` stores nothing.
const SHARE: f64 = 2.0;

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let (mut daemon, address) = heraldd(place)?;
    let other = webhook(place)?;
    let span = Until::Time(options.pick(Duration::from_millis(500), Duration::from_secs(5)));
    let (mut ours, mut late) = (Samples::default(), Samples::default());
    for _ in 0..options.runs {
        let (rate, p99) = sample(address, span)?;
        ours.herald.push(rate);
        late.herald.push(p99);
        if let Some(other) = &other {
            // What it still has to do is not to take from the other's time.
            daemon.signal(Signal::STOP)?;
            let (rate, p99) = sample(other.address, span)?;
            ours.other.push(rate);
            late.other.push(p99);
            daemon.signal(Signal::CONT)?;
        }
    }
    let what = "signed pushes/s that no router wants, with state_dir";
    let Some(other) = other else {
        eprintln!("webhook is not installed, so there is nothing to compare with: run `.ci/install bench`");
        let what = format!("{what} (webhook is not installed)");
        return Ok(vec![Row::new(what, Unit::PerSecond, Spread::of(&ours.herald))]);
    };
    let row = |what: &str, unit, samples: &Samples| {
        Row::new(what, unit, Spread::of(&samples.herald)).against(&other.version, Spread::of(&samples.other))
    };
    Ok(vec![
        row(what, Unit::PerSecond, &ours).goal(Goal::Share(SHARE)),
        row("p99 of these", Unit::Milliseconds, &late),
    ])
}

#[derive(Default)]
struct Samples {
    herald: Vec<f64>,
    other: Vec<f64>,
}

/// Pushes a second, and the time in milliseconds within which 99 of a hundred are answered.
fn sample(address: SocketAddr, span: Until) -> Result<(f64, f64)> {
    let request = push(address, SECRET, false)?;
    let answers = run(&Load { address, request, connections: CONNECTIONS, pipeline: 1 }, span)?;
    ensure!(
        answers.accepted > 0 && answers.refused == 0,
        "{address} accepted {} pushes and rejected {}",
        answers.accepted,
        answers.refused
    );
    Ok((answers.rate(), quantile(&answers.latencies, 0.99)))
}

fn heraldd(place: &Place) -> Result<(Program, SocketAddr)> {
    let address = free_port()?;
    let config = place.write(
        "webhook.yml",
        &format!(
            "log: {{level: warn}}\n\
             state_dir: '@DIR@/webhook-state'\n\
             trigger: {{github: {{type: http, port: {}, path: {PATH}, dedup_window: 0, auth: {{provider: github, secret: {SECRET}}}}}}}\n\
             router: {{never: {{trigger: github, selector: match_map, task: {{t: none}},\n\
             \x20 select_param: {{match_key: ref, match_value: {NEVER}}}}}}}\n",
            address.port()
        ),
    )?;
    let mut command = Command::new(place.program("heraldd"));
    let mut daemon = Program::start(command.arg("-config").arg(config), "no line")?;
    daemon.wait_for_port(address)?;
    knows_the_secret(address, "\"matched\":0")?;
    Ok((daemon, address))
}

/// The other program, running.
struct Other {
    /// Its name and version.
    version: String,
    address: SocketAddr,
    /// Stops the program when dropped.
    _program: Program,
}

/// Debian's `webhook`, where it is installed.
fn webhook(place: &Place) -> Result<Option<Other>> {
    // Called without a path: whichever the user has.
    let program = OsString::from("webhook");
    let Ok(version) = Command::new(&program).arg("-version").output() else { return Ok(None) };
    let version = String::from_utf8_lossy(&version.stdout).trim().replace(" version", "");
    let address = free_port()?;
    let hooks = serde_json::json!([{
        "id": "push",
        "execute-command": "/bin/true",
        "trigger-rule": {"and": [
            {"match": {
                "type": "payload-hmac-sha256",
                "secret": SECRET,
                "parameter": {"source": "header", "name": "X-Hub-Signature-256"},
            }},
            {"match": {
                "type": "value",
                "value": NEVER,
                "parameter": {"source": "payload", "name": "ref"},
            }},
        ]},
    }]);
    let hooks = place.write("hooks.json", &hooks.to_string())?;
    let mut command = Command::new(&program);
    command.arg("-hooks").arg(hooks).args(["-ip", "127.0.0.1", "-port", &address.port().to_string()]);
    let mut program = Program::start(&mut command, "no line")?;
    program.wait_for_port(address)?;
    knows_the_secret(address, "rules were not satisfied")?;
    Ok(Some(Other { version, address, _program: program }))
}

/// Checks that a push is accepted and matches no rule, and that a push with a wrong signature is rejected: both
/// programs do the whole work.
fn knows_the_secret(address: SocketAddr, unwanted: &str) -> Result<()> {
    let answer = ask(address, &push(address, SECRET, true)?)?;
    ensure!(
        answer.starts_with("HTTP/1.1 200") && answer.contains(unwanted),
        "a push that nobody wants was answered: {answer}"
    );
    let answer = ask(address, &push(address, "another secret", true)?)?;
    ensure!(!answer.starts_with("HTTP/1.1 200"), "a push with a wrong signature was taken: {answer}");
    Ok(())
}

/// The recorded push to this address, signed, with a new delivery id each time it is sent.
fn push(address: SocketAddr, secret: &str, close: bool) -> Result<String> {
    let (head, body) = PUSH.split_once("\n\n").context("a request has an empty line before its body")?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let mut request = format!("POST {PATH} HTTP/1.1\r\nHost: {address}\r\n");
    for line in head.lines().skip(1).filter(|line| !line.starts_with("Host:")) {
        match line.strip_prefix("X-GitHub-Delivery: ") {
            Some(id) if close => request.push_str(&format!("X-GitHub-Delivery: {id}")),
            Some(id) => {
                let (kept, _) = id.rsplit_once('-').context("a delivery's id is a UUID")?;
                request.push_str(&format!("X-GitHub-Delivery: {kept}-{NUMBER}"));
            }
            None => request.push_str(line),
        }
        request.push_str("\r\n");
    }
    if close {
        request.push_str("Connection: close\r\n");
    }
    request.push_str(&format!("X-Hub-Signature-256: sha256={signature}\r\n\r\n{body}"));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_signed_and_numbered() {
        let address: SocketAddr = ([127, 0, 0, 1], 9000).into();
        for (close, numbers) in [(false, 1), (true, 0)] {
            let push = push(address, SECRET, close).unwrap();
            let (head, body) = push.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
            assert!(head.starts_with("POST /hooks/push HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n"), "{head}");
            assert_eq!(head.contains("\r\nConnection: close"), close, "{head}");
            assert_eq!(head.matches(NUMBER).count(), numbers, "{head}");
            let (_, signature) = head.split_once("X-Hub-Signature-256: sha256=").unwrap();
            assert_eq!(signature.len(), 64, "{head}");
        }
    }
}
