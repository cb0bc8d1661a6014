//! What an expression looks at in an event, and what it is sure to give where only a part of the event is known.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use herald_base::value::Params;
use herald_config::spec::LookedAt;

use crate::compile::{Compiled, path};

/// The parameter of the selector that has the expression.
const EXPR: &str = "expr";
/// Steps that a proof may take, roughly: it is made while a configuration is checked.
const MOST_STEPS: u64 = 10_000;

impl Compiled {
    /// The values of the event that it looks at, and the texts with which it compares each.
    #[must_use]
    pub fn looked_at(&self) -> Vec<LookedAt> {
        let mut compared = Vec::new();
        comparisons(self.program.expression(), &mut compared);
        let of_event = self.paths.iter().filter(|path| path.len() > 1 && path[0] == "trigger_param");
        let looked_at = |path: &Vec<String>| LookedAt {
            param: EXPR,
            path: path[1..].to_vec(),
            compared: compared
                .iter()
                .filter(|(at, _)| at == path)
                .map(|(_, text)| (EXPR, text.clone()))
                .collect(),
        };
        of_event.map(looked_at).collect()
    }

    /// What it is sure to give when only a part of the event is known. A key that is missing at the top of `known` may
    /// still come; `None` is "cannot tell".
    #[must_use]
    pub fn prove(&self, known: &Params, select_param: &Params) -> Option<bool> {
        let is_known = |path: &Vec<String>| match path.get(1) {
            Some(key) => path[0] != "trigger_param" || known.contains_key(key),
            None => path[0] != "trigger_param",
        };
        // Quick, since it is asked for every two routers of `exe_done`.
        if let Some((at, text)) = self.required_text(select_param)
            && let Some(is) = known.get(&at)
            && is.as_str() != Some(text.as_str())
        {
            return Some(false);
        }
        let is_certain = !self.depends_on_time() && self.paths.iter().all(is_known);
        let is_short = is_certain && self.steps(known, select_param) <= MOST_STEPS;
        is_short.then(|| self.evaluate(known, select_param).is_ok_and(|given| given.is_true))
    }
}

/// Each path that is compared with a text, with the text: `==`, `!=` and `in [..]`.
fn comparisons(expr: &IdedExpr, found: &mut Vec<(Vec<String>, String)>) {
    match &expr.expr {
        Expr::Call(call) => {
            if let ([left, right], operators::EQUALS | operators::NOT_EQUALS | operators::IN) =
                (call.args.as_slice(), call.func_name.as_str())
            {
                for (at, texts) in [(left, right), (right, left)] {
                    let texts = if path(at).is_some() { literals(texts) } else { Vec::new() };
                    found.extend(texts.into_iter().filter_map(|text| Some((path(at)?, text))));
                }
            }
            call.target.iter().for_each(|target| comparisons(target, found));
            call.args.iter().for_each(|arg| comparisons(arg, found));
        }
        Expr::Comprehension(it) => {
            let parts = [&it.iter_range, &it.accu_init, &it.loop_cond, &it.loop_step, &it.result];
            parts.into_iter().for_each(|part| comparisons(part, found));
        }
        Expr::List(list) => list.elements.iter().for_each(|element| comparisons(element, found)),
        _ => {}
    }
}

/// The texts that are written here: one, or those of a list.
fn literals(expr: &IdedExpr) -> Vec<String> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => vec![text.inner().to_owned()],
        Expr::List(list) => list.elements.iter().flat_map(literals).collect(),
        _ => Vec::new(),
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
    fn paths_and_what_they_are_compared_with() {
        for (expr, expected) in [
            ("trigger_param.router == 'a'", vec![("router", vec!["a"])]),
            (
                "'a' != trigger_param.router && trigger_param.success",
                vec![("router", vec!["a"]), ("success", vec![])],
            ),
            ("trigger_param.status in ['failed', 'lost']", vec![("status", vec!["failed", "lost"])]),
            (
                "!(trigger_param.a.b[\"c\"] == 'x' || has(trigger_param.a.d))",
                vec![("a/b/c", vec!["x"]), ("a/d", vec![])],
            ),
            ("['x'].exists(x, trigger_param.router == 'a')", vec![("router", vec!["a"])]),
            ("trigger_param.n == 5 || select_param.s == 'x'", vec![("n", vec![])]),
        ] {
            let found = Compiled::new(expr).unwrap().looked_at();
            let found: Vec<(String, Vec<&str>)> = found
                .iter()
                .map(|at| (at.path.join("/"), at.compared.iter().map(|(_, text)| text.as_str()).collect()))
                .collect();
            let found: Vec<(&str, Vec<&str>)> =
                found.iter().map(|(path, texts)| (path.as_str(), texts.clone())).collect();
            assert_eq!(found, expected, "{expr}");
        }
    }

    #[test]
    fn proves_only_what_is_certain() {
        let known = params(json!({"router": "r", "success": true, "job_param": {"cmd": "x"}}));
        for (expr, proof) in [
            ("trigger_param.success", Some(true)),
            ("!trigger_param.success", Some(false)),
            ("trigger_param.router != 'other' && trigger_param.success", Some(true)),
            ("trigger_param.router != 'r'", Some(false)),
            ("trigger_param.job_param.cmd == 'x'", Some(true)),
            ("has(trigger_param.job_param.none)", Some(false)),
            ("trigger_param.router == select_param.of", Some(true)),
            // It may come.
            ("trigger_param.result.changed", None),
            ("trigger_param.success || trigger_param.status == 'lost'", None),
            ("size(trigger_param) > 0", None),
            ("seconds_since(trigger_param.router) > 1.0", None),
        ] {
            let found = Compiled::new(expr).unwrap().prove(&known, &params(json!({"of": "r"})));
            assert_eq!(found, proof, "{expr}");
        }
    }
}
