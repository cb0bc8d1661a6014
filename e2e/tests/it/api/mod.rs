//! Contract, section 8: the control API, and the command line over it.
//!
//! | sentence | test |
//! |---|---|
//! | served on `<state_dir>/heraldd.sock` (0600) always | `calls::the_socket_is_the_users_own` |
//! | on TCP only where `api` says so; a token is then required | `listeners::tcp_asks_for_the_token` |
//! | `application/problem+json` errors | `calls::every_mistake_is_a_problem` |
//! | cursor pagination; history, newest first; one job with its attempts, parameters (secrets masked), result; explain | `calls::jobs_and_events_are_told` |
//! | an OpenAPI 3.1 document at `/v1/openapi.json` | `listeners::the_document_is_the_one_in_the_reference`; a fuzzing client on it: `.ci/fuzz-api` |
//! | a job's log, live, `stream=`; `logs [-f]` | `logs::*` |
//! | a job's log by lines: `from_line`, `lines`, `tail`, `around`, `search`; `logs -n` | `logs::lines_of_a_log_are_found_by_number_time_and_text` |
//! | ids: a unique beginning or end, `last`, `last:ROUTER`; a job's id for its event | `commands::ids_may_be_short` |
//! | cancel; activate now with a JSON object | `calls::jobs_are_started_and_cancelled` |
//! | retry | `calls::a_job_runs_once_more` |
//! | `by`: who caused an event or a job, who cancelled it, and why (sections 11, 15) | `calls::who_caused_it_is_recorded`, `commands::who_did_it_and_why_is_shown` |
//! | triggers with the next times due, routers, executors, info | `calls::what_is_configured_is_told` |
//! | reload | `listeners::a_reload_is_in_force_or_says_what_is_wrong` |
//! | a stream of server-sent events | `logs::changes_are_streamed` |
//! | `/healthz`, `/readyz` | `calls::jobs_and_events_are_told`, `phases::while_it_stops_it_says_so_and_still_answers`; the other phases: `heraldd/src/api/tests.rs` |
//! | on TCP also with `state_dir: none` | `phases::without_a_state_dir_the_latest_is_told_on_tcp` |
//! | `/metrics` | `calls::everything_is_counted` |
//! | counts of jobs by time; the running configuration and its file (section 15) | `overview::*` |
//! | the same from the command line, as tables or JSON, in a pipe; exit codes | `commands::*` |
//! | text or JSON, one line an event, with trigger, router, task, job ids | `commands::the_log_bears_ids`, `commands::hostile_values_stay_on_their_line` |

mod calls;
mod commands;
mod listeners;
mod logs;
mod overview;
mod phases;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, send_unix};
use e2e::place::Place;
use e2e::program::{Ended, run_to_end};
use e2e::wait::until;
use serde_json::Value;

const CONFIG: &str = "
state_dir: '@DIR@/state'
trigger:
  manual: {type: http, port: 0}
executor:
  local_command: {type: local, work_dir: '@DIR@/work'}
router:
  quick:
    trigger: manual
    selector: match_map
    task: {k: local_command}
    select_param: {match_key: do, match_value: quick}
    job_param: {cmd: echo, arg: hello, env: {MY_TOKEN: hunter2hunter2}}
  slow:
    trigger: manual
    selector: match_map
    task: {k: local_command}
    select_param: {match_key: do, match_value: slow}
    job_param: {cmd: sleep, arg: 300}
";

fn ask(place: &Place, method: &str, path: &str, body: &str) -> Response {
    let headers = [("Host", "localhost"), ("Content-Type", "application/json"), ("Connection", "close")];
    send_unix(&place.path("state/heraldd.sock"), &Message::request(method, path, &headers, body.as_bytes()))
}

fn get(place: &Place, path: &str) -> Value {
    let response = ask(place, "GET", path, "");
    assert_eq!((response.status, response.get("content-type")), (200, Some("application/json")), "{path}");
    response.json()
}

fn start(place: &Place) -> Daemon {
    let daemon = Daemon::start(place, CONFIG);
    daemon.address("manual");
    daemon
}

/// The job of this event, once it has this status.
fn job_with(place: &Place, event: &str, status: &str) -> Value {
    until(status, || {
        let jobs = get(place, "/v1/jobs");
        let found = jobs["items"].as_array().unwrap().iter().find(|job| job["event_id"] == event).cloned();
        found.filter(|job| job["status"] == status)
    })
}

fn heraldd(place: &Place, arguments: &[&str]) -> Ended {
    run_to_end(place.bare("heraldd").args(arguments))
}
