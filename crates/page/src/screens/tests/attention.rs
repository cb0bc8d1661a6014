//! What the first screen says of drained nodes, paused topics, projects and applications, and that it leads there.

use super::*;

fn topic(name: &str, paused: bool, dead: u64) -> TopicResource {
    TopicResource {
        topic: name.to_owned(),
        mode: Some("compete".to_owned()),
        waiting: 2,
        delayed: 1,
        unfinished: 4,
        oldest_seconds: Some(90),
        redelivered: 5,
        finished: 6,
        dead,
        paused,
        pause: paused.then(|| TopicPauseResource {
            since: Some("2026-11-29T11:00:00Z".to_owned()),
            by: Some(RecordedActor {
                user: Some("anna".to_owned()),
                via: "cli".to_owned(),
                address: None,
                reason: Some(HOSTILE.to_owned()),
            }),
        }),
        nodes: Vec::new(),
    }
}

fn queue(topics: Vec<TopicResource>) -> QueueResource {
    QueueResource {
        name: "main".to_owned(),
        node: HOSTILE.to_owned(),
        connected: true,
        unreachable_since: None,
        error: None,
        topics,
    }
}

fn project(name: &str, state: &str) -> PublishedResource {
    PublishedResource {
        project: name.to_owned(),
        host: "web01".to_owned(),
        prefix: "/watcher".to_owned(),
        state: state.to_owned(),
        revision: 7,
        files: 3,
        error: (state != "in_sync").then(|| HOSTILE.to_owned()),
        published_at: Some("2026-11-29T11:00:00Z".to_owned()),
    }
}

pub(super) fn app(name: &str, state: &str, hold: Option<HoldResource>) -> AppResource {
    let node = AppNodeResource {
        path: "/srv".to_owned(),
        online: true,
        revision: None,
        state: state.to_owned(),
        modified: Vec::new(),
        catch_up: None,
        error: None,
        checked_at: None,
    };
    AppResource {
        name: name.to_owned(),
        kind: "git".to_owned(),
        mode: "releases".to_owned(),
        repo: "r".to_owned(),
        revision: None,
        since: None,
        previous: None,
        hold,
        freeze: None,
        running: None,
        last: None,
        nodes: [("web1".to_owned(), node)].into(),
    }
}

#[test]
fn each_has_a_line_that_leads_to_where_one_acts() {
    let admin = admin();
    let hold = HoldResource {
        reason: HOSTILE.to_owned(),
        by: "anna".to_owned(),
        since: "2026-11-29T11:00:00Z".to_owned(),
        until: None,
    };
    let mut data = now_data(Vec::new());
    data.nodes = vec![pauses::node("web1", true), pauses::node("web2", false)];
    data.queues = vec![queue(vec![topic("deploy", true, 0), topic("mail", false, 1), topic("ok", false, 0)])];
    data.published = vec![
        project("a.com", "held"),
        project("b.com", "drifted"),
        project("c.com", "failed"),
        project("d.com", "in_sync"),
    ];
    data.apps =
        vec![app("shop", "drifted", None), app("wiki", "in_sync", Some(hold)), app("blog", "in_sync", None)];
    let html = with_frame("/", Some(&admin), |frame| now::screen(frame, &data));
    check(&html);
    for part in [
        "node <a href=\"/herald/nodes/web1\"><bdi>web1</bdi></a> is drained since ",
        "by <bdi>anna</bdi> via <bdi>page</bdi>: “<bdi>&lt;img",
        "topic <a href=\"/herald/queues/main/topics/deploy\"><bdi>main/deploy</bdi></a> is paused: 3 messages wait until",
        " until somebody resumes it · since <time",
        "by <bdi>anna</bdi> via <bdi>cli</bdi>: “<bdi>&lt;img",
        "<bdi>main/mail</bdi></a> has 1 dead letter<",
        "project <a href=\"/herald/published/a.com\"><bdi>a.com</bdi></a> is held",
        "<bdi>b.com</bdi></a> has drifted · <bdi>&lt;img",
        "<bdi>c.com</bdi></a> could not be published",
        "application <a href=\"/herald/apps/shop\"><bdi>shop</bdi></a> has drifted: files were changed on <bdi>web1</bdi>",
        "<bdi>wiki</bdi></a> is held since ",
        ": nothing is deployed until somebody ends the hold · by <bdi>anna</bdi>",
        "by <bdi>anna</bdi>: “<bdi>&lt;img",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    for not in ["Nothing needs attention", "main/ok", "d.com", "/apps/blog", "nodes/web2"] {
        assert!(!html.contains(not), "{not}: {html}");
    }
}

#[test]
fn the_navigation_has_only_what_is_configured() {
    let admin = admin();
    for is_there in [true, false] {
        let html = with_frame("/", Some(&admin), |frame| {
            let screens = OptionalScreens { queues: is_there, published: is_there };
            let frame = Frame { screens, zone: TimeZone::UTC, ..*frame };
            now::screen(&frame, &now_data(Vec::new()))
        });
        let has = ["/herald/queues\"", "/herald/published\""].map(|path| html.contains(path));
        assert_eq!(has, [is_there; 2], "{html}");
    }
}

#[test]
fn the_screens_of_queues() {
    let admin = admin();
    let away = QueueResource {
        name: "away".to_owned(),
        connected: false,
        unreachable_since: Some("2026-11-29T11:00:00Z".to_owned()),
        error: Some(HOSTILE.to_owned()),
        ..queue(Vec::new())
    };
    let list = QueueList { items: vec![away, queue(vec![topic(HOSTILE, true, 2)])] };
    let html = with_frame("/queues", Some(&admin), |frame| queues::screen(frame, &list));
    check(&html);
    for part in [
        "It cannot be used since ",
        "▲</span> paused",
        " by <bdi>anna</bdi> via <bdi>cli</bdi>",
        "✕ 2",
        "1m 30s",
        "heraldd queue pause TOPIC",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let letter = |id: &str, can_be_requeued| DeadLetterResource {
        entry: "1-0".to_owned(),
        queue: "main".to_owned(),
        topic: "deploy".to_owned(),
        id: id.to_owned(),
        reason: HOSTILE.to_owned(),
        node: HOSTILE.to_owned(),
        since: "2026-11-29T11:00:00Z".to_owned(),
        can_be_requeued,
    };
    let letters = vec![letter("01a22833-3b1d-73ad-8d05-895b9cb2630f", true), letter("", false)];
    let data = |paused| queues::TopicData {
        queue: "main".to_owned(),
        topic: topic("deploy", paused, 2),
        dead: Ok(Page { items: letters.clone(), next_cursor: None }),
    };
    let screen = |data: &queues::TopicData, caller| {
        with_frame("/queues/main/topics/deploy", caller, |frame| queues::topic(frame, data))
    };
    let html = screen(&data(true), Some(&admin));
    check(&html);
    for part in [
        "Paused since <time",
        ". No worker gets",
        "/herald/queues/main/topics/deploy/resume\"",
        "/herald/queues/main/topics/deploy/requeue\"",
        "name=\"id\" value=\"01a22833-3b1d-73ad-8d05-895b9cb2630f\"",
        "not signed, so it cannot be requeued",
        "heraldd queue dead deploy --queue main",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(screen(&data(false), Some(&admin)).contains("/herald/queues/main/topics/deploy/pause\""));
    assert!(!screen(&data(true), None).contains("<form"), "a viewer acts nowhere");
    let unread = queues::TopicData { dead: Err(PartUnavailable(HOSTILE.to_owned())), ..data(true) };
    assert!(screen(&unread, Some(&admin)).contains("✕</span> <bdi>&lt;img"));
}

#[test]
fn the_screens_of_published_projects() {
    let admin = admin();
    let twice = PublishedResource { host: "web02".to_owned(), ..project("a.com", "held") };
    let list = PublishedList { items: vec![project("a.com", "in_sync"), twice, project(HOSTILE, "drifted")] };
    let html = with_frame("/published?state=held", Some(&admin), |frame| published::screen(frame, &list));
    check(&html);
    assert!(html.contains("/herald/published/web02%2Fa.com\"") && !html.contains("web01%2Fa.com"), "{html}");
    let file = PublishedFileDiff {
        file: HOSTILE.to_owned(),
        action: "set".to_owned(),
        diff: format!("--- a\n+++ b\n@@ -1 +1 @@\n-old\n+{HOSTILE}\n"),
    };
    let data = |state: &str, diff| published::ProjectData {
        name: "web01/a.com".to_owned(),
        project: project("a.com", state),
        routers: vec!["publish".to_owned()],
        diff,
    };
    let screen = |data: &published::ProjectData, caller| {
        with_frame("/published/web01%2Fa.com", caller, |frame| published::project(frame, data))
    };
    let held = screen(&data("held", None), Some(&admin));
    for part in [
        "Held: the files stay as they are",
        "name=\"accept\" value=\"true\"",
        "action=\"/herald/published/web01%2Fa.com/publish\"",
        "/herald/published/web01%2Fa.com/diff\"",
        "heraldd publish web01/a.com",
        "name=\"rollback\"",
    ] {
        assert!(held.contains(part), "{part}: {held}");
    }
    let in_sync = screen(&data("in_sync", None), Some(&admin));
    assert!(in_sync.contains("name=\"force\"") && !in_sync.contains("name=\"accept\""), "{in_sync}");
    assert!(!screen(&data("held", None), None).contains("<form"), "a viewer acts nowhere");
    let diff = |files: Vec<PublishedFileDiff>| {
        Some(Ok(PublishedDiff { project: "a.com".to_owned(), equal: files.is_empty(), files, held: None }))
    };
    for (diff, says) in [
        (diff(vec![file]), "<span class=\"good\">+&lt;img"),
        (diff(Vec::new()), "Nothing: the files are as etcd has them."),
        (Some(Err(PartUnavailable(HOSTILE.to_owned()))), "✕</span> <bdi>&lt;img"),
    ] {
        let html = screen(&data("failed", diff), Some(&admin));
        check(&html);
        assert!(html.contains(says), "{says}: {html}");
    }
}

/// A damaged state buries nothing else, and what is missing for it is not said to be not there yet.
#[test]
fn a_damaged_state_is_said_once_and_lists_say_that_jobs_may_be_missing() {
    let admin = admin();
    let mut data = now_data(Vec::new());
    let damage = (1..=50).map(|n| format!("job {n} cannot be read")).collect();
    data.health = Ok(Health::ready(damage, vec!["etcd main: connection refused".to_owned()], Vec::new()));
    let html = with_frame("/", Some(&admin), |frame| now::screen(frame, &data));
    for part in ["job 3 cannot", "47 more parts of the state are damaged", "etcd main: connection refused"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("job 4 cannot"), "{html}");
    for (is_damaged, says) in [(true, "jobs may be missing here"), (false, "No job yet.")] {
        let html =
            with_frame("/jobs", Some(&admin), |frame| jobs::screen(frame, &JobList::default(), is_damaged));
        assert_eq!((html.contains(says), html.contains("No job yet.")), (true, !is_damaged), "{html}");
    }
}

#[test]
fn a_screen_that_fails_leads_back_to_its_list() {
    let admin = admin();
    for (path, detail, parts) in [
        ("/apps/x/plan", "nothing to roll back to", ["</span> <bdi>nothing", "/herald/apps\">To Apps</a>"]),
        ("/jobs?since=x", "a.yml:1:\n  ^", ["<pre>a.yml:1:\n  ^</pre>", "/herald/jobs\">To Jobs</a>"]),
        ("/audit", "no", ["<bdi>no</bdi>", "<p><a href=\"/herald/\">To the first page</a>"]),
        ("/nothing", "no", ["<bdi>no</bdi>", "<p><a href=\"/herald/\">To the first page</a>"]),
    ] {
        let (title, detail) = ("Conflict".to_owned(), detail.to_owned());
        let problem = ProblemDetails { status: 409, title, detail, candidates: None };
        let html = with_frame(path, Some(&admin), |frame| problem::screen(frame, &problem));
        for part in parts {
            assert!(html.contains(part), "{path}: {part}: {html}");
        }
    }
}
