//! Contract, section 12: the section `etcd` and the trigger `etcd`, with a real etcd.
//!
//! | sentence | test |
//! |---|---|
//! | Section `etcd: {NAME: {endpoints: [URL, …], timeout, username, password, tls: {…}}}` | `access::mistakes_in_the_section_are_named` |
//! | tokens are renewed; a wrong password is named without it | `access::a_wrong_password_is_named_and_not_shown`, `access::tokens_are_renewed` |
//! | a server that hangs is detected within 15 s; after a loss the end state arrives | `outages::a_frozen_etcd_is_named_and_used_again`, `outages::a_restart_of_etcd_is_survived` |
//! | Endpoints fail over | `outages::the_next_member_is_used` |
//! | `/readyz` stays 200 and names an etcd that cannot be reached; `herald_etcd_connected` | `outages::a_restart_of_etcd_is_survived` |
//! | a client is kept by a reload that does not change it | `keys::a_reload_loses_nothing` |
//! | `keys`: an event for each change (`key`, `value` or `value_base64`, `action`, `revision`, `previous`), in order | `keys::each_change_is_an_event` |
//! | position kept over restarts | `keys::kill_9_loses_nothing_and_keeps_the_order` |
//! | compaction: keys with reason `resync`, then a `gap` | `keys::compacted_changes_are_a_gap` |
//! | a wiped etcd | `keys::a_wiped_etcd_is_a_gap` |
//! | `at_start` of keys | `keys::what_exists_comes_at_the_start` |
//! | `projects`: an event for each project that changed, without values | `projects::the_lines_of_the_seed` |
//! | `at_start` and `host` of projects | `projects::force_announces_at_every_start` |
//! | several keys in one transaction, bursts: one event | `projects::a_burst_is_one_event` |
//! | `publish`: stage, check, `beforeCmd`, swap, verify, `afterCmd`; the seed's lines, backups, the report | `publishing::the_lines_of_the_seed_publish` |
//! | a failure at any step restores the previous files | `publishing::a_command_that_fails_restores_the_files` |
//! | commands have a timeout and delay only their own project | `publishing::a_slow_command_is_ended_and_delays_nobody_else` |
//! | names and links | `publishing::hostile_keys_and_links_write_nothing_elsewhere` |
//! | restart, drift, wiped etcd: held until `--accept` | `publishing::kill_9_and_drift_and_a_wiped_etcd` |
//! | `--rollback ID` | `publishing::an_earlier_publication_is_restored` |

mod access;
mod keys;
mod outages;
mod projects;
mod publishing;

use e2e::daemon::Daemon;
use e2e::etcd::EtcdServer;
use e2e::http::{Message, send_unix};
use e2e::place::Place;
use serde_json::Value;

/// A configuration that prints the events of one trigger `t` of type `etcd`.
fn config(server: &EtcdServer, trigger: &str) -> String {
    config_of(&format!("endpoints: ['{}'], timeout: 2s", server.url()), trigger)
}

fn config_of(etcd: &str, trigger: &str) -> String {
    format!(
        "
state_dir: '@DIR@/state'
etcd:
  main: {{{etcd}}}
trigger:
  t: {{type: etcd, etcd: main, {trigger}}}
router:
  r: {{trigger: t, selector: all, task: {{p: print}}, policy: {{concurrency: {{limit: 1}}}}}}
"
    )
}

fn start(place: &Place, config: &str) -> Daemon {
    let daemon = Daemon::start(place, config);
    daemon.wait_for(&["heraldd is ready"]);
    daemon
}

/// The parameters of the first event for which this holds.
fn event(daemon: &Daemon, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    daemon.wait_print(what, |job| wanted(&job["trigger_param"]))["trigger_param"].clone()
}

/// The parameters of all events so far.
fn events(daemon: &Daemon) -> Vec<Value> {
    daemon.printed().into_iter().map(|job| job["trigger_param"].clone()).collect()
}

fn ask(place: &Place, path: &str) -> (u16, String) {
    let headers = [("Host", "localhost"), ("Connection", "close")];
    let request = Message::request("GET", path, &headers, b"");
    let response = send_unix(&place.path("state/heraldd.sock"), &request);
    (response.status, response.text())
}
