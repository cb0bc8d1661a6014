//! The options of `publish`.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use herald_core::param::Params;
use herald_core::problem::{Path, Problem, kind_of};
use herald_core::spec::{CheckError, OptionKind, OptionSpec, Options, PathUse};
use herald_core::template::holds_template;
use herald_core::trigger::ComponentError;
use herald_core::unit;
use herald_publish::{BackupRule, Nested, PolicyKeys, PublishPolicy, SwapKind};
use serde::Deserialize;
use serde_json::Value;

use crate::connections::etcd_option;

/// The policy of all projects that have none of their own.
pub(crate) const ALL_OTHERS: &str = "*";

/// As they are written.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PublishOptions {
    pub(crate) etcd: String,
    pub(crate) policy_from: PolicySource,
    #[serde(default)]
    pub(crate) policy: BTreeMap<String, Params>,
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) roots: Vec<PathBuf>,
    nested: NestedOption,
    pub(crate) commands: CommandForm,
    #[serde(deserialize_with = "unit::de_duration")]
    pub(crate) command_timeout: Duration,
    pub(crate) same_content: SameContent,
    swap: SwapOption,
    pub(crate) drift: DriftOption,
    pub(crate) on_reset: OnReset,
    #[serde(default)]
    backup: BackupOption,
    #[serde(deserialize_with = "unit::de_size")]
    pub(crate) max_file: u64,
    #[serde(deserialize_with = "unit::de_size")]
    pub(crate) max_total: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PolicySource {
    Yaml,
    Etcd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NestedOption {
    Keep,
    Flatten,
}

/// How a command is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CommandForm {
    /// A line for `/bin/sh`.
    Shell,
    /// A program and its arguments, separated by spaces.
    Words,
}

/// What a key does that was written again with the same content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SameContent {
    Skip,
    Publish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SwapOption {
    Files,
    Directory,
}

/// What is done about files that were changed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DriftOption {
    Report,
    Repair,
    Ignore,
}

/// What is done when etcd was wiped or restored from a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnReset {
    Hold,
    Follow,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupOption {
    #[serde(default = "all_backups", deserialize_with = "one_or_many")]
    on: Vec<BackupWhen>,
    #[serde(default = "backups_kept")]
    keep: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BackupWhen {
    Delete,
    Replace,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ListOption<T> {
    One(T),
    Many(Vec<T>),
}

fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(match ListOption::deserialize(deserializer)? {
        ListOption::One(one) => vec![one],
        ListOption::Many(many) => many,
    })
}

fn all_backups() -> Vec<BackupWhen> {
    vec![BackupWhen::Delete, BackupWhen::Replace]
}

fn backups_kept() -> usize {
    20
}

impl Default for BackupOption {
    fn default() -> Self {
        Self { on: all_backups(), keep: backups_kept() }
    }
}

impl PublishOptions {
    pub(crate) fn of(options: &Options) -> Result<Self, ComponentError> {
        let options: Self = options.parse()?;
        if let Some(root) = options.roots.iter().find(|root| !root.is_absolute()) {
            let what = format!("expected absolute paths, found {}", root.display());
            return Err(ComponentError::of_option("roots", what));
        }
        if options.policy_from == PolicySource::Yaml && options.policy.is_empty() {
            let what = "is missing; write  policy: {'*': {deployPath: …}}  or  policy_from: etcd";
            return Err(ComponentError::of_option("policy", what));
        }
        Ok(options)
    }

    pub(crate) fn nested(&self) -> Nested {
        match self.nested {
            NestedOption::Keep => Nested::Keep,
            NestedOption::Flatten => Nested::Flatten,
        }
    }

    pub(crate) fn swap(&self) -> SwapKind {
        match self.swap {
            SwapOption::Files => SwapKind::Files,
            SwapOption::Directory => SwapKind::Directory,
        }
    }

    pub(crate) fn backup(&self) -> BackupRule {
        let BackupOption { on, keep } = &self.backup;
        BackupRule {
            on_delete: on.contains(&BackupWhen::Delete),
            on_replace: on.contains(&BackupWhen::Replace),
            keep: Some(*keep),
        }
    }
}

/// What is said of `policy`.
const POLICY: &str = "With `policy_from: yaml`: a map from projects to their policies, `'*'` for all others. A policy has the \
     keys of the file that etcd has with `policy_from: etcd`: `deployPath`, `backupDir`, `beforeCmd`, `afterCmd`, \
     `callback`, `checkCmd`, `verifyCmd`, `mode`, `owner`, `files`, `swap`, `splay`. Strings may be templates, \
     and `checkCmd` may name the folder with the new files, `{{ stage }}`. Where no file is left to publish, as when \
     the project was deleted, `checkCmd` and `verifyCmd` are skipped.";

/// All of them, in the order in which they are documented.
#[must_use]
pub fn specs() -> Vec<OptionSpec> {
    let new = OptionSpec::new;
    let choice = |name, choices: &'static [&'static str], doc| {
        new(name, OptionKind::OneOf(choices), doc).default(*choices.first().unwrap_or(&""))
    };
    vec![
        etcd_option(),
        choice(
            "policy_from",
            &["yaml", "etcd"],
            "Where the policies of projects are: in `policy`, or in etcd (`PREFIX/HOST/PROJECT/config`, JSON). With \
             `etcd`, everyone who can write there can write files below `roots` and run commands as this user.",
        ),
        new("policy", OptionKind::Map, POLICY).check(check_policies).machine_check(policies_here),
        new("roots", OptionKind::Texts, "Folders that `deployPath` and `backupDir` never lead out of.")
            .default("/")
            .machine_check(|roots| PathUse::Root.machine_check(roots)),
        choice(
            "nested",
            &["keep", "flatten"],
            "Whether `config.d/sub/x` is the file `sub/x`, or `x` as in the program watcher.",
        ),
        choice(
            "commands",
            &["shell", "words"],
            "Whether a command is a line for `/bin/sh`, or a program with arguments that are separated by spaces.",
        ),
        new("command_timeout", OptionKind::Duration, "How long each command may take.").default("30s"),
        choice(
            "same_content",
            &["skip", "publish"],
            "Whether a key that is written again with the same value is published again: its commands run, and a report \
             is made.",
        ),
        choice(
            "swap",
            &["files", "directory"],
            "Whether files change places one by one, or the whole folder in one step. The folder is this project's alone \
             then. A policy can say it too.",
        ),
        choice(
            "drift",
            &["report", "repair", "ignore"],
            "What is done about files that were changed on this machine: they are reported, put back, or left alone.",
        ),
        choice(
            "on_reset",
            &["hold", "follow"],
            "What is done when etcd was wiped or restored from a backup: projects that differ keep their files until \
             their keys return or somebody accepts the change, or they follow at once.",
        ),
        backup(),
        new("max_file", OptionKind::Size, "The largest file that is published.").default("2MiB"),
        new("max_total", OptionKind::Size, "All files of a project together.").default("64MiB"),
    ]
}

fn backup() -> OptionSpec {
    let keep = OptionKind::Integer { min: 1, max: 100_000 };
    let fields = vec![
        OptionSpec::new("on", OptionKind::Texts, "`delete`, `replace`, or both.")
            .default(vec!["delete", "replace"])
            .check(check_backup_on),
        OptionSpec::new("keep", keep, "How many backups of each file are kept.").default(20),
    ];
    let doc = "Which previous files go to `backupDir`, where a policy has one: \
         `BACKUPDIR/NAME_watcherbackup_YYYY-MM-DD_HH:MM:SS_SUFFIX`. A file that was changed by hand always does.";
    OptionSpec::new("backup", OptionKind::Fields(fields), doc)
}

fn check_backup_on(on: &Value) -> Result<(), CheckError> {
    let given = match on {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    match given.iter().filter_map(Value::as_str).find(|on| !["delete", "replace"].contains(on)) {
        Some(other) => Err(CheckError::new(format!("expected delete or replace, found {other}"))),
        None => Ok(()),
    }
}

fn check_policies(policies: &Value) -> Result<(), CheckError> {
    for (project, policy) in policies.as_object().into_iter().flatten() {
        let Some(policy) = policy.as_object() else {
            let found = format!("{project}: expected a map, found {}", kind_of(policy));
            return Err(CheckError::new(found));
        };
        PublishPolicy::read(policy, PolicyKeys::Exact)
            .map_err(|error| CheckError::new(format!("{project}/{error}")))?;
    }
    Ok(())
}

/// Why the folders of policies cannot be used on this machine, where no event says which they are.
fn policies_here(policies: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    for (project, policy) in policies.as_object().into_iter().flatten() {
        for name in ["deployPath", "backupDir"] {
            let folder = policy.get(name).filter(|folder| !holds_template(folder)).and_then(Value::as_str);
            if let Some(folder) = folder.filter(|folder| folder.starts_with('/')) {
                let at = Path::top().key(project).key(name);
                found.extend(PathUse::Folder.problems(FilePath::new(folder), &at));
            }
        }
    }
    found
}

/// What a job may say.
#[must_use]
pub fn params() -> Vec<OptionSpec> {
    let text = |name, doc| OptionSpec::new(name, OptionKind::Text, doc);
    vec![
        text("project", "The project. Default: that of the event, as the trigger `etcd` gives it."),
        text("host", "The host in its keys. Default: that of the event."),
        text("prefix", "The prefix of its keys. Default: that of the event."),
    ]
}
