//! `/account`: who reads the page, what that role allows, and the sessions of the account.

use maud::html;

use crate::elements;
use crate::frame::Frame;

/// A session of the account.
pub struct SessionRow {
    /// Names it: not the token.
    pub id: String,
    /// When it began (RFC 3339).
    pub since: String,
    /// When it was used last (RFC 3339).
    pub used: String,
    /// From where it began.
    pub address: Option<String>,
    /// The browser, in its own words.
    pub agent: Option<String>,
    /// Whether it is the one that asks.
    pub is_this: bool,
}

/// The document.
#[must_use]
pub fn screen(frame: &Frame<'_>, sessions: &[SessionRow]) -> String {
    let caller = frame.caller;
    let name = caller.and_then(|caller| caller.name.as_deref()).unwrap_or("without a name");
    frame.screen(
        "Account",
        &html! {
            dl.card {
                dt { "Name" } dd { bdi { (name) } }
                @if let Some(caller) = caller { dt { "Role" } dd { (caller.role()) } dt { "Logged in by" } dd { (caller.via) } }
                dt { "Server time" } dd { (elements::time(frame, &frame.now.to_string())) }
            }
            h2 { "Sessions" }
            @if sessions.is_empty() { p.soft { "This request needed no session: it was proved by a token, or by a proxy." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Sessions" { table {
                    thead { tr { th { "Since" } th { "Used" } th { "From" } th { "Browser" } th { "Act" } } }
                    tbody { @for one in sessions { tr {
                        td { (elements::time(frame, &one.since)) }
                        td { (elements::time(frame, &one.used)) }
                        td { (one.address.as_deref().unwrap_or("–")) }
                        td.text { bdi { (one.agent.as_deref().unwrap_or("–")) } }
                        td { @if one.is_this { "this one" } @else {
                            form method="post" action=(frame.site.to("/account/end")) {
                                input type="hidden" name="session" value=(one.id);
                                button.plain type="submit" { "End" }
                            }
                        } }
                    } } }
                } }
                form method="post" action=(frame.site.to("/logout")) { button type="submit" { "Log out" } }
            }
            (elements::command("heraldd user passwd NAME"))
        },
    )
}
