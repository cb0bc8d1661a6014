mod included;
mod problems;
mod secrets;
mod together;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use herald_core::executor::{Execution, Executor, Outcome};
use herald_core::param::Params;
use herald_core::registry::Registry;
use herald_core::selector::{Answer, Question, Selector};
use herald_core::spec::{Description, ExecutorType, OptionKind, OptionSpec, SelectorType, TriggerType};
use herald_core::trigger::{Activator, ComponentError, Trigger};
use herald_remote::DrainedNodes;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;

struct Nothing;

#[async_trait]
impl Trigger for Nothing {
    async fn run(&self, _: Activator, _: CancellationToken) -> Result<(), ComponentError> {
        Ok(())
    }
}

#[async_trait]
impl Selector for Nothing {
    async fn select(&self, _: &Question) -> Result<Answer, ComponentError> {
        Ok(Answer::from(true))
    }
}

#[async_trait]
impl Executor for Nothing {
    async fn execute(&self, _: Execution) -> Outcome {
        Ok(Params::new())
    }
}

fn registry() -> Registry {
    let new = OptionSpec::new;
    let mut registry = Registry::default();
    let tick = Description::new("tick", "Ticks.")
        .option(new("interval", OptionKind::Duration, "How often.").default(1))
        .gives("counter", "how many times");
    registry.triggers.add(TriggerType::new(tick, |_| Ok(Arc::new(Nothing))));
    let cron =
        Description::new("cron", "By the clock.").option(new("cron", OptionKind::Text, "When.").required());
    registry.triggers.add(TriggerType::new(cron, |options| {
        match options.0.get("cron").and_then(Value::as_str) {
            Some("boom") => panic!("a factory may panic"),
            Some(line) if line.contains("bad") => {
                Err(ComponentError::new(format!("\"{line}\" is no cron line")))
            }
            _ => Ok(Arc::new(Nothing)),
        }
    }));
    let http = Description::new("http", "Listens.")
        .option(new("host", OptionKind::Text, "Where.").default("127.0.0.1"))
        .option(new("port", OptionKind::Integer { min: 0, max: 65535 }, "Where.").default(8123))
        .option(new("strict", OptionKind::Boolean, "Whether."))
        .option(new("sign", OptionKind::Secret, "What signs."));
    registry.triggers.add(TriggerType::new(http, |_| Ok(Arc::new(Nothing))));
    let all = Description::new("all", "Yes.");
    registry.selectors.add(SelectorType::new(all, |_| Ok(Arc::new(Nothing))));
    let matches = Description::new("match_map", "Matches.")
        .param(new("match_key", OptionKind::Text, "Which.").required())
        .param(new("match_value", OptionKind::Any, "What."))
        .refuse_near_misses();
    registry.selectors.add(SelectorType::new(matches, |_| Ok(Arc::new(Nothing))));
    let print = Description::new("print", "Prints.").param(new("print_key", OptionKind::Texts, "Which."));
    registry.executors.add(ExecutorType::new(print, |_| Ok(Arc::new(Nothing))));
    let remote = Description::new("http_remote", "Elsewhere.")
        .option(new("host", OptionKind::Url, "Where.").required())
        .option(new("secret", OptionKind::Secrets, "Shared.").required());
    registry.executors.add(ExecutorType::new(remote, |_| Ok(Arc::new(Nothing))));
    registry
}

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn source(&self, yaml: &str) -> ConfigSource {
        read(&self.write("config.yml", yaml)).unwrap()
    }

    /// The configuration, or the problems with paths that begin at the folder.
    fn check(&self, yaml: &str) -> Result<DaemonConfig, String> {
        let variable = |name: &str| match name {
            "PASSWORD" => Some(OsString::from("hunter22")),
            "SHORT" => Some(OsString::from("zz")),
            "EMPTY" => Some(OsString::from("\n")),
            "PORT" => Some(OsString::from("9000")),
            "TRUE" => Some(OsString::from("true")),
            _ => None,
        };
        check_with(self.source(yaml), &registry(), &[], &variable).map_err(|problems| {
            problems.to_string().replace(&format!("{}/", self.folder.path().display()), "")
        })
    }
}

fn good(yaml: &str) -> DaemonConfig {
    Place::new().check(yaml).unwrap_or_else(|problems| panic!("{problems}"))
}

fn bad(yaml: &str) -> String {
    match Place::new().check(yaml) {
        Ok(_) => panic!("nothing was found wrong with:\n{yaml}"),
        Err(problems) => problems,
    }
}

/// The first line and the advice of each problem.
fn said(yaml: &str) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for line in bad(yaml).lines() {
        if line.starts_with("config.yml:") {
            said.push(line.trim_start_matches("config.yml:").to_owned());
        } else if let (Some((_, help)), Some(last)) = (line.split_once("= help: "), said.last_mut()) {
            last.push_str(&format!(" ({help})"));
        }
    }
    said
}

/// A router that uses what is given, so that nothing else is wrong.
fn with_router(rest: &str) -> String {
    format!("{rest}\nrouter:\n  r: {{trigger: tick, selector: all, task: {{t: print}}}}\n")
}

fn names(components: &[ConfiguredComponent]) -> Vec<(&str, &str)> {
    components.iter().map(|component| (&*component.name, &*component.type_name)).collect()
}

#[test]
fn the_first_example_of_the_article() {
    let config = good(concat!(
        "trigger:\n  every2s:\n    type: tick\n    interval: 2\n\n",
        "router:\n  print_param_every2s:\n    trigger: every2s\n    selector: all\n    task:\n",
        "      print_param: print\n"
    ));
    assert_eq!(names(&config.triggers), [("every2s", "tick")]);
    assert_eq!(names(&config.selectors), [("all", "all")]);
    assert_eq!(names(&config.executors), [("print", "print")]);
    assert_eq!(config.triggers[0].options.0, *json!({"interval": 2}).as_object().unwrap());
    assert_eq!(config.workflow.routes("every2s").len(), 1);
    assert_eq!(config.settings.daemon.max_jobs, 64);
    assert_eq!(config.settings.daemon.max_chain_depth, 64);
    assert_eq!(config.settings.shutdown_grace(), std::time::Duration::from_secs(30));
    assert_eq!(config.warnings, []);
}

#[test]
fn types_names_and_defaults() {
    let config = good(concat!(
        "trigger:\n  tick:\n  http: {port: 1}\n  a: {type: tick}\n  cron: {type: tick}\n",
        "router:\n  r: {trigger: tick, selector: all, task: {t: print}}\n",
        "  s: {trigger: exe_done, selector: match_map, task: {t: {executor: print}}, select_param: {match_key: a}}\n",
    ));
    assert_eq!(
        names(&config.triggers),
        [("tick", "tick"), ("http", "http"), ("a", "tick"), ("cron", "tick")]
    );
    assert_eq!(config.triggers[1].options.0, *json!({"host": "127.0.0.1", "port": 1}).as_object().unwrap());
    assert_eq!(names(&config.selectors), [("all", "all"), ("match_map", "match_map")]);
}

#[test]
fn settings() {
    let config = good(&with_router(concat!(
        "log: {level: DEBUG, output: /tmp/x.log, format: json}\nmax_jobs: 3\nmax_queue: 4\nmax_chain_depth: 0\n",
        "shutdown_grace: 1m\nplugin: [libx.so, /abs/liby.so]\n",
    )));
    let settings = config.settings;
    assert_eq!(settings.log.level, herald_config::log::LogLevel::Debug);
    assert_eq!(settings.log.output, LogOutput::File(PathBuf::from("/tmp/x.log")));
    assert_eq!(settings.log.format, herald_config::log::LogFormat::Json);
    let limits = settings.limits();
    assert_eq!((limits.max_jobs, limits.max_queue, limits.max_chain_depth), (3, 4, 0));
    assert_eq!(settings.shutdown_grace(), std::time::Duration::from_secs(60));
    assert!(settings.plugins[0].ends_with("libx.so") && settings.plugins[0].is_absolute());
    assert_eq!(settings.plugins[1], PathBuf::from("/abs/liby.so"));
    assert_eq!(good(&with_router("log:\nplugin: a.so")).settings.plugins.len(), 1);
    for (output, expected) in [("stdout", LogOutput::Stdout), ("stderr", LogOutput::Stderr)] {
        assert_eq!(good(&with_router(&format!("log: {{output: {output}}}"))).settings.log.output, expected);
    }
    for (grace, millis) in [("0", 0), ("0s", 0), ("1.5", 1500)] {
        let settings = good(&with_router(&format!("shutdown_grace: {grace}"))).settings;
        assert_eq!(settings.shutdown_grace(), std::time::Duration::from_millis(millis), "{grace}");
    }
}

#[test]
fn ten_thousand_routers() {
    let mut yaml = String::from("router:\n");
    for n in 0..10_000 {
        yaml.push_str(&format!(
            "  router_{n}:\n    trigger: exe_done\n    selector: match_map\n    task: {{task_{n}: print}}\n    select_param: {{match_key: router, match_value: other_{n}}}\n"
        ));
    }
    let place = Place::new();
    let begun = std::time::Instant::now();
    let config = place.check(&yaml).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.workflow.routes("exe_done").len(), 10_000);
    // Only printed: a busy machine does not fail the test.
    eprintln!("10,000 routers were read and checked in {:?}", begun.elapsed());
}

#[test]
fn the_schema_knows_every_section_and_type() {
    let schema = herald_sections::schema(SECTIONS, &registry());
    let given: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let known = herald_sections::names(SECTIONS);
    for section in &known {
        assert!(given.contains(&section.as_str()), "{section}");
    }
    assert_eq!(given.len(), known.len());
    let trigger = &schema["properties"]["trigger"];
    assert_eq!(
        trigger["additionalProperties"]["properties"]["type"]["enum"],
        json!(["cron", "http", "tick"])
    );
    assert_eq!(trigger["properties"]["tick"]["else"]["properties"]["interval"]["default"], json!(1));
    let select = &schema["$defs"]["select_param"]["anyOf"][1]["properties"];
    assert_eq!(select["match_key"]["type"], "string");
    assert!(schema["properties"]["log"]["properties"].get("type").is_none());
}

#[test]
fn the_pages_of_the_reference_say_all_there_is() {
    let entries = herald_sections::reference_entries(SECTIONS, &registry());
    let pages = herald_sections::reference_pages(&entries, &herald_runner::config::description());
    for (path, line) in [
        ("section/top.md", "At the top of the file."),
        (
            "section/top.md",
            "| `max_queue` | whole number, 1 to 10000000 | `10000` | How many events and jobs wait at most; past that, triggers are held back. One trigger has at most half of that, and never more than others leave free. |",
        ),
        (
            "section/top.md",
            "| `shutdown_grace` | duration or 0 | `30s` | How long running jobs may go on after SIGTERM before their processes are ended: a duration, or 0 to end them at once. |",
        ),
        ("section/log.md", "Under `log`."),
        (
            "section/log.md",
            "| `format` | `text` or `json` | `text` | `text` for people, or `json` with one object a line. |",
        ),
        ("section/app.md", "Under `app.NAME`."),
        ("policy/retry.md", "Under `policy.retry`."),
        ("trigger/tick.md", "# Trigger `tick`"),
        ("trigger/tick.md", "| `interval` | duration | `1` | How often. |"),
        ("trigger/tick.md", "| `counter` | how many times |"),
        ("trigger/cron.md", "| `cron` | text | required | When. |"),
        ("selector/match_map.md", "| `match_key` | text | required | Which. |"),
        ("selector/match_map.md", "| `match_value` | any value | – | What. |"),
        ("internal-trigger/app-deploy.md", "# Internal trigger `app:deploy`"),
        ("executor/http_remote.md", "| `secret` | secret or list of secrets | required | Shared. |"),
    ] {
        let page = &pages.iter().find(|page| page.path == path).unwrap().text;
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    let overview = herald_sections::overview(SECTIONS, &entries);
    for page in &pages {
        assert!(overview.contains(&format!("]({})", page.path)), "{}", page.path);
    }
}

#[test]
fn components_are_constructed_once_in_a_load() {
    static CONSTRUCTED: AtomicUsize = AtomicUsize::new(0);
    let mut registry = registry();
    registry.triggers.add(TriggerType::new(Description::new("counted", "Counts."), |_| {
        CONSTRUCTED.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Nothing))
    }));
    let place = Place::new();
    let yaml =
        "trigger: {one: {type: counted}}\nrouter: {r: {trigger: one, selector: all, task: {t: print}}}\n";
    let config = check_with(place.source(yaml), &registry, &[], &|_| None).unwrap_or_else(|p| panic!("{p}"));
    let assembly = crate::assembly::Assembly::build(&config, None);
    assert_eq!(assembly.triggers().len(), 1);
    assert_eq!(CONSTRUCTED.load(Ordering::Relaxed), 1);
    let again = crate::assembly::Assembly::build(&config, Some(&assembly));
    assert!(Arc::ptr_eq(&assembly.triggers()[0].1, &again.triggers()[0].1));
    assert_eq!(CONSTRUCTED.load(Ordering::Relaxed), 1);
}

/// What a component takes from its context counts as its options do; what it does not take, does not.
#[test]
fn a_component_is_made_again_at_a_reload_if_what_it_took_has_changed() {
    let registry = crate::components::registry(&[]);
    let place = Place::new();
    let drained = DrainedNodes::default();
    let load = |nodes: &str, id: Option<&str>| {
        let yaml = format!(
            "node: {nodes}\n\
             trigger: {{web: {{type: http, port: 0}}}}\n\
             executor: {{far: {{type: http_remote, nodes: [one], data_dir: /d}}, near: {{type: local, work_dir: /w}}}}\n\
             router: {{r: {{trigger: web, selector: all, task: {{a: far, b: near}}, job_param: {{cmd: x}}}}}}\n"
        );
        let mut source = place.source(&yaml);
        source.id = id.map(str::to_owned);
        // As a reload keeps them.
        source.drained = drained.clone();
        check_with(source, &registry, &[], &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
    };
    let one = "{one: {host: 'https://h:1/', secret: 0123456789abcdef}}";
    for (nodes, id, executors_kept, triggers_kept) in [
        (one, None, true, true),
        ("{one: {host: 'https://h:2/', secret: 0123456789abcdef}}", None, false, true),
        ("{one: {host: 'https://h:1/', secret: fedcba9876543210}}", None, false, true),
        (one, Some("one"), false, false),
    ] {
        let before = crate::assembly::Assembly::build(&load(one, None), None);
        let after = crate::assembly::Assembly::build(&load(nodes, id), Some(&before));
        let kept = |name: &str| {
            let plan = |assembly: &crate::assembly::Assembly| {
                assembly.plan(Workflow::default(), Mask::default()).executors
                    [&herald_core::activation::Name::from(name)]
                    .clone()
            };
            Arc::ptr_eq(&plan(&before), &plan(&after))
        };
        assert_eq!(kept("far"), executors_kept, "{nodes} {id:?}");
        assert!(kept("near"), "{nodes} {id:?}");
        assert_eq!(before.trigger_change(&after).new.is_empty(), triggers_kept, "{nodes} {id:?}");
    }
}

/// The connections to an etcd are the same as long as its settings are: what reads from them is kept.
#[test]
fn an_http_request_is_kept_at_a_reload_with_the_same_etcd() {
    let registry = crate::components::registry(&[]);
    let place = Place::new();
    let load = |url: &str, before: Option<&crate::assembly::Assembly>| {
        let yaml = format!(
            "etcd: {{main: {{endpoints: ['{url}']}}}}\n\
             trigger: {{t: {{type: etcd, etcd: main, prefix: /w/}}}}\n\
             executor: {{post: {{type: http_request, url: 'http://h/'}}}}\n\
             router: {{r: {{trigger: t, selector: all, task: {{a: post}}}}}}\n"
        );
        let mut source = place.source(&yaml);
        source.etcd = before.map(|before| before.etcd.clone()).unwrap_or_default();
        let config =
            check_with(source, &registry, &[], &|_| None).unwrap_or_else(|problems| panic!("{problems}"));
        crate::assembly::Assembly::build(&config, before)
    };
    let executor = |assembly: &crate::assembly::Assembly| {
        let plan = assembly.plan(Workflow::default(), Mask::default());
        plan.executors[&herald_core::activation::Name::from("post")].clone()
    };
    let before = load("http://localhost:1", None);
    for (url, kept) in [("http://localhost:1", true), ("http://localhost:2", false)] {
        let after = load(url, Some(&before));
        assert_eq!(Arc::ptr_eq(&executor(&before), &executor(&after)), kept, "{url}");
        assert_eq!(before.trigger_change(&after).new.is_empty(), kept, "{url}");
    }
}
