//! The output of one node among several: every line bears the node's name.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use herald_core::executor::{Output, Stream};

/// The longest line that is waited for to its end.
const LONGEST: usize = 64 << 10;

/// Puts `[NODE] ` in front of every line.
pub(super) struct Labelled {
    inner: Arc<dyn Output>,
    label: Vec<u8>,
    /// Lines whose end has not come, of standard output and of standard error.
    begun: Mutex<[Vec<u8>; 2]>,
}

impl Labelled {
    pub(super) fn new(inner: Arc<dyn Output>, node: &str) -> Self {
        Self { inner, label: format!("[{node}] ").into_bytes(), begun: Mutex::default() }
    }

    /// The whole lines that there are now, with their labels.
    fn lines(&self, stream: Stream, bytes: &[u8], last: bool) -> Vec<u8> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = match stream {
            Stream::Stdout => &mut begun[0],
            Stream::Stderr => &mut begun[1],
        };
        begun.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(at) = begun.iter().position(|byte| *byte == b'\n') {
            lines.extend_from_slice(&self.label);
            lines.extend(begun.drain(..=at));
        }
        if (last && !begun.is_empty()) || begun.len() > LONGEST {
            lines.extend_from_slice(&self.label);
            lines.append(begun);
            lines.push(b'\n');
        }
        lines
    }
}

#[async_trait]
impl Output for Labelled {
    async fn write(&self, stream: Stream, bytes: &[u8]) {
        let lines = self.lines(stream, bytes, false);
        if !lines.is_empty() {
            self.inner.write(stream, &lines).await;
        }
    }

    /// What the other nodes wrote stays: after a restart of the daemon, a node's output may be there twice.
    async fn begin_anew(&self) {}

    async fn close(&self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = self.lines(stream, b"", true);
            if !rest.is_empty() {
                self.inner.write(stream, &rest).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<(Stream, String)>>);

    #[async_trait]
    impl Output for Kept {
        async fn write(&self, stream: Stream, bytes: &[u8]) {
            self.0.lock().unwrap().push((stream, String::from_utf8(bytes.to_vec()).unwrap()));
        }
    }

    #[tokio::test]
    async fn every_line_bears_the_name() {
        let kept = Arc::new(Kept::default());
        let output = Labelled::new(kept.clone(), "web1");
        output.write(Stream::Stdout, b"one\ntw").await;
        output.write(Stream::Stderr, b"err").await;
        output.write(Stream::Stdout, b"o\n\n").await;
        output.close().await;
        let lines: Vec<(Stream, String)> = kept.0.lock().unwrap().clone();
        assert_eq!(
            lines,
            [
                (Stream::Stdout, "[web1] one\n".to_owned()),
                (Stream::Stdout, "[web1] two\n[web1] \n".to_owned()),
                (Stream::Stderr, "[web1] err\n".to_owned()),
            ]
        );
    }
}
