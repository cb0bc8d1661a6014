//! The token that etcd issues for a user and a password. It expires, and one server's restart may invalidate it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::EtcdError;

/// A token. Secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccessToken(Arc<str>);

impl AccessToken {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The token in use.
#[derive(Default)]
pub(crate) struct TokenStore {
    /// One request authenticates, the others wait for it: each costs etcd a tenth of a second.
    authenticating: tokio::sync::Mutex<()>,
    state: Mutex<TokenState>,
}

#[derive(Default, Clone)]
enum TokenState {
    #[default]
    Missing,
    /// etcd wants none.
    NotNeeded,
    Issued(AccessToken),
}

impl TokenStore {
    fn state(&self) -> TokenState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: TokenState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// The token, authenticated for if there is none. `None`: etcd wants none.
    pub(crate) async fn current<F>(&self, authenticate: F) -> Result<Option<AccessToken>, EtcdError>
    where
        F: AsyncFnOnce() -> Result<Option<String>, EtcdError>,
    {
        let _turn = match self.state() {
            TokenState::Issued(token) => return Ok(Some(token)),
            TokenState::NotNeeded => return Ok(None),
            TokenState::Missing => self.authenticating.lock().await,
        };
        match self.state() {
            TokenState::Issued(token) => Ok(Some(token)),
            TokenState::NotNeeded => Ok(None),
            TokenState::Missing => match authenticate().await? {
                Some(text) => {
                    let token = AccessToken(text.into());
                    self.set(TokenState::Issued(token.clone()));
                    Ok(Some(token))
                }
                None => {
                    self.set(TokenState::NotNeeded);
                    Ok(None)
                }
            },
        }
    }

    /// This token was not accepted; another one may have taken its place already. `None`: one is needed after all.
    pub(crate) fn forget(&self, rejected: Option<&AccessToken>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = match (&*state, rejected) {
            (TokenState::Issued(current), Some(rejected)) => current == rejected,
            (TokenState::NotNeeded, None) => true,
            _ => false,
        };
        if is_current {
            *state = TokenState::Missing;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_used_until_it_is_rejected() {
        let store = TokenStore::default();
        let issue = |text: &'static str| async move || Ok(Some(text.to_owned()));
        let first = store.current(issue("a")).await.unwrap().unwrap();
        assert_eq!(store.current(issue("b")).await.unwrap().unwrap().text(), "a");
        store.forget(Some(&first));
        let second = store.current(issue("c")).await.unwrap().unwrap();
        assert_eq!(second.text(), "c");
        store.forget(Some(&first));
        assert_eq!(store.current(issue("d")).await.unwrap().unwrap().text(), "c", "that was an older one");
        store.forget(Some(&second));
        assert!(store.current(async || Ok(None)).await.unwrap().is_none());
        assert!(store.current(issue("e")).await.unwrap().is_none(), "etcd wanted none");
        store.forget(None);
        assert_eq!(store.current(issue("f")).await.unwrap().unwrap().text(), "f");
    }
}
