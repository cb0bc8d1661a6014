//! Finds the caller of a request by what the request carries.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use herald_net::network::Network;
use herald_net::repeated_log::RepeatedLog;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::caller::{AuthenticatedCaller, Via};
use crate::grants::Subject;
use crate::jwt;
use crate::refused::counts::RefusedCounts;
use crate::role::Role;
use crate::settings::{AccessSettings, ProxySettings, TokenDigest, TokenSettings};
use crate::throttle::Throttle;
use crate::users::{PasswordHash, UserEntry, UsersFile, UsersFileError, UsersRead};

/// Passwords that are checked at the same time: each takes a processor and 19 MiB.
const CHECKS: usize = 2;
/// Passwords that wait for that; more are rejected.
const WAITING: usize = 32;
/// The longest name that is looked for, in bytes.
const LONGEST_NAME: usize = 256;
/// The longest name, and the most groups, that a proxy may give.
const LONGEST_PROXY_NAME: usize = 200;
const MOST_GROUPS: usize = 200;

/// What a request carries of who sent it.
pub struct PresentedProof<'a> {
    /// The address of the other end of the connection; none on a socket.
    pub peer: Option<IpAddr>,
    /// The address of the client, behind trusted proxies.
    pub client: Option<IpAddr>,
    /// The values of the header of this name.
    pub header: &'a (dyn Fn(&str) -> Vec<String> + Send + Sync),
    /// Seconds since 1970.
    pub now: i64,
}

/// A request is not answered, since its sender did not prove who it is. No text holds what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthenticated {
    /// Without a proof, or with a wrong one.
    #[error("{0}")]
    Unproved(String),
    /// Known, but without a role.
    #[error("{0}")]
    NoRole(String),
    /// Too many wrong passwords.
    #[error("too many wrong passwords; try again in {} s", .0.as_secs().max(1))]
    TooMany(Duration),
    /// Too many passwords are being checked.
    #[error("too many passwords are being checked; try again later")]
    Busy,
    /// Passwords cannot be checked.
    #[error("passwords cannot be checked at the moment; the log says why")]
    Users,
}

/// Finds the caller of a request. What it goes by can be exchanged while it works.
pub struct Authenticator {
    inside: RwLock<Arc<AuthenticatorSettings>>,
    throttle: Mutex<Throttle>,
    users: Mutex<UsersCache>,
    checks: Semaphore,
    waiting: Semaphore,
    rejections: RepeatedLog,
    pub(crate) refused: Mutex<RefusedCounts>,
}

pub(crate) struct AuthenticatorSettings {
    pub(crate) access: AccessSettings,
    pub(crate) users: Option<UsersFile>,
}

/// The users as they were read last.
#[derive(Default)]
struct UsersCache {
    read: Option<(UsersFile, UsersRead)>,
    /// The last error that was logged.
    logged: Option<String>,
}

/// One that lets nobody in.
impl Default for Authenticator {
    fn default() -> Self {
        Self::new(AccessSettings::default())
    }
}

impl Authenticator {
    /// Goes by these settings.
    #[must_use]
    pub fn new(access: AccessSettings) -> Self {
        Self {
            inside: RwLock::new(Arc::new(AuthenticatorSettings::new(access))),
            throttle: Mutex::default(),
            users: Mutex::default(),
            checks: Semaphore::new(CHECKS),
            waiting: Semaphore::new(WAITING),
            rejections: RepeatedLog::new(),
            refused: Mutex::default(),
        }
    }

    /// Goes by other settings from now on; wrong passwords are not forgotten.
    pub fn exchange(&self, access: AccessSettings) {
        *self.inside.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(AuthenticatorSettings::new(access));
    }

    pub(crate) fn settings(&self) -> Arc<AuthenticatorSettings> {
        self.inside.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The proxies whose word about the address of a client counts.
    #[must_use]
    pub fn proxies(&self) -> Vec<Network> {
        self.settings().access.proxy.as_ref().map(|proxy| proxy.from.clone()).unwrap_or_default()
    }

    /// Whether somebody could log in with a password.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.settings().users.is_some()
    }

    /// Who sent a request.
    ///
    /// # Errors
    /// [`NotAuthenticated`]: it is not known.
    pub async fn caller(&self, proof: &PresentedProof<'_>) -> Result<AuthenticatedCaller, NotAuthenticated> {
        let settings = self.settings();
        if let Some(caller) = settings.by_proxy(proof)? {
            return Ok(caller);
        }
        let given = one(&(proof.header)("authorization"))?;
        let Some((scheme, value)) = given.as_deref().and_then(|given| given.split_once(' ')) else {
            return Err(settings.unproved());
        };
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => settings.by_bearer(value.trim(), proof.now),
            "basic" => self.by_password(&settings, value.trim(), proof.client).await,
            _ => Err(settings.unproved()),
        }
    }

    async fn by_password(
        &self,
        settings: &AuthenticatorSettings,
        value: &str,
        client: Option<IpAddr>,
    ) -> Result<AuthenticatedCaller, NotAuthenticated> {
        let decoded = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        match decoded.as_deref().and_then(|text| text.split_once(':')) {
            Some((name, password)) => {
                let Some(file) = settings.users.clone() else { return Err(settings.unproved()) };
                let user = self.check_password(file, name, password, client).await?;
                Ok(settings.of_user(&user))
            }
            None => Err(settings.unproved()),
        }
    }

    /// The user of this name and password. Wrong ones slow down further attempts from there.
    pub(crate) async fn check_password(
        &self,
        file: UsersFile,
        name: &str,
        password: &str,
        client: Option<IpAddr>,
    ) -> Result<UserEntry, NotAuthenticated> {
        let wrong = || NotAuthenticated::Unproved("wrong name or password".to_owned());
        if name.len() > LONGEST_NAME {
            return Err(wrong());
        }
        let _place = self.waiting.try_acquire().map_err(|_| NotAuthenticated::Busy)?;
        let _check = self.checks.acquire().await.map_err(|_| NotAuthenticated::Busy)?;
        // Only now: those that came at once are to count one after the other.
        if let Some(wait) = lock(&self.throttle).wait(name, client, Instant::now()) {
            return Err(NotAuthenticated::TooMany(wait));
        }
        let user = self.user(file, name).await?;
        let (hash, password) = (user.as_ref().map(|user| user.password.clone()), password.to_owned());
        let checked = tokio::task::spawn_blocking(move || match hash {
            Some(hash) => hash.verify(&password),
            None => {
                PasswordHash::verify_nobody(&password);
                false
            }
        });
        let is_right = checked.await.unwrap_or(false);
        let mut throttle = lock(&self.throttle);
        match user.filter(|_| is_right) {
            Some(user) => {
                throttle.passed(name, client);
                Ok(user)
            }
            None => {
                throttle.failed(name, client, Instant::now());
                drop(throttle);
                self.log_rejection(name, client);
                Err(wrong())
            }
        }
    }

    /// Anybody can cause this as often as they like.
    fn log_rejection(&self, name: &str, client: Option<IpAddr>) {
        let user = name.escape_debug().to_string();
        let address = client.map(|address| address.to_string());
        self.rejections.write(move |others| {
            let others = (others > 0).then_some(others);
            tracing::warn!(user, address, others, "login rejected: wrong name or password");
        });
    }

    /// The user of this name. The file is read when it has changed.
    pub(crate) async fn user(
        &self,
        file: UsersFile,
        name: &str,
    ) -> Result<Option<UserEntry>, NotAuthenticated> {
        let before = lock(&self.users).read.clone();
        let read = tokio::task::spawn_blocking(move || {
            let is_same =
                |(known, read): &(UsersFile, UsersRead)| *known == file && file.state() == Some(read.state);
            match before.filter(is_same) {
                Some((_, read)) => Ok((file, read)),
                None => file.read().map(|read| (file, read)),
            }
        });
        let read = read.await;
        let mut cache = lock(&self.users);
        match read {
            Ok(Ok(read)) => {
                let user = read.1.users.iter().find(|user| user.name == name).cloned();
                *cache = UsersCache { read: Some(read), logged: None };
                Ok(user)
            }
            Ok(Err(UsersFileError::Missing(_))) => Ok(None),
            Ok(Err(error)) => {
                cache.fail(&error.to_string());
                Err(NotAuthenticated::Users)
            }
            Err(error) => {
                cache.fail(&error.to_string());
                Err(NotAuthenticated::Users)
            }
        }
    }
}

impl UsersCache {
    /// Logs an error once.
    fn fail(&mut self, error: &str) {
        self.read = None;
        if self.logged.as_deref() != Some(error) {
            tracing::error!("nobody can log in with a password: {error}");
            self.logged = Some(error.to_owned());
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The only value of a header. Of two, one may be somebody else's.
fn one(values: &[String]) -> Result<Option<String>, NotAuthenticated> {
    match values {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        _ => Err(NotAuthenticated::Unproved("the request says twice who sent it".to_owned())),
    }
}

fn is_from(proxy: &ProxySettings, peer: IpAddr) -> bool {
    proxy.from.iter().any(|network| network.contains(peer))
}

impl AuthenticatorSettings {
    fn new(access: AccessSettings) -> Self {
        Self { users: access.users.clone().map(UsersFile::new), access }
    }

    fn unproved(&self) -> NotAuthenticated {
        let access = &self.access;
        let mut ways = Vec::new();
        if !access.tokens.is_empty() || access.jwt.is_some() {
            ways.push("a token as  Authorization: Bearer TOKEN");
        }
        if access.users.is_some() {
            ways.push("a user name and password with HTTP Basic authentication");
        }
        NotAuthenticated::Unproved(match ways.as_slice() {
            [] => "only requests through a trusted proxy are accepted".to_owned(),
            ways => format!("send {}", ways.join(", or ")),
        })
    }

    fn of_user(&self, user: &UserEntry) -> AuthenticatedCaller {
        let subject = Subject { user: Some(&user.name), token: None, groups: &[], role: user.role };
        AuthenticatedCaller::new(Via::Password, &self.access.may, subject)
    }

    /// Whom a trusted proxy names. What others say in its headers counts for nothing.
    fn by_proxy(&self, proof: &PresentedProof<'_>) -> Result<Option<AuthenticatedCaller>, NotAuthenticated> {
        let Some(proxy) = &self.access.proxy else { return Ok(None) };
        let Some(user) = &proxy.user else { return Ok(None) };
        if !proof.peer.is_some_and(|peer| is_from(proxy, peer)) {
            return Ok(None);
        }
        let Some(name) = one(&(proof.header)(user))? else { return Ok(None) };
        let name = name.trim();
        if name.is_empty() {
            return Ok(None);
        }
        if name.chars().count() > LONGEST_PROXY_NAME || name.contains(char::is_control) {
            return Err(NotAuthenticated::Unproved(format!("the header {user} is not a valid name")));
        }
        let given = proxy.groups.as_ref().map(|header| one(&(proof.header)(header))).transpose()?.flatten();
        let groups = given.iter().flat_map(|list| list.split(',')).map(str::trim);
        let groups: Vec<String> =
            groups.filter(|group| !group.is_empty()).take(MOST_GROUPS).map(str::to_owned).collect();
        let of_groups = proxy.roles.iter().filter(|(group, _)| groups.contains(group)).map(|(_, role)| *role);
        let role = of_groups.max().or(proxy.role);
        let subject = |role| Subject { user: Some(name), token: None, groups: &groups, role };
        match role {
            Some(role) => Ok(Some(AuthenticatedCaller::new(Via::Proxy, &self.access.may, subject(role)))),
            None => Err(NotAuthenticated::NoRole(format!(
                "{name} has no role: none of the groups is in `proxy.roles`"
            ))),
        }
    }

    fn by_bearer(&self, token: &str, now: i64) -> Result<AuthenticatedCaller, NotAuthenticated> {
        let digest = TokenDigest::of(token);
        // All of them are compared, whichever it is.
        let equal: Vec<&TokenSettings> =
            self.access.tokens.iter().filter(|one| one.digest == digest).collect();
        if let Some(TokenSettings { name, role, .. }) = equal.first() {
            return Ok(match name {
                // The token of the section `api`.
                None => AuthenticatedCaller::admin(None, Via::Token),
                Some(name) => {
                    let subject = Subject { user: Some(name), token: Some(name), groups: &[], role: *role };
                    AuthenticatedCaller::new(Via::Token, &self.access.may, subject)
                }
            });
        }
        let Some(settings) = self.access.jwt.as_ref().filter(|_| jwt::looks_like_one(token)) else {
            return Err(NotAuthenticated::Unproved("the token is not valid".to_owned()));
        };
        let holder = jwt::verify(token, settings, now).map_err(|error| match error {
            jwt::JwtError::NoRole => NotAuthenticated::NoRole(error.to_string()),
            error => NotAuthenticated::Unproved(error.to_string()),
        })?;
        let subject = Subject { user: Some(&holder.name), token: None, groups: &[], role: holder.role };
        Ok(AuthenticatedCaller::new(Via::Jwt, &self.access.may, subject))
    }
}

impl AccessSettings {
    /// With the token of the section `api`, whose holder is an admin without a name.
    #[must_use]
    pub fn with_admin_token(mut self, token: Option<&str>) -> Self {
        let admin = |token| TokenSettings { name: None, digest: TokenDigest::of(token), role: Role::Admin };
        self.tokens.extend(token.map(admin));
        self
    }
}

#[cfg(test)]
mod tests;
