//! Contract, section 13: queues between servers, with a real Redis that each test starts.
//!
//! | sentence | test |
//! |---|---|
//! | Section `queue`; `sign` is a secret of 16 bytes or more | `commands::a_sign_is_required` |
//! | Unsigned, altered or replayed messages are never run | `dead::unsigned_altered_and_replayed_messages_do_not_run` |
//! | While Redis is down the receiving daemon still accepts events durably | `flow::a_request_while_redis_is_away_runs_later` |
//! | each message on one of all workers, `process` at once | `flow::each_message_runs_once_and_all_workers_are_used` |
//! | With `wait: result` the job ends as the worker's jobs ended, with `result.node.NAME` | `flow::the_result_is_that_of_the_worker`, `every::a_result_has_the_results_of_all_nodes_that_must_answer` |
//! | `delay` | `flow::a_delayed_message_survives_every_worker` |
//! | `every`: each node runs each message once, also those that came while it was away | `every::each_node_runs_each_message_once_also_one_that_was_away` |
//! | `retain` | `every::a_node_that_was_away_for_too_long_is_shown_the_gap` |
//! | when a worker dies, its job becomes `lost` at the origin | `faults::a_worker_that_is_killed_loses_its_job_once`, `stop::a_job_that_outlives_the_grace_is_lost` |
//! | and again only where `requeue.on` allows it | `faults::a_worker_that_is_killed_is_replaced_where_lost_is_requeued` |
//! | a worker that lost its lease can neither renew it nor report a result, and its process is killed | `faults::a_worker_that_stood_still_is_fenced` |
//! | A job may run longer than its lease | `flow::a_job_runs_longer_than_its_lease` |
//! | Messages with one `key` run one at a time and in order over all workers | `flow::messages_with_one_key_run_one_at_a_time_and_in_order` |
//! | without one, one process runs them in the order of the puts | `flow::one_process_runs_in_the_order_of_the_puts` |
//! | Past `max_deliveries`: dead letters, `queue_dead` | `dead::a_message_that_kills_its_worker_becomes_a_dead_letter` |
//! | Past `requeue.max`; `delay` and `backoff` | `dead::requeued_messages_wait_longer_each_time_and_end_as_dead_letters` |
//! | Past `max_age` | `flow::an_old_message_does_not_run` |
//! | or malformed | `dead::what_is_no_message_does_not_end_the_worker` |
//! | Redis unreachable; `/readyz` stays 200 and says so; metrics; `status` | `commands::a_queue_that_cannot_be_reached_is_named_everywhere` |
//! | stopped | `faults::a_redis_that_stands_still_takes_no_lease` |
//! | restarted | `faults::a_restart_of_redis_loses_nothing`, `faults::an_empty_redis_after_a_restart_loses_nothing` |
//! | flushed | `faults::a_flush_loses_nothing`, `faults::a_deleted_stream_loses_nothing`, `faults::forgotten_scripts_are_loaded_again` |
//! | consumer group destroyed | `faults::deleted_keys_lose_nothing` |
//! | full | `stop::a_redis_without_memory_delays_messages` |
//! | the origin killed | `faults::an_origin_that_is_killed_after_a_put_puts_nothing_twice`, `faults::an_origin_that_restarts_joins_its_messages`, `faults::an_end_that_came_while_the_origin_was_away_is_used` |
//! | ends while Redis is away | `faults::an_end_while_redis_is_away_is_reported_once` |
//! | eviction policies other than `noeviction`, and `durable: sync` without `appendfsync always`, are refused at start; `check --probe` | `commands::a_redis_that_is_not_fit_is_not_used`, `commands::a_redis_that_is_not_fit_any_more_is_named` |
//! | Finished messages leave nothing behind in Redis but a marker that expires | `flow::finished_messages_leave_only_what_expires` |
//! | On SIGTERM unstarted messages are released to other workers at once | `stop::sigterm_gives_back_what_has_not_started` |
//! | a reload keeps what runs | `stop::a_reload_keeps_the_messages_that_run`, `stop::a_removed_trigger_finishes_what_it_runs` |
//! | Back-pressure: topic full → jobs wait → `max_queue` → 503 | `stop::a_full_topic_holds_back_its_origins` |
//! | `heraldd queue [TOPIC]`, `queue show ID`; `/v1/queues`; metrics | `commands::topics_are_shown`, `commands::messages_are_shown` |
//! | `queue dead TOPIC`, `queue requeue ID`, `--all TOPIC` | `commands::dead_letters_are_listed_and_requeued` |
//! | `queue pause`, `resume TOPIC` | `commands::a_topic_is_paused_for_all_workers` |
//! | `queue forget NODE` | `every::a_forgotten_node_holds_nothing_back` |
//! | a cancelled job whose message no worker has is never run | `flow::a_cancelled_job_that_no_worker_has_never_runs` |
//! | secrets are encrypted in Redis | `flow::redis_holds_no_secret` |
//! | `heraldd import go-git-webhooks -- FLAGS` | `flow::the_lines_of_the_seed_work_through_the_queue` |
//! | `wire: list` on both sides speaks the original's Redis list, so that either side can be swapped alone | `list::what_the_original_pushes_runs`, `list::the_original_gets_what_is_put`, `list::both_sides_with_a_list` |
//! | an item that was taken is not lost, and does not run twice | `list::a_started_item_does_not_run_again` |

mod commands;
mod dead;
mod every;
mod faults;
mod flow;
mod list;
mod stop;

use std::ops::Deref;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::daemon::{DONE, Daemon};
use e2e::http::{Message, Response, send_unix};
use e2e::place::Place;
use e2e::program::Ended;
use e2e::redis::RedisServer;
use e2e::wait::{stays, until};
use serde_json::{Value, json};

const SIGN: &str = "a-secret-of-the-tests";

/// A daemon with a name on queues and a folder of its own.
struct Node {
    name: String,
    place: Place,
    config: PathBuf,
    daemon: Daemon,
}

impl Deref for Node {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl Node {
    /// Starts one. `@NAME@` in its configuration is replaced by its name.
    fn start(name: &str, config: &str) -> Self {
        let node = Self::begin(name, config);
        node.wait_for(&["heraldd is ready"]);
        node
    }

    /// The same, without waiting until it is ready.
    fn begin(name: &str, config: &str) -> Self {
        let place = Place::new();
        let config = place.config(&config.replace("@NAME@", name));
        let daemon = run(&place, &config, name);
        Self { name: name.to_owned(), place, config, daemon }
    }

    /// Kills it, as a crash does. The processes of its jobs may go on.
    fn kill(&self) {
        self.signal("KILL");
        assert_eq!(self.wait_end(), None);
    }

    /// Starts it with the state that it has, after its end.
    fn start_again(&mut self) {
        self.daemon = run(&self.place, &self.config, &self.name);
        self.wait_for(&["heraldd is ready"]);
    }

    fn get(&self, path: &str) -> Response {
        let headers = [("Host", "localhost"), ("Connection", "close")];
        send_unix(&self.place.path("state/heraldd.sock"), &Message::request("GET", path, &headers, b""))
    }

    /// Runs `heraldd queue` with these arguments against it.
    fn queue(&self, arguments: &[&str]) -> Ended {
        self.command(&[&["queue"], arguments].concat())
    }

    /// Runs a command against it.
    fn command(&self, arguments: &[&str]) -> Ended {
        self.place.run("heraldd", &[arguments, &["--socket", "@DIR@/state/heraldd.sock"]].concat())
    }

    /// The jobs in its history whose router is this one.
    fn jobs(&self, router: &str) -> Vec<Value> {
        let page = self.get("/v1/jobs?limit=1000").json();
        let all = page["items"].as_array().unwrap();
        all.iter().filter(|job| job["router"] == *router).cloned().collect()
    }

    /// The topic as the API shows it.
    fn topic(&self, topic: &str) -> Value {
        self.get(&format!("/v1/queues/main/topics/{topic}")).json()
    }
}

fn run(place: &Place, config: &std::path::Path, name: &str) -> Daemon {
    Daemon::run(place.command("heraldd", config).arg("-id").arg(name))
}

/// The section of a queue `main` on this server.
fn section(server: &RedisServer) -> String {
    format!("state_dir: '@DIR@/state'\nqueue:\n  main: {{url: '{}', sign: {SIGN}}}\n", server.url())
}

/// A daemon that puts what is posted to `manual` into the topic `t`.
fn origin(server: &RedisServer, executor: &str, job_param: &str) -> String {
    format!(
        "{}
trigger:
  manual: {{type: http, port: 0, max_body: 4194304}}
executor:
  to_workers: {{type: queue, queue: main, topic: t, {executor}}}
router:
  put: {{trigger: manual, selector: all, task: {{put: to_workers}}, job_param: {{{job_param}}}}}
{DONE}",
        section(server)
    )
}

/// A daemon that runs the commands that messages of the topic `t` name. In them, `$0` is its name, `$1` the count of
/// deliveries and `$2` the attempt.
fn worker(server: &RedisServer, trigger: &str) -> String {
    worker_of(server, &format!("topic: t, lease: 2s, {trigger}"))
}

/// The same with all options of the trigger.
fn worker_of(server: &RedisServer, trigger: &str) -> String {
    format!(
        "{}
shutdown_grace: 5s
trigger:
  work: {{type: queue, queue: main, {trigger}}}
executor:
  here: {{type: local, work_dir: '@DIR@/work'}}
router:
  run:
    trigger: work
    selector: all
    task: {{run: here}}
    job_param:
      cmd: sh
      arg: [-c, '{{{{ trigger_param.shell }}}}', '@NAME@', '{{{{ trigger_param._queue.deliveries | default(0) }}}}',
            '{{{{ trigger_param._queue.attempt | default(0) }}}}']
  alarm: {{trigger: queue_dead, selector: all, task: {{show: print}}}}
  gap: {{trigger: queue_gap, selector: all, task: {{show: print}}}}
  done: {{trigger: exe_done, selector: match_map, select_param: {{match_key: router, match_value: run}}, task: {{show: print}}}}
",
        section(server)
    )
}

/// Where the commands of messages write what they do.
struct Traces(Place);

impl Traces {
    fn new() -> Self {
        Self(Place::new())
    }

    /// A message whose command is this; `@DIR@` is replaced by the shared folder.
    fn message(&self, shell: &str) -> Value {
        json!({"shell": self.0.fill(shell)})
    }

    /// The lines of the file `ran`.
    fn ran(&self) -> Vec<String> {
        self.0.read("ran").unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// Waits until so many lines are in `ran`.
    fn wait(&self, count: usize) -> Vec<String> {
        until(&format!("{count} lines"), || Some(self.ran()).filter(|ran| ran.len() >= count))
    }
}

/// Waits until nothing of the topic is left in Redis but what expires.
fn wait_empty(server: &RedisServer, topic: &str) {
    let key = format!("{{herald:{topic}}}:s");
    until("the end of all messages", || (server.ask(&["XLEN", &key]).number() == 0).then_some(()));
}

fn waiting(server: &RedisServer) -> i64 {
    server.ask(&["XLEN", "{herald:t}:s"]).number()
}
