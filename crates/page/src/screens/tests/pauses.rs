//! Routers that are paused.

use super::*;

#[test]
fn a_paused_router_says_so_and_can_be_resumed() {
    let pause = |router: &str| PauseResource {
        router: router.to_owned(),
        since: "2026-11-28T11:00:00Z".to_owned(),
        until: None,
        by: RecordedActor {
            user: Some("anna".to_owned()),
            via: "page".to_owned(),
            address: None,
            reason: None,
        },
    };
    let router = |name: &str, paused| RouterResource {
        name: name.to_owned(),
        trigger: "tick".to_owned(),
        selector: "all".to_owned(),
        tasks: Vec::new(),
        paused,
    };
    let routers = [router("backup", Some(pause("backup"))), router("sync", None)];
    let admin = admin();
    let html = with_frame("/routers", Some(&admin), |frame| about::routers(frame, &routers, &[]));
    check(&html);
    for part in ["▲ paused", "anna", "/routers/backup/resume", "/routers/sync/pause"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let seen = with_frame("/routers", None, |frame| about::routers(frame, &routers, &[]));
    assert!(seen.contains("▲ paused") && !seen.contains("/pause") && !seen.contains("/resume"), "{seen}");
    let mut data = now_data(Vec::new());
    data.info.paused.push(pause("backup"));
    let now = with_frame("/", Some(&admin), |frame| now::screen(frame, &data));
    assert!(now.contains("is paused since") && !now.contains("Nothing needs attention"), "{now}");
}
