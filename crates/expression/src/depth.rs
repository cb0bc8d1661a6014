//! How deep the parts of an expression lie inside each other, found before it is parsed: parsing, evaluating and
//! freeing it recurse as deep, and a stack that overflows ends the process.

/// Parts inside each other, at most. Threads of the daemon have stacks of 2 MiB.
const DEEPEST: usize = 100;
/// What a bracket counts: the parser goes through all levels of precedence, and a loop is several parts.
const BRACKET: usize = 3;

/// Whether it is as deep as may be, or less. Counts at least as much as there is.
pub(crate) fn is_bounded(source: &str) -> bool {
    let (mut open, mut level, mut around) = (Vec::new(), Level::default(), 0_usize);
    let (mut rest, mut before) = (source, "");
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' | '\'' => text(rest, before.contains(['r', 'R'])),
            _ if is_of_word(c) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ => c.len_utf8(),
        };
        let token = &rest[..length];
        (rest, before) = (&rest[length..], if is_prefix(token) { token } else { "" });
        match token {
            "(" | "[" | "{" => {
                level.steps += usize::from(token == "[");
                around += level.depth() + BRACKET;
                open.push(std::mem::take(&mut level));
            }
            ")" | "]" | "}" => {
                level = open.pop().unwrap_or_default();
                around = around.saturating_sub(level.depth() + BRACKET);
            }
            // What follows lies beside what was before.
            "," | "&" | "|" => level = Level::default(),
            "." | "!" => level.steps += 1,
            "+" | "-" | "*" | "/" | "%" | "<" | ">" | "=" | "?" | ":" | "in" => level.next_operand(),
            _ => {}
        }
        if around + level.depth() > DEEPEST {
            return false;
        }
    }
    true
}

/// What was seen since the last bracket that is open.
#[derive(Default)]
struct Level {
    operators: usize,
    /// Of the operand that was read last: fields, calls, negations.
    steps: usize,
    most_steps: usize,
}

impl Level {
    fn next_operand(&mut self) {
        (self.operators, self.most_steps) = (self.operators + 1, self.most_steps.max(self.steps));
        self.steps = 0;
    }

    fn depth(&self) -> usize {
        self.operators + self.most_steps.max(self.steps)
    }
}

/// What may be before a text: it is raw, or bytes.
fn is_prefix(token: &str) -> bool {
    ["r", "b", "rb", "br"].iter().any(|prefix| token.eq_ignore_ascii_case(prefix))
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the text that begins here. In a raw one a backslash is a backslash.
fn text(rest: &str, is_raw: bool) -> usize {
    let quote = &rest[..1];
    let thrice = quote.repeat(3);
    let end = if rest.starts_with(&thrice) { thrice.as_str() } else { quote };
    let mut at = end.len();
    while let Some(c) = rest.get(at..).and_then(|left| left.chars().next()) {
        if rest[at..].starts_with(end) {
            return at + end.len();
        }
        at += c.len_utf8();
        if c == '\\' && !is_raw {
            at += rest[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Compiled;

    /// Without optimization CEL needs ten times as much of the stack as in a release.
    #[test]
    fn what_is_deep_is_refused_before_it_is_parsed() {
        let stack = if cfg!(debug_assertions) { 16 << 20 } else { 1 << 20 };
        std::thread::Builder::new().stack_size(stack).spawn(deep_expressions).unwrap().join().unwrap();
    }

    fn deep_expressions() {
        let x = |text: &str, times: usize| text.repeat(times);
        for (expr, bounded) in [
            (format!("1{} > 0", x(" + 1", 100_000)), false),
            (format!("'\\''{} == '\\''", x(" + 'a'", 100_000)), false),
            (format!("r'\\'{} == r'\\'", x(" + 'a'", 100_000)), false),
            (format!("trigger_param{} == 1", x(".a", 100_000)), false),
            (format!("trigger_param{} == 1", x("[0]", 100_000)), false),
            (format!("trigger_param.a{} == 'a'", x(".trim()", 100_000)), false),
            (format!("{}true{}", x("(", 3000), x(")", 3000)), false),
            (format!("{}true{}", x("(", 60), x(")", 60)), false),
            (format!("{}true", x("!", 100_000)), false),
            (format!("trigger_param.a{}", x(" == true", 100_000)), false),
            (format!("trigger_param.a{}", x(" in [[1]]", 100_000)), false),
            (format!("{}true", x("true ? true : ", 20_000)), false),
            (format!("{}1{} == 2", x("[", 1000), x("]", 1000)), false),
            (format!("1{} > 0", x(" + 1", 98)), true),
            (format!("trigger_param{} == 1", x(".a", 90)), true),
            (format!("trigger_param.a{} == 'a'", x(".trim()", 90)), true),
            (format!("trigger_param{} == 1", x("[0]", 90)), true),
            (format!("{}true{}", x("(", 24), x(")", 24)), true),
            (format!("{}true{}", x("[1].all(x, ", 16), x(")", 16)), true),
            (format!("trigger_param.a{}", x(" && trigger_param.a.b == 'c'", 500)), true),
            (format!("trigger_param.a in [{}1]", x("1, -2, [3], ", 500)), true),
            (format!("trigger_param.a == '{}' // {}", x("+", 500), x("+", 500)), true),
            (format!("trigger_param.a == \"\"\"{}\"\"\"", x("'\" + ", 500)), true),
        ] {
            assert_eq!(is_bounded(&expr), bounded, "{expr:.60}");
            let compiled = Compiled::new(&expr);
            match bounded {
                true => assert!(compiled.is_ok(), "{expr:.60}: {:?}", compiled.err()),
                false => assert!(compiled.err().is_some_and(|e| e.message.contains("deep")), "{expr:.60}"),
            }
        }
    }
}
