//! Contract, section 2: the components of the daemon. The executors `local` and `http_remote`: [`crate::job`] and
//! [`crate::remote`].

mod executors;
mod http;
mod selectors;
mod socket;
mod triggers;
