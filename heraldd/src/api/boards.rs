//! Boards: the values of their tiles. What is known of a board counts until a job of one of its routers ends.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use herald_boards::settings::TileSettings;
use herald_control::model;
use herald_core::param::value_size;
use herald_overview::tiles::{tile_resource, tile_values};
use herald_store::history::ResultPage;
use http::StatusCode;
use jiff::Timestamp;
use tokio::time::Instant;

use super::answer::{CommonErrors, ErrorResponse, HandlerResult, Missing};
use super::context::Api;
use super::given::Named;
use super::json::Json;
use super::known_board::{KnownBoard, SeenBoard};

/// How long a whole board may take, and how long it waits for another look at it.
const LONGEST: Duration = Duration::from_secs(20);
/// About how many bytes the values of a board have.
const BYTES: usize = 16 << 20;
/// Why a tile was not read.
const NO_TIME: &str = "the values of the tiles before it took too long";
const TOO_MUCH: &str = "the values of the tiles before it are too large";

/// The boards, in the order of the configuration
#[utoipa::path(get, path = "/v1/boards", tag = "boards",
    responses((status = 200, description = "The boards.", body = Vec<model::BoardSummary>), CommonErrors))]
pub(crate) async fn list(State(api): State<Arc<Api>>) -> Json<Vec<model::BoardSummary>> {
    let summary = |known: &KnownBoard| model::BoardSummary {
        name: known.board.name.clone(),
        title: known.board.heading().to_owned(),
        tiles: known.board.tiles.iter().map(|tile| tile.heading().to_owned()).collect(),
    };
    Json(api.view().boards.iter().map(summary).collect())
}

/// One board with the values of its tiles
#[utoipa::path(get, path = "/v1/boards/{board}", tag = "boards", params(("board" = String, Path, description = "The board's name.")),
    responses((status = 200, description = "The board.", body = model::BoardResource), CommonErrors, Missing))]
pub(crate) async fn one(
    State(api): State<Arc<Api>>,
    Named(name): Named,
) -> HandlerResult<Json<model::BoardResource>> {
    let view = api.view();
    let known = view.boards.iter().find(|known| known.board.name == name).ok_or_else(|| {
        let names = view.boards.iter().map(|known| &*known.board.name);
        ErrorResponse::no_such("board", &name, names)
    })?;
    let seen = tokio::time::timeout(LONGEST * 2, look(&api, known)).await.map_err(|_| {
        let why = format!("the values of the board were not read within {} s", LONGEST.as_secs() * 2);
        ErrorResponse::later(StatusCode::SERVICE_UNAVAILABLE, why)
    })?;
    Ok(Json(seen?))
}

async fn look(api: &Api, known: &KnownBoard) -> HandlerResult<model::BoardResource> {
    let mut seen = known.seen.lock().await;
    if let Some(resource) = SeenBoard::fresh(&mut seen) {
        return Ok(resource);
    }
    let board = &known.board;
    // What ends from here on is perhaps not among what is read below.
    let ends = api.changes.ends_of(board.tiles.iter().map(|tile| tile.router.clone()).collect());
    let (at, mut tiles, mut bytes) = (Instant::now(), Vec::new(), 0);
    for tile in &board.tiles {
        let since = since(api, tile);
        let read = tile_values(&*api.history, tile, since);
        let values = match bytes < BYTES {
            true => tokio::time::timeout_at(at + LONGEST, read).await.map_err(|_| NO_TIME),
            false => Err(TOO_MUCH),
        };
        let (page, unread) = match values {
            Ok(page) => (page?, None),
            Err(why) => (ResultPage::default(), Some(why.to_owned())),
        };
        bytes += page.results.iter().map(|one| value_size(&one.value)).sum::<usize>();
        tiles.push(model::TileResource { unread, ..tile_resource(tile, since, page) });
    }
    let (name, title) = (board.name.clone(), board.heading().to_owned());
    let resource = model::BoardResource { name, title, tiles };
    *seen = Some(SeenBoard { at, ends, resource: resource.clone() });
    Ok(resource)
}

fn since(api: &Api, tile: &TileSettings) -> Timestamp {
    api.clock.now().checked_sub(tile.since).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use herald_core::conformance::job;
    use herald_core::job::Job;
    use herald_core::journal::{Journal, Record, Records};
    use herald_core::lifecycle::{Status, Verdict};
    use herald_store::history::MemoryHistory;

    use super::*;
    use crate::api::known_board::LOOK_AGAIN;
    use crate::api::tests::{api, get};

    /// A job of the router `r` that ended with this result.
    fn ended(api: &Api, n: u32, task: &str, result: &str) -> Record {
        let view = api.view();
        let route = view.plan.workflow.route("r", task).unwrap();
        let job = Job {
            router: route.router.clone(),
            trigger: route.trigger.clone(),
            selector: route.selector.clone(),
            task: route.task.clone(),
            executor: route.executor.clone(),
            ..job(&format!("01900000-0000-7000-8000-{n:012}"))
        };
        let verdict =
            Verdict { status: Status::Succeeded, error: None, result: serde_json::from_str(result).unwrap() };
        let (mask, at) = (view.plan.mask.clone(), api.clock.now());
        Record::Ended { job: Arc::new(job), mask, verdict, cancelled_by: None, kept: true, at }
    }

    #[tokio::test(start_paused = true)]
    async fn results_and_boards_have_all_digits_and_follow_the_jobs() {
        let recent = Arc::new(MemoryHistory::default());
        let (api, _dispatcher) = api(Arc::default(), recent.clone(), None);
        let end = async |n: u32, task: &str, result: &str| {
            let records: Records = vec![ended(&api, n, task, result)].into();
            recent.append(&records).await.unwrap();
            api.changes.publish(&records);
        };
        let shown = async || {
            let board = get(&api, "/v1/boards/b").await.1;
            let board: model::BoardResource = serde_json::from_str(&board).unwrap();
            let tile = |tile: &model::TileResource| {
                let values: Vec<String> = tile.values.iter().map(|one| one.value.to_string()).collect();
                format!("{} {} {}", tile.name, tile.state.as_deref().unwrap_or("-"), values.join(" "))
            };
            board.tiles.iter().map(tile).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown().await, "size - , text - ");
        end(1, "t", r#"{"size": 0.10}"#).await;
        assert_eq!(shown().await, "size ok 0.10, text - ");
        end(2, "t", r#"{"size": 18446744073709551617, "text": "of another task"}"#).await;
        end(3, "u", r#"{"text": "well"}"#).await;
        assert_eq!(shown().await, r#"size warn 18446744073709551617 0.10, text - "well""#);
        // Until a job ends, nobody looks again.
        let records: Records = vec![ended(&api, 4, "u", r#"{"text": "unseen"}"#)].into();
        recent.append(&records).await.unwrap();
        assert_eq!(shown().await, r#"size warn 18446744073709551617 0.10, text - "well""#);
        tokio::time::advance(LOOK_AGAIN).await;
        assert_eq!(shown().await, r#"size warn 18446744073709551617 0.10, text - "unseen""#);

        for (call, status, says) in [
            ("results?router=r&path=result/size", 200, r#""value":18446744073709551617"#),
            ("results?router=r&path=result/size&limit=1", 200, r#""next_cursor":"01900000-"#),
            ("results?router=r&path=result/text&task=t", 200, r#""value":"of another task""#),
            ("results?router=r&path=size", 400, "did you mean `result/size`?"),
            ("results?router=r&path=result/size&limit=0", 400, "1 to 1000"),
            ("results?router=r&path=result/size&since=soon", 400, "since: expected a time"),
            ("results?router=r&path=result/size&cursor=x", 400, "cursor"),
            ("results?router=rr&path=result/size", 404, "did you mean \\\"r\\\"?"),
            ("results?router=r", 400, "the parameter `path` is missing"),
            ("boards", 200, r#"[{"name":"b","title":"b","tiles":["size","text"]}]"#),
            ("boards/x", 404, "there is no board"),
        ] {
            let (found, body) = get(&api, &format!("/v1/{call}")).await;
            assert!(found.as_u16() == status && body.contains(says), "{call}: {found} {body}");
        }
    }
}
