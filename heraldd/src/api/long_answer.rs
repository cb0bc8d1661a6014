//! Answers that go on for long: they end when who asked would not be let in any more.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use futures_util::StreamExt;
use herald_access::NotAuthenticated;
use herald_net::serve::Peer;
use http::HeaderMap;

use super::caller::over_tcp;
use super::context::Api;

/// How often the proof of a caller is checked again; a password takes a processor for a moment.
const CHECK_AGAIN: Duration = Duration::from_secs(5 * 60);

/// The response, which ends at the latest when this resolves. What is there as a whole already is sent as it is.
pub(crate) fn until(response: Response, over: impl Future<Output = ()> + Send + 'static) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(over))))
}

/// Resolves once what a request over TCP carries does not let anybody in any more: its token is gone, say.
pub(crate) async fn until_rejected(api: Arc<Api>, headers: HeaderMap, peer: Peer) {
    use NotAuthenticated::{Busy, NoRole, TooMany, Unproved, Users};
    loop {
        tokio::time::sleep(CHECK_AGAIN).await;
        match over_tcp(&api, &headers, &peer, false).await.caller {
            // Nobody knows now.
            Ok(_) | Err(TooMany(_) | Busy | Users) => {}
            Err(Unproved(_) | NoRole(_)) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use futures_util::stream;
    use herald_access::{AccessSettings, Role, TokenDigest, TokenSettings};
    use http::HeaderValue;
    use http::header::AUTHORIZATION;
    use http_body_util::BodyExt;

    use super::*;
    use crate::api::tests::api;

    #[tokio::test(start_paused = true)]
    async fn the_stream_of_a_token_ends_after_the_token_is_gone() {
        let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
        let token = TokenSettings {
            name: Some("ci".to_owned()),
            digest: TokenDigest::of("secret"),
            role: Role::Viewer,
        };
        api.authenticator.exchange(AccessSettings { tokens: vec![token], ..AccessSettings::default() });
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        let endless = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let over = until_rejected(api.clone(), headers, Peer::new(None, false));
        let body = until(endless.into_response(), over).into_body();
        let mut body = Box::pin(body.collect());
        assert!(tokio::time::timeout(Duration::from_secs(24 * 3600), &mut body).await.is_err());
        api.authenticator.exchange(AccessSettings::default());
        assert!(tokio::time::timeout(Duration::from_secs(15 * 60), &mut body).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_whole_is_sent_as_it_is() {
        let response = until("whole".into_response(), async {});
        assert_eq!(response.body().size_hint().exact(), Some(5));
    }
}
