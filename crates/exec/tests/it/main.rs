//! The engine against real programs, real Git repositories, a real sshd and a real `git http-backend`.

#![expect(clippy::disallowed_methods, reason = "fixtures start programs")]
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod ending;
mod fixture;
mod git_hostile;
mod git_http;
mod git_local;
mod git_ssh;
mod params;
mod process;
