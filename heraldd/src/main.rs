//! heraldd, the Herald daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: while there is one thread.
    herald_exec::ownership::hide();
    herald_exec::limit_heaps();
    heraldd::cli::run(std::env::args_os())
}
