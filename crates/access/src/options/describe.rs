//! Which options there are.

use herald_config::spec::{CheckError, Description, OptionKind, OptionSpec};
use serde_json::Value;

use super::values::{networks, read_roles};
use crate::role::NAMES;

/// The shortest token, in characters, and the shortest secret of a JWT, in bytes.
const SHORTEST: usize = 16;

const EXAMPLE: &str = "access:
  users: /etc/heraldd/users
  token: {ci: {secret: \"${file:/etc/heraldd/ci.token}\", role: operator}}
  may: {operator: {'token:ci': ['deploy_*']}}";

/// The section.
#[must_use]
pub fn description() -> Description {
    let new = OptionSpec::new;
    Description::new(
        "access",
        "Who may use the control API over TCP, and as what. A viewer sees everything but the audit, secrets masked. An \
         operator also runs, cancels, re-runs, publishes, deploys and pauses, and sees the audit. An admin also reloads \
         the configuration and overrides what holds others up. Who can open the socket, and who has the token of the \
         section `api`, is an admin.",
    )
    .option(new(
        "users",
        OptionKind::FilePath,
        "The file with the users who log in with a password, which only its owner can read. `heraldd user` makes and \
         changes it; a change counts at once.",
    ))
    .option(new(
        "token",
        OptionKind::Map,
        "Tokens by name, `NAME: {secret: SECRET, role: ROLE}`, sent as `Authorization: Bearer TOKEN`; at least 16 \
         characters each. The name is recorded as the user.",
    ))
    .option(jwt_option())
    .option(proxy_option())
    .option(new(
        "may",
        OptionKind::Map,
        "On which routers and apps somebody has a role: `ROLE: {WHO: [PATTERN, …]}`, with `*` and `?` in patterns. WHO is \
         a user, `token:NAME`, `group:NAME` or `*`. Who is named has the role on what matches and is a viewer elsewhere; \
         `*` limits everybody else who has that role, but no admin.",
    ))
    .example(EXAMPLE)
}

fn role_option(doc: &str) -> OptionSpec {
    OptionSpec::new("role", OptionKind::OneOf(&NAMES), doc)
}

fn roles_option(doc: &str) -> OptionSpec {
    OptionSpec::new("roles", OptionKind::Map, doc).check(|roles| read_roles(Some(roles)).map(drop))
}

/// One entry of `token`.
pub(super) fn token_description() -> Description {
    Description::new("token", "A token.")
        .option(OptionSpec::new("secret", OptionKind::Secret, "The token.").required().check(check_token))
        .option(role_option("What its holder may do.").required())
}

fn jwt_option() -> OptionSpec {
    let new = OptionSpec::new;
    let fields = vec![
        new("secret", OptionKind::Secret, "With what they are signed; at least 16 bytes.")
            .required()
            .check(check_jwt_secret),
        new(
            "name",
            OptionKind::Text,
            "The claim with the name that is recorded. Default: the first of `nickname`, `sub` and `uid` that is there.",
        ),
        role_option("The role of everybody, or of those whose `role_claim` gives none."),
        new(
            "role_claim",
            OptionKind::Text,
            "The claim with the role: a text, or a list, of which the highest counts.",
        ),
        roles_option("The role for each value of `role_claim`. Default: the values are the names of roles."),
    ];
    new(
        "jwt",
        OptionKind::Fields(fields),
        "JSON Web Tokens that another program signs, sent as `Authorization: Bearer TOKEN`. Only HS256 is accepted, `exp` \
         is required, `nbf` is respected, and clocks may differ by 30 s.",
    )
    .check(|jwt| match (jwt.get("role"), jwt.get("role_claim")) {
        (None | Some(Value::Null), None | Some(Value::Null)) => {
            Err(CheckError::new("it gives nobody a role").help("write  role: viewer,  or  role_claim: CLAIM"))
        }
        _ => Ok(()),
    })
}

fn proxy_option() -> OptionSpec {
    let new = OptionSpec::new;
    let fields = vec![
        new("from", OptionKind::Texts, "The addresses of the proxies, such as `10.0.0.5` or `10.0.0.0/8`.")
            .required()
            .check(|from| networks(from).map(drop)),
        new(
            "user",
            OptionKind::Text,
            "The header with the name, which the proxy sets and clients cannot. Without it the proxy says of a request \
             only where the client is and whether it speaks HTTPS.",
        )
        .check(check_header),
        new("groups", OptionKind::Text, "The header with the groups, separated by commas; given once.")
            .check(check_header),
        roles_option("The role of each group: `GROUP: ROLE`. Of several the highest counts."),
        role_option("The role of those who have none by their groups. Default: they are rejected."),
    ];
    new(
        "proxy",
        OptionKind::Fields(fields),
        "Proxies that are trusted. Their `X-Forwarded-For` says where the client is, and their `X-Forwarded-Proto` \
         whether it speaks HTTPS. With `user` they authenticate users and send their names in a header. From everybody \
         else these headers count for nothing.",
    )
    .check(|proxy| {
        let given = |name: &str| proxy.get(name).is_some_and(|given| !given.is_null());
        if !given("user") {
            let of_users = ["groups", "roles", "role"].into_iter().find(|name| given(name));
            return of_users.map_or(Ok(()), |name| {
                Err(CheckError::new(format!("`{name}` needs the header with the name"))
                    .of_option(name)
                    .help("write  user: X-Forwarded-User"))
            });
        }
        match (given("role"), given("roles"), given("groups")) {
            (false, false, _) => {
                Err(CheckError::new("it gives nobody a role").help("write  role: viewer,  or  groups: HEADER, roles: {…}"))
            }
            (_, true, false) => Err(CheckError::new("`roles` needs the header with the groups")
                .of_option("roles")
                .help("write  groups: X-Forwarded-Groups")),
            _ => Ok(()),
        }
    })
}

fn check_token(token: &Value) -> Result<(), CheckError> {
    match token.as_str() {
        Some(token) if token.chars().count() < SHORTEST => Err(CheckError::plain(
            "a token needs at least 16 characters, since it proves who its holder is (openssl rand -hex 32)",
        )),
        Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(CheckError::plain("only visible ASCII characters without spaces can be sent"))
        }
        _ => Ok(()),
    }
}

fn check_jwt_secret(secret: &Value) -> Result<(), CheckError> {
    match secret.as_str() {
        Some(secret) if secret.len() < SHORTEST => Err(CheckError::plain(
            "the secret of a JWT needs at least 16 bytes, since anybody with one token can try out shorter ones (openssl \
             rand -hex 32)",
        )),
        _ => Ok(()),
    }
}

fn check_header(name: &Value) -> Result<(), CheckError> {
    let name = name.as_str().unwrap_or_default();
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_good) {
        return Err(CheckError::new(format!("`{name}` is not a valid name of a header")));
    }
    if name.eq_ignore_ascii_case("authorization") {
        return Err(
            CheckError::new("this header has credentials, not a name").help("write  X-Forwarded-User")
        );
    }
    Ok(())
}
