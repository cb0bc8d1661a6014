//! http_remote.
