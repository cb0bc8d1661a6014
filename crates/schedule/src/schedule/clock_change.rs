//! What a change of the clocks does to a time that is due.

use jiff::civil::Time;

/// What a change of the clocks does to a time that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueAtChange {
    /// The clocks go forward: it is due for the local times from `from` until `until`, which are left out.
    LeftOut {
        /// The first local time that is left out.
        from: Time,
        /// The first one after them.
        until: Time,
    },
    /// The clocks go back: this local time comes twice, and it is due the first time only.
    Once,
    /// The clocks go back: this local time comes twice, and it is due each time.
    Twice,
}

impl DueAtChange {
    /// In a sentence.
    #[must_use]
    pub fn sentence(self) -> String {
        match self {
            Self::LeftOut { from, until } => {
                let (from, until) = (from.strftime("%H:%M"), until.strftime("%H:%M"));
                format!("the clocks go forward from {from} to {until}: it runs once, right after")
            }
            Self::Once => {
                "the clocks go back, and this time comes twice: it runs once, the first time".to_owned()
            }
            Self::Twice => "the clocks go back, and this time comes twice: it runs each time".to_owned(),
        }
    }
}
