//! herald-runner: arguments in, exit code out.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use herald_base::os_error;
use herald_cli_pages::{ManualPart, completion_script, manual_page};
use herald_runner::cli::{self, Args, DEFAULT_CONFIG, RunMode};
use herald_runner::probe::{RunnerProbe, probe};
use herald_runner::{config, runner};

/// Bad arguments or configuration.
const BAD_INPUT: u8 = 2;
/// What a valid configuration needs is not there.
const MISSING: u8 = 1;

/// What the manual page says besides the arguments.
const PARTS: [ManualPart<'static>; 3] = [
    ManualPart {
        heading: "EXIT STATUS",
        entries: &[
            ("0", "A clean stop, or a valid configuration."),
            ("1", "A failure while running, or of `check --probe`."),
            ("2", "Bad arguments, or an invalid configuration."),
        ],
    },
    ManualPart {
        heading: "ENVIRONMENT",
        entries: &[("STATE_DIRECTORY", "The default work_dir is in it; systemd sets it.")],
    },
    ManualPart {
        heading: "FILES",
        entries: &[
            (DEFAULT_CONFIG, "The configuration of the system."),
            ("/var/lib/herald-runner/work", "The work_dir of root: where jobs run."),
        ],
    },
];

/// 0: a clean stop, or a valid configuration; 1: a failure while running; 2: bad arguments or configuration.
fn main() -> ExitCode {
    // First of all: while there is one thread.
    herald_exec::ownership::hide();
    herald_exec::limit_heaps();
    let args = Args::try_parse_from(cli::with_two_dashes(std::env::args_os()));
    match args.and_then(|args| args.mode(Path::new(DEFAULT_CONFIG))) {
        Ok(RunMode::Run(file)) => run(&file),
        Ok(RunMode::Check { files, probe }) => check(&files, probe),
        Ok(RunMode::Schema) => print(&format!("{:#}", config::schema())),
        Ok(RunMode::Completions(shell)) => print(&completion_script(shell, Args::command())),
        Ok(RunMode::Man) => match manual_page(Args::command(), &PARTS) {
            Ok(page) => print(&page),
            Err(error) => failed(&format!("herald-runner: the page cannot be generated: {error}")),
        },
        Ok(RunMode::Version) => print(&format!("herald-runner {}", env!("CARGO_PKG_VERSION"))),
        Err(error) => error.exit(),
    }
}

fn run(file: &Path) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(error) => return bad_config(&error),
    };
    match runner::run(file, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("herald-runner: {error:#}")),
    }
}

fn check(files: &[PathBuf], looks_at_machine: bool) -> ExitCode {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let mut worst = 0;
    for file in files {
        let shown = file.display();
        match config::load(file) {
            Ok(config) => {
                config.warnings.iter().for_each(|warning| say(warning));
                let found = if looks_at_machine { probe(&config) } else { RunnerProbe::default() };
                found.texts.iter().for_each(|text| say(text));
                if found.problems > 0 {
                    worst = worst.max(MISSING);
                    let (count, plural) = (found.problems, plural(found.problems));
                    say(&format!("{shown}: valid, but the probe failed ({count} problem{plural})"));
                } else {
                    // Where standard output is closed, the exit code says the rest.
                    let _ = writeln!(std::io::stdout(), "{shown}: ok");
                }
            }
            Err(error) => {
                worst = BAD_INPUT;
                say(error.to_string().trim_end());
                let found = error.errors();
                say(&format!("{shown}: not valid ({found} error{})", plural(found)));
            }
        }
    }
    ExitCode::from(worst)
}

fn bad_config(error: &config::LoadError) -> ExitCode {
    say(error.to_string().trim_end());
    ExitCode::from(BAD_INPUT)
}

fn failed(why: &str) -> ExitCode {
    say(&os_error::without_numbers(why));
    ExitCode::FAILURE
}

/// On standard output.
fn print(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        // Who reads has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            failed(&format!("herald-runner: the output could not be written: {error}"))
        }
        _ => ExitCode::SUCCESS,
    }
}

/// On standard error. Where that is closed, nobody listens.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
