//! `heraldd check`: everything that the start would find wrong, without a start.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use herald_control::command_output::{BAD_INPUT, CommandOutput, FAILED, STOPPED};
use herald_control::places::config_places::{self, NoConfigFile};
use herald_core::problem::Severity;
use herald_core::yaml::LocatedProblem;
use herald_terminal::terminal::{Terminal, coloured_report};
use serde_json::{Map, Value, json};

use super::probe::{self, ProbeFindings};
use crate::loading::{self, ConfigLoadError, Loaded};

/// Validate a configuration; exit 0 if valid, 2 if not
///
/// Plugins are loaded, references to variables and files are resolved, components are created; nothing is started.
/// Errors and warnings go to standard error, each with its place. With --probe, exit 1 if something that a valid
/// configuration needs is not available now, and 2 if the Redis of a queue must not be used as it is.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  heraldd check /etc/heraldd/config.yml && systemctl reload heraldd")]
pub(super) struct CheckArguments {
    #[command(flatten)]
    files: ConfigFiles,
    /// Which node of the fleet this is, by its name under `node`
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// Print one JSON object: ok, errors, warnings, counts; of several files: ok, and these by `files`
    #[arg(long)]
    json: bool,
    /// Also test that folders, files and sockets can be made, ports are free and jobs can be limited, and ask etcd and
    /// Redis
    #[arg(long)]
    probe: bool,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
struct ConfigFiles {
    /// Configuration file (YAML)
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Configuration files, each by itself; - is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Vec<PathBuf>,
}

impl CheckArguments {
    /// The files: those that are given, or the default one.
    pub(super) fn paths(&self) -> Result<Vec<PathBuf>, NoConfigFile> {
        let ConfigFiles { config, file } = &self.files;
        match (config, file.as_slice()) {
            (None, [_, ..]) => Ok(file.clone()),
            _ => config_places::or_default(config.clone()).map(|path| vec![path]),
        }
    }
}

pub(super) fn run(arguments: &CheckArguments) -> CommandOutput {
    let paths = match arguments.paths() {
        Ok(paths) => paths,
        Err(none) => return CommandOutput::refused(&none),
    };
    let mut whole = CommandOutput::good("");
    let mut of_files = Map::new();
    for path in &paths {
        let (output, json) = check(path, arguments);
        if arguments.json && paths.len() == 1 {
            return CommandOutput { out: json.to_string(), remarks: String::new(), code: output.code };
        }
        of_files.insert(path.display().to_string(), json);
        whole.out.push_str(&output.out);
        whole.remarks.push_str(&output.remarks);
        whole.code = whole.code.max(output.code);
    }
    if arguments.json {
        let out = json!({"ok": of_files.values().all(|file| file["ok"] == true), "files": of_files});
        return CommandOutput { out: out.to_string(), remarks: String::new(), code: whole.code };
    }
    whole.remarks = coloured_report(&whole.remarks, Terminal::of(&std::io::stderr()));
    whole
}

/// What there is to say of one file, for people and as JSON.
fn check(path: &Path, arguments: &CheckArguments) -> (CommandOutput, Value) {
    let loaded = loading::load(path, arguments.id.as_deref(), None);
    let found = match &loaded {
        Ok(loaded) if arguments.probe => probe::probe(&loaded.config),
        _ => ProbeFindings::default(),
    };
    let code = match &loaded {
        Ok(_) if !found.unfit.is_empty() => BAD_INPUT,
        Ok(_) if found.problems() > 0 => FAILED,
        Ok(_) => STOPPED,
        Err(_) => BAD_INPUT,
    };
    let json = as_json(&loaded, arguments.probe.then_some(&found));
    let (mut out, mut remarks) = (String::new(), String::new());
    // Writing to a String cannot fail.
    match loaded {
        Ok(loaded) => {
            remarks.extend(loaded.config.warnings.iter().chain(&found.located).map(ToString::to_string));
            for sentence in found.missing.iter().chain(&found.unfit) {
                let _ = writeln!(remarks, "probe: {sentence}");
            }
            for sentence in &found.warnings {
                let _ = writeln!(remarks, "probe: warning: {sentence}");
            }
            let counts = in_words(&counts(&loaded));
            match found.problems() {
                0 => drop(writeln!(out, "{}: ok ({counts})", path.display())),
                count => {
                    let problems = in_words(&[("problem", count)]);
                    let _ = writeln!(
                        remarks,
                        "{}: valid ({counts}), but the probe failed ({problems})",
                        path.display()
                    );
                }
            }
        }
        Err(wrong) => {
            let _ = writeln!(remarks, "{}", wrong.to_string().trim_end());
            if let ConfigLoadError::Places(problems) = &wrong {
                let found = [("error", problems.errors()), ("warning", problems.warnings().len())];
                let _ = writeln!(remarks, "{}: not valid ({})", path.display(), in_words(&found));
            }
        }
    }
    (CommandOutput { out, remarks, code }, json)
}

/// How many there are of each kind of thing.
fn counts(loaded: &Loaded) -> [(&'static str, usize); 5] {
    let config = &loaded.config;
    let routers: BTreeSet<&str> = config.workflow.all().map(|route| &*route.router).collect();
    [
        ("trigger", config.triggers.len()),
        ("selector", config.selectors.len()),
        ("executor", config.executors.len()),
        ("router", routers.len()),
        ("task", config.workflow.all().count()),
    ]
}

fn in_words(counts: &[(&str, usize)]) -> String {
    let mut words = String::new();
    for (n, (what, count)) in counts.iter().enumerate() {
        let comma = if n == 0 { "" } else { ", " };
        let plural = if *count == 1 { "" } else { "s" };
        // Writing to a String cannot fail.
        let _ = write!(words, "{comma}{count} {what}{plural}");
    }
    words
}

/// `probe`: what it found, if there was one.
fn as_json(loaded: &Result<Loaded, ConfigLoadError>, probe: Option<&ProbeFindings>) -> Value {
    let of = |found: &[LocatedProblem], severity: Severity| -> Vec<Value> {
        found.iter().filter(|found| found.severity == severity).map(place).collect()
    };
    match loaded {
        Ok(loaded) => {
            let warnings = of(&loaded.config.warnings, Severity::Warning);
            let counts = counts(loaded).map(|(what, count)| (format!("{what}s"), Value::from(count)));
            let counts: Map<String, Value> = counts.into_iter().collect();
            let mut valid = json!({"ok": true, "errors": [], "warnings": warnings, "counts": counts});
            if let Some(found) = probe {
                let at_place = |severity| found.at_place(severity).map(LocatedProblem::one_line);
                let missing = found.missing.iter().chain(&found.unfit).cloned();
                valid["probe"] = at_place(Severity::ProbeError).chain(missing).collect();
                let doubtful = at_place(Severity::ProbeWarning).chain(found.warnings.iter().cloned());
                valid["probe_warnings"] = doubtful.collect();
            }
            valid
        }
        Err(ConfigLoadError::Places(problems)) => json!({
            "ok": false,
            "errors": of(problems.found(), Severity::Error),
            "warnings": of(problems.found(), Severity::Warning),
        }),
        // It has no place in the text, so none is made up.
        Err(ConfigLoadError::Whole(why)) => {
            json!({"ok": false, "errors": [{"message": why}], "warnings": []})
        }
    }
}

fn place(found: &LocatedProblem) -> Value {
    let mut place =
        json!({"file": found.file, "line": found.line, "column": found.column, "message": found.message});
    if let Some(help) = &found.help {
        place["help"] = Value::from(help.as_str());
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_words() {
        assert_eq!(in_words(&[("trigger", 0), ("router", 1), ("task", 2)]), "0 triggers, 1 router, 2 tasks");
    }
}
