//! Contract, section 15, the page: what is true of it in a browser, Debian's Chromium, which `.ci/install test`
//! installs.
//!
//! | sentence | test |
//! |---|---|
//! | axe finds nothing, no screen is wider than the window, no table needs sideways scrolling at 390 px, one heading, no message in the console: light and dark, 1280 and 390 px, full and empty | [`screens`] |
//! | the main screens look as they did | [`shots`] |
//! | a link lets in once | `a_link_lets_in_once` |
//! | the keyboard alone is enough: log in, find the failed job, read its log, retry it | `the_keyboard_alone_is_enough` |
//! | works without scripts for reading and acting; a double click is one act | `without_scripts_everything_can_be_done`, `a_double_click_is_one_act` |
//! | a form that is too large says so, and is not sent | `what_is_too_large_is_not_sent` |
//! | screens update live, and take nothing away from who reads or writes there | `a_job_appears_by_itself`, `what_others_do_appears_by_itself`, `the_focus_and_what_is_written_outlive_a_refresh`, `the_log_of_a_running_job_goes_on` |
//! | when the stream is down the page says so and polls | `without_the_stream_it_asks_every_few_seconds_and_acts_work`, `a_restart_of_the_daemon_is_survived` |
//! | behind nginx, below a base path, it is live and acts | `behind_nginx_it_is_live` |
//! | all tabs of a browser have one stream; without shared workers each has its own | `eight_tabs_share_one_stream`, `without_shared_workers_each_tab_has_its_own_stream` |
//! | a logout ends the other tabs, and so does an admin who ends the session | `a_logout_ends_the_other_tabs`, `a_session_that_an_admin_ends_is_at_the_login_in_every_tab_at_once` |
//! | cross-site requests and frames are refused; output of jobs is text | [`safety`] |
//! | queues and published projects: the same, acts on them, and what Now says of them; with them the navigation is one row at 1280 px | [`connected`] |
//! | the first page is small, asks for little and nothing elsewhere, and does not move once it is seen | `the_first_page_is_small_and_quiet` |
//! | a log of 1 MB is a document, one of 50 MB opens at its end and is searched on the server | [`logs`] |

mod acts;
mod budget;
mod client;
mod connected;
mod live;
mod logs;
mod proxy;
mod safety;
mod screens;
mod shots;
mod site;

pub use site::add_user;
