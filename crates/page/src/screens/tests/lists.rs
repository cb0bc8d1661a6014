//! Lists that go on: their next pages.

use super::*;

#[test]
fn a_list_keeps_its_filters_on_the_next_page() {
    let admin = admin();
    let address = "/jobs?router=a+b&status=failed&cursor=old&task=";
    let html = with_frame(address, Some(&admin), |frame| {
        jobs::screen(
            frame,
            &JobList { items: vec![summary("failed")], next_cursor: Some("next".to_owned()), counts: None },
            false,
        )
    });
    assert!(html.contains("/herald/jobs?router=a+b&amp;status=failed&amp;cursor=next"), "{html}");
    assert!(html.contains("heraldd jobs --router 'a b' --status failed --cursor old"), "{html}");
}

#[test]
fn jobs_are_searched_and_counted() {
    let admin = admin();
    let shown = |address: &str, list: &JobList| {
        with_frame(address, Some(&admin), |frame| jobs::screen(frame, list, false))
    };
    let one = || JobList { items: vec![summary("failed")], ..JobList::default() };
    let html = shown("/jobs?router=r&q=no+such&by=&node=web1", &one());
    assert!(html.contains("/herald/jobs?router=r&amp;q=no+such&amp;node=web1&amp;counts=true"), "{html}");
    assert!(html.contains("heraldd jobs --router r --node web1 --q 'no such'"), "{html}");
    let counts = [("failed".to_owned(), 12), ("timed_out".to_owned(), 3)];
    let counted = JobList { counts: Some(counts.into()), ..one() };
    let html = shown("/jobs?counts=true&by=anna", &counted);
    assert!(html.contains(">12 <") && html.contains("timed out") && html.contains("do not count"), "{html}");
    assert!(html.contains("heraldd jobs --by anna --counts"), "{html}");
    // A search looks at so many jobs for one page.
    let html =
        shown("/jobs?by=anna", &JobList { next_cursor: Some("next".to_owned()), ..JobList::default() });
    assert!(html.contains("older ones may") && html.contains("cursor=next"), "{html}");
}

#[test]
fn who_ran_a_job_again_has_not_caused_its_event() {
    let admin = admin();
    let event = |by: Option<RecordedActor>| -> EventResource {
        let event = json!({
            "id": "01a22833-3b1d-73ad-8d05-895b9cb2630e", "trigger": "t", "trigger_param": {}, "chain_depth": 0,
            "accepted_at": "2026-11-29T11:00:00Z", "routed_at": null, "by": by, "decisions": [], "jobs": [],
        });
        serde_json::from_value(event).unwrap()
    };
    let anna =
        RecordedActor { user: Some("anna".to_owned()), via: "page".to_owned(), address: None, reason: None };
    let timer = RecordedActor { user: None, via: "nightly".to_owned(), address: None, reason: None };
    for (caused, by, again) in [(Some(&timer), &anna, true), (Some(&anna), &anna, false), (None, &anna, true)]
    {
        let job = JobResource { by: Some(by.clone()), ..job("failed") };
        let html = with_frame("/jobs/x", Some(&admin), |frame| {
            job::screen(frame, &job, Some(&event(caused.cloned())), &log(&[], ShownLines::Whole))
        });
        assert_eq!(html.contains("Run again by "), again, "{html}");
    }
}
