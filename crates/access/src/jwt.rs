//! JSON Web Tokens (RFC 7519) that another program signs with a shared secret: HS256 and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::role::Role;
use crate::settings::JwtSettings;

/// Claims with a name, the most telling first: those of the seed's tokens are among them.
const NAMES: [&str; 3] = ["nickname", "sub", "uid"];
/// How far the clocks may differ, in seconds.
const LEEWAY: f64 = 30.0;
/// The longest token, in bytes.
const LONGEST: usize = 16 << 10;
/// The longest name, in characters.
const LONGEST_NAME: usize = 200;

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JwtError {
    /// It is not one.
    #[error("the token is not a valid JWT")]
    Malformed,
    /// Another algorithm, `none` among them.
    #[error("the JWT must be signed with HS256")]
    Algorithm,
    /// The header has `crit`.
    #[error("the JWT demands extensions (`crit`) that are not supported")]
    Critical,
    /// Signed with another secret, or altered.
    #[error("the signature of the JWT does not match")]
    Signature,
    /// Without an end.
    #[error("the JWT has no `exp`")]
    NoEnd,
    /// It has ended.
    #[error("the JWT has expired")]
    Expired,
    /// It has not begun.
    #[error("the JWT is not valid yet (`nbf`)")]
    Early,
    /// It names nobody.
    #[error("the JWT names nobody")]
    NoName,
    /// It gives no role.
    #[error("the JWT gives no role")]
    NoRole,
}

/// Whom a token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JwtHolder {
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// Whether a text has the form of a JWT: three parts.
pub(crate) fn looks_like_one(token: &str) -> bool {
    token.split('.').count() == 3
}

/// Checks a token at this time, in seconds since 1970.
pub(crate) fn verify(token: &str, settings: &JwtSettings, now: i64) -> Result<JwtHolder, JwtError> {
    if token.len() > LONGEST {
        return Err(JwtError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (head, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
    let head = object(head)?;
    if head.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(JwtError::Algorithm);
    }
    if head.contains_key("crit") {
        return Err(JwtError::Critical);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtError::Malformed)?;
    // A key of any length is valid.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(settings.secret.as_bytes()).map_err(|_| JwtError::Signature)?;
    mac.update(signed.as_bytes());
    mac.verify_slice(&signature).map_err(|_| JwtError::Signature)?;
    let claims = object(claims)?;
    check_times(&claims, now)?;
    let name = name(&claims, settings).ok_or(JwtError::NoName)?;
    let role = role(&claims, settings).ok_or(JwtError::NoRole)?;
    Ok(JwtHolder { name, role })
}

fn object(part: &str) -> Result<Map<String, Value>, JwtError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(JwtError::Malformed),
    }
}

fn check_times(claims: &Map<String, Value>, now: i64) -> Result<(), JwtError> {
    #[expect(clippy::cast_precision_loss, reason = "a time in seconds is far below 2^52")]
    let now = now as f64;
    let time = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(given) => given.as_f64().filter(|time| time.is_finite()).map(Some).ok_or(JwtError::Malformed),
    };
    let end = time("exp")?.ok_or(JwtError::NoEnd)?;
    if now >= end + LEEWAY {
        return Err(JwtError::Expired);
    }
    match time("nbf")? {
        Some(begin) if now < begin - LEEWAY => Err(JwtError::Early),
        _ => Ok(()),
    }
}

fn name(claims: &Map<String, Value>, settings: &JwtSettings) -> Option<String> {
    let text = |claim: &str| match claims.get(claim)? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let is_good = |name: &String| {
        !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.contains(char::is_control)
    };
    match &settings.name {
        Some(claim) => text(claim).filter(is_good),
        None => NAMES.into_iter().find_map(|claim| text(claim).filter(is_good)),
    }
}

fn role(claims: &Map<String, Value>, settings: &JwtSettings) -> Option<Role> {
    let of = |value: &str| match settings.roles.as_slice() {
        [] => value.parse().ok(),
        roles => roles.iter().find(|(known, _)| known == value).map(|(_, role)| *role),
    };
    let claimed = settings.role_claim.as_ref().and_then(|claim| claims.get(claim));
    let claimed = match claimed {
        Some(Value::String(value)) => of(value),
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).filter_map(of).max(),
        _ => None,
    };
    claimed.or(settings.role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECRET: &str = "0123456789abcdef";
    const NOW: i64 = 1_800_000_000;

    fn signed(head: &Value, claims: &Value, secret: &str) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(head), part(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    fn settings() -> JwtSettings {
        JwtSettings {
            secret: SECRET.to_owned(),
            name: None,
            role: Some(Role::Operator),
            role_claim: None,
            roles: Vec::new(),
        }
    }

    #[test]
    fn only_good_tokens_are_accepted() {
        let hs256 = json!({"alg": "HS256", "typ": "JWT"});
        let claims = json!({"uid": "7", "nickname": "Anna", "exp": NOW + 60});
        let good = signed(&hs256, &claims, SECRET);
        assert_eq!(verify(&good, &settings(), NOW).unwrap().name, "Anna");
        let unsigned =
            format!("{}.", signed(&json!({"alg": "none"}), &claims, SECRET).rsplit_once('.').unwrap().0);
        let other_claims = good.replacen(
            &URL_SAFE_NO_PAD.encode(claims.to_string()),
            &URL_SAFE_NO_PAD.encode(json!({"uid": "1", "exp": NOW + 60}).to_string()),
            1,
        );
        for (token, error) in [
            (unsigned, JwtError::Algorithm),
            (signed(&json!({"alg": "none"}), &claims, SECRET), JwtError::Algorithm),
            (signed(&json!({"alg": "HS512"}), &claims, SECRET), JwtError::Algorithm),
            (signed(&json!({"alg": "RS256"}), &claims, SECRET), JwtError::Algorithm),
            (signed(&json!({"alg": "hs256"}), &claims, SECRET), JwtError::Algorithm),
            (signed(&json!({"alg": ["HS256"]}), &claims, SECRET), JwtError::Algorithm),
            (signed(&json!({"typ": "JWT"}), &claims, SECRET), JwtError::Algorithm),
            (signed(&json!({"alg": "HS256", "crit": ["x"]}), &claims, SECRET), JwtError::Critical),
            (signed(&hs256, &claims, "0123456789abcdeX"), JwtError::Signature),
            (other_claims, JwtError::Signature),
            (good[..good.len() - 3].to_owned(), JwtError::Signature),
            (format!("{}.", good.rsplit_once('.').unwrap().0), JwtError::Signature),
            (signed(&hs256, &json!({"nickname": "a"}), SECRET), JwtError::NoEnd),
            (signed(&hs256, &json!({"nickname": "a", "exp": "never"}), SECRET), JwtError::Malformed),
            (signed(&hs256, &json!({"nickname": "a", "exp": NOW - 31}), SECRET), JwtError::Expired),
            (
                signed(&hs256, &json!({"nickname": "a", "exp": NOW + 60, "nbf": NOW + 31}), SECRET),
                JwtError::Early,
            ),
            (signed(&hs256, &json!({"nickname": "", "exp": NOW + 60}), SECRET), JwtError::NoName),
            (signed(&hs256, &json!({"nickname": "a\nb", "exp": NOW + 60}), SECRET), JwtError::NoName),
            (signed(&hs256, &json!([1]), SECRET), JwtError::Malformed),
            ("a.b.c".to_owned(), JwtError::Malformed),
            ("ab".to_owned(), JwtError::Malformed),
            ("x".repeat(LONGEST + 1), JwtError::Malformed),
        ] {
            assert_eq!(verify(&token, &settings(), NOW), Err(error), "{token}");
        }
    }

    #[test]
    fn names_times_and_roles() {
        let hs256 = json!({"alg": "HS256"});
        let admin_by_claim = |roles: Vec<(String, Role)>| JwtSettings {
            role: None,
            role_claim: Some("r".into()),
            roles,
            ..settings()
        };
        let mapped = || admin_by_claim(vec![("ops".into(), Role::Operator), ("boss".into(), Role::Admin)]);
        let named = |claim: &str| JwtSettings { name: Some(claim.into()), ..settings() };
        for (settings, claims, expected) in [
            (settings(), json!({"sub": "s", "uid": 7, "exp": 1_800_000_001.5}), Ok(("s", Role::Operator))),
            (settings(), json!({"nickname": "  ", "uid": 7, "exp": NOW + 1}), Ok(("7", Role::Operator))),
            (
                settings(),
                json!({"nickname": "a", "exp": NOW - 29, "nbf": NOW + 29}),
                Ok(("a", Role::Operator)),
            ),
            (named("head"), json!({"nickname": "a", "head": "h", "exp": NOW + 1}), Ok(("h", Role::Operator))),
            (named("head"), json!({"nickname": "a", "exp": NOW + 1}), Err(JwtError::NoName)),
            (mapped(), json!({"sub": "s", "r": "ops", "exp": NOW + 1}), Ok(("s", Role::Operator))),
            (
                mapped(),
                json!({"sub": "s", "r": ["x", "ops", "boss"], "exp": NOW + 1}),
                Ok(("s", Role::Admin)),
            ),
            (mapped(), json!({"sub": "s", "r": "admin", "exp": NOW + 1}), Err(JwtError::NoRole)),
            (mapped(), json!({"sub": "s", "exp": NOW + 1}), Err(JwtError::NoRole)),
            (
                admin_by_claim(Vec::new()),
                json!({"sub": "s", "r": "viewer", "exp": NOW + 1}),
                Ok(("s", Role::Viewer)),
            ),
            (
                JwtSettings { role: Some(Role::Viewer), ..mapped() },
                json!({"sub": "s", "r": "x", "exp": NOW + 1}),
                Ok(("s", Role::Viewer)),
            ),
        ] {
            let found = verify(&signed(&hs256, &claims, SECRET), &settings, NOW);
            let expected = expected.map(|(name, role)| JwtHolder { name: name.to_owned(), role });
            assert_eq!(found, expected, "{claims}");
        }
    }
}
