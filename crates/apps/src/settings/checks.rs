//! What may be wrong with single options.

use std::path::{Component, Path};
use std::time::Duration;

use herald_base::unit;
use herald_config::spec::CheckError;
use serde_json::Value;

use super::freeze::FreezeWindow;

/// Nodes are not asked more often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn repo(value: &Value) -> Result<(), CheckError> {
    let url = value.as_str().unwrap_or_default();
    if url.starts_with('-') || url.chars().any(char::is_control) || url.contains("::") {
        return Err(CheckError::new("is not a valid URL of a repository"));
    }
    let authority = url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        return Err(CheckError::new("the URL has a password").help("write  auth: {username: …, password: …}"));
    }
    Ok(())
}

pub(super) fn path(value: &Value) -> Result<(), CheckError> {
    is_plain(value.as_str().unwrap_or_default())
        .then_some(())
        .ok_or_else(|| CheckError::new("expected an absolute path without `..`, `.git` and `.svn`"))
}

pub(super) fn shared(value: &Value) -> Result<(), CheckError> {
    let one = std::slice::from_ref(value);
    let entries = value.as_array().map_or(one, Vec::as_slice).iter().filter_map(Value::as_str);
    match entries.into_iter().find(|entry| !herald_deploy::is_inside(entry)) {
        Some(entry) => Err(CheckError::new(format!("`{entry}` is not a relative path inside the tree"))),
        None => Ok(()),
    }
}

/// Whether a deployment can have this path.
pub(super) fn is_plain(text: &str) -> bool {
    let path = Path::new(text);
    let plain = path.components().all(|part| match part {
        Component::RootDir => true,
        Component::Normal(name) => name != ".git" && name != ".svn",
        _ => false,
    });
    path.is_absolute() && plain && path.file_name().is_some() && !text.contains('\0')
}

pub(super) fn auth(value: &Value) -> Result<(), CheckError> {
    let expected = "expected `machine`, {username, password} or {ssh_key_file, known_hosts_file}";
    match value {
        Value::String(word) if word == "machine" => Ok(()),
        Value::Object(map) => {
            let text = |name: &str| map.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            let known = |names: &[&str]| map.keys().all(|key| names.contains(&key.as_str()));
            if known(&["username", "password"]) && text("username").is_some() {
                let password = text("password").ok_or_else(|| {
                    CheckError::new("the password is missing or empty").of_option("password")
                })?;
                let is_line = |text: &str| !text.contains(['\n', '\r', '\0']);
                if !is_line(password) || !text("username").is_some_and(is_line) {
                    return Err(CheckError::new("user name and password must be one line each"));
                }
                return Ok(());
            }
            if known(&["ssh_key_file", "known_hosts_file"]) && text("ssh_key_file").is_some() {
                return Ok(());
            }
            Err(CheckError::new(expected))
        }
        _ => Err(CheckError::new(expected)),
    }
}

pub(super) fn ca(value: &Value) -> Result<(), CheckError> {
    let path = value.as_str().map(Path::new);
    match path {
        Some(path) if path.is_absolute() => Ok(()),
        _ => Err(CheckError::new("expected an absolute path, since it is read on the nodes as well")),
    }
}

pub(super) fn health(value: &Value) -> Result<(), CheckError> {
    let given = |name: &str| value.get(name).is_some_and(|value| !value.is_null());
    match (given("url"), given("cmd")) {
        (true, true) => Err(CheckError::new("give `url` or `cmd`, not both")),
        (false, false) => Err(CheckError::new("expected `url` or `cmd`")),
        (false, true) if given("status") => Err(CheckError::new("it is for `url`").of_option("status")),
        _ => Ok(()),
    }
}

pub(super) fn freeze(value: &Value) -> Result<(), CheckError> {
    let Value::Array(windows) = value else {
        return Err(CheckError::new("expected a list of {from, to, time_zone}"));
    };
    for window in windows {
        FreezeWindow::read(window).map_err(|error| CheckError::new(error.to_string()))?;
    }
    Ok(())
}

pub(super) fn drift_interval(value: &Value) -> Result<(), CheckError> {
    match unit::duration(value) {
        Ok(interval) if interval < SHORTEST_INTERVAL => Err(CheckError::new("the shortest interval is 5 s")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn single_options() {
        type Check = fn(&Value) -> Result<(), CheckError>;
        for (check, value, fine) in [
            (repo as Check, json!("https://git.example.com/shop.git"), true),
            (repo, json!("ssh://git@git.example.com/shop.git"), true),
            (repo, json!("https://me:secret@git.example.com/shop.git"), false),
            (repo, json!("--config-dir=/x"), false),
            (repo, json!("ext::sh -c id"), false),
            (path, json!("/srv/www/shop"), true),
            (path, json!("/srv/../etc"), false),
            (path, json!("srv"), false),
            (path, json!("/"), false),
            (path, json!("/srv/shop/.git"), false),
            (shared, json!(["uploads/", ".env"]), true),
            (shared, json!("uploads/"), true),
            (shared, json!(["uploads/", "../x"]), false),
            (shared, json!(["/etc"]), false),
            (shared, json!([".git/hooks"]), false),
            (auth, json!("machine"), true),
            (auth, json!("nobody"), false),
            (auth, json!({"username": "a", "password": "b \"%ü"}), true),
            (auth, json!({"username": "a"}), false),
            (auth, json!({"username": "a", "password": "b\nc"}), false),
            (auth, json!({"ssh_key_file": "/k"}), true),
            (auth, json!({"ssh_key_file": "/k", "password": "x"}), false),
            (health, json!({"url": "http://x/"}), true),
            (health, json!({"cmd": "true", "status": 200}), false),
            (health, json!({"within": "3s"}), false),
            (freeze, json!([{"from": "fri", "to": "mon"}]), true),
            (freeze, json!({"from": "fri", "to": "mon"}), false),
            (drift_interval, json!("5s"), true),
            (drift_interval, json!("1s"), false),
        ] {
            assert_eq!(check(&value).is_ok(), fine, "{value}");
        }
    }
}
