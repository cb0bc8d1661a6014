//! What an expression requires: the text that a parameter of the event must be for the expression to be true.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use herald_base::value::Params;

use crate::compile::{Compiled, path};
use crate::function;

impl Compiled {
    /// A path in the `trigger_param` (`a/b/c`) and the text that must stand there for the expression to be true, if it
    /// is an equality like `trigger_param.ref == 'refs/heads/main'` or a conjunction (`&&`) with one.
    #[must_use]
    pub fn required_text(&self, select_param: &Params) -> Option<(String, String)> {
        required(self.program.expression(), select_param)
    }

    /// Whether it may give something else tomorrow for the same parameters.
    #[must_use]
    pub fn depends_on_time(&self) -> bool {
        self.program.references().functions().contains(&function::SECONDS_SINCE)
    }
}

fn required(expr: &IdedExpr, select_param: &Params) -> Option<(String, String)> {
    let Expr::Call(call) = &expr.expr else { return None };
    match call.func_name.as_str() {
        operators::LOGICAL_AND => call.args.iter().find_map(|arg| required(arg, select_param)),
        operators::EQUALS => {
            let [left, right] = call.args.as_slice() else { return None };
            let one = |path: &IdedExpr, text: &IdedExpr| Some((of_event(path)?, known(text, select_param)?));
            one(left, right).or_else(|| one(right, left))
        }
        _ => None,
    }
}

/// A path in the `trigger_param`. A key that has a slash in it cannot be written as one.
fn of_event(expr: &IdedExpr) -> Option<String> {
    let steps = path(expr)?;
    let (name, steps) = steps.split_first()?;
    let is_plain = !steps.is_empty() && steps.iter().all(|step| !step.contains('/'));
    (name == "trigger_param" && is_plain).then(|| steps.join("/"))
}

/// A text that is known before there is an event.
fn known(expr: &IdedExpr, select_param: &Params) -> Option<String> {
    if let Expr::Literal(LiteralValue::String(text)) = &expr.expr {
        return Some(text.inner().to_owned());
    }
    let steps = path(expr)?;
    match steps.as_slice() {
        [name, key] if name == "select_param" => select_param.get(key)?.as_str().map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn params(value: Value) -> Params {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn finds_what_is_required_and_nothing_that_is_not() {
        let select = params(json!({"branch": "main", "n": 5}));
        for (expr, requires) in [
            ("trigger_param.ref == 'x'", Some(("ref", "x"))),
            ("'x' == trigger_param.ref", Some(("ref", "x"))),
            ("trigger_param.a.b[\"c\"][0] == \"x\"", Some(("a/b/c/0", "x"))),
            ("trigger_param.ref == select_param.branch", Some(("ref", "main"))),
            ("trigger_param.n > 5 && trigger_param.ref == 'x' && trigger_param.b", Some(("ref", "x"))),
            ("(trigger_param.ref == 'x' && trigger_param.b) && trigger_param.c", Some(("ref", "x"))),
            ("trigger_param.ref == 'x' || trigger_param.b", None),
            ("trigger_param.b && (trigger_param.ref == 'x' || trigger_param.c)", None),
            ("!(trigger_param.ref == 'x')", None),
            ("trigger_param.ref != 'x'", None),
            ("trigger_param.ref == 'x' ? false : true", None),
            ("(trigger_param.ref == 'x') == false", None),
            ("trigger_param.n == 5", None),
            ("trigger_param.n == select_param.n", None),
            ("trigger_param.ref == select_param.none", None),
            ("trigger_param['a/b'] == 'x'", None),
            ("trigger_param == 'x'", None),
            ("select_param.branch == 'main'", None),
            ("trigger_param.list.exists(x, x == 'y')", None),
        ] {
            let found = Compiled::new(expr).unwrap().required_text(&select);
            let found = found.as_ref().map(|(path, text)| (path.as_str(), text.as_str()));
            assert_eq!(found, requires, "{expr}");
        }
    }

    #[test]
    fn without_what_is_required_it_is_never_true() {
        let expressions = [
            "trigger_param.a == 'x'",
            "trigger_param.a == 'x' && trigger_param.b",
            "trigger_param.b && trigger_param.a == 'x'",
        ];
        let values =
            [json!("y"), json!(""), json!(5), json!(null), json!(true), json!(["x"]), json!({"x": "x"})];
        let events =
            values.into_iter().map(|value| json!({"a": value, "b": true})).chain([json!({"b": true})]);
        for event in events {
            for expr in expressions {
                let given = Compiled::new(expr).unwrap().evaluate(&params(event.clone()), &Params::new());
                assert!(given.is_ok_and(|given| !given.is_true), "{expr} {event}");
            }
        }
    }

    #[test]
    fn only_a_clock_makes_it_depend_on_time() {
        for (expr, depends) in [
            ("trigger_param.a == 'seconds_since'", false),
            ("seconds_since(trigger_param.at) < 60.0", true),
            ("trigger_param.b && [1].exists(x, seconds_since(trigger_param.at) > 1.0)", true),
        ] {
            assert_eq!(Compiled::new(expr).unwrap().depends_on_time(), depends, "{expr}");
        }
    }
}
