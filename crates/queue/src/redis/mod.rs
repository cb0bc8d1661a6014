//! The queue on Redis 7.0 or newer, or Valkey.

mod connect;
mod fitness;
mod keys;
mod link;
mod reply;
mod script;
