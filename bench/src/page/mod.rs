//! Measures the page over a long history, while events come in: how long the daemon takes for the first page of its
//! main screens, compared with SQLite alone, which reads the same rows of the same file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OpenFlags};

use crate::crash::socket::get;
use crate::history::first_page;
use crate::load::{Load, Until, run};
use crate::options::Options;
use crate::place::{Place, free_port};
use crate::program::{Program, ask, post, request};
use crate::spread::{Spread, quantile};
use crate::table::{Goal, Row, Unit};

/// The goals of the project, in milliseconds: half of the requests within the one, 99 of 100 within the other.
const HALF: f64 = 5.0;
const NEARLY_ALL: f64 = 20.0;
const TOKEN: &str = "for-the-length-of-a-measurement";
/// 10,000 events a minute.
const BETWEEN_EVENTS: Duration = Duration::from_millis(6);
/// How many lines the job writes whose log is shown.
const LINES: u32 = 1000;
const LIMIT: Duration = Duration::from_secs(60);

const SUMMARY: &str = "id, event_id, router, task, trigger_name, executor, depth, queued_at, status, attempt, started_at, \
                       ended_at, retry_at, error";

/// A screen, what is written on it, and the rows that it is made of.
struct Screen {
    name: &'static str,
    path: String,
    says: &'static str,
    sql: Vec<String>,
    file: Option<PathBuf>,
}

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let many = options.pick(2_000, 100_000);
    let site = Site::start(place)?;
    let sent = site.request("/");
    let load = Load { address: site.events, request: sent, connections: 64, pipeline: 16 };
    ensure!(run(&load, Until::Count(many))?.accepted >= many, "events were refused");
    let screens = screens(&site, &site.job_with_log()?)?;
    first_page(&site.socket)?;
    let samples = options.runs * options.pick(20, 60);
    let mut rows = Vec::new();
    for screen in screens {
        let ours = site
            .while_events_come(|| (0..samples).map(|_| site.shown(&screen)).collect::<Result<Vec<f64>>>())?;
        let bare = site.read_alone(&screen, samples)?;
        let what = format!("page, {many} jobs, 10,000 events a minute: {}", screen.name);
        let row = Row::new(&*what, Unit::Milliseconds, Spread::of(&ours));
        rows.push(row.against("SQLite alone", Spread::of(&bare)).goal(Goal::AtMost(HALF)));
        let slow = Spread::one(quantile(&ours, 0.99));
        rows.push(Row::new("  99 of 100 within", Unit::Milliseconds, slow).goal(Goal::AtMost(NEARLY_ALL)));
    }
    Ok(rows)
}

struct Site {
    _program: Program,
    events: SocketAddr,
    page: SocketAddr,
    state: PathBuf,
    socket: PathBuf,
}

impl Site {
    fn start(place: &Place) -> Result<Self> {
        let (events, page) = (free_port()?, free_port()?);
        let config = place.write("page.yml", &config(events, page))?;
        let mut command = Command::new(place.program("heraldd"));
        let mut program = Program::start(command.arg("-config").arg(config), "no line")?;
        program.wait_for_port(events)?;
        let state = place.path("page-state");
        Ok(Self { _program: program, events, page, socket: state.join("heraldd.sock"), state })
    }

    fn request(&self, path: &str) -> String {
        request(self.events, path, r#"{"n":1}"#, false)
    }

    /// Runs the job that writes a log; its id and that of its event.
    fn job_with_log(&self) -> Result<[String; 2]> {
        let answer = post(self.events, "/write", "{}")?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "the event was refused: {answer}");
        let asked = Instant::now();
        while asked.elapsed() < LIMIT {
            let (_, found) = get(&self.socket, "/v1/jobs?router=write&status=succeeded")?;
            let id = |key: &str| found["items"][0][key].as_str().map(str::to_owned);
            if let (Some(job), Some(event)) = (id("id"), id("event_id")) {
                return Ok([job, event]);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        anyhow::bail!("the job did not succeed in time")
    }

    /// How long one request for a screen takes, in milliseconds.
    fn shown(&self, screen: &Screen) -> Result<f64> {
        let (path, page) = (&screen.path, self.page);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {page}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
        );
        let asked = Instant::now();
        let answer = ask(page, &request)?;
        let took = asked.elapsed();
        ensure!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(screen.says),
            "{path}: {}",
            answer.chars().take(500).collect::<String>()
        );
        Ok(took.as_secs_f64() * 1000.0)
    }

    /// Does something while events come in.
    fn while_events_come<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        let (is_over, events) = (&AtomicBool::new(false), self.events);
        std::thread::scope(|scope| {
            let sender = scope.spawn(move || -> Result<()> {
                let began = Instant::now();
                let mut due = began;
                while !is_over.load(Ordering::Relaxed) {
                    post(events, "/", r#"{"n":1}"#)?;
                    due += BETWEEN_EVENTS;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                Ok(())
            });
            let done = act();
            is_over.store(true, Ordering::Relaxed);
            sender.join().map_err(|_| anyhow::anyhow!("the sender of events panicked"))??;
            done
        })
    }

    /// How long it takes to read the rows of a screen, and the file of its log, without anything else.
    fn read_alone(&self, screen: &Screen, samples: usize) -> Result<Vec<f64>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.state.join("journal.db"), flags)?;
        let one = || -> Result<f64> {
            let asked = Instant::now();
            let mut bytes = 0;
            for sql in &screen.sql {
                bytes += read(&connection, sql)?;
            }
            if let Some(file) = &screen.file {
                bytes += std::fs::read(file)?.len();
            }
            ensure!(bytes > 0, "{}: nothing was read", screen.name);
            Ok(asked.elapsed().as_secs_f64() * 1000.0)
        };
        (0..samples).map(|_| one()).collect()
    }
}

/// Reads all columns of all rows; how many bytes of text there are.
fn read(connection: &Connection, sql: &str) -> Result<usize> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            bytes += row.get_ref(column)?.as_bytes_or_null().ok().flatten().map_or(0, <[u8]>::len);
        }
    }
    Ok(bytes)
}

fn screens(site: &Site, [job, event]: &[String; 2]) -> Result<Vec<Screen>> {
    let jobs = |filter: &str, limit: usize| {
        format!("SELECT {SUMMARY} FROM jobs {filter} ORDER BY id DESC LIMIT {limit}")
    };
    let events = "SELECT id, trigger_name, depth, accepted_at, routed_at, decisions FROM events ORDER BY id DESC LIMIT 51";
    let of = |name, path: &str, says, sql| Screen { name, path: path.to_owned(), says, sql, file: None };
    let log = Screen {
        file: Some(largest(&site.state.join("log"))?.context("there is no log")?),
        ..of(
            "a job with its log",
            &format!("/jobs/{job}"),
            "id=\"L1000\"",
            vec![
                format!("SELECT * FROM jobs WHERE id = '{job}'"),
                format!("SELECT * FROM attempts WHERE job_id = '{job}'"),
                format!("SELECT * FROM events WHERE id = '{event}'"),
            ],
        )
    };
    Ok(vec![
        of("Now", "/", ">Last 24 hours<", vec![jobs("WHERE status = 'running'", 51), jobs("", 301)]),
        of("Jobs", "/jobs", "rel=\"next\"", vec![jobs("", 51)]),
        of("Events", "/events", "rel=\"next\"", vec![events.to_owned()]),
        log,
    ])
}

/// The largest file below a folder.
fn largest(folder: &Path) -> Result<Option<PathBuf>> {
    let (mut folders, mut found) = (vec![folder.to_owned()], None::<(u64, PathBuf)>);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, meta) = (entry.path(), entry.metadata()?);
            if meta.is_dir() {
                folders.push(path);
            } else if found.as_ref().is_none_or(|(size, _)| meta.len() > *size) {
                found = Some((meta.len(), path));
            }
        }
    }
    Ok(found.map(|(_, path)| path))
}

fn config(events: SocketAddr, page: SocketAddr) -> String {
    format!(
        "log: {{level: warn}}\nstate_dir: '@DIR@/page-state'\nhistory: {{max_jobs: 100000000}}\n\
         access: {{token: {{bench: {{secret: {TOKEN}, role: admin}}}}}}\n\
         page: {{port: {}}}\n\
         trigger:\n\
         \x20 events: {{type: http, port: {port}, path: /}}\n\
         \x20 write: {{type: http, port: {port}, path: /write}}\n\
         executor: {{here: {{type: local, work_dir: '@DIR@/page-work'}}}}\n\
         router:\n\
         \x20 count: {{trigger: events, selector: all, task: {{t: none}}}}\n\
         \x20 write: {{trigger: write, selector: all, task: {{t: here}}, job_param: {{cmd: seq, arg: '{LINES}'}}}}\n",
        page.port(),
        port = events.port(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_columns_are_read_and_the_largest_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a TEXT, b INTEGER, c BLOB); INSERT INTO t VALUES ('abc', 7, x'0102'), ('d', NULL, NULL);").unwrap();
        assert_eq!(read(&connection, "SELECT * FROM t").unwrap(), 6);
        assert_eq!(largest(folder.path()).unwrap(), None);
        std::fs::create_dir(folder.path().join("day")).unwrap();
        for (name, text) in [("day/a", "1"), ("day/b", "123"), ("c", "12")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        assert_eq!(largest(folder.path()).unwrap(), Some(folder.path().join("day/b")));
    }
}
