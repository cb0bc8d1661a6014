//! Any mix, with routers that are paused and executors that take no jobs for a while: no router waits longer than the
//! bound, none starves, no place is lost.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// A job of this router, in this lane.
    Push { lane: usize, router: usize },
    /// As many are started as can be.
    Schedule,
    /// One of those under way is over.
    End(usize),
    /// One of those that wait is taken out.
    Remove(usize),
    /// An earlier process started one.
    Anyway { lane: usize, router: usize },
    /// Another number of places, at a reload.
    Places([usize; 2]),
    /// A router is paused, or resumed.
    Pause(usize),
    /// The executor of a lane takes no jobs, or takes them again.
    Close(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let one = (0usize..2, 0usize..5);
    prop_oneof![
        8 => one.clone().prop_map(|(lane, router)| Step::Push { lane, router }),
        4 => Just(Step::Schedule),
        6 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Remove),
        1 => one.prop_map(|(lane, router)| Step::Anyway { lane, router }),
        1 => (1usize..6, 1usize..6).prop_map(|(one, other)| Step::Places([one, other])),
        2 => (0usize..5).prop_map(Step::Pause),
        1 => (0usize..2).prop_map(Step::Close),
    ]
}

/// What is known of an item: its lane, its router, its number.
type Item = (usize, usize, u64);

fn name(number: usize) -> Name {
    number.to_string().as_str().into()
}

fn line(router: usize) -> RouterLine {
    RouterLine { router: name(router), from: Origin::Outside }
}

fn names(numbers: &HashSet<usize>) -> HashSet<Name> {
    numbers.iter().map(|number| name(*number)).collect()
}

fn toggle(numbers: &mut HashSet<usize>, number: usize) {
    if !numbers.remove(&number) {
        numbers.insert(number);
    }
}

#[derive(Default)]
struct Model {
    turns: Turns<Item>,
    waiting: Vec<Item>,
    under_way: Vec<Item>,
    places: [usize; 2],
    next: u64,
    paused: HashSet<usize>,
    closed: HashSet<usize>,
    /// How often which other router started since this one waits for its turn: by lane, its router, the other one.
    passed: HashMap<(usize, usize), HashMap<usize, usize>>,
}

impl Model {
    fn new() -> Self {
        let mut model = Self::default();
        model.set_places([2, 3]);
        model
    }

    fn set_places(&mut self, places: [usize; 2]) {
        self.places = places;
        let of = places.iter().enumerate().map(|(lane, places)| (name(lane), *places)).collect();
        self.turns.set_places(LanePlaces { of, other: 1 });
    }

    fn under_way(&self, lane: usize, router: Option<usize>) -> usize {
        let is_meant = |item: &&Item| item.0 == lane && router.is_none_or(|router| item.1 == router);
        self.under_way.iter().filter(is_meant).count()
    }

    fn waits(&self, lane: usize, router: usize) -> bool {
        self.waiting.iter().any(|item| (item.0, item.1) == (lane, router))
    }

    fn may_start(&self, lane: usize, router: usize) -> bool {
        !self.paused.contains(&router) && !self.closed.contains(&lane)
    }

    fn has_its_half(&self, lane: usize, router: usize) -> bool {
        self.under_way(lane, Some(router)) >= self.places[lane].div_ceil(2)
    }

    fn started(&mut self, item: Item) {
        let (lane, router, number) = item;
        let first = self.waiting.iter().position(|other| (other.0, other.1) == (lane, router));
        assert_eq!(self.waiting.remove(first.unwrap()).2, number, "in the order in which they came");
        assert!(self.under_way(lane, None) < self.places[lane], "there was a place");
        assert!(self.may_start(lane, router), "it is paused, or its executor takes no jobs");
        for other in (0..5).filter(|other| *other != router) {
            if !self.waits(lane, other) || !self.may_start(lane, other) || self.has_its_half(lane, other) {
                self.passed.remove(&(lane, other));
                continue;
            }
            assert!(!self.has_its_half(lane, router), "more than half while another one waits");
            let passed = self.passed.entry((lane, other)).or_default().entry(router).or_default();
            *passed += 1;
            assert!(*passed <= 1, "twice while another one waits that has less than its half");
        }
        self.passed.remove(&(lane, router));
        self.under_way.push(item);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Push { lane, router } => {
                self.next += 1;
                let item = (lane, router, self.next);
                self.waiting.push(item);
                self.turns.push(&name(lane), line(router), item);
            }
            Step::Schedule => {
                let (paused, closed) = (names(&self.paused), names(&self.closed));
                let may_start =
                    |lane: &Name, line: &RouterLine| !paused.contains(&line.router) && !closed.contains(lane);
                while let Some(item) = self.turns.start_next(may_start) {
                    self.started(item);
                }
                for lane in 0..2 {
                    let idle = self.under_way(lane, None) < self.places[lane];
                    let wanted =
                        self.waiting.iter().any(|item| item.0 == lane && self.may_start(lane, item.1));
                    assert!(!(idle && wanted), "a place is lost");
                }
                assert!(!self.turns.can_start() || !self.paused.is_empty() || !self.closed.is_empty());
            }
            Step::End(at) if !self.under_way.is_empty() => {
                let (lane, router, _) = self.under_way.remove(at % self.under_way.len());
                self.turns.end(&name(lane), &name(router));
            }
            Step::Remove(at) if !self.waiting.is_empty() => {
                let item = self.waiting.remove(at % self.waiting.len());
                self.turns.remove(&name(item.0), &line(item.1), |other| *other == item);
                if !self.waits(item.0, item.1) {
                    self.passed.remove(&(item.0, item.1));
                }
            }
            Step::Anyway { lane, router } => {
                self.under_way.push((lane, router, 0));
                self.turns.start_anyway(&name(lane), &name(router));
            }
            Step::Places(places) => {
                self.set_places(places);
                self.passed.clear();
            }
            Step::Pause(router) => toggle(&mut self.paused, router),
            Step::Close(lane) => toggle(&mut self.closed, lane),
            Step::End(_) | Step::Remove(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn every_line_gets_its_turn_and_no_place_is_lost(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
        }
        // Nothing starves: once all may start and those under way end, one by one, all that waits has started.
        model.paused.clear();
        model.closed.clear();
        let mut rounds = model.waiting.len() + model.under_way.len() + 1;
        while !model.waiting.is_empty() || !model.under_way.is_empty() {
            model.take(&Step::Schedule);
            model.take(&Step::End(0));
            rounds -= 1;
            prop_assert!(rounds > 0, "{:?} wait for ever", model.waiting);
        }
    }
}

#[test]
fn lines_that_may_not_start_keep_their_turn_and_hold_up_nobody() {
    let mut turns = Turns::default();
    turns.set_places(LanePlaces { of: NameMap::default(), other: 10 });
    for router in [1, 2, 1, 2] {
        turns.push(&name(0), line(router), router);
    }
    let only_two = |_: &Name, line: &RouterLine| line.router == name(2);
    assert_eq!(
        [turns.start_next(only_two), turns.start_next(only_two), turns.start_next(only_two)],
        [Some(2), Some(2), None]
    );
    assert!(
        turns.can_start()
            && turns.has_waiting(|_, line| line.from == Origin::Outside)
            && !turns.has_waiting(|_, line| line.from == Origin::Chain)
    );
    assert_eq!(turns.start_next(|_, _| true), Some(1));
}
