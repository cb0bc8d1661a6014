//! Values of jobs, and boards that show them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::job::status;

/// A value of a job that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Result)]
pub struct ResultResource {
    /// The job.
    pub job_id: String,
    /// Its task.
    pub task: String,
    /// How it ended.
    #[schema(schema_with = status)]
    pub status: String,
    /// When it ended.
    #[schema(format = DateTime)]
    pub ended_at: String,
    /// The value. Numbers have all digits that the job wrote.
    #[schema(value_type = Value)]
    pub value: Value,
}

/// A board in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BoardSummary {
    /// Its name.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// The titles of its tiles.
    pub tiles: Vec<String>,
}

/// A board with its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Board)]
pub struct BoardResource {
    /// Its name.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// Its tiles, in the order of the configuration.
    pub tiles: Vec<TileResource>,
}

/// How a tile shows its values.
fn shows() -> Object {
    let words = ["number", "line", "table", "text"];
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

/// A tile with its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Tile)]
pub struct TileResource {
    /// Its name.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// The router whose jobs have the values.
    pub router: String,
    /// Only jobs of this task; null for any.
    pub task: Option<String>,
    /// Where in a job the value is, as `exe_done` has it.
    pub path: String,
    /// `number`, `line`, `table` or `text`.
    #[schema(schema_with = shows)]
    pub show: String,
    /// The unit of the numbers.
    pub unit: Option<String>,
    /// How far back a line goes, as it is configured.
    pub since: String,
    /// The time that `since` is now.
    #[schema(format = DateTime)]
    pub since_time: String,
    /// From which number on it is a warning.
    #[schema(value_type = Option<f64>)]
    pub warn: Option<Value>,
    /// From which number on it is an alarm. Where it is less than `warn`, low numbers are bad.
    #[schema(value_type = Option<f64>)]
    pub alert: Option<Value>,
    /// `ok`, `warn` or `alert`; null without thresholds or without a number.
    pub state: Option<String>,
    /// The values, newest first: those since `since` of a line, the last two of a number, else the last one. The last
    /// one is here however old it is.
    pub values: Vec<ResultResource>,
    /// Whether there may be more of them, in jobs that were not looked at.
    pub has_more: bool,
    /// Why the values were not read, where they were not; left out otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}
