//! Everyday use: what people type who know systemd, Git, docker and curl, and what they then see. Each row of the table
//! of what was met is typed here as it was.
//!
//! | met | test |
//! |---|---|
//! | long ids everywhere; tables lose their last columns at 80 columns | `tables::*`; `api::commands::ids_may_be_short` |
//! | `exe_done` has no `status` | `running::what_a_finished_job_carries` |
//! | what a script gets and gives: nowhere | `typed::the_reference_in_a_terminal` |
//! | `args`, `timout`, `git_barnch`, `retry` in `job_param` pass `check` | `valid::what_check_says` |
//! | `retry: 3`, `concurrency: 1` | `valid::short_forms_are_accepted` |
//! | `~/work` makes a folder named `~` | `running::a_folder_of_the_home` |
//! | `host: 0.0.0.0` without `auth` | `valid::what_check_says` |
//! | a push got 200 and nothing ran: no trace | `running::an_event_that_matches_nothing_leaves_a_trace` |
//! | `cron: */5 * * * *` | `valid::what_check_says` |
//! | `heraldd`, `help`, `version`, `status`, `ps`, `events` | `typed::without_a_daemon` |
//! | `-confg x.yml` | `typed::without_a_daemon` |
//! | failures say only "exit code 3" | `running::failures_say_what_was_wrong` |
//! | `trigger -d @f`, `-d -`, `logs -n`, `--status a,b`, `-o json`, `--watch` | `running::as_curl_docker_and_kubectl_do` |
//! | a script with Windows line endings, or a wrong shebang | `running::failures_say_what_was_wrong` |
//! | `cmd: 'echo hello world'` | `valid::what_check_says` |
//! | herald-runner without `check`, `schema`, `man` | `typed::herald_runner_has_the_same_tools` |
//! | explain says "lacks the key" | `running::reasons_have_keys_and_values` |
//! | `@every 60d` has no due time | `terminal::intervals_are_due_at_a_time_while_the_daemon_runs` |
//! | log lines of 300 characters | `terminal::people_at_a_terminal_see_short_lines` |
//! | retry of a fleet job | `fleet::*` |
//! | mails, `changed`, `expect`, MAILTO | `notices::*` |
//! | `-host` unknown | `elsewhere::*` |
//! | `heraldd jobs` while the daemon is down | `down::jobs_are_listed_from_the_history`, `down::a_job_its_output_and_its_event_are_shown_from_the_history` |
//! | `state_dir: none` turns the command line off | `down::a_daemon_without_a_state_dir_has_a_socket` |
//! | dynamic completion | `completion::names_of_the_running_daemon` |
//! | a queued job does not say why; DURATION of a retried job | `waiting::*` |
//! | no packages | `packaging/test-deb`, `container::*` |
//!
//! Smaller ones: `check` of several files and of `-`, with a summary (`valid`); a tree for `graph` (`typed`); `reload`,
//! `info`, newlines at the end, local times (`running`); EXIT STATUS, FILES and ENVIRONMENT (`typed`).

mod completion;
mod down;
mod elsewhere;
mod running;
mod tables;
mod typed;
mod valid;
mod waiting;
