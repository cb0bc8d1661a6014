//! Conditions that are put together, and written in CEL.

/// A condition. Made by the functions below, it is as short as what is known allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Formula {
    /// True or false, whatever the event.
    Known(bool),
    /// A call or the like: nothing in it binds weaker than `!`.
    Holds(String),
    /// Left and right are equal, or not.
    Equal(String, String, bool),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

use Formula::{All, Any, Equal, Holds, Known, Not};

impl Formula {
    pub(super) fn not(self) -> Self {
        match self {
            Known(is) => Known(!is),
            Equal(left, right, is) => Equal(left, right, !is),
            Not(inner) => *inner,
            All(parts) => parts.into_iter().map(Self::not).fold(Known(false), Self::or),
            Any(parts) => parts.into_iter().map(Self::not).fold(Known(true), Self::and),
            other @ Holds(_) => Not(Box::new(other)),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Known(false), _) | (_, Known(false)) => Known(false),
            (Known(true), one) | (one, Known(true)) => one,
            (left, right) => {
                let mut parts = left.parts_of(true);
                for part in right.parts_of(true) {
                    if !parts.contains(&part) {
                        parts.push(part);
                    }
                }
                Self::all(parts)
            }
        }
    }

    /// Where one of several suffices, those that another part rules out are not written.
    fn all(parts: Vec<Self>) -> Self {
        let ruled_out: Vec<Self> =
            parts.iter().filter(|part| !matches!(part, Any(_))).cloned().map(Self::not).collect();
        let shorter = |part: Self| match part {
            Any(inner) => {
                inner.into_iter().filter(|part| !ruled_out.contains(part)).fold(Known(false), Self::or)
            }
            other => other,
        };
        let impossible = parts.iter().any(|part| ruled_out.contains(part));
        let mut shorter: Vec<Self> = parts.into_iter().map(shorter).collect();
        if impossible || shorter.contains(&Known(false)) {
            Known(false)
        } else if shorter.len() == 1 {
            shorter.remove(0)
        } else {
            All(shorter)
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Known(true), _) | (_, Known(true)) => Known(true),
            (Known(false), one) | (one, Known(false)) => one,
            (left, right) => {
                let mut parts = left.parts_of(false);
                for part in right.parts_of(false) {
                    if !parts.contains(&part) {
                        parts.push(part);
                    }
                }
                if parts.len() == 1 { parts.remove(0) } else { Any(parts) }
            }
        }
    }

    fn parts_of(self, all: bool) -> Vec<Self> {
        match self {
            All(parts) if all => parts,
            Any(parts) if !all => parts,
            other => vec![other],
        }
    }

    /// In CEL; the outermost conditions that must all hold are on lines of their own.
    pub(super) fn cel(&self) -> String {
        match self {
            All(parts) => parts.iter().map(Self::inside).collect::<Vec<_>>().join("\n&& "),
            other => other.flat(),
        }
    }

    fn flat(&self) -> String {
        let joined = |parts: &[Self], operator: &str| {
            parts.iter().map(Self::inside).collect::<Vec<_>>().join(operator)
        };
        match self {
            Known(is) => is.to_string(),
            Holds(text) => text.clone(),
            Equal(left, right, true) => format!("{left} == {right}"),
            Equal(left, right, false) => format!("{left} != {right}"),
            Not(inner) => match &**inner {
                Holds(text) => format!("!{text}"),
                other => format!("!({})", other.flat()),
            },
            All(parts) => joined(parts, " && "),
            Any(parts) => joined(parts, " || "),
        }
    }

    fn inside(&self) -> String {
        match self {
            All(_) | Any(_) => format!("({})", self.flat()),
            other => other.flat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_short_as_can_be() {
        let a = || Holds("a()".to_owned());
        let b = || Equal("b".to_owned(), "1".to_owned(), true);
        for (formula, cel) in [
            (Known(true).and(a()), "a()"),
            (a().and(Known(false)), "false"),
            (a().or(Known(true)), "true"),
            (Known(false).or(b()), "b == 1"),
            (a().not(), "!a()"),
            (a().not().not(), "a()"),
            (b().not(), "b != 1"),
            (a().and(b()).and(a()), "a()\n&& b == 1"),
            (a().or(b()).or(a()), "a() || b == 1"),
            (a().or(a()), "a()"),
            (a().and(a()), "a()"),
            (a().and(b()).not().and(a()), "b != 1\n&& a()"),
            (a().and(b()).not().and(a()).and(b()), "false"),
            (a().or(b()).and(b()), "(a() || b == 1)\n&& b == 1"),
            (a().and(b()).or(b()), "(a() && b == 1) || b == 1"),
            (a().and(b()).not(), "!a() || b != 1"),
            (a().or(b()).not(), "!a()\n&& b != 1"),
        ] {
            assert_eq!(formula.cel(), cel);
        }
    }
}
