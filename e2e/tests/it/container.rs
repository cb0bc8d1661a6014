//! `packaging/Containerfile`. There is no container engine here that could build it: what it says is read, and what it
//! would run is run in namespaces.
//!
//! | sentence | test |
//! |---|---|
//! | every instruction is one, every file that is copied exists, and each stage is there | `every_instruction_is_valid` |
//! | non-root; health, volume, port | `it_runs_without_root_and_says_how_it_is` |
//! | heraldd as PID 1 of another user reaps orphans, answers the health check, and ends cleanly on SIGTERM | `the_first_process_of_another_user` |

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

use e2e::daemon::{Daemon, job_config};
use e2e::place::Place;
use e2e::program::{Program, built, clean, run_to_end, sh};
use e2e::wait::until;
use serde_json::json;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const KNOWN: [&str; 14] = [
    "FROM",
    "RUN",
    "WORKDIR",
    "COPY",
    "USER",
    "ENV",
    "VOLUME",
    "EXPOSE",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "ENTRYPOINT",
    "CMD",
    "ARG",
    "LABEL",
];

/// Instructions and their arguments, continued lines joined.
fn instructions() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("packaging/Containerfile")).unwrap();
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty()).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let split = |line: &str| {
        let (name, rest) = line.split_once(' ').unwrap_or_else(|| panic!("no arguments: {line}"));
        (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    joined.lines().map(split).collect()
}

/// The arguments of the last instruction of this name.
fn last(name: &str) -> String {
    let found = instructions().into_iter().rfind(|(instruction, _)| instruction == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

/// The words of the form that needs no shell: `["heraldd", "status"]`.
fn words(arguments: &str) -> Vec<String> {
    let list = arguments.find('[').map(|at| &arguments[at..]).unwrap();
    serde_json::from_str(list).unwrap_or_else(|error| panic!("{list}: {error}"))
}

#[test]
fn every_instruction_is_valid() {
    let mut stages = Vec::new();
    for (name, arguments) in instructions() {
        assert!(KNOWN.contains(&&*name), "{name}");
        let (options, plain): (Vec<&str>, Vec<&str>) =
            arguments.split(' ').partition(|word| word.starts_with("--"));
        match &*name {
            "FROM" => {
                assert!(plain[0].contains(':'), "an image with its version: {arguments}");
                stages.extend((plain.len() == 3 && plain[1] == "AS").then(|| plain[2].to_owned()));
            }
            "COPY" => {
                let from = options.iter().find_map(|option| option.strip_prefix("--from="));
                let (sources, _) = plain.split_at(plain.len() - 1);
                assert!(!sources.is_empty(), "{arguments}");
                match from {
                    Some(stage) => {
                        assert!(stages.iter().any(|known| known == stage), "{stage}");
                        let program = sources[0].strip_prefix("/src/target/release/").unwrap();
                        assert!(built(program).exists());
                    }
                    None => {
                        sources
                            .iter()
                            .for_each(|path| assert!(Path::new(ROOT).join(path).exists(), "{path}"));
                    }
                }
            }
            "RUN" => {
                let parsed = run_to_end(Command::new("sh").args(["-n", "-c", &arguments]));
                assert_eq!((parsed.code, parsed.text().as_str()), (Some(0), ""), "{arguments}");
            }
            "ENTRYPOINT" | "CMD" => assert!(!words(&arguments).is_empty()),
            _ => {}
        }
    }
    // What the image is built with is what the workspace asks for.
    let manifest = std::fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let rust = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap();
    let (_, first) = &instructions()[0];
    assert!(first.contains(&format!("rust:{}-", rust.trim_end_matches('"'))), "{first}");
}

#[test]
fn it_runs_without_root_and_says_how_it_is() {
    let user = last("USER");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    assert_eq!(last("VOLUME"), "/var/lib/heraldd");
    assert_eq!(last("STOPSIGNAL"), "SIGTERM");
    assert!(last("EXPOSE").parse::<u16>().is_ok());
    assert_eq!(words(&last("HEALTHCHECK")), ["heraldd", "status"]);
    let config = std::fs::read_to_string(Path::new(ROOT).join("packaging/heraldd/config.yml")).unwrap();
    assert!(config.contains("\nstate_dir: /var/lib/heraldd\n"), "{config}");
    let checked = Place::new().check(&config);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{}", checked.text());
    assert_eq!([words(&last("ENTRYPOINT")), words(&last("CMD"))].concat()[..2], ["heraldd", "-config"]);
}

/// Needs root, as it becomes another user.
#[test]
fn the_first_process_of_another_user() {
    let place = Place::new();
    let leaves = "(sleep 0.1 >/dev/null 2>&1 &); (setsid sleep 0.2 >/dev/null 2>&1 &); id -u; exit 0";
    let job = json!({"cmd": place.script("leaves.sh", leaves)});
    let config = place.config(&format!("state_dir: '@DIR@/state'\n{}", job_config("local_command", &job)));
    let (user, _) =
        last("USER").split_once(':').map(|(user, group)| (user.to_owned(), group.to_owned())).unwrap();
    let id: u32 = user.parse().unwrap();
    for path in [place.path("."), config.clone()] {
        chown(path, Some(id), Some(id)).unwrap();
    }
    // Where others may not enter the folder of the build, it could not run the program.
    let program = place.path("heraldd");
    std::fs::copy(built("heraldd"), &program).unwrap();
    let mut command = Command::new("unshare");
    clean(&mut command, &place.path(""));
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child", "setpriv", "--clear-groups"]);
    command.args(["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]);
    command.args([format!("--reuid={user}"), format!("--regid={user}")]);
    let daemon = Daemon::of(Program::start(command.arg(&program).arg("-config").arg(&config)));
    daemon.wait_for(&["heraldd is ready"]);
    for _ in 0..3 {
        let done = daemon.post_and_wait(&json!({}));
        assert_eq!(done["result"]["output"], format!("{user}\n"), "{done}");
    }
    let first = sh("pgrep", &[&"-P", &daemon.pid().to_string()]);
    until("no zombie", || {
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
        children.trim().is_empty().then_some(())
    });
    let inside = std::fs::read_to_string(format!("/proc/{first}/status")).unwrap();
    let namespaces = inside.lines().find(|line| line.starts_with("NSpid:")).unwrap();
    assert_eq!(namespaces.split_whitespace().last(), Some("1"), "{namespaces}");
    let health = place.run("heraldd", &["status", "-c", config.to_str().unwrap()]);
    assert_eq!(health.code, Some(0), "{}", health.text());
    sh("kill", &[&"-TERM", &first]);
    assert_eq!(daemon.wait_end(), Some(0), "{}", daemon.log());
    let health = place.run("heraldd", &["status", "-c", config.to_str().unwrap()]);
    assert_eq!(health.code, Some(3), "{}", health.text());
}
