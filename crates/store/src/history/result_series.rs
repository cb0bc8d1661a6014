//! Values of ended jobs, with as many questions as they take, within bounds.

use herald_core::param::value_size;

use super::query::{History, HistoryError};
use super::results::{ResultPage, ResultQuery};

/// About how many bytes the values of a series have at most, beside those of one question.
const BYTES: usize = 4 << 20;

/// The newest values, with so many questions at most: each looks at 500 jobs and reads about 1 MiB. There are no more
/// once the values have 4 MiB. A `next_cursor` says that there may be older values; a page may be empty and have one.
///
/// # Errors
/// [`HistoryError`].
pub async fn result_series(
    history: &dyn History,
    mut query: ResultQuery,
    questions: usize,
) -> Result<ResultPage, HistoryError> {
    let (mut all, mut bytes) = (ResultPage::default(), 0);
    for _ in 0..questions {
        let page = history.results(query.clone()).await?;
        query.limit = query.limit.saturating_sub(page.results.len());
        bytes += page.results.iter().map(|one| value_size(&one.value)).sum::<usize>();
        all.results.extend(page.results);
        query.cursor = page.next_cursor.as_deref().map(str::to_owned);
        all.next_cursor = page.next_cursor;
        // Other questions come in between.
        if query.limit == 0 || bytes >= BYTES || all.next_cursor.is_none() {
            break;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use herald_core::activation::Name;
    use herald_core::journal::{Journal, Record};
    use serde_json::{Value, json};

    use super::*;
    use crate::history::MemoryHistory;
    use crate::store::tests::{accepted, append, at, ended, id, open_for_ever, plan, queued};

    fn ended_with(record: Record, given: Value) -> Record {
        match record {
            Record::Ended { job, mask, mut verdict, cancelled_by, kept, at } => {
                verdict.result = given.as_object().unwrap().clone();
                Record::Ended { job, mask, verdict, cancelled_by, kept, at }
            }
            other => other,
        }
    }

    #[tokio::test]
    async fn both_histories_give_the_same_series_digit_for_digit() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan("s3cret-s3cret");
        let (store, memory) = (open_for_ever(folder.path()), MemoryHistory::default());
        let mut records = vec![accepted(&plan, 1, json!({"n": 7}))];
        let big: Value = serde_json::from_str(r#"{"size": 18446744073709551617, "ratio": 0.10}"#).unwrap();
        for (n, result) in
            [(10, json!({"size": 1})), (11, json!({"other": 1})), (12, big), (13, json!({"size": null}))]
        {
            records.push(queued(&plan, 1, n));
            records.push(ended_with(ended(&plan, 1, n), result));
        }
        records.push(queued(&plan, 1, 14));
        append(&store, &records).await.unwrap();
        memory.append(&records.into()).await.unwrap();
        let all = ResultQuery {
            router: "r".to_owned(),
            path: "result/size".to_owned(),
            limit: 10,
            ..ResultQuery::default()
        };
        let path = |path: &str| ResultQuery { path: path.to_owned(), ..all.clone() };
        for (query, expected) in [
            (all.clone(), r#"[12 18446744073709551617, 10 1]"#),
            (path("result/ratio"), "[12 0.10]"),
            (ResultQuery { limit: 1, ..all.clone() }, "[12 18446744073709551617] more"),
            (ResultQuery { cursor: Some(id(12).to_string()), ..all.clone() }, "[10 1]"),
            (ResultQuery { task: Some("x".to_owned()), ..all.clone() }, "[]"),
            (ResultQuery { router: "x".to_owned(), ..all.clone() }, "[]"),
            (ResultQuery { since: Some(at(2)), ..all.clone() }, "[]"),
            (ResultQuery { since: Some(at(1)), limit: 1, ..path("status") }, r#"[13 "succeeded"] more"#),
            (ResultQuery { limit: 1, ..path("job_param/cmd") }, r#"[13 "true"] more"#),
            (ResultQuery { limit: 1, ..path("result") }, r#"[13 {"size":null}] more"#),
            (ResultQuery { limit: 1, ..path("job_param/git_password") }, r#"[13 "***"] more"#),
            (path("no/such"), "[]"),
        ] {
            let (on_disk, in_memory) = (
                result_series(&store, query.clone(), 20).await.unwrap(),
                result_series(&memory, query.clone(), 20).await.unwrap(),
            );
            assert_eq!(on_disk, in_memory, "{query:?}");
            let number = |id: &Name| u64::from_str_radix(&id[id.len() - 6..], 16).unwrap();
            let shown = on_disk.results.iter().map(|one| format!("{} {}", number(&one.id), one.value));
            let more = if on_disk.next_cursor.is_some() { " more" } else { "" };
            assert_eq!(format!("[{}]{more}", shown.collect::<Vec<_>>().join(", ")), expected, "{query:?}");
        }
        assert!(matches!(
            store.results(ResultQuery { cursor: Some("x".to_owned()), ..all }).await,
            Err(HistoryError::Cursor)
        ));
    }

    #[tokio::test]
    async fn a_series_ends_where_its_values_are_many_bytes_or_are_shortened() {
        let plan = plan("s3cret-s3cret");
        let memory = MemoryHistory::default();
        let mut records = vec![accepted(&plan, 1, json!({}))];
        for n in 10..14 {
            records.push(queued(&plan, 1, n));
            records.push(ended_with(ended(&plan, 1, n), json!({"text": "x".repeat(BYTES / 3)})));
        }
        memory.append(&records.into()).await.unwrap();
        let query = ResultQuery {
            router: "r".to_owned(),
            path: "result/text".to_owned(),
            limit: 10,
            ..ResultQuery::default()
        };
        let short = ResultQuery { shorten: Some(|_| json!("cut")), ..query.clone() };
        for (query, count, last) in [(query, 3, Some(11)), (short, 4, None)] {
            let page = result_series(&memory, query, 20).await.unwrap();
            assert_eq!((page.results.len(), page.next_cursor), (count, last.map(id)));
        }
    }

    #[tokio::test]
    async fn a_series_looks_at_so_many_jobs_and_says_where_to_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan("s3cret-s3cret");
        let store = open_for_ever(folder.path());
        let jobs = 10_050;
        let mut records = vec![accepted(&plan, 1, json!({}))];
        for n in 2..jobs + 2 {
            records.push(queued(&plan, 1, n));
            records.push(ended(&plan, 1, n));
        }
        for records in records.chunks(2000) {
            append(&store, records).await.unwrap();
        }
        let query = ResultQuery {
            router: "r".to_owned(),
            path: "result/none".to_owned(),
            limit: 5,
            ..ResultQuery::default()
        };
        let page = result_series(&store, query.clone(), 20).await.unwrap();
        assert_eq!((page.results.len(), page.next_cursor.as_ref()), (0, Some(&id(52))));
        let rest = ResultQuery { cursor: page.next_cursor.map(|id| id.to_string()), ..query };
        assert_eq!(result_series(&store, rest, 20).await.unwrap(), ResultPage::default());
    }
}
