//! The running configuration, and its file.

use super::*;

#[test]
fn a_file_that_differs_says_so_and_problems_are_for_an_admin() {
    let entry = |name: Option<&str>| ConfigEntry {
        section: "router".to_owned(),
        name: name.map(str::to_owned),
        file: "heraldd.yml".to_owned(),
        line: 7,
        value: json!({"job_param": HOSTILE}),
    };
    let problem = ConfigProblem {
        severity: "warning".to_owned(),
        file: Some("heraldd.yml".to_owned()),
        line: Some(3),
        column: Some(5),
        message: HOSTILE.to_owned(),
        help: Some("do something".to_owned()),
    };
    let mut config = ConfigResource {
        files: vec!["heraldd.yml".to_owned()],
        differs: true,
        is_valid: true,
        problem_count: 1,
        problems: vec![problem],
        entries: vec![entry(Some(HOSTILE)), entry(None)],
        next_cursor: Some("200".to_owned()),
    };
    let (admin, info) = (admin(), now_data(Vec::new()).info);
    let shown = |config: &ConfigResource| {
        let html =
            with_frame("/config?section=router", Some(&admin), |frame| config::screen(frame, &info, config));
        check(&html);
        html
    };
    let html = shown(&config);
    for part in
        ["differs from what runs", "heraldd.yml:3:5: warning: ", "help: do something", "cursor=200", ":7"]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
    config.problems.clear();
    (config.differs, config.is_valid) = (false, false);
    let html = shown(&config);
    assert!(html.contains("An admin sees what they are") && html.contains("has errors"), "{html}");
    assert!(!html.contains("differs from what runs"), "{html}");
}

#[test]
fn a_failed_reload_is_shown_first_with_its_place_and_what_to_do() {
    let admin = admin();
    let problem = ConfigProblem {
        severity: "error".to_owned(),
        file: Some("/etc/heraldd/config.yml".to_owned()),
        line: Some(3),
        column: Some(5),
        message: format!("unknown section `roter` {HOSTILE}"),
        help: Some("did you mean `router`?".to_owned()),
    };
    let failed = FailedReload {
        at: "2026-11-29T11:55:00Z".to_owned(),
        error: "whole text".to_owned(),
        problems: vec![problem.clone(), problem],
    };
    let other = FailedReload {
        error: "configuration not reloaded, the running one is kept: trigger \"t\": port 80 is taken"
            .to_owned(),
        problems: Vec::new(),
        ..failed.clone()
    };
    for (failed, says) in [
        (
            failed,
            "<bdi>/etc/heraldd/config.yml:3:5: unknown section `roter` &lt;img src=x onerror=alert(1)&gt;&quot;",
        ),
        (other, "<bdi>trigger &quot;t&quot;: port 80 is taken</bdi>"),
    ] {
        let has_problems = !failed.problems.is_empty();
        let mut data = now_data(vec![summary("failed")]);
        data.info.failed_reload = Some(failed);
        let html = with_frame("/", Some(&admin), |frame| now::screen(frame, &data));
        check(&html);
        let help = "(did you mean `router`?), and 1 more error</bdi>";
        assert!(html.contains(says) && html.contains(help) == has_problems, "{html}");
        for part in [
            "<time datetime=\"2026-11-29T11:55:00Z\"",
            "(5m ago)",
            "Correct the file and reload it: <a href=\"/herald/config\"",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let (reload, job) =
            (html.find("The reload of ").unwrap(), html.find(" failed <time").unwrap_or(usize::MAX));
        assert!(reload < job && !html.contains("Nothing needs attention"), "{html}");
        let config = ConfigResource {
            files: Vec::new(),
            differs: true,
            is_valid: false,
            problem_count: 0,
            problems: Vec::new(),
            entries: Vec::new(),
            next_cursor: None,
        };
        let html = with_frame("/config", Some(&admin), |frame| config::screen(frame, &data.info, &config));
        assert!(html.contains(says), "{html}");
    }
}
