//! What `wire: list` of a trigger or an executor does not have.

use herald_core::problem::{Path, Problem};
use herald_core::spec::Options;

/// A warning that messages of a plain list are not signed; paths begin at the component.
#[must_use]
pub fn unsigned_messages(options: &Options) -> Vec<Problem> {
    let is_list = options.0.get("wire").is_some_and(|wire| wire == "list");
    let what =
        "messages of a plain list are not signed: anyone who reaches Redis can put some, and read them";
    let help = "use `wire: stream` where no program but Herald reads and writes them";
    is_list.then(|| Problem::warning(Path::top().key("wire"), what).help(help)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plain_list_has_a_warning() {
        for (options, warns) in
            [(json!({"wire": "list"}), true), (json!({"wire": "stream"}), false), (json!({}), false)]
        {
            let found = unsigned_messages(&Options(options.as_object().unwrap().clone()));
            assert_eq!(
                found.iter().map(ToString::to_string).any(|it| it.contains("not signed")),
                warns,
                "{options}"
            );
        }
    }
}
