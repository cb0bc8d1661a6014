//! What is configured: boards, their tiles, and which values these show.

use std::time::Duration;

use crate::number::TileNumber;

/// How a tile shows values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileForm {
    /// The latest number, and whether it rose.
    Number,
    /// Numbers over time.
    Line,
    /// The rows of the latest list, or the entries of the latest object.
    Table,
    /// The latest text.
    Text,
}

/// The words for [`TileForm`].
pub const FORMS: [&str; 4] = ["number", "line", "table", "text"];

impl TileForm {
    /// The form of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Number, Self::Line, Self::Table, Self::Text].into_iter().find(|form| form.as_str() == word)
    }

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Line => "line",
            Self::Table => "table",
            Self::Text => "text",
        }
    }
}

/// A tile.
#[derive(Debug, Clone, PartialEq)]
pub struct TileSettings {
    /// Its name.
    pub name: String,
    /// What it is called; its name without.
    pub title: Option<String>,
    /// Of which router's jobs the values are.
    pub router: String,
    /// Only of this task.
    pub task: Option<String>,
    /// Where in a job the value is: `result/size`.
    pub path: String,
    /// How values are shown.
    pub form: TileForm,
    /// Their unit.
    pub unit: Option<String>,
    /// How far back a line goes, and with what a number is compared.
    pub since: Duration,
    /// `since` as it is written.
    pub since_text: String,
    /// What is bad.
    pub thresholds: Thresholds,
}

impl TileSettings {
    /// What it is called.
    #[must_use]
    pub fn heading(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}

/// From where on a number is bad. Where `alert` is less than `warn`, low numbers are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Thresholds {
    /// From here on it deserves attention.
    pub warn: Option<TileNumber>,
    /// From here on it is an alarm.
    pub alert: Option<TileNumber>,
}

/// A board.
#[derive(Debug, Clone, PartialEq)]
pub struct BoardSettings {
    /// Its name.
    pub name: String,
    /// What it is called; its name without.
    pub title: Option<String>,
    /// Its tiles, in the order of the file.
    pub tiles: Vec<TileSettings>,
}

impl BoardSettings {
    /// What it is called.
    #[must_use]
    pub fn heading(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }
}
