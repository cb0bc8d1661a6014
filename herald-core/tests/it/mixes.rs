//! Random mixes of everything that moves a job from one place to another: retries, pools, debounces, time limits,
//! messages of a queue, chains, jobs that are run again, pauses, executors that take no jobs for a while, cancellations
//! and reloads. No router waits longer than its turn, nothing waits for ever, and once all is done every place is free.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::activation::{EventSink, Name, NewEvent, Refused};
use herald_core::clock::SystemClock;
use herald_core::dispatcher::{Dispatcher, Handle, PausedRouters, Setup};
use herald_core::executor::Executor;
use herald_core::job::Job;
use herald_core::journal::{MemoryJournal, Record};
use herald_core::plan::{Limits, Plan};
use herald_core::selector::{Answer, Question, Selector};
use herald_core::trigger::ComponentError;
use herald_core::watch::Watch;
use herald_core::workflow::{KnownComponents, read};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::doubles::{AtOnce, Gated, Worker, Yes, params};

/// Each with a trigger of its own and with the executors of its tasks. The first three have nothing but turns to wait
/// for.
const ROUTERS: [&str; 9] =
    ["plain0", "plain1", "plain2", "retry", "pool", "ordered", "replace", "debounce", "slow"];
const PLAIN: usize = 3;
const EXECUTORS: [&str; 3] = ["work", "more", "gated"];
/// Places of `more` and `gated`.
const FEW: usize = 2;
const MAX_QUEUE: usize = 400;
/// Jobs of the router `pool` side by side, and how many of it may wait.
const POOL: usize = 2;
const POOL_QUEUE: usize = 6;
/// Longer than any mix can take.
const FOR_EVER: Duration = Duration::from_secs(100_000);

fn policy(router: &str) -> Value {
    match router {
        "retry" => json!({"retry": {"max": 2, "delay": "10ms"}}),
        "pool" => json!({
            "concurrency": {"limit": POOL, "key": "trigger_param/key"}, "queue_limit": POOL_QUEUE,
            "retry": {"max": 1, "delay": "5ms"},
        }),
        "ordered" => json!({
            "concurrency": {"limit": 1, "ordered": true}, "retry": {"max": 2, "delay": "20ms"},
        }),
        "replace" => json!({"concurrency": {"limit": 1, "on_full": "replace"}, "timeout": "30ms"}),
        "debounce" => json!({"debounce": "15ms", "concurrency": {"limit": 1, "on_full": "skip"}}),
        _ => json!({}),
    }
}

/// Yes for the end of every job but those of chains.
struct First;

#[async_trait]
impl Selector for First {
    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        Ok((question.trigger_param.get("router") == Some(&json!("retry"))).into())
    }
}

/// One step of a mix.
#[derive(Debug, Clone)]
enum Step {
    /// An event. One of a queue is watched, as the message is acknowledged once its jobs have ended.
    Post {
        router: usize,
        key: u64,
        sleep: u64,
        fails: bool,
        of_queue: bool,
    },
    /// One of the jobs that wait or run is cancelled.
    Cancel(usize),
    /// One of those that have ended runs again, as somebody asked.
    Again(usize),
    /// These routers are paused, and no others.
    Pause(Vec<usize>),
    /// Whether `gated` takes jobs.
    Gate(bool),
    /// Another plan: so many places, without one of the routers, with or without policies.
    Reload {
        places: usize,
        without: Option<usize>,
        has_policies: bool,
    },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let router = 0..ROUTERS.len();
    prop_oneof![
        16 => (router.clone(), 0u64..2, 0u64..60, any::<bool>(), any::<bool>()).prop_map(
            |(router, key, sleep, fails, of_queue)| Step::Post { router, key, sleep, fails, of_queue }
        ),
        3 => any::<usize>().prop_map(Step::Cancel),
        2 => any::<usize>().prop_map(Step::Again),
        2 => proptest::collection::vec(router.clone(), 0..4).prop_map(Step::Pause),
        2 => any::<bool>().prop_map(Step::Gate),
        2 => (1usize..6, proptest::option::of(router), any::<bool>()).prop_map(
            |(places, without, has_policies)| Step::Reload { places, without, has_policies }
        ),
        6 => (0u64..40).prop_map(Step::Wait),
    ]
}

/// What is turned by hand, and when: at which record.
#[derive(Debug, Clone)]
struct Turned {
    at: usize,
    paused: HashSet<usize>,
    is_open: bool,
    places: usize,
}

struct World {
    worker: Worker,
    is_open: Arc<AtomicBool>,
    journal: Arc<MemoryJournal>,
    dispatcher: Dispatcher,
    watches: Vec<Arc<Watch>>,
    turned: Vec<Turned>,
}

impl World {
    fn start(places: usize) -> Self {
        let (worker, is_open) = (Worker::default(), Arc::new(AtomicBool::new(true)));
        let journal = Arc::new(MemoryJournal::keeping(1_000_000));
        let plan = plan(&worker, &is_open, None, true);
        let setup = Setup::new(plan, limits(places), journal.clone(), Arc::new(SystemClock));
        let dispatcher = Dispatcher::start(setup);
        let turned = vec![Turned { at: 0, paused: HashSet::new(), is_open: true, places }];
        Self { worker, is_open, journal, dispatcher, watches: Vec::new(), turned }
    }

    fn handle(&self) -> &Handle {
        self.dispatcher.handle()
    }

    async fn post(&self, router: usize, key: u64, sleep: u64) -> Result<Name, Refused> {
        let event = params(json!({"key": key, "sleep": sleep}));
        self.handle().accept(ROUTERS[router].into(), event).await
    }

    fn jobs(&self, is_meant: impl Fn(&Record) -> Option<&Arc<Job>>) -> Vec<Arc<Job>> {
        self.journal.records().iter().filter_map(|record| is_meant(record).cloned()).collect()
    }

    /// Those that wait or run, in the order in which they were made.
    fn open_jobs(&self) -> Vec<Name> {
        let mut open = Vec::new();
        for record in self.journal.records() {
            match record {
                Record::Queued { job, .. } => open.push(job.id.clone()),
                Record::Ended { job, .. } => open.retain(|id| *id != job.id),
                _ => {}
            }
        }
        open
    }

    /// Notes what is turned from now on. What was decided before may still be recorded.
    async fn turn(&mut self, turn: impl FnOnce(&mut Turned)) {
        let mut turned = self.turned.last().unwrap().clone();
        turn(&mut turned);
        let routers: PausedRouters =
            turned.paused.iter().map(|router| (Name::from(ROUTERS[*router]), None)).collect();
        self.is_open.store(turned.is_open, Ordering::SeqCst);
        self.handle().pause(routers).await;
        self.handle().look_at_executors().await;
        turned.at = self.journal.records().len();
        self.turned.push(turned);
    }

    async fn reload(&mut self, places: usize, without: Option<usize>, has_policies: bool) {
        let plan = plan(&self.worker, &self.is_open, without, has_policies);
        self.handle().replace(plan, limits(places)).await;
        self.turn(|turned| turned.places = places).await;
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Post { router, key, sleep, fails, of_queue } => {
                let mut event = json!({"key": key, "sleep": sleep});
                if fails {
                    event["fail"] = json!("as asked");
                }
                let watch = of_queue.then(Watch::new);
                // As of a message that another worker had, of which nobody knows how it ended.
                let lost = of_queue && fails && key == 1;
                if lost {
                    event["_queue"] = json!({"lost": "its worker is gone"});
                }
                let new = NewEvent {
                    lost,
                    watch: watch.clone(),
                    ..NewEvent::new(ROUTERS[router].into(), params(event))
                };
                if self.handle().accept_event(new).await.is_ok() {
                    self.watches.extend(watch);
                }
            }
            Step::Cancel(which) => {
                let jobs = self.open_jobs();
                if !jobs.is_empty() {
                    let _ = self.handle().cancel(&jobs[which % jobs.len()], "enough", None).await;
                }
            }
            Step::Again(which) => {
                let jobs = self.jobs(|record| match record {
                    Record::Ended { job, .. } if job.chain_depth == 0 => Some(job),
                    _ => None,
                });
                if !jobs.is_empty() {
                    let job = jobs[which % jobs.len()].as_ref().clone();
                    let _ = self.handle().again(Job { rerun: true, ..job }, None).await;
                }
            }
            Step::Pause(routers) => self.turn(|turned| turned.paused = routers.into_iter().collect()).await,
            Step::Gate(is_open) => self.turn(|turned| turned.is_open = is_open).await,
            Step::Reload { places, without, has_policies } => {
                self.reload(places, without, has_policies).await
            }
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
    }

    /// Returns once nothing waits and nothing runs.
    async fn rest(&self) {
        let all_done = tokio::time::timeout(FOR_EVER, self.handle().idle()).await;
        assert!(all_done.is_ok(), "something waits for ever: {:?}", self.handle().status().await);
        let status = self.handle().status().await.unwrap();
        assert_eq!((status.waiting, status.running), (0, 0));
    }

    fn started(&self, router: usize, task: &str) -> usize {
        self.worker.diary.count(&format!("start {}/{task}", ROUTERS[router]))
    }
}

fn limits(places: usize) -> Limits {
    Limits { max_jobs: places, max_queue: MAX_QUEUE, ..Limits::default() }
}

fn plan(worker: &Worker, is_open: &Arc<AtomicBool>, without: Option<usize>, has_policies: bool) -> Plan {
    let mut routers = serde_json::Map::new();
    for (n, name) in ROUTERS.iter().enumerate().filter(|(n, _)| Some(*n) != without) {
        let task = match n < PLAIN {
            true => json!({"work": "work", "more": "more", "gated": "gated"}),
            false => json!({"work": "work"}),
        };
        let selector = if *name == "slow" { "slow" } else { "yes" };
        let policy = if has_policies { policy(name) } else { json!({}) };
        let router = json!({"trigger": name, "selector": selector, "task": task, "policy": policy});
        routers.insert((*name).to_owned(), router);
    }
    routers.insert(
        "after".to_owned(),
        json!({"trigger": "exe_done", "selector": "first", "task": {"k": "more"}}),
    );
    let known = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), None)).collect();
    let components = KnownComponents {
        triggers: known(&ROUTERS),
        selectors: known(&["yes", "slow", "first"]),
        executors: known(&EXECUTORS),
        secrets: None,
    };
    let (workflow, problems) = read(&Value::Object(routers), &Value::Null, &components);
    assert!(problems.is_empty(), "{problems:?}");
    let gated = Gated { worker: worker.clone(), is_open: is_open.clone() };
    let slow = AtOnce { questions: 2, takes: Duration::from_millis(7) };
    Plan {
        workflow,
        selectors: [
            ("yes".into(), Arc::new(Yes) as Arc<dyn Selector>),
            ("slow".into(), Arc::new(slow) as _),
            ("first".into(), Arc::new(First) as _),
        ]
        .into_iter()
        .collect(),
        executors: [
            ("work".into(), Arc::new(worker.clone()) as Arc<dyn Executor>),
            ("more".into(), Arc::new(worker.clone()) as _),
            ("gated".into(), Arc::new(gated) as _),
        ]
        .into_iter()
        .collect(),
        max_jobs: [("more".into(), FEW), ("gated".into(), FEW)].into_iter().collect(),
        ..Plan::default()
    }
}

/// Every job reaches one verdict, no executor runs more than it may, and nobody passes another router twice.
fn check_records(records: &[Record], turned: &[Turned]) {
    let mut ends: HashMap<Name, usize> = HashMap::new();
    let (mut queued, mut lanes) = (HashSet::new(), EXECUTORS.map(|_| Lane::default()));
    let mut turned = turned.iter().peekable();
    let mut now = turned.peek().copied().unwrap();
    for (at, record) in records.iter().enumerate() {
        while let Some(next) = turned.next_if(|next| next.at <= at) {
            lanes.iter_mut().for_each(|lane| lane.passed.clear());
            now = next;
        }
        let lane_of = |job: &Job| EXECUTORS.iter().position(|name| **name == *job.executor).unwrap();
        match record {
            Record::Queued { job, .. } => {
                queued.insert(job.id.clone());
                lanes[lane_of(job)].wait(job);
            }
            Record::Started { job, .. } => {
                let places = if &*job.executor == "work" { now.places } else { FEW };
                lanes[lane_of(job)].start(job, places, |router| {
                    !now.paused.contains(&router) && (now.is_open || &*job.executor != "gated")
                });
            }
            Record::AttemptEnded { job, .. } => lanes[lane_of(job)].end(job),
            Record::Ended { job, .. } => {
                lanes[lane_of(job)].end(job);
                *ends.entry(job.id.clone()).or_default() += 1;
            }
            Record::Accepted { .. } | Record::Routed { .. } | Record::Reached(_) => {}
        }
    }
    assert!(ends.values().all(|ends| *ends == 1), "a job ended twice");
    assert!(queued.iter().all(|id| ends.contains_key(id)), "a job has no verdict");
}

/// What waits and runs at one executor.
#[derive(Default)]
struct Lane {
    /// Of plain routers, which wait for nothing else than their turn.
    waiting: HashMap<Name, usize>,
    running: HashMap<Name, Name>,
    /// How often which other router started since a plain one waits for its turn.
    passed: HashMap<usize, HashMap<Name, usize>>,
}

impl Lane {
    fn wait(&mut self, job: &Job) {
        if let Some(router) = ROUTERS[..PLAIN].iter().position(|router| **router == *job.router) {
            self.waiting.insert(job.id.clone(), router);
        }
    }

    fn start(&mut self, job: &Job, places: usize, may_start: impl Fn(usize) -> bool) {
        self.waiting.remove(&job.id);
        let half = places.div_ceil(2);
        for (router, name) in ROUTERS[..PLAIN].iter().enumerate() {
            let waits = self.waiting.values().any(|waiting| *waiting == router);
            let runs = self.running.values().filter(|running| ***running == **name).count();
            if **name == *job.router || !waits || !may_start(router) || runs >= half {
                self.passed.remove(&router);
                continue;
            }
            let passed = self.passed.entry(router).or_default().entry(job.router.clone()).or_default();
            *passed += 1;
            // One of the two may have been decided before the other router lined up.
            assert!(*passed <= 2, "{} started {passed} times while {name} waits", job.router);
        }
        self.running.insert(job.id.clone(), job.router.clone());
    }

    fn end(&mut self, job: &Job) {
        self.waiting.remove(&job.id);
        self.running.remove(&job.id);
    }
}

/// As many start, wait and are asked as in a world in which nothing was.
async fn every_place_is_free(world: &mut World) {
    let places = 8;
    world.turn(|turned| *turned = Turned { paused: HashSet::new(), is_open: true, ..turned.clone() }).await;
    world.reload(places, None, true).await;
    world.rest().await;
    for watch in &world.watches {
        let ended = tokio::time::timeout(Duration::from_secs(1), watch.ended()).await;
        assert!(ended.is_ok(), "a message is not acknowledged");
    }
    let soon = || tokio::time::sleep(Duration::from_millis(500));
    let index = |name: &str| ROUTERS.iter().position(|router| *router == name).unwrap();
    let tasks = [("work", places), ("more", FEW), ("gated", FEW)];
    let before = tasks.map(|(task, _)| world.started(0, task));
    for _ in 0..places + 3 {
        world.post(0, 0, 1000).await.unwrap();
    }
    soon().await;
    for ((task, free), before) in tasks.into_iter().zip(before) {
        assert_eq!(world.started(0, task) - before, free, "places of {task}");
    }
    world.rest().await;
    for (name, posted, side_by_side) in
        [("pool", POOL + POOL_QUEUE + 3, POOL), ("ordered", 3, 1), ("replace", 3, 1), ("debounce", 1, 1)]
    {
        let (router, before) = (index(name), world.started(index(name), "work"));
        for _ in 0..posted {
            world.post(router, 1, 1000).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(world.started(router, "work") - before, side_by_side, "{name}");
        if name == "pool" {
            assert_eq!(world.handle().status().await.unwrap().waiting, POOL_QUEUE, "queue_limit");
        }
        world.rest().await;
    }
    let (slow, before) = (index("slow"), world.started(index("slow"), "work"));
    for _ in 0..6 {
        world.post(slow, 0, 0).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(25)).await;
    assert_eq!(world.started(slow, "work") - before, 6, "two questions at once");
    world.rest().await;
}

/// How many events of one trigger wait at most, with its router paused.
async fn share_of_the_queue(world: &mut World) -> usize {
    world.turn(|turned| turned.paused = [1].into()).await;
    let mut taken = 0;
    while world.post(1, 0, 0).await.is_ok() {
        taken += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.turn(|turned| turned.paused.clear()).await;
    world.rest().await;
    taken
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn nobody_waits_longer_than_its_turn_and_no_place_is_lost(
        steps in proptest::collection::vec(step(), 1..100),
        places in 1usize..5,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::start(places);
            for step in steps {
                world.take(step).await;
            }
            every_place_is_free(&mut world).await;
            let of_new = share_of_the_queue(&mut World::start(1)).await;
            assert_eq!(share_of_the_queue(&mut world).await, of_new, "share of the queue");
            check_records(&world.journal.records(), &world.turned);
        });
    }
}
