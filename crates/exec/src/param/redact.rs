//! The execution parameters as a script sees them: without the credentials that only Herald uses.

use serde_json::{Map, Value};

use crate::git::url::without_credentials;

/// Used by Herald, never passed on.
const CREDENTIALS: [&str; 5] =
    ["git_username", "git_password", "git_ssh_key", "git_ssh_key_file", "git_ssh_key_password"];
/// Addresses may hold a password.
const ADDRESSES: [&str; 2] = ["repo", "git_repo"];

/// The parameters as JSON text. Large values are written as they are, without a copy.
pub(crate) fn json(params: &Map<String, Value>) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(1024);
    object(&mut out, params.iter(), |out, key, value| match value {
        Value::Object(job_param) if key == "job_param" => self::job_param(out, job_param),
        value => serde_json::to_writer(out, value),
    })?;
    Ok(out)
}

fn job_param(out: &mut Vec<u8>, params: &Map<String, Value>) -> Result<(), serde_json::Error> {
    let shown = params.iter().filter(|(key, _)| !CREDENTIALS.contains(&key.as_str()));
    object(out, shown, |out, key, value| match value {
        Value::String(address) if ADDRESSES.contains(&key) => {
            serde_json::to_writer(out, &without_credentials(address))
        }
        value => serde_json::to_writer(out, value),
    })
}

fn object<'a>(
    out: &mut Vec<u8>,
    entries: impl Iterator<Item = (&'a String, &'a Value)>,
    mut write: impl FnMut(&mut Vec<u8>, &str, &Value) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    out.push(b'{');
    for (number, (key, value)) in entries.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, key)?;
        out.push(b':');
        write(out, key, value)?;
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn credentials_are_left_out() {
        let params = json!({
            "id": "a\"b", "trigger_param": {"git_password": "theirs", "n": 12_345_678_901_234_567_890_u64},
            "job_param": {
                "cmd": "x", "git_username": "u", "git_password": "p", "git_ssh_key": "k", "git_ssh_key_file": "f",
                "git_ssh_key_password": "kp", "repo": "https://u:p@h/x", "own": [1, {"git_password": "kept"}],
            },
        });
        let seen: Value = serde_json::from_slice(&json(params.as_object().unwrap()).unwrap()).unwrap();
        assert_eq!(
            seen,
            json!({
                "id": "a\"b", "trigger_param": {"git_password": "theirs", "n": 12_345_678_901_234_567_890_u64},
                "job_param": {"cmd": "x", "repo": "https://h/x", "own": [1, {"git_password": "kept"}]},
            })
        );
        assert_eq!(json(&Map::new()).unwrap(), b"{}");
    }
}
