//! The queue on Redis 7.0 or newer, or Valkey.

mod batch;
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
mod redis_queue;
mod reply;
mod results;
mod script;
mod take;
mod token_calls;

pub use redis_queue::RedisQueue;
