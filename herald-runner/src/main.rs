//! herald-runner: arguments in, exit code out.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use herald_runner::cli::{self, Args, RunMode};
use herald_runner::{config, runner};

/// Bad arguments or configuration.
const BAD_INPUT: u8 = 2;

/// 0: a clean stop, or a valid configuration; 1: a failure while running; 2: bad arguments or configuration.
fn main() -> ExitCode {
    // First of all: while there is one thread.
    herald_exec::ownership::hide();
    herald_exec::end_silent_connections();
    let args = Args::try_parse_from(cli::with_two_dashes(std::env::args_os()));
    match args.and_then(Args::mode) {
        Ok(RunMode::Run(file)) => run(&file),
        Ok(RunMode::Check(file)) => check(&file),
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
        Err(error) => {
            say(&format!("herald-runner: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn check(file: &Path) -> ExitCode {
    match config::load(file) {
        Ok(config) => {
            config.warnings.iter().for_each(|warning| say(warning));
            // Where standard output is closed, the exit code says the rest.
            let _ = writeln!(std::io::stdout(), "{}: ok", file.display());
            ExitCode::SUCCESS
        }
        Err(error) => bad_config(&error),
    }
}

fn bad_config(error: &config::LoadError) -> ExitCode {
    say(error.to_string().trim_end());
    ExitCode::from(BAD_INPUT)
}

/// On standard error. Where that is closed, nobody listens.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
