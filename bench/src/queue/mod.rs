//! A queue between two daemons, measured against a bare client on the same Redis.

pub(crate) mod redis;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::load::{Load, Until, run};
use crate::options::Options;
use crate::place::{Place, free_port};
use crate::program::{Program, request};
use crate::spread::Spread;
use crate::table::{Goal, Row, Unit};
use redis::{RedisAnswer, RedisClient, RedisProcess, encoded};

/// Messages that are in flight at once.
const IN_FLIGHT: usize = 64;
/// Jobs that run at once.
const AT_ONCE: usize = 8;
/// The goals of the project: shares of the bare loop and of `local` without a queue; commands a second and percent of
/// a core of an idle worker; the memory of Redis after many messages.
const SHARE: f64 = 0.7;
const TRUE_SHARE: f64 = 0.9;
const IDLE_COMMANDS: f64 = 2.0;
const IDLE_PERCENT: f64 = 0.2;
const MEMORY: f64 = 1.05;
/// What an idle worker can ask with; scripts use none of them.
const ASKED: [&str; 8] = ["evalsha", "eval", "xread", "xreadgroup", "ping", "sadd", "hello", "config|get"];
/// As long as the envelope of such a message.
const ENVELOPE: usize = 300;

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    if let Some(why) = redis::not_here() {
        eprintln!("the queue is not measured: {why}");
        return Ok(Vec::new());
    }
    let mut rows = Vec::new();
    for fsync in ["everysec", "always"] {
        rows.push(end_to_end(place, options, fsync)?);
    }
    rows.push(true_jobs(place, options)?);
    rows.extend(idle(place, options)?);
    rows.push(memory(place, options)?);
    Ok(rows)
}

/// An origin and a worker on a Redis of their own.
struct Pair {
    redis: RedisProcess,
    worker: Program,
    _origin: Program,
    address: SocketAddr,
}

impl Pair {
    /// `job`: the executor of the worker and `job_param`.
    fn start(place: &Place, fsync: &str, process: usize, job: [&str; 2]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("queue-").tempdir_in(place.path("."))?.keep();
        let redis = RedisProcess::start(&folder.join("redis"), &["--appendfsync", fsync])?;
        let (address, here) = (free_port()?, folder.display());
        let queue = format!(
            "queue: {{main: {{url: 'redis://{}', sign: for-the-length-of-a-measurement}}}}\n",
            redis.address
        );
        let origin = format!(
            "state_dir: '{here}/origin'\n{queue}\
             trigger: {{events: {{type: http, port: {}, respond: result}}}}\n\
             executor: {{to_workers: {{type: queue, queue: main, topic: t, wait: result}}}}\n\
             router: {{put: {{trigger: events, selector: all, task: {{t: to_workers}}}}}}\n",
            address.port()
        );
        let [executor, param] = job;
        let worker = format!(
            "state_dir: '{here}/worker'\nmax_jobs: {process}\n{queue}\
             trigger: {{work: {{type: queue, queue: main, topic: t, process: {process}}}}}\n\
             executor: {{here: {executor}}}\n\
             router: {{run: {{trigger: work, selector: all, task: {{t: here}}, job_param: {param}}}}}\n"
        );
        let mut started = Vec::new();
        for (name, text) in [("worker", worker), ("origin", origin)] {
            let config = folder.join(format!("{name}.yml"));
            std::fs::write(&config, text)?;
            let mut command = Command::new(place.program("heraldd"));
            command.arg("-config").arg(config).args(["-id", name]);
            started.push(Program::start(&mut command, "no line")?);
        }
        let (Some(mut origin), Some(worker)) = (started.pop(), started.pop()) else { bail!("two started") };
        origin.wait_for_answer(address)?;
        Ok(Self { redis, worker, _origin: origin, address })
    }

    /// Runs so many messages; how many a second.
    fn rate(&self, count: usize) -> Result<f64> {
        rate(self.address, count)
    }
}

/// Each answer is that of a job that has ended.
fn rate(address: SocketAddr, count: usize) -> Result<f64> {
    let request = request(address, "/", r#"{"run":1}"#, false);
    let load = Load { address, request, connections: IN_FLIGHT, pipeline: 1 };
    let answers = run(&load, Until::Count(count))?;
    ensure!(answers.accepted == count, "{} of {count} events were rejected", answers.refused);
    Ok(answers.rate())
}

fn end_to_end(place: &Place, options: &Options, fsync: &str) -> Result<Row> {
    let pair = Pair::start(place, fsync, IN_FLIGHT, ["{type: none}", "{}"])?;
    let count = options.pick(300, 5000);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        ours.push(pair.rate(count)?);
        bare.push(bare_loop(pair.redis.address, count)?);
    }
    let what = format!("messages/s through a queue, {IN_FLIGHT} in flight, appendfsync {fsync}");
    let row = Row::new(what, Unit::PerSecond, Spread::of(&ours)).against("bare loop", Spread::of(&bare));
    Ok(row.goal(Goal::Share(SHARE)))
}

/// XADD, XREADGROUP, XACK and XDEL, with nothing around them: messages a second.
fn bare_loop(address: SocketAddr, count: usize) -> Result<f64> {
    let mut client = RedisClient::connect(address)?;
    client.send(&encoded(&["DEL", "bare"]))?;
    client.answer()?;
    client.send(&encoded(&["XGROUP", "CREATE", "bare", "g", "0", "MKSTREAM"]))?;
    client.answer()?;
    let add = encoded(&["XADD", "bare", "*", "m", &"x".repeat(ENVELOPE)]);
    let read = encoded(&["XREADGROUP", "GROUP", "g", "c", "COUNT", "64", "STREAMS", "bare", ">"]);
    let (started, mut done) = (Instant::now(), 0);
    while done < count {
        client.send(&add.repeat(IN_FLIGHT))?;
        for _ in 0..IN_FLIGHT {
            client.answer()?;
        }
        client.send(&read)?;
        let ids = ids(client.answer()?)?;
        let named = |command: &[&'static str]| -> Vec<u8> {
            encoded(&command.iter().copied().chain(ids.iter().map(String::as_str)).collect::<Vec<_>>())
        };
        let (ack, delete) = (named(&["XACK", "bare", "g"]), named(&["XDEL", "bare"]));
        client.send(&[encoded(&["MULTI"]), ack, delete, encoded(&["EXEC"])].concat())?;
        for _ in 0..4 {
            client.answer()?;
        }
        done += ids.len();
    }
    Ok(done as f64 / started.elapsed().as_secs_f64())
}

/// The ids in an answer to XREADGROUP for one stream.
fn ids(answer: RedisAnswer) -> Result<Vec<String>> {
    let list = |answer: RedisAnswer| match answer {
        RedisAnswer::List(items) => items,
        _ => Vec::new(),
    };
    let stream = list(answer).into_iter().next().context("nothing was read")?;
    let entries = list(stream).pop().context("a stream has entries")?;
    let id = |entry| match list(entry).into_iter().next() {
        Some(RedisAnswer::Text(id)) => Ok(id),
        _ => bail!("an entry has no id"),
    };
    list(entries).into_iter().map(id).collect()
}

fn true_jobs(place: &Place, options: &Options) -> Result<Row> {
    let job = ["{type: local}", "{cmd: /bin/true}"];
    let pair = Pair::start(place, "everysec", AT_ONCE, job)?;
    let address = free_port()?;
    let text = format!(
        "state_dir: '@DIR@/queue-alone'\nmax_jobs: {AT_ONCE}\n\
         trigger: {{events: {{type: http, port: {}, respond: result}}}}\n\
         executor: {{here: {{type: local}}}}\n\
         router: {{run: {{trigger: events, selector: all, task: {{t: here}}, job_param: {{cmd: /bin/true}}}}}}\n",
        address.port()
    );
    let config = place.write("queue-alone.yml", &text)?;
    let mut alone =
        Program::start(Command::new(place.program("heraldd")).arg("-config").arg(config), "no line")?;
    alone.wait_for_answer(address)?;
    let count = options.pick(100, 2000);
    let (mut ours, mut without) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        ours.push(pair.rate(count)?);
        without.push(rate(address, count)?);
    }
    let what = format!("/bin/true jobs/s through a queue, {AT_ONCE} at once");
    let row = Row::new(what, Unit::PerSecond, Spread::of(&ours)).against("local", Spread::of(&without));
    Ok(row.goal(Goal::Share(TRUE_SHARE)))
}

/// What a worker costs that has nothing to do.
fn idle(place: &Place, options: &Options) -> Result<[Row; 2]> {
    let pair = Pair::start(place, "everysec", 4, ["{type: none}", "{}"])?;
    let time = options.pick(Duration::from_secs(3), Duration::from_secs(20));
    std::thread::sleep(Duration::from_secs(3));
    let (commands, cpu) = (asked(&pair.redis)?, pair.worker.cpu()?);
    std::thread::sleep(time);
    let commands = (asked(&pair.redis)? - commands) / time.as_secs_f64();
    let percent = (pair.worker.cpu()? - cpu).as_secs_f64() / time.as_secs_f64() * 100.0;
    // The origin reads results as well, as often as a worker asks.
    let commands =
        Row::new("idle origin and worker: commands/s to Redis", Unit::PerSecond, Spread::one(commands));
    let percent = Row::new("idle worker: CPU", Unit::Percent, Spread::one(percent));
    Ok([commands.goal(Goal::AtMost(2.0 * IDLE_COMMANDS)), percent.goal(Goal::AtMost(IDLE_PERCENT))])
}

/// How often the server was asked, not counting what scripts do.
fn asked(redis: &RedisProcess) -> Result<f64> {
    let calls = ASKED.map(|name| redis.info("commandstats", &format!("cmdstat_{name}")));
    let calls = calls
        .into_iter()
        .filter_map(Result::ok)
        .filter_map(|line| line.strip_prefix("calls=")?.split(',').next()?.parse::<f64>().ok());
    Ok(calls.sum())
}

/// The memory of Redis before and after many messages, once their markers have expired.
fn memory(place: &Place, options: &Options) -> Result<Row> {
    let pair = Pair::start(place, "everysec", IN_FLIGHT, ["{type: none}", "{}"])?;
    let used = || -> Result<f64> {
        let bytes: f64 = pair.redis.info("memory", "used_memory")?.parse()?;
        Ok(bytes / f64::from(1 << 20))
    };
    pair.rate(IN_FLIGHT)?;
    expire_markers(&pair.redis)?;
    let (before, count) = (used()?, options.pick(500, 20_000));
    pair.rate(count)?;
    expire_markers(&pair.redis)?;
    let after = used()?;
    let row =
        Row::new(format!("memory of Redis after {count} messages"), Unit::Mebibytes, Spread::one(after));
    Ok(row.against("before", Spread::one(before)).goal(Goal::Times(MEMORY)))
}

/// Lets every marker expire now.
fn expire_markers(redis: &RedisProcess) -> Result<()> {
    let script = "local n = 0 for _, key in ipairs(redis.call('KEYS', '*:job:*')) do \
                  redis.call('PEXPIRE', key, 1) n = n + 1 end return n";
    redis.ask(&["EVAL", script, "0"])?;
    std::thread::sleep(Duration::from_secs(2));
    let left = redis.ask(&["EVAL", "return #redis.call('KEYS', '*:job:*')", "0"])?;
    ensure!(left == RedisAnswer::Number(0), "markers are left: {left:?}");
    Ok(())
}
