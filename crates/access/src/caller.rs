//! A caller that has proved who it is: what it may do.

use std::fmt;

use crate::grants::{Grants, RoleScope, Subject};
use crate::role::Role;

/// The most patterns that a sentence lists.
const FEW: usize = 5;

/// How a caller proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// By its user, on the control socket.
    Socket,
    /// With a token of the configuration.
    Token,
    /// With a name and a password of the users file.
    Password,
    /// With a signed token of another program.
    Jwt,
    /// By the word of a trusted proxy.
    Proxy,
    /// With a session of the page.
    Page,
}

impl Via {
    /// As it is recorded.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Token => "token",
            Self::Password => "password",
            Self::Jwt => "jwt",
            Self::Proxy => "proxy",
            Self::Page => "page",
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A caller that has proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedCaller {
    /// The name of the person, or of the token; none for the token of the section `api`, and for what only reads over
    /// the control socket.
    pub name: Option<String>,
    /// How it proved that.
    pub via: Via,
    scope: RoleScope,
}

/// A caller must not do this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Its role is too low.
    #[error("this needs the role {needed}; {who} has the role {role}")]
    Role {
        /// The role that is needed.
        needed: Role,
        /// Who calls.
        who: String,
        /// Its role.
        role: Role,
    },
    /// Its role is too low on these.
    #[error("this needs the role {needed} for {}; {who} has it {where_else}", .targets.join(", "))]
    Targets {
        /// The role that is needed.
        needed: Role,
        /// Who calls.
        who: String,
        /// The routers and apps.
        targets: Vec<String>,
        /// Where it has that role, as the end of the sentence.
        where_else: String,
    },
}

impl AuthenticatedCaller {
    pub(crate) fn new(via: Via, grants: &Grants, subject: Subject<'_>) -> Self {
        Self { name: subject.user.map(str::to_owned), via, scope: grants.scope(subject) }
    }

    /// Somebody who may do everything: the owner of the control socket, say.
    #[must_use]
    pub fn admin(name: Option<String>, via: Via) -> Self {
        Self { name, via, scope: RoleScope::everywhere(Role::Admin) }
    }

    /// Its role on everything, also on what is neither a router nor an app.
    #[must_use]
    pub fn role(&self) -> Role {
        self.scope.everywhere
    }

    /// Its role on the router or app of this name.
    #[must_use]
    pub fn role_on(&self, name: &str) -> Role {
        self.scope.on(name)
    }

    /// What it may do where, as text: another one where that has changed.
    #[must_use]
    pub fn rights_text(&self) -> String {
        let further = self.scope.further.iter();
        let further = further.map(|(role, patterns)| format!("; {role}: {}", patterns.join(", ")));
        format!("{}{}", self.scope.everywhere, further.collect::<String>())
    }

    /// That it has this role everywhere.
    ///
    /// # Errors
    /// [`Forbidden`]: it does not.
    pub fn require(&self, needed: Role) -> Result<(), Forbidden> {
        if self.scope.everywhere >= needed { Ok(()) } else { Err(self.lacks(needed, &[])) }
    }

    /// That it has this role on something at least: what, is for [`Self::may`] to decide.
    ///
    /// # Errors
    /// [`Forbidden`]: it has it nowhere.
    pub fn require_somewhere(&self, needed: Role) -> Result<(), Forbidden> {
        if self.scope.highest() >= needed { Ok(()) } else { Err(self.lacks(needed, &[])) }
    }

    /// That it has this role on the router or app of this name.
    ///
    /// # Errors
    /// [`Forbidden`]: it does not.
    pub fn may(&self, needed: Role, target: &str) -> Result<(), Forbidden> {
        self.may_all(needed, [target])
    }

    /// That it has this role on all of these routers or apps.
    ///
    /// # Errors
    /// [`Forbidden`], which names those on which it does not.
    pub fn may_all<'a>(
        &self,
        needed: Role,
        targets: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Forbidden> {
        let lacking: Vec<&str> =
            targets.into_iter().filter(|target| self.scope.on(target) < needed).collect();
        if lacking.is_empty() { Ok(()) } else { Err(self.lacks(needed, &lacking)) }
    }

    fn lacks(&self, needed: Role, targets: &[&str]) -> Forbidden {
        let who = self.name.clone().unwrap_or_else(|| "the caller".to_owned());
        if self.scope.highest() < needed {
            return Forbidden::Role { needed, who, role: self.scope.highest() };
        }
        let patterns: Vec<&str> = self.scope.patterns(needed).collect();
        let more = if patterns.len() > FEW { ", …" } else { "" };
        let where_else = match patterns.as_slice() {
            [] => "nowhere".to_owned(),
            some => format!("for {}{more} only", some[..some.len().min(FEW)].join(", ")),
        };
        let targets = match targets {
            [] => vec!["everything".to_owned()],
            some => some.iter().map(ToString::to_string).collect(),
        };
        Forbidden::Targets { needed, who, targets, where_else }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::{Grant, Grantee};

    fn caller(role: Role, patterns: &[&str]) -> AuthenticatedCaller {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        let granted = Grant { role: Role::Operator, grantee: Grantee::User("anna".to_owned()), patterns };
        let grants = Grants(if granted.patterns.is_empty() { Vec::new() } else { vec![granted] });
        AuthenticatedCaller::new(
            Via::Password,
            &grants,
            Subject { user: Some("anna"), token: None, groups: &[], role },
        )
    }

    #[test]
    fn refusals_say_what_is_needed_and_what_there_is() {
        let limited = caller(Role::Operator, &["shop*", "blog"]);
        let viewer = caller(Role::Viewer, &[]);
        for (answer, expected) in [
            (viewer.require(Role::Viewer), None),
            (viewer.require(Role::Operator), Some("this needs the role operator; anna has the role viewer")),
            (viewer.may(Role::Operator, "x"), Some("this needs the role operator; anna has the role viewer")),
            (limited.require_somewhere(Role::Operator), None),
            (limited.may(Role::Operator, "shop2"), None),
            (limited.may_all(Role::Operator, ["shop", "blog"]), None),
            (
                limited.may_all(Role::Operator, ["shop", "a", "b"]),
                Some("this needs the role operator for a, b; anna has it for shop*, blog only"),
            ),
            (
                limited.require(Role::Operator),
                Some("this needs the role operator for everything; anna has it for shop*, blog only"),
            ),
            (limited.require(Role::Admin), Some("this needs the role admin; anna has the role operator")),
            (caller(Role::Admin, &[]).may(Role::Admin, "shop"), None),
            (AuthenticatedCaller::admin(None, Via::Token).require(Role::Admin), None),
        ] {
            assert_eq!(answer.err().map(|error| error.to_string()).as_deref(), expected);
        }
    }
}
