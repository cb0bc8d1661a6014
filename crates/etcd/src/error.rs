//! Why a request to etcd failed, in sentences for people.

use std::time::Duration;

/// Why a request to etcd failed. `endpoint` is the URL of the member that was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EtcdError {
    /// No connection, or one that broke.
    #[error("{endpoint}: {why}")]
    Unreachable {
        /// The member.
        endpoint: String,
        /// Why, for people.
        why: String,
    },
    /// No answer in time.
    #[error("{endpoint}: no answer within {} s", after.as_secs_f64())]
    TimedOut {
        /// The member.
        endpoint: String,
        /// The time it had.
        after: Duration,
    },
    /// Too few members reach each other.
    #[error("{endpoint}: no leader: etcd cannot answer until most of its members reach each other")]
    NoLeader {
        /// The member.
        endpoint: String,
    },
    /// A change was sent, and whether it was made is not known.
    #[error(
        "{endpoint}: the connection failed before the answer, so the change may have been made or not: {why}"
    )]
    Unconfirmed {
        /// The member.
        endpoint: String,
        /// What happened to the connection.
        why: String,
    },
    /// Authentication failed.
    #[error("{endpoint}: etcd rejects the user name or the password of `{username}`")]
    WrongPassword {
        /// The member.
        endpoint: String,
        /// Who tried.
        username: String,
    },
    /// etcd wants a user, and none is configured.
    #[error("{endpoint}: etcd requires authentication: set `username` and `password`")]
    NoCredentials {
        /// The member.
        endpoint: String,
    },
    /// The token was not accepted.
    #[error("{endpoint}: etcd does not accept the token that it issued")]
    Token {
        /// The member.
        endpoint: String,
    },
    /// The user has no permission.
    #[error(
        "{endpoint}: permission denied: the role of the user must allow the whole range; grant it with  etcdctl role \
         grant-permission ROLE read --prefix=true PREFIX"
    )]
    Denied {
        /// The member.
        endpoint: String,
    },
    /// A certificate with a common name, which the gateway refuses together with users.
    #[error(
        "{endpoint}: etcd rejects every request through its JSON gateway while the client certificate has a common \
         name (CN) and authentication is enabled; use a client certificate without a CN, and `username` and `password`"
    )]
    CommonName {
        /// The member.
        endpoint: String,
    },
    /// The gateway of the server cannot connect to the server itself.
    #[error(
        "{endpoint}: the JSON gateway of etcd cannot connect to etcd itself ({why}); a server that requires client \
         certificates needs the extended key usage clientAuth beside serverAuth in its own certificate"
    )]
    GatewayConnection {
        /// The member.
        endpoint: String,
        /// What the gateway says.
        why: String,
    },
    /// The gateway is disabled, or the server is something else.
    #[error(
        "{endpoint}: there is no v3 JSON gateway of etcd at this address; etcd 3.4 or newer is needed, without \
         --enable-grpc-gateway=false"
    )]
    NoGateway {
        /// The member.
        endpoint: String,
    },
    /// The revision is compacted.
    #[error("{endpoint}: revision {revision} is compacted")]
    Compacted {
        /// The member.
        endpoint: String,
        /// The revision that was asked for, or the oldest one that is left.
        revision: i64,
    },
    /// More than is read.
    #[error("{endpoint}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// The member.
        endpoint: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// What came is not an answer of etcd.
    #[error("{endpoint}: unexpected answer: {why}")]
    Invalid {
        /// The member.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// etcd says no.
    #[error("{endpoint}: etcd rejects the request: {why}")]
    Rejected {
        /// The member.
        endpoint: String,
        /// What etcd says.
        why: String,
        /// The gRPC code.
        code: i32,
    },
    /// The own files of TLS cannot be used.
    #[error("tls: {0}")]
    Tls(String),
}

impl EtcdError {
    /// Whether it may pass by itself: the server is away, hangs, or has no leader.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::NoLeader { .. }
                | Self::Unconfirmed { .. }
                | Self::Token { .. }
                | Self::GatewayConnection { .. }
        )
    }

    /// Whether etcd cannot be used at all as long as this is so, whatever is asked.
    #[must_use]
    pub fn is_of_connection(&self) -> bool {
        match self {
            Self::Denied { .. } | Self::Compacted { .. } | Self::TooLarge { .. } | Self::Rejected { .. } => {
                false
            }
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NoLeader { .. }
            | Self::Unconfirmed { .. }
            | Self::WrongPassword { .. }
            | Self::NoCredentials { .. }
            | Self::Token { .. }
            | Self::CommonName { .. }
            | Self::GatewayConnection { .. }
            | Self::NoGateway { .. }
            | Self::Invalid { .. }
            | Self::Tls(_) => true,
        }
    }

    /// Whether a read may work at another member.
    pub(crate) fn passes_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::NoLeader { .. }
                | Self::Unconfirmed { .. }
                | Self::GatewayConnection { .. }
                | Self::NoGateway { .. }
                | Self::Invalid { .. }
        )
    }
}
