//! Where to go after the login: a path of this site, never of another one.

/// The path, where it is one of this site; otherwise the first page.
#[must_use]
pub fn return_path(asked: Option<&str>) -> &str {
    let is_path = |path: &&str| {
        // Browsers read `/\` as `//`, which begins the name of a host, and leave tabs and line ends out.
        let second = path.as_bytes().get(1);
        path.starts_with('/')
            && !matches!(second, Some(b'/' | b'\\'))
            && path.bytes().all(|byte| byte.is_ascii_graphic())
            && !path.contains('\\')
            && path.len() <= 2000
    };
    asked.filter(is_path).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site() {
        for (asked, expected) in [
            (None, "/"),
            (Some("/jobs?status=failed"), "/jobs?status=failed"),
            (Some("//evil.example.com"), "/"),
            (Some("/\\evil.example.com"), "/"),
            (Some("/a\\b"), "/"),
            (Some("https://evil.example.com"), "/"),
            (Some("javascript:alert(1)"), "/"),
            (Some("/\t/evil"), "/"),
            (Some("/\r\nSet-Cookie: a"), "/"),
            (Some(""), "/"),
            (Some("jobs"), "/"),
        ] {
            assert_eq!(return_path(asked), expected, "{asked:?}");
        }
    }
}
