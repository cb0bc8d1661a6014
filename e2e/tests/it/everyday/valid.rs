//! `heraldd check`: what it says about what people write.

use std::process::Stdio;

use e2e::place::Place;
use serde_json::Value;

const HEAD: &str = "trigger: {hook: {type: http, port: 0}}\n";

/// A router whose job has these parameters.
fn job(parameters: &str) -> String {
    format!(
        "{HEAD}router: {{r: {{trigger: hook, selector: all, task: {{t: local}}, job_param: {parameters}}}}}\n"
    )
}

#[test]
fn what_check_says() {
    let place = Place::new();
    let line = "arguments go to `arg`; for a shell line:  cmd: sh, arg: [-c, …]";
    for (written, code, says) in [
        (job("{cmd: sh, args: [-c, x]}"), 0, &["unknown parameter `args`", "did you mean `arg`?"][..]),
        (job("{cmd: x, timout: 5s}"), 0, &["unknown parameter `timout`", "did you mean `timeout`?"]),
        (
            job("{cmd: x, git_barnch: main}"),
            0,
            &["unknown parameter `git_barnch`", "did you mean `git_branch`?"],
        ),
        (job("{cmd: x, retry: 3}"), 0, &["`retry` is not a parameter of `local`", "policy: {retry: …}"]),
        (
            job("{cmd: x, user: nobody}"),
            0,
            &["`user` is not a parameter of a job", "user: nobody  in the executor"],
        ),
        (
            job("{cmd: x, repo: https://h/r.git, branch: feature}"),
            0,
            &["`branch` is not a parameter of a job", "did you mean `git_branch`?"],
        ),
        (job("{cmd: ls, arg: '-l /tmp'}"), 0, &["an option with a space in it", "arg: [-l, /tmp]"]),
        (
            job("{cmd: x}").replace("job_param", "policy: {concurrency: {limit: 1, key: ref}}, job_param"),
            0,
            &["no execution parameter `ref`", "write  trigger_param/ref"],
        ),
        (job("{cmd: 'echo hello world'}"), 0, &["has spaces in it", line]),
        (job("{cmd: 'uptime | mail root'}"), 0, &["has spaces in it", line]),
        (
            "trigger: {t: {type: cron, cron: */5 * * * *}}\n".to_owned(),
            2,
            &["a value that begins with * must be quoted", "cron: '*/5 * * * *'"],
        ),
        (
            job("{cmd: x}").replace("port: 0", "port: 8123, host: 0.0.0.0"),
            0,
            &[
                "without `auth` anybody there can fire this trigger",
                "add  auth:",
                "requests are not encrypted",
            ],
        ),
    ] {
        let ended = place.check(&written);
        assert_eq!(ended.code, Some(code), "{written}{}", ended.text());
        let mut rest = ended.stderr.as_str();
        // In this order.
        for part in says {
            let found = rest.split_once(part);
            rest = found.unwrap_or_else(|| panic!("{written}no {part:?} in {}", ended.text())).1;
        }
    }
    for good in ["{cmd: sh, arg: [-c, 'echo hello world']}", "{cmd: '{{ trigger_param.x }} y'}"] {
        assert_eq!(place.check(&job(good)).stderr, "", "{good}");
    }
}

#[test]
fn short_forms_are_accepted() {
    let place = Place::new();
    let policy = |policy: &str| {
        place.check(&job("{cmd: x}").replace("job_param", &format!("policy: {policy}, job_param")))
    };
    let good = policy("{retry: 3, concurrency: 1}");
    assert_eq!((good.code, good.stderr.as_str()), (Some(0), ""), "{}", good.text());
    for wrong in ["{retry: 0}", "{retry: yes}", "{concurrency: [1]}"] {
        assert_eq!(policy(wrong).code, Some(2), "{wrong}");
    }
    let schema = place.run("heraldd", &["schema", "--json"]);
    let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
    let retry = &schema["$defs"]["policy"]["properties"]["retry"];
    assert_eq!(retry["anyOf"][0]["type"], "integer", "{retry}");
}

#[test]
fn several_files_standard_input_and_a_summary() {
    let place = Place::new();
    place.config_as("a.yml", &job("{cmd: x}"));
    place.config_as("b.yml", &job("{cmd: x, timout: 1}").replace("selector: all", "selector: al"));
    let ended = place.run("heraldd", &["check", "a.yml", "b.yml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.text());
    assert!(
        ended.stdout.starts_with("a.yml: ok (1 trigger, ") && ended.stdout.lines().count() == 1,
        "{}",
        ended.text()
    );
    assert!(ended.stderr.contains("b.yml:2:"), "{}", ended.text());
    assert!(ended.stderr.ends_with("\nb.yml: not valid (1 error, 1 warning)\n"), "{}", ended.text());
    let json = place.run("heraldd", &["check", "-o", "json", "a.yml", "b.yml"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&json["ok"], &json["files"]["a.yml"]["ok"], &json["files"]["b.yml"]["ok"]),
        (&false.into(), &true.into(), &false.into())
    );
    for (file, code, says) in [("a.yml", 0, "-: ok (1 trigger, "), ("b.yml", 2, "-:2:")] {
        for program in ["heraldd", "herald-runner"] {
            let mut command = place.bare(program);
            command.args(["check", "-"]).stdin(Stdio::from(std::fs::File::open(place.path(file)).unwrap()));
            let ended = e2e::program::run_to_end(&mut command);
            if program == "heraldd" {
                assert_eq!(ended.code, Some(code), "{}", ended.text());
                assert!(ended.text().contains(says), "{}", ended.text());
            } else {
                assert!(ended.code == Some(2) && ended.stderr.contains("-:1:1"), "{}", ended.text());
            }
        }
    }
    // Colours where a person reads it.
    let line = format!("TERM=xterm {} check b.yml", e2e::program::built("heraldd").display());
    let mut script = std::process::Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(place.path(".")).env_remove("NO_COLOR");
    let shown = e2e::program::run_to_end(&mut script).stdout;
    assert!(shown.contains("\u{1b}[33mwarning:\u{1b}[0m") && shown.contains("\u{1b}[31m^"), "{shown:?}");
}

#[test]
fn what_try_says_of_parameters() {
    let place = Place::new();
    let router = |name: &str, param: &str| {
        format!(
            "  {name}: {{trigger: hook, selector: all, task: {{t: local}}, job_param: {{cmd: make, {param}}}}}\n"
        )
    };
    let config = [
        HEAD,
        "router:\n",
        &router("build", "repo: 'https://h/r.git', git_commit: '{{ trigger_param.commit }}'"),
        &router("wait", "timeout: '{{ trigger_param.wait }}'"),
    ];
    place.config_as("heraldd.yml", &config.concat());
    let good = "0123456789abcdef0123456789abcdef01234567";
    for (typed, code, says, not) in [
        (&[][..], 2, &["-d '{", "-p ref=", "--request FILE"][..], "error:"),
        (
            &["-p", "commit=main", "-p", "wait=soon"],
            0,
            &[
                "build/t on local would fail: job_param: git_commit: ",
                "wait/t on local would fail: job_param: timeout: ",
            ],
            "would get",
        ),
        (
            &["-d", &format!("{{\"commit\": \"{good}\", \"wait\": \"5s\"}}")],
            0,
            &["build/t on local would get job_param", "wait/t on local would get job_param"],
            "would fail",
        ),
        (&["-d", "{}"], 0, &["`trigger_param.commit` is not defined"], "would get"),
    ] {
        let tried = place.run("heraldd", &[&["try", "heraldd.yml", "--trigger", "hook"], typed].concat());
        assert_eq!(tried.code, Some(code), "{typed:?}: {}", tried.text());
        for part in says {
            assert!(tried.text().contains(part), "{part}: {}", tried.text());
        }
        assert!(!tried.text().contains(not), "{not}: {}", tried.text());
    }
}
