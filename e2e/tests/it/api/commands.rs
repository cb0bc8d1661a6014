//! The command line over the API.

use e2e::daemon::Daemon;
use e2e::place::Place;
use serde_json::{Value, json};

use super::{CONFIG, ask, get, heraldd, job_with, start};

#[test]
fn an_unknown_name_is_answered_with_those_that_exist() {
    let place = Place::new();
    let daemon = Daemon::start(&place, CONFIG);
    place_ready(&daemon, &place);
    for (arguments, says) in [
        (["trigger", "nobody"], "there is no trigger \"nobody\"; expected one of: "),
        (["trigger", "manul"], "did you mean \"manual\"?"),
        (["job", "last:quik"], "there is no router \"quik\"; did you mean \"quick\"?"),
        (["job", "last:quick"], "the router \"quick\" has no job yet"),
    ] {
        let ended = heraldd(&place, &arguments);
        assert_eq!(ended.code, Some(4), "{arguments:?}: {}", ended.text());
        assert!(ended.stderr.contains(says) && ended.stdout.is_empty(), "{arguments:?}: {}", ended.text());
    }
    let none = heraldd(&place, &["jobs", "--router", "quik"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{}", none.text());
    let says = "no matching jobs: there is no router \"quik\"; did you mean \"quick\"?";
    assert!(none.stderr.contains(says), "{}", none.text());
}

#[test]
fn the_command_line_says_the_same() {
    let place = Place::new();
    let daemon = start(&place);
    let config = place.config(CONFIG).to_str().unwrap().to_owned();
    let activated = heraldd(&place, &["trigger", "manual", "-d", r#"{"do": "quick"}"#]);
    assert_eq!(activated.code, Some(0), "{}", activated.text());
    let event = activated.stdout.trim().to_owned();
    let job = job_with(&place, &event, "succeeded");
    let id = job["id"].as_str().unwrap();

    let jobs = heraldd(&place, &["jobs", "-c", &config]);
    let lines: Vec<_> = jobs.stdout.lines().collect();
    assert!(lines[0].starts_with("ID ") && lines[0].contains("STATUS"), "{}", jobs.text());
    assert!(
        lines[1].starts_with(&id[28..]) && lines[1].contains("succeeded") && lines[1].contains("quick"),
        "{lines:?}"
    );
    let page: Value = serde_json::from_str(&heraldd(&place, &["jobs", "--json"]).stdout).unwrap();
    assert_eq!(page, get(&place, "/v1/jobs?limit=20"));
    let shown: Value = serde_json::from_str(&heraldd(&place, &["job", id, "--json"]).stdout).unwrap();
    assert_eq!(shown["result"]["output"], "hello\n");
    let explained = heraldd(&place, &["explain", &event]).stdout;
    let said = |router: &str| explained.lines().find(|line| line.starts_with(router)).unwrap_or_default();
    assert!(said("quick").contains("yes") && said("quick").contains(&id[28..]), "{explained}");
    assert!(said("slow").contains("no"), "{explained}");

    let slow = heraldd(&place, &["trigger", "manual", "--json", "-d", r#"{"do": "slow"}"#]);
    let slow: Value = serde_json::from_str(&slow.stdout).unwrap();
    let running = job_with(&place, slow["event_id"].as_str().unwrap(), "running");
    assert_eq!(heraldd(&place, &["cancel", running["id"].as_str().unwrap()]).code, Some(0));

    for (arguments, code, says) in [
        (vec!["job", "nothing"], 4, "no job"),
        (vec!["trigger", "nobody"], 4, "no trigger"),
        (
            vec!["trigger", "manual", "-d", "[1]"],
            2,
            "expected a JSON object, such as '{\"key\": \"value\"}', found a list",
        ),
        (vec!["cancel", id], 1, "ended already"),
        (vec!["jobs", "--status", "done"], 2, "expected one of"),
        (vec!["jobs", "--since", "2026"], 2, "2026-11-24T12:00:00Z"),
        (vec!["logs", "nothing"], 4, "no job"),
        (vec!["explain", "nothing"], 4, "no event"),
        (vec!["jobs", "-n", "0"], 2, "1..=1000"),
    ] {
        let ended = heraldd(&place, &arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.text());
        assert!(ended.stderr.contains(says) && ended.stdout.is_empty(), "{arguments:?}: {}", ended.text());
    }
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    // What reads the history does that instead: see `everyday::down`.
    let nobody = heraldd(&place, &["routers"]);
    assert_eq!(nobody.code, Some(3));
    assert!(
        nobody.stderr.contains("heraldd.sock") && nobody.stderr.contains("start it"),
        "{}",
        nobody.text()
    );
}

#[test]
fn who_did_it_and_why_is_shown() {
    let place = Place::new();
    let _daemon = start(&place);
    let because = ["--reason", "the disk & more"];
    let slow = ["trigger", "manual", "--json", "-d", r#"{"do": "slow"}"#];
    let slow = heraldd(&place, &[&slow[..], &because].concat());
    let slow: Value = serde_json::from_str(&slow.stdout).unwrap();
    let running = job_with(&place, slow["event_id"].as_str().unwrap(), "running");
    let running = running["id"].as_str().unwrap();
    assert_eq!(heraldd(&place, &["cancel", running, "--reason", "too slow"]).code, Some(0));
    job_with(&place, slow["event_id"].as_str().unwrap(), "cancelled");
    let cancelled = get(&place, &format!("/v1/jobs/{running}"));
    let (by, ended_by) = (&cancelled["by"], &cancelled["cancelled_by"]);
    assert_eq!(
        (&by["via"], &by["reason"], &by["address"]),
        (&json!("cli"), &json!("the disk & more"), &Value::Null)
    );
    assert!(by["user"].is_string() && ended_by["user"] == by["user"], "{cancelled}");
    assert_eq!(ended_by["reason"], "too slow");
    assert_eq!(&get(&place, &format!("/v1/events/{}", slow["event_id"].as_str().unwrap()))["by"], by);
    let shown = heraldd(&place, &["job", running]).stdout;
    assert!(shown.contains("(via cli): the disk & more") && shown.contains("Cancelled by"), "{shown}");
    let again: Value = serde_json::from_str(
        &heraldd(&place, &["retry", running, "--json", "--reason", "the disk is empty"]).stdout,
    )
    .unwrap();
    let again = get(&place, &format!("/v1/jobs/{}", again["job_id"].as_str().unwrap()));
    assert_eq!((&again["by"]["reason"], &again["by"]["via"]), (&json!("the disk is empty"), &json!("cli")));
    assert_eq!(again["cancelled_by"], Value::Null);
    let event = slow["event_id"].as_str().unwrap();
    let replayed = heraldd(&place, &["replay", event, "--run", "--json", "--reason", "once more"]);
    let replayed: Value = serde_json::from_str(&replayed.stdout).unwrap();
    let replayed = get(&place, &format!("/v1/events/{}", replayed["event_id"].as_str().unwrap()));
    assert_eq!(replayed["by"]["reason"], "once more");
    assert_eq!(heraldd(&place, &["reload", "--reason", "x"]).code, Some(0));
    let refused = heraldd(&place, &["cancel", running, "--reason", "two\nlines"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("reason"), "{}", refused.text());
}

#[test]
fn the_rest_of_the_command_line() {
    let place = Place::new();
    let _daemon = start(&place);
    let waited = heraldd(&place, &["trigger", "manual", "-d", r#"{"do": "quick"}"#, "--wait"]);
    assert_eq!(waited.code, Some(0), "{}", waited.text());
    let line = waited.stdout.lines().nth(1).unwrap_or_default().to_owned();
    let (short, rest) = line.split_once(' ').unwrap();
    assert_eq!(short.len(), 8);
    let job = get(&place, &format!("/v1/jobs/{short}"));
    let id = job["id"].as_str().unwrap();
    assert!(rest.contains("succeeded") && rest.contains("quick"), "{}", waited.text());
    assert!(waited.stderr.is_empty(), "no sign of life where nobody watches: {}", waited.text());
    let nothing = heraldd(&place, &["trigger", "manual", "--wait"]);
    assert_eq!(nothing.code, Some(0));
    assert!(nothing.stderr.contains("no router matched"), "{}", nothing.text());

    let again = heraldd(&place, &["retry", id]);
    let new = again.stdout.trim();
    assert!(again.code == Some(0) && new.len() == 36 && new != id, "{}", again.text());
    let again = heraldd(&place, &["retry", "--wait", "--json", id]);
    let jobs: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(jobs[0]["status"], "succeeded");
    assert_eq!(heraldd(&place, &["retry", "nothing"]).code, Some(4));

    let shown = heraldd(&place, &["job", id]).stdout;
    for part in [id, "succeeded", "quick", "ATTEMPT", "\"output\": \"hello\\n\""] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.contains("just now") || shown.contains("ago)"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no colour in a pipe");
    for (arguments, part) in [
        (["triggers"], "manual  http"),
        (["routers"], "quick"),
        (["executors"], "local_command  local"),
        (["info"], "running"),
    ] {
        let said = heraldd(&place, &arguments);
        assert!(said.code == Some(0) && said.stdout.contains(part), "{arguments:?}: {}", said.text());
        let json = heraldd(&place, &[arguments[0], "--json"]);
        assert_eq!(
            serde_json::from_str::<Value>(&json.stdout).unwrap(),
            get(&place, &format!("/v1/{}", arguments[0]))
        );
    }
}

#[test]
fn ids_may_be_short() {
    let place = Place::new();
    let daemon = start(&place);
    let no_job = heraldd(&place, &["job", "last"]);
    assert_eq!((no_job.code, no_job.stdout.as_str()), (Some(4), ""));
    let event = daemon.post(&json!({"do": "quick"}));
    let job = job_with(&place, &event, "succeeded");
    let id = job["id"].as_str().unwrap();
    let other = job_with(&place, &daemon.post(&json!({"do": "slow"})), "running");
    let other = other["id"].as_str().unwrap();

    let shown = |arguments: &[&str], field: &str| {
        let ended = heraldd(&place, &[arguments, &["--json"]].concat());
        let value: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.text()));
        value[field].as_str().unwrap().to_owned()
    };
    for part in [&id[28..], &id[20..], &id[..35], &id.to_uppercase(), "last:quick"] {
        assert_eq!(shown(&["job", part], "id"), id, "{part}");
        assert_eq!(heraldd(&place, &["logs", part]).stdout, "hello\n", "{part}");
        // The event that created it.
        assert_eq!(shown(&["explain", part], "id"), event, "{part}");
        let replay = heraldd(&place, &["replay", part]);
        assert_eq!(replay.code, Some(0), "{}", replay.text());
    }
    assert_eq!(shown(&["explain", &event[28..]], "id"), event);
    assert_eq!(shown(&["job", "last"], "id"), other);
    assert_eq!(shown(&["cancel", "last:slow"], "job_id"), other);
    assert_eq!(get(&place, "/v1/jobs/last:quick")["id"], id);
    let retried = shown(&["retry", &id[28..]], "job_id");
    assert_eq!(shown(&["job", "last:quick"], "id"), retried);

    // Both begin with the same time.
    let ambiguous = heraldd(&place, &["job", &id[..4]]);
    assert_eq!((ambiguous.code, ambiguous.stdout.as_str()), (Some(4), ""), "{}", ambiguous.text());
    let lines: Vec<&str> = ambiguous.stderr.lines().map(str::trim).collect();
    assert!(lines[0].contains("ambiguous"), "{lines:?}");
    assert_eq!(lines[1..], [&retried, other, id]);
    for path in ["/v1/jobs/@", "/v1/jobs/@/log", "/v1/events/@"] {
        let answer = ask(&place, "GET", &path.replace('@', &id[..4]), "");
        assert_eq!(
            (answer.status, answer.get("content-type")),
            (409, Some("application/problem+json")),
            "{path}"
        );
        assert!(answer.json()["candidates"].as_array().unwrap().len() > 1, "{path}");
    }
    for (part, says) in [
        (&id[33..], "4 characters"),
        ("ffffffff", "no job"),
        ("last:none", "there is no router \"none\"; expected one of: "),
    ] {
        let ended = heraldd(&place, &["job", part]);
        assert!(ended.code == Some(4) && ended.stderr.contains(says), "{part}: {}", ended.text());
    }
    let table = |arguments: &[&str]| heraldd(&place, arguments).stdout;
    assert!(table(&["jobs"]).contains(&id[28..]) && !table(&["jobs"]).contains(id));
    assert!(table(&["jobs", "--full-ids"]).contains(id));
    assert!(
        table(&["explain", id, "--full-ids"]).contains(&format!(" {id} ")),
        "{}",
        table(&["explain", id])
    );
}

#[test]
fn the_status_on_one_screen() {
    let place = Place::new();
    let config = format!(
        "{CONFIG}  broken:\n    trigger: manual\n    selector: match_map\n    task: {{k: local_command}}\n    \
         select_param: {{match_key: do, match_value: fail}}\n    job_param: {{cmd: 'false'}}\n"
    )
    .replace("trigger:\n  manual:", "trigger:\n  nightly: {type: cron, cron: '30 2 * * *'}\n  manual:");
    let daemon = Daemon::start(&place, &config);
    let failed = job_with(&place, &daemon.post(&json!({"do": "fail"})), "failed");
    let status = heraldd(&place, &["status"]);
    assert_eq!(status.code, Some(0), "{}", status.text());
    let path = place.text_path("heraldd.yml");
    for part in [
        "accepting events",
        &path,
        "0 running, 0 queued",
        "failed (24 h)  1",
        "broken",
        "next\n  nightly  in ",
    ] {
        assert!(status.stdout.contains(part), "{part}: {}", status.text());
    }
    let status: Value = serde_json::from_str(&heraldd(&place, &["status", "--json"]).stdout).unwrap();
    assert_eq!((&status["ready"], &status["reason"]), (&json!(true), &Value::Null));
    assert_eq!(status["failed"][0]["id"], failed["id"]);
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    assert_eq!(heraldd(&place, &["status"]).code, Some(3));
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let place = Place::new();
    let _daemon = start(&place);
    heraldd(&place, &["trigger", "manual", "-d", r#"{"do": "quick"}"#, "--wait"]);
    // `script` runs a command on a terminal of its own.
    let on_terminal = |before: &str| {
        let heraldd = e2e::program::built("heraldd");
        let socket = place.path("state/heraldd.sock");
        let line = format!("{before} {} jobs --socket {}", heraldd.display(), socket.display());
        e2e::program::sh("script", &[&"-qec", &line, &"/dev/null"])
    };
    let coloured = on_terminal("TERM=xterm");
    assert!(coloured.contains("\u{1b}[32msucceeded\u{1b}[0m"), "{coloured:?}");
    for plain in ["TERM=dumb", "TERM=xterm NO_COLOR=1"] {
        let plain = on_terminal(plain);
        assert!(plain.contains("succeeded") && !plain.contains("\u{1b}[32m"), "{plain:?}");
    }
}

#[test]
fn a_log_and_the_graph_as_json() {
    let place = Place::new();
    let daemon = start(&place);
    let job = job_with(&place, &daemon.post(&json!({"do": "quick"})), "succeeded");
    let id = job["id"].as_str().unwrap();
    let printed = heraldd(&place, &["logs", "--json", id]);
    let piece: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(
        (&piece["kind"], &piece["stream"], &piece["text"]),
        (&json!("output"), &json!("stdout"), &json!("hello\n"))
    );
    assert_eq!(piece["attempt"], 1);
    let graph = heraldd(&place, &["graph", "-c", &place.text_path("heraldd.yml"), "--json"]);
    let graph: Value = serde_json::from_str(&graph.stdout).unwrap();
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 5, "{graph}");
    let schema = heraldd(&place, &["schema", "--json"]);
    assert!(schema.stdout.lines().count() == 1 && serde_json::from_str::<Value>(&schema.stdout).is_ok());
    let none = heraldd(&place, &["jobs", "--router", "nobody"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    assert!(none.stderr.contains("no matching jobs"), "{}", none.text());
}

#[test]
fn hostile_values_stay_on_their_line() {
    let hostile = "/no/such\nprogram\u{1b}[2J\r2026-01-01T00:00:00Z  INFO fake: x \"y\" {\u{202e}";
    for format in ["text", "json"] {
        let place = Place::new();
        let job = json!({"cmd": hostile, "env": {"A": hostile}});
        let config = format!(
            "{CONFIG}  hostile:\n    trigger: manual\n    selector: all\n    task: {{k: local_command}}\n    job_param: {job}\nlog: {{format: {format}}}\n"
        );
        let daemon = Daemon::start(&place, &config);
        let event = daemon.post(&json!({"text": hostile}));
        daemon.wait_for(&["job ended", &event, "does not exist"]);
        for line in daemon.lines() {
            if format == "json" {
                let line: Value =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
            } else {
                assert!(line.starts_with("20") && !line.starts_with("2026-01-01T00"), "{line:?}");
            }
            assert!(!line.contains('\u{1b}') && !line.contains('\r'), "{line:?}");
        }
        // All problems of a configuration are logged, each of their lines as a line of the log.
        place.config_as("heraldd.yml", &config.replace("selector: all", "selector: al"));
        assert_eq!(heraldd(&place, &["reload"]).code, Some(2));
        daemon.wait_for(&["unknown selector"]);
        daemon.wait_for(&["did you mean"]);
        let whole = |line: &str| line.starts_with("20") || line.starts_with('{');
        assert!(daemon.lines().iter().all(|line| whole(line)), "{}", daemon.log());
    }
}

#[test]
fn the_log_bears_ids() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &format!("{CONFIG}\nlog: {{format: json}}\n"));
    let event = heraldd(place_ready(&daemon, &place), &["trigger", "manual", "-d", r#"{"do": "quick"}"#]);
    let event = event.stdout.trim();
    let job = job_with(&place, event, "succeeded");
    let line = daemon.wait_for(&["job ended", event]);
    let line: Value = serde_json::from_str(&line).unwrap();
    for (field, value) in [
        ("trigger", "manual"),
        ("event_id", event),
        ("router", "quick"),
        ("task", "k"),
        ("job_id", job["id"].as_str().unwrap()),
        ("status", "succeeded"),
    ] {
        assert_eq!(line[field], value, "{line}");
    }
    assert!(
        daemon.lines().iter().all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{}",
        daemon.log()
    );
}

/// The folder, once its daemon responds.
fn place_ready<'a>(daemon: &Daemon, place: &'a Place) -> &'a Place {
    daemon.address("manual");
    place
}
