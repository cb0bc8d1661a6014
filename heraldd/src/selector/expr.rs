//! `expr`: matches when an expression in CEL is true.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_core::param::Params;
use herald_core::selector::{Answer, Question, RequiredValue, Selector};
use herald_core::spec::{CheckError, Description, OptionKind, OptionSpec, SelectorType};
use herald_core::trigger::ComponentError;
use herald_expression::{Compiled, Evaluated, MOST_STEPS};
use serde_json::Value;
use tokio::sync::oneshot;

/// How long an evaluation may take that does not end at once.
const LONGEST: Duration = Duration::from_secs(1);
/// Steps that are taken on the spot, roughly; more happen elsewhere.
const AT_ONCE: u64 = 10_000;
/// Compiled expressions that are kept: those of the configuration, which a reload may change.
const KEPT: usize = 1000;
/// They are those of all routers, and also what a check proves of these.
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Compiled>>>> = LazyLock::new(Mutex::default);

/// The component type `expr`.
#[must_use]
pub fn component() -> SelectorType {
    let description = Description::new(
        "expr",
        "Matches when an expression is true. The expression is written in CEL (Common Expression Language) over \
         `trigger_param` and `select_param`. Beside the standard functions there are `at(value, \"a.b.0\")` (the value \
         there, or null), `text(value)`, `in_cidr(address, \"10.0.0.0/8\")`, `seconds_since(time)` and \
         `hmac_matches(\"sha256\", secret, data, signature)`. With a missing key it does not match; \
         `has(trigger_param.key)` tests for one. An expression that could take too long with the given event is not \
         evaluated and does not match.",
    )
    .param(
        OptionSpec::new("expr", OptionKind::Text, "The expression. It is compiled when the configuration is loaded, and is not a template.")
            .required()
            .code()
            .check(check),
    )
    .refuse_near_misses()
    .proof(|known, select_param| of(select_param)?.prove(known, select_param))
    .looks(|select_param| of(select_param).map(|it| it.looked_at()).unwrap_or_default())
    .example(
        "
trigger:
  manual:
    type: http

router:
  deploy:
    trigger: manual
    selector: expr
    task:
      show: print
    select_param:
      expr: trigger_param.ref in select_param.branches && !(has(trigger_param.deleted) && trigger_param.deleted)
      branches: [refs/heads/main, refs/heads/stable]
",
    );
    SelectorType::new(description, |_| Ok(Arc::new(Expr)))
}

fn check(value: &Value) -> Result<(), CheckError> {
    value.as_str().map_or(Ok(()), |source| Compiled::new(source).map(drop))
}

struct Expr;

fn compiled(source: &str) -> Result<Arc<Compiled>, ComponentError> {
    let mut kept = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(compiled) = kept.get(source) {
        return Ok(compiled.clone());
    }
    let compiled = Compiled::new(source).map_err(|error| ComponentError::new(error.message))?;
    let compiled = Arc::new(compiled);
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(source.to_owned(), compiled.clone());
    Ok(compiled)
}

/// The expression of these parameters, if it is right.
fn of(select_param: &Params) -> Option<Arc<Compiled>> {
    compiled(source(select_param).ok()?).ok()
}

#[async_trait]
impl Selector for Expr {
    fn requires(&self, select_param: &Params) -> Option<RequiredValue> {
        let (path, text) = of(select_param)?.required_text(select_param)?;
        Some(RequiredValue { path, value: Value::from(text) })
    }

    fn can_be_asked_again(&self, select_param: &Params) -> bool {
        of(select_param).is_some_and(|compiled| !compiled.depends_on_time())
    }

    async fn select(&self, question: &Question) -> Result<Answer, ComponentError> {
        let compiled = compiled(source(&question.select_param)?)?;
        let (trigger_param, select_param) = (question.trigger_param.clone(), question.select_param.clone());
        let steps = compiled.steps(&trigger_param, &select_param);
        if steps <= AT_ONCE {
            return evaluate(&compiled, &trigger_param, &select_param);
        }
        if steps > MOST_STEPS {
            return Err(ComponentError::new(format!(
                "the expression could take about {steps} steps with this event; at most {MOST_STEPS} are taken"
            )));
        }
        let (begins, begun) = oneshot::channel();
        let evaluation = tokio::task::spawn_blocking(move || {
            if begins.send(()).is_err() {
                return Err(ComponentError::new("the answer came too late for the event"));
            }
            evaluate(&compiled, &trigger_param, &select_param)
        });
        // The wait for a thread is not its time. The dispatcher bounds both together.
        let _ = begun.await;
        match tokio::time::timeout(LONGEST, evaluation).await {
            Ok(evaluated) => {
                evaluated.unwrap_or_else(|_| Err(ComponentError::new("the evaluation panicked")))
            }
            Err(_) => {
                Err(ComponentError::new(format!("the expression took longer than {} s", LONGEST.as_secs())))
            }
        }
    }
}

fn source(select_param: &Params) -> Result<&str, ComponentError> {
    let source = select_param.get("expr").and_then(Value::as_str);
    source.ok_or_else(|| ComponentError::new("`expr` is missing"))
}

fn evaluate(
    compiled: &Compiled,
    trigger_param: &Params,
    select_param: &Params,
) -> Result<Answer, ComponentError> {
    match compiled.evaluate(trigger_param, select_param) {
        Ok(Evaluated { is_true: true, why }) => Ok(Answer::yes(why)),
        Ok(Evaluated { is_true: false, why }) => Ok(Answer::no(why)),
        Err(error) => Err(ComponentError::new(error)),
    }
}

#[cfg(test)]
mod tests;
