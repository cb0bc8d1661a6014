//! Crontabs, as Vixie cron and its descendants read them.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::escape::literal;
use super::imported::{Imported, LeftOut};
use super::value_checks::ValueChecks;
use super::yaml_out::Writer;

/// What cron itself gives its jobs.
const SHELL: &str = "/bin/sh";
const PATH: &str = "/usr/bin:/bin";
/// Variables that tell cron something instead of the command.
const MAIL: [&str; 3] = ["MAILTO", "MAILFROM", "CONTENT_TYPE"];
/// Shells that know here-documents.
const SHELLS: [&str; 8] = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "rbash"];
/// There on systems with and without a `/sbin` of its own; the PATH of cron does not lead there.
const RUNUSER: &str = "/sbin/runuser";
/// Ends what a command reads.
const END: &str = "END_OF_INPUT";
const HEAD: &str =
    "Made by `heraldd import crontab`: every line is a trigger and a router of its own. Jobs start in the home directory, hence
the `cd`. What they print is not mailed: `heraldd logs` shows it.";

/// Makes a configuration of a crontab; with `system`, of one that names a user in each line. `users` are those that
/// there are: a crontab whose commands all begin with one of them was probably meant to be read with `system`.
#[must_use]
pub fn import(text: &str, system: bool, users: &[String], checks: &dyn ValueChecks) -> Imported {
    let mut crontab = Crontab::new(system, checks);
    for (n, line) in text.lines().enumerate() {
        crontab.line(n + 1, line.trim_start());
    }
    crontab.say_whose(users);
    let yaml = crontab.written();
    crontab.left_out.sort_by_key(|left| left.line);
    Imported { yaml, left_out: crontab.left_out }
}

struct Crontab<'a> {
    system: bool,
    checks: &'a dyn ValueChecks,
    left_out: Vec<LeftOut>,
    /// The variables as of the line that is read.
    env: Map<String, Value>,
    shell: Option<String>,
    home: Option<String>,
    zone: Option<String>,
    /// Environments that jobs have, as far as they differ.
    presets: Vec<Map<String, Value>>,
    /// Comments since the last job.
    comments: Vec<String>,
    jobs: Vec<Job>,
    /// Those whose lines were met.
    users: BTreeSet<String>,
}

struct Job {
    line: usize,
    /// The first word of the command, where others follow.
    first_word: Option<String>,
    comment: String,
    trigger: Value,
    job_param: Value,
}

impl<'a> Crontab<'a> {
    fn new(system: bool, checks: &'a dyn ValueChecks) -> Self {
        Self {
            system,
            checks,
            left_out: Vec::new(),
            env: Map::new(),
            shell: None,
            home: None,
            zone: None,
            presets: Vec::new(),
            comments: Vec::new(),
            jobs: Vec::new(),
            users: BTreeSet::new(),
        }
    }

    fn leave_out(&mut self, line: usize, what: impl Into<String>) {
        self.left_out.push(LeftOut { line, what: what.into() });
    }

    /// Names what is not known of a crontab that has no users in it.
    fn say_whose(&mut self, users: &[String]) {
        let Some(first) = self.jobs.first().filter(|_| !self.system) else { return };
        let line = first.line;
        let names_a_user =
            |job: &Job| job.first_word.as_ref().is_some_and(|word| word == "root" || users.contains(word));
        if self.jobs.iter().all(names_a_user) {
            let word = first.first_word.clone().unwrap_or_default();
            let what = format!(
                "every command begins with a user (`{word}` here): if this is a crontab of the system, add --system"
            );
            self.leave_out(line, what);
        }
        let what = "cron sets LOGNAME and USER to the owner of the crontab; here USER is that of heraldd, LOGNAME is not set";
        self.leave_out(line, what);
    }

    fn line(&mut self, number: usize, line: &str) {
        if line.is_empty() {
            self.comments.clear();
        } else if let Some(comment) = line.strip_prefix('#') {
            self.comments.push(comment.trim().to_owned());
        } else if let Some((name, value)) = variable(line) {
            self.variable(number, &name, value);
        } else if let Err(why) = self.job(number, line) {
            self.comments.clear();
            self.leave_out(number, why);
        }
    }

    fn variable(&mut self, line: usize, name: &str, value: String) {
        match name {
            "CRON_TZ" => match self.checks.time_zone(&value) {
                Ok(()) => self.zone = Some(value),
                Err(why) => {
                    self.zone = None;
                    self.leave_out(line, format!("CRON_TZ: {why}; the machine's time zone is taken"));
                }
            },
            "LOGNAME" | "USER" => self.leave_out(line, format!("{name}: cron does not let it be set either")),
            "RANDOM_DELAY" | "START_HOURS_RANGE" => {
                self.leave_out(line, format!("{name}: lines fire when they are due"));
            }
            // An empty MAILTO asks for no mail, and there is none.
            _ if MAIL.contains(&name) && value.is_empty() => {}
            _ if MAIL.contains(&name) => self.leave_out(line, format!("{name}: Herald sends no mail")),
            _ => {
                if name == "TZ" {
                    let what = "TZ: commands get it, as from cron; for the times themselves there is CRON_TZ";
                    self.leave_out(line, what);
                }
                if name == "SHELL" {
                    self.shell = Some(value.clone()).filter(|shell| !shell.is_empty());
                }
                if name == "HOME" {
                    self.home = Some(value.clone());
                }
                self.env.insert(name.to_owned(), Value::from(literal(&value)));
            }
        }
    }

    fn job(&mut self, number: usize, line: &str) -> Result<(), String> {
        let (schedule, rest) = schedule(line)?;
        self.checks.schedule(schedule).map_err(|why| format!("`{schedule}`: {why}"))?;
        let (user, command) = if self.system { word(rest) } else { ("", rest) };
        if command.is_empty() {
            return Err("there is no command".to_owned());
        }
        let shell = self.shell.clone().unwrap_or_else(|| SHELL.to_owned());
        let user = Some(user).filter(|_| self.system);
        let script = script(command, &shell, &self.home(user)?)?;
        let mut line = vec![shell, "-c".to_owned(), script];
        if let Some(user) = user {
            if user != "root" {
                let before = [RUNUSER, "-u", user, "--"].map(str::to_owned);
                line = before.into_iter().chain(line).collect();
            }
            self.say_who_runs(number, user);
        }
        let line: Vec<String> = line.iter().map(|word| literal(word)).collect();
        let mut trigger = json!({"type": "cron", "cron": schedule});
        if let Some(zone) = &self.zone {
            trigger["time_zone"] = Value::from(zone.as_str());
        }
        // Cron does not catch up with what was due while it was down.
        trigger["catch_up"] = Value::from("none");
        let job_param = json!({"preset": self.preset(user), "cmd": line[0], "arg": line[1..]});
        let mut comment = std::mem::take(&mut self.comments);
        comment.push(format!("Line {number}."));
        let first_word =
            Some(word(command)).filter(|(_, rest)| !rest.is_empty()).map(|(word, _)| word.to_owned());
        self.jobs.push(Job { line: number, first_word, comment: comment.join("\n"), trigger, job_param });
        Ok(())
    }

    /// Names, once, what it takes to run as somebody.
    fn say_who_runs(&mut self, line: usize, user: &str) {
        if self.users.insert(user.to_owned()) {
            let what = match user {
                "root" => "user `root`: run as heraldd itself, which has to be root".to_owned(),
                _ => format!("user `{user}`: run through runuser, for which heraldd has to be root"),
            };
            self.leave_out(line, what);
        }
    }

    /// The line of the script that leads home.
    fn home(&self, user: Option<&str>) -> Result<String, String> {
        let Some(user) = user else { return Ok("cd".to_owned()) };
        if !user.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
            return Err(format!("`{user}` is no user"));
        }
        let home = match &self.home {
            // runuser has set another.
            Some(home) => format!("'{}'", home.replace('\'', "'\\''")),
            None => format!("~{user}"),
        };
        Ok(format!("HOME={home}; export HOME; cd"))
    }

    /// The name of the preset with the variables as they are now, and those that cron adds for a user.
    fn preset(&mut self, user: Option<&str>) -> String {
        let mut env = self.env.clone();
        for (name, value) in [("PATH", PATH), ("SHELL", SHELL)] {
            env.entry(name).or_insert_with(|| Value::from(value));
        }
        for name in ["LOGNAME", "USER"] {
            if let Some(user) = user {
                env.insert(name.to_owned(), Value::from(user));
            }
        }
        let known = self.presets.iter().position(|preset| *preset == env);
        let place = known.unwrap_or_else(|| {
            self.presets.push(env);
            self.presets.len() - 1
        });
        if place == 0 { "crontab".to_owned() } else { format!("crontab_{}", place + 1) }
    }

    fn written(&self) -> String {
        let mut writer = Writer::default();
        writer.comment(0, HEAD);
        if self.jobs.is_empty() {
            return writer.finish();
        }
        writer.section("preset");
        for (place, env) in self.presets.iter().enumerate() {
            let name = if place == 0 { "crontab".to_owned() } else { format!("crontab_{}", place + 1) };
            writer.entry(2, &name, &json!({"env": env}));
        }
        writer.section("trigger");
        for job in &self.jobs {
            writer.comment(2, &job.comment);
            writer.entry(2, &name(job), &job.trigger);
        }
        writer.section("router");
        for job in &self.jobs {
            let router = json!({"trigger": name(job), "selector": "all", "task": {"run": "local"}, "job_param": job.job_param});
            writer.entry(2, &name(job), &router);
        }
        writer.finish()
    }
}

fn name(job: &Job) -> String {
    format!("line_{}", job.line)
}

/// `NAME = value`, where the value, and the name too, may stand in quotes.
fn variable(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let name = unquoted(name.trim());
    // A job's schedule is no name.
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name.to_owned(), unquoted(value.trim()).to_owned()))
}

fn unquoted(text: &str) -> &str {
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

/// The first word, and what follows the blanks behind it.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// The schedule, and the rest of the line.
fn schedule(line: &str) -> Result<(&str, &str), String> {
    if line.starts_with('@') {
        let (name, rest) = word(line);
        return match name.to_ascii_lowercase().as_str() {
            "@reboot" => {
                Err("@reboot: a start of the machine is no trigger; a unit of systemd can run it".to_owned())
            }
            "@every" => Err(format!("`{line}`: @every is not of cron")),
            _ => Ok((name, rest)),
        };
    }
    // SUSE's mark for lines that are not to be logged.
    let line = line.strip_prefix('-').unwrap_or(line);
    let mut rest = line;
    for _ in 0..5 {
        rest = word(rest).1;
    }
    let schedule = line[..line.len() - rest.len()].trim_end();
    if rest.is_empty() {
        Err(format!("`{line}` is neither a variable nor a line of five fields and a command"))
    } else {
        Ok((schedule, rest))
    }
}

/// What the shell runs: the part before the first `%`, reading what stands behind it. `home` is the line that leads home.
fn script(command: &str, shell: &str, home: &str) -> Result<String, String> {
    let (command, input) = split_input(command);
    let name = shell.rsplit('/').next().unwrap_or_default();
    if !SHELLS.contains(&name) && home != "cd" {
        return Err(format!("`{shell}` is not known: it cannot be told to start at home"));
    }
    let Some(input) = input else { return Ok(format!("{home}\n{command}")) };
    if !SHELLS.contains(&name) {
        return Err(format!("what stands behind % cannot be given to a command of `{shell}`"));
    }
    let mut end = END.to_owned();
    while input.lines().any(|line| line == end) {
        end.push('_');
    }
    let last = if input.is_empty() || input.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{home}\n{{ {command}\n}} <<'{end}'\n{input}{last}{end}"))
}

/// `\%` is a percent sign; the first other one begins the input, further ones are ends of lines.
fn split_input(text: &str) -> (String, Option<String>) {
    let mut command = String::new();
    let mut input: Option<String> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' if chars.next_if_eq(&'%').is_some() => '%',
            '%' if input.is_some() => '\n',
            '%' => {
                input = Some(String::new());
                continue;
            }
            c => c,
        };
        input.as_mut().unwrap_or(&mut command).push(c);
    }
    (command, input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value_checks::fake::FakeChecks;

    #[test]
    fn percent_signs() {
        for (given, command, input) in [
            ("a b", "a b", None),
            (r"date +\%F", "date +%F", None),
            ("cat%one%two", "cat", Some("one\ntwo")),
            (r"cat%50\% off%", "cat", Some("50% off\n")),
            ("cat%", "cat", Some("")),
            (r"echo \\ \n", r"echo \\ \n", None),
        ] {
            assert_eq!(split_input(given), (command.to_owned(), input.map(str::to_owned)), "{given}");
        }
    }

    #[test]
    fn scripts() {
        for (command, shell, made) in [
            ("a", "/bin/sh", Ok("cd\na")),
            ("cat%x", "/bin/bash", Ok("cd\n{ cat\n} <<'END_OF_INPUT'\nx\nEND_OF_INPUT")),
            ("cat%", "/bin/sh", Ok("cd\n{ cat\n} <<'END_OF_INPUT'\nEND_OF_INPUT")),
            (
                "cat%END_OF_INPUT%",
                "/bin/sh",
                Ok("cd\n{ cat\n} <<'END_OF_INPUT_'\nEND_OF_INPUT\nEND_OF_INPUT_"),
            ),
            ("a", "/usr/bin/python3", Ok("cd\na")),
            ("a%b", "/usr/bin/python3", Err(())),
        ] {
            assert_eq!(script(command, shell, "cd").map_err(drop), made.map(str::to_owned), "{command}");
        }
    }

    #[test]
    fn variables_and_jobs_are_told_apart() {
        for (line, read) in [
            ("A=b", Some(("A", "b"))),
            ("A = \" b \" ", Some(("A", " b "))),
            ("\"A\"='b c'", Some(("A", "b c"))),
            ("A=", Some(("A", ""))),
            ("A=\"b", Some(("A", "\"b"))),
            ("* * * * * A=b c", None),
            ("@daily A=b", None),
            ("5 4 * * 1 env A=b", None),
        ] {
            let read = read.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(variable(line), read, "{line}");
        }
    }

    #[test]
    fn a_crontab() {
        let text = "SHELL=/bin/bash\nMAILTO=me\nMAILTO=\"\"\n# Rotate.\n*/5 * * * * ./rotate {{x}}\n@reboot x\n  @daily y\nCRON_TZ=Europe/Berlin\n\
                    PATH=/a\nTZ=UTC\n30 2 * * mon-fri z\n99 * * * * bad\nbad line\nCRON_TZ=Nowhere/At/All\n* * * * *\n";
        let imported = import(text, false, &[], &FakeChecks);
        let lines: Vec<usize> = imported.left_out.iter().map(|left| left.line).collect();
        assert_eq!(lines, [2, 5, 6, 10, 12, 13, 14, 15], "{:#?}", imported.left_out);
        let read = herald_config::yaml::Document::parse(&imported.yaml, "out").unwrap();
        let config = read.value();
        assert_eq!(
            config["trigger"]["line_5"],
            json!({"type": "cron", "cron": "*/5 * * * *", "catch_up": "none"})
        );
        assert_eq!(config["trigger"]["line_7"]["cron"], "@daily");
        assert_eq!(config["trigger"]["line_11"]["time_zone"], "Europe/Berlin");
        let job = &config["router"]["line_5"]["job_param"];
        assert_eq!(
            *job,
            json!({"preset": "crontab", "cmd": "/bin/bash", "arg": ["-c", "cd\n./rotate {{ '{{' }}x}}"]})
        );
        assert_eq!(
            config["preset"]["crontab"]["env"],
            json!({"SHELL": "/bin/bash", "PATH": "/usr/bin:/bin"})
        );
        assert_eq!(config["router"]["line_11"]["job_param"]["preset"], "crontab_2");
        let env = json!({"SHELL": "/bin/bash", "PATH": "/a", "TZ": "UTC"});
        assert_eq!(config["preset"]["crontab_2"]["env"], env);
        assert!(imported.yaml.contains("  # Rotate.\n  # Line 5.\n  line_5:"), "{}", imported.yaml);
    }

    /// The configuration, and the lines of the notes.
    fn imported(text: &str, system: bool) -> (Value, Vec<usize>) {
        let imported = import(text, system, &["www".to_owned()], &FakeChecks);
        let read = herald_config::yaml::Document::parse(&imported.yaml, "out").unwrap();
        (read.value().clone(), imported.left_out.iter().map(|left| left.line).collect())
    }

    #[test]
    fn a_crontab_of_the_system() {
        let text = "0 1 * * * root a b\n0 2 * * * www c\n0 3 * * * root\n0 4 * * * www d\n0 5 * * * a;b c\n\
             HOME=/it's\n0 7 * * * www e\n";
        let (config, lines) = imported(text, true);
        assert_eq!(lines, [1, 2, 3, 5]);
        for (line, user, cmd, arg) in [
            ("line_1", "root", "/bin/sh", json!(["-c", "HOME=~root; export HOME; cd\na b"])),
            (
                "line_2",
                "www",
                "/sbin/runuser",
                json!(["-u", "www", "--", "/bin/sh", "-c", "HOME=~www; export HOME; cd\nc"]),
            ),
            (
                "line_7",
                "www",
                "/sbin/runuser",
                json!(["-u", "www", "--", "/bin/sh", "-c", "HOME='/it'\\''s'; export HOME; cd\ne"]),
            ),
        ] {
            let job = &config["router"][line]["job_param"];
            assert_eq!((&job["cmd"], &job["arg"]), (&json!(cmd), &arg));
            let env = &config["preset"][job["preset"].as_str().unwrap()]["env"];
            assert_eq!(
                (&env["LOGNAME"], &env["USER"], &env["SHELL"]),
                (&json!(user), &json!(user), &json!("/bin/sh"))
            );
        }
    }

    #[test]
    fn a_crontab_of_the_system_that_nobody_called_so() {
        for (text, said) in [
            ("0 1 * * * root a\n0 2 * * * www b\n", true),
            ("0 1 * * * root a\n0 2 * * * ./b c\n", false),
            ("0 1 * * * www\n", false),
            ("0 1 * * * a b\n", false),
        ] {
            let left_out = import(text, false, &["www".to_owned()], &FakeChecks).left_out;
            assert_eq!(left_out.iter().any(|left| left.what.contains("--system")), said, "{text}");
        }
    }

    #[test]
    fn a_time_zone_that_is_none_ends_the_one_before() {
        let (config, lines) =
            imported("CRON_TZ=Europe/Berlin\n0 1 * * * a\nCRON_TZ=No/Where\n0 1 * * * b\n", false);
        assert_eq!(lines, [2, 3]);
        let zone = |line: &str| config["trigger"][line]["time_zone"].clone();
        assert_eq!((zone("line_2"), zone("line_4")), (json!("Europe/Berlin"), Value::Null));
    }

    #[test]
    fn what_cron_gives_its_jobs() {
        for (text, env) in [
            ("0 1 * * * a\n", json!({"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"})),
            ("SHELL=/bin/dash\nPATH=/a\n0 1 * * * a\n", json!({"PATH": "/a", "SHELL": "/bin/dash"})),
        ] {
            assert_eq!(imported(text, false).0["preset"]["crontab"]["env"], env, "{text}");
        }
    }
}
