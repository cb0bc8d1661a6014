//! A runner's options mean the same in the file of herald-runner and in the section `runner` of heraldd.

use std::path::Path;

use herald_runner::config::RunnerConfig;
use heraldd::loading;

const SECRET: &str = "secret: the_secret_should_be_strong_enough";

/// What herald-runner makes of the line.
fn by_runner(folder: &Path, line: &str) -> Result<RunnerConfig, String> {
    let path = folder.join("runner.yml");
    std::fs::write(&path, format!("{SECRET}\nwork_dir: /w\n{line}\n")).unwrap();
    herald_runner::config::load(&path).map_err(|error| error.to_string())
}

/// What heraldd makes of the line in its section.
fn by_daemon(folder: &Path, line: &str) -> Result<RunnerConfig, String> {
    let path = folder.join("heraldd.yml");
    std::fs::write(&path, format!("state_dir: none\nrunner:\n  {SECRET}\n  work_dir: /w\n  {line}\n"))
        .unwrap();
    let loaded = loading::load(&path, None, None).map_err(|wrong| wrong.to_string())?;
    Ok(loaded.config.settings.runner.unwrap())
}

/// The sentence of the first error, without its place.
fn error(report: &str) -> &str {
    let is_error = |line: &&str| line.contains(".yml:") && !line.contains(": warning: ");
    report.lines().find(is_error).and_then(|line| line.split_once(": ")).unwrap().1
}

#[test]
fn both_programs_read_the_same_options_alike() {
    let folder = tempfile::tempdir().unwrap();
    for (line, good) in [
        ("output_limit: 8MiB", true),
        ("output_limit: 1.5MiB", true),
        ("output_limit: 16M", true),
        ("output_limit: 64MiB", true),
        ("output_limit: 65MiB", false),
        ("output_limit: 0", false),
        ("output_limit: lots", false),
        ("keep_results: 1w", true),
        ("keep_results: 500us", true),
        ("keep_results: 1m 30s", true),
        ("keep_results: 0", false),
        ("shutdown_grace: 500us", true),
        ("kill_grace: 2.5", true),
        ("kill_grace: soon", false),
        ("git_timeout: 1h30m", true),
        ("git_max_size: 10GB", true),
        ("git_max_size: 0", false),
        ("git_max_files: 0", false),
        ("git_max_files: 5000000", true),
        ("request_timeout: 20s", true),
        ("request_timeout: 26s", false),
        ("max_body: 1GiB", true),
        ("max_body: 1025MiB", false),
        ("log_limit: 1MB", true),
        ("max_jobs: 100000", true),
        ("max_jobs: 100001", false),
        ("max_jobs: 0", false),
        ("max_jobs: many", false),
        ("allow_v1: true", true),
        ("allow_v1: yes", false),
        ("host: ::1", true),
        ("host: 127.0.0.1:80", false),
        ("port: 0", true),
        ("port: 65536", false),
        ("unix_socket: /run/x.sock", true),
        ("unix_socket_mode: 0660", true),
        ("unix_socket_mode: 0o660", true),
        ("unix_socket_mode: 999", false),
        ("tls: {cert: /none}", false),
        ("max_job: 3", false),
        ("type: http", false),
    ] {
        let (runner, daemon) = (by_runner(folder.path(), line), by_daemon(folder.path(), line));
        assert_eq!(runner.is_ok(), good, "herald-runner: {line}: {runner:?}");
        assert_eq!(daemon.is_ok(), good, "heraldd: {line}: {daemon:?}");
        match (runner, daemon) {
            (Ok(runner), Ok(daemon)) => {
                assert!(runner.same_but_secrets(&daemon), "{line}: {runner:?} {daemon:?}");
                assert_eq!(runner.secrets, daemon.secrets);
            }
            (Err(runner), Err(daemon)) => {
                assert_eq!(error(&runner).replace("`herald-runner`", "`runner`"), error(&daemon), "{line}");
            }
            _ => {}
        }
    }
}

#[test]
fn how_the_log_is_written_is_for_the_whole_daemon_to_say() {
    let folder = tempfile::tempdir().unwrap();
    for line in ["log_level: info", "log_output: /x.log", "log_format: json"] {
        by_runner(folder.path(), line).unwrap();
        let report = by_daemon(folder.path(), line).unwrap_err();
        assert!(report.contains("heraldd.yml:5:3: unknown option `log_"), "{line}: {report}");
    }
}

#[test]
fn a_literal_secret_that_others_can_read_is_a_warning_in_both() {
    let folder = tempfile::tempdir().unwrap();
    let config = by_runner(folder.path(), "").unwrap();
    assert!(config.warnings.concat().contains("others may read this file"), "{:?}", config.warnings);
}
