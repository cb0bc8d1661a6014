//! Errors of the operating system, for people.

use std::io::Error;

/// The sentence, without the number that the standard library appends.
pub(crate) fn sentence(error: &Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_no_number() {
        assert_eq!(sentence(&Error::from_raw_os_error(24)), "Too many open files");
        assert_eq!(sentence(&Error::other("a reason")), "a reason");
    }
}
