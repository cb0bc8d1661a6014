//! Where the page is and what it is called: the base path, the public address, the title.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is written as it is in a step of a path.
const STEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The option `base`: the path below which the page is, with the address that browsers use where that is another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicBase {
    /// Such as `/herald`: without a slash at its end, and empty at the root.
    pub path: String,
    /// Such as `https://ops.example.com`; none where browsers use the address of the listener.
    pub origin: Option<String>,
}

/// A base that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a path such as /herald/, or the whole URL such as https://ops.example.com/herald/")]
pub struct BaseError;

impl PublicBase {
    /// Reads the option.
    ///
    /// # Errors
    /// [`BaseError`]: it is neither a path nor a URL.
    pub fn parse(text: &str) -> Result<Self, BaseError> {
        let (origin, path) = match text.split_once("://") {
            Some((scheme @ ("http" | "https"), rest)) => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                let is_host = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
                if host.is_empty() || !host.chars().all(is_host) {
                    return Err(BaseError);
                }
                (Some(format!("{scheme}://{}", host.to_ascii_lowercase())), path)
            }
            Some(_) => return Err(BaseError),
            None => (None, text.strip_prefix('/').ok_or(BaseError)?),
        };
        let path = path.trim_end_matches('/');
        let is_step = |step: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
            !step.is_empty() && step != "." && step != ".." && step.chars().all(is_plain)
        };
        if path.is_empty() {
            return Ok(Self { path: String::new(), origin });
        }
        match path.split('/').all(is_step) {
            true => Ok(Self { path: format!("/{path}"), origin }),
            false => Err(BaseError),
        }
    }

    /// The host that browsers name, where that is known.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.origin.as_deref().and_then(|origin| origin.split_once("://")).map(|(_, host)| host)
    }

    /// The path of a request below the base, which begins with a slash; none where it is elsewhere.
    #[must_use]
    pub fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(&*self.path).filter(|rest| rest.starts_with('/'))
    }
}

/// Where the page is, and what it is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    /// Where it is.
    pub base: PublicBase,
    /// What it is called, such as `Production`.
    pub title: Option<String>,
    /// Where the configuration of a router can be read, by router.
    pub links: BTreeMap<String, String>,
    /// The version of heraldd.
    pub version: String,
}

impl Site {
    /// The address of what is at this path of the page, which begins with a slash.
    #[must_use]
    pub fn to(&self, path: &str) -> String {
        format!("{}{path}", self.base.path)
    }

    /// As [`Self::to`], with names or ids as steps behind it.
    #[must_use]
    pub fn at(&self, path: &str, steps: &[&str]) -> String {
        let mut address = self.to(path);
        for step in steps {
            // Writing to a String cannot fail.
            let _ = write!(address, "/{}", utf8_percent_encode(step, STEP));
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases() {
        let base = |path: &str, origin: Option<&str>| {
            Ok(PublicBase { path: path.to_owned(), origin: origin.map(str::to_owned) })
        };
        for (text, expected) in [
            ("/", base("", None)),
            ("/herald", base("/herald", None)),
            ("/a/b/", base("/a/b", None)),
            ("https://Ops.example.com", base("", Some("https://ops.example.com"))),
            ("http://10.0.0.1:8080/herald/", base("/herald", Some("http://10.0.0.1:8080"))),
            ("herald", Err(BaseError)),
            ("", Err(BaseError)),
            ("//evil", Err(BaseError)),
            ("/a/../b", Err(BaseError)),
            ("/a b", Err(BaseError)),
            ("ftp://x/", Err(BaseError)),
            ("https://user@host/", Err(BaseError)),
            ("https:///x", Err(BaseError)),
        ] {
            assert_eq!(PublicBase::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn paths_below_a_base() {
        let base = PublicBase::parse("/herald/").unwrap();
        for (path, below) in [
            ("/herald/jobs", Some("/jobs")),
            ("/herald/", Some("/")),
            ("/herald", None),
            ("/heraldry/x", None),
            ("/jobs", None),
        ] {
            assert_eq!(base.below(path), below, "{path}");
        }
        assert_eq!(PublicBase::default().below("/jobs"), Some("/jobs"));
    }

    #[test]
    fn names_are_steps_of_a_path() {
        let site = Site { base: PublicBase::parse("/h").unwrap(), ..Site::default() };
        assert_eq!(site.at("/apps", &["a/../b?c", "plan"]), "/h/apps/a%2F..%2Fb%3Fc/plan");
    }
}
