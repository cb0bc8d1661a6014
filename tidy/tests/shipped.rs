//! Files that we ship for other programs are checked with those programs' own tools. `./test` installs them.

#![expect(clippy::panic, reason = "a test may give up where it stands")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

/// Runs a program to its end; fails with its output.
fn run(command: &mut Command) -> Output {
    let paths = std::env::var("PATH").unwrap_or_default();
    let output = command.env("PATH", format!("{paths}:/usr/sbin:/sbin")).output();
    let output =
        output.unwrap_or_else(|error| panic!("{command:?}: {error}; `./test` installs what is missing"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    output
}

/// At most 2.0 of 10 in the rating of `systemd-analyze security`.
#[test]
fn units_are_hardened() {
    for name in ["heraldd.service", "herald-runner.service"] {
        let unit = example("systemd").join(name);
        run(Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=20", "--no-pager"])
            .arg(&unit));
    }
}

/// Every directive in the units is known to systemd, and in the right section.
#[test]
fn units_are_understood() {
    for program in ["heraldd", "herald-runner"] {
        let folder = tempfile::tempdir().unwrap();
        let unit = folder.path().join(format!("{program}.service"));
        let text = fs::read_to_string(example("systemd").join(format!("{program}.service"))).unwrap();
        // Neither our programs nor their users exist on a machine that builds them.
        let installed = text.replace(&format!("/usr/local/bin/{program}"), "/bin/true");
        assert_ne!(installed, text, "the unit does not start {program}");
        fs::write(&unit, installed).unwrap();
        let output = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit));
        let said = String::from_utf8(output.stderr).unwrap();
        let about_us: Vec<&str> = said.lines().filter(|line| line.contains(program)).collect();
        assert!(about_us.is_empty(), "{}", about_us.join("\n"));
    }
}

/// nginx accepts the configuration, with a certificate made for this test.
#[test]
fn nginx_takes_the_snippet() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
    let files = [
        "-subj",
        "/CN=herald-runner.example.com",
        "-keyout",
        &at("privkey.pem"),
        "-out",
        &at("fullchain.pem"),
    ];
    run(Command::new("openssl").args(["req", "-x509"]).args(key).args(files));

    let snippet = fs::read_to_string(example("nginx/herald-runner.conf")).unwrap();
    let certificates = "/etc/letsencrypt/live/herald-runner.example.com";
    assert!(snippet.contains(certificates));
    fs::write(at("snippet.conf"), snippet.replace(certificates, &folder.path().display().to_string()))
        .unwrap();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {};\n", at(name)))
        .concat();
    let whole = format!(
        "pid {};\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}include {};\n}}\n",
        at("nginx.pid"),
        at("snippet.conf"),
    );
    fs::write(at("nginx.conf"), whole).unwrap();
    run(Command::new("nginx").args(["-t", "-c", &at("nginx.conf")]));
}

/// The demo scripts are valid, and the repository can be created, and created again.
#[test]
fn the_demo_repository_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("demo-script.git");
    for _ in 0..2 {
        let output = run(Command::new(example("make-demo-repository.sh")).arg(&repository));
        assert!(String::from_utf8(output.stdout).unwrap().starts_with("file:///"));
    }
    let list = run(Command::new("git").arg("-C").arg(&repository).args(["ls-tree", "-r", "main"]));
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.lines().any(|line| line.starts_with("100755") && line.ends_with("run/backup.sh")), "{list}");
}
