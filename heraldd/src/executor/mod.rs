//! The executors of the daemon, a file each.

pub mod http_remote;
pub mod local;
pub mod none;
pub mod print;

use herald_core::spec::{OptionKind, OptionSpec};
use herald_exec::{PARAMS, ParamDoc, ParamKind};
use serde_json::{Map, Value};

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
    let name = param.name;
    // What the kind does not tell, the engine itself knows.
    let check = move |value: &Value| {
        let alone = Map::from_iter([(name.to_owned(), value.clone())]);
        for problem in herald_exec::check(&alone) {
            match problem.key.split_once('/') {
                None if problem.key == name => return Err(problem.message),
                Some((key, within)) if key == name => return Err(format!("{within}: {}", problem.message)),
                _ => {}
            }
        }
        Ok(())
    };
    let spec = OptionSpec::new(name, kind, param.doc).check(check);
    if param.required { spec.required() } else { spec }
}
