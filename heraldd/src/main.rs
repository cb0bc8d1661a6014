//! heraldd, the Herald daemon.

use std::process::ExitCode;

/// Events are made on one thread and end on another, which the system's allocator answers with locks. Of mimalloc it is
/// version 2 without huge pages, which idles at 11 MiB instead of 18.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    heraldd::cli::run(std::env::args_os())
}
