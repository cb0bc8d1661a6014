//! The users of this machine, by number.

/// Where their names are.
pub const USERS: &str = "/etc/passwd";

/// Where the names of groups are.
pub const GROUPS: &str = "/etc/group";

/// The number of the user or group with this name, in a text such as [`USERS`] or [`GROUPS`] holds.
#[must_use]
pub fn id_in(text: &str, name: &str) -> Option<u32> {
    let mut lines = text.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let (found, number) = (fields.next()?, fields.nth(1)?);
        (found == name && !name.is_empty()).then(|| number.parse().ok()).flatten()
    })
}

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
        for (name, uid) in [("root", Some(0)), ("ann", Some(1000)), ("", None), ("bob", None)] {
            assert_eq!(id_in(users, name), uid, "{name}");
        }
        for (uid, name) in [(0, Some("root")), (1000, Some("ann")), (7, None), (8, None)] {
            assert_eq!(name_in(users, uid), name, "{uid}");
        }
    }
}
