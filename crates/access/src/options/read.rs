//! Reads the options.

use std::path::Path as FilePath;

use herald_base::near_miss::near_miss;
use herald_config::problem::{Path, Problem, kind_of};
use herald_config::spec::{Description, Options};
use serde_json::{Map, Value};

use super::describe::{description, token_description};
use super::values::{networks, read_roles};
use crate::grants::{Grant, Grantee, Grants};
use crate::role::Role;
use crate::settings::{AccessSettings, JwtSettings, ProxySettings, TokenDigest, TokenSettings};
use crate::users::{UsersFile, UsersFileError, check_name};

/// What reads the options of a section in its place.
pub trait SectionOptions {
    /// The options at this place, checked and with their defaults; none when they are wrong, which it reports.
    fn options(
        &mut self,
        description: &Description,
        given: &Map<String, Value>,
        at: &Path,
    ) -> Option<Options>;

    /// The text at this place is secret.
    fn secret(&mut self, text: &str, at: &Path);

    /// Reports what is wrong or doubtful.
    fn report(&mut self, problem: Problem);
}

/// Reads the section. `folder` is where relative paths begin. None: it is wrong, which `section` has reported.
pub fn read(
    given: &Map<String, Value>,
    at: &Path,
    folder: &FilePath,
    section: &mut dyn SectionOptions,
) -> Option<AccessSettings> {
    if let Some(secret) = given.get("jwt").and_then(|jwt| jwt.get("secret")).and_then(Value::as_str) {
        section.secret(secret, &at.key("jwt").key("secret"));
    }
    let tokens = read_tokens(given.get("token"), &at.key("token"), section);
    let options = section.options(&description(), given, at);
    let may = read_may(given.get("may"), &at.key("may"), section);
    let (tokens, options, may) = (tokens?, options?.0, may?);
    warn_of_unknown_tokens(&may, &tokens, at, section);
    let map = |name: &str| options.get(name).and_then(Value::as_object);
    let users = options.get("users").and_then(Value::as_str).map(|path| folder.join(path));
    if let Some(path) = &users {
        check_users(path, &at.key("users"), section)?;
    }
    let settings = AccessSettings {
        users,
        tokens,
        jwt: map("jwt").map(read_jwt),
        proxy: map("proxy").map(read_proxy),
        may: Grants(may),
    };
    Some(settings)
}

fn text(map: &Map<String, Value>, name: &str) -> Option<String> {
    map.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn role(map: &Map<String, Value>) -> Option<Role> {
    map.get("role").and_then(Value::as_str).and_then(|role| role.parse().ok())
}

fn read_jwt(jwt: &Map<String, Value>) -> JwtSettings {
    JwtSettings {
        secret: text(jwt, "secret").unwrap_or_default(),
        name: text(jwt, "name"),
        role: role(jwt),
        role_claim: text(jwt, "role_claim"),
        roles: read_roles(jwt.get("roles")).unwrap_or_default(),
    }
}

fn read_proxy(proxy: &Map<String, Value>) -> ProxySettings {
    ProxySettings {
        from: proxy.get("from").and_then(|from| networks(from).ok()).unwrap_or_default(),
        user: text(proxy, "user"),
        groups: text(proxy, "groups"),
        roles: read_roles(proxy.get("roles")).unwrap_or_default(),
        role: role(proxy),
    }
}

fn read_tokens(
    given: Option<&Value>,
    at: &Path,
    section: &mut dyn SectionOptions,
) -> Option<Vec<TokenSettings>> {
    // What is not a map is reported with the section.
    let given = given.and_then(Value::as_object).into_iter().flatten();
    let mut tokens: Vec<Option<TokenSettings>> = Vec::new();
    for (name, body) in given {
        tokens.push(read_token(name, body, &at.key(name), section));
    }
    let tokens: Vec<TokenSettings> = tokens.into_iter().collect::<Option<_>>()?;
    for (n, token) in tokens.iter().enumerate() {
        if let Some(same) = tokens[..n].iter().find(|other| other.digest == token.digest) {
            let [name, other] = [&token.name, &same.name].map(|name| name.clone().unwrap_or_default());
            let message =
                format!("it has the same secret as the token `{other}`: who sent it cannot be known");
            section.report(Problem::error(at.key(&name).key("secret"), message).plain());
            return None;
        }
    }
    Some(tokens)
}

fn read_token(
    name: &str,
    body: &Value,
    at: &Path,
    section: &mut dyn SectionOptions,
) -> Option<TokenSettings> {
    if let Err(error) = check_name(name) {
        section.report(Problem::error(at.clone(), error.to_string().replace("a user", "a token")).at_key());
        return None;
    }
    let Value::Object(body) = body else {
        let message = format!("expected a map with secret and role, found {}", kind_of(body));
        let help = "write  NAME: {secret: \"${file:…}\", role: operator}";
        section.report(Problem::error(at.clone(), message).help(help).plain());
        return None;
    };
    let options = section.options(&token_description(), body, at)?.0;
    let secret = text(&options, "secret")?;
    Some(TokenSettings {
        name: Some(name.to_owned()),
        digest: TokenDigest::of(&secret),
        role: role(&options)?,
    })
}

fn read_may(given: Option<&Value>, at: &Path, section: &mut dyn SectionOptions) -> Option<Vec<Grant>> {
    let mut is_good = true;
    let mut wrong = |problem: Problem| {
        is_good = false;
        section.report(problem);
    };
    let mut grants = Vec::new();
    for (role_name, holders) in given.and_then(Value::as_object).into_iter().flatten() {
        let at = at.key(role_name);
        let role = match role_name.parse::<Role>() {
            Ok(role) => role,
            Err(error) => {
                wrong(Problem::error(at, error.to_string()).at_key());
                continue;
            }
        };
        let Value::Object(holders) = holders else {
            let message = format!("expected a map of patterns by user, found {}", kind_of(holders));
            wrong(Problem::error(at, message).help("write  operator: {anna: ['deploy_*']}"));
            continue;
        };
        for (who, patterns) in holders {
            match read_patterns(patterns) {
                Ok(patterns) => grants.push(Grant { role, grantee: Grantee::parse(who), patterns }),
                Err(message) => wrong(Problem::error(at.key(who), message.0)),
            }
        }
    }
    is_good.then_some(grants)
}

/// What is wrong with the patterns of an entry.
struct PatternsError(String);

fn read_patterns(given: &Value) -> Result<Vec<String>, PatternsError> {
    let expected = "expected a list of patterns of names of routers and apps";
    let items = match given {
        Value::String(one) => return Ok(vec![one.clone()]),
        Value::Array(items) => items,
        other => return Err(PatternsError(format!("{expected}, found {}", kind_of(other)))),
    };
    let text = |item: &Value| match item.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(PatternsError(format!("{expected}, found {} in it", kind_of(item)))),
    };
    items.iter().map(text).collect()
}

fn warn_of_unknown_tokens(
    may: &[Grant],
    tokens: &[TokenSettings],
    at: &Path,
    section: &mut dyn SectionOptions,
) {
    let names: Vec<&str> = tokens.iter().filter_map(|token| token.name.as_deref()).collect();
    for grant in may {
        let Grantee::Token(name) = &grant.grantee else { continue };
        if !names.contains(&name.as_str()) {
            let place = at.key("may").key(grant.role.as_str()).key(&grant.grantee.to_string());
            let problem = Problem::warning(place, format!("there is no token `{name}`")).at_key();
            section.report(match near_miss(name, names.iter().copied()) {
                Some(meant) => problem.help(format!("did you mean `token:{meant}`?")),
                None => problem,
            });
        }
    }
}

/// That the users file can be used, if it is there already.
fn check_users(path: &FilePath, at: &Path, section: &mut dyn SectionOptions) -> Option<()> {
    match UsersFile::new(path.to_owned()).read() {
        Ok(_) => Some(()),
        Err(error @ UsersFileError::Missing(_)) => {
            section.report(Problem::warning(at.clone(), error.to_string()));
            Some(())
        }
        Err(error) => {
            section.report(Problem::error(at.clone(), error.to_string()));
            None
        }
    }
}
