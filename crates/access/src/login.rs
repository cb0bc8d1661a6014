//! Logins that last: who logged in with a password is known again, until the password or the role changes.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use crate::authenticator::{Authenticator, NotAuthenticated};
use crate::caller::{AuthenticatedCaller, Via};
use crate::grants::Subject;
use crate::users::UserEntry;

/// Somebody who logged in with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLogin {
    /// Who, and what that allows.
    pub caller: AuthenticatedCaller,
    /// Changes with the password and the role of the account.
    pub account: String,
}

impl Authenticator {
    /// The user of this name and password. Wrong ones slow down further attempts from there.
    ///
    /// # Errors
    /// [`NotAuthenticated`]: a wrong one, or too many of them.
    pub async fn begin_session(
        &self,
        name: &str,
        password: &str,
        client: Option<IpAddr>,
    ) -> Result<UserLogin, NotAuthenticated> {
        let Some(file) = self.settings().users.clone() else {
            return Err(NotAuthenticated::Unproved("there is no login with a password".to_owned()));
        };
        let user = self.check_password(file, name, password, client).await?;
        Ok(self.login(&user))
    }

    /// Who logged in before as this user; none where the account is gone, or its password or role is another one.
    ///
    /// # Errors
    /// [`NotAuthenticated::Users`]: the users cannot be read.
    pub async fn resume(
        &self,
        name: &str,
        account: &str,
    ) -> Result<Option<AuthenticatedCaller>, NotAuthenticated> {
        let Some(file) = self.settings().users.clone() else { return Ok(None) };
        let user = self.user(file, name).await?;
        Ok(user
            .map(|user| self.login(&user))
            .filter(|login| login.account == account)
            .map(|login| login.caller))
    }

    fn login(&self, user: &UserEntry) -> UserLogin {
        let subject = Subject { user: Some(&user.name), token: None, groups: &[], role: user.role };
        let caller = AuthenticatedCaller::new(Via::Page, &self.settings().access.may, subject);
        UserLogin { caller, account: account(user) }
    }
}

/// Changes with the password and the role.
fn account(user: &UserEntry) -> String {
    let digest = Sha256::new().chain_update(user.password.phc()).chain_update(user.role.as_str()).finalize();
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Role;
    use crate::settings::AccessSettings;
    use crate::users::{PasswordHash, UsersFile, UsersFileError};

    #[tokio::test]
    async fn a_login_lasts_until_the_password_or_the_role_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        let file = UsersFile::new(path.clone());
        let set = |role: Role, password: &str| {
            let password = PasswordHash::new(password).unwrap();
            let entry = UserEntry { name: "anna".to_owned(), role, password };
            file.change(|users| {
                *users = vec![entry];
                Ok::<_, UsersFileError>(())
            })
            .unwrap();
        };
        set(Role::Operator, "correct horse battery");
        let access = AccessSettings { users: Some(path), ..AccessSettings::default() };
        let authenticator = Authenticator::new(access);
        assert!(authenticator.begin_session("anna", "wrong", None).await.is_err());
        let login = authenticator.begin_session("anna", "correct horse battery", None).await.unwrap();
        assert_eq!((login.caller.role(), login.caller.via), (Role::Operator, Via::Page));
        let again = authenticator.resume("anna", &login.account).await.unwrap();
        assert_eq!(again, Some(login.caller));
        assert_eq!(authenticator.resume("bob", &login.account).await.unwrap(), None);
        set(Role::Viewer, "correct horse battery");
        assert_eq!(authenticator.resume("anna", &login.account).await.unwrap(), None);
        assert!(Authenticator::default().begin_session("anna", "x", None).await.is_err());
    }
}
