//! Evaluates an expression.

use cel::{Context, ExecutionError, Value as Made};
use herald_base::value::Params;

use crate::compile::{self, Compiled};
use crate::{bound, function, seen, value};

/// What an expression gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluated {
    /// Whether it is true.
    pub is_true: bool,
    /// Why, with the values that it read; not masked.
    pub why: String,
}

/// Why an expression gave neither true nor false, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationError(String);

impl Compiled {
    /// How many steps an evaluation takes, roughly and at most.
    #[must_use]
    pub fn steps(&self, trigger_param: &Params, select_param: &Params) -> u64 {
        bound::steps(self.size, trigger_param, select_param)
    }

    /// Evaluates it with these parameters. It may take long: see [`Self::steps`].
    ///
    /// # Errors
    /// It gives something else than true or false, or cannot be evaluated.
    pub fn evaluate(
        &self,
        trigger_param: &Params,
        select_param: &Params,
    ) -> Result<Evaluated, EvaluationError> {
        let mut context = Context::with_env(compile::environment());
        function::add_to(&mut context);
        context.add_variable_from_value("trigger_param", value::of_params(trigger_param));
        context.add_variable_from_value("select_param", value::of_params(select_param));
        let saw = || seen::describe(self, trigger_param, select_param);
        let no = |why: String| Evaluated { is_true: false, why };
        match self.program.execute(&context) {
            Ok(Made::Bool(true)) => {
                Ok(Evaluated { is_true: true, why: format!("the expression is true{}", saw()) })
            }
            Ok(Made::Bool(false)) => Ok(no(format!("the expression is false{}", saw()))),
            Ok(other) => {
                Err(EvaluationError(format!("the expression gives {}, not a boolean", value::kind(&other))))
            }
            // An event without the key is not the event that is meant.
            Err(ExecutionError::NoSuchKey(key)) => Ok(no(format!("key \"{key}\" is missing{}", saw()))),
            Err(error) => Err(EvaluationError(format!(
                "the expression cannot be evaluated: {}{}",
                compile::plain(&error),
                saw()
            ))),
        }
    }
}
