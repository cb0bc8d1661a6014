//! Kills the daemon under load, by SIGKILL or SIGTERM, at random moments, and starts it again.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::load::Clients;
use super::random::Random;
use super::rig::{self, Rig};
use super::verdict::{self, Verdict};
use crate::place::Place;

/// Time limit for a daemon to reach a failpoint that no daemon has reached yet.
const PATIENCE: Duration = Duration::from_secs(4);

/// SIGKILL at a random moment, also before the daemon is ready.
pub(crate) fn kill(place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    let rig = Rig::local(place, "kill", None)?;
    for round in 0..rounds {
        // One in eight is ended while it starts.
        let daemon = if round > 0 && random.below(8) == 0 { rig.launch()? } else { rig.start()? };
        let clients = Clients::start(rig.address, &rig.sent);
        if round == 0 {
            clients.wait_for_one(&rig.sent);
        }
        std::thread::sleep(random.millis(0, 120));
        rig::end(daemon, Signal::KILL)?;
        clients.stop();
        progress("kill", round, rounds, &rig);
    }
    verdict::reach(&rig, rounds)
}

/// SIGTERM at a random moment: the daemon has its grace period, so not even a recorded loss is allowed.
pub(crate) fn term(place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    let rig = Rig::local(place, "term", None)?;
    for round in 0..rounds {
        let daemon = rig.start()?;
        let clients = Clients::start(rig.address, &rig.sent);
        if round == 0 {
            clients.wait_for_one(&rig.sent);
        }
        std::thread::sleep(random.millis(0, 120));
        rig::end(daemon, Signal::TERM)?;
        clients.stop();
        progress("term", round, rounds, &rig);
    }
    let verdict = verdict::reach(&rig, rounds)?;
    ensure!(verdict.marked == 0, "{} jobs were lost in a clean stop", verdict.marked);
    Ok(verdict)
}

/// A failpoint at every step between acceptance and result of a local job, also while a daemon recovers the unfinished
/// work of the previous one.
pub(crate) fn failpoints(
    place: &Place,
    rounds: u64,
    random: &mut Random,
    programs: &Path,
    names: &[String],
) -> Result<Verdict> {
    let mut rig = Rig::local(place, "failpoint", None)?.with_programs(programs);
    let swept = sweep(&mut rig, rounds, (random.millis(80, 120), names))?;
    verdict::reach(&rig, swept)
}

/// The daemon ends itself at each failpoint, the first, second or third time that it is reached. A daemon that has not
/// reached it after this time under load is killed. Returns the number of daemons.
pub(crate) fn sweep(rig: &mut Rig, rounds: u64, (time, names): (Duration, &[String])) -> Result<u64> {
    let mut passed = std::collections::HashSet::new();
    let mut daemons = 0;
    for again in 0..rounds {
        for (name, nth) in names.iter().flat_map(|name| (1..=3).map(move |nth| (name, nth))) {
            rig.failpoint = Some(format!("{name}:{nth}"));
            // On a busy machine the first time may take long; that it is passed at all has to be seen once.
            let patience = if passed.contains(name) { time } else { PATIENCE.max(time) };
            if at_failpoint(rig, patience)? {
                passed.insert(name.clone());
            }
            daemons += 1;
        }
        progress("failpoint", again, rounds, rig);
    }
    rig.failpoint = None;
    let missed: Vec<&String> = names.iter().filter(|name| !passed.contains(*name)).collect();
    ensure!(missed.is_empty(), "these failpoints were never reached: {missed:?}");
    Ok(daemons)
}

/// One daemon under load, until it has ended itself or is killed. Returns whether it reached the failpoint.
fn at_failpoint(rig: &Rig, time: Duration) -> Result<bool> {
    let mut daemon = rig.launch()?;
    let clients = daemon.wait_for_port(rig.address).is_ok().then(|| Clients::start(rig.address, &rig.sent));
    let began = Instant::now();
    while !daemon.has_ended()? && began.elapsed() < time {
        std::thread::sleep(Duration::from_millis(1));
    }
    let came_by = daemon.has_ended()?;
    rig::end(daemon, Signal::KILL)?;
    clients.into_iter().for_each(Clients::stop);
    Ok(came_by)
}

/// Prints the progress from time to time.
pub(crate) fn progress(kind: &str, round: u64, rounds: u64, rig: &Rig) {
    if (round + 1).is_multiple_of(100) {
        eprintln!("{kind}: {} of {rounds} rounds, {} events acknowledged", round + 1, rig.sent.count());
    }
}
