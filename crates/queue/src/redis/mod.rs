//! The queue on Redis 7.0 or newer, or Valkey.

mod batch;
mod cluster;
mod connect;
mod consumer;
mod engine;
mod fitness;
mod inspection;
mod keys;
mod link;
mod list;
mod marker;
mod piece_store;
mod put;
mod read;
mod recent_ends;
mod redis_queue;
mod reply;
mod results;
mod script;
mod server;
mod take;
mod token_calls;
mod worker_name;

pub use redis_queue::RedisQueue;
