//! What a receiver of web hooks reads and checks in a request: the client, its credentials and signatures, the path,
//! the name of the delivery, and the parameters in body and query. No sockets, no clocks: pure functions of a request.

pub mod auth;
pub mod body;
pub mod client_address;
pub mod cross_site;
pub mod delivery;
pub mod path;
pub mod ping;
pub mod recorded;
pub mod request;
pub mod signature;
