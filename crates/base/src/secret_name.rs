//! Which names mark values as secret.

/// What is shown in place of a secret.
pub const MASKED: &str = "***";

/// Whether a value under this name is secret: it contains password, passphrase, secret, token, ssh_key,
/// private_key or api_key, and does not end in `_file`; or it is a header that proves who somebody is, or `bearer`.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    const PROOFS: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "set-cookie", "bearer"];
    const MARKS: [&str; 7] =
        ["password", "passphrase", "secret", "token", "ssh_key", "private_key", "api_key"];
    let bytes = name.as_bytes();
    // Asked of every key of every parameter: nothing is allocated.
    let begins = |at: usize, mark: &str| {
        bytes.get(at..at + mark.len()).is_some_and(|part| {
            part.iter().zip(mark.as_bytes()).all(|(given, mark)| match given {
                b'-' => *mark == b'_',
                given => given.to_ascii_lowercase() == *mark,
            })
        })
    };
    let is_file = || bytes.len().checked_sub("_file".len()).is_some_and(|at| begins(at, "_file"));
    // Most names hold nothing that begins like a mark, the shortest of which is `token`.
    let starts = bytes.windows("token".len()).enumerate().filter(|(_, part)| {
        let pair = (part[0].to_ascii_lowercase(), part[1].to_ascii_lowercase());
        matches!(pair, (b'p', b'a' | b'r') | (b's', b'e' | b's') | (b't', b'o') | (b'a', b'p'))
    });
    let marked = starts.map(|(at, _)| at).any(|at| MARKS.iter().any(|mark| begins(at, mark)));
    (marked && !is_file()) || PROOFS.iter().any(|proof| proof.eq_ignore_ascii_case(name))
}
