//! Paths with captures, such as `/deploy/{app}`.

use percent_encoding::percent_decode_str;

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PathError(String);

impl PathError {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// The paths of the requests that a receiver accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<PathSegment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PathSegment {
    Literal(String),
    Capture(String),
}

impl Pattern {
    /// Reads `/deploy/{app}`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, PathError> {
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| PathError::new("a path begins with `/`, such as /deploy/{app}"))?;
        if text.contains(['?', '#']) || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(PathError::new("a path holds neither `?` nor `#` nor spaces"));
        }
        let mut segments = Vec::new();
        for part in rest.split('/') {
            let segment = match part.strip_prefix('{').map(|name| name.strip_suffix('}')) {
                Some(Some(name)) if is_name(name) => PathSegment::Capture(name.to_owned()),
                None if !part.contains(['{', '}']) => PathSegment::Literal(decoded(part)),
                _ => {
                    let what = format!("`{part}`: a capture is a whole part of the path, such as {{app}}");
                    return Err(PathError::new(what));
                }
            };
            if segments.contains(&segment) && matches!(segment, PathSegment::Capture(_)) {
                return Err(PathError::new(format!("`{part}` is there twice")));
            }
            segments.push(segment);
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// What the captures hold when the path of a request fits.
    #[must_use]
    pub fn captures(&self, path: &str) -> Option<Vec<(&str, String)>> {
        let mut captures = Vec::new();
        let mut parts = path.strip_prefix('/')?.split('/');
        for segment in &self.segments {
            let part = decoded(parts.next()?);
            match segment {
                PathSegment::Literal(literal) if *literal == part => {}
                PathSegment::Capture(name) if !part.is_empty() => captures.push((name.as_str(), part)),
                _ => return None,
            }
        }
        parts.next().is_none().then_some(captures)
    }

    /// Of two that fit, the one that says more comes first: what is written out, before what is captured.
    #[must_use]
    pub fn rank(&self) -> impl Ord + use<> {
        self.segments.iter().map(|segment| matches!(segment, PathSegment::Capture(_))).collect::<Vec<bool>>()
    }

    /// Whether every path that fits one fits the other.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|pair| match pair {
                (PathSegment::Literal(a), PathSegment::Literal(b)) => a == b,
                (PathSegment::Capture(_), PathSegment::Capture(_)) => true,
                _ => false,
            })
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Of several receivers whose paths match a request, the one with the least precedence value receives it: those without
/// a path come last.
#[must_use]
pub fn precedence(pattern: Option<&Pattern>) -> impl Ord + use<> {
    (pattern.is_none(), pattern.map(Pattern::rank))
}

/// Whether two receivers are for the same requests; one without a path is for all that are left.
#[must_use]
pub fn clash(one: Option<&Pattern>, other: Option<&Pattern>) -> bool {
    match (one, other) {
        (Some(a), Some(b)) => a.is_like(b),
        (None, None) => true,
        _ => false,
    }
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// A part that is not UTF-8 once it is decoded matches no literal.
pub(crate) fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (pattern, path, captures) in [
            ("/", "/", Some(&[][..])),
            ("/", "/x", None),
            ("/hook", "/hook", Some(&[])),
            ("/hook", "/hook/", None),
            ("/hook", "/Hook", None),
            ("/hook", "/hook/x", None),
            ("/deploy/{app}", "/deploy/web", Some(&[("app", "web")])),
            ("/deploy/{app}", "/deploy/a%20b%2Fc", Some(&[("app", "a b/c")])),
            ("/deploy/{app}", "/deploy/", None),
            ("/deploy/{app}", "/deploy", None),
            ("/deploy/{app}/{env_1}", "/deploy/web/prod", Some(&[("app", "web"), ("env_1", "prod")])),
            ("/a%20b", "/a%20b", Some(&[])),
        ] {
            let read = Pattern::read(pattern).unwrap();
            let found = read.captures(path);
            let expected: Option<Vec<(&str, String)>> =
                captures.map(|list| list.iter().map(|(k, v)| (*k, (*v).to_owned())).collect());
            assert_eq!(found, expected, "{pattern} {path}");
        }
        for wrong in ["", "hook", "/a?b", "/a b", "/{}", "/{a", "/x{a}", "/{a}/{a}", "/{a-b}"] {
            assert!(Pattern::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_says_more_comes_first() {
        let mut patterns: Vec<Pattern> =
            ["/{a}/{b}", "/{a}/x", "/x/{b}", "/x/y"].iter().map(|p| Pattern::read(p).unwrap()).collect();
        patterns.sort_by_key(Pattern::rank);
        let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["/x/y", "/x/{b}", "/{a}/x", "/{a}/{b}"]);
        let like = |a: &str, b: &str| Pattern::read(a).unwrap().is_like(&Pattern::read(b).unwrap());
        assert!(like("/x/{a}", "/x/{b}") && !like("/x/{a}", "/x/y") && !like("/x", "/x/y"));
    }
}
