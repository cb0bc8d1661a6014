//! A project as etcd has it: its policy and its files at one revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use herald_core::depth::{self, TooDeep};
use herald_core::job::Job;
use herald_core::param::Params;
use herald_core::problem::{Path, Problem};
use herald_core::template::{Compiler, For, RenderError, Scope, Template};
use herald_core::trigger::ComponentError;
use herald_etcd::{
    EtcdClient, EtcdError, HistoryBreak, HistoryPoint, KeyValue, ProjectKeys, RangeQuery, SeenKeys, shown_key,
};
use herald_publish::{CALLBACK, PolicyKeys, PublishPolicy, WantedFile, sha256_hex, without_callback};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::options::{ALL_OTHERS, PolicySource, PublishOptions};
use crate::publication::command::{STAGE_MARK, with_stage};
use crate::report_url::ReportUrl;

/// What keys may take besides the contents of files, in bytes.
const KEYS_AND_POLICY: usize = 16 << 20;

/// What was read of it.
pub(crate) struct EtcdProject {
    pub(crate) keys_of: ProjectKeys,
    point: HistoryPoint,
    pub(crate) revision: i64,
    keys: Vec<KeyValue>,
}

/// What the ledger keeps of the publication that succeeded last.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LedgerSource {
    point: HistoryPoint,
    /// The keys below the project's own, in base64, with their revisions.
    keys: BTreeMap<String, i64>,
    /// The last good policy, without its URL for reports.
    pub(crate) policy: Option<Params>,
    /// When etcd had that policy, and whether it had such a URL.
    policy_revision: i64,
    has_callback: bool,
}

/// The policy of a publication.
pub(crate) struct ProjectPolicy {
    pub(crate) policy: PublishPolicy,
    /// As it is kept.
    pub(crate) kept: Params,
    /// Where the URL for reports is: a place in etcd, or the URL itself; an empty string where there is none.
    pub(crate) callback: Value,
    /// The URL, where etcd has it now.
    pub(crate) report_url: Option<ReportUrl>,
    policy_revision: i64,
}

/// Why there is no policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoPolicy {
    /// Nobody wrote one yet.
    Missing,
    /// It cannot be used.
    Invalid(String),
}

impl EtcdProject {
    pub(crate) async fn read(
        client: &EtcdClient,
        of: &ProjectKeys,
        max_total: u64,
    ) -> Result<Self, EtcdError> {
        let limit = usize::try_from(max_total).unwrap_or(usize::MAX).saturating_add(KEYS_AND_POLICY);
        let snapshot = client.range(RangeQuery::new(of.range()), limit).await?;
        let revision = snapshot.revision.max(snapshot.point.revision);
        Ok(Self { keys_of: of.clone(), point: snapshot.point, revision, keys: snapshot.keys })
    }

    /// Whether the project is gone as a whole.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn below<'a>(&self, key: &'a KeyValue) -> &'a [u8] {
        below(&self.keys_of, key)
    }

    /// The names and contents of the files.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let name = |key| Some((file_name(&self.keys_of, key)?, key.value.as_slice()));
        self.keys.iter().filter_map(name)
    }

    /// The files, each to be rewritten where `rewrite` says so. The keys keep no contents: those are here once.
    pub(crate) fn take_files(&mut self, rewrite: impl Fn(&str, i64) -> bool) -> Vec<WantedFile> {
        let Self { keys_of, keys, .. } = self;
        let file = |key: &mut KeyValue| {
            let name = file_name(keys_of, key)?.to_vec();
            let rewrite = rewrite(&STANDARD.encode(below(keys_of, key)), key.mod_revision);
            let content = std::mem::take(&mut key.value);
            Some(WantedFile { key: plain_key(&key.key), name, content, rewrite })
        };
        keys.iter_mut().filter_map(file).collect()
    }

    /// Identifies the keys of the project with their revisions: as long as it is the same, nothing changed.
    pub(crate) fn fingerprint(&self) -> String {
        let mut text = Vec::new();
        for key in &self.keys {
            text.extend_from_slice(key.key.len().to_string().as_bytes());
            text.push(b':');
            text.extend_from_slice(&key.key);
            text.extend_from_slice(key.mod_revision.to_string().as_bytes());
        }
        sha256_hex(&text)
    }

    /// The policy, from where the options say.
    pub(crate) fn policy(
        &self,
        options: &PublishOptions,
        templates: &PolicyTemplates,
        job: &Job,
    ) -> Result<ProjectPolicy, NoPolicy> {
        let invalid = |error: &dyn std::fmt::Display| NoPolicy::Invalid(format!("policy: {error}"));
        if options.policy_from == PolicySource::Yaml {
            let given = templates.render(&self.keys_of.project, job).map_err(|error| invalid(&error))?;
            let given = given.ok_or(NoPolicy::Missing)?;
            let policy = PublishPolicy::read(&given, PolicyKeys::Exact).map_err(|error| invalid(&error))?;
            let callback = policy.callback.clone().into();
            return Ok(ProjectPolicy {
                policy,
                kept: without_callback(&given),
                callback,
                report_url: None,
                policy_revision: 0,
            });
        }
        let config = self.keys.iter().find(|key| self.below(key) == b"config").ok_or(NoPolicy::Missing)?;
        TooDeep::check(depth::of_json(&config.value))
            .map_err(|why| invalid(&format!("{} is {why}", shown_key(&config.key))))?;
        let given: Params = serde_json::from_slice(&config.value)
            .map_err(|error| invalid(&format!("{} is not a JSON object: {error}", shown_key(&config.key))))?;
        let policy = PublishPolicy::read(&given, PolicyKeys::AnyCase).map_err(|error| invalid(&error))?;
        let has_callback = !policy.callback.is_empty();
        let callback = if has_callback { self.place(&options.etcd, None) } else { "".into() };
        let policy_revision = config.mod_revision;
        let report_url = Some(ReportUrl { revision: policy_revision, url: policy.callback.clone() });
        Ok(ProjectPolicy { policy, kept: without_callback(&given), callback, report_url, policy_revision })
    }

    /// Where the URL for reports is in etcd.
    fn place(&self, etcd: &str, revision: Option<i64>) -> Value {
        let mut place =
            json!({"etcd": etcd, "key": format!("{}config", self.keys_of.start()), "field": CALLBACK});
        if let Some(revision) = revision {
            place["revision"] = revision.into();
        }
        place
    }

    /// Where the last good URL for reports is.
    pub(crate) fn last_callback(&self, source: &LedgerSource, kept: Option<&ReportUrl>, etcd: &str) -> Value {
        let has_one = kept.map_or(source.has_callback, |kept| !kept.url.is_empty());
        let revision = kept.map_or(source.policy_revision, |kept| kept.revision);
        if has_one { self.place(etcd, Some(revision)) } else { "".into() }
    }

    /// The policy of the last publication.
    pub(crate) fn last_policy(
        &self,
        source: &LedgerSource,
        callback: Value,
        options: &PublishOptions,
    ) -> Option<ProjectPolicy> {
        let kept = source.policy.clone()?;
        let keys = match options.policy_from {
            PolicySource::Yaml => PolicyKeys::Exact,
            PolicySource::Etcd => PolicyKeys::AnyCase,
        };
        let policy = PublishPolicy::read(&kept, keys).ok()?;
        let policy_revision = source.policy_revision;
        Some(ProjectPolicy { policy, kept, callback, report_url: None, policy_revision })
    }

    /// What is kept once this is published.
    pub(crate) fn source(&self, policy: &ProjectPolicy) -> LedgerSource {
        let keys = self.keys.iter().map(|key| (STANDARD.encode(self.below(key)), key.mod_revision));
        LedgerSource {
            point: HistoryPoint { revision: self.revision, ..self.point },
            keys: keys.collect(),
            policy: Some(policy.kept.clone()),
            policy_revision: policy.policy_revision,
            has_callback: policy.callback.is_object(),
        }
    }

    /// Why this is not of the history that was published before.
    ///
    /// # Errors
    /// When etcd cannot be asked.
    pub(crate) async fn history_break(
        &self,
        client: &EtcdClient,
        source: &LedgerSource,
    ) -> Result<Option<HistoryBreak>, EtcdError> {
        let prefix = self.keys_of.start().into_bytes();
        let whole = |(below, revision): (&String, &i64)| {
            let below = STANDARD.decode(below).ok()?;
            Some(([prefix.as_slice(), &below].concat(), *revision))
        };
        let seen = SeenKeys { point: source.point, keys: source.keys.iter().filter_map(whole).collect() };
        let now = HistoryPoint { revision: self.revision, ..self.point };
        client.history_break(&seen, &now, &self.keys).await
    }
}

impl LedgerSource {
    /// Whether anything was published yet.
    pub(crate) fn is_known(&self) -> bool {
        self.point != HistoryPoint::default()
    }

    /// Whether the keys and the policy are the same.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let parts = |own: &Self| (own.policy.clone(), own.policy_revision, own.has_callback);
        self.keys == other.keys && parts(self) == parts(other)
    }

    /// Whether this key, in base64, is of another revision than the one that was published.
    pub(crate) fn is_changed(&self, key: &str, revision: i64) -> bool {
        self.keys.get(key) != Some(&revision)
    }
}

/// What of a key is below the project's own.
fn below<'a>(project: &ProjectKeys, key: &'a KeyValue) -> &'a [u8] {
    key.key.get(project.start().len()..).unwrap_or_default()
}

/// The name of the file that a key is. Markers of folders are none.
fn file_name<'a>(project: &ProjectKeys, key: &'a KeyValue) -> Option<&'a [u8]> {
    let name = below(project, key).strip_prefix(b"config.d/")?;
    let is_marker = key.value.is_empty() && (name.is_empty() || name.ends_with(b"/"));
    (!is_marker).then_some(name)
}

/// A key in reports: as it is where it is plain text, else escaped.
fn plain_key(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        Ok(text) => text.escape_debug().to_string(),
        Err(_) => key.escape_ascii().to_string(),
    }
}

/// The policies of the configuration, whose texts may be templates.
pub(crate) struct PolicyTemplates(BTreeMap<String, PolicyTemplate>);

struct PolicyTemplate {
    written: Params,
    compiled: Option<Template>,
}

impl PolicyTemplates {
    /// # Errors
    /// What is wrong with one of the templates.
    pub(crate) fn compile(policies: &BTreeMap<String, Params>) -> Result<Self, ComponentError> {
        let (mut compiler, mut wrong) = (Compiler::default(), None);
        let mut compile = |project: &String, written: &Params| {
            let mut problems = Vec::new();
            let marked = mark_stage(written);
            let compiled = compiler.compile(&marked, For::Job, &|_| false, &mut problems);
            if let Some(problem) = problems.into_iter().next() {
                wrong.get_or_insert((project.clone(), problem));
            }
            PolicyTemplate { compiled, written: written.clone() }
        };
        let compiled =
            policies.iter().map(|(project, written)| (project.clone(), compile(project, written))).collect();
        compiler.finish();
        match wrong {
            Some((project, problem)) => {
                let path = Path::top().key(&project).join(&problem.path);
                Err(ComponentError::of_part("policy", Problem { path, ..problem }))
            }
            None => Ok(Self(compiled)),
        }
    }

    pub(crate) fn render(&self, project: &str, job: &Job) -> Result<Option<Params>, RenderError> {
        let Some(policy) = self.0.get(project).or_else(|| self.0.get(ALL_OTHERS)) else { return Ok(None) };
        let Some(compiled) = &policy.compiled else { return Ok(Some(policy.written.clone())) };
        let text = |name: &str| Value::String(name.to_owned());
        let plain = [
            ("id", text(&job.id)),
            ("job_id", text(&job.id)),
            ("trigger_id", text(&job.trigger_id)),
            ("router", text(&job.router)),
            ("trigger", text(&job.trigger)),
            ("selector", text(&job.selector)),
            ("task", text(&job.task)),
            ("executor", text(&job.executor)),
            ("chain_depth", job.chain_depth.into()),
            ("attempt", job.attempt.into()),
        ];
        let params: [(&'static str, &Arc<Params>); 2] =
            [("trigger_param", job.trigger_param.params()), ("select_param", &job.select_param)];
        compiled.render(&Scope::new(&plain, &params)).map(|filled| Some(unmark_stage(filled)))
    }
}

/// `{{ stage }}` in the command that checks is not a variable of the job: it is filled in when the command runs.
fn mark_stage(written: &Params) -> Params {
    of_check(written.clone(), |command| with_stage(command, STAGE_MARK))
}

fn unmark_stage(filled: Params) -> Params {
    of_check(filled, |command| command.replace(STAGE_MARK, "{{ stage }}"))
}

fn of_check(mut policy: Params, change: impl Fn(&str) -> String) -> Params {
    if let Some(Value::String(command)) = policy.get_mut("checkCmd") {
        *command = change(command);
    }
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(policy: &Value) -> Result<PolicyTemplates, ComponentError> {
        let policy = policy.as_object().cloned().unwrap_or_default();
        PolicyTemplates::compile(&BTreeMap::from([(ALL_OTHERS.to_owned(), policy)]))
    }

    fn job() -> Job {
        Job { attempt: 2, ..herald_core::conformance::job("j") }
    }

    #[test]
    fn the_command_that_checks_may_name_the_stage() {
        for (command, filled) in [
            ("nginx -t -p {{ stage }}", "nginx -t -p {{ stage }}"),
            (
                "{{stage}}/{{ router }}-{{ attempt }}-{{ chain_depth }} {{  stage }}",
                "{{ stage }}/r-2-0 {{ stage }}",
            ),
        ] {
            for other in ["/p", "/p/{{ task }}"] {
                let templates = compile(&json!({"deployPath": other, "checkCmd": command})).unwrap();
                let given = templates.render("p", &job()).unwrap().unwrap();
                let stage = with_stage(given["checkCmd"].as_str().unwrap(), "S");
                assert_eq!(stage, with_stage(filled, "S"), "{command} {other}");
            }
        }
    }

    #[test]
    fn errors_of_templates_are_at_their_key() {
        for (policy, path) in [
            (
                json!({"deployPath": "/p", "afterCmd": "x {{ stage }}"}),
                "*.afterCmd: unknown variable `stage`",
            ),
            (json!({"deployPath": "/p", "checkCmd": "x {{ stag }}"}), "*.checkCmd: unknown variable `stag`"),
            (json!({"files": {"a": {"owner": "{{ x }}"}}}), "*.files.a.owner: unknown variable `x`"),
        ] {
            let error = compile(&policy).err().unwrap();
            assert_eq!(error.to_string(), format!("policy: {path}"));
        }
    }
}
