//! Templates in parameters: a text with `{{ expression }}` (MiniJinja) is filled in from what is known of a job.
//!
//! A text that is one expression alone keeps the type of its value. What is not defined is an error that names it.
//! Rendering is bounded by fuel, so that no template takes long.

mod blocks;
mod convert;
mod derived;
mod engine;
mod filter;
mod heartbeat;
mod render_error;

use std::sync::{Arc, OnceLock};

use herald_base::depth::{self, TooDeep};
use minijinja::{Environment, Expression, Value as Made};
use serde_json::Value;

use crate::event::activation::Name;
use crate::value::param::Params;
use crate::value::secret::Mask;
use blocks::without_slices;
pub use convert::NotJson;
use derived::DerivedReads;
pub use engine::Scope;
use engine::{ALONE, LENIENT, is_global};
pub use heartbeat::{PublishedCounts, PublishedSource};
pub use herald_base::template_mark::{holds_template, is_template};
use herald_config::problem::{Path, Problem, near_miss};
use render_error::LONGEST;
pub use render_error::RenderError;
use render_error::{plain, render_error, unknown, wrong};

/// What `select_param` may speak of, and what `job_param` may.
const FOR_SELECTOR: [&str; 6] = ["trigger_id", "router", "trigger", "selector", "task", "trigger_param"];
const FOR_JOB: [&str; 12] = [
    "id",
    "job_id",
    "trigger_id",
    "router",
    "trigger",
    "selector",
    "task",
    "executor",
    "trigger_param",
    "select_param",
    "chain_depth",
    "attempt",
];

/// Whose parameters they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// `select_param`: there is no job yet.
    Selector,
    /// `job_param`.
    Job,
}

impl For {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Selector => &FOR_SELECTOR,
            Self::Job => &FOR_JOB,
        }
    }
}

/// Compiles the templates of a workflow. They can be rendered once it is [finished](Self::finish).
#[derive(Default)]
pub struct Compiler {
    /// Made for the first template: most workflows have none.
    texts: Option<Environment<'static>>,
    count: usize,
    shared: Arc<OnceLock<Environment<'static>>>,
}

impl Compiler {
    /// Compiles the templates in these parameters; `None` when there is none. A text that `is_secret` is taken as it
    /// is: nobody knows what is in it. Paths of problems begin at the parameters.
    pub fn compile(
        &mut self,
        params: &Params,
        whose: For,
        is_secret: &dyn Fn(&str) -> bool,
        problems: &mut Vec<Problem>,
    ) -> Option<Template> {
        if !params.values().any(holds_template) {
            return None;
        }
        let mut compiling = Compiling { compiler: self, whose, is_secret, problems, derives: false };
        let node = compiling.map(params, &Path::top());
        let derives = compiling.derives;
        Some(Template { node, texts: self.shared.clone(), derives })
    }

    /// All templates are compiled.
    pub fn finish(self) {
        if let Some(texts) = self.texts {
            // It is set once: a compiler is finished by value.
            let _ = self.shared.set(texts);
        }
    }
}

struct Compiling<'a> {
    compiler: &'a mut Compiler,
    whose: For,
    is_secret: &'a dyn Fn(&str) -> bool,
    problems: &'a mut Vec<Problem>,
    /// Whether a template makes something new of parameters of the selector.
    derives: bool,
}

impl Compiling<'_> {
    fn map(&mut self, params: &Params, at: &Path) -> TemplateNode {
        TemplateNode::Map(
            params.iter().map(|(key, value)| (key.clone(), self.node(value, &at.key(key)))).collect(),
        )
    }

    fn node(&mut self, value: &Value, at: &Path) -> TemplateNode {
        match value {
            _ if !holds_template(value) => TemplateNode::Fixed(value.clone()),
            Value::String(text) if (self.is_secret)(text) => TemplateNode::Fixed(value.clone()),
            Value::String(text) => self.text(text, at).unwrap_or_else(|problem| {
                self.problems.push(*problem);
                TemplateNode::Fixed(Value::Null)
            }),
            Value::Array(list) => TemplateNode::List(
                list.iter().enumerate().map(|(n, item)| self.node(item, &at.index(n))).collect(),
            ),
            Value::Object(map) => self.map(map, at),
            other => TemplateNode::Fixed(other.clone()),
        }
    }

    fn text(&mut self, text: &str, at: &Path) -> Result<TemplateNode, Box<Problem>> {
        if let Some((why, pattern)) = filter::wrong_pattern(text) {
            let problem = Problem::error(at.clone(), format!("error in the template: {why}"));
            return Err(Box::new(problem.within(pattern)));
        }
        if let Some(inner) = alone(text) {
            let wrong = |error: minijinja::Error| wrong(&error, inner, at);
            let expression = ALONE.compile_expression_owned(inner.to_owned()).map_err(wrong)?;
            let sliced = without_slices(inner).and_then(|inner| ALONE.compile_expression_owned(inner).ok());
            let sliced = sliced.map(|expression| expression.undeclared_variables(false)).unwrap_or_default();
            self.names(expression.undeclared_variables(false).into_iter().chain(sliced).collect(), text, at)?;
            let tried =
                LENIENT.compile_expression_owned(inner.to_owned()).and_then(|e| e.eval(Made::UNDEFINED));
            unknown(tried.err(), inner, at)?;
            let reads = DerivedReads::of_expression(inner);
            self.derives |= reads.are_some();
            return Ok(TemplateNode::Alone(Arc::new(expression), inner.into(), reads));
        }
        let name = self.compiler.count.to_string();
        let texts = self.compiler.texts.get_or_insert_with(|| ALONE.clone());
        let added = texts.add_template_owned(name.clone(), text.to_owned());
        added.map_err(|error| wrong(&error, text, at))?;
        self.compiler.count += 1;
        let undeclared = texts.get_template(&name).map(|template| template.undeclared_variables(false));
        let sliced = without_slices(text).and_then(|text| {
            ALONE
                .template_from_named_str("sliced", &text)
                .ok()
                .map(|sliced| sliced.undeclared_variables(false))
        });
        let undeclared = undeclared.unwrap_or_default().into_iter().chain(sliced.unwrap_or_default());
        self.names(undeclared.collect(), text, at)?;
        unknown(LENIENT.render_str(text, Made::UNDEFINED).err(), text, at)?;
        let reads = DerivedReads::of_text(text);
        self.derives |= reads.are_some();
        Ok(TemplateNode::Text(name.into(), reads))
    }

    /// Names that are not defined.
    fn names(
        &self,
        undeclared: std::collections::HashSet<String>,
        text: &str,
        at: &Path,
    ) -> Result<(), Box<Problem>> {
        let known = self.whose.names();
        let mut unknown: Vec<&String> =
            undeclared.iter().filter(|name| !known.contains(&name.as_str()) && !is_global(name)).collect();
        unknown.sort_by_key(|name| text.find(name.as_str()));
        let Some(name) = unknown.first() else { return Ok(()) };
        let problem = Problem::error(at.clone(), format!("unknown variable `{name}`"));
        let help = match near_miss(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("expected one of: {}", known.join(", ")),
        };
        Err(Box::new(problem.within(name.as_str()).help(help)))
    }
}

/// The expression, where a text is one and nothing else.
fn alone(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    let inner = inner.strip_suffix(['-', '+']).unwrap_or(inner);
    // Two expressions would not compile as one; braces inside quotes do.
    let compiles = !(inner.contains("}}") || inner.contains("{{"))
        || ALONE.compile_expression_owned(inner.to_owned()).is_ok();
    compiles.then_some(inner.trim())
}

/// Parameters with templates in them.
#[derive(Clone)]
pub struct Template {
    node: TemplateNode,
    texts: Arc<OnceLock<Environment<'static>>>,
    derives: bool,
}

#[derive(Clone)]
enum TemplateNode {
    Fixed(Value),
    /// A text with templates in it, by the name of the template.
    Text(Name, DerivedReads),
    /// One expression and nothing else, and how it was written.
    Alone(Arc<Expression<'static, 'static>>, Name, DerivedReads),
    List(Vec<TemplateNode>),
    Map(Vec<(String, TemplateNode)>),
}

impl Template {
    /// The parameters, with every template filled in.
    ///
    /// # Errors
    /// [`RenderError`] names the parameter. It may hold what the parameters hold.
    pub fn render(&self, scope: &Scope) -> Result<Params, RenderError> {
        match self.fill(&self.node, scope, &Path::top())? {
            Value::Object(params) => {
                for (key, value) in &params {
                    TooDeep::check(1 + depth::of_value(value))
                        .map_err(|why| RenderError::TooDeep { at: Path::top().key(key), why })?;
                }
                Ok(params)
            }
            _ => Ok(Params::new()),
        }
    }

    /// The mask, which hides too what the templates made of the secrets in `select_param`. `made` is what
    /// [`Self::render`] gave, `shown` the parameters of the event, which everybody may see.
    #[must_use]
    pub fn mask(
        &self,
        mask: &Arc<Mask>,
        select_param: &Params,
        shown: impl FnOnce() -> Arc<Params>,
        made: &Params,
    ) -> Arc<Mask> {
        if !self.derives {
            return mask.clone();
        }
        let (mut found, shown) = (Vec::new(), shown());
        if let TemplateNode::Map(nodes) = &self.node {
            let parts = nodes.iter().filter_map(|(key, node)| Some((node, made.get(key)?)));
            let mut open: Vec<(&TemplateNode, &Value)> = parts.collect();
            while let Some((node, made)) = open.pop() {
                match (node, made) {
                    (TemplateNode::Text(_, reads) | TemplateNode::Alone(_, _, reads), made) => {
                        reads.secrets(made, select_param, &shown, mask, &mut found);
                    }
                    (TemplateNode::List(nodes), Value::Array(list)) => open.extend(nodes.iter().zip(list)),
                    (TemplateNode::Map(nodes), Value::Object(map)) => {
                        open.extend(nodes.iter().filter_map(|(key, node)| Some((node, map.get(key)?))));
                    }
                    _ => {}
                }
            }
        }
        if found.is_empty() {
            return mask.clone();
        }
        let mut whole = Mask::over(mask.clone());
        found.iter().for_each(|made| whole.add_derived(made));
        Arc::new(whole)
    }

    fn fill(&self, node: &TemplateNode, scope: &Scope, at: &Path) -> Result<Value, RenderError> {
        match node {
            TemplateNode::Fixed(value) => Ok(value.clone()),
            TemplateNode::Alone(expression, source, _) => {
                let made = expression.eval(scope.0.clone());
                let made = made.map_err(|error| render_error(&error, source, scope, at))?;
                if made.is_undefined() {
                    return Err(RenderError::Undefined { at: at.clone(), name: source.to_string() });
                }
                convert::to_json(&made).map_err(|error| RenderError::NotJson {
                    at: at.clone(),
                    expression: source.to_string(),
                    error,
                })
            }
            TemplateNode::Text(name, _) => {
                let texts = self.texts.get().ok_or(RenderError::NotFinished)?;
                let template = texts.get_template(name).map_err(|error| RenderError::Failed {
                    at: at.clone(),
                    part: None,
                    message: plain(&error),
                })?;
                let text = template.render(scope.0.clone());
                let text = text.map_err(|error| render_error(&error, template.source(), scope, at))?;
                if text.len() > LONGEST {
                    return Err(RenderError::TooLong { at: at.clone() });
                }
                Ok(Value::String(text))
            }
            TemplateNode::List(nodes) => {
                nodes.iter().enumerate().map(|(n, node)| self.fill(node, scope, &at.index(n))).collect()
            }
            TemplateNode::Map(nodes) => {
                let filled = |(key, node): &(String, TemplateNode)| {
                    Ok((key.clone(), self.fill(node, scope, &at.key(key))?))
                };
                nodes.iter().map(filled).collect::<Result<Params, RenderError>>().map(Value::Object)
            }
        }
    }
}

#[cfg(test)]
mod tests;
