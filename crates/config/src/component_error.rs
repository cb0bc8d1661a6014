//! Why a component cannot be made.

use crate::Params;
use crate::problem::{Path, Problem};

/// Why a component could not be made or failed at its work: one sentence for people, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentError {
    /// The option that it is about.
    pub option: Option<String>,
    /// What is wrong, without the name of the option in front.
    pub message: String,
}

impl ComponentError {
    /// From anything that can be shown.
    pub fn new(message: impl std::fmt::Display) -> Self {
        Self { option: None, message: message.to_string() }
    }

    /// About this option.
    pub fn of_option(option: &str, message: impl std::fmt::Display) -> Self {
        Self { option: Some(option.to_owned()), message: message.to_string() }
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
