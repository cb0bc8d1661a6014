//! The executors of the daemon, a file each.

pub mod http_remote;
pub mod local;
pub mod none;
pub mod print;

use herald_core::spec::{OptionKind, OptionSpec};
use herald_exec::{PARAMS, ParamDoc, ParamKind};

/// What programs that run through [`herald_exec`] read from `job_param`, here or on a runner.
#[must_use]
pub fn job_params() -> Vec<OptionSpec> {
    PARAMS.iter().map(job_param).collect()
}

fn job_param(param: &ParamDoc) -> OptionSpec {
    let kind = match param.kind {
        ParamKind::Text => OptionKind::Text,
        ParamKind::Secret => OptionKind::Secret,
        ParamKind::Arguments => OptionKind::Any,
        ParamKind::Map => OptionKind::Map,
        ParamKind::Boolean => OptionKind::Boolean,
        ParamKind::Duration => OptionKind::Duration,
        ParamKind::Size => OptionKind::Size,
        ParamKind::FilePath => OptionKind::FilePath,
    };
    let spec = OptionSpec::new(param.name, kind, param.doc);
    if param.required { spec.required() } else { spec }
}
