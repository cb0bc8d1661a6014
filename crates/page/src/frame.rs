//! What is around every screen: the head of the document, the navigation, notices.

use herald_access::{AuthenticatedCaller, Role};
use herald_control::rights::right_of;
use http::Method;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, html};

use crate::assets;
use crate::site::Site;

/// The screens of the navigation: path and name.
const SCREENS: [(&str, &str); 10] = [
    ("/", "Now"),
    ("/jobs", "Jobs"),
    ("/events", "Events"),
    ("/calendar", "Calendar"),
    ("/routers", "Routers"),
    ("/apps", "Apps"),
    ("/nodes", "Nodes"),
    ("/queues", "Queues"),
    ("/published", "Published"),
    ("/boards", "Boards"),
];

/// Those that are looked at less often: they are in a menu, so that all have room in one row.
const MORE: [(&str, &str); 4] =
    [("/graph", "Graph"), ("/try", "Try"), ("/config", "Configuration"), ("/audit", "Audit")];

/// What a form says when its act was accepted: the word in the address, and the sentence.
const DONE: [(&str, &str); 18] = [
    ("cancel", "The job is being cancelled."),
    ("retry", "This is the new job."),
    ("replay", "This is the new event."),
    ("trigger", "The trigger fired: this is its event."),
    ("deploy", "The deployment was accepted."),
    ("rollback", "The rollback was accepted."),
    ("hold", "The application is held: nothing is deployed."),
    ("unhold", "The hold has ended."),
    ("pause", "The router is paused: its jobs wait."),
    ("resume", "The router starts jobs again."),
    ("drain", "The node is drained: it gets no new jobs."),
    ("undrain", "The node gets jobs again."),
    ("queue_pause", "The topic is paused: workers get no messages of it."),
    ("queue_resume", "Workers get messages of the topic again."),
    ("queue_requeue", "The dead letters were put back."),
    ("publish", "The event was accepted: its job publishes the project."),
    ("reload", "The configuration was reloaded."),
    ("end", "The session has ended."),
];

/// A heading with more characters than this is written smaller.
const LONG_TITLE: usize = 48;

/// Which screens there are besides those that every daemon has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OptionalScreens {
    /// Queues are configured.
    pub queues: bool,
    /// Projects are published from etcd.
    pub published: bool,
}

impl OptionalScreens {
    fn has(self, path: &str) -> bool {
        match path {
            "/queues" => self.queues,
            "/published" => self.published,
            _ => true,
        }
    }
}

/// For whom a screen is made, and what is around it.
pub struct Frame<'a> {
    /// Where the page is.
    pub site: &'a Site,
    /// Who reads it; none before the login.
    pub caller: Option<&'a AuthenticatedCaller>,
    /// The path of the request below the base, with its query.
    pub address: &'a str,
    /// When it is made.
    pub now: Timestamp,
    /// The zone of the server.
    pub zone: TimeZone,
    /// Whether only the changing part is wanted.
    pub is_fragment: bool,
    /// Which screens there are.
    pub screens: OptionalScreens,
    /// What the forms of this screen are sent with, so that each acts once.
    pub form_key: &'a str,
}

impl Frame<'_> {
    /// Whether the reader has this role on this router or app.
    #[must_use]
    pub fn may(&self, role: Role, target: &str) -> bool {
        let target = target.strip_prefix("app:").unwrap_or(target);
        self.caller.is_some_and(|caller| caller.may(role, target).is_ok())
    }

    /// Whether the reader has this role on all of these.
    #[must_use]
    pub fn may_all<'n>(&self, role: Role, targets: impl IntoIterator<Item = &'n str>) -> bool {
        self.caller.is_some_and(|caller| {
            let targets: Vec<&str> = targets.into_iter().collect();
            // Of nothing at all, who has the role on some names alone may do nothing either.
            let allowed =
                if targets.is_empty() { caller.require(role) } else { caller.may_all(role, targets) };
            allowed.is_ok()
        })
    }

    /// Whether the reader has this role everywhere.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.caller.is_some_and(|caller| caller.require(role).is_ok())
    }

    /// The value of this key of the query.
    #[must_use]
    pub fn asked(&self, key: &str) -> Option<String> {
        let (_, query) = self.address.split_once('?')?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    }

    /// Whether it is for a display on a wall: without navigation.
    #[must_use]
    pub fn is_tv(&self) -> bool {
        self.asked("tv").is_some_and(|tv| tv == "1")
    }

    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.address.split('?').next().unwrap_or_default()
    }

    /// The whole document of a screen. `title` is its name, `body` what is below its heading.
    #[must_use]
    pub fn screen(&self, title: &str, body: &Markup) -> String {
        let title = without_direction(title);
        let done = self.asked("done");
        let done = done.and_then(|done| DONE.iter().find(|(word, _)| *word == done));
        let main = html! {
            h1 class=[(title.chars().count() > LONG_TITLE).then_some("long")] { bdi { (title) } }
            @if let Some((_, sentence)) = done { p.notice role="status" { (sentence) } }
            (body)
        };
        if self.is_fragment {
            return main.into_string();
        }
        let name = self.site.title.as_deref().unwrap_or("Herald");
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · " (name) }
                    link rel="icon" type="image/svg+xml" href=(assets::address(self.site, "icon.svg"));
                    link rel="stylesheet" href=(assets::address(self.site, "page.css"));
                    script type="module" src=(assets::address(self.site, "page.js")) {}
                }
                body class=[self.is_tv().then_some("tv")] data-base=(self.site.to("")) data-now=(self.now.as_millisecond()) data-live[self.caller.is_some()] {
                    @if !self.is_tv() {
                        a.skip href="#main" { "Skip to the content" }
                        (self.banner(name))
                    }
                    p #stream role="status" hidden {}
                    main #main tabindex="-1" { (main) }
                    @if !self.is_tv() { footer { "heraldd " (self.site.version) } }
                }
            }
        }
        .into_string()
    }

    fn banner(&self, name: &str) -> Markup {
        html! {
            header {
                a.brand href=(self.site.to("/")) title=[self.site.title.as_deref()] {
                    "HERALD" @if self.site.title.is_some() { " " span { bdi { (name) } } }
                }
                @if let Some(caller) = self.caller {
                    nav aria-label="Screens" {
                        ul { (self.links(caller, &SCREENS)) }
                        details.more {
                            summary class=[MORE.iter().any(|(path, _)| self.current(path).is_some()).then_some("current")] { "More" }
                            ul { (self.links(caller, &MORE)) }
                        }
                    }
                    a.account href=(self.site.to("/account")) aria-current=[self.current("/account")] {
                        bdi { (caller.name.as_deref().unwrap_or("account")) } " · " (caller.role())
                    }
                }
            }
        }
    }

    fn links(&self, caller: &AuthenticatedCaller, screens: &[(&str, &str)]) -> Markup {
        html! {
            @for (path, name) in screens {
                @if self.screens.has(path) && right_of(&Method::GET, path).check(caller).is_ok() {
                    li { a href=(self.site.to(path)) aria-current=[self.current(path)] { (name) } }
                }
            }
        }
    }

    fn current(&self, path: &str) -> Option<&'static str> {
        let here = self.path();
        if here == path {
            return Some("page");
        }
        let is_below = here.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        (path != "/" && is_below).then_some("true")
    }
}

/// The list that a screen belongs to: its path and its name; none of the first page, which has no list.
#[must_use]
pub fn screen_of(path: &str) -> Option<(&'static str, &'static str)> {
    let first = path.strip_prefix('/')?.split('/').next()?;
    let mut all = SCREENS.iter().chain(&MORE);
    all.find(|(known, _)| !first.is_empty() && known.strip_prefix('/') == Some(first)).copied()
}

/// Without the characters that change the direction of what follows: in a heading and in the title of a tab there is
/// more than the name that has them.
fn without_direction(text: &str) -> String {
    let is_control = |c: char| matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !is_control(*c)).collect()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use herald_access::{
        AccessSettings, Authenticator, Grant, Grantee, Grants, PresentedProof, TokenDigest, TokenSettings,
    };

    use super::*;

    fn caller(role: Role, patterns: &[&str]) -> AuthenticatedCaller {
        let token = TokenSettings { name: Some("anna".to_owned()), digest: TokenDigest::of("word"), role };
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        let grant = Grant { role, grantee: Grantee::Token("anna".to_owned()), patterns };
        let may = Grants(if grant.patterns.is_empty() { Vec::new() } else { vec![grant] });
        let settings = AccessSettings { tokens: vec![token], may, ..AccessSettings::default() };
        let (authenticator, header) =
            (Authenticator::new(settings), |_: &str| vec!["Bearer word".to_owned()]);
        let proof = PresentedProof { peer: None, client: None, header: &header, now: 0 };
        let caller = pin!(authenticator.caller(&proof));
        match caller.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(caller)) => caller,
            _ => panic!("a token is checked without waiting"),
        }
    }

    #[test]
    fn a_limited_operator_sees_where_to_try_something() {
        for (caller, seen) in [
            (caller(Role::Viewer, &[]), [false, false]),
            (caller(Role::Operator, &["shop"]), [true, false]),
            (caller(Role::Operator, &[]), [true, true]),
        ] {
            let site = Site::default();
            let frame = Frame {
                site: &site,
                caller: Some(&caller),
                address: "/",
                now: Timestamp::UNIX_EPOCH,
                zone: TimeZone::UTC,
                is_fragment: false,
                screens: OptionalScreens::default(),
                form_key: "",
            };
            let html = frame.screen("x", &html! {});
            assert_eq!(["/try\"", "/audit\""].map(|path| html.contains(path)), seen);
            assert_eq!(frame.may_all(Role::Operator, []), seen[1], "of nothing at all");
        }
    }

    #[test]
    fn names_do_not_turn_what_follows_them() {
        for (text, expected) in
            [("a \u{202e}txt.exe ▸ 1", "a txt.exe ▸ 1"), ("\u{2067}a\u{2069}", "a"), ("שלום", "שלום")]
        {
            assert_eq!(without_direction(text), expected);
        }
    }
}
