//! The values of a tile of a board: what is read of the history for it, and how it is shown.

use herald_boards::number::TileNumber;
use herald_boards::settings::{TileForm, TileSettings};
use herald_boards::state::TileState;
use herald_control::model::{ResultResource, TileResource};
use herald_store::history::{History, HistoryError, ResultPage, ResultQuery, ResultView, result_series};
use jiff::Timestamp;
use serde_json::Value;

/// The most values of a line.
const LINE: usize = 1000;
/// Questions to the history for one tile: it looks at 2,000 jobs at most.
const QUESTIONS: usize = 4;
/// Of what is not a number in a line, so many characters are kept.
const SHORT: usize = 100;

/// The values that a tile shows: of a line those after `since`, else the last ones.
///
/// # Errors
/// When the history cannot be read.
pub async fn tile_values(
    history: &dyn History,
    tile: &TileSettings,
    since: Timestamp,
) -> Result<ResultPage, HistoryError> {
    let is_line = tile.form == TileForm::Line;
    let limit = match tile.form {
        TileForm::Line => LINE,
        TileForm::Number => 2,
        TileForm::Table | TileForm::Text => 1,
    };
    let mut page = values(history, tile, is_line.then_some(since), limit).await?;
    if is_line && page.results.is_empty() {
        // The last one is shown however old it is.
        page = values(history, tile, None, 1).await?;
    }
    Ok(page)
}

async fn values(
    history: &dyn History,
    tile: &TileSettings,
    since: Option<Timestamp>,
    limit: usize,
) -> Result<ResultPage, HistoryError> {
    let (router, path) = (tile.router.clone(), tile.path.clone());
    let shorten: Option<fn(Value) -> Value> = (tile.form == TileForm::Line).then_some(short);
    let asked = ResultQuery { router, task: tile.task.clone(), path, since, cursor: None, limit, shorten };
    result_series(history, asked, QUESTIONS).await
}

/// Of what is not a number in a line, only its beginning: it is not drawn.
fn short(value: Value) -> Value {
    if TileNumber::of(&value).is_some() {
        return value;
    }
    let text = value.as_str().map_or_else(
        || "(not a number)".into(),
        |text| {
            let end = text.char_indices().nth(SHORT);
            end.map_or_else(|| text.to_owned(), |(end, _)| format!("{}…", &text[..end]))
        },
    );
    Value::from(text)
}

/// A tile with these values.
#[must_use]
pub fn tile_resource(tile: &TileSettings, since: Timestamp, page: ResultPage) -> TileResource {
    let number = page.results.first().and_then(|last| TileNumber::of(&last.value));
    let state = tile.thresholds.state(number.as_ref());
    let threshold = |limit: &Option<TileNumber>| limit.as_ref().and_then(|limit| limit.as_str().parse().ok());
    TileResource {
        name: tile.name.clone(),
        title: tile.heading().to_owned(),
        router: tile.router.clone(),
        task: tile.task.clone(),
        path: tile.path.clone(),
        show: tile.form.as_str().to_owned(),
        unit: tile.unit.clone(),
        since: tile.since_text.clone(),
        since_time: since.to_string(),
        warn: threshold(&tile.thresholds.warn).map(Value::Number),
        alert: threshold(&tile.thresholds.alert).map(Value::Number),
        state: (state != TileState::Plain).then(|| state.as_str().to_owned()),
        has_more: page.next_cursor.is_some(),
        values: page.results.into_iter().map(result_resource).collect(),
        unread: None,
    }
}

/// A value as the API shows it.
#[must_use]
pub fn result_resource(view: ResultView) -> ResultResource {
    ResultResource {
        job_id: view.id.to_string(),
        task: view.task.to_string(),
        status: view.status.as_str().to_owned(),
        ended_at: view.at.to_string(),
        value: view.value,
    }
}
