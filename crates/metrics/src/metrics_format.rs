//! The two text formats of metrics.

use std::collections::HashMap;

use http::HeaderMap;
use http::header::ACCEPT;

/// How the numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// Prometheus' own text, version 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl MetricsFormat {
    /// What the request asks for.
    #[must_use]
    pub fn asked_for(headers: &HeaderMap) -> Self {
        let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let open = accepts.into_iter().any(|accept| accept.contains("application/openmetrics-text"));
        if open { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// OpenMetrics in Prometheus' older text format: there the `# TYPE` lines of counters and infos have the name with its
/// suffix, and there are no units and no end mark.
pub(crate) fn prometheus(open: &str) -> String {
    let types = open.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.rsplit_once(' '));
    let endings: HashMap<&str, &str> = types
        .filter_map(|(name, kind)| match kind {
            "counter" => Some((name, "_total")),
            "info" => Some((name, "_info")),
            _ => None,
        })
        .collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let comment = line.strip_prefix("# TYPE ").or_else(|| line.strip_prefix("# HELP "));
        let comment = comment.and_then(|comment| comment.split_once(' '));
        match comment.and_then(|(name, rest)| Some((name, endings.get(name)?, rest))) {
            Some((name, ending, rest)) => {
                let (kind, _) = line.split_at(7);
                // Only OpenMetrics knows the type.
                let rest = if kind == "# TYPE " && rest == "info" { "gauge" } else { rest };
                text.push_str(&format!("{kind}{name}{ending} {rest}"));
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}
