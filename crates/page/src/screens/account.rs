//! `/account`: who reads the page, what that role allows, and sessions: one's own, for an admin also those of others.

use herald_access::Role;
use herald_control::model::SessionResource;
use maud::{Markup, html};

use crate::browser_name::browser_name;
use crate::elements;
use crate::frame::Frame;

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, sessions: &[SessionResource]) -> String {
    let caller = frame.caller;
    let name = caller.and_then(|caller| caller.name.as_deref()).unwrap_or("without a name");
    let (own, others): (Vec<_>, Vec<_>) = sessions.iter().partition(|session| session.own);
    frame.screen(
        "Account",
        &html! {
            dl.card {
                dt { "Name" } dd { bdi { (name) } }
                @if let Some(caller) = caller { dt { "Role" } dd { (caller.role()) } dt { "Logged in by" } dd { (caller.via) } }
                dt { "Server time" } dd { (elements::time(frame, &frame.now.to_string())) }
            }
            section #own data-part data-slow {
                h2 { "Your sessions" }
                @if own.is_empty() { p.soft { "This request needed no session: it was proved by a token, or by a proxy." } }
                @else { (list(frame, &own)) }
            }
            @if !own.is_empty() {
                form method="post" action=(frame.site.to("/logout")) { button type="submit" { "Log out" } }
            }
            @if frame.has(Role::Admin) {
                section #others data-part data-slow {
                    h2 { "Sessions of others" }
                    @if others.is_empty() { p.empty { "Nobody else is logged in." } }
                    @else { (list(frame, &others)) }
                }
                (elements::command("heraldd sessions    heraldd sessions end ID    heraldd user passwd NAME"))
            } @else { (elements::command("heraldd user passwd NAME")) }
        },
    )
}

fn list(frame: &Frame<'_>, sessions: &[&SessionResource]) -> Markup {
    html! {
        ul.sessions { @for one in sessions { li {
            div {
                p { @if !one.own { b { (user(one)) } " · " } (browser(one)) }
                p.soft {
                    @if let Some(address) = &one.address { "from " bdi { (address) } ", " }
                    "used " (elements::time(frame, &one.used_at)) ", since " (elements::time(frame, &one.created_at))
                }
            }
            @if one.current { span.soft { "this one" } } @else { (end(frame, one)) }
        } } }
    }
}

/// In a few words; the browser's own are its title.
fn browser(session: &SessionResource) -> Markup {
    match session.agent.as_deref().filter(|agent| !agent.is_empty()) {
        Some(agent) => html! { span title=(agent) { bdi { (browser_name(agent)) } } },
        None => html! { "a browser that does not say which" },
    }
}

/// A name may be that of a user, and that of the owner of the control socket.
fn user(session: &SessionResource) -> Markup {
    html! {
        bdi { (session.user.as_deref().unwrap_or("without a name")) }
        @if session.began_with == "link" { ", by a link" }
    }
}

fn end(frame: &Frame<'_>, session: &SessionResource) -> Markup {
    let of = session.user.as_deref().filter(|_| !session.own);
    html! {
        form method="post" action=(frame.site.to("/account/end")) {
            input type="hidden" name="session" value=(session.id);
            button.plain type="submit" { "End" span.sr { " the session" @if let Some(user) = of { " of " bdi { (user) } } } }
        }
    }
}
