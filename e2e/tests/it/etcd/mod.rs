//! Contract, section 12: the section `etcd` and the trigger `etcd`, with a real etcd. What can happen to etcd and to a
//! publication has its tests at lower levels; decision 24 has the table.
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
//! | a change after "ready" is an event of its own, whatever `at_start` says | `herald-projects`: `beginning::*`; `herald-etcd`: `following::the_first_list_is_of_the_point_where_it_begins` |
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
//! | several keys in one transaction: one publication | `bursts::one_transaction_is_one_publication` |
//! | 2,000 values of one key: the last one wins, one publication at a time | `bursts::two_thousand_values_of_one_key` |
//! | bursts in parallel: the disk equals etcd | `bursts::after_each_burst_the_disk_equals_etcd` |
//! | wiped, and filled again past the revision that was seen: held until the keys return | `restarts::refilled_with_half_of_the_keys_it_is_still_held`, `restarts::the_same_while_heraldd_is_down` |
//! | kill -9 while it publishes: disk equals etcd, `afterCmd` ran, no temporary file, no cut file | `restarts::kill_9_while_it_publishes` (many rounds: bench, `crash publish`) |
//! | the largest, an empty, a binary value | `contents::every_content_arrives_byte_for_byte` |
//! | two projects, one file: refused, both keys named | `contents::a_file_belongs_to_one_project` |
//! | `heraldd state backup` and `restore`: nothing is published again, rollbacks work | `restarts::a_restored_state_publishes_nothing_again`; `herald-store`: `whole_state::tests::what_was_published_goes_with_it`; `herald-publish`: `crash::what_was_interrupted_only_in_a_restored_ledger_stays_published` |
//! | `same_content: skip \| publish` | `contents::the_same_value_again` |
//! | `swap: directory`: readers see one generation | `contents::a_folder_is_exchanged_whole` |
//! | no room: nothing changes, no temporary file; tried again | `contents::without_room_nothing_changes` |
//! | the folder is exchanged: what others write meanwhile is kept | `herald-publish`: `directory::what_others_write_meanwhile_is_kept`, `directory::a_file_that_is_edited_meanwhile_is_not_replaced` |
//! | `heraldd publish PROJECT` of every project that etcd has | `publishing::any_project_that_etcd_has_can_be_published` |
//! | `state_dir: none`: ledgers are in a folder that a clean stop removes | `publishing::without_a_state_dir_nothing_is_left` |
//! | `reason: force` until the project was published since the start | `publishing::forced_until_it_was_published` |
//! | `tls: {ca}`; a wrong authority is named | `access::over_tls` |
//! | `tls: {client_cert, client_key}` with users; a certificate with a CN is named | `access::with_client_certificates_and_users` |
//! | a user without the right is named in the log and in `/readyz` | `access::a_user_without_the_right_is_named` |
//! | three members: the leader and the one in use are killed; no quorum is named, and files stay | `outages::the_leader_and_the_member_in_use_are_killed` |
//! | 10,000 keys in 10 projects; a restart without a change writes nothing | `large::ten_thousand_keys` |
//! | `heraldd import watcher` of the seed's file, `heraldd check` without a finding | `watcher::the_file_of_the_seed_is_imported_as_it_is` |
//! | the seed's lines after the import: files, callback with the original's fields first, backup | `watcher::the_seed_from_its_file_to_its_backup` |
//! | the heartbeat, also while etcd is down; `keep: failed` | `watcher::heartbeats_arrive_also_while_etcd_is_down` |
//! | callbacks: the hold of a wiped etcd, and reports of a deleted project, arrive at the last good URL | `watcher::reports_arrive_also_once_etcd_has_their_url_no_more`; `herald-projects`: `reports::*` |
//! | `at_start: force`: everything once at each start | `watcher::force_publishes_whole_at_each_start` |

mod access;
mod bursts;
mod contents;
mod keys;
mod large;
mod outages;
mod projects;
mod publishing;
mod restarts;
mod site;
mod watcher;

use std::path::Path;

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

/// The names in a folder, sorted; none where it does not exist.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

fn ask(place: &Place, path: &str) -> (u16, String) {
    let headers = [("Host", "localhost"), ("Connection", "close")];
    let request = Message::request("GET", path, &headers, b"");
    let response = send_unix(&place.path("state/heraldd.sock"), &request);
    (response.status, response.text())
}
