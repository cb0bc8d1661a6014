//! The policy of a project: where its files go, and which commands run.

use std::collections::BTreeMap;
use std::time::Duration;

use herald_base::unit;
use herald_base::value::{Params, kind_of};
use serde_json::Value;

use crate::plan::request::SwapKind;

/// The keys of a policy.
pub const POLICY_KEYS: [&str; 12] = [
    "deployPath",
    "backupDir",
    "beforeCmd",
    "afterCmd",
    "callback",
    "checkCmd",
    "verifyCmd",
    "mode",
    "owner",
    "files",
    "swap",
    "splay",
];
/// The key of the URL for reports. It may hold a password.
pub const CALLBACK: &str = "callback";

/// How the keys of a policy are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKeys {
    /// As they are documented; others are errors.
    Exact,
    /// Without regard to case; others are ignored, as the program watcher does.
    AnyCase,
}

/// The policy of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishPolicy {
    /// The folder that files are published into.
    pub deploy_path: String,
    /// Where previous files go; none removes them.
    pub backup_dir: Option<String>,
    /// Runs before the files change places.
    pub before: String,
    /// Runs after they did.
    pub after: String,
    /// Gets the URL for reports. May hold a password.
    pub callback: String,
    /// Checks the new files before anything changes.
    pub check: String,
    /// Checks the result.
    pub verify: String,
    /// Permissions of all files.
    pub mode: Option<u32>,
    /// `user` or `user:group` of all files.
    pub owner: Option<String>,
    /// Both of single files, by their name.
    pub files: BTreeMap<String, FilePolicy>,
    /// How files change places.
    pub swap: Option<SwapKind>,
    /// Waits up to this long, so that many machines do not run their commands at the same time.
    pub splay: Duration,
}

/// The policy of a single file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilePolicy {
    /// Its permissions.
    pub mode: Option<u32>,
    /// `user` or `user:group`.
    pub owner: Option<String>,
}

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct PolicyError {
    /// The key that is wrong.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

impl PublishPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] names the first key that is wrong.
    pub fn read(given: &Params, keys: PolicyKeys) -> Result<Self, PolicyError> {
        let mut policy = Self::default();
        for (given_key, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            match known(given_key, keys) {
                Some(key) => policy.set(key, value)?,
                None if keys == PolicyKeys::AnyCase => {}
                None => {
                    let help = herald_base::near_miss::expected(given_key, POLICY_KEYS);
                    return Err(wrong(given_key, format!("unknown key; {help}")));
                }
            }
        }
        if policy.deploy_path.is_empty() {
            return Err(wrong("deployPath", "is missing"));
        }
        Ok(policy)
    }

    /// For a publication that leaves no file: a check of an empty folder says nothing, and must not keep what is to go.
    #[must_use]
    pub fn without_checks(self) -> Self {
        Self { check: String::new(), verify: String::new(), ..self }
    }

    fn set(&mut self, key: &'static str, value: &Value) -> Result<(), PolicyError> {
        match key {
            "deployPath" => self.deploy_path = text(key, value)?,
            "backupDir" => self.backup_dir = Some(text(key, value)?).filter(|path| !path.is_empty()),
            "beforeCmd" => self.before = text(key, value)?,
            "afterCmd" => self.after = text(key, value)?,
            CALLBACK => self.callback = text(key, value)?,
            "checkCmd" => self.check = text(key, value)?,
            "verifyCmd" => self.verify = text(key, value)?,
            "mode" => self.mode = Some(mode(key, value)?),
            "owner" => self.owner = Some(text(key, value)?).filter(|owner| !owner.is_empty()),
            "files" => self.files = files(value)?,
            "swap" => {
                self.swap = Some(match value.as_str() {
                    Some("files") => SwapKind::Files,
                    Some("directory") => SwapKind::Directory,
                    _ => return Err(wrong(key, "expected `files` or `directory`")),
                });
            }
            _ => self.splay = unit::duration(value).map_err(|why| wrong(key, why))?,
        }
        Ok(())
    }
}

/// The policy without the URL for reports, to be kept.
#[must_use]
pub fn without_callback(given: &Params) -> Params {
    let kept = given.iter().filter(|(key, _)| !key.eq_ignore_ascii_case(CALLBACK));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn known(given: &str, keys: PolicyKeys) -> Option<&'static str> {
    let is_it = |key: &&&str| match keys {
        PolicyKeys::Exact => **key == given,
        PolicyKeys::AnyCase => key.eq_ignore_ascii_case(given),
    };
    POLICY_KEYS.iter().find(is_it).copied()
}

fn wrong(key: impl Into<String>, why: impl std::fmt::Display) -> PolicyError {
    PolicyError { key: key.into(), why: why.to_string() }
}

fn text(key: &str, value: &Value) -> Result<String, PolicyError> {
    let found = || wrong(key, format!("expected a string, found {}", kind_of(value)));
    value.as_str().map(str::to_owned).ok_or_else(found)
}

fn mode(key: &str, value: &Value) -> Result<u32, PolicyError> {
    let digits = value.as_str().filter(|text| (3..=4).contains(&text.len()));
    let mode = digits.and_then(|text| u32::from_str_radix(text, 8).ok()).filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| wrong(key, "expected permissions as a string of octal digits, such as \"0640\""))
}

fn files(value: &Value) -> Result<BTreeMap<String, FilePolicy>, PolicyError> {
    let expected = || wrong("files", "expected a map of names to `{mode, owner}`");
    let mut files = BTreeMap::new();
    for (name, given) in value.as_object().ok_or_else(expected)? {
        let mut policy = FilePolicy::default();
        for (key, value) in given.as_object().ok_or_else(expected)? {
            let at = format!("files/{name}/{key}");
            match key.to_ascii_lowercase().as_str() {
                "mode" => policy.mode = Some(mode(&at, value)?),
                "owner" => policy.owner = Some(text(&at, value)?),
                _ => return Err(wrong(at, "unknown key; expected mode or owner")),
            }
        }
        files.insert(name.clone(), policy);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(given: &Value, keys: PolicyKeys) -> Result<PublishPolicy, String> {
        PublishPolicy::read(given.as_object().unwrap(), keys).map_err(|error| error.to_string())
    }

    #[test]
    fn policies_are_read() {
        let given = json!({
            "deployPath": "/tmp/watcher/a.com/", "backupDir": "", "beforeCmd": "echo before", "afterCmd": null,
            "callback": "http://u:p@h/", "mode": "0640", "owner": "www:web", "swap": "directory", "splay": "5s",
            "files": {"key.pem": {"mode": "0600", "owner": "root"}},
        });
        let policy = read(&given, PolicyKeys::Exact).unwrap();
        assert_eq!((policy.deploy_path.as_str(), policy.backup_dir), ("/tmp/watcher/a.com/", None));
        assert_eq!((policy.before.as_str(), policy.after.as_str()), ("echo before", ""));
        assert_eq!((policy.mode, policy.owner.as_deref()), (Some(0o640), Some("www:web")));
        assert_eq!((policy.swap, policy.splay), (Some(SwapKind::Directory), Duration::from_secs(5)));
        assert_eq!(policy.files["key.pem"].mode, Some(0o600));
        let kept = without_callback(given.as_object().unwrap());
        assert!(!kept.contains_key("callback") && kept.len() == 9, "{kept:?}");
    }

    #[test]
    fn wrong_policies_are_named() {
        for (given, keys, says) in [
            (json!({}), PolicyKeys::AnyCase, "deployPath: is missing"),
            (json!({"deployPath": ""}), PolicyKeys::AnyCase, "deployPath: is missing"),
            (json!({"deployPath": 5}), PolicyKeys::AnyCase, "deployPath: expected a string, found a number"),
            (json!({"DEPLOYPATH": "/x", "Unknown": 1}), PolicyKeys::AnyCase, ""),
            (json!({"deploypath": "/x"}), PolicyKeys::Exact, "deploypath: unknown key; did you mean"),
            (json!({"deployPath": "/x", "mode": "888"}), PolicyKeys::Exact, "mode: expected permissions"),
            (json!({"deployPath": "/x", "mode": 640}), PolicyKeys::Exact, "mode: expected permissions"),
            (json!({"deployPath": "/x", "mode": "4755"}), PolicyKeys::Exact, "mode: expected permissions"),
            (json!({"deployPath": "/x", "swap": "all"}), PolicyKeys::Exact, "swap: expected `files`"),
            (json!({"deployPath": "/x", "splay": "soon"}), PolicyKeys::Exact, "splay: "),
            (
                json!({"deployPath": "/x", "files": {"a": {"mod": 1}}}),
                PolicyKeys::Exact,
                "files/a/mod: unknown",
            ),
            (json!({"deployPath": "/x", "files": ["a"]}), PolicyKeys::Exact, "files: expected a map"),
        ] {
            let error = read(&given, keys).err().unwrap_or_default();
            assert!(error.starts_with(says) && error.is_empty() == says.is_empty(), "{given}: {error}");
        }
    }
}
