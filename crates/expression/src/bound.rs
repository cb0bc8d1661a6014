//! How long an evaluation can take at most, from the loops in the expression and the lists in the event.

use herald_base::value::Params;
use serde_json::Value;

/// Steps that an evaluation may take at all.
pub const MOST_STEPS: u64 = 2_000_000;
/// Steps of an evaluation that finds wrong types while the configuration is checked: it ends at once.
const QUICK: u64 = 10_000;
/// So many bytes of a text are looked at in about the time of a step.
const BYTES_A_STEP: usize = 1024;

/// What of an expression counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpressionSize {
    /// How many loops stand inside each other.
    pub(crate) loops: u32,
    /// The longest list that is written in it.
    pub(crate) longest_literal: usize,
}

/// Steps, roughly and at most: loops inside each other multiply.
pub(crate) fn steps(size: ExpressionSize, trigger_param: &Params, select_param: &Params) -> u64 {
    let mut largest = Largest { list: size.longest_literal, ..Largest::default() };
    largest.look(trigger_param);
    largest.look(select_param);
    let texts = 1 + (largest.text / BYTES_A_STEP) as u64;
    if size.loops == 0 {
        // Everything is converted once, and looked at once or a few times.
        return texts.max((largest.entries / 8) as u64);
    }
    let list = (largest.list as u64).saturating_add(1);
    list.saturating_pow(size.loops).saturating_mul(texts)
}

/// Whether an evaluation without an event ends at once. Nothing in it can be longer than the expression, apart from
/// what each of its loops, and each function that can give more than it takes, multiplies by at most that length.
pub(crate) fn is_quick(length: usize, growing: u32) -> bool {
    (length as u64).saturating_pow(growing) <= QUICK
}

#[derive(Default)]
struct Largest {
    list: usize,
    text: usize,
    entries: usize,
}

impl Largest {
    fn look(&mut self, params: &Params) {
        let mut open: Vec<&Value> = params.values().collect();
        self.list = self.list.max(params.len());
        self.entries += params.len();
        while let Some(value) = open.pop() {
            match value {
                Value::String(text) => self.text = self.text.max(text.len()),
                Value::Array(list) => {
                    self.list = self.list.max(list.len());
                    self.entries += list.len();
                    open.extend(list);
                }
                Value::Object(map) => {
                    self.list = self.list.max(map.len());
                    self.entries += map.len();
                    open.extend(map.values());
                }
                _ => {}
            }
        }
    }
}
