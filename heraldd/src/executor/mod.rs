//! The executors of the daemon, a file each.

pub mod http_remote;
pub mod http_request;
pub mod local;
pub mod mail;
pub mod none;
pub mod print;
pub mod publish;
pub mod queue;

use herald_core::spec::{ExecutorType, OptionKind, OptionSpec, Options};

/// The option of every executor whose jobs need a place.
pub const MAX_JOBS: &str = "max_jobs";
/// How many jobs wait at once for what runs elsewhere, where the configuration does not say.
pub const MAX_JOBS_ELSEWHERE: usize = 256;

/// Adds the option `max_jobs`. The daemon keeps it, the executor never sees it; a type that has one of its own keeps
/// that.
#[must_use]
pub fn with_max_jobs(component: ExecutorType, default: Option<usize>) -> ExecutorType {
    if component.description.options.iter().any(|option| option.name == MAX_JOBS) {
        return component;
    }
    let doc = match default {
        Some(_) => "How many of its jobs run at once; further ones wait.",
        None => {
            "How many of its jobs run at once; further ones wait. Default: the `max_jobs` at the top of the file."
        }
    };
    let option = OptionSpec::new(MAX_JOBS, OptionKind::Integer { min: 1, max: 100_000 }, doc);
    let option = match default {
        Some(default) => option.default(default),
        None => option,
    };
    let factory = component.factory;
    ExecutorType::with_context(component.description.option(option), move |options, context| {
        let mut options = Options(options.0.clone());
        options.0.remove(MAX_JOBS);
        factory(&options, context)
    })
}

/// How many jobs run at once, as these options say it.
#[must_use]
pub fn max_jobs(options: &Options) -> Option<usize> {
    options.0.get(MAX_JOBS)?.as_u64()?.try_into().ok()
}
