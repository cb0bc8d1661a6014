//! `/login` and `/in/…`: the ways in.

use maud::html;

use crate::elements::sign;
use crate::frame::Frame;
use crate::request::return_path;

/// The document of `/login`; `name` is what somebody wrote before.
#[must_use]
pub fn screen(frame: &Frame<'_>, has_users: bool, name: &str, error: Option<&str>) -> String {
    let to = frame.asked("to");
    frame.screen(
        "Log in",
        &html! {
            div.card.narrow {
                @if let Some(error) = error { p.wrong role="alert" { (sign("bad")) (error) } }
                @if has_users {
                    form.act method="post" action=(frame.site.to("/login")) {
                        input type="hidden" name="to" value=(return_path(to.as_deref()));
                        label { "Name " input type="text" name="name" value=(name) autocomplete="username" required autofocus[name.is_empty()]; }
                        label { "Password " input type="password" name="password" autocomplete="current-password" required autofocus[!name.is_empty()]; }
                        button type="submit" { "Log in" }
                    }
                } @else { p { "There is no login with a password here." } }
                p.soft { "On the machine of the daemon, as its user or root, " code { "heraldd page" } " prints a link that lets you in once." }
            }
        },
    )
}

/// The document of a one-time link: a button uses it, so that what looks at links in advance does not.
#[must_use]
pub fn link(frame: &Frame<'_>, secret: &str) -> String {
    frame.screen(
        "Log in",
        &html! {
            div.card.narrow {
                form.act method="post" action=(frame.site.at("/in", &[secret])) {
                    p { "This link lets you in as an admin, once." }
                    button type="submit" autofocus { "Log in" }
                }
            }
        },
    )
}
