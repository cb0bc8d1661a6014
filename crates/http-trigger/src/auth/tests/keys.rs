//! What a request is known by, so that it is recognized when it comes again.

use super::*;

/// What a request with these headers is known by.
pub(super) fn key(
    auth: &Value,
    headers: &[(&str, &str)],
    path: &str,
    body: &str,
    named: bool,
) -> Option<RequestKey> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let now = Timestamp::UNIX_EPOCH;
    let request = RequestCredentials { headers: &map, query: &[], body: body.as_bytes(), now };
    read(auth).unwrap().delivery(&request, path, named).unwrap()
}

#[test]
fn other_headers_make_no_other_event_of_a_signed_request() {
    let hmac = json!({"hmac": {
        "header": "X-Sig", "secret": "key", "prefix": "", "algorithm": "sha256", "encoding": "hex",
    }});
    let standard = &[("webhook-id", "w"), ("webhook-timestamp", "5"), ("webhook-signature", "v1,x")][..];
    let slack = &[("x-slack-signature", "v0=ab"), ("x-slack-request-timestamp", "5")][..];
    let other = [
        ("idempotency-key", "i2"),
        ("x-request-uuid", "r2"),
        ("x-github-delivery", "d2"),
        ("x-gitea-delivery", "d2"),
        ("x-gitlab-event-uuid", "d2"),
    ];
    for (auth, headers, body) in [
        (provider("slack", "s"), slack, "text=x"),
        (provider("slack", "s"), slack, r#"{"event_id": "Ev1"}"#),
        (provider("stripe", "s"), &[("stripe-signature", "t=5,v1=ab")], r#"{"id": "evt_1"}"#),
        (provider("stripe", "s"), &[("stripe-signature", "t=5,v1=ab")], "{}"),
        (json!({"provider": "standard_webhooks", "secret": "c2VjcmV0"}), standard, "{}"),
        (provider("gitlab", "c2VjcmV0"), standard, "{}"),
        (hmac.clone(), &[("x-sig", "ab")], "{}"),
    ] {
        let first = key(&auth, headers, "/a", body, true).unwrap();
        let more: Vec<_> = headers.iter().copied().chain(other).collect();
        assert_eq!(key(&auth, &more, "/a", body, true), Some(first.clone()), "{auth} {body}");
        assert_eq!(key(&auth, headers, "/%61", body, true), Some(first.clone()), "{auth} {body}");
        assert_ne!(key(&auth, headers, "/b", body, true), Some(first), "{auth} {body}");
    }
    // Stripe and Slack sign again for another try: the event is the same.
    let again = |time: &str| {
        key(&provider("stripe", "s"), &[("stripe-signature", time)], "/", r#"{"id": "e"}"#, true)
    };
    assert_eq!(again("t=5,v1=ab"), again("t=6,v1=cd"));
}

#[test]
fn the_query_is_a_part_of_what_a_token_allows_and_not_of_what_is_signed() {
    let key = |auth: &Value, header: &str, query: &[(&str, &str)]| {
        let query: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("idempotency-key"), HeaderValue::from_static("i")),
            (HeaderName::try_from(header).unwrap(), HeaderValue::from_static("x")),
        ]);
        let now = Timestamp::UNIX_EPOCH;
        let request = RequestCredentials { headers: &headers, query: &query, body: b"{}", now };
        read(auth).unwrap().delivery(&request, "/", true).unwrap()
    };
    let token = json!({"token": ["t", "u"], "query": "sign"});
    let basic = json!({"basic": {"user": "u", "password": "p"}});
    let hmac = json!({"hmac": {
        "header": "X-Sig", "secret": "key", "prefix": "", "algorithm": "sha256", "encoding": "hex",
    }});
    for (auth, one, other, same) in [
        (&token, &[("sign", "t"), ("a", "1")][..], &[("sign", "u"), ("a", "1")][..], true),
        (&token, &[("sign", "t"), ("a", "1")], &[("sign", "t"), ("a", "2")], false),
        (&token, &[("sign", "t")], &[("sign", "t"), ("a", "2")], false),
        (&basic, &[("a", "1")], &[("a", "2")], false),
        (&basic, &[("a", "1")], &[("a", "1")], true),
        // Nobody has signed the query: anybody who has seen the request could send it with any.
        (&hmac, &[("a", "1")], &[("a", "2")], true),
    ] {
        let found = key(auth, "x-sig", one) == key(auth, "x-sig", other);
        assert_eq!(found, same, "{auth} {one:?} {other:?}");
    }
}

#[test]
fn forges_name_their_deliveries_and_sign_the_body() {
    let github = provider("github", "s");
    let signed = |key: Option<RequestKey>| match key {
        Some(RequestKey::Named { name, signed }) => (name, signed),
        other => panic!("{other:?}"),
    };
    let of =
        |headers: &[(&str, &str)], path: &str, body: &str| signed(key(&github, headers, path, body, true));
    let first = of(&[("x-github-delivery", "d1")], "/a", "{}");
    for (headers, path, body, same_name, same_signed) in [
        (&[("x-github-delivery", "d1"), ("idempotency-key", "i")][..], "/a", "{}", true, true),
        (&[("x-github-delivery", "d2")], "/a", "{}", false, true),
        (&[("x-github-delivery", "d1")], "/a", "[]", true, false),
        (&[("x-github-delivery", "d1")], "/b", "{}", false, false),
        (&[("x-github-delivery", "d1"), ("x-github-hook-id", "7")], "/a", "{}", false, true),
    ] {
        let found = of(headers, path, body);
        assert_eq!(
            (found.0 == first.0, found.1 == first.1),
            (same_name, same_signed),
            "{headers:?} {path} {body}"
        );
    }
    assert_eq!(key(&github, &[], "/a", "{}", true), Some(RequestKey::Signed(first.1)));
    assert!(matches!(
        key(&provider("bitbucket", "s"), &[("x-request-uuid", "u")], "/", "", true),
        Some(RequestKey::Named { .. })
    ));
    assert!(matches!(
        key(&provider("gitlab", "s"), &[("x-gitlab-event-uuid", "u")], "/", "", true),
        Some(RequestKey::Named { .. })
    ));
    // Without names a signature counts as long as it is in time, and only where there is one.
    assert_eq!(key(&github, &[("x-github-delivery", "d1")], "/a", "{}", false), None);
    let stripe =
        key(&provider("stripe", "s"), &[("stripe-signature", "t=5,v1=a")], "/", r#"{"id": "e"}"#, false);
    let again =
        key(&provider("stripe", "s"), &[("stripe-signature", "t=6,v1=a")], "/", r#"{"id": "e"}"#, false);
    assert!(stripe.is_some() && again.is_some() && stripe != again);
}
