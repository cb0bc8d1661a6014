//! What the parser finds, one by one; of a large text from a thread of its own, so that it is read and built into a
//! tree at the same time.

use std::ops::{ControlFlow, Range};
use std::sync::mpsc::sync_channel;
use std::thread;

use serde_yaml::granit_parser::{Event, Parser, ScanError, options};

use super::tree::DEEPEST;

/// From so many bytes on a text is large: a thread costs less than reading them.
const LARGE: usize = 256 << 10;
/// How many events go from one thread to the other together, and how many times as many may be on their way.
const TOGETHER: usize = 1024;
const AHEAD: usize = 4;

/// An event and its place in the text, in bytes.
pub(super) type Found<'t> = Result<(Event<'t>, Range<usize>), ScanError>;

/// Hands what is in the text to `take`, until it wants no more. An error is the last.
pub(super) fn each<'t>(text: &'t str, mut take: impl FnMut(Found<'t>) -> ControlFlow<()>) {
    if text.len() < LARGE {
        let _ = of(text).try_for_each(take);
        return;
    }
    thread::scope(|scope| {
        let (sender, found) = sync_channel(AHEAD);
        let parse = move || {
            let mut all = of(text).peekable();
            while all.peek().is_some() {
                let some: Vec<_> = all.by_ref().take(TOGETHER).collect();
                if sender.send(some).is_err() {
                    return;
                }
            }
        };
        if thread::Builder::new().name("herald-yaml".to_owned()).spawn_scoped(scope, parse).is_err() {
            // There are threads enough later, or never: it takes a little longer here.
            let _ = of(text).try_for_each(take);
            return;
        }
        let _ = found.into_iter().flatten().try_for_each(&mut take);
    });
}

fn of(text: &str) -> impl Iterator<Item = Found<'_>> {
    let options = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        block_nesting_limit: DEEPEST,
        flow_nesting_limit: DEEPEST,
    };
    let mut failed = false;
    let events = Parser::new_from_str_with_options(text, options);
    let events = events.take_while(move |next| {
        let ends = failed || matches!(next, Ok((Event::StreamEnd, _)));
        failed = next.is_err();
        !ends
    });
    events.map(|next| {
        next.map(|(event, span)| {
            let start = span.start.byte_offset().unwrap_or(0);
            let end = span.end.byte_offset().unwrap_or(start);
            (event, start..end.max(start))
        })
    })
}
