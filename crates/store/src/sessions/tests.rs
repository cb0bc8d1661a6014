use std::time::Duration;

use herald_core::clock::SystemClock;

use super::record::{IDLE, LONGEST};
use super::table::MOST_OF_USER;
use super::*;
use crate::history::{Keep, schema};
use crate::lock;

fn store(folder: &std::path::Path) -> Arc<JournalStore> {
    let keep = Keep { time: Duration::from_secs(3600), jobs: 10 };
    Arc::new(JournalStore::open(folder, keep, Arc::new(SystemClock)).unwrap())
}

fn anna() -> NewSession {
    NewSession { user: Some("anna".to_owned()), account: Some("stamp".to_owned()), ..NewSession::default() }
}

fn noon() -> Timestamp {
    "2026-11-29T12:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn a_session_lasts_as_long_as_it_is_used_and_a_week() {
    let sessions = Sessions::new(None);
    let token = sessions.begin(anna(), noon()).await.unwrap();
    assert_eq!(token.len(), 64);
    let found = sessions.find(&token, noon() + IDLE - SignedDuration::from_secs(1)).await.unwrap().unwrap();
    assert_eq!(found.of, anna());
    assert!(sessions.find(&token, noon() + IDLE * 2 - SignedDuration::from_secs(2)).await.unwrap().is_some());
    assert!(sessions.find(&token, noon() + IDLE * 3).await.unwrap().is_none(), "idle");
    let token = sessions.begin(anna(), noon()).await.unwrap();
    let mut at = noon();
    while at < noon() + LONGEST {
        assert!(sessions.find(&token, at).await.unwrap().is_some());
        at += IDLE / 2;
    }
    assert!(sessions.find(&token, at).await.unwrap().is_none(), "a week");
    for wrong in ["", "x", &"0".repeat(64), &token.to_uppercase()] {
        assert!(sessions.find(wrong, noon()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn sessions_outlive_the_process_without_their_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let open = store(folder.path());
    let sessions = Sessions::new(Some(open.clone()));
    let kept = sessions.begin(anna(), noon()).await.unwrap();
    let ended = sessions.begin(anna(), noon()).await.unwrap();
    sessions.end(SessionId::of(&ended).unwrap()).await.unwrap();
    drop((sessions, open));
    let text = std::fs::read(folder.path().join("journal.db")).unwrap();
    assert!(!text.windows(kept.len()).any(|part| part == kept.as_bytes()));
    let sessions = Sessions::new(Some(store(folder.path())));
    assert!(sessions.find(&kept, noon()).await.unwrap().is_some());
    assert!(sessions.find(&ended, noon()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_is_used_also_while_nothing_can_be_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let open = store(folder.path());
    let sessions = Sessions::new(Some(open.clone()));
    let token = sessions.begin(anna(), noon()).await.unwrap();
    let other = schema::connect(&lock::file(folder.path()), true).unwrap();
    other.execute_batch("ALTER TABLE sessions RENAME TO aside").unwrap();
    let later = noon() + RECORD_USE;
    assert!(sessions.find(&token, later).await.unwrap().is_some());
    other.execute_batch("ALTER TABLE aside RENAME TO sessions").unwrap();
    let id = SessionId::of(&token).unwrap();
    assert!(sessions.is_valid(id, later + IDLE - SignedDuration::from_secs(1)));
    assert!(!sessions.is_valid(id, later + IDLE));
    assert!(!sessions.is_valid(id, noon() + LONGEST));
    // A use that is recorded after the end does not begin the session again.
    let used = |at| file::save_use(&open, id, at);
    used(later).await.unwrap();
    assert_eq!(file::load(&open).await.unwrap()[0].used_at, later);
    sessions.end(id).await.unwrap();
    used(later + RECORD_USE).await.unwrap();
    assert!(file::load(&open).await.unwrap().is_empty());
}

#[tokio::test]
async fn sessions_are_bounded_and_their_end_is_seen() {
    let sessions = Sessions::new(None);
    let first = sessions.begin(anna(), noon()).await.unwrap();
    let id = SessionId::of(&first).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(20), sessions.ended(id)).await.is_err());
    for n in 1..=MOST_OF_USER {
        let later = noon() + SignedDuration::from_secs(i64::try_from(n).unwrap());
        sessions.begin(anna(), later).await.unwrap();
    }
    sessions.ended(id).await;
    let other = NewSession { user: Some("bob".to_owned()), ..anna() };
    sessions.begin(other, noon() - SignedDuration::from_secs(1)).await.unwrap();
    let all = sessions.current(noon()).await.unwrap();
    let of = |user: &str| all.iter().filter(|one| one.of.user.as_deref() == Some(user)).count();
    assert_eq!((all.len(), of("anna"), of("bob")), (MOST_OF_USER + 1, MOST_OF_USER, 1));
    assert!(all.is_sorted_by(|one, next| one.created_at >= next.created_at), "the newest first");
    let expires_at = all.iter().map(Session::expires_at).max().unwrap();
    assert!(sessions.current(expires_at).await.unwrap().is_empty(), "those that have expired are left out");
}
