//! A queue with an origin, several workers and a real Redis, each of which is killed, stopped, flushed, cut off or
//! replaced by its replica at random moments while events are posted.

pub(crate) mod evidence;

mod fault;
mod judge;
mod pair;
mod scene;

use anyhow::Result;

use super::random::Random;
use super::verdict::Verdict;
use crate::place::Place;
use fault::Fault;
use scene::Scene;

/// Runs the rounds. Each prints what it did and what every process was doing then.
pub(crate) fn queue(place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    let mut scene = Scene::start(place, random)?;
    for round in 0..rounds {
        scene.post()?;
        std::thread::sleep(random.millis(50, 500));
        let first = Fault::pick(random);
        // One in three rounds has a second fault while the first one lasts.
        let second = Some(Fault::pick(random)).filter(|second| random.below(3) == 0 && second.fits(first));
        let before = scene.activity();
        let also = second.map(|second| format!(", meanwhile {second}")).unwrap_or_default();
        eprintln!("queue {}/{rounds}: {first}{also}; before: {before}", round + 1);
        first.begin(&mut scene, random)?;
        std::thread::sleep(first.lasts(random) / 2);
        if let Some(second) = second {
            second.begin(&mut scene, random)?;
            std::thread::sleep(second.lasts(random));
            second.end(&mut scene)?;
        }
        std::thread::sleep(first.lasts(random) / 2);
        first.end(&mut scene)?;
        std::thread::sleep(random.millis(0, 300));
        scene.stop_posting();
    }
    judge::reach(&mut scene, rounds)
}
