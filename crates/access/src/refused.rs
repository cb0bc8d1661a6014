//! Logins to the page that were refused, for the audit: at most one line for each account and minute, so that a client
//! that guesses passwords cannot fill it.

pub(crate) mod counts;

use tokio::time::Instant;

use crate::authenticator::{Authenticator, NotAuthenticated, lock};

/// What the audit is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLogins {
    /// The account; none where there is no such one: people write passwords into the wrong field.
    pub user: Option<String>,
    /// Why, and how often.
    pub why: String,
}

impl Authenticator {
    /// Counts a login that was refused. `None` where no line is due: one of this minute says that somebody tried.
    pub async fn refused_login(&self, name: &str, why: &NotAuthenticated) -> Option<RefusedLogins> {
        if !matches!(why, NotAuthenticated::Unproved(_) | NotAuthenticated::TooMany(_)) {
            return None;
        }
        let file = self.settings().users.clone()?;
        let known = self.user(file, name).await.ok().flatten();
        let mut user = known.map(|user| user.name);
        let times = lock(&self.refused).count(&mut user, Instant::now())?;
        Some(RefusedLogins { user, why: reason(times) })
    }

    /// Of somebody who logs in now: the refused logins before, which no line has said.
    #[must_use]
    pub fn refused_before(&self, name: &str) -> Option<RefusedLogins> {
        let times = lock(&self.refused).take(name)?;
        Some(RefusedLogins { user: Some(name.to_owned()), why: reason(times) })
    }
}

fn reason(times: u64) -> String {
    match times {
        1 => "wrong name or password".to_owned(),
        _ => format!("wrong name or password, {times} times since the last line"),
    }
}
