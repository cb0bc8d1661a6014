//! A configuration that is one map of options, without sections: that of herald-runner.

use std::ffi::OsString;

use serde_json::Value;

use crate::Params;
use crate::component_error::ComponentError;
use crate::file::ConfigurationFile;
use crate::problem::{Path, Problem, kind_of};
use crate::secret::{LazyPath, Lookup, Resolved, SecretResolver};
use crate::spec::{Description, Options};
use crate::yaml::{LocatedProblem, Problems};

/// What a configuration says when nothing is wrong with it.
pub struct Checked<T> {
    /// What its options were resolved into.
    pub value: T,
    /// What is doubtful.
    pub warnings: Vec<LocatedProblem>,
    /// What prevents that on this machine.
    pub probed: Vec<LocatedProblem>,
}

/// Checks a file against a description and resolves its options; `variable` gives the value of an environment variable.
///
/// # Errors
/// Every problem, at once.
pub fn check<T>(
    mut file: ConfigurationFile,
    description: &Description,
    resolve: impl FnOnce(&Options) -> Result<T, ComponentError>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Checked<T>, Problems> {
    let own_folder = file.folder.clone();
    let folder = |_: &Path| own_folder.clone();
    let mut resolver = SecretResolver::new(Lookup { variable, folder: &folder });
    let (given, mut problems) = given(file.document.take_value());
    let (mut given, mut value, top) = (Value::Object(given), None, Path::top());
    resolver.resolve(&mut given, &LazyPath::top());
    if let (Value::Object(given), true) = (given, problems.is_empty()) {
        let given = resolver.typed(description, &given, &top);
        let (options, found) = description.check_map(&given, &top);
        if found.is_empty() && !resolver.found_problems() {
            problems.extend(description.remarks(&options, &top));
            match resolve(&options) {
                Ok(resolved) => value = Some(resolved),
                Err(error) => problems.push(error.problem(&options.0, &top)),
            }
        }
        problems.extend(found);
    }
    resolver.places().for_each(|path| file.document.hide(path));
    problems.extend(file.warnings_of_access(resolver.literals().first()));
    let Resolved { problems, .. } = resolver.finish(problems);
    let mut report = file.document.report(&problems);
    let probed = report.take_probed();
    match value {
        Some(value) if report.errors() == 0 => Ok(Checked { value, warnings: report.warnings(), probed }),
        _ => Err(report),
    }
}

fn given(value: Value) -> (Params, Vec<Problem>) {
    match value {
        Value::Object(given) => (given, Vec::new()),
        Value::Null => (Params::new(), Vec::new()),
        other => {
            let message = format!("a configuration is a map of options, found {}", kind_of(&other));
            (Params::new(), vec![Problem::error(Path::top(), message)])
        }
    }
}
