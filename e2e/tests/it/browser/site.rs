//! A daemon whose page the tests look at: with jobs, events, applications and nodes of every kind, or empty.

use std::net::SocketAddr;

use e2e::daemon::Daemon;
use e2e::git::Repository;
use e2e::http::{Message, free_port, send_unix};
use e2e::place::Place;
use e2e::program::{Ended, run_to_end};
use e2e::wait::until_within;
use serde_json::{Value, json};

use super::client::{Browser, WAIT};

pub const PASSWORD: &str = "correct horse";
/// Names that a browser must show as they are.
pub const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}txt.exe";
pub const LONG: &str = "a_router_whose_name_is_so_long_that_it_does_not_fit_into_any_column_of_any_table_of_a_page_\
                        and_has_no_blank_where_it_could_be_broken_0123456789_0123456789_0123456789_0123456789";

const STATE: &str = "state_dir: '@DIR@/state'\n";

/// What every configuration has: users, and a page on a free port.
pub const HEAD: &str = "
state_dir: '@DIR@/state'
access:
  users: users
page: {port: @PORT@, base: /herald/, title: Production}
trigger:
  manual: {type: http, port: 0}
executor:
  sh: {type: local, work_dir: '@DIR@/work'}
";

/// What somebody might have. The trigger `manual` takes `{"job": NAME}`, and the router of that name matches.
const TYPICAL: &str = r#"
trigger:
  manual: {type: http, port: 0}
  hourly: {type: cron, cron: '0 * * * *'}
  by_hand: {type: cron, cron: '@yearly'}
executor:
  sh: {type: local, work_dir: '@DIR@/work'}
  web: {type: http_remote, data_dir: '@DIR@/data', nodes: [web1, web2], strategy: {offline: skip}}
runner:
  port: @RUNNER@
  secret: a-secret-that-is-long-enough
  work_dir: '@DIR@/runner'
node:
  web1: {host: 'http://127.0.0.1:@RUNNER@/', secret: a-secret-that-is-long-enough, tags: [web, production]}
  web2: {host: 'http://127.0.0.1:@AWAY@/', secret: a-secret-that-is-long-enough}
heartbeat: 1s
app:
  shop:
    repo: '@DIR@/shop'
    type: git
    revision: main
    mode: releases
    path: '@DIR@/www/shop'
    nodes: [web1]
@APPS@board:
  shop:
    title: Shop
    tile:
      orders: {title: Orders, router: report, path: result/orders, unit: orders, warn: 30, alert: 90}
      over_time: {title: Orders over time, router: report, path: result/orders, show: line, unit: orders, since: 1h}
      ledger: {title: Entries of the ledger, router: report, path: result/entries, alert: 5}
      disks: {title: Disks, router: report, path: result/disks, show: table}
      note: {title: Last note, router: report, path: result/note, show: text}
      backup: {title: Backup, router: backup_db, path: status, show: text}
      later: {title: Not yet, router: reindex, path: result/size}
router:
  backup_db:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: backup_db}
    task: {dump: sh}
    job_param: {cmd: sh, arg: [-c, '@DIR@/backup'], timeout: 1h}
  report:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: report}
    task: {write: sh}
    job_param: {cmd: echo, arg: '@REPORT@'}
  reindex:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: reindex}
    task: {index: sh}
    job_param: {cmd: sh, arg: [-c, 'echo "reading the index"; exec sleep 600']}
"#;

/// Routers with names that nobody likes.
const ODD: &str = r#"  @HOSTILE@:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: hostile}
    task: {'t<script>alert(3)</script>': sh}
    job_param:
      cmd: sh
      arg: [-c, '@DIR@/hostile']
      note: '</pre><script>alert(2)</script>'
  on_nodes:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: on_nodes}
    task: {'t<script>alert(5)</script>': web}
    job_param: {cmd: echo, arg: done}
  @LONG@:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: long}
    task: {@LONG@: sh}
    job_param: {cmd: '@DIR@/no/such/program/@LONG@'}
  flaky:
    trigger: manual
    selector: match_map
    select_param: {match_key: job, match_value: flaky}
    task: {try: {executor: sh, policy: {retry: {max: 2, delay: 100ms, on: [failed]}}}}
    job_param: {cmd: sh, arg: [-c, 'echo "attempt $HERALD_ATTEMPT"; exit 1']}
"#;

/// What the router `report` finds.
const REPORT: &str = r#"{"orders": 41, "entries": 18446744073709551617, "note": "closed <b>in time</b>",
  "disks": [{"disk": "/", "used": 71}, {"disk": "/var/lib/a/folder/with/a/long/name", "used": 93}]}"#;

/// An application that is held.
const HELD: &str = r#"  wiki:
    repo: '@DIR@/shop'
    type: git
    revision: main
    mode: releases
    path: '@DIR@/www/wiki'
    nodes: [web1, web2]
"#;

const BACKUP: &str = r#"
for n in $(seq 1 40); do echo "dumping table $n of 40: 1,204 rows"; done
printf '\033[32mchecked\033[0m, \033[33mslow\033[0m, \033[1;34mdone\033[0m, \033[35mold\033[0m, \033[36mnew\033[0m\n'
printf '\033[38;5;208mabove 16\033[0m \033[38;2;1;2;3malmost black\033[0m \033[97mwhite\033[0m \033[30mblack\033[0m '
printf '\033[90mgrey\033[0m \033[41mon red\033[0m \033[2mfaint\033[0m\n'
printf ' 10 %%\r 50 %%\r100 %%\n'
echo "pg_dump: error: connection to server at \"db.example.com\", port 5432 failed: denied" >&2
exit 3
"#;

const HOSTILE_JOB: &str = r#"
printf '<img src=x onerror=alert(1)> <script>alert(2)</script>\n'
printf '\033]8;;javascript:alert(3)\033\\click here\033]8;;\033\\ \033]0;a title\007 \342\200\256txt.exe\n'
printf '</pre></div><h1>another heading</h1>\n'
exit 4
"#;

/// A running daemon with a page.
pub struct PageSite {
    pub place: Place,
    pub daemon: Option<Daemon>,
    pub page: SocketAddr,
    config: String,
}

impl PageSite {
    /// With this configuration, in which `@PORT@` is a free port for the page; and the users `anna`, an operator, and
    /// `root`, an admin.
    pub fn new(config: &str) -> Self {
        let (place, port) = (Place::new(), free_port());
        place.script("backup", BACKUP);
        place.script("hostile", HOSTILE_JOB);
        let config = config.replace("@PORT@", &port.to_string());
        place.config_as("heraldd.yml", &config);
        for (name, role) in [("anna", "operator"), ("root", "admin")] {
            add_user(&place, name, role);
        }
        let page = SocketAddr::from(([127, 0, 0, 1], port));
        let mut site = Self { place, daemon: None, page, config };
        site.start();
        site
    }

    /// Nothing is configured, not even a page.
    pub fn without_page() -> Self {
        let place = Place::new();
        let mut site =
            Self { place, daemon: None, page: SocketAddr::from(([127, 0, 0, 1], 0)), config: STATE.into() };
        site.start();
        site
    }

    /// Nothing is configured, and nothing has happened.
    pub fn empty() -> Self {
        Self::new("state_dir: '@DIR@/state'\naccess: {users: users}\npage: {port: @PORT@, base: /herald/}\n")
    }

    /// What somebody might have, in every state: jobs, events, an application, nodes.
    pub fn typical() -> Self {
        Self::busy(&TYPICAL.replace("@APPS@", ""), &["report", "report", "backup_db", "report"])
    }

    /// The same, and names that are hostile or long.
    pub fn full() -> Self {
        let odd = ODD.replace("@HOSTILE@", &format!("'{HOSTILE}'")).replace("@LONG@", LONG);
        let jobs = ["report", "report", "backup_db", "hostile", "long", "flaky", "on_nodes", "report"];
        // A name of a trigger may be wider than the screen.
        let trigger = format!("  {LONG}: {{type: cron, cron: '@yearly'}}\n  by_hand:");
        let typical = TYPICAL.replace("@APPS@", HELD).replace("  by_hand:", &trigger);
        let site = Self::busy(&format!("{typical}{odd}"), &jobs);
        site.on_socket(&["deploy", "shop", "--wait"]);
        site.on_socket(&["hold", "wiki", "--reason", HOSTILE]);
        site.on_socket(&["drain", "web2", "--reason", HOSTILE]);
        site.on_socket(&["pause", "reindex", "--reason", HOSTILE]);
        site.release("Dark mode");
        std::fs::write(site.place.path("www/shop/current/index.html"), "edited by hand").unwrap();
        for path in ["/v1/apps/shop?refresh=true", "/v1/apps/shop/commits?refresh=true"] {
            let _ = site.api(path);
        }
        site.place.config_as("heraldd.yml", &format!("{}\nrouterr: {{}}\n", site.config));
        site
    }

    /// Runs a command at the daemon, which must do it.
    pub fn on_socket(&self, arguments: &[&str]) {
        let (command, rest) = arguments.split_at(1);
        let socket = ["--socket", "@DIR@/state/heraldd.sock"];
        let ended = self.heraldd(&[command, &socket, rest].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.text());
    }

    fn busy(config: &str, jobs: &[&str]) -> Self {
        let head = HEAD.split("trigger:").next().unwrap();
        let config = format!("{head}{config}")
            .replace("@REPORT@", &REPORT.replace('\n', ""))
            .replace("@RUNNER@", &free_port().to_string())
            .replace("@AWAY@", &free_port().to_string());
        let site = Self::new(&config);
        site.release("New checkout");
        for job in jobs {
            site.run_job(job);
        }
        site.fire(&json!({"job": "nothing of this name"}));
        site.fire(&json!({"job": "reindex"}));
        site.wait_jobs("status=running", 1);
        site.on_socket(&["deploy", "shop", "--wait"]);
        site.release("Faster search");
        let _ = site.api("/v1/apps/shop/commits?refresh=true");
        until_within(WAIT, "the nodes", || {
            let nodes = site.api("/v1/nodes").to_string();
            (nodes.contains("online") && nodes.contains("offline")).then_some(())
        });
        site
    }

    /// Commits a file of the application `shop` to its repository.
    fn release(&self, subject: &str) {
        let shop = Repository::new(&self.place, "shop");
        std::fs::write(self.place.path("shop/index.html"), subject).unwrap();
        shop.git(&["add", "-A"]);
        shop.git(&["commit", "-q", "--author", "Ana <ana@example.com>", "-m", subject]);
    }

    /// Starts the daemon, again where it was ended.
    pub fn start(&mut self) {
        let daemon = Daemon::start(&self.place, &self.config);
        daemon.wait_for(&["heraldd is ready"]);
        self.daemon = Some(daemon);
    }

    /// Reloads with this added to its configuration.
    pub fn reload_with(&self, more: &str) {
        self.place.config_as("heraldd.yml", &format!("{}{more}", self.config));
        self.on_socket(&["reload"]);
    }

    /// Reloads a configuration with a mistake in it, which is refused.
    pub fn reload_with_mistake(&self, mistake: &str) {
        self.place.config_as("heraldd.yml", &format!("{}{mistake}", self.config));
        let ended = self.heraldd(&["reload", "--socket", "@DIR@/state/heraldd.sock"]);
        assert_ne!(ended.code, Some(0), "{}", ended.text());
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let daemon = self.daemon.take().unwrap();
        daemon.signal("KILL");
        let _ = daemon.wait_end();
    }

    pub fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// The URL of a path of the page.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/herald{path}", self.page)
    }

    /// Logs a browser in with the form.
    pub fn log_in(&self, browser: &Browser, name: &str) {
        self.log_in_at(browser, name, &self.url("/login"));
    }

    /// The same, by this address of the login.
    pub fn log_in_at(&self, browser: &Browser, name: &str, login: &str) {
        browser.open(login);
        let script = "const form = document.querySelector('main form'); form.elements.name.value = arguments[0]; \
                      form.elements.password.value = arguments[1]; form.requestSubmit();";
        browser.run(script, &[name.into(), PASSWORD.into()]);
        browser.wait("the first screen", "document.querySelector('h1')?.innerText === 'Now'");
    }

    /// A browser that is logged in.
    pub fn browser(&self, name: &str) -> Browser {
        let browser = Browser::start();
        self.log_in(&browser, name);
        browser
    }

    /// What the control API answers.
    pub fn api(&self, path: &str) -> Value {
        send_unix(&self.place.path("state/heraldd.sock"), &Message::request("GET", path, &[], b"")).json()
    }

    /// The newest jobs that these filters leave, once there are so many.
    pub fn wait_jobs(&self, query: &str, count: usize) -> Vec<Value> {
        until_within(WAIT, &format!("{count} jobs with {query}"), || {
            let jobs = self.api(&format!("/v1/jobs?{query}"))["items"].as_array()?.clone();
            (jobs.len() >= count).then_some(jobs)
        })
    }

    /// Fires the trigger `manual`; the id of the event.
    pub fn fire(&self, body: &Value) -> String {
        self.daemon().post(body)
    }

    /// Fires it for this job, and waits for its end; the job.
    pub fn run_job(&self, job: &str) -> Value {
        let event = self.fire(&json!({"job": job}));
        until_within(WAIT, &format!("the end of {job}"), || {
            let jobs = self.api("/v1/jobs?limit=20");
            let mut jobs = jobs["items"].as_array()?.iter();
            jobs.find(|job| job["event_id"] == event && job["ended_at"].is_string()).cloned()
        })
    }

    /// Runs a command of `heraldd`; what it wrote.
    pub fn heraldd(&self, arguments: &[&str]) -> Ended {
        self.place.run("heraldd", arguments)
    }

    /// The one-time link that `heraldd page` prints.
    pub fn link(&self) -> String {
        let ended = self.heraldd(&["page", "-config", "@DIR@/heraldd.yml"]);
        assert_eq!(ended.code, Some(0), "{}", ended.text());
        ended.stdout.trim().to_owned()
    }
}

/// Adds a user to the file that the configuration names.
pub fn add_user(place: &Place, name: &str, role: &str) {
    let password = place.write("password", &format!("{PASSWORD}\n"));
    let mut command = place.bare("heraldd");
    command.args(["user", "add", name, "--role", role, "-config", &place.text_path("heraldd.yml")]);
    let added = run_to_end(command.stdin(std::fs::File::open(password).unwrap()));
    assert_eq!(added.code, Some(0), "{}", added.text());
}
