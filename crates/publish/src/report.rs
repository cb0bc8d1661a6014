//! The report of a publication, in the form that receivers of the program watcher's callbacks know.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::digest::md5_of_list;
use crate::plan::{ChangeKind, PlannedChange};

/// How a command of a policy ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CommandReport {
    /// Whether it ended with exit code 0, or there is none.
    pub success: bool,
    /// What it printed on standard output.
    pub out: String,
    /// What it printed on standard error, where it failed.
    pub err: Option<String>,
    /// Why it failed: `exit status 1`.
    pub msg: String,
}

impl CommandReport {
    /// There is no such command.
    #[must_use]
    pub fn none() -> Self {
        Self { success: true, ..Self::default() }
    }

    /// As JSON, in the order of the original.
    #[must_use]
    pub fn value(&self) -> Value {
        json!({"success": self.success, "out": self.out, "err": self.err, "msg": self.msg})
    }
}

/// What is reported of a publication.
#[derive(Debug, Clone)]
pub struct CallbackReport<'a> {
    /// Why it failed; none where it succeeded.
    pub error: Option<&'a str>,
    /// `beforeCmd`.
    pub before: &'a CommandReport,
    /// `afterCmd`.
    pub after: &'a CommandReport,
    /// The project.
    pub project: &'a str,
    /// The host.
    pub host: &'a str,
    /// The revision of etcd that was read.
    pub revision: i64,
    /// The id of the job.
    pub publication: &'a str,
    /// The status of the project: `published`, `failed`, `rolled_back`, `held`.
    pub state: &'a str,
    /// The files.
    pub changes: &'a [PlannedChange],
}

/// What a change is called.
#[must_use]
pub fn action(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Write => "set",
        ChangeKind::Delete => "delete",
    }
}

impl CallbackReport<'_> {
    /// As JSON: the fields of the original in its order, then ours.
    #[must_use]
    pub fn value(&self) -> Value {
        let (whole_action, md5) = match self.changes {
            [one] => (action(one.kind), one.md5.clone()),
            changes => {
                let files = changes.iter().map(|change| (change.name.as_str(), change.md5.as_str()));
                ("publish", if changes.is_empty() { String::new() } else { md5_of_list(files) })
            }
        };
        let file = |change: &PlannedChange| json!({"file": change.name, "action": action(change.kind), "md5": change.md5});
        let fields = [
            ("action", whole_action.into()),
            ("code", if self.error.is_some() { 500 } else { 200 }.into()),
            ("msg", self.error.unwrap_or_default().into()),
            ("md5", md5.into()),
            ("beforeCmd", self.before.value()),
            ("afterCmd", self.after.value()),
            ("project", self.project.into()),
            ("host", self.host.into()),
            ("revision", self.revision.into()),
            ("publication", self.publication.into()),
            ("state", self.state.into()),
            ("files", self.changes.iter().map(file).collect()),
        ];
        Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, kind: ChangeKind, md5: &str) -> PlannedChange {
        let (key, sha256) = (String::new(), String::new());
        PlannedChange { name: name.to_owned(), key, kind, md5: md5.to_owned(), sha256, size: 0 }
    }

    #[test]
    fn the_fields_of_the_original_come_first() {
        let before = CommandReport { success: true, out: "before\n".to_owned(), ..CommandReport::default() };
        let report = |changes: &[PlannedChange], error: Option<&str>| {
            let (after, state) = (&CommandReport::none(), "published");
            let (project, host, publication) = ("a.com", "web01", "id");
            let before = &before;
            CallbackReport { error, before, after, project, host, revision: 42, publication, state, changes }
                .value()
        };
        let one = report(&[change("ngx.conf", ChangeKind::Write, "3dbe")], None).to_string();
        assert_eq!(
            one,
            "{\"action\":\"set\",\"code\":200,\"msg\":\"\",\"md5\":\"3dbe\",\
             \"beforeCmd\":{\"success\":true,\"out\":\"before\\n\",\"err\":null,\"msg\":\"\"},\
             \"afterCmd\":{\"success\":true,\"out\":\"\",\"err\":null,\"msg\":\"\"},\
             \"project\":\"a.com\",\"host\":\"web01\",\"revision\":42,\"publication\":\"id\",\"state\":\"published\",\
             \"files\":[{\"file\":\"ngx.conf\",\"action\":\"set\",\"md5\":\"3dbe\"}]}"
        );
        let gone = report(&[change("x", ChangeKind::Delete, "")], Some("no"));
        assert_eq!(
            (&gone["action"], &gone["code"], &gone["md5"]),
            (&json!("delete"), &json!(500), &json!(""))
        );
        let several =
            report(&[change("b", ChangeKind::Write, "2"), change("a", ChangeKind::Write, "1")], None);
        assert_eq!(several["action"], json!("publish"));
        assert_eq!(several["md5"], json!(crate::md5_hex(b"1  a\n2  b\n")));
    }
}
