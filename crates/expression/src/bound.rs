//! How long an evaluation can take at most, from the loops in the expression and the lists in the event.

use herald_base::value::Params;
use serde_json::Value;

use crate::compile::Compiled;

/// So many bytes of a text are looked at in about the time of a step.
const BYTES_A_STEP: usize = 1024;

/// Steps, roughly and at most: loops inside each other multiply.
pub(crate) fn steps(compiled: &Compiled, trigger_param: &Params, select_param: &Params) -> u64 {
    let mut largest = Largest { list: compiled.longest_literal, ..Largest::default() };
    largest.look(trigger_param);
    largest.look(select_param);
    let texts = 1 + (largest.text / BYTES_A_STEP) as u64;
    if compiled.loops == 0 {
        // Everything is converted once, and looked at once or a few times.
        return texts.max((largest.entries / 8) as u64);
    }
    let list = (largest.list as u64).saturating_add(1);
    list.saturating_pow(compiled.loops).saturating_mul(texts)
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
