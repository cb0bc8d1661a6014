//! A line of numbers over time as SVG, with the same values as a table.

use herald_boards::line::{self, LineArea, LinePoint};
use herald_boards::number::TileNumber;
use herald_control::model::{ResultResource, TileResource};
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use crate::elements;
use crate::frame::Frame;

/// The sides of the drawing, which is stretched to the room that there is.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 160.0;
/// More points than this are small.
const FEW: usize = 60;
/// The most values in the table.
const ROWS: usize = 50;

/// The line of a tile's values, and the table of the newest.
#[must_use]
pub fn chart(frame: &Frame<'_>, tile: &TileResource) -> Markup {
    let mut points: Vec<LinePoint> =
        tile.values.iter().enumerate().filter_map(|(index, value)| point(index, value)).collect();
    points.sort_by_key(|point| point.at);
    let others = tile.values.len() - points.len();
    let area = LineArea::around(WIDTH, HEIGHT, &points);
    let drawn = line::drawn(&points);
    let end = |point: Option<&LinePoint>| point.and_then(|point| tile.values.get(point.index));
    let count = points.len();
    html! {
        @if let (Some(first), Some(last)) = (end(points.first()), end(points.last())) {
            div.chart {
                div.scale aria-hidden="true" { @for label in area.labels().into_iter().rev() { span { (line::label_text(label)) } } }
                (drawing(tile, &area, &drawn))
                div.span aria-hidden="true" { (moment(frame, first)) (moment(frame, last)) }
            }
        }
        @if count > drawn.len() { p.soft { "Of each stretch of the " (count) " values the lowest and the highest are drawn." } }
        @if others > 0 { p.soft { (others) " values are not numbers that can be drawn." } }
        @if tile.has_more { p.soft { "Older values are not shown." } }
        details { summary { "Values of " bdi { (tile.title) } } (table(frame, tile)) }
    }
}

fn point(index: usize, value: &ResultResource) -> Option<LinePoint> {
    let at = value.ended_at.parse::<Timestamp>().ok()?.as_millisecond();
    Some(LinePoint { index, at, number: TileNumber::of(&value.value)?.rough()? })
}

fn drawing(tile: &TileResource, area: &LineArea, drawn: &[LinePoint]) -> Markup {
    let place = |point: &LinePoint| area.y(point.number).map(|y| (area.x(point.at), y));
    let line: Vec<String> = drawn.iter().filter_map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let unit = tile.unit.as_deref().unwrap_or_default();
    let limit = |limit: &Option<Value>| {
        let number = limit.as_ref().and_then(TileNumber::of).and_then(|number| number.rough());
        number.and_then(|number| area.y(number))
    };
    let grid = area.labels().into_iter().filter_map(|label| area.y(label));
    html! {
        svg.many[drawn.len() > FEW] role="img" aria-label={ "Line of " (drawn.len()) " values; the same values are in the table below" }
            viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" {
            @for y in grid { path.grid d={ "M0 " (format!("{y:.1}")) " H" (WIDTH) } {} }
            @for (kind, y) in [("warn", limit(&tile.warn)), ("alert", limit(&tile.alert))] {
                @if let Some(y) = y { path class={ "limit " (kind) } d={ "M0 " (format!("{y:.1}")) " H" (WIDTH) } { title { (kind) } } }
            }
            polyline.line-of points=(line.join(" ")) {}
            @for point in drawn {
                @if let (Some((x, y)), Some(value)) = (place(point), tile.values.get(point.index)) {
                    path.dot d=(format!("M{x:.1} {y:.1}h.01")) {
                        title { (elements::cut(&shown(&value.value), 100)) " " (unit) " · " (value.ended_at) }
                    }
                }
            }
        }
    }
}

fn shown(value: &Value) -> String {
    TileNumber::of(value).map_or_else(|| value.to_string(), |number| number.as_str().to_owned())
}

fn moment(frame: &Frame<'_>, value: &ResultResource) -> Markup {
    let at = value.ended_at.as_str();
    let local = at
        .parse::<Timestamp>()
        .map(|at| at.to_zoned(frame.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string());
    html! { time datetime=(at) { (local.unwrap_or_else(|_| at.to_owned())) } }
}

fn table(frame: &Frame<'_>, tile: &TileResource) -> Markup {
    let label = format!("Values of {}", tile.title);
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) { table.cards {
            thead { tr { th scope="col" { "Ended" } th scope="col" { "Value" } th scope="col" { "Job" } } }
            tbody { @for value in tile.values.iter().take(ROWS) { tr {
                td { (elements::time(frame, &value.ended_at)) }
                td.text.lead { bdi { (elements::cut(&shown(&value.value), 200)) } }
                td.mark { (elements::job_link(frame, &value.job_id)) }
            } } }
        } }
        @if tile.values.len() > ROWS { p.soft { (tile.values.len() - ROWS) " more are not in this table." } }
    }
}
