//! Compiles an expression and finds what is wrong with it as far as nothing is known of the event.

mod syntax;

use std::sync::{Arc, LazyLock};

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};
use cel::{Context, Env, ExecutionError, Program};
use herald_base::near_miss::near_miss;
use herald_base::value::Params;
use herald_config::spec::CheckError;

use crate::bound::{self, ExpressionSize, MOST_STEPS};
use crate::{depth, function, value};
use syntax::syntax;

/// What an expression may speak of.
const NAMES: [&str; 2] = ["trigger_param", "select_param"];
/// Operators that never give true or false.
const ARITHMETIC: [&str; 6] = [
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
];

/// Functions whose text or list can be many times as long as what they are given.
const GROWING: [&str; 4] = ["replace", "join", "format", "split"];
/// The memory of a pattern, as in templates.
const LARGEST_PATTERN: usize = 1 << 20;

/// The standard of CEL and its extension for texts.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // Fails only where the same is added twice.
    let _ = environment.add_extension(cel::extensions::strings);
    Arc::new(environment)
});

pub(crate) fn environment() -> Arc<Env> {
    ENVIRONMENT.clone()
}

/// An expression that was understood.
pub struct Compiled {
    pub(crate) program: Program,
    pub(crate) size: ExpressionSize,
    /// How many loops and functions it has that can give more than they take.
    growing: u32,
    /// The paths that it looks at, each beginning with one of [`NAMES`].
    pub(crate) paths: Vec<Vec<String>>,
}

impl Compiled {
    /// Compiles an expression and checks it as far as nothing is known of the event.
    ///
    /// # Errors
    /// It cannot be understood, names what does not exist, can never be true or false, or takes too long with any
    /// event.
    pub fn new(source: &str) -> Result<Self, CheckError> {
        if source.trim().is_empty() {
            return Err("the expression is empty".to_owned().into());
        }
        if !depth::is_bounded(source) {
            let wrong = CheckError::from(
                "the expression is too deep: too many parts lie inside each other".to_owned(),
            );
            return Err(wrong.help("split it, with  &&  or  ||, or with a list after  in"));
        }
        let program = ENVIRONMENT.compile(source).map_err(|errors| syntax(source, &errors))?;
        let mut found = ExpressionVisitor::default();
        found.visit(program.expression(), 0);
        known_names(source, &found.unknown)?;
        known_functions(source, &program)?;
        if let Some((pattern, error)) = found.bad_pattern {
            let wrong = CheckError::from(format!("the pattern is not valid: {error}"));
            return Err(wrong.within(pattern));
        }
        if never_true_or_false(&program.expression().expr) {
            return Err("the expression never gives true or false".to_owned().into());
        }
        found.paths.sort();
        found.paths.dedup();
        let ExpressionVisitor { loops, growing, longest_literal, paths, .. } = found;
        let size = ExpressionSize { loops, longest_literal };
        let compiled = Self { program, size, growing, paths };
        let steps = compiled.steps(&Params::new(), &Params::new());
        if steps > MOST_STEPS {
            return Err(format!(
                "the expression could take about {steps} steps with any event; at most {MOST_STEPS} are taken"
            )
            .into());
        }
        if bound::is_quick(source.len(), compiled.growing) {
            types(&compiled.program)?;
        }
        Ok(compiled)
    }
}

fn known_names(source: &str, unknown: &[String]) -> Result<(), CheckError> {
    if let Some(name) = unknown.iter().min_by_key(|name| source.find(name.as_str())) {
        let help = match near_miss(name, NAMES) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "did you mean `trigger_param.{name}`? An expression begins with trigger_param or select_param"
            ),
        };
        let wrong = CheckError::from(format!("unknown variable `{name}`"));
        return Err(wrong.help(help).within(name.as_str()));
    }
    Ok(())
}

fn known_functions(source: &str, program: &Program) -> Result<(), CheckError> {
    let references = program.references();
    let mut functions: Vec<&str> = references
        .functions()
        .into_iter()
        .filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .filter(|name| !function::NAMES.contains(name) && !is_standard(name))
        .collect();
    functions.sort_by_key(|name| source.find(name));
    match functions.first() {
        None => Ok(()),
        Some(name) => {
            let meant = near_miss(name, function::NAMES.into_iter().chain(STANDARD));
            let wrong = CheckError::from(format!("unknown function `{name}`")).within((*name).to_owned());
            Err(match meant {
                Some(meant) => wrong.help(format!("did you mean `{meant}`?")),
                None => wrong,
            })
        }
    }
}

/// Names of types, as in `type(x) == string`.
const ENVIRONMENT_TYPES: [&str; 12] = [
    "int",
    "uint",
    "double",
    "bool",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "duration",
    "timestamp",
];
/// Functions of CEL's standard library and of its extension for texts.
const STANDARD: [&str; 52] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "bool",
    "string",
    "bytes",
    "type",
    "dyn",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "max",
    "min",
    "charAt",
    "indexOf",
    "lastIndexOf",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "join",
    "substring",
    "trim",
    "format",
    "reverse",
    "quote",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "optional",
    "of",
    "none",
    "hasValue",
    "value",
    "orValue",
];

fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name)
}

fn never_true_or_false(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(literal) => !matches!(literal, LiteralValue::Boolean(_)),
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => true,
        Expr::Call(call) => ARITHMETIC.contains(&call.func_name.as_str()) || call.func_name == "size",
        Expr::Ident(name) => NAMES.contains(&name.as_str()),
        _ => false,
    }
}

/// An operator that does not fit its operands whatever the event holds.
fn types(program: &Program) -> Result<(), CheckError> {
    let mut context = Context::with_env(environment());
    function::add_to(&mut context);
    for name in NAMES {
        context.add_variable_from_value(name, value::of_params(&Params::new()));
    }
    match program.execute(&context) {
        Err(
            error @ (ExecutionError::NoSuchOverload(_)
            | ExecutionError::InvalidArgumentCount { .. }
            | ExecutionError::UnsupportedBinaryOperator(..)),
        ) => Err(plain(&error).into()),
        _ => Ok(()),
    }
}

/// The error as a part of a sentence. Values are named by their kind: they may be secret.
pub(crate) fn plain(error: &ExecutionError) -> String {
    let text = match error {
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            format!(
                "the operator `{operator}` does not take {} and {}",
                value::kind(left),
                value::kind(right)
            )
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("{} cannot be compared with {}", value::kind(left), value::kind(right))
        }
        ExecutionError::UnsupportedTargetType { target } => {
            format!("it does not take {}", value::kind(target))
        }
        ExecutionError::NotSupportedAsMethod { method, target } => {
            format!("there is no `{method}` of {}", value::kind(target))
        }
        other => other.to_string(),
    };
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// What a walk through an expression finds.
#[derive(Default)]
struct ExpressionVisitor {
    loops: u32,
    growing: u32,
    longest_literal: usize,
    paths: Vec<Vec<String>>,
    bad_pattern: Option<(String, String)>,
    /// Names of no variable.
    unknown: Vec<String>,
    /// Names that loops around it give.
    bound: Vec<String>,
}

impl ExpressionVisitor {
    /// `loops`: how many stand around it.
    fn visit(&mut self, expr: &IdedExpr, loops: u32) {
        self.loops = self.loops.max(loops);
        if let Some(path) = path(expr).filter(|path| NAMES.contains(&path[0].as_str())) {
            self.paths.push(path);
            return;
        }
        match &expr.expr {
            Expr::Call(call) => {
                self.growing += u32::from(GROWING.contains(&call.func_name.as_str()));
                self.pattern(&call.func_name, call.args.last());
                call.target.iter().for_each(|target| self.visit(target, loops));
                call.args.iter().for_each(|arg| self.visit(arg, loops));
            }
            Expr::Ident(name) => {
                let known = self.bound.contains(name) || ENVIRONMENT_TYPES.contains(&name.as_str());
                if !known && !name.starts_with('@') {
                    self.unknown.push(name.clone());
                }
            }
            Expr::Comprehension(it) => {
                self.growing += 1;
                self.visit(&it.iter_range, loops);
                self.visit(&it.accu_init, loops);
                let outside = self.bound.len();
                self.bound.extend([&it.iter_var, &it.accu_var].into_iter().chain(&it.iter_var2).cloned());
                [&it.loop_cond, &it.loop_step, &it.result]
                    .into_iter()
                    .for_each(|part| self.visit(part, loops + 1));
                self.bound.truncate(outside);
            }
            Expr::List(list) => {
                self.longest_literal = self.longest_literal.max(list.elements.len());
                list.elements.iter().for_each(|element| self.visit(element, loops));
            }
            Expr::Select(select) => self.visit(&select.operand, loops),
            Expr::Map(map) => {
                self.longest_literal = self.longest_literal.max(map.entries.len());
                for entry in &map.entries {
                    if let cel::common::ast::EntryExpr::MapEntry(entry) = &entry.expr {
                        self.visit(&entry.key, loops);
                        self.visit(&entry.value, loops);
                    }
                }
            }
            _ => {}
        }
    }

    fn pattern(&mut self, function: &str, argument: Option<&IdedExpr>) {
        if function != "matches" {
            return;
        }
        if let Some(IdedExpr { expr: Expr::Literal(LiteralValue::String(pattern)), .. }) = argument
            && let Err(error) = regex::RegexBuilder::new(pattern.inner()).size_limit(LARGEST_PATTERN).build()
        {
            let error = error.to_string().lines().last().unwrap_or_default().to_owned();
            self.bad_pattern = Some((pattern.inner().to_owned(), error));
        }
    }
}

/// A path such as `trigger_param.commits[0].id`, if that is what the expression is.
pub(crate) fn path(expr: &IdedExpr) -> Option<Vec<String>> {
    match &expr.expr {
        Expr::Ident(name) => Some(vec![name.clone()]),
        Expr::Select(select) => {
            let mut steps = path(&select.operand)?;
            steps.push(select.field.clone());
            Some(steps)
        }
        Expr::Call(call) if call.func_name == operators::INDEX && call.args.len() == 2 => {
            let mut steps = path(&call.args[0])?;
            steps.push(match &call.args[1].expr {
                Expr::Literal(LiteralValue::String(key)) => key.inner().to_owned(),
                Expr::Literal(LiteralValue::Int(index)) => index.inner().to_string(),
                _ => return None,
            });
            Some(steps)
        }
        _ => None,
    }
}
