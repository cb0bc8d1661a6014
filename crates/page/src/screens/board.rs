//! `/boards/NAME`: values of jobs as tiles, also for a display on a wall (`?tv=1`).

use std::cmp::Ordering;

use herald_boards::number::TileNumber;
use herald_control::model::{BoardResource, ResultResource, TileResource};
use herald_terminal::human_time;
use jiff::Timestamp;
use maud::{Markup, html};

use super::board_values;
use crate::elements::{self, word};
use crate::frame::Frame;
use crate::line_chart;

/// The most characters of a text that are shown.
const LONGEST_TEXT: usize = 2000;
/// And of something that should be a number.
const LONGEST_NUMBER: usize = 80;
/// The digits of a number that is large on the screen.
const SHORT_NUMBER: usize = 12;

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, board: &BoardResource) -> String {
    let to = frame.site.at("/boards", &[&board.name]);
    frame.screen(
        &board.title,
        &html! {
            section #board.board data-part data-slow aria-label="Tiles" {
                @for (n, tile) in board.tiles.iter().enumerate() { (shown(frame, tile, n)) }
            }
            @if !frame.is_tv() {
                p { a href={ (to) "?tv=1" } { "Full screen, for a display" } }
                (elements::command(&commands(board)))
            }
        },
    )
}

fn commands(board: &BoardResource) -> String {
    let line = |tile: &TileResource| {
        let mut line = format!("heraldd results {} {}", word(&tile.router), word(&tile.path));
        if let Some(task) = &tile.task {
            line.push_str(&format!(" --task {}", word(task)));
        }
        if tile.show == "line" {
            line.push_str(&format!(" --since {}", word(&tile.since)));
        }
        line
    };
    let mut lines: Vec<String> = board.tiles.iter().map(line).collect();
    lines.dedup();
    lines.truncate(3);
    lines.join("    ")
}

fn shown(frame: &Frame<'_>, tile: &TileResource, n: usize) -> Markup {
    let mut class = "tile".to_owned();
    if matches!(&*tile.show, "line" | "table") {
        class.push_str(" wide");
    }
    if let Some(state) = &tile.state {
        class.push_str(" is-");
        class.push_str(state);
    }
    let heading = format!("tile-{n}");
    html! {
        section class=(class) aria-labelledby=(heading) {
            div.head {
                h2 id=(heading) { bdi { (tile.title) } }
                @if let Some(state) = &tile.state { (elements::status(state)) }
            }
            @match tile.values.first() {
                None => { (nothing(tile)) },
                Some(last) => {
                    @match &*tile.show {
                        "line" => { (line(frame, tile, last)) },
                        "table" => { (board_values::table(&tile.title, &last.value)) },
                        "text" => { p.said { bdi { (elements::cut(&board_values::text(&last.value), LONGEST_TEXT)) } } },
                        _ => { (number(tile, last)) },
                    }
                    (source(frame, tile, last))
                },
            }
        }
    }
}

/// Why there is nothing.
fn nothing(tile: &TileResource) -> Markup {
    html! {
        p.empty {
            @if let Some(why) = &tile.unread { "Not read: " (why) "." }
            @else if tile.has_more { "The latest jobs of " bdi { (tile.router) } " do not have " }
            @else { "No job of " bdi { (tile.router) } " has " }
            @if tile.unread.is_none() { code { (tile.path) } @if !tile.has_more { " yet" } "." }
        }
    }
}

/// Of which job the last value is, and when that ended.
fn source(frame: &Frame<'_>, tile: &TileResource, last: &ResultResource) -> Markup {
    html! {
        p.source {
            (elements::time(frame, &last.ended_at)) " · "
            a href=(frame.site.at("/jobs", &[&last.job_id])) { bdi { (tile.router) } }
            @if last.status != "succeeded" { " " (elements::status(&last.status)) }
        }
    }
}

/// A number with its unit, or what is there instead.
fn big(tile: &TileResource, value: &ResultResource) -> Markup {
    let number = TileNumber::of(&value.value);
    let is_long = number.as_ref().is_some_and(|number| number.as_str().len() > SHORT_NUMBER);
    html! {
        p.big.long[is_long] {
            @match &number {
                Some(number) => { (number.as_str()) @if let Some(unit) = &tile.unit { " " span.unit { bdi { (unit) } } } },
                None => { bdi { (elements::cut(&board_values::text(&value.value), LONGEST_NUMBER)) } },
            }
        }
        @if number.is_none() { p.soft { "This is not a number." } }
    }
}

fn number(tile: &TileResource, last: &ResultResource) -> Markup {
    let at = |one: &ResultResource| one.ended_at.parse::<Timestamp>().ok();
    let since = tile.since_time.parse::<Timestamp>().ok();
    let before = tile.values.get(1).filter(|one| at(one).zip(since).is_some_and(|(at, since)| at >= since));
    let before = before
        .and_then(|before| Some((TileNumber::of(&before.value)?, at(last)?.duration_since(at(before)?))));
    html! {
        (big(tile, last))
        @if let (Some((number, earlier)), Some(now)) = (before, TileNumber::of(&last.value)) {
            p.trend {
                @match now.compare(&number) {
                    Ordering::Greater => { span aria-hidden="true" { "▲ " } "up from " (number.as_str()) },
                    Ordering::Less => { span aria-hidden="true" { "▼ " } "down from " (number.as_str()) },
                    Ordering::Equal => { span aria-hidden="true" { "= " } "unchanged" },
                }
                ", " (human_time::span(earlier)) " before"
            }
        }
    }
}

fn line(frame: &Frame<'_>, tile: &TileResource, last: &ResultResource) -> Markup {
    let since = tile.since_time.parse::<Timestamp>().ok();
    let is_old = last.ended_at.parse::<Timestamp>().ok().zip(since).is_some_and(|(at, since)| at < since);
    html! {
        (big(tile, last))
        @if is_old { p.soft { "No value within " (tile.since) "; this is the last one." } }
        @else { (line_chart::chart(frame, tile)) }
    }
}
