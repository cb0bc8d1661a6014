//! Measures how fast events are accepted over HTTP, with an executor that does nothing.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use rustix::process::Signal;

use crate::bare;
use crate::crash::socket::get_text;
use crate::history::first_page;
use crate::load::{Answers, Load, Until, run};
use crate::options::Options;
use crate::place::{Place, free_port};
use crate::program::{Program, request};
use crate::spread::{Spread, quantile};
use crate::table::{Goal, Row, Unit};

/// The goal of the project on two cores that the load generator shares.
const EVENTS_PER_SECOND: f64 = 60_000.0;
/// Its goals for events that are on disk, by the number of connections: this share of the rate without.
const DURABLE_SHARES: [(usize, f64); 3] = [(8, 0.55), (32, 0.75), (CONNECTIONS, 0.80)];
/// Its goal for the number of events for which the disk is waited for once, with this many connections.
const EVENTS_A_SYNC: f64 = 28.0;
const COUNTED: usize = 32;
/// And at the most connections, milliseconds.
const DURABLE_P99: f64 = 20.0;
const CONNECTIONS: usize = 64;
const PIPELINED: usize = 16;

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let (daemon, address) = heraldd(place, "none")?;
    let (_bare, bare_address) = bare::server()?;

    let span = Until::Time(options.pick(Duration::from_millis(500), Duration::from_secs(5)));
    let mut rows = Vec::new();
    for (pipeline, what) in
        [(1, "events/s over HTTP, executor none"), (PIPELINED, "the same, 16 requests pipelined")]
    {
        let load = |address| Load {
            address,
            request: request(address, "/", r#"{"n":1}"#, false),
            connections: CONNECTIONS,
            pipeline,
        };
        let (mut ours, mut bare, mut refused) = (Vec::new(), Vec::new(), 0);
        // By turns, so that both see the same machine.
        for _ in 0..options.runs {
            let answers = run(&load(address), span)?;
            check(&answers)?;
            refused += answers.refused;
            ours.push(answers.rate());
            bare.push(run(&load(bare_address), span)?.rate());
        }
        let what = if refused == 0 { what.to_owned() } else { format!("{what} ({refused} rejected)") };
        let row = Row::new(what, Unit::PerSecond, Spread::of(&ours)).against("bare hyper", Spread::of(&bare));
        rows.push(if pipeline == 1 { row.goal(Goal::AtLeast(EVENTS_PER_SECOND)) } else { row });
    }
    rows.push(Row::new("heraldd's peak memory meanwhile", Unit::Mebibytes, Spread::one(daemon.peak()?)));
    rows.extend(durable(place, address, span, options)?);
    Ok(rows)
}

/// The same with every event and job on disk before it counts, alternating with memory alone.
fn durable(place: &Place, memory: SocketAddr, span: Until, options: &Options) -> Result<Vec<Row>> {
    let (mut daemon, address) = heraldd(place, "'@DIR@/http-state'")?;
    let socket = place.path("http-state/heraldd.sock");
    let (mut rows, mut late) = (Vec::new(), Vec::new());
    let mut events_of_a_sync = Vec::new();
    for (connections, share) in DURABLE_SHARES {
        let request = |address| request(address, "/", r#"{"n":1}"#, false);
        let load = |address| Load { address, request: request(address), connections, pipeline: 1 };
        let (mut durable, mut in_memory) = (Vec::new(), Vec::new());
        late.clear();
        for _ in 0..options.runs {
            let before = syncs(&socket)?;
            let answers = run(&load(address), span)?;
            check(&answers)?;
            if connections == COUNTED {
                let counted = before.zip(syncs(&socket)?).map(|(before, now)| (now - before).max(1.0));
                events_of_a_sync.extend(counted.map(|syncs| answers.accepted as f64 / syncs));
            }
            durable.push(answers.rate());
            late.push(quantile(&answers.latencies, 0.99));
            first_page(&socket)?;
            // What it still has to do (its history is trimmed) is not to take from the other's time.
            daemon.signal(Signal::STOP)?;
            in_memory.push(run(&load(memory), span)?.rate());
            daemon.signal(Signal::CONT)?;
        }
        let what = format!("events/s over HTTP with state_dir, {connections} connections");
        let row = Row::new(what, Unit::PerSecond, Spread::of(&durable));
        rows.push(row.against("state_dir: none", Spread::of(&in_memory)).goal(Goal::Share(share)));
    }
    rows.push(
        Row::new("p99 of these", Unit::Milliseconds, Spread::of(&late)).goal(Goal::AtMost(DURABLE_P99)),
    );
    if !events_of_a_sync.is_empty() {
        let what = format!("events a sync of the disk, {COUNTED} connections");
        rows.push(
            Row::new(what, Unit::Count, Spread::of(&events_of_a_sync)).goal(Goal::AtLeast(EVENTS_A_SYNC)),
        );
    }
    rows.extend(many_routers(place, span, options)?);
    Ok(rows)
}

/// An event that concerns one of many routers of its trigger, against one that concerns one of ten.
fn many_routers(place: &Place, span: Until, options: &Options) -> Result<Vec<Row>> {
    let many = options.pick(2_000, 100_000);
    let one_of = |count: usize| -> Result<(Program, SocketAddr)> {
        let address = free_port()?;
        let mut text = format!(
            "log: {{level: warn}}\nstate_dir: none\ntrigger: {{events: {{type: http, port: {}}}}}\nrouter:\n",
            address.port()
        );
        for n in 0..count {
            let select = format!("{{match_key: repository, match_value: r{n}}}");
            text.push_str(&format!(
                "  r{n}: {{trigger: events, selector: match_map, task: {{t: none}}, select_param: {select}}}\n"
            ));
        }
        let config = place.write(&format!("routers-{count}.yml"), &text)?;
        let mut command = Command::new(place.program("heraldd"));
        let mut daemon = Program::start(command.arg("-config").arg(config), "no line")?;
        daemon.wait_for_answer(address)?;
        Ok((daemon, address))
    };
    let ((_ten, of_ten), (_many, of_many)) = (one_of(10)?, one_of(many)?);
    let load = |address| Load {
        address,
        request: request(address, "/", r#"{"repository":"r7"}"#, false),
        connections: 8,
        pipeline: 1,
    };
    let (mut few, mut lots) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let answers = run(&load(of_many), span)?;
        check(&answers)?;
        lots.push(answers.rate());
        few.push(run(&load(of_ten), span)?.rate());
    }
    let row = Row::new(format!("events/s for one of {many} routers"), Unit::PerSecond, Spread::of(&lots));
    Ok(vec![row.against("one of 10", Spread::of(&few)).goal(Goal::Share(0.5))])
}

/// How often the journal of a daemon has waited for the disk. `None` of an older heraldd, which does not count that:
/// this program also measures those, to compare two versions.
fn syncs(socket: &Path) -> Result<Option<f64>> {
    let (_, text) = get_text(socket, "/metrics")?;
    let line = text.lines().find_map(|line| line.strip_prefix("herald_journal_syncs_total "));
    Ok(line.map(str::parse).transpose()?)
}

fn heraldd(place: &Place, state_dir: &str) -> Result<(Program, SocketAddr)> {
    let address = free_port()?;
    let config = place.write(
        &format!("http-{}.yml", address.port()),
        &format!(
            "log: {{level: warn}}\n\
             state_dir: {state_dir}\n\
             trigger: {{events: {{type: http, port: {}}}}}\n\
             router: {{r: {{trigger: events, selector: all, task: {{t: none}}}}}}\n",
            address.port()
        ),
    )?;
    let mut command = Command::new(place.program("heraldd"));
    let mut daemon = Program::start(command.arg("-config").arg(config), "no line")?;
    daemon.wait_for_answer(address)?;
    Ok((daemon, address))
}

fn check(answers: &Answers) -> Result<()> {
    ensure!(answers.accepted > 0, "no event was accepted, {} were rejected", answers.refused);
    Ok(())
}
