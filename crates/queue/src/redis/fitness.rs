//! Whether a server can be used: its version, persistence and eviction.

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};

use crate::inspect::{Fitness, FitnessFinding};
use crate::redis::reply;
use crate::settings::Durability;

/// Asks the server. What an ACL forbids stays unknown.
pub(crate) async fn ask(
    connection: &mut MultiplexedConnection,
    durable: Durability,
) -> Result<Fitness, RedisError> {
    let info: Result<Value, RedisError> = redis::cmd("INFO").query_async(connection).await;
    let info = match info {
        Ok(value) => reply::text(&value).unwrap_or_default(),
        Err(error) if is_forbidden(&error) => String::new(),
        Err(error) => return Err(error),
    };
    let mut asked = Vec::new();
    for option in ["appendfsync", "maxmemory-policy"] {
        let answer: Result<Value, RedisError> =
            redis::cmd("CONFIG").arg("GET").arg(option).query_async(connection).await;
        asked.push(match answer {
            Ok(value) => reply::texts(&value).get(1).cloned(),
            Err(error) if error.code().is_some() => None,
            Err(error) => return Err(error),
        });
    }
    let [appendfsync, policy] = asked.try_into().unwrap_or_default();
    Ok(judge(&info, appendfsync, policy, durable))
}

fn is_forbidden(error: &RedisError) -> bool {
    error.code() == Some("NOPERM")
}

/// What follows from `INFO` and `CONFIG GET`.
fn judge(info: &str, appendfsync: Option<String>, policy: Option<String>, durable: Durability) -> Fitness {
    let field = |name: &str| {
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
        info.lines().map(str::trim).find_map(value)
    };
    let valkey = field("valkey_version");
    let mut fitness = Fitness {
        server: if valkey.is_some() { "valkey" } else { "redis" }.to_owned(),
        version: valkey.clone().or_else(|| field("redis_version")).unwrap_or_default(),
        appendonly: field("aof_enabled").map(|enabled| enabled == "1"),
        appendfsync,
        maxmemory_policy: policy.or_else(|| field("maxmemory_policy")),
        replicas: field("connected_slaves").and_then(|count| count.parse().ok()),
        run_id: field("run_id").unwrap_or_default(),
        is_cluster: field("cluster_enabled").as_deref() == Some("1"),
        findings: Vec::new(),
    };
    let mut errors: Vec<String> = Vec::new();
    let mut warnings: Vec<String> = Vec::new();
    let major: Option<u32> = fitness.version.split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(major) if valkey.is_none() && major < 7 => {
            errors.push(format!("the server is Redis {}; 7.0 or newer is needed", fitness.version));
        }
        Some(_) => {}
        None => warnings.push("the server's version is unknown: the user cannot run INFO".to_owned()),
    }
    match fitness.maxmemory_policy.as_deref() {
        Some("noeviction") => {}
        Some(policy) => errors.push(format!(
            "the server's maxmemory-policy is {policy}, which deletes messages when memory is short; set noeviction"
        )),
        None => warnings.push("the server's maxmemory-policy is unknown; it must be noeviction".to_owned()),
    }
    persistence(&fitness, durable, &mut errors, &mut warnings);
    let finding = |is_error: bool| move |text: String| FitnessFinding { is_error, text };
    fitness.findings.extend(errors.into_iter().map(finding(true)));
    fitness.findings.extend(warnings.into_iter().map(finding(false)));
    fitness
}

fn persistence(fitness: &Fitness, durable: Durability, errors: &mut Vec<String>, warnings: &mut Vec<String>) {
    let sync = durable == Durability::Sync;
    match (fitness.appendonly, fitness.appendfsync.as_deref()) {
        (Some(false), _) if sync => {
            errors.push(
                "`durable: sync` needs `appendonly yes` and `appendfsync always`; the server has `appendonly no`"
                    .into(),
            );
        }
        (Some(false), _) => {
            warnings.push(
                "the server has `appendonly no`: a restart loses messages since its last snapshot; set `appendonly yes`"
                    .into(),
            );
        }
        (_, Some(fsync)) if sync && fsync != "always" => {
            errors.push(format!(
                "`durable: sync` needs `appendfsync always`; the server has `appendfsync {fsync}`"
            ));
        }
        (None, _) | (_, None) if sync => {
            warnings.push(
                "whether the server writes to its disk at once is unknown: the user cannot run CONFIG GET"
                    .into(),
            );
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\naof_enabled:1\r\nconnected_slaves:2\r\n";

    #[test]
    fn what_makes_a_server_unfit() {
        let some = |text: &str| Some(text.to_owned());
        // INFO, appendfsync, policy, durable, a part of each finding; errors begin with `!`.
        type Case<'a> = (&'a str, Option<String>, Option<String>, Durability, &'a [&'a str]);
        let cases: [Case<'_>; 10] = [
            (GOOD, some("always"), some("noeviction"), Durability::Sync, &[]),
            (GOOD, some("everysec"), some("noeviction"), Durability::Write, &[]),
            (GOOD, some("everysec"), some("noeviction"), Durability::Sync, &["!appendfsync everysec"]),
            (GOOD, some("always"), some("allkeys-lru"), Durability::Write, &["!allkeys-lru"]),
            ("redis_version:6.2.1\naof_enabled:1", None, some("noeviction"), Durability::Write, &["!6.2.1"]),
            (
                "redis_version:7.2.4\nvalkey_version:8.0.1\naof_enabled:1",
                None,
                some("noeviction"),
                Durability::Write,
                &[],
            ),
            (
                "redis_version:7.0.1\naof_enabled:0",
                some("always"),
                some("noeviction"),
                Durability::Sync,
                &["!appendonly no"],
            ),
            (
                "redis_version:7.0.1\naof_enabled:0",
                some("always"),
                some("noeviction"),
                Durability::Write,
                &["appendonly no"],
            ),
            (GOOD, None, None, Durability::Sync, &["maxmemory-policy is unknown", "CONFIG GET"]),
            ("", None, None, Durability::Write, &["cannot run INFO", "maxmemory-policy is unknown"]),
        ];
        for (info, appendfsync, policy, durable, expected) in cases {
            let fitness = judge(info, appendfsync, policy, durable);
            let found: Vec<String> = fitness
                .findings
                .iter()
                .map(|finding| format!("{}{}", if finding.is_error { "!" } else { "" }, finding.text))
                .collect();
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                let (is_error, part) = match expected.strip_prefix('!') {
                    Some(part) => (true, part),
                    None => (false, *expected),
                };
                assert!(found.starts_with('!') == is_error && found.contains(part), "{found}: {expected}");
            }
            assert_eq!(fitness.unfit().is_some(), expected.first().is_some_and(|e| e.starts_with('!')));
        }
        assert_eq!(judge(GOOD, None, None, Durability::Write).replicas, Some(2));
    }
}
