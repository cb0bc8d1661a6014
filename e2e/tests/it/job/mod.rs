//! Contract, section 3: a job. On `local` here; that `http_remote` does the same: [`crate::remote`].

mod command;
mod environment;
mod git;
mod output;
mod stopping;
