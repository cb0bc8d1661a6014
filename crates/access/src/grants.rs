//! `may`: on which routers and apps somebody has a role, rather than on all.

use std::fmt;

use herald_base::name_pattern::matches;
use herald_base::near_miss::near_miss;
use herald_config::problem::{Path, Problem};

use crate::role::Role;

/// Whom an entry of `may` is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// A person, however logged in: the name in the users file, in a JWT or from the proxy.
    User(String),
    /// A named token of the configuration.
    Token(String),
    /// A group that the proxy names.
    Group(String),
    /// Everybody who has the role and is not named in another entry; admins are left out.
    Everybody,
}

impl Grantee {
    /// As it is written: `anna`, `token:ci`, `group:web` or `*`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match (text, text.split_once(':')) {
            ("*", _) => Self::Everybody,
            (_, Some(("token", name))) => Self::Token(name.to_owned()),
            (_, Some(("group", name))) => Self::Group(name.to_owned()),
            _ => Self::User(text.to_owned()),
        }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => f.write_str(name),
            Self::Token(name) => write!(f, "token:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Everybody => f.write_str("*"),
        }
    }
}

/// One entry of `may`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The role.
    pub role: Role,
    /// Who has it.
    pub grantee: Grantee,
    /// On what: patterns of names of routers and apps, where `*` is any text and `?` any character.
    pub patterns: Vec<String>,
}

/// All of `may`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(pub Vec<Grant>);

/// Who somebody is, as far as `may` is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) groups: &'a [String],
    /// The role of the account.
    pub(crate) role: Role,
}

/// What somebody may do where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleScope {
    /// The role on everything, also on what is neither a router nor an app.
    pub(crate) everywhere: Role,
    /// More than that, on what matches.
    pub(crate) further: Vec<(Role, Vec<String>)>,
}

impl RoleScope {
    /// This role on everything.
    pub(crate) fn everywhere(role: Role) -> Self {
        Self { everywhere: role, further: Vec::new() }
    }

    /// The role on the router or app of this name.
    pub(crate) fn on(&self, name: &str) -> Role {
        let matching = |(_, patterns): &&(Role, Vec<String>)| patterns.iter().any(|one| matches(one, name));
        let further = self.further.iter().filter(matching).map(|(role, _)| *role).max();
        further.map_or(self.everywhere, |role| role.max(self.everywhere))
    }

    /// The highest role on anything.
    pub(crate) fn highest(&self) -> Role {
        let further = self.further.iter().map(|(role, _)| *role).max();
        further.map_or(self.everywhere, |role| role.max(self.everywhere))
    }

    /// The patterns of what it has this role on, where it does not have it everywhere.
    pub(crate) fn patterns(&self, role: Role) -> impl Iterator<Item = &str> {
        let enough = self.further.iter().filter(move |(granted, _)| *granted >= role);
        enough.flat_map(|(_, patterns)| patterns.iter().map(String::as_str))
    }
}

impl Grants {
    /// A warning about each pattern that fits none of these names of routers and apps.
    #[must_use]
    pub fn without_use(&self, names: &[&str], may: &Path) -> Vec<Problem> {
        let fits = |pattern: &str| pattern == "*" || names.iter().any(|name| matches(pattern, name));
        let of_grant = |grant: &Grant| {
            let at = may.key(grant.role.as_str()).key(&grant.grantee.to_string());
            let idle = grant.patterns.iter().filter(|pattern| !fits(pattern));
            let doubt = |pattern: &String| {
                let what = format!("there is no router and no app `{pattern}`, so this allows nothing");
                let problem = Problem::warning(at.clone(), what);
                match near_miss(pattern, names.iter().copied()) {
                    Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                    None => problem,
                }
            };
            idle.map(doubt).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of_grant).collect()
    }

    /// What this one may do where. Someone who is named has the granted role on what matches and is a viewer elsewhere;
    /// `*` limits those who have the role without being named, except admins; all others keep the role of the account.
    pub(crate) fn scope(&self, subject: Subject<'_>) -> RoleScope {
        let names = |grant: &&Grant| match &grant.grantee {
            Grantee::User(name) => subject.user == Some(name) && subject.token.is_none(),
            Grantee::Token(name) => subject.token == Some(name),
            Grantee::Group(name) => subject.groups.contains(name),
            Grantee::Everybody => false,
        };
        let limits = |grant: &&Grant| {
            grant.grantee == Grantee::Everybody && grant.role == subject.role && subject.role < Role::Admin
        };
        let mut own: Vec<&Grant> = self.0.iter().filter(names).collect();
        if own.is_empty() {
            own = self.0.iter().filter(limits).collect();
        }
        if own.is_empty() {
            return RoleScope::everywhere(subject.role);
        }
        let further = own.into_iter().map(|grant| (grant.role, grant.patterns.clone())).collect();
        RoleScope { everywhere: Role::Viewer, further }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_fit_nothing() {
        let names = ["shop", "deploy_web"];
        for (patterns, expected) in [
            (&["shop", "deploy_*", "*"][..], &[][..]),
            (&["shop", "shpo", "x_*"], &["`shpo`", "`x_*`"]),
            // The router of an application is under the name of the application.
            (&["app:shop"], &["`app:shop`"]),
        ] {
            let patterns = patterns.iter().map(ToString::to_string).collect();
            let grants =
                Grants(vec![Grant { role: Role::Operator, grantee: Grantee::parse("anna"), patterns }]);
            let found = grants.without_use(&names, &Path::top().key("access").key("may"));
            assert_eq!(found.len(), expected.len(), "{expected:?}");
            for (problem, pattern) in found.iter().zip(expected) {
                assert!(problem.message.contains(pattern), "{}", problem.message);
            }
        }
    }

    #[test]
    fn scopes() {
        let grant = |role, who: &str, patterns: &[&str]| Grant {
            role,
            grantee: Grantee::parse(who),
            patterns: patterns.iter().map(ToString::to_string).collect(),
        };
        let grants = Grants(vec![
            grant(Role::Operator, "anna", &["shop*"]),
            grant(Role::Admin, "anna", &["shop_test"]),
            grant(Role::Operator, "token:ci", &["deploy"]),
            grant(Role::Operator, "group:web", &["site", "blog"]),
            grant(Role::Operator, "*", &["common"]),
        ]);
        for (user, token, groups, role, target, expected) in [
            (Some("anna"), None, &[][..], Role::Viewer, "shop", Role::Operator),
            (Some("anna"), None, &[], Role::Admin, "other", Role::Viewer),
            (Some("anna"), None, &[], Role::Viewer, "shop_test", Role::Admin),
            (Some("anna"), None, &[], Role::Viewer, "common", Role::Viewer),
            (Some("anna"), Some("anna"), &[], Role::Operator, "common", Role::Operator),
            (Some("ci"), Some("ci"), &[], Role::Operator, "deploy", Role::Operator),
            (Some("ci"), None, &[], Role::Operator, "deploy", Role::Viewer),
            (Some("bob"), None, &["web"], Role::Viewer, "blog", Role::Operator),
            (Some("bob"), None, &[], Role::Operator, "common", Role::Operator),
            (Some("bob"), None, &[], Role::Operator, "shop", Role::Viewer),
            // `*` raises nobody and limits no admin.
            (Some("bob"), None, &[], Role::Viewer, "common", Role::Viewer),
            (Some("bob"), None, &[], Role::Admin, "shop", Role::Admin),
        ] {
            let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
            let scope = grants.scope(Subject { user, token, groups: &groups, role });
            assert_eq!(scope.on(target), expected, "{user:?} {token:?} {groups:?} {role} {target}");
        }
    }
}
