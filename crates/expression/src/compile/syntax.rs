//! What is wrong with the syntax of an expression, for people.

use herald_config::spec::CheckError;

/// What the parser found first.
pub(super) fn syntax(source: &str, errors: &cel::ParseErrors) -> CheckError {
    let Some(first) = errors.errors.first() else {
        return "syntax error in the expression".to_owned().into();
    };
    // Lines count from 1, columns of the parser's own from 0 or 1: the rest of the line from there on is shown.
    let (line, column) =
        (usize::try_from(first.pos.0).unwrap_or(1), usize::try_from(first.pos.1).unwrap_or(1));
    let line = source.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let rest: String = line.chars().skip(column.saturating_sub(1)).collect();
    let what = readable(first.msg.lines().next().unwrap_or_default());
    let wrong = CheckError::from(format!("syntax error in the expression at character {column}: {what}"));
    let wrong = match of_another_language(source) {
        Some(help) => wrong.help(help),
        None => wrong,
    };
    if rest.trim().is_empty() { wrong } else { wrong.within(rest) }
}

/// What to write instead of operators of shells, SQL and Python, in an expression that cannot be understood.
fn of_another_language(source: &str) -> Option<&'static str> {
    let mut quote = None;
    let outside = |c: char| match quote {
        Some(open) => {
            if c == open {
                quote = None;
            }
            ' '
        }
        None if c == '"' || c == '\'' => {
            quote = Some(c);
            ' '
        }
        None => c,
    };
    let plain: String = source.chars().map(outside).collect();
    let has_word = |word: &str| {
        plain.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part.eq_ignore_ascii_case(word))
    };
    let operators =
        |operator: &str| plain.split(|c: char| !"=!<>~&|".contains(c)).any(|part| part == operator);
    [
        (operators("="), "write  ==  to compare"),
        (operators("===") || operators("!=="), "write  ==  or  !="),
        (operators("<>"), "write  !="),
        (operators("=~") || operators("~"), "write  trigger_param.ref.matches('PATTERN')"),
        (operators("&") || has_word("and"), "write  &&  for \"and\""),
        (operators("|") || has_word("or"), "write  ||  for \"or\""),
        (has_word("not"), "write  !(…)  for \"not\""),
    ]
    .into_iter()
    .find_map(|(is_it, help)| is_it.then_some(help))
}

/// What the parser says, without the list of all tokens that it knows.
fn readable(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let message = message.split_once(" expecting ").map_or(message, |(message, _)| message);
    let unexpected = ["mismatched input ", "extraneous input ", "no viable alternative at input "];
    let message = match unexpected.iter().find_map(|begin| message.strip_prefix(begin)) {
        Some(token) => format!("unexpected {token}"),
        None => message.replace("token recognition error at: ", "unexpected character "),
    };
    message.replace("'<EOF>'", "end of the expression").replace("<EOF>", "end of the expression")
}
