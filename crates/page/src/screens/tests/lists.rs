//! Lists that go on: their next pages.

use super::*;

#[test]
fn a_list_keeps_its_filters_on_the_next_page() {
    let admin = admin();
    let address = "/jobs?router=a+b&status=failed&cursor=old&task=";
    let html = with_frame(address, Some(&admin), |frame| {
        jobs::screen(
            frame,
            &Page { items: vec![summary("failed")], next_cursor: Some("next".to_owned()) },
            false,
        )
    });
    assert!(html.contains("/herald/jobs?router=a+b&amp;status=failed&amp;cursor=next"), "{html}");
    assert!(html.contains("heraldd jobs --router 'a b' --status failed --cursor old"), "{html}");
}
