//! The output of one node among several: every line begins with the node's name.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use herald_base::output::{Output, Stream};

/// The longest line that is kept until its end arrives.
const LONGEST: usize = 64 << 10;

/// Puts `[NODE] ` in front of every line.
pub struct NodePrefix {
    inner: Arc<dyn Output>,
    prefix: Vec<u8>,
    /// Lines whose end has not arrived, of standard output and of standard error.
    partial: Mutex<[Vec<u8>; 2]>,
}

impl NodePrefix {
    /// For this node.
    #[must_use]
    pub fn new(inner: Arc<dyn Output>, node: &str) -> Self {
        Self { inner, prefix: format!("[{node}] ").into_bytes(), partial: Mutex::default() }
    }

    /// The whole lines that there are now, with their prefixes.
    fn lines(&self, stream: Stream, bytes: &[u8], last: bool) -> Vec<u8> {
        let mut partial = self.partial.lock().unwrap_or_else(PoisonError::into_inner);
        let partial = match stream {
            Stream::Stdout => &mut partial[0],
            Stream::Stderr => &mut partial[1],
        };
        partial.extend_from_slice(bytes);
        let mut lines = Vec::new();
        while let Some(at) = partial.iter().position(|byte| *byte == b'\n') {
            lines.extend_from_slice(&self.prefix);
            lines.extend(partial.drain(..=at));
        }
        if (last && !partial.is_empty()) || partial.len() > LONGEST {
            lines.extend_from_slice(&self.prefix);
            lines.append(partial);
            lines.push(b'\n');
        }
        lines
    }
}

#[async_trait]
impl Output for NodePrefix {
    async fn write(&self, stream: Stream, bytes: &[u8]) {
        let lines = self.lines(stream, bytes, false);
        if !lines.is_empty() {
            self.inner.write(stream, &lines).await;
        }
    }

    /// What the other nodes wrote stays: after a restart of the daemon, a node's output may be there twice.
    async fn restart(&self) {}

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
    async fn every_line_begins_with_the_name() {
        let kept = Arc::new(Kept::default());
        let output = NodePrefix::new(kept.clone(), "web1");
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
