//! heraldd, the Herald daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    heraldd::cli::run(std::env::args_os())
}
