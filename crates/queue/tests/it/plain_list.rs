//! Plain lists, as other programs write and read them.

use e2e::redis::RedisServer;
use herald_queue::Queue;

use crate::fixture::queue;

const KEY: &str = "go_git_webhooks_key";

#[tokio::test]
async fn other_programs_write_and_read_the_same_list() {
    let server = RedisServer::start(&[]);
    let queue = queue(&server, "web1");
    server.run(&["RPUSH", KEY, "{\"shell\":\"make\"}", "second"]);
    let taken = queue.list_take(KEY, "web1/work", 1).await.unwrap();
    assert_eq!((taken.len(), taken[0].item.as_slice()), (1, &b"{\"shell\":\"make\"}"[..]));
    assert!(!taken[0].taken_before);
    queue.list_remove(&taken[0]).await.unwrap();
    assert_eq!(queue.list_push(KEY, b"third", 10).await.unwrap(), Some(2));
    assert_eq!(queue.list_push(KEY, b"fourth", 2).await.unwrap(), None);
    assert_eq!(server.ask(&["LPOP", KEY]).text(), "second");
    assert_eq!(server.ask(&["LPOP", KEY]).text(), "third");
    assert!(queue.list_take(KEY, "web1/work", 5).await.unwrap().is_empty());
    assert_eq!(server.ask(&["EXISTS", "{go_git_webhooks_key}:herald:web1/work"]).number(), 0);
}

#[tokio::test]
async fn what_a_dead_process_took_is_taken_again() {
    let server = RedisServer::start(&[]);
    server.run(&["RPUSH", KEY, "1", "1", "2", "3"]);
    let before = queue(&server, "web1");
    assert_eq!(before.list_take(KEY, "web1/work", 3).await.unwrap().len(), 3);
    drop(before);
    let again = queue(&server, "web1");
    let first = again.list_take(KEY, "web1/work", 2).await.unwrap();
    assert!(first.len() == 2 && first.iter().all(|item| item.taken_before));
    let rest = again.list_take(KEY, "web1/work", 5).await.unwrap();
    let items: Vec<(&[u8], bool)> =
        rest.iter().map(|item| (item.item.as_slice(), item.taken_before)).collect();
    assert_eq!(items, [(&b"2"[..], true), (&b"3"[..], false)]);
    for item in first.iter().chain(&rest) {
        again.list_remove(item).await.unwrap();
    }
    assert!(again.list_take(KEY, "web1/work", 5).await.unwrap().is_empty());
}
