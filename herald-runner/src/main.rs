//! herald-runner: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser as _;
use herald_runner::{cli, config, runner};

/// 0: a clean stop; 1: a failure while running; 2: bad arguments or configuration.
fn main() -> ExitCode {
    // First of all: while there is one thread.
    herald_exec::ownership::hide();
    let args = cli::Args::parse_from(cli::with_two_dashes(std::env::args_os()));
    let checked = match config::load(&args.config) {
        Ok(checked) => checked,
        Err(error) => {
            eprintln!("{}", error.to_string().trim_end());
            return ExitCode::from(2);
        }
    };
    match runner::run(&args.config, checked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("herald-runner: {error:#}");
            ExitCode::FAILURE
        }
    }
}
