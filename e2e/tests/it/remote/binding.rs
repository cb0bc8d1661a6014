//! Contract, sections 4 and 16: a request is for one runner, also where several share a secret.
//!
//! | sentence | test |
//! |---|---|
//! | A request signed for one runner is refused by every other one, also with the same secret and behind a proxy | `a_request_for_one_runner_runs_on_no_other` |
//! | (the question for the id names no runner, and starts nothing) | `the_question_who_a_runner_is_runs_nothing_on_another_one` |
//! | the id: made at its first start, kept in `work_dir` | `a_runner_keeps_its_id` |
//! | (the daemon finds another runner at an address) | `a_runner_that_was_set_up_again_gets_its_jobs` |
//! | 2.0 is accepted with `allow: ['2.0']` | `version_2_0_runs_only_where_it_is_allowed` |
//! | seen before (also after a restart), with nonces that were lost | `lost_nonces_let_nothing_run_again` |
//! | Unsigned bodies are refused before they are read | `an_unsigned_body_is_not_waited_for` |
//! | A result file is a regular file outside /proc, /sys and /dev | `no_result_file_is_taken_from_the_kernel` |

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use e2e::fake::Fake;
use e2e::http::{Message, connect, send};
use e2e::place::Place;
use e2e::runner::{Runner, SECRET, remote_daemon};
use e2e::sign::Input;
use serde_json::json;

use super::{RUNNERS, assert_failed, captured, captured_for, is_question, run_remote};

/// A script that leaves a line in this place.
fn leaves_a_line(place: &Place) -> String {
    place.script("ran.sh", "echo x >>@DIR@/ran")
}

/// The request for no runner in particular, as version 2.0 signs it.
fn unbound(request: &Message) -> Message {
    let mut input = Input::of(request).fresh_nonce();
    input.components.retain(|name| name != "herald-to");
    let mut request = request.clone();
    request.remove("Herald-To");
    input.sign(SECRET, &request)
}

#[test]
fn a_request_for_one_runner_runs_on_no_other() {
    let place = Place::new();
    let meant = Runner::start(&place, "");
    let request = captured_for(meant.address(), "", &json!({"cmd": leaves_a_line(&place)}));
    let id = request.get("herald-to").expect("a Herald-To").to_owned();
    assert_eq!(place.read("runner/runner.id").unwrap().trim(), id);
    for (what, start) in RUNNERS {
        for more in ["", "allow: ['2.0']", "allow_v1: true"] {
            let elsewhere = Place::new();
            let other = start(&elsewhere, 0, more);
            let proxy = Fake::between(other.address(), |_, answer| Some(answer));
            for address in [other.address(), proxy.address()] {
                for host in ["localhost", &meant.address().to_string(), &other.address().to_string()] {
                    let mut request = request.clone();
                    request.set("Host", host);
                    let answer = send(address, &request);
                    assert_eq!(answer.status, 401, "{what} {more} {host}: {answer:?}");
                }
            }
            // Nobody can put another runner's id into it.
            let mut altered = request.clone();
            altered.set("Herald-To", elsewhere.read("runner/runner.id").unwrap().trim());
            assert_eq!(send(other.address(), &altered).status, 401, "{what} {more}");
            altered.remove("Herald-To");
            assert_eq!(send(other.address(), &altered).status, 401, "{what} {more}");
        }
    }
    assert_eq!(place.count("ran"), 0);
    assert_eq!(send(meant.address(), &request).status, 200, "it is good for the one that is meant");
    assert_eq!(place.count("ran"), 1);
    assert_eq!(send(meant.address(), &request).status, 401, "once");
}

/// The one request that names no runner, since it asks for the name: who captured it learns how another runner is.
#[test]
fn the_question_who_a_runner_is_runs_nothing_on_another_one() {
    for (what, begin) in RUNNERS {
        let place = Place::new();
        let question = captured("", &json!({"cmd": leaves_a_line(&place)}));
        assert!(is_question(&question) && question.get("herald-to").is_none(), "{question:?}");
        let other = begin(&place, 0, "");
        let job = json!({"id": "j1", "cmd": leaves_a_line(&place)}).to_string().into_bytes();
        for (start, body, joins) in [
            ("POST / HTTP/1.1", question.body.clone(), true),
            ("POST / HTTP/1.1", job.clone(), false),
            ("POST /heartbeat HTTP/1.1", job.clone(), true),
            ("POST /j1/log HTTP/1.1", question.body.clone(), true),
        ] {
            let mut altered = Message { start: start.to_owned(), body, ..question.clone() };
            if !joins {
                altered.remove("Herald-Join");
            }
            assert_eq!(send(other.address(), &altered).status, 401, "{what}: {altered:?}");
        }
        let answer = send(other.address(), &question);
        let said = String::from_utf8_lossy(&answer.message.body).into_owned();
        assert!(answer.status == 200 && said.contains("\"running\":0"), "{what}: {answer:?}");
        assert_eq!(send(other.address(), &question).status, 401, "{what}: once");
        assert_eq!(place.count("ran"), 0, "{what}");
    }
}

#[test]
fn a_runner_keeps_its_id() {
    for (what, start) in RUNNERS {
        let place = Place::new();
        let mut ids = Vec::new();
        for _ in 0..2 {
            let runner = start(&place, 0, "");
            let request = captured_for(runner.address(), "", &json!({"cmd": "uptime"}));
            ids.push(request.get("herald-to").unwrap().to_owned());
            runner.signal("TERM");
            assert_eq!(runner.wait_end(), Some(0));
        }
        assert_eq!(ids[0], ids[1], "{what}");
        assert_eq!(place.read("runner/runner.id").unwrap().trim(), ids[0], "{what}");
    }
}

#[test]
fn a_runner_that_was_set_up_again_gets_its_jobs() {
    for (what, start) in RUNNERS {
        let port = e2e::http::free_port();
        let (place, master) = (Place::new(), Place::new());
        let runner = start(&place, port, "");
        let daemon = remote_daemon(&master, runner.address(), "", &json!({"cmd": leaves_a_line(&place)}));
        assert_eq!(daemon.post_and_wait(&json!({}))["success"], true);
        let before = place.read("runner/runner.id").unwrap();
        runner.signal("TERM");
        assert_eq!(runner.wait_end(), Some(0));
        std::fs::remove_dir_all(place.path("runner")).unwrap();
        let again = start(&place, port, "");
        let ended = daemon.post_and_wait(&json!({}));
        assert_eq!(ended["success"], true, "{what}: {ended}");
        assert_eq!(place.count("ran"), 2, "{what}");
        assert_ne!(place.read("runner/runner.id").unwrap(), before, "{what}");
        assert!(daemon.said("there is another runner at this address now"), "{}", daemon.log());
        drop(again);
    }
}

#[test]
fn version_2_0_runs_only_where_it_is_allowed() {
    for (what, start) in RUNNERS {
        for (more, status) in [("", 401), ("allow: ['2.0']", 200), ("allow_v1: true", 401)] {
            let place = Place::new();
            let runner = start(&place, 0, more);
            let request = captured_for(runner.address(), "", &json!({"cmd": leaves_a_line(&place)}));
            let answer = send(runner.address(), &unbound(&request));
            assert_eq!(answer.status, status, "{what} {more}: {answer:?}");
            if status == 401 {
                let text = String::from_utf8_lossy(&answer.message.body).into_owned();
                assert!(text.contains("version 2.0 is disabled (allow)"), "{text}");
            }
            assert_eq!(place.count("ran"), usize::from(status == 200), "{what} {more}");
            assert_eq!(runner.said("version 2.0 is allowed"), status == 200, "{}", runner.log());
        }
    }
}

#[test]
fn lost_nonces_let_nothing_run_again() {
    for (what, start) in RUNNERS {
        for restores in [false, true] {
            let place = Place::new();
            let runner = start(&place, 0, "");
            let old = place.read("runner/nonces").unwrap();
            let job = json!({"cmd": leaves_a_line(&place)});
            let request = captured_for(runner.address(), "", &job);
            assert_eq!(send(runner.address(), &request).status, 200, "{what}");
            runner.signal("TERM");
            assert_eq!(runner.wait_end(), Some(0));
            if restores {
                place.write("runner/nonces", &old);
            } else {
                std::fs::remove_file(place.path("runner/nonces")).unwrap();
            }
            let again = start(&place, 0, "");
            assert_eq!(send(again.address(), &request).status, 401, "{what} {restores}");
            assert_eq!(place.count("ran"), 1, "{what} {restores}");
            assert!(again.said("requests signed before now are rejected"), "{}", again.log());
            // Jobs go on at once.
            let ended = run_remote(&Place::new(), again.address(), "", &job);
            assert_eq!(ended["success"], true, "{what} {restores}: {ended}");
            assert_eq!(place.count("ran"), 2, "{what} {restores}");
        }
    }
}

#[test]
fn an_unsigned_body_is_not_waited_for() {
    for (what, start) in RUNNERS {
        let place = Place::new();
        let runner = start(&place, 0, "");
        let request = captured_for(runner.address(), "", &json!({"cmd": leaves_a_line(&place)}));
        let head = |request: &Message| {
            let text = String::from_utf8(request.bytes()).unwrap();
            let head = text.split_once("\r\n\r\n").unwrap().0;
            let lines = head.split("\r\n").filter(|line| !line.starts_with("Content-Length"));
            lines.collect::<Vec<_>>().join("\r\n") + "\r\nContent-Length: 30000000\r\n\r\n"
        };
        let mut unsigned = request.clone();
        unsigned.remove("Signature");
        let mut altered = request.clone();
        altered.set("Herald-To", "another-runner");
        for (case, request) in [("unsigned", unsigned), ("altered", altered)] {
            let mut stream = connect(runner.address());
            let begun = Instant::now();
            stream.write_all(head(&request).as_bytes()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 401", "{what} {case}");
            assert!(begun.elapsed() < Duration::from_secs(8), "{what} {case}: {:?}", begun.elapsed());
        }
        assert_eq!(place.count("ran"), 0, "{what}");
    }
}

#[test]
fn no_result_file_is_taken_from_the_kernel() {
    for (what, start) in RUNNERS {
        let place = Place::new();
        let runner = start(&place, 0, "");
        for path in
            ["/proc/self/environ", "/sys/kernel/uevent_seqnum", "/dev/zero", "/proc/../proc/self/status"]
        {
            let script = format!("echo '{{\"file\": {{\"f\": \"{path}\"}}}}'");
            let place = Place::new();
            let job = json!({"cmd": "sh", "arg": ["-c", script]});
            let ended = run_remote(&place, runner.address(), "", &job);
            assert_failed(&format!("{what} {path}"), &ended);
            assert!(!place.path("data").join(ended["job_id"].as_str().unwrap()).exists(), "{what} {path}");
        }
    }
}
