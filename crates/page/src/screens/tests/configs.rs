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
