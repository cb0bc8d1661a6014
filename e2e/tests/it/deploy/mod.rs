//! Contract, section 14: deployments, of Git and Subversion, in every mode, to three nodes. The numbers are those of
//! the checks in the design of deployments.
//!
//! Most tests run with both kinds of repositories and all three modes. What happens in the fleet alone runs with each
//! kind and each mode, but not with each pair; with `HERALD_E2E_ALL=1` it does.
//!
//! | check | sentence | test |
//! |---|---|---|
//! | 1, 39 | every tree is what `git archive` or `svn export` gives: names, bytes, modes, links; all nodes have the same revision | `every_tree_is_what_the_repository_gives_out` |
//! | 2 | all nodes get the revision that was resolved first | `a_push_in_the_middle_goes_to_no_node` |
//! | 3 | a rollback goes to the last good one; again: one further; none: exit 1 and nothing changes | `a_rollback_goes_one_further_each_time` |
//! | 4 | what failed is nothing to go back to | `failed_deployments_are_nothing_to_go_back_to` |
//! | 5, 42 | a chosen revision, also one that is no longer kept; `keep` | `chosen_revisions_and_what_is_kept` |
//! | 6, 7 | the log, exact in JSON, 300 entries by pages, `search`, `before`, `limit` | `three_hundred_commits_by_pages` |
//! | 8 | after a rollback the newer ones are pending; bad; live | `after_a_rollback_the_newer_ones_are_pending` |
//! | 9 | `before` fails on one node: all untouched | `a_failing_before_leaves_all_untouched` |
//! | 10, 11 | `after` fails: `on_failure: rollback`, `stop`, `continue` | `a_failing_after_and_what_becomes_of_the_others` |
//! | 12 | a bad canary is the only one touched | `a_bad_canary_is_alone` |
//! | 13 | exit codes of hooks count, standard error does not; what hangs is ended | `exit_codes_of_hooks_count_and_what_hangs_is_ended` |
//! | 14 | health by URL | `health_by_url` |
//! | 15 | `once`, also over a kill of the daemon | `once_runs_on_one_node_once` |
//! | 16 | a reader never sees a mixture | `a_reader_never_sees_a_mixture` |
//! | 17 | a copy that was there, and its uploads | `a_copy_that_was_there_keeps_its_uploads` |
//! | 18 | `local_changes`: `refuse`, `discard`, `keep` | `an_edited_file_is_refused`, `an_edited_file_is_saved_and_reverted`, `an_edited_file_stays_beside_the_new_revision` |
//! | 19, 20 | what is in the way is refused by the plan | `what_is_in_the_way_is_refused_by_the_plan` |
//! | 21 | an edit between plan and switch | `an_edit_after_the_plan_survives` |
//! | 25 | a copy that somebody left locked | `a_copy_that_somebody_left_locked` |
//! | 29 | two deployments at once; `--fail-if-busy` | `two_deployments_never_interleave` |
//! | 30 | a second daemon on the same path | `another_daemon_is_refused_on_the_same_path` |
//! | 31 | `on_full: replace`: of a burst the first and the last run | `of_a_burst_the_first_and_the_last_run` |
//! | 32 | `offline`: `fail`, `skip`, `wait`; `catch_up` | `a_node_that_is_away`, `a_node_catches_up_when_it_is_back`, `a_drained_node_is_left_out_and_catches_up` |
//! | 34 | a full disk (needs root and mount namespaces; else it is left out) | `a_full_disk` |
//! | 35 | passwords: seen nowhere; wrong, and none | `a_password_is_seen_nowhere`, `a_wrong_password_is_a_sentence` |
//! | 36 | servers that are away, silent, or have an unknown certificate | `servers_that_are_away_silent_or_unknown`, `an_unknown_certificate_is_a_sentence`, `a_server_with_a_certificate_of_ones_own` |
//! | – | repositories over ssh, with keys and known hosts | `a_server_behind_ssh` |
//! | 37, 40 | revisions that do not exist, or look like options: 422, exit code 4, nothing is sent | `what_does_not_exist_is_refused_before_anything_is_sent` |
//! | 37 | the folder is gone at HEAD; a rollback without a server | `a_folder_that_was_removed_at_head`, `back_without_a_server` |
//! | 38 | a force push and `gc` | `a_force_push_and_back_to_what_it_removed` |
//! | 40 | URLs and names in `shared` that lead outside | [`config`] |
//! | 41 | submodules, externals, `externals: ignore` | `submodules_and_externals` |
//! | 43 | an edit on a node, with forged size and time; `app_state` fires once; `deployed` | `an_edit_on_a_node_is_noticed` |
//! | 44 | `--key`, `--if-live` | `the_same_key_and_what_is_live` |
//! | 45 | who: command, socket, web hook | `who_it_was` |
//! | 46 | what was rolled back is held; its child deploys | `what_was_rolled_back_does_not_come_again_by_itself` |
//! | 47 | freeze, hold, `--override` | `a_freeze_and_a_hold` |
//! | 48 | `--dry-run` | `a_dry_run_is_the_plan_and_changes_nothing` |
//! | 49 | an imported `server.json`, with comments, does what `svn up`, `git pull` and `git reset` do | `an_imported_file_updates_and_goes_back_as_the_original` |
//! | 50 | 40 nodes: the same files everywhere, all back where one fails, the page within moments, memory; `bench -- --only deploy` measures it with 2,000 files | `forty_nodes_have_the_same_files_and_the_page_shows_it` |
//! | – | how long each step took on each node, in the record | `the_commands`, `forty_nodes_have_the_same_files_and_the_page_shows_it` |
//! | – | commands, exit codes, statuses of the API; `--node` | `the_commands`, `one_node_alone` |
//! | – | mistakes in the configuration | [`config`] |

mod back;
mod callers;
mod changes;
mod commands;
mod config;
mod failures;
mod fixture;
mod imported;
mod log;
mod many;
mod missing;
mod order;
mod origin;
mod room;
mod secure;
mod servers;
mod trees;
