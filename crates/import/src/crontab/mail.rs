//! MAILTO and MAILFROM: who gets mails about which lines.

use serde_json::json;

use crate::yaml_writer::YamlWriter;

/// The mail server of cron is the one of its machine.
const SERVER: &str = "localhost";
/// Who sends, where the crontab does not say.
const SENDER: &str = "herald@localhost";

/// The mails of a crontab.
#[derive(Default)]
pub(super) struct CrontabMails {
    /// As of the line that is read.
    to: Vec<String>,
    from: Option<String>,
    /// Those that jobs get, as far as they differ.
    groups: Vec<MailGroup>,
}

/// Jobs whose mails go to the same people.
struct MailGroup {
    to: Vec<String>,
    from: String,
    routers: Vec<String>,
}

impl CrontabMails {
    /// Reads MAILTO, MAILFROM or CONTENT_TYPE. Gives what to know of it.
    pub(super) fn variable(&mut self, name: &str, value: &str) -> Option<String> {
        match name {
            "MAILTO" => self.recipients(value),
            "MAILFROM" if value.is_empty() => {
                self.from = None;
                None
            }
            "MAILFROM" => {
                self.from = address(value);
                let what = || format!("MAILFROM: `{value}` is not a mail address; {SENDER} is used");
                self.from.is_none().then(what)
            }
            _ if value.is_empty() => None,
            _ => Some(format!("{name}: mails are plain text in UTF-8")),
        }
    }

    fn recipients(&mut self, value: &str) -> Option<String> {
        let named: Vec<&str> = value.split([',', ' ', '\t']).filter(|name| !name.is_empty()).collect();
        self.to = named.iter().filter_map(|name| address(name)).collect();
        // An empty MAILTO asks for no mail, and there is none.
        named.first()?;
        Some(match named.iter().find(|name| address(name).is_none()) {
            Some(other) => format!("MAILTO: `{other}` is not a mail address, and gets no mail"),
            None => "MAILTO: cron mails what a job prints; here there is one mail when a job begins to fail and one when it \
                     works again, through the mail server of this machine"
                .to_owned(),
        })
    }

    /// A job of this router gets the mails as they are now.
    pub(super) fn job(&mut self, router: &str) {
        if self.to.is_empty() {
            return;
        }
        let from = self.from.clone().unwrap_or_else(|| SENDER.to_owned());
        let known = self.groups.iter_mut().find(|group| group.to == self.to && group.from == from);
        match known {
            Some(group) => group.routers.push(router.to_owned()),
            None => {
                let routers = vec![router.to_owned()];
                self.groups.push(MailGroup { to: self.to.clone(), from, routers });
            }
        }
    }

    /// Writes what sends the mails: one executor for each sender.
    pub(super) fn write_executors(&self, writer: &mut YamlWriter) {
        let senders = self.senders();
        if senders.is_empty() {
            return;
        }
        writer.section("executor");
        for (place, from) in senders.iter().enumerate() {
            writer.entry(2, &numbered(place), &json!({"type": "mail", "server": SERVER, "from": from}));
        }
    }

    /// Writes who gets mails about which routers, among the routers.
    pub(super) fn write_routers(&self, writer: &mut YamlWriter) {
        let senders = self.senders();
        for (place, group) in self.groups.iter().enumerate() {
            let sender = senders.iter().position(|from| *from == group.from).unwrap_or_default();
            let router = json!({
                "trigger": "exe_done",
                "selector": "changed",
                "select_param": {"routers": group.routers},
                "task": {"send": numbered(sender)},
                "job_param": {"to": group.to},
                "policy": {"retry": {"max": 5, "on": ["failed", "timed_out"]}},
            });
            writer.comment(2, "MAILTO.");
            writer.entry(2, &numbered(place), &router);
        }
    }

    fn senders(&self) -> Vec<&str> {
        let mut senders: Vec<&str> = Vec::new();
        for group in &self.groups {
            if !senders.contains(&group.from.as_str()) {
                senders.push(&group.from);
            }
        }
        senders
    }
}

/// `mail`, `mail_2`…
fn numbered(place: usize) -> String {
    if place == 0 { "mail".to_owned() } else { format!("mail_{}", place + 1) }
}

/// An address; a name alone is a user of this machine.
fn address(name: &str) -> Option<String> {
    let is_part = |part: &str, more: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && part.chars().all(fine)
    };
    let (user, host) = name.split_once('@').unwrap_or((name, SERVER));
    (is_part(user, "._%+-") && is_part(host, ".-")).then(|| format!("{user}@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_addresses() {
        for (name, expected) in [
            ("root", Some("root@localhost")),
            ("ops+cron@example.com", Some("ops+cron@example.com")),
            ("a@b@c", None),
            ("@example.com", None),
            ("a@", None),
            ("{{ x }}", None),
            ("a b", None),
            (".a", None),
        ] {
            assert_eq!(address(name), expected.map(str::to_owned), "{name}");
        }
    }

    #[test]
    fn what_is_noted() {
        for (name, value, noted) in [
            ("MAILTO", "root, ops@example.com", Some("MAILTO: cron mails what a job prints")),
            ("MAILTO", "", None),
            ("MAILTO", "root,{{x}}", Some("MAILTO: `{{x}}` is not a mail address")),
            ("MAILFROM", "cron@example.com", None),
            ("MAILFROM", "", None),
            ("MAILFROM", "?", Some("MAILFROM: `?` is not a mail address")),
            ("CONTENT_TYPE", "text/html", Some("CONTENT_TYPE: mails are plain text")),
            ("CONTENT_TYPE", "", None),
        ] {
            let said = CrontabMails::default().variable(name, value);
            assert_eq!(said.is_some(), noted.is_some(), "{name}={value}");
            assert!(said.unwrap_or_default().starts_with(noted.unwrap_or_default()), "{name}={value}");
        }
    }
}
