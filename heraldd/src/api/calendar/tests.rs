use std::time::{Duration, Instant};

use herald_core::activation::Activation;
use herald_core::clock::TestClock;
use herald_core::job::Job;
use herald_core::journal::{Journal, Record, Records};
use herald_core::lifecycle::{Status, Verdict};

use herald_store::history::MemoryHistory;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::api::tests::{api_of, get};

const CONFIG: &str = "
trigger:
  nightly: {type: cron, cron: '30 2 * * *', time_zone: Europe/Berlin}
  often: {type: cron, cron: '*/30 * * * *', time_zone: Europe/Berlin}
  second: {type: cron, cron: '* * * * * *', with_seconds: true, time_zone: UTC}
  asked: {type: http, unix_socket: /nonexistent/s}
  waiting: {type: tick, interval: 5s}
router:
  backup: {trigger: nightly, selector: all, task: {k: none}}
  copy: {trigger: nightly, selector: all, task: {k: none}}
";

async fn asked(now: &str, path: &str, history: Arc<MemoryHistory>) -> (StatusCode, String) {
    let clock = Arc::new(TestClock::at(now.parse().unwrap()));
    let (api, _dispatcher) = api_of(CONFIG, clock, Arc::default(), history, None);
    get(&api, path).await
}

async fn calendar(now: &str, query: &str) -> Value {
    let (status, body) = asked(now, &format!("/v1/calendar?{query}"), Arc::default()).await;
    assert_eq!(status, StatusCode::OK, "{query}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// The due times of a trigger, with their numbers and remarks.
fn due(calendar: &Value, trigger: &str) -> Vec<String> {
    let due = calendar["due"].as_array().unwrap().iter().filter(|due| due["trigger"] == trigger);
    let shown = |due: &Value| {
        let remark = due["remark"].as_str().map(|remark| format!(" {remark}")).unwrap_or_default();
        format!("{} ×{}{remark}", due["first"].as_str().unwrap(), due["count"])
    };
    due.map(shown).collect()
}

#[tokio::test(start_paused = true)]
async fn due_times_over_changes_of_the_clocks() {
    // Now, the query; what is due of nightly and of often, and the last count of each second; the changes.
    type Case<'a> = (&'a str, &'a str, &'a [&'a str], &'a [&'a str], u64, usize);
    let cases: [Case<'_>; 4] = [
        // Spring: 02:30 is left out, and the day has 23 hours.
        (
            "2027-03-01T00:00:00Z",
            "from=2027-03-28&until=2027-03-29&zone=Europe/Berlin&bucket=day",
            &["2027-03-28T01:00:00Z ×1 the clocks go forward from 02:00 to 03:00: it runs once, right after"],
            &["2027-03-27T23:00:00Z ×46"],
            23 * 3600,
            1,
        ),
        // Autumn: 02:30 comes twice, and the day has 25 hours.
        (
            "2026-10-01T00:00:00Z",
            "from=2026-10-25&until=2026-10-26&zone=Europe/Berlin&bucket=day",
            &[
                "2026-10-25T00:30:00Z ×1 the clocks go back, and this time comes twice: it runs once, the first time",
            ],
            &["2026-10-24T22:00:00Z ×50"],
            25 * 3600,
            1,
        ),
        // Only what is yet to come, hour by hour.
        (
            "2026-11-24T00:45:10Z",
            "from=2026-11-24&until=2026-11-24T02:00:00Z&bucket=hour",
            &["2026-11-24T01:30:00Z ×1"],
            &["2026-11-24T01:00:00Z ×2"],
            3600,
            0,
        ),
        // What has passed is not due.
        ("2026-11-25T00:00:00Z", "from=2026-11-24&until=2026-11-25&bucket=day", &[], &[], 0, 0),
    ];
    for (now, query, nightly, often, seconds, changes) in cases {
        let calendar = calendar(now, query).await;
        assert_eq!(due(&calendar, "nightly"), nightly, "{query}");
        assert_eq!(due(&calendar, "often"), often, "{query}");
        let last = calendar["due"].as_array().unwrap().iter().rfind(|due| due["trigger"] == "second");
        assert_eq!(last.map_or(0, |due| due["count"].as_u64().unwrap()), seconds, "{query}");
        assert_eq!(calendar["clock_changes"].as_array().unwrap().len(), changes, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn schedules_are_named_once_and_changes_have_their_zone() {
    let calendar =
        calendar("2026-10-01T00:00:00Z", "from=2026-10-25&until=2026-10-26&zone=UTC&bucket=day").await;
    let nightly = json!({
        "trigger": "nightly", "cron": "30 2 * * *", "zone": "Europe/Berlin", "every_seconds": null,
        "routers": ["backup", "copy"], "router_count": 2, "usual_seconds": null, "waits_for_clock": false, "paused": [],
    });
    assert!(calendar["schedules"].as_array().unwrap().contains(&nightly), "{calendar}");
    assert_eq!(calendar["schedules"].as_array().unwrap().len(), 3, "{calendar}");
    let change =
        json!({"zone": "Europe/Berlin", "at": "2026-10-25T01:00:00Z", "before": "+02:00", "after": "+01:00"});
    assert_eq!(calendar["clock_changes"], json!([change]));
}

#[tokio::test(start_paused = true)]
async fn a_line_of_every_second_is_counted_and_cut() {
    let begin = Instant::now();
    let month = calendar("2026-11-01T00:00:00Z", "until=2026-12-01&bucket=day").await;
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let counts = month["due"].as_array().unwrap().iter().filter(|due| due["trigger"] == "second");
    assert_eq!(counts.map(|due| due["count"].as_u64().unwrap()).sum::<u64>(), 30 * 86_400 - 1);
    assert_eq!(month["due_until"], Value::Null);
    let each = calendar("2026-11-01T00:00:00Z", "limit=10").await;
    assert_eq!(each["due"].as_array().unwrap().len(), 10);
    assert_eq!(each["due_until"], "2026-11-01T00:00:11Z");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_is_said() {
    for (query, says) in [
        ("from=soon", "from: expected a time such as 2026-11-24T12:00:00Z, or a date such as 2026-11-24"),
        ("until=2026-11-24T12:00:00", "until: expected a time"),
        ("from=2026-11-24&until=2026-11-24", "until: expected a later time than from, by at most 62 days"),
        ("from=2026-11-24&until=2027-11-24", "62 days"),
        ("from=9999-12-30T22:00:00Z", "62 days"),
        ("limit=0", "limit: expected a number from 1 to 5000"),
        ("zone=Europe/Berlim", "did you mean `Europe/Berlin`?"),
        ("bucket=week", "`bucket`: week is not valid; expected one of"),
        ("x=1", "unknown parameter `x`"),
    ] {
        for path in ["/v1/calendar", "/v1/calendar.ics"] {
            let is_for_both = query.starts_with("from") || query.starts_with("until") || query == "x=1";
            if path == "/v1/calendar" || is_for_both {
                let asked = asked("2026-11-24T00:00:00Z", &format!("{path}?{query}"), Arc::default()).await;
                assert!(
                    asked.0 == StatusCode::BAD_REQUEST && asked.1.contains(says),
                    "{path} {query}: {asked:?}"
                );
            }
        }
    }
}

/// A history with jobs of the router backup: when each was created, when it was due, its status, and how many seconds
/// it took.
async fn history(jobs: &[(&str, &str, Status, i64)]) -> Arc<MemoryHistory> {
    let history = Arc::new(MemoryHistory::default());
    let clock = Arc::new(TestClock::at(Timestamp::UNIX_EPOCH));
    let (api, _dispatcher) = api_of(CONFIG, clock, Arc::default(), Arc::default(), None);
    let plan = api.view().plan.clone();
    let route = plan.workflow.route("backup", "k").unwrap();
    for (n, (created, scheduled, status, seconds)) in jobs.iter().enumerate() {
        let (at, mask) = (created.parse::<Timestamp>().unwrap(), plan.mask.clone());
        let id = |kind: u8| format!("0190000{kind}-0000-7000-8000-{n:012x}").into();
        let params = json!({"scheduled_at": scheduled}).as_object().unwrap().clone();
        let activation = Activation {
            event_id: id(1),
            trigger: "nightly".into(),
            trigger_param: Arc::new(params.into()),
            chain_depth: 0,
            by: None,
        };
        let job = Arc::new(Job {
            id: id(2),
            trigger_id: id(1),
            router: route.router.clone(),
            trigger: "nightly".into(),
            selector: route.selector.clone(),
            task: route.task.clone(),
            executor: route.executor.clone(),
            trigger_param: activation.trigger_param.clone(),
            select_param: route.select_param.get(),
            job_param: route.job_param.get(),
            chain_depth: 0,
            attempt: 1,
            by: None,
            rerun: false,
        });
        let verdict = Verdict { status: *status, error: None, result: Default::default() };
        let records = vec![
            Record::Accepted { activation, mask: mask.clone(), key: None, cursor: None, due: None, at },
            Record::Queued { job: job.clone(), mask: mask.clone(), at },
            Record::Started { job: job.clone(), at },
            Record::Ended {
                job,
                mask,
                verdict,
                cancelled_by: None,
                kept: true,
                at: at + SignedDuration::from_secs(*seconds),
            },
        ];
        history.append(&Records::new(records)).await.unwrap();
    }
    history
}

#[tokio::test(start_paused = true)]
async fn runs_have_outcomes_and_the_usual_length() {
    let history = history(&[
        ("2026-11-22T01:30:00Z", "2026-11-22T02:30:00+01:00", Status::Succeeded, 100),
        ("2026-11-23T01:30:01Z", "2026-11-23T02:30:00+01:00", Status::Succeeded, 300),
        ("2026-11-24T03:10:00Z", "2026-11-24T02:30:00+01:00", Status::Succeeded, 500),
        ("2026-11-24T03:20:00Z", "2026-11-24T04:20:00+01:00", Status::Failed, 9000),
    ])
    .await;
    let runs = async |query: &str| {
        let path = format!("/v1/calendar?from=2026-11-22&until=2026-11-26&zone=Europe/Berlin&{query}");
        let body = asked("2026-11-24T12:00:00Z", &path, history.clone()).await.1;
        serde_json::from_str::<Value>(&body).unwrap()
    };
    let each = runs("").await;
    let found = each["runs"].as_array().unwrap();
    assert_eq!(found.len(), 4, "{each}");
    assert_eq!(found[0]["outcomes"], json!({"succeeded": 1}));
    assert_eq!(found[2]["caught_up"], "2026-11-24T01:30:00Z");
    assert_eq!((&found[1]["caught_up"], &found[3]["caught_up"]), (&Value::Null, &Value::Null));
    let by_day = runs("bucket=day").await;
    let nightly = by_day["schedules"].as_array().unwrap().iter().find(|one| one["trigger"] == "nightly");
    assert_eq!(nightly.unwrap()["usual_seconds"], 300.0, "the median of those that succeeded");
    let found = by_day["runs"].as_array().unwrap();
    assert_eq!(found.len(), 3, "{by_day}");
    assert_eq!(
        (&found[2]["count"], &found[2]["outcomes"]),
        (&json!(2), &json!({"failed": 1, "succeeded": 1}))
    );
    assert_eq!(found[2]["first"], "2026-11-24T03:10:00Z");
    assert_eq!(by_day["runs_since"], Value::Null);
    let cut = runs("limit=2").await;
    assert_eq!(cut["runs"].as_array().unwrap().len(), 2);
    assert_eq!(cut["runs_since"], "2026-11-24T03:10:00Z", "the newest are shown");
}

#[tokio::test(start_paused = true)]
async fn other_calendars_can_subscribe() {
    let (status, file) =
        asked("2026-10-24T00:00:00Z", "/v1/calendar.ics?until=2026-10-26", Arc::default()).await;
    assert_eq!(status, StatusCode::OK, "{file}");
    let unfolded = file.replace("\r\n ", "");
    for part in [
        "DTSTART:20261025T003000Z\r\n",
        "SUMMARY:backup\\, copy\r\n",
        "30 2 * * * (Europe/Berlin)\\n",
        "this time comes twice: it runs once\\, the first time",
        "SUMMARY:second ×86399\r\nDESCRIPTION:trigger second\\, 0 routers",
        "SUMMARY:often ×47\r\n",
        "DURATION:PT86399S\r\n",
    ] {
        assert!(unfolded.contains(part), "{part}: {unfolded}");
    }
    assert!(file.split("\r\n").all(|line| line.len() <= 75 && !line.contains('\n')), "{file}");
    assert!(!unfolded.contains("waiting"), "an interval: {unfolded}");
    let uids = |file: &str| {
        let file = file.replace("\r\n ", "");
        file.lines().filter(|line| line.starts_with("UID:")).map(str::to_owned).collect::<Vec<_>>()
    };
    let of_later = asked("2026-10-24T00:10:03Z", "/v1/calendar.ics?until=2026-10-26", Arc::default()).await.1;
    assert_eq!(uids(&file), uids(&of_later), "the same events");
    let all: BTreeSet<String> = uids(&file).into_iter().collect();
    assert_eq!((all.len(), uids(&file).len()), (6, 6), "{all:?}");
}
