//! The users of this machine, by number.

/// Where their names are.
pub const USERS: &str = "/etc/passwd";

/// The name of this user in a text such as [`USERS`] holds.
#[must_use]
pub fn name_in(users: &str, uid: u32) -> Option<&str> {
    let mut fields = users.lines().map(|line| line.split(':'));
    fields.find_map(|mut fields| {
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (!name.is_empty() && number.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\n# no user\n\nann:x:1000:1000:Ann:/home/ann:/bin/sh\n:x:7:\n";
        for (uid, name) in [(0, Some("root")), (1000, Some("ann")), (7, None), (8, None)] {
            assert_eq!(name_in(users, uid), name, "{uid}");
        }
    }
}
