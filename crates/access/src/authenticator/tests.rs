use std::collections::HashMap;

use super::*;
use crate::grants::Grants;
use crate::settings::JwtSettings;

const TOKEN: &str = "correct-horse-battery";

fn settings(users: Option<std::path::PathBuf>) -> AccessSettings {
    let token = |name: &str, role| TokenSettings {
        name: Some(name.to_owned()),
        digest: TokenDigest::of(&format!("{name}-{TOKEN}")),
        role,
    };
    AccessSettings {
        users,
        tokens: vec![token("ci", Role::Operator), token("board", Role::Viewer)],
        jwt: Some(JwtSettings {
            secret: "0123456789abcdef".to_owned(),
            name: None,
            role: Some(Role::Viewer),
            role_claim: None,
            roles: Vec::new(),
        }),
        proxy: Some(ProxySettings {
            from: vec!["10.0.0.0/8".parse().unwrap()],
            user: Some("X-User".to_owned()),
            groups: Some("X-Groups".to_owned()),
            roles: vec![("ops".to_owned(), Role::Operator), ("boss".to_owned(), Role::Admin)],
            role: None,
        }),
        may: Grants::default(),
    }
    .with_admin_token(Some(TOKEN))
}

async fn call(
    authenticator: &Authenticator,
    peer: &str,
    headers: &[(&str, &str)],
) -> Result<AuthenticatedCaller, NotAuthenticated> {
    let mut given: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in headers {
        given.entry(name.to_ascii_lowercase()).or_default().push((*value).to_owned());
    }
    let header = move |name: &str| given.get(&name.to_ascii_lowercase()).cloned().unwrap_or_default();
    let peer: Option<IpAddr> = Some(peer.parse().unwrap());
    authenticator.caller(&PresentedProof { peer, client: peer, header: &header, now: 1_800_000_000 }).await
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

#[tokio::test]
async fn tokens_and_proxies() {
    let authenticator = Authenticator::new(settings(None));
    let (here, proxy) = ("192.0.2.1", "10.1.2.3");
    for (peer, headers, name, via, role) in [
        (here, vec![("authorization", "Bearer correct-horse-battery")], None, Via::Token, Role::Admin),
        (
            here,
            vec![("authorization", "bearer  ci-correct-horse-battery")],
            Some("ci"),
            Via::Token,
            Role::Operator,
        ),
        (
            here,
            vec![("authorization", "Bearer board-correct-horse-battery"), ("x-user", "root")],
            Some("board"),
            Via::Token,
            Role::Viewer,
        ),
        (proxy, vec![("x-user", "anna"), ("x-groups", "web, ops")], Some("anna"), Via::Proxy, Role::Operator),
        (proxy, vec![("x-user", "anna"), ("x-groups", "ops, boss")], Some("anna"), Via::Proxy, Role::Admin),
        // The proxy's own password for whatever it asks is not for Herald.
        (
            proxy,
            vec![("x-user", "anna"), ("x-groups", "ops"), ("authorization", "Basic eDp5")],
            Some("anna"),
            Via::Proxy,
            Role::Operator,
        ),
        (
            proxy,
            vec![("x-user", " "), ("authorization", "Bearer correct-horse-battery")],
            None,
            Via::Token,
            Role::Admin,
        ),
    ] {
        let caller =
            call(&authenticator, peer, &headers).await.unwrap_or_else(|error| panic!("{headers:?}: {error}"));
        assert_eq!((caller.name.as_deref(), caller.via, caller.role()), (name, via, role), "{headers:?}");
    }
}

#[tokio::test]
async fn what_proves_nothing_is_not_admitted() {
    let authenticator = Authenticator::new(settings(None));
    let (here, proxy) = ("192.0.2.1", "10.1.2.3");
    for (peer, headers, says) in [
        (here, vec![], "send a token as  Authorization: Bearer TOKEN"),
        (here, vec![("authorization", "Bearer")], "send a token"),
        (here, vec![("authorization", "Bearer x")], "the token is not valid"),
        (here, vec![("authorization", "Bearer correct-horse-batterx")], "the token is not valid"),
        (here, vec![("authorization", "Bearer eyJhbGciOiJub25lIn0.e30.")], "must be signed with HS256"),
        (here, vec![("authorization", "Basic eDp5")], "send a token"),
        (here, vec![("authorization", "Digest x")], "send a token"),
        (here, vec![("x-user", "anna"), ("x-groups", "boss")], "send a token"),
        (here, vec![("authorization", "Bearer a"), ("authorization", "Bearer b")], "twice"),
        (proxy, vec![("x-user", "anna"), ("x-user", "root"), ("x-groups", "boss")], "twice"),
        (proxy, vec![("x-user", "anna"), ("x-groups", "web"), ("x-groups", "boss")], "twice"),
        (proxy, vec![("x-user", "anna"), ("x-groups", "web")], "anna has no role"),
        (proxy, vec![("x-user", "an\tna"), ("x-groups", "ops")], "the header X-User is not a valid name"),
    ] {
        let error = call(&authenticator, peer, &headers).await.unwrap_err().to_string();
        assert!(error.contains(says), "{headers:?}: {error}");
    }
    // A proxy that is trusted for addresses alone.
    let access = settings(None);
    let from = access.proxy.clone().map(|proxy| ProxySettings { user: None, ..proxy });
    authenticator.exchange(AccessSettings { proxy: from.clone(), ..access });
    let by_proxy = [("x-user", "anna"), ("x-groups", "boss")];
    assert!(call(&authenticator, proxy, &by_proxy).await.is_err());
    assert_eq!(authenticator.proxies().len(), 1);
    assert!(!AccessSettings { proxy: from, ..AccessSettings::default() }.authenticates_somebody());
    // Another configuration counts at once.
    authenticator.exchange(AccessSettings { tokens: Vec::new(), ..settings(None) });
    let old = [("authorization", "Bearer ci-correct-horse-battery")];
    assert!(call(&authenticator, here, &old).await.is_err());
}

#[tokio::test]
async fn passwords_of_the_users_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = UsersFile::new(folder.path().join("users"));
    let authenticator = Authenticator::new(settings(Some(file.path().to_owned())));
    let (here, elsewhere) = ("192.0.2.1", "192.0.2.2");
    let try_from = async |peer: &str, name: &str, password: &str| {
        call(&authenticator, peer, &[("authorization", &basic(name, password))]).await
    };
    assert!(try_from(here, "anna", "correct horse").await.is_err(), "there is no file yet");
    let set = |role| {
        let password = PasswordHash::new("correct horse").unwrap();
        let anna = UserEntry { name: "anna".to_owned(), role, password };
        let changed: Result<(), UsersFileError> = file.change(|users| {
            *users = vec![anna];
            Ok(())
        });
        changed.unwrap();
    };
    set(Role::Operator);
    let anna = try_from(here, "anna", "correct horse").await.unwrap();
    assert_eq!((anna.name.as_deref(), anna.via, anna.role()), (Some("anna"), Via::Password, Role::Operator));
    // A change of the file counts at once.
    set(Role::Viewer);
    assert_eq!(try_from(here, "anna", "correct horse").await.unwrap().role(), Role::Viewer);
    for (name, password) in [("anna", "wrong"), ("bob", "correct horse"), ("anna", ""), ("", "")] {
        let error = try_from(here, name, password).await.unwrap_err();
        assert_eq!(error, NotAuthenticated::Unproved("wrong name or password".to_owned()), "{name}");
    }
    for _ in 0..4 {
        assert!(try_from(here, "anna", "wrong").await.is_err());
    }
    let slowed = try_from(here, "anna", "correct horse").await.unwrap_err();
    assert!(matches!(slowed, NotAuthenticated::TooMany(_)), "{slowed:?}");
    assert!(try_from(elsewhere, "anna", "correct horse").await.is_ok(), "nobody locks the owner out");
    // What others may have read or changed counts for nothing.
    std::fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(try_from(elsewhere, "anna", "correct horse").await.unwrap_err(), NotAuthenticated::Users);
}
