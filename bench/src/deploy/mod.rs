//! Measures a deployment to many nodes: each is a herald-runner of its own on this machine, and gets the files of one
//! Git repository. It is compared with a bare loop that does the same with `git` alone, with as many at once as there
//! are processors, and without syncing. The page must show the end of it within a second.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::crash::socket::get;
use crate::options::Options;
use crate::place::{Place, free_port};
use crate::program::{Program, ask};
use crate::spread::Spread;
use crate::table::{Goal, Row, Unit};

/// The goal of the project: the page shows what is live so soon, in milliseconds.
const LIVE: f64 = 1000.0;
const SECRET: &str = "for-the-length-of-a-measurement";
/// Files of one folder, and how many change between two deployments.
const OF_A_FOLDER: usize = 50;
const CHANGED: usize = 20;
const LIMIT: Duration = Duration::from_secs(600);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let (nodes, files) = options.pick((4, 200), (40, 2_000));
    let fleet = DeployedFleet::start(place, nodes, files)?;
    let (first, bare_first) = (fleet.deploy()?, fleet.clone_alone()?);
    let (mut next, mut bare_next, mut live) = (Vec::new(), Vec::new(), vec![first.live]);
    for number in 2..options.runs + 2 {
        fleet.commit(number, CHANGED)?;
        let done = fleet.deploy()?;
        next.push(done.took);
        live.push(done.live);
        bare_next.push(fleet.update_alone(number)?);
    }
    let of = |what: &str| format!("{what} of {files} files to {nodes} nodes");
    Ok(vec![
        Row::new(of("the first deployment"), Unit::Milliseconds, Spread::one(first.took))
            .against("git clone", Spread::one(bare_first)),
        Row::new(of("the next deployment"), Unit::Milliseconds, Spread::of(&next))
            .against("git fetch and checkout", Spread::of(&bare_next)),
        Row::new("  from the last node's switch to the page", Unit::Milliseconds, Spread::of(&live))
            .goal(Goal::AtMost(LIVE)),
        Row::new("  heraldd's memory at its peak", Unit::Mebibytes, Spread::one(fleet.daemon.peak()?)),
    ])
}

/// What one deployment took, in milliseconds.
struct Deployed {
    /// From the request to the record of its end.
    took: f64,
    /// From the moment when the last node had the new files to the screen that shows that all have them.
    live: f64,
}

struct DeployedFleet {
    daemon: Program,
    runners: Vec<Program>,
    nodes: usize,
    files: usize,
    page: SocketAddr,
    folder: PathBuf,
}

impl DeployedFleet {
    fn start(place: &Place, nodes: usize, files: usize) -> Result<Self> {
        let folder = place.path("deploy");
        fs::create_dir(&folder)?;
        let page = free_port()?;
        let mut runners = Vec::new();
        let mut ports = Vec::new();
        for n in 0..nodes {
            let address = free_port()?;
            let port = address.port();
            fs::create_dir_all(folder.join(name(n)))?;
            let text = format!(
                "log_level: warn\nport: {port}\nsecret: {SECRET}\nwork_dir: '@DIR@/deploy/{}/work'\n",
                name(n)
            );
            let config = place.write(&format!("deploy/{}.yml", name(n)), &text)?;
            let mut command = Command::new(place.program("herald-runner"));
            let mut runner = Program::start(command.arg("-config").arg(config), "no line")?;
            runner.wait_for_port(address)?;
            runners.push(runner);
            ports.push(port);
        }
        git(&folder, &["init", "-q", "-b", "main", "origin"])?;
        let config = place.write("deploy.yml", &config(page, &ports))?;
        let mut command = Command::new(place.program("heraldd"));
        let mut daemon = Program::start(command.arg("-config").arg(config), "no line")?;
        daemon.wait_for_port(page)?;
        let fleet = Self { daemon, runners, nodes, files, page, folder };
        fleet.commit(1, files)?;
        fleet.wait_online()?;
        Ok(fleet)
    }

    fn wait_online(&self) -> Result<()> {
        self.wait("the nodes to be online", || {
            let (_, nodes) = self.get("/v1/nodes")?;
            let all = nodes.as_array().context("nodes are a list")?;
            Ok(all.iter().filter(|node| node["state"] == "online").count() == self.nodes)
        })
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
        let began = Instant::now();
        while !is_so()? {
            ensure!(began.elapsed() < LIMIT, "waited in vain for {what}:\n{}", self.daemon.last_lines());
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("state/heraldd.sock")
    }

    fn get(&self, path: &str) -> Result<(u16, Value)> {
        get(&self.socket(), path)
    }

    /// Commits this number in the first so many files.
    fn commit(&self, number: usize, files: usize) -> Result<()> {
        let origin = self.folder.join("origin");
        for n in 0..files {
            let folder = origin.join(format!("folder-{}", n / OF_A_FOLDER));
            fs::create_dir_all(&folder)?;
            let text = format!("{number}\n{}", format!("line of file {n}\n").repeat(100));
            fs::write(folder.join(format!("file-{n}.txt")), text)?;
        }
        git(&origin, &["add", "-A"])?;
        git(&origin, &["commit", "-q", "-m", &format!("number {number}")])?;
        Ok(())
    }

    /// Deploys the newest commit, to its end; and looks at the page as a browser does: whenever the stream announces
    /// something.
    fn deploy(&self) -> Result<Deployed> {
        let revision = git(&self.folder.join("origin"), &["rev-parse", "HEAD"])?;
        let expected = fs::read_to_string(self.folder.join("origin/folder-0/file-0.txt"))?;
        let changes = self.stream()?;
        let began = Instant::now();
        self.http("POST", "/v1/apps/shop/deploy", "{}", "HTTP/1.1 202")?;
        let live = |n: usize| self.folder.join(name(n)).join("shop/current/folder-0/file-0.txt");
        let is_new = |n: usize| fs::read_to_string(live(n)).is_ok_and(|text| text == expected);
        self.wait("the nodes to have the files", || {
            let record = self.newest(&revision)?;
            ensure!(record.as_ref().is_none_or(|record| record["status"] == "succeeded"), "{record:?}");
            Ok((0..self.nodes).all(is_new))
        })?;
        let switched = Instant::now();
        let live = self.shown(&revision, &changes, switched)?;
        self.wait("the record", || Ok(self.newest(&revision)?.is_some()))?;
        let took = began.elapsed();
        for n in [0, self.nodes - 1] {
            let files = count_files(&self.folder.join(name(n)).join("shop/current"))?;
            ensure!(files == self.files, "{} has {files} files", name(n));
        }
        Ok(Deployed { took: milliseconds(took), live: milliseconds(live) })
    }

    /// The record of the deployment of this revision.
    fn newest(&self, revision: &str) -> Result<Option<Value>> {
        let (_, page) = self.get("/v1/apps/shop/deployments?limit=1")?;
        Ok(page["items"].as_array().and_then(|items| items.iter().find(|one| one["to"] == revision)).cloned())
    }

    /// How long after this moment the screen shows that all nodes have the revision.
    fn shown(&self, revision: &str, changes: &Receiver<()>, since: Instant) -> Result<Duration> {
        let short = &revision[..10];
        loop {
            let html = self.http("GET", "/apps/shop", "", "HTTP/1.1 200")?;
            let state = html.split("id=\"commits\"").next().unwrap_or_default();
            let count = |text: &str| state.matches(text).count();
            // Each node, and the application.
            if count("</span> in sync") == self.nodes && count(short) > self.nodes {
                return Ok(since.elapsed());
            }
            let left = LIMIT.saturating_sub(since.elapsed());
            changes.recv_timeout(left).with_context(|| format!("the page does not show {short}"))?;
            while changes.try_recv().is_ok() {}
        }
    }

    /// Whatever the stream of the page announces.
    fn stream(&self) -> Result<Receiver<()>> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.write_all(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let (sender, changes) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                if line.starts_with("event:") && sender.send(()).is_err() {
                    return;
                }
            }
        });
        Ok(changes)
    }

    fn http(&self, method: &str, path: &str, body: &str, expected: &str) -> Result<String> {
        let (page, length) = (self.page, body.len());
        let answer = ask(
            page,
            &format!(
                "{method} {path} HTTP/1.1\r\nHost: {page}\r\nAuthorization: Bearer {SECRET}\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        )?;
        ensure!(answer.starts_with(expected), "{method} {path}: {answer}");
        Ok(answer)
    }

    /// The bare loop for the first deployment: each node gets a clone with its files.
    fn clone_alone(&self) -> Result<f64> {
        let origin = format!("file://{}", self.folder.join("origin").display());
        let here = &self.folder;
        on_all_alone(self.nodes, |n| {
            let folder = format!("bare-{n}");
            git(here, &["clone", "-q", &origin, &folder]).map(drop)
        })
    }

    /// The bare loop for the next one: each clone gets what is new, and writes all files into a new folder.
    fn update_alone(&self, number: usize) -> Result<f64> {
        let here = &self.folder;
        on_all_alone(self.nodes, |n| {
            let (clone, tree) = (here.join(format!("bare-{n}")), format!("../bare-{n}-{number}"));
            git(&clone, &["fetch", "-q", "origin", "main"])?;
            git(&clone, &["worktree", "add", "-q", "--detach", &tree, "FETCH_HEAD"]).map(drop)
        })
    }
}

/// Does something for each node, as many at once as there are processors; in milliseconds.
fn on_all_alone(nodes: usize, one: impl Fn(usize) -> Result<()> + Sync) -> Result<f64> {
    let (next, at_once) = (AtomicUsize::new(0), std::thread::available_parallelism()?.get());
    let began = Instant::now();
    std::thread::scope(|scope| -> Result<()> {
        let work = || -> Result<()> {
            loop {
                match next.fetch_add(1, Ordering::Relaxed) {
                    n if n >= nodes => return Ok(()),
                    n => one(n)?,
                }
            }
        };
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let Ok(done) = worker.join() else { bail!("a thread panicked") };
            done?;
        }
        Ok(())
    })?;
    Ok(milliseconds(began.elapsed()))
}

impl Drop for DeployedFleet {
    /// All end at the same time.
    fn drop(&mut self) {
        for program in std::iter::once(&mut self.daemon).chain(&mut self.runners) {
            let _ = program.signal(Signal::TERM);
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn name(node: usize) -> String {
    format!("node{node:03}")
}

/// Runs `git` and returns what it prints.
fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).env("LC_ALL", "C.UTF-8").env("GIT_CONFIG_NOSYSTEM", "1");
    for (name, value) in [("NAME", "bench"), ("EMAIL", "bench@example.com")] {
        command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    let output = command.output().context("git")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn count_files(folder: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { count_files(&entry.path())? } else { 1 };
    }
    Ok(count)
}

fn config(page: SocketAddr, ports: &[u16]) -> String {
    let nodes: String = ports
        .iter()
        .enumerate()
        .map(|(n, port)| format!("  {}: {{host: 'http://127.0.0.1:{port}/', secret: {SECRET}}}\n", name(n)))
        .collect();
    let paths: Vec<String> =
        (0..ports.len()).map(|n| format!("{0}: {{path: '@DIR@/deploy/{0}/shop'}}", name(n))).collect();
    format!(
        "log: {{level: warn}}\nstate_dir: '@DIR@/deploy/state'\nheartbeat: 1s\n\
         access: {{token: {{bench: {{secret: {SECRET}, role: admin}}}}}}\npage: {{port: {}}}\n\
         node:\n{nodes}\
         app:\n\
         \x20 shop:\n\
         \x20   {{repo: '@DIR@/deploy/origin', type: git, revision: main, mode: releases, keep: 2, timeout: 10m,\n\
         \x20   strategy: {{max_parallel: {}}}, nodes: {{{}}}}}\n",
        page.port(),
        ports.len(),
        paths.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_a_place_of_its_own() {
        let text = config(([127, 0, 0, 1], 9000).into(), &[9001, 9002]);
        for part in [
            "page: {port: 9000}",
            "  node001: {host: 'http://127.0.0.1:9002/', secret: ",
            "node000: {path: '@DIR@/deploy/node000/shop'}, node001: {path: '@DIR@/deploy/node001/shop'}",
            "max_parallel: 2",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), "").unwrap();
        fs::write(folder.path().join("c"), "").unwrap();
        assert_eq!(count_files(folder.path()).unwrap(), 2);
    }
}
