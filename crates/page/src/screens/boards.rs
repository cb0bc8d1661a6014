//! `/boards`: the boards that are configured.

use herald_control::model::BoardSummary;
use maud::html;

use crate::elements;
use crate::frame::Frame;

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, boards: &[BoardSummary]) -> String {
    frame.screen(
        "Boards",
        &html! {
            section #boards data-part {
                @if boards.is_empty() {
                    p.empty { "No board is configured. The section “board” names tiles, and of which router’s jobs they show values." }
                } @else { div.scroll tabindex="0" role="region" aria-label="Boards" { table.cards {
                    thead { tr { th { "Board" } th { "Tiles" } th { "For a display" } } }
                    tbody { @for board in boards { tr {
                        @let to = frame.site.at("/boards", &[&board.name]);
                        td.name.lead { a href=(to) { bdi { (board.title) } } }
                        td.text { @for (n, tile) in board.tiles.iter().enumerate() { @if n > 0 { ", " } bdi { (tile) } } }
                        td.mark { a href={ (to) "?tv=1" } aria-label={ "Full screen of " (board.title) } { "full screen" } }
                    } } }
                } } }
            }
            (elements::command("heraldd results ROUTER PATH"))
        },
    )
}
