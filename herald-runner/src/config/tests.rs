use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use herald_config::log::{LogFormat, LogLevel};
use herald_exec::GitLimits;
use herald_log::LogOutput;
use herald_net::tls::testing::{Authority, Validity};

use super::*;

const SECRET: &str = "secret: the_secret_should_be_strong_enough\n";

fn file(text: &str) -> Result<ConfigurationFile, Problems> {
    ConfigurationFile::of_text(text, "c.yml")
}

fn read(text: &str) -> Result<RunnerConfig, String> {
    let checked = file(text).and_then(|file| check(file, &|_| None));
    checked.map_err(|problems| problems.to_string())
}

#[test]
fn the_example_of_the_seed() {
    let config = read(
        "log_level: INFO\nlog_output: /var/log/herald-runner/herald-runner.log\n\nhost: 0.0.0.0\nport: 8124\n\
         #unix_socket: /var/run/herald-runner/herald-runner.sock\n\n\
         secret: the_secret_should_be_strong_enough\nwork_dir: /var/lib/herald-runner/work\n",
    )
    .unwrap();
    assert_eq!(config.listen.tcp, Some(("0.0.0.0".to_owned(), 8124)));
    assert_eq!(config.work_dir, PathBuf::from("/var/lib/herald-runner/work"));
    let log = PathBuf::from("/var/log/herald-runner/herald-runner.log");
    assert_eq!(config.log.output, LogOutput::File(log));
    assert!(!config.allow_v1 && !config.allow_unbound);
}

#[test]
fn versions_that_are_allowed() {
    for (allow, expected) in [
        ("allow: ['2.0']\n", Ok(true)),
        ("allow: '2.0'\n", Ok(true)),
        ("allow: []\n", Ok(false)),
        ("allow: ['2.1']\n", Err("`allow`: expected 2.0, found \"2.1\"; for version 1 see allow_v1")),
        ("allow: ['2.0', '1']\n", Err("`allow`: expected 2.0, found \"1\"")),
        ("allow: true\n", Err("`allow`: expected")),
        ("", Ok(false)),
    ] {
        match (read(&format!("{SECRET}{allow}")), expected) {
            (Ok(config), Ok(expected)) => assert_eq!(config.allow_unbound, expected, "{allow}"),
            (Err(report), Err(says)) => assert!(report.contains(says), "{allow}: {report}"),
            (read, _) => panic!("{allow}: {read:?}"),
        }
    }
}

#[test]
fn defaults() {
    let config = read(&format!("{SECRET}work_dir: /w\n")).unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(config.listen.tcp, Some(("127.0.0.1".to_owned(), 8124)));
    assert_eq!((config.listen.unix_socket.as_ref(), config.listen.unix_socket_mode), (None, 0o600));
    assert_eq!((config.max_body, config.max_jobs, config.output_limit), (32 << 20, 64, 1 << 20));
    assert_eq!((config.log_limit, config.kill_grace), (16 << 20, seconds(5)));
    assert_eq!((config.git_timeout, config.keep_results), (seconds(600), seconds(3600)));
    assert_eq!(config.git_limits, GitLimits { size: 2 << 30, files: 1_000_000 });
    assert_eq!((config.shutdown_grace, config.request_timeout), (seconds(30), REQUEST_TIMEOUT));
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Text));
    assert_eq!((&config.log.output, config.warnings.len()), (&LogOutput::Stderr, 0));
}

#[test]
fn values_in_all_their_forms() {
    let config = read(
        "secret: [the_secret_should_be_strong_enough, &s 'another secret, long enough', *s]\n\
         log_level: Debug\nlog_format: json\nunix_socket: /run/x.sock\nunix_socket_mode: 0660\nwork_dir: /w\n\
         allow_v1: true\nmax_body: 1MiB\nmax_jobs: 3\nkill_grace: 1m30s\nkeep_results: 5\noutput_limit: 64MiB\n",
    )
    .unwrap();
    assert_eq!(config.listen.tcp, None, "a socket alone means only the socket");
    assert_eq!(config.listen.unix_socket_mode, 0o660);
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.kill_grace, Duration::from_secs(90));
    assert_eq!(config.output_limit, herald_exec::LARGEST_OUTPUT);
    assert!(config.allow_v1);
    assert!(!config.secrets.key_id(2).is_empty());
    assert_eq!(config.secrets.key_id(1), config.secrets.key_id(2));
}

#[test]
fn every_problem_has_its_place() {
    for (text, expected) in [
        ("port: 8124\n", "c.yml:1:1: the option `secret` of `herald-runner` is missing"),
        ("", "c.yml:1:1: the option `secret` of `herald-runner` is missing"),
        ("secret:\n", "c.yml:1:1: the secret `secret` is empty"),
        ("secret: ''\n", "c.yml:1:9: the secret `secret` is empty"),
        ("secret: short\n", "c.yml:1:9: `secret`: the secret is too short (5 bytes"),
        ("secret: 123456789012345\n", "c.yml:1:9: `secret`: expected a string, found a number"),
        ("secret: []\n", "c.yml:1:9: `secret`: the list is empty"),
        (
            "secret: [the_secret_should_be_strong_enough, short]\n",
            "c.yml:1:46: `secret`: the secret is too short",
        ),
        ("secret: {a: b}\n", "c.yml:1:9: `secret`: expected a secret or a list of secrets, found a map"),
        ("secret: ${env:NO_SUCH}\n", "c.yml:1:9: the environment variable NO_SUCH is not set"),
        ("secret: ${file:/no/such}\n", "c.yml:1:9: the secret file /no/such does not exist"),
        ("secret: ${file:/dev/zero}\n", "c.yml:1:9: the secret file /dev/zero is not a regular file"),
        ("secret: ${x}\n", "c.yml:1:9: `secret`: the secret is too short"),
        (
            "secert: the_secret_should_be_strong_enough\n",
            "c.yml:1:1: unknown option `secert` of `herald-runner`",
        ),
        ("- a\n", "c.yml:1:1: a configuration is a map of options, found a list"),
        ("a: b: c\n", "c.yml:1:5: "),
    ] {
        let report = read(text).unwrap_err();
        assert!(report.contains(expected), "{text}: {report}");
    }
    for (line, expected) in [
        ("port: 70000\n", "c.yml:2:7: `port`: expected a whole number from 0 to 65535, found 70000"),
        ("port: [1]\n", "c.yml:2:7: `port`: expected a whole number from 0 to 65535, found a list"),
        ("allow_v1: yes\n", "c.yml:2:11: `allow_v1`: expected a boolean, found a string"),
        ("allow_v1: 'true'\n", "c.yml:2:11: `allow_v1`: expected a boolean"),
        ("host:\n", "c.yml:2:1: `host` has no value"),
        ("log_level: loud\n", "c.yml:2:12: `log_level`: unknown level"),
        ("kill_grace: 0\n", "c.yml:2:13: `kill_grace`: a duration must be more than zero"),
        ("max_body: many\n", "c.yml:2:11: `max_body`: "),
        ("max_body: 2GiB\n", "c.yml:2:11: `max_body`: it must be at most 1024 MiB"),
        ("output_limit: 0\n", "c.yml:2:15: `output_limit`: it must be at least 1 byte"),
        ("output_limit: 65MiB\n", "c.yml:2:15: `output_limit`: it must be at most 64 MiB"),
        ("max_jobs: 100001\n", "c.yml:2:11: `max_jobs`: expected a whole number from 1 to 100000"),
        ("unix_socket_mode: 0999\n", "c.yml:2:19: `unix_socket_mode`: expected permissions in octal"),
        ("request_timeout: 31\n", "c.yml:2:18: `request_timeout`: it must be at most 25 s"),
        ("type: x\n", "c.yml:2:1: unknown option `type` of `herald-runner`"),
        (
            "trigger: {}\nrouter: {}\n",
            "c.yml:2:1: `trigger` is a section of heraldd, and herald-runner has none",
        ),
        ("secret: the_secret_should_be_strong_enough\n", "c.yml:2:1: "),
    ] {
        let report = read(&format!("{SECRET}{line}")).unwrap_err();
        assert!(report.contains(expected), "{line}: {report}");
        assert!(!report.contains("strong_enough"), "{report}");
    }
}

#[test]
fn all_at_once_with_the_line_and_the_near_miss_and_no_secret() {
    let report = read("secert: very_secret_value_here\nprot: 1\nmax_jobs: 0\n").unwrap_err();
    for expected in [
        "c.yml:1:1: unknown option `secert` of `herald-runner`\n  |\n1 | secert: ***\n  | ^^^^^^\n",
        "  = help: did you mean `secret`?\n",
        "c.yml:2:1: unknown option `prot` of `herald-runner`\n  |\n2 | prot: 1\n  | ^^^^\n",
        "  = help: did you mean `port`?\n",
        "c.yml:3:11: `max_jobs`: expected a whole number from 1 to 100000, found 0\n",
        "the option `secret` of `herald-runner` is missing",
    ] {
        assert!(report.contains(expected), "{expected}\n{report}");
    }
    for text in [
        "secret: \"very_secret_value\nport: 1\n",
        "secret:\n  - very_secret_value: [\n",
        "secret: very_secret_value: x\n",
    ] {
        let report = read(text).unwrap_err();
        assert!(!report.contains("very_secret_value"), "{report}");
    }
}

#[test]
fn others_who_can_read_a_literal_secret_are_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the_secret_should_be_strong_enough\n").unwrap();
    let set_mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    set_mode(folder.path(), 0o755);
    // A path that is not absolute begins at the folder of the configuration.
    for (text, exposed, mode, warned) in [
        (SECRET, true, 0o600, true),
        (SECRET, false, 0o600, false),
        ("secret: ${file:secret}\n", true, 0o600, false),
        ("secret: ${file:secret}\n", false, 0o644, true),
        ("secret: ${env:SECRET}\n", true, 0o644, false),
    ] {
        set_mode(&secret, mode);
        let variable = |_: &str| Some(OsString::from("the_secret_should_be_strong_enough"));
        let file = ConfigurationFile {
            open_to_others: exposed,
            folder: folder.path().to_owned(),
            ..file(text).unwrap()
        };
        let config = check(file, &variable).unwrap();
        assert_eq!(!config.warnings.is_empty(), warned, "{text}: {:?}", config.warnings);
        assert!(!config.warnings.concat().contains("strong_enough"), "{:?}", config.warnings);
        assert_eq!(config.secrets, read(SECRET).unwrap().secrets);
    }
}

#[test]
fn what_is_wrong_with_tls_is_reported_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Authority");
    let pair = authority.issue(folder.path(), "a", &["localhost"], Validity::Good);
    let other = authority.issue(folder.path(), "b", &["localhost"], Validity::Good);
    let (cert, key, wrong) = (pair.cert.display(), pair.key.display(), other.key.display());
    for (tls, says) in [
        (format!("{{cert: {cert}, key: {key}}}"), None),
        (format!("{{cert: {cert}, key: {key}, client_ca: {cert}}}"), None),
        (format!("\n  cert: {cert}\n  key: {key}"), None),
        (format!("{{cert: {cert}}}"), Some("c.yml:2:1: the option `key` of `tls` is missing")),
        (format!("{{cert: {cert}, key: {wrong}}}"), Some("`key`: ")),
        (format!("{{cert: {cert}, key: {key}, ca: x}}"), Some("unknown option `ca` of `tls`")),
        (format!("{{cert: {cert}, key: {key}, cert: x}}"), Some("c.yml:2:")),
        ("[a]".to_owned(), Some("c.yml:2:6: `tls`: expected a map, found a list")),
    ] {
        let read = read(&format!("{SECRET}tls: {tls}\n"));
        match (read, says) {
            (Ok(config), None) => assert!(config.listen.tls.is_some(), "{tls}"),
            (Err(report), Some(says)) => assert!(report.contains(says), "{tls}: {report}"),
            (read, _) => panic!("{tls}: {read:?}"),
        }
    }
}

#[test]
fn in_the_clear_for_others_is_said() {
    for (host, warned) in [("127.0.0.1", false), ("localhost", false), ("::1", false), ("0.0.0.0", true)] {
        let warnings = read(&format!("{SECRET}host: '{host}'\n")).unwrap().warnings;
        assert_eq!(warnings.len(), usize::from(warned), "{host}");
        assert!(warnings.iter().all(|warning| warning.contains("signed but not encrypted")), "{warnings:?}");
    }
}

#[test]
fn the_example_is_right_and_every_option_is_documented() {
    let description = description();
    let text = description.example.lines().filter(|line| !line.contains("tls") && !line.starts_with("  "));
    let text =
        text.collect::<Vec<_>>().join("\n").replace("${file:/etc/herald-runner/secret}", &"s".repeat(16));
    assert_eq!(read(&text).unwrap().listen.tcp, Some(("0.0.0.0".to_owned(), 8124)));
    assert!(description.options.iter().all(|option| !option.doc.is_empty()));
    // The daemon's section has all of them but those of the log.
    let section = section("A runner.", "/w");
    let names = |description: &herald_config::spec::Description| {
        let names = description.options.iter().map(|option| option.name.clone());
        names
            .filter(|name| !name.starts_with("log_level") && *name != "log_output" && *name != "log_format")
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&section), names(&description));
    assert_eq!(section.options.len() + 3, description.options.len());
}

#[test]
fn a_runner_with_a_queue_listens_only_where_it_is_asked_to() {
    let queue = "queue: {url: 'redis://localhost:6379', sign: 0123456789abcdef, topic: jobs}\n";
    for (more, listens) in [("", false), ("port: 0\nsecret: the_secret_should_be_strong_enough\n", true)] {
        let config = read(&format!("{queue}{more}")).unwrap();
        assert_eq!(config.listen.tcp.is_some(), listens);
        let own = config.queue.unwrap();
        assert_eq!((own.topic.as_str(), own.process, own.name), ("jobs", 1, None));
    }
    for (given, says) in [
        (format!("{queue}port: 0\n"), "the option `secret` of `herald-runner` is missing"),
        ("queue: {url: 'redis://localhost', topic: jobs}\n".to_owned(), "`sign`"),
        (
            "queue: {url: 'redis://u:hunter2@localhost', sign: 0123456789abcdef, topic: t}\n".to_owned(),
            "has no user",
        ),
        ("queue: {url: 'http://localhost', sign: 0123456789abcdef, topic: t}\n".to_owned(), "unknown scheme"),
        ("queue: {url: 'redis://localhost', sign: short, topic: t}\n".to_owned(), "16 bytes"),
    ] {
        let said = read(&given).unwrap_err();
        assert!(said.contains(says) && !said.contains("hunter2"), "{given}: {said}");
    }
}
