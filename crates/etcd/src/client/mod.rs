//! The client of one etcd, shared by all that use it.

mod connection;
mod connector;
mod endpoints;
mod etcd_client;
mod fault;
mod gateway;
mod keys;
mod lease;
mod range;
mod token;
mod witness;

pub use connection::ConnectionStatus;
pub(crate) use endpoints::EndpointIndex;
pub use etcd_client::{EtcdClient, EtcdMember};
pub(crate) use fault::code as grpc_code;
pub(crate) use gateway::{CallKind, Gateway};
pub use keys::PutRequest;
pub use lease::{Lease, LeaseKeeper};
pub use range::{RangePage, RangePages, RangeQuery, Snapshot};
