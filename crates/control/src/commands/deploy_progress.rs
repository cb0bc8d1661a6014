//! How far each node is, while a deployment runs: a bar for each node on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Result, Write};

use herald_terminal::job_output::ShownOutput;

/// The steps of a node, in their order, as the log of a deployment names them.
const STEPS: [&str; 5] = ["planned", "prepared", "switching", "switched", "finished"];
/// How wide a bar is.
const WIDTH: usize = 20;
/// How much of the last line of a node is shown.
const LAST_LINE: usize = 40;
/// The longest line that is kept until its end arrives.
const LONGEST: usize = 64 << 10;

/// Shows the log of a deployment.
pub(super) struct DeployProgress {
    /// Lines that have not ended.
    partial: Vec<u8>,
    nodes: Vec<NodeBar>,
    way: ProgressWay,
    /// How many lines are drawn.
    drawn: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ProgressWay {
    Bars,
    Lines,
    Nothing,
}

/// A node as it is drawn.
#[derive(Debug, Default, PartialEq, Eq)]
struct NodeBar {
    name: String,
    /// How many steps are done.
    steps: usize,
    /// What it does, or how it ended.
    state: String,
    last_line: String,
}

impl DeployProgress {
    pub(super) fn new(is_quiet: bool) -> Self {
        let way = match (is_quiet, std::io::stderr().is_terminal()) {
            (true, _) => ProgressWay::Nothing,
            (false, true) => ProgressWay::Bars,
            (false, false) => ProgressWay::Lines,
        };
        Self { partial: Vec::new(), nodes: Vec::new(), way, drawn: 0 }
    }

    /// Takes a piece of the log.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.partial.extend_from_slice(bytes);
        while let Some(at) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=at).collect();
            self.line(String::from_utf8_lossy(&line).trim_end())?;
        }
        if self.partial.len() > LONGEST {
            self.partial.clear();
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<()> {
        // A hook must not rule the terminal of its reader.
        let mut shown = ShownOutput::default();
        let line = shown.piece(line.as_bytes()) + &shown.rest();
        match self.way {
            ProgressWay::Nothing => Ok(()),
            ProgressWay::Lines => writeln!(std::io::stderr(), "{line}"),
            ProgressWay::Bars => {
                note(&mut self.nodes, &line);
                self.draw()
            }
        }
    }

    fn draw(&mut self) -> Result<()> {
        let mut out = String::new();
        if self.drawn > 0 {
            out.push_str(&format!("\u{1b}[{}A", self.drawn));
        }
        let width = self.nodes.iter().map(|node| node.name.chars().count()).max().unwrap_or(0);
        for node in &self.nodes {
            out.push_str(&format!("\r\u{1b}[K{}\n", bar(node, width)));
        }
        self.drawn = self.nodes.len();
        let mut stderr = std::io::stderr();
        stderr.write_all(out.as_bytes()).and_then(|()| stderr.flush())
    }

    pub(super) fn end(&mut self) {
        let rest = std::mem::take(&mut self.partial);
        if !rest.is_empty() {
            // Who looks may be gone.
            let _ = self.line(String::from_utf8_lossy(&rest).trim_end());
        }
    }
}

/// What a line of the log says of a node: `NODE: STATE`, or `[NODE] what it wrote`.
fn note(nodes: &mut Vec<NodeBar>, line: &str) {
    if let Some((name, text)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        if let Some(node) = nodes.iter_mut().find(|node| node.name == name) {
            node.last_line = text.chars().take(LAST_LINE).collect();
        }
        return;
    }
    let Some((name, state)) = line.split_once(": ") else { return };
    let step = STEPS.iter().position(|step| *step == state);
    let known = nodes.iter_mut().find(|node| node.name == name);
    match (known, step) {
        (Some(node), step) => {
            node.steps = step.map_or(node.steps, |step| step + 1);
            node.state = state.chars().take(LAST_LINE).collect();
            if step.is_none() {
                node.last_line.clear();
            }
        }
        (None, Some(step)) => nodes.push(NodeBar {
            name: name.to_owned(),
            steps: step + 1,
            state: state.to_owned(),
            last_line: String::new(),
        }),
        (None, None) => {}
    }
}

fn bar(node: &NodeBar, width: usize) -> String {
    let full = WIDTH * node.steps / STEPS.len();
    let (done, left) = ("█".repeat(full), "░".repeat(WIDTH - full));
    format!("{:<width$}  {done}{left}  {:<10}  {}", node.name, node.state, node.last_line)
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_bars() {
        let mut nodes = Vec::new();
        for line in [
            "deploy 12 of shop",
            "web1: planned",
            "web02: planned",
            "preparing",
            "[web1] Compiling: all of it",
            "web1: prepared",
            "web1: switching",
            "web02: hook `before` failed with exit code 1",
            "web9 is nobody: of ours",
        ] {
            note(&mut nodes, line);
        }
        let bars: Vec<String> = nodes.iter().map(|node| bar(node, 5)).collect();
        assert_eq!(
            bars,
            [
                "web1   ████████████░░░░░░░░  switching   Compiling: all of it",
                "web02  ████░░░░░░░░░░░░░░░░  hook `before` failed with exit code 1",
            ]
        );
    }
}
