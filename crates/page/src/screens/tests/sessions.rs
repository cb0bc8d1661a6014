//! Sessions on the account's screen.

use herald_access::{AccessSettings, Authenticator, PresentedProof, Role, TokenDigest, TokenSettings};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

pub(super) fn session(own: bool, current: bool) -> SessionResource {
    SessionResource {
        id: if own { "0123456789abcdef" } else { "fedcba9876543210" }.to_owned(),
        user: Some(HOSTILE.to_owned()),
        began_with: if own { "password" } else { "link" }.to_owned(),
        created_at: "2026-11-29T11:00:00Z".to_owned(),
        used_at: "2026-11-29T11:30:00Z".to_owned(),
        expires_at: "2026-11-29T23:30:00Z".to_owned(),
        address: Some("10.1.2.3".to_owned()),
        agent: Some(HOSTILE.to_owned()),
        own,
        current,
    }
}

fn viewer() -> AuthenticatedCaller {
    let digest = TokenDigest::of("word");
    let token = TokenSettings { name: Some("vera".to_owned()), digest, role: Role::Viewer };
    let settings = AccessSettings { tokens: vec![token], ..AccessSettings::default() };
    let header = |_: &str| vec!["Bearer word".to_owned()];
    let authenticator = Authenticator::new(settings);
    let proof = PresentedProof { peer: None, client: None, header: &header, now: 0 };
    let caller = pin!(authenticator.caller(&proof));
    match caller.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(caller)) => caller,
        _ => panic!("a token is checked without waiting"),
    }
}

#[test]
fn admins_see_the_sessions_of_others() {
    let (admin, viewer) = (admin(), viewer());
    let (own, other) = (session(true, true), session(false, false));
    let screen = |caller, sessions: &[SessionResource]| {
        let html = with_frame("/account", Some(caller), |frame| account::screen(frame, sessions));
        check(&html);
        html
    };
    let both = screen(&admin, &[own.clone(), other]);
    for part in [
        "Sessions of others",
        "by a link",
        "value=\"fedcba9876543210\"",
        "this one",
        "heraldd sessions end ID",
    ] {
        assert!(both.contains(part), "{part}: {both}");
    }
    assert_eq!(both.matches("/account/end").count(), 1, "the current one has its own button: {both}");
    assert!(screen(&admin, std::slice::from_ref(&own)).contains("Nobody else is logged in."));
    let alone = screen(&viewer, &[own, session(true, false)]);
    assert!(!alone.contains("of others") && !alone.contains("heraldd sessions"), "{alone}");
    assert_eq!(alone.matches("/account/end").count(), 1, "{alone}");
    assert!(screen(&viewer, &[]).contains("needed no session"));
}
