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
fn one_problem_each() {
    let known_sections = sections::names().join(", ");
    for (yaml, expected) in [
        ("triger: {}", "1:1: unknown section `triger` (did you mean `trigger`?)"),
        ("foo: {}", &*format!("1:1: unknown section `foo` (expected one of: {known_sections})")),
        ("log_level: INFO", "1:1: unknown section `log_level` (write  log: {level: …})"),
        ("log: INFO", "1:6: expected a map with level, output and format (write  log: {level: info})"),
        ("log: {levl: info}", "1:7: unknown option `levl` of `log` (did you mean `level`?)"),
        ("log: {level: inof}", "1:14: `level`: unknown level; did you mean \"info\"?"),
        ("log: {format: xml}", "1:15: `format`: \"xml\" is not valid; expected one of: text, json"),
        ("max_jobs: 0", "1:11: `max_jobs`: expected a whole number from 1 to 100000, found 0"),
        ("max_jobs: many", "1:11: `max_jobs`: expected a whole number from 1 to 100000, found a string"),
        ("plugin: {a: 1}", "1:9: expected the path of a plugin, found a map"),
        ("plugin: [a.so, '']", "1:16: expected the path of a plugin, found an empty text"),
        ("trigger: [tick]", "1:10: expected a map of triggers by name, found a list"),
        (
            "trigger: {a: tick}",
            "1:14: expected the options of trigger \"a\" as a map, found a string (write  NAME: {type: TYPE, OPTION: VALUE})",
        ),
        ("trigger: {a: {type: tik}}", "1:21: unknown trigger type \"tik\" (did you mean \"tick\"?)"),
        (
            "trigger: {a: {type: nonsense}}",
            "1:21: unknown trigger type \"nonsense\" (expected one of: cron, http, tick)",
        ),
        ("trigger: {a: {type: 5}}", "1:21: expected the name of a type, found a number"),
        (
            "trigger: {every2s: {interval: 2}}",
            "1:11: trigger \"every2s\" has no type, and \"every2s\" is not the name of one (expected one of: cron, http, tick)",
        ),
        (
            "trigger: {exe_done: {type: tick}}",
            "1:11: \"exe_done\" is reserved: Herald itself activates it when a job ends (choose another name)",
        ),
        (
            "trigger: {a: {type: exe_done}}",
            "1:21: the type \"exe_done\" is internal and cannot be configured (expected one of: cron, http, tick)",
        ),
        (
            "trigger: {a: {type: tick, intervall: 2}}",
            "1:27: unknown option `intervall` of `tick` (did you mean `interval`?)",
        ),
        ("trigger: {a: {type: cron}}", "1:11: the option `cron` of `cron` is missing (cron: When.)"),
        ("trigger: {a: {type: cron, cron: bad 5}}", "1:11: \"bad 5\" is no cron line"),
        ("trigger: {a: {type: cron, cron: boom}}", "1:11: the type \"cron\" panicked over these options"),
        ("preset: 5", "1:9: expected a map of presets, found a number"),
        (
            "executor: {http_remote: {host: \"ftp://h\", secret: long-enough}}",
            "1:32: `host`: a URL here begins with http:// or https:// (write a URL such as https://runner.example.com:8124/)",
        ),
    ] {
        assert_eq!(said(&with_router(yaml)), [expected], "{yaml}");
    }
}

#[test]
fn routers_name_what_exists() {
    for (router, expected) in [
        (
            "{trigger: tik, selector: all, task: {t: print}}",
            "1:23: unknown trigger \"tik\" (did you mean \"tick\"?)",
        ),
        (
            "{trigger: tick, selector: all, task: {t: prnt}}",
            "1:54: unknown executor \"prnt\" (did you mean \"print\"?)",
        ),
        (
            "{trigger: cron, selector: all, task: {t: print}}",
            "1:23: the option `cron` of `cron` is missing, so it cannot be used by its type alone (configure it under `trigger`)",
        ),
        (
            "{trigger: tick, selector: match_map, task: {t: print}, select_param: {match_key: a, matchvalue: b}}",
            "1:97: unknown parameter `matchvalue` of `match_map` (did you mean `match_value`?)",
        ),
        (
            "{trigger: tick, selector: all, task: {t: print}, job_param: {print_key: 5}}",
            "1:85: `print_key`: expected a string, found a number (put it in quotes)",
        ),
        (
            "{trigger: tick, selector: all, task: {t: print}, select_param: prest}",
            "1:76: unknown preset \"prest\"",
        ),
    ] {
        assert_eq!(said(&format!("router: {{r: {router}}}")), [expected], "{router}");
    }
    // A component that is wrong itself is not reported again where it is used.
    assert_eq!(
        said("trigger: {a: {type: tik}}\nrouter: {r: {trigger: a, selector: all, task: {t: print}}}").len(),
        1
    );
}

#[test]
fn everything_at_once_in_the_order_of_the_file() {
    let said = said(concat!(
        "log: {level: loud}\n",
        "max_jobs: -1\n",
        "trigger:\n  a: {type: tick, interval: 0}\n  b: {type: nope}\n",
        "executor:\n  http_remote: {host: nowhere, secret: ''}\n",
        "router:\n  r: {trigger: x, selector: y, task: {t: z}}\n  s: {}\n",
        "extra: 1\n",
    ));
    let places: Vec<String> =
        said.iter().map(|text| text.split(':').take(2).collect::<Vec<_>>().join(":")).collect();
    assert_eq!(
        places,
        [
            "1:14", "2:11", "4:29", "5:13", "7:23", "7:40", "9:16", "9:29", "9:42", "10:3", "10:3", "10:3",
            "11:1"
        ],
        "{said:#?}"
    );
}

#[test]
fn empty_and_odd_files() {
    assert_eq!(said(""), ["1:1: the configuration is empty"]);
    assert_eq!(said("- a"), ["1:1: a configuration is a map of sections, found a list"]);
    let config = good("log: {level: info}");
    let warning = config.warnings[0].to_string();
    assert!(warning.contains("1:1: warning: there is no router, so nothing will ever run"), "{warning}");
}

#[test]
fn files_that_cannot_be_read() {
    let place = Place::new();
    let folder = place.folder.path().display().to_string();
    let error = |path: PathBuf| read(&path).err().unwrap().to_string().replace(&folder, "");
    assert_eq!(error(place.folder.path().join("no.yml")), "/no.yml: there is no such file");
    assert_eq!(error(place.folder.path().to_owned()), ": this is a folder, not a file");
    assert_eq!(
        error(place.write("latin.yml", b"a: 1\nb: \xfcber\n")),
        "/latin.yml:2:4: this is not UTF-8; save the file as UTF-8"
    );
    assert_eq!(
        error(place.write("wide.yml", b"\xff\xfea\0")),
        "/wide.yml:1:1: this is UTF-16; save it as UTF-8"
    );
    let large = place.write("large.yml", "");
    fs::File::options().write(true).open(&large).unwrap().set_len((64 << 20) + 1).unwrap();
    assert_eq!(error(large), "/large.yml: the file is larger than 64 MiB");
    assert!(error(place.write("open.yml", "a: [1\nb: 2")).starts_with("/open.yml:2:"));
}

#[test]
fn the_password_of_a_url_is_a_secret() {
    for (url, shown) in [
        ("https://bot:s3cretpass@git.example.com/x.git", "fetch https://bot:***@git.example.com/x.git"),
        ("http://u:p@ss:word9@h", "fetch http://u:***@h"),
        ("ssh://git@host/x", "fetch ssh://git@host/x"),
        ("https://host/x?a=b:cccccccc@d", "fetch https://host/x?a=b:cccccccc@d"),
        ("see https://u:visible1@h now", "fetch see https://u:visible1@h now"),
    ] {
        let yaml = with_router(&format!("preset: {{p: {{repo: '{url}'}}}}"));
        assert_eq!(good(&yaml).mask.text(&format!("fetch {url}")), shown);
    }
    let report = bad("preset: {p: {repo: 'https://u:s3cretpass@h'}, q: 5}");
    assert!(report.contains("preset: {p: {repo: ***}, q: 5}") && !report.contains("s3cretpass"), "{report}");
}

#[test]
fn references_are_resolved_and_masked() {
    let place = Place::new();
    place.write("key", "-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\n-----END KEY-----\n");
    place.write("plain", "from the file\r\n");
    let yaml = concat!(
        "trigger: {http: {port: '${env:PORT}', strict: '${env:TRUE}', sign: 'signature!'}}\n",
        "executor: {http_remote: {host: 'http://h', secret: ['${env:PASSWORD}', literal-one]}}\n",
        "preset: {p: {list: ['${file:plain}']}}\n",
        "router:\n",
        "  refresh_token:\n",
        "    trigger: http\n    selector: all\n",
        "    task: {t: {executor: http_remote, job_param: {git_ssh_key: '${file:key}', plain: 'echo ${HOME} ${x:y}'}}}\n",
        "    job_param: {preset: p, git_password: 12345678}\n",
    );
    let config = place.check(yaml).unwrap_or_else(|problems| panic!("{problems}"));
    let http = &config.triggers[0].options.0;
    assert_eq!((&http["port"], &http["strict"]), (&json!(9000), &json!(true)));
    assert_eq!(config.executors[0].options.0["secret"], json!(["hunter22", "literal-one"]));
    let route = &config.workflow.routes("http")[0];
    assert_eq!(route.job_param["list"], json!(["from the file"]));
    assert_eq!(route.job_param["git_ssh_key"].as_str().unwrap().lines().count(), 4);
    let shown = |text: &str| config.mask.text(text);
    for secret in
        ["hunter22", "literal-one", "from the file", "signature!", "12345678", "9000", "mnopqrstuvwx"]
    {
        assert_eq!(shown(&format!("it is {secret}.")), "it is ***.", "{secret}");
    }
    for plain in ["http", "all", "refresh_token", "-----BEGIN KEY-----", "http://h"] {
        assert_eq!(shown(plain), plain);
    }
}

#[test]
fn an_empty_preset_is_a_preset_and_a_wrong_one_is_reported_once() {
    let used = |preset: &str| {
        let router = "router: {r: {trigger: tick, selector: all, task: {t: print}, job_param: p}}";
        format!("preset: {{p: {preset}}}\n{router}\n")
    };
    assert!(good(&used("")).warnings.is_empty());
    assert_eq!(said(&used("5")), ["1:13: expected a map of parameters, found a number"]);
}

#[test]
fn a_shells_default_values_are_no_references() {
    for script in ["echo ${env:-prod}", "${env:-prod}", "echo ${file:=/tmp/x} ${file:?none}", "${env:+set}"] {
        let yaml = with_router(&format!("preset: {{p: {{arg: [-c, '{script}']}}}}"));
        assert!(good(&yaml).warnings.is_empty(), "{script}");
    }
    let mixed = with_router("preset: {p: {arg: 'echo ${env:-prod} ${env:PASSWORD}'}}");
    assert_eq!(said(&mixed).len(), 1);
}

#[test]
fn references_that_lead_nowhere() {
    for (value, expected) in [
        ("${env:NO_SUCH}", "the environment variable NO_SUCH is not set"),
        ("${env:EMPTY}", "the environment variable EMPTY is empty"),
        ("${env:}", "the reference names no variable"),
        ("${file:}", "the reference names no file"),
        ("${file:/no/such}", "the secret file /no/such does not exist"),
        ("${file:/}", "the secret file / is not a regular file"),
        ("${file:/dev/zero}", "the secret file /dev/zero is not a regular file"),
        (
            "x${env:PASSWORD}",
            "a secret reference must be the whole value (put the whole text into the variable or the file; `$${` instead of `${` is plain text)",
        ),
        (
            "${env:PASSWORD}${env:PASSWORD}",
            "a secret reference must be the whole value (put the whole text into the variable or the file; `$${` instead of `${` is plain text)",
        ),
    ] {
        let yaml = with_router(&format!("preset: {{p: {{a: {{b: '{value}'}}}}}}"));
        assert_eq!(said(&yaml), [format!("1:21: {expected}")], "{value}");
    }
    for (yaml, place) in [
        (
            "log: {output: '${env:PASSWORD}'}\nrouter: {r: {trigger: tick, selector: all, task: {t: print}}}",
            "1:15",
        ),
        ("router: {r: {trigger: tick, selector: all, task: {t: '${env:PASSWORD}'}}}", "1:54"),
        ("trigger: {a: {type: '${env:PASSWORD}'}}", "1:21"),
    ] {
        let said = said(yaml);
        assert!(
            said.iter()
                .any(|text| text.starts_with(&format!("{place}: a secret reference cannot stand here"))),
            "{said:?}"
        );
    }
}

#[test]
fn empty_secrets_are_errors() {
    for (yaml, expected) in [
        ("preset: {p: {git_password: ''}}", "1:28: the secret `git_password` is empty"),
        ("preset: {p: {git_password: }}", "1:14: the secret `git_password` is empty"),
        ("executor: {http_remote: {host: \"http://h\", secret: ''}}", "1:52: the secret `secret` is empty"),
        ("preset: {p: {tokens: [a, '']}}", "1:26: the secret `tokens` is empty"),
    ] {
        let advice = " (write it, or a reference such as ${env:NAME} or ${file:/path})";
        assert_eq!(said(&with_router(yaml)), [format!("{expected}{advice}")], "{yaml}");
    }
    assert_eq!(said(&with_router("trigger: {http: {sign: ''}}")), ["1:24: `sign`: a secret cannot be empty"]);
}

#[test]
fn no_message_holds_a_secret() {
    let place = Place::new();
    for yaml in [
        "executor: {http_remote: {host: '${env:PASSWORD}', secret: x}}",
        "executor: {http_remote: {host: '${env:SHORT}', secret: hunter22, x: 1}}",
        "executor: {http_remote: {host: 'http://h', secret: {a: hunter22}}}",
        "trigger: {http: {sign: hunter22, port: x, x: 1}}",
        "trigger: {http: {sign: [hunter22], port: '${env:PASSWORD}'}}",
        "trigger: {cron: {cron: '${env:PASSWORD}', x: 1}}",
        "trigger: {a: {type: cron, cron: 'bad ${env:PASSWORD}'}}",
        "trigger: {tick: {interval: '${env:PASSWORD}'}}",
        "trigger: {tick: {interval: '${env:SHORT}'}}",
        "preset: {p: {password: hunter22, x: '${env:NO}'}}",
        "router: {r: {trigger: t, job_param: {token: hunter22}}}",
        "router: {r: {trigger: tick, selector: all, task: {t: print}, select_param: {token: hunter22, preset: no}}}",
        "router: {r: {trigger: tick, selector: all, task: {t: print}, job_param: {print_key: [5], token: [hunter22]}}}",
    ] {
        match place.check(yaml) {
            Ok(_) => panic!("nothing was found wrong with {yaml}"),
            Err(text) => assert!(!text.contains("unter") && !text.contains("zz"), "{yaml}:\n{text}"),
        }
    }
}

#[test]
fn others_who_may_read_a_literal_secret() {
    let place = Place::new();
    for (yaml, mode, warned) in [
        ("preset: {p: {password: hunter22}}", 0o644, true),
        ("preset: {p: {password: hunter22}}", 0o640, true),
        ("preset: {p: {password: hunter22}}", 0o604, true),
        ("preset: {p: {password: hunter22}}", 0o600, false),
        ("trigger: {http: {sign: hunter22}}", 0o644, true),
        ("preset: {p: {password: '${env:PASSWORD}'}}", 0o644, false),
        ("trigger: {http: {sign: '${env:PASSWORD}'}}", 0o644, false),
        ("preset: {p: {user: hunter22}}", 0o644, false),
    ] {
        let path = place.write("config.yml", with_router(yaml));
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let variable = |_: &str| Some(OsString::from("hunter22"));
        let config = check_with(read(&path).unwrap(), &registry(), &[], &variable).unwrap();
        assert_eq!(config.warnings.len(), usize::from(warned), "{yaml} {mode:o}: {:?}", config.warnings);
        if warned {
            let warning = config.warnings[0].to_string();
            assert!(
                warning.contains("warning: others may read this file, and it holds a secret"),
                "{warning}"
            );
            assert!(warning.contains("chmod go-rwx"), "{warning}");
            assert!(!warning.contains("hunter22"), "{warning}");
        }
    }
}

#[test]
fn a_secret_file_with_more_in_it_than_the_secret() {
    let place = Place::new();
    for (content, says) in [
        ("hunter22\n", None),
        ("hunter22\r\n", None),
        ("\u{feff}hunter22\n", Some("byte order mark")),
        ("hunter22 \n", Some("blanks")),
        (" hunter22", Some("blanks")),
        ("hunter22\n\n", Some("line end")),
        ("one line\nand another\n\n", None),
    ] {
        place.write("s", content);
        let path = place.write("config.yml", with_router("preset: {p: {password: '${file:s}'}}"));
        let config = check_with(read(&path).unwrap(), &registry(), &[], &|_| None).unwrap();
        let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), usize::from(says.is_some()), "{content:?}: {warnings:?}");
        assert!(says.is_none_or(|says| warnings[0].contains(says)), "{content:?}: {warnings:?}");
        assert!(!warnings.concat().contains("unter22"), "{warnings:?}");
    }
}

#[test]
fn plugins_that_could_not_be_loaded_stand_with_the_rest() {
    let place = Place::new();
    let source = place.source("plugin: [a.so, b.so]\nmax_jobs: 0\n");
    assert_eq!(plugins(&source), [place.folder.path().join("a.so"), place.folder.path().join("b.so")]);
    let problems =
        check_with_plugins(source, &registry(), &[(1, "this is no plugin".to_owned())]).err().unwrap();
    let text = problems.to_string();
    assert!(text.contains("config.yml:1:16: this is no plugin\n"), "{text}");
    assert!(text.contains("config.yml:2:11: `max_jobs`"), "{text}");
}

/// Types that only the missing plugin could have are not reported as well; others are.
#[test]
fn types_of_a_plugin_that_could_not_be_loaded_are_not_reported() {
    let place = Place::new();
    let source = place.source(
        "plugin: [a.so]\ntrigger: {hello: {}, h: {type: hello}, t: {type: tik, interval: 1}}\n\
         router: {r: {trigger: hello, selector: hello, task: {t: hello, u: {executor: prnt}}}}\n",
    );
    let problems =
        check_with_plugins(source, &registry(), &[(0, "plugin a.so is gone".to_owned())]).err().unwrap();
    let found: Vec<&str> = problems.found().iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        found,
        ["plugin a.so is gone", "unknown trigger type \"tik\"", "unknown executor \"prnt\""],
        "{problems}"
    );
}

#[test]
fn the_whole_text() {
    assert_eq!(
        bad(&with_router("trigger:\n  every2s:\n    type: tick\n    intervall: 2")),
        concat!(
            "config.yml:4:5: unknown option `intervall` of `tick`\n",
            "  |\n",
            "4 |     intervall: 2\n",
            "  |     ^^^^^^^^^\n",
            "  = help: did you mean `interval`?\n",
        )
    );
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
    let schema = schema(&registry());
    let given: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let known = sections::names();
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
fn the_reference_page_tells_all_there_is() {
    let page = markdown(&registry());
    for line in [
        "| `max_jobs` | whole number, 1 to 100000 | `64` | How many jobs run at once on each executor that runs its jobs on this machine; further ones wait, and start in turns by router. While others wait, one router has at most half of an executor's places. An executor may have a `max_jobs` of its own; `none` and `print` need no place. |",
        "| `format` | `text` or `json` | `text` | `text` for people, or `json` with one object a line. |",
        "### `tick`",
        "| `interval` | duration | `1` | How often. |",
        "| `counter` | how many times |",
        "### `cron`",
        "| `cron` | text | required | When. |",
        "| `match_key` | text | required | Which. |",
        "| `match_value` | anything | – | What. |",
        "| `secret` | secret or list of secrets | required | Shared. |",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
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
    let load = |nodes: &str, id: Option<&str>| {
        let yaml = format!(
            "node: {nodes}\n\
             trigger: {{web: {{type: http, port: 0}}}}\n\
             executor: {{far: {{type: http_remote, nodes: [one], data_dir: /d}}, near: {{type: local, work_dir: /w}}}}\n\
             router: {{r: {{trigger: web, selector: all, task: {{a: far, b: near}}, job_param: {{cmd: x}}}}}}\n"
        );
        let mut source = place.source(&yaml);
        source.id = id.map(str::to_owned);
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
