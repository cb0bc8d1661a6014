//! What the check of an option finds wrong with a value.

use herald_base::unit::UnitError;

/// What is wrong with a value. The text never holds a secret value unless the value is the option's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckError {
    /// Of an option that has options of its own: the one that it is about.
    pub option: Option<String>,
    /// One sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The part of the value that it is about, as it is written there.
    pub excerpt: Option<String>,
    /// Whether nothing of the value is in the message.
    pub plain: bool,
}

impl CheckError {
    /// In one sentence without a full stop.
    pub fn new(message: impl Into<String>) -> Self {
        Self { option: None, message: message.into(), help: None, excerpt: None, plain: false }
    }

    /// In a sentence of the check's own that holds nothing of the value: where it looks like a secret, that is by
    /// chance.
    pub fn plain(message: impl Into<String>) -> Self {
        Self { plain: true, ..Self::new(message) }
    }

    /// The same error, about this option of the option's own.
    #[must_use]
    pub fn of_option(mut self, option: &str) -> Self {
        self.option = Some(option.to_owned());
        self
    }

    /// The same error, with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same error, about this part of the value alone.
    #[must_use]
    pub fn within(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }
}

impl std::fmt::Display for CheckError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(option) = &self.option {
            write!(f, "{option}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CheckError {}

impl From<UnitError> for CheckError {
    fn from(error: UnitError) -> Self {
        Self { help: error.help().map(str::to_owned), ..Self::new(error.message()) }
    }
}

impl From<String> for CheckError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}
