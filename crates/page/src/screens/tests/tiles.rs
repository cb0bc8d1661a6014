//! Values on boards.

use super::*;

#[test]
fn tiles_show_values_digit_for_digit() {
    let admin = admin();
    let screen = |address: &str, tile: TileResource| {
        let html = with_frame(address, Some(&admin), |frame| board::screen(frame, &board(vec![tile])));
        check(&html);
        html
    };
    let unit = |tile: TileResource| TileResource { unit: Some("GB".to_owned()), ..tile };
    for (tile, parts) in [
        (
            unit(tile("number", &["18446744073709551617", "18446744073709551616"])),
            &[
                "18446744073709551617 <span class=\"unit\"><bdi>GB</bdi>",
                "up from 18446744073709551616, ",
                "✕</span> alert",
            ][..],
        ),
        (tile("number", &["0.10", "0.1"]), &["<p class=\"big\">0.10 ", "unchanged"]),
        (tile("number", &["\"3\"", "\"x\""]), &["<p class=\"big\">3 "]),
        (tile("number", &["\"full\"", "3"]), &["<bdi>full</bdi>", "This is not a number."]),
        (
            unit(tile("line", &["0.10", "\"x\"", "7", "18446744073709551617"])),
            &[
                "<title>0.10 GB · 2026-11-29T11:49:00Z</title>",
                "<title>18446744073709551617 GB",
                "1 values are not numbers",
                "points=\"0.0,",
                "<td class=\"text lead\"><bdi>18446744073709551617</bdi></td>",
            ],
        ),
        (
            TileResource { since_time: "2026-11-29T11:55:00Z".to_owned(), ..tile("line", &["5"]) },
            &["No value within 1h; this is the last one."],
        ),
        (TileResource { has_more: true, ..tile("text", &[]) }, &["The latest jobs of "]),
        (
            TileResource { unread: Some("there was no time left".to_owned()), ..tile("text", &[]) },
            &["Not read: there was no time left."],
        ),
        (tile("text", &["\"all is well\""]), &["<bdi>all is well</bdi>"]),
    ] {
        let html = screen("/boards/x", tile);
        for part in parts {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(html.contains("<nav ") && html.contains("?tv=1"), "{html}");
    }
    let wall = screen("/boards/x?tv=1", tile("number", &["7"]));
    assert!(
        !wall.contains("<nav ") && !wall.contains("<footer") && !wall.contains("heraldd results"),
        "{wall}"
    );
}
