//! Whose turn it is where only so many may be under way at once: jobs at an executor, questions at a selector.
//!
//! Each executor or selector has a lane of its own, so that one that is full keeps nobody from another one. In a lane
//! the routers take turns, and what one router has waiting starts in the order in which it came. While others wait, one
//! router has at most half of the places of its lane.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::origin::Origin;
use crate::event::activation::{Name, NameMap};

/// What waits for its turn together: what one router has of one origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RouterLine {
    pub(super) router: Name,
    pub(super) from: Origin,
}

/// How many may be under way in each lane.
#[derive(Debug, Default)]
pub(super) struct LanePlaces {
    pub(super) of: NameMap<usize>,
    /// For a lane that is not named.
    pub(super) other: usize,
}

impl LanePlaces {
    fn of(&self, lane: &Name) -> usize {
        self.of.get(lane).copied().unwrap_or(self.other).max(1)
    }
}

/// Everything that waits for its turn, and how much is under way.
#[derive(Debug)]
pub(super) struct Turns<T> {
    places: LanePlaces,
    lanes: NameMap<TurnLane<T>>,
    /// The lanes that may have something to start, in the order of their turns.
    open: VecDeque<Name>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { places: LanePlaces::default(), lanes: NameMap::default(), open: VecDeque::new() }
    }
}

#[derive(Debug)]
struct TurnLane<T> {
    places: usize,
    under_way: usize,
    under_way_of: NameMap<usize>,
    waiting: HashMap<RouterLine, VecDeque<T>, RandomState>,
    /// The lines in which something waits, in the order of their turns.
    turns: VecDeque<RouterLine>,
    is_open: bool,
}

impl<T> TurnLane<T> {
    fn new(places: usize) -> Self {
        Self {
            places,
            under_way: 0,
            under_way_of: NameMap::default(),
            waiting: HashMap::default(),
            turns: VecDeque::new(),
            is_open: false,
        }
    }

    fn can_start(&self) -> bool {
        self.under_way < self.places && !self.turns.is_empty()
    }

    fn is_idle(&self) -> bool {
        self.under_way == 0 && self.turns.is_empty()
    }

    /// The first line whose turn it is. One that has its half lets others go first and keeps its turn meanwhile; a
    /// place that nobody else wants it takes all the same.
    fn turn(&self, may_start: &impl Fn(&RouterLine) -> bool) -> Option<usize> {
        let half = self.places.div_ceil(2);
        let mut only_beyond_its_half = None;
        for (at, line) in self.turns.iter().enumerate() {
            if !may_start(line) {
                continue;
            }
            if self.under_way_of.get(&line.router).is_none_or(|under_way| *under_way < half) {
                return Some(at);
            }
            only_beyond_its_half.get_or_insert(at);
        }
        only_beyond_its_half
    }

    fn start_next(&mut self, may_start: &impl Fn(&RouterLine) -> bool) -> Option<T> {
        if !self.can_start() {
            return None;
        }
        let at = self.turn(may_start)?;
        let line = self.turns.remove(at)?;
        let waiting = self.waiting.get_mut(&line)?;
        let next = waiting.pop_front();
        let more = !waiting.is_empty();
        self.start(&line.router);
        if more {
            self.turns.push_back(line);
        } else {
            self.waiting.remove(&line);
        }
        next
    }

    fn start(&mut self, router: &Name) {
        self.under_way += 1;
        match self.under_way_of.get_mut(router) {
            Some(under_way) => *under_way += 1,
            None => drop(self.under_way_of.insert(router.clone(), 1)),
        }
    }

    fn end(&mut self, router: &Name) {
        let Some(under_way) = self.under_way_of.get_mut(router) else { return };
        *under_way -= 1;
        if *under_way == 0 {
            self.under_way_of.remove(router);
        }
        self.under_way -= 1;
    }
}

impl<T> Turns<T> {
    /// So many may be under way from now on. What is under way already stays.
    pub(super) fn set_places(&mut self, places: LanePlaces) {
        self.places = places;
        self.lanes.retain(|_, lane| !lane.is_idle());
        let lanes: Vec<Name> = self.lanes.keys().cloned().collect();
        for name in lanes {
            let places = self.places.of(&name);
            self.lane(&name).places = places;
            self.open(&name);
        }
    }

    /// Waits at the end of its line.
    pub(super) fn push(&mut self, name: &Name, line: RouterLine, item: T) {
        let lane = self.lane(name);
        match lane.waiting.get_mut(&line) {
            Some(waiting) => waiting.push_back(item),
            None => {
                lane.turns.push_back(line.clone());
                lane.waiting.insert(line, VecDeque::from([item]));
            }
        }
        self.open(name);
    }

    /// Starts the next one, among the lanes and lines that may start something.
    pub(super) fn start_next(&mut self, may_start: impl Fn(&Name, &RouterLine) -> bool) -> Option<T> {
        for _ in 0..self.open.len() {
            let name = self.open.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&name) else { continue };
            let next = lane.start_next(&|line: &RouterLine| may_start(&name, line));
            // One that only waits for its lines to be let go stays open.
            lane.is_open = lane.can_start();
            if lane.is_open {
                self.open.push_back(name);
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }

    /// Takes a place, whether one is free or not: for what an earlier process started.
    pub(super) fn start_anyway(&mut self, name: &Name, router: &Name) {
        self.lane(name).start(router);
    }

    /// What was under way is over: its place is free.
    pub(super) fn end(&mut self, name: &Name, router: &Name) {
        if let Some(lane) = self.lanes.get_mut(name) {
            lane.end(router);
            self.open(name);
        }
    }

    /// Takes out what waits and is meant.
    pub(super) fn remove(&mut self, name: &Name, line: &RouterLine, is_meant: impl Fn(&T) -> bool) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        let Some(waiting) = lane.waiting.get_mut(line) else { return };
        waiting.retain(|item| !is_meant(item));
        if waiting.is_empty() {
            lane.waiting.remove(line);
            lane.turns.retain(|other| other != line);
        }
    }

    /// Forgets everything that waits or is under way.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
        self.open.clear();
    }

    /// Whether something waits for which there is a place.
    pub(super) fn can_start(&self) -> bool {
        self.open.iter().any(|name| self.lanes.get(name).is_some_and(TurnLane::can_start))
    }

    /// Whether something waits in a lane and line that count.
    pub(super) fn has_waiting(&self, counts: impl Fn(&Name, &RouterLine) -> bool) -> bool {
        self.lanes.iter().any(|(name, lane)| lane.turns.iter().any(|line| counts(name, line)))
    }

    fn lane(&mut self, name: &Name) -> &mut TurnLane<T> {
        let places = &self.places;
        self.lanes.entry(name.clone()).or_insert_with(|| TurnLane::new(places.of(name)))
    }

    fn open(&mut self, name: &Name) {
        if let Some(lane) = self.lanes.get_mut(name)
            && !lane.is_open
            && lane.can_start()
        {
            lane.is_open = true;
            self.open.push_back(name.clone());
        }
    }
}

#[cfg(test)]
mod tests;
