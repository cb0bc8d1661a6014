//! Why a component cannot be made.

use crate::Params;
use crate::problem::{Path, PathStep, Problem};

/// Why a component could not be made or failed at its work: one sentence for people, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentError {
    /// The option that it is about.
    pub option: Option<String>,
    /// What is wrong, without the name of the option in front.
    pub message: String,
    /// Where in the option, and what to do about it.
    within: Option<Box<Problem>>,
}

impl ComponentError {
    /// From anything that can be shown.
    pub fn new(message: impl std::fmt::Display) -> Self {
        Self { option: None, message: message.to_string(), within: None }
    }

    /// About this option.
    pub fn of_option(option: &str, message: impl std::fmt::Display) -> Self {
        Self { option: Some(option.to_owned()), message: message.to_string(), within: None }
    }

    /// About a part of this option; the path of the problem begins at the option.
    #[must_use]
    pub fn of_part(option: &str, problem: Problem) -> Self {
        let message = format!("{}: {}", problem.path, problem.message);
        Self { option: Some(option.to_owned()), message, within: Some(Box::new(problem)) }
    }

    /// Of a text from another library: where it begins with the name of one of these options and a colon, it is about
    /// that option.
    #[must_use]
    pub fn of_text(text: &str, options: &Params) -> Self {
        match text.split_once(": ") {
            Some((option, message)) if options.contains_key(option) => Self::of_option(option, message),
            _ => Self::new(text),
        }
    }

    /// The problem at its place; `at` is where the component is.
    #[must_use]
    pub fn problem(&self, options: &Params, at: &Path) -> Problem {
        match self.option.as_deref().filter(|option| options.contains_key(*option)) {
            Some(option) if let Some(part) = self.within.as_deref() => {
                let at = at.key(option).join(&part.path);
                let name = match part.path.last() {
                    Some(PathStep::Key(key)) => key,
                    _ => option,
                };
                Problem { path: at, message: format!("`{name}`: {}", part.message), ..part.clone() }
            }
            Some(option) => Problem::error(at.key(option), format!("`{option}`: {}", self.message)),
            None => Problem::error(at.clone(), self.to_string()).at_key(),
        }
    }
}

impl std::fmt::Display for ComponentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(option) = &self.option {
            write!(f, "{option}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ComponentError {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_problem_of_a_part_is_at_its_place() {
        let wrong =
            Problem::error(Path::top().key("*").key("cmd"), "unknown variable `x`").help("expected y");
        let error = ComponentError::of_part("policy", wrong);
        assert_eq!(error.to_string(), "policy: *.cmd: unknown variable `x`");
        let options = json!({"policy": {}});
        let problem = error.problem(options.as_object().unwrap(), &Path::top().key("files"));
        assert_eq!(problem.path.to_string(), "files.policy.*.cmd");
        assert_eq!(
            (problem.message.as_str(), problem.help.as_deref()),
            ("`cmd`: unknown variable `x`", Some("expected y"))
        );
    }
}
