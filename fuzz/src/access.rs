//! What callers of the API send to prove who they are.

use futures_util::FutureExt as _;
use herald_access::{AccessSettings, Authenticator, JwtSettings, PresentedProof, ProxySettings, Role, Via};

use crate::first_line;

/// The value of `Authorization`, and on the next lines the headers of a proxy. Without a users file nothing blocks.
pub fn authorization(data: &[u8]) {
    let (authorization, rest) = first_line(data);
    let (user, rest) = first_line(rest);
    let (groups, _) = first_line(rest);
    let settings = AccessSettings {
        jwt: Some(JwtSettings {
            secret: "0123456789abcdef".to_owned(),
            name: None,
            role: None,
            role_claim: Some("role".to_owned()),
            roles: Vec::new(),
        }),
        proxy: Some(ProxySettings {
            from: "10.0.0.0/8".parse().into_iter().collect(),
            user: Some("x-user".to_owned()),
            groups: Some("x-groups".to_owned()),
            roles: vec![("ops".to_owned(), Role::Operator)],
            role: None,
        }),
        ..AccessSettings::default()
    }
    .with_admin_token(Some("correct-horse-battery"));
    let authenticator = Authenticator::new(settings);
    let header = |name: &str| match name {
        "authorization" if !authorization.is_empty() => vec![authorization.to_owned()],
        "x-user" if !user.is_empty() => vec![user.to_owned()],
        "x-groups" => vec![groups.to_owned()],
        _ => Vec::new(),
    };
    for peer in ["10.0.0.1", "192.0.2.1"] {
        let peer = peer.parse().ok();
        let proof = PresentedProof { peer, client: peer, header: &header, now: 1_800_000_000 };
        let found = authenticator.caller(&proof).now_or_never();
        if let Some(Ok(caller)) = found {
            let is_word_of_proxy = caller.via == Via::Proxy;
            assert!(
                !is_word_of_proxy || peer == "10.0.0.1".parse().ok(),
                "the word of a client was believed"
            );
            assert!(caller.name.as_ref().is_none_or(|name| !name.contains(char::is_control)), "{caller:?}");
        }
    }
}
