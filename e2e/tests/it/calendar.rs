//! Contract, section 15, the screens Calendar and Graph: they show what the commands print.
//!
//! | sentence | test |
//! |---|---|
//! | the calendar has the due times of `heraldd next` | `the_calendar_has_the_times_that_next_prints` |
//! | other calendars can subscribe to it | `the_subscription_is_icalendar` |
//! | the graph is that of `heraldd graph` | `the_graph_is_that_of_the_command` |

use std::net::SocketAddr;

use e2e::daemon::Daemon;
use e2e::http::{Message, Response, send};
use e2e::place::Place;
use e2e::program::run_to_end;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const TOKEN: (&str, &str) = ("Authorization", "Bearer viewer-0123456789");

const CONFIG: &str = "
state_dir: '@DIR@/state'
access: {token: {reader: {secret: viewer-0123456789, role: viewer}}}
page: {port: 0}
trigger:
  nightly: {type: cron, cron: '30 2 * * *', time_zone: Europe/Berlin}
  hourly: {type: cron, cron: '15 * * * *', time_zone: UTC}
  weekly: {type: cron, cron: '0 6 * * 1', time_zone: America/New_York}
  every: {type: cron, cron: '@every 7h'}
  manual: {type: http, port: 0}
router:
  'back,up;\\<b>': {trigger: nightly, selector: all, task: {dump: none}}
  report: {trigger: weekly, selector: all, task: {send: print, keep: none}}
  after: {trigger: exe_done, selector: match_map, task: {t: none}, select_param: {match_key: router, match_value: report}}
";

struct Served<'a> {
    place: &'a Place,
    _daemon: Daemon,
    page: SocketAddr,
}

fn start(place: &Place) -> Served<'_> {
    let daemon = Daemon::start(place, CONFIG);
    let marker = "the page listens on ";
    let page = daemon.wait_pick(marker, |line| line.split_once(marker)?.1.trim().parse().ok());
    daemon.wait_for(&["heraldd is ready"]);
    Served { place, _daemon: daemon, page }
}

impl Served<'_> {
    fn get(&self, path: &str) -> Response {
        let response = send(self.page, &Message::request("GET", path, &[TOKEN], b""));
        assert_eq!(response.status, 200, "{path}: {response:?}");
        response
    }

    fn printed(&self, arguments: &[&str]) -> Value {
        let config = self.place.text_path("heraldd.yml");
        let ended =
            run_to_end(self.place.bare("heraldd").args(arguments).args(["-config", &config, "--json"]));
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        serde_json::from_str(&ended.stdout).unwrap()
    }
}

/// Times and triggers, of entries that have their time under this key.
fn due(entries: &Value, key: &str) -> Vec<(Timestamp, String)> {
    let entries = entries.as_array().unwrap().iter();
    let one = |entry: &Value| {
        let at = entry[key].as_str().unwrap().parse().unwrap();
        (at, entry["trigger"].as_str().unwrap().to_owned())
    };
    entries.map(one).filter(|(_, trigger)| trigger != "every").collect()
}

#[test]
fn the_calendar_has_the_times_that_next_prints() {
    let place = Place::new();
    let served = start(&place);
    let next = due(&served.printed(&["next", "-n", "2000"])["due"], "time");
    // What is due while this runs would be in one of them only.
    let from = next[0].0 + SignedDuration::from_mins(5);
    let until = from + SignedDuration::from_hours(24 * 60);
    let expected: Vec<_> = next.into_iter().filter(|(at, _)| *at >= from && *at < until).collect();
    let range = format!("from={from}&until={until}");
    let calendar = served.get(&format!("/v1/calendar?{range}&limit=5000")).json();
    assert_eq!(due(&calendar["due"], "first"), expected);
    let every = calendar["due"].as_array().unwrap().iter().filter(|due| due["trigger"] == "every");
    let every: Vec<Timestamp> = every.map(|due| due["first"].as_str().unwrap().parse().unwrap()).collect();
    assert!(every.windows(2).all(|pair| pair[1].duration_since(pair[0]) == SignedDuration::from_hours(7)));
    assert!((200..=207).contains(&every.len()), "{}", every.len());
    // Counted by day it is as many.
    let by_day = served.get(&format!("/v1/calendar?{range}&bucket=day&zone=Europe/Berlin&limit=5000")).json();
    let by_day = by_day["due"].as_array().unwrap().iter().filter(|due| due["trigger"] != "every");
    let count: u64 = by_day.map(|due| due["count"].as_u64().unwrap()).sum();
    assert_eq!(count, expected.len() as u64);
    // Not today: what has passed is not due.
    let day = (from + SignedDuration::from_hours(48)).to_string()[..10].to_owned();
    for view in ["day", "week", "month", "list"] {
        let address = format!("/calendar?view={view}&zone=Europe/Berlin&from={day}");
        let screen = served.get(&address).text();
        assert!(
            screen.contains("<h1><bdi>Calendar</bdi></h1>") && screen.contains("back,up;\\&lt;b"),
            "{screen}"
        );
        assert!(!screen.contains("\\<b>"), "{screen}");
    }
}

#[test]
fn the_subscription_is_icalendar() {
    let place = Place::new();
    let served = start(&place);
    let response = served.get("/v1/calendar.ics");
    assert_eq!(response.get("content-type"), Some("text/calendar; charset=utf-8"));
    let file = response.text();
    assert!(file.ends_with("\r\nEND:VCALENDAR\r\n") && !file.replace("\r\n", "").contains(['\r', '\n']));
    assert!(file.split("\r\n").all(|line| line.len() <= 75), "{file}");
    let lines = file.replace("\r\n ", "");
    let of = |name: &str| lines.lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>();
    let mut uids = of("UID:");
    uids.sort_unstable();
    uids.dedup();
    let events = of("BEGIN:VEVENT").len();
    assert_eq!([uids.len(), of("END:VEVENT").len(), of("DTSTART:").len(), of("SUMMARY:").len()], [events; 4]);
    assert!(lines.contains("SUMMARY:back\\,up\\;\\\\<b>\r\n"), "{lines}");
    for start in of("DTSTART:") {
        let at = start.trim_start_matches("DTSTART:");
        assert!(at.len() == "20261129T020000Z".len() && at.ends_with('Z'), "{start}");
    }
    // The same times as in the calendar itself.
    let calendar = served.get("/v1/calendar?bucket=hour&limit=5000").json();
    let first = calendar["due"].as_array().unwrap().iter().find(|due| due["trigger"] == "nightly").unwrap();
    let first = first["first"].as_str().unwrap().replace(['-', ':'], "");
    assert!(lines.contains(&format!("DTSTART:{first}\r\n")), "{first}: {lines}");
}

#[test]
fn the_graph_is_that_of_the_command() {
    let place = Place::new();
    let served = start(&place);
    assert_eq!(served.get("/v1/graph").json(), served.printed(&["graph"]));
    let screen = served.get("/graph").text();
    assert_eq!(screen.matches("<path class=\"edge chain\"").count(), 2, "{screen}");
    assert!(
        screen.contains("<title>router back,up;\\&lt;b&gt;, all</title>") && !screen.contains("\\<b>"),
        "{screen}"
    );
    let part = served.get("/v1/graph?router=after").json();
    let routers = part["nodes"].as_array().unwrap().iter().filter(|node| node["kind"] == "router");
    assert_eq!(routers.map(|node| node["name"].as_str().unwrap()).collect::<Vec<_>>(), ["after", "report"]);
}
