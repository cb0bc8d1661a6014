//! Names that become part of a path.

/// The longest name of a file on Linux, in bytes.
const MAX_NAME: usize = 255;

/// Why a name cannot be a single component of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// `.` or `..`.
    #[error("it points to another folder")]
    Dots,
    /// It holds a slash.
    #[error("it holds a slash")]
    Slash,
    /// It holds a NUL.
    #[error("it holds a NUL byte")]
    Nul,
    /// It is longer than the file system allows.
    #[error("it is longer than {MAX_NAME} bytes")]
    Long,
}

/// Whether `name` is a single component of a path on Unix. Everything else that Unix allows in a name is fine:
/// backslashes, quotes, newlines, any Unicode.
///
/// # Errors
/// Says what is wrong with it.
pub fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(NameError::Dots);
    }
    if name.contains('/') {
        return Err(NameError::Slash);
    }
    if name.contains('\0') {
        return Err(NameError::Nul);
    }
    if name.len() > MAX_NAME {
        return Err(NameError::Long);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_components_pass() {
        let long = "x".repeat(256);
        for (name, expected) in [
            ("", Err(NameError::Empty)),
            (".", Err(NameError::Dots)),
            ("..", Err(NameError::Dots)),
            ("a/b", Err(NameError::Slash)),
            ("/etc/passwd", Err(NameError::Slash)),
            ("../x", Err(NameError::Slash)),
            ("a\0b", Err(NameError::Nul)),
            (&long, Err(NameError::Long)),
            (&long[..255], Ok(())),
            ("...", Ok(())),
            ("..\\x", Ok(())),
            ("a \"b\" \n ü", Ok(())),
        ] {
            assert_eq!(check(name), expected, "{name:?}");
        }
    }
}
