//! Contract, section 4: version 2. A request of a real daemon is caught on its way, and changed and signed again by a
//! signer that was written from RFC 9421 and RFC 9530.
//!
//! | sentence | test |
//! |---|---|
//! | RFC 9421, hmac-sha256, over @method, @path, content-digest (RFC 9530, sha-256) and herald-to, with created, nonce, keyid | `the_daemon_signs_as_rfc_9421_says` |
//! | A request that is unsigned, altered, | `an_unsigned_or_altered_request_runs_nothing` |
//! | older than 5 minutes, from the future, | `a_request_of_another_time_runs_nothing` |
//! | or seen before (also after a restart of the runner) gets 401 and runs nothing | `a_request_seen_before_runs_nothing`, `also_after_a_restart`, `of_many_at_once_one_runs` |
//! | (what is left out of the signature is not trusted) | `a_signature_that_covers_less_runs_nothing` |
//! | The response is signed as well, over its status, the request's signature, and a manifest | `an_altered_answer_fails_the_job`, `an_answer_to_another_request_fails_the_job` |
//! | under wire: 2 an unsigned answer fails the job | `an_unsigned_answer_fails_the_job` |
//! | secret may be a list: all are accepted, the first one signs | `a_secret_can_be_changed_without_a_gap` |

use e2e::fake::Fake;
use e2e::http::{Message, send};
use e2e::place::Place;
use e2e::runner::{Runner, SECRET, remote_daemon};
use e2e::sign::{Input, content_digest};
use e2e::wait::unix_now;
use serde_json::{Value, json};

use super::{assert_failed, captured_for, files_below, is_question, run_remote};

/// A valid request for a job that leaves a line in `@DIR@/ran`, not sent yet, and a runner that would accept it.
struct Caught {
    place: Place,
    runner: Runner,
    request: Message,
}

impl Caught {
    fn new() -> Self {
        let place = Place::new();
        let script = place.script("ran.sh", "echo x >>@DIR@/ran");
        let runner = Runner::start(&place, "");
        let request = captured_for(runner.address(), "wire: 2", &json!({"cmd": script}));
        Self { place, runner, request }
    }

    fn runs(&self) -> usize {
        self.place.count("ran")
    }

    fn refuses(&self, what: &str, request: &Message) {
        let before = self.runs();
        let answer = send(self.runner.address(), request);
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert_eq!(self.runs(), before, "{what} ran");
    }

    fn takes(&self, what: &str, request: &Message) {
        let before = self.runs();
        let answer = send(self.runner.address(), request);
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        e2e::wait::until(what, || (self.runs() == before + 1).then_some(()));
    }

    /// The request as another job, changed and signed again.
    fn signed(&self, change: impl FnOnce(Input) -> Input) -> Message {
        let mut request = self.request.clone();
        let fresh = format!("{}0000", unix_now()) + &self.runs().to_string();
        let mut body: Value = serde_json::from_slice(&request.body).unwrap();
        for key in ["id", "job_id"] {
            if body[key].is_string() {
                body[key] = json!(fresh);
            }
        }
        request.body = body.to_string().into_bytes();
        request.set("Content-Digest", &content_digest(&request.body));
        change(Input::of(&self.request).fresh_nonce()).sign(SECRET, &request)
    }
}

#[test]
fn the_daemon_signs_as_rfc_9421_says() {
    let before = unix_now();
    let place = Place::new();
    let runner = Runner::start(&place, "");
    let request = captured_for(runner.address(), "", &json!({"cmd": "uptime"}));
    let input = Input::of(&request);
    for component in ["@method", "@path", "content-digest", "herald-to"] {
        assert!(input.components.iter().any(|name| name == component), "{component} in {input:?}");
    }
    for param in ["nonce", "keyid"] {
        assert!(
            input.get(param).is_some_and(|value| value.len() > 2 && value.starts_with('"')),
            "{param} in {input:?}"
        );
    }
    let created: i64 = input.get("created").unwrap().parse().unwrap();
    assert!((before - 2..=unix_now() + 2).contains(&created), "{created}");
    assert_eq!(request.get("signature").unwrap(), input.signature(SECRET, &request));
    assert_eq!(request.get("content-digest").unwrap(), content_digest(&request.body));
    assert!(!input.get("keyid").unwrap().contains(SECRET), "the key id tells the key");
    let other = captured_for(runner.address(), "", &json!({"cmd": "uptime"}));
    assert_ne!(Input::of(&other).get("nonce"), input.get("nonce"));
}

#[test]
fn an_unsigned_or_altered_request_runs_nothing() {
    let caught = Caught::new();
    let change = |edit: &dyn Fn(&mut Message)| {
        let mut request = caught.request.clone();
        edit(&mut request);
        request
    };
    let unsigned = change(&|request| {
        request.remove("Signature");
        request.remove("Signature-Input");
    });
    caught.refuses("unsigned", &unsigned);
    caught.refuses("no signature", &change(&|request| request.remove("Signature")));
    caught.refuses("no input", &change(&|request| request.remove("Signature-Input")));
    caught.refuses("no digest", &change(&|request| request.remove("Content-Digest")));
    caught.refuses("altered body", &change(&|request| request.body.push(b' ')));
    caught.refuses(
        "altered body with its digest",
        &change(&|request| {
            request.body.push(b' ');
            let digest = content_digest(&request.body);
            request.set("Content-Digest", &digest);
        }),
    );
    caught.refuses("empty signature", &change(&|request| request.set("Signature", "sig1=::")));
    caught.refuses("garbage", &change(&|request| request.set("Signature", "garbage")));
    caught.refuses("garbage input", &change(&|request| request.set("Signature-Input", "((((")));
    let created = Input::of(&caught.request).set("created", &(unix_now() - 1).to_string());
    caught.refuses(
        "altered parameter",
        &change(&|request| {
            let resigned = created.sign("another-secret-of-some-length", request);
            let input = resigned.get("signature-input").unwrap().to_owned();
            request.set("Signature-Input", &input);
        }),
    );
    let another =
        Input::of(&caught.request).fresh_nonce().sign("another-secret-of-some-length", &caught.request);
    caught.refuses("another secret", &another);
    let (_, path) = caught.request.target();
    let moved =
        caught.request.start.replacen(path, &format!("{}x", path.trim_end_matches('/').to_owned() + "/"), 1);
    let answer = send(caught.runner.address(), &change(&|request| request.start.clone_from(&moved)));
    assert!([401, 404].contains(&answer.status), "another path: {answer:?}");
    let put = caught.request.start.replacen("POST", "PUT", 1);
    let answer = send(caught.runner.address(), &change(&|request| request.start.clone_from(&put)));
    assert!([401, 405].contains(&answer.status), "another method: {answer:?}");
    assert_eq!(caught.runs(), 0);
    caught.takes("the request as it was", &caught.request);
}

#[test]
fn a_signature_that_covers_less_runs_nothing() {
    let caught = Caught::new();
    for left_out in ["@method", "@path", "content-digest", "herald-to"] {
        let request = caught.signed(|mut input| {
            input.components.retain(|name| name != left_out);
            input
        });
        caught.refuses(left_out, &request);
    }
    for param in ["created", "nonce"] {
        caught.refuses(param, &caught.signed(|input| input.without(param)));
    }
    let twice = caught.signed(|mut input| {
        input.components.push("@method".to_owned());
        input
    });
    caught.refuses("a component twice", &twice);
    let empty = caught.signed(|input| input.set("nonce", "\"\""));
    caught.refuses("an empty nonce", &empty);
    caught.takes("the test's own signature", &caught.signed(|input| input));
}

#[test]
fn a_request_of_another_time_runs_nothing() {
    let caught = Caught::new();
    for seconds in [-301 - 5, -3600, -1_000_000_000, 600, 3600, 10_000_000_000] {
        let created = (unix_now() + seconds).to_string();
        caught.refuses(&format!("{seconds} s"), &caught.signed(|input| input.set("created", &created)));
    }
    for created in ["\"1\"", "-1", "0", "1.5", "999999999999999", "?1"] {
        caught.refuses(created, &caught.signed(|input| input.set("created", created)));
    }
    for seconds in [-240, -1] {
        let created = (unix_now() + seconds).to_string();
        caught.takes(&format!("{seconds} s"), &caught.signed(|input| input.set("created", &created)));
    }
}

#[test]
fn a_request_seen_before_runs_nothing() {
    let caught = Caught::new();
    caught.takes("once", &caught.request);
    for _ in 0..3 {
        caught.refuses("seen before", &caught.request);
    }
    let first = caught.signed(|input| input);
    caught.takes("another", &first);
    caught.refuses("seen before", &first);
    // A refused request does not use up somebody else's nonce.
    let nonce = caught.signed(|input| input);
    let mut forged = nonce.clone();
    forged.body.push(b' ');
    caught.refuses("forged", &forged);
    caught.takes("the real one", &nonce);
}

#[test]
fn also_after_a_restart() {
    let caught = Caught::new();
    caught.takes("once", &caught.request);
    let Caught { place, runner, request } = caught;
    for signal in ["TERM", "KILL"] {
        let runner = match signal {
            "TERM" => &runner,
            _ => &Runner::start(&place, ""),
        };
        runner.signal(signal);
        let _ = runner.wait_end();
        let again = Runner::start(&place, "");
        let answer = send(again.address(), &request);
        assert_eq!(answer.status, 401, "after {signal}: {answer:?}");
        assert_eq!(place.count("ran"), 1, "after {signal}");
    }
    // A nonce taken right before a kill is not forgotten either.
    let caught = Caught::new();
    caught.takes("once", &caught.request);
    caught.runner.signal("KILL");
    let _ = caught.runner.wait_end();
    let again = Runner::start(&caught.place, "");
    assert_eq!(send(again.address(), &caught.request).status, 401);
    assert_eq!(caught.runs(), 1);
}

#[test]
fn of_many_at_once_one_runs() {
    let caught = Caught::new();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..16).map(|_| scope.spawn(|| send(caught.runner.address(), &caught.request).status)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 15, "{statuses:?}");
    assert_eq!(caught.runs(), 1);
}

#[test]
fn an_unsigned_answer_fails_the_job() {
    for wire in ["", "wire: 2"] {
        let plain = Message::response(200, &[("Content-Type", "application/json")], b"{\"exit_code\": 0}");
        assert_failed(
            wire,
            &run_remote(&Place::new(), Fake::answering(plain).address(), wire, &json!({"cmd": "x"})),
        );
    }
    // A real answer without its signatures.
    let place = Place::new();
    let runner = Runner::start(&place, "");
    let stripped = Fake::between(runner.address(), |_, mut answer| {
        answer.remove("Signature");
        answer.remove("Signature-Input");
        Some(answer)
    });
    assert_failed("stripped", &run_remote(&place, stripped.address(), "", &json!({"cmd": "true"})));
}

/// A job with a result and two files, each of which is easy to find in an answer.
fn marked_job() -> Value {
    json!({"cmd": "sh", "arg": ["-c", "printf MARK-ONE >1.dat; printf MARK-TWO >2.dat
echo '{\"file\": {\"f1\": \"1.dat\", \"f2\": \"2.dat\"}, \"text\": \"MARK-RESULT\"}'"]})
}

fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    match bytes.windows(from.len()).position(|window| window == from.as_bytes()) {
        Some(at) => [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

type Tamper = fn(Message) -> Message;

fn body(mut answer: Message, from: &str, to: &str) -> Message {
    answer.body = replace(&answer.body, from, to);
    answer
}

const TAMPER: &[(&str, Tamper)] = &[
    ("a file", |answer| body(answer, "MARK-ONE", "MARK-0NE")),
    ("the last file", |answer| body(answer, "MARK-TWO", "MARK-TW0")),
    ("a shorter file", |answer| body(answer, "MARK-ONE", "MARK-ON")),
    ("a longer file", |answer| body(answer, "MARK-TWO", "MARK-TWO!")),
    ("the result", |answer| body(answer, "MARK-RESULT", "MARK-RESULX")),
    ("the exit code", |answer| body(answer, "\"exit_code\":0", "\"exit_code\":1")),
    ("a name", |answer| body(answer, "name=\"f1\"", "name=\"f3\"")),
    ("a filename", |answer| body(answer, "1.dat", "3.dat")),
    ("the end", |mut answer| {
        answer.body.truncate(answer.body.len() / 2);
        answer
    }),
    ("nothing left", |mut answer| {
        answer.body.clear();
        answer
    }),
    ("the status", |mut answer| {
        answer.start = answer.start.replace("200", "201");
        answer
    }),
];

#[test]
fn an_altered_answer_fails_the_job() {
    let place = Place::new();
    let runner = Runner::start(&place, "");
    for (what, tamper) in TAMPER {
        let changed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = changed.clone();
        let proxy = Fake::between(runner.address(), move |_, answer| {
            let (start, before) = (answer.start.clone(), answer.body.clone());
            let after = tamper(answer);
            if start != after.start || before != after.body {
                seen.store(true, std::sync::atomic::Ordering::SeqCst);
            }
            Some(after)
        });
        let ended = run_remote(&place, proxy.address(), "", &marked_job());
        assert!(changed.load(std::sync::atomic::Ordering::SeqCst), "the test altered nothing: {what}");
        assert_failed(what, &ended);
        assert_eq!(files_below(&place.path("data")), Vec::<String>::new(), "{what}");
    }
    let honest = Fake::between(runner.address(), |_, answer| Some(answer));
    let ended = run_remote(&place, honest.address(), "", &marked_job());
    assert_eq!(ended["success"], true, "unaltered: {ended}");
    assert_eq!(files_below(&place.path("data")).len(), 2);
}

#[test]
fn an_answer_to_another_request_fails_the_job() {
    let place = Place::new();
    let runner = Runner::start(&place, "");
    let first = std::sync::Mutex::new(None);
    let proxy = Fake::between(runner.address(), move |request, answer| {
        // The daemon also asks who the runner is, and follows the output of a job, by requests of their own.
        if request.start.contains("/log ") || is_question(request) {
            return Some(answer);
        }
        let mut first = first.lock().unwrap();
        Some(first.get_or_insert(answer).clone())
    });
    let daemon = remote_daemon(&place, proxy.address(), "", &json!({"cmd": "echo", "arg": "{\"a\": 1}"}));
    let ended = daemon.post_and_wait(&json!({}));
    assert_eq!(ended["success"], true, "{ended}");
    assert_failed("the first answer again", &daemon.post_and_wait(&json!({})));
}

#[test]
fn a_secret_can_be_changed_without_a_gap() {
    let (old, new) = ("the-old-secret-of-some-length", "the-new-secret-of-some-length");
    for (of_runner, of_daemon, works) in [
        (format!("[{new}, {old}]"), old.to_owned(), false),
        (format!("[{new}, {old}]"), format!("[{old}, {new}]"), true),
        (format!("[{old}, {new}]"), format!("[{old}, {new}]"), true),
        (format!("[{old}, {new}]"), format!("[{new}, {old}]"), true),
        (format!("[{new}, {old}]"), new.to_owned(), true),
        (new.to_owned(), format!("[{new}, {old}]"), true),
        (new.to_owned(), format!("[{old}, {new}]"), false),
        (new.to_owned(), old.to_owned(), false),
    ] {
        let place = Place::new();
        let runner = Runner::with(&place, &format!("secret: {of_runner}\n"));
        let job = json!({"cmd": "touch", "arg": place.text_path("ran")});
        let ended = run_remote(&place, runner.address(), &format!("secret: {of_daemon}"), &job);
        // The runner signs with its first secret: a daemon that knows only the second cannot trust the answer, unless
        // the runner signs with the key that the request was signed with.
        let accepted =
            works || (of_runner.contains(&of_daemon) && of_runner != of_daemon && !of_daemon.contains('['));
        match works {
            true => assert_eq!(ended["success"], true, "{of_runner} {of_daemon}: {ended}"),
            false if accepted => {
                assert!(place.path("ran").exists(), "{of_runner} {of_daemon}: all are accepted")
            }
            false => {
                assert_failed(&format!("{of_runner} {of_daemon}"), &ended);
                assert!(!place.path("ran").exists(), "{of_runner} {of_daemon}");
            }
        }
    }
}
