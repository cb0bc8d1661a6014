//! The routes of the page, each with its right.

use std::sync::Arc;

use axum::body::Body;
use herald_access::{AuthenticatedCaller, Role};
use herald_control::rights::PAGE_RIGHTS;
use http::{Method, Request, StatusCode};
use tower_service::Service;

use super::routes;
use super::visit::Visit;
use crate::api::caller::ApiCaller;
use crate::api::context::Api;
use crate::api::tests::{api, caller, limited};

/// The routes as they are written: method and path.
fn written() -> Vec<(Method, String)> {
    let source = include_str!("routes.rs");
    let source = source.split("pub(super) fn screens").nth(1).unwrap().split("route_layer").next().unwrap();
    let routes = source.split(".route(\"").skip(1).map(|route| {
        let (path, rest) = route.split_once('"').unwrap();
        let method = if rest.starts_with(", get(") { Method::GET } else { Method::POST };
        assert!(!rest.contains(").post("), "one method a route: {path}");
        (method, path.to_owned())
    });
    routes.collect()
}

#[test]
fn the_table_of_rights_has_every_route_of_the_page_and_no_other() {
    let mut known: Vec<(Method, String)> =
        PAGE_RIGHTS.iter().map(|right| (right.method.clone(), right.path.to_owned())).collect();
    let mut routes = written();
    let order = |one: &(Method, String)| (one.1.clone(), one.0.to_string());
    known.sort_by_key(order);
    routes.sort_by_key(order);
    assert_eq!(known, routes);
    for right in PAGE_RIGHTS {
        let is_logout = right.path == "/logout";
        assert_eq!(right.act.is_some(), right.method != Method::GET && !is_logout, "{right:?}");
    }
    for (path, open) in
        [("/login", true), ("/in/x", true), ("/assets/1/a", true), ("/", false), ("/loginx", false)]
    {
        assert_eq!(routes::is_open(path), open, "{path}");
    }
}

async fn status(api: &Arc<Api>, right: (&Method, &str), caller: Option<AuthenticatedCaller>) -> StatusCode {
    let path = right.1.replace("{id}", "nothing").replace(['{', '}'], "");
    let mut request = Request::builder().method(right.0.clone()).uri(&path).body(Body::empty()).unwrap();
    let known = caller.map(|caller| ApiCaller { caller: Arc::new(caller), address: None });
    if let Some(known) = known.clone() {
        request.extensions_mut().insert(known);
    }
    request.extensions_mut().insert(Visit {
        look: api.page.look(),
        address: path,
        is_fragment: false,
        caller: known,
        session: None,
        client: None,
        is_private: true,
    });
    routes::screens(api).call(request).await.unwrap().status()
}

#[tokio::test(start_paused = true)]
async fn each_route_of_the_page_needs_its_role() {
    let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
    for right in PAGE_RIGHTS {
        let (method, path) = (&right.method, right.path);
        assert_eq!(status(&api, (method, path), None).await, StatusCode::UNAUTHORIZED, "{right:?}");
        for role in Role::ALL {
            let found = status(&api, (method, path), Some(caller(role).await)).await;
            assert_eq!(found == StatusCode::FORBIDDEN, role < right.role(), "{right:?} {role}: {found}");
            assert_ne!(found, StatusCode::METHOD_NOT_ALLOWED, "{right:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_of_one_application_can_plan_and_deploy_it() {
    let (api, _dispatcher) = api(Arc::default(), Arc::default(), None);
    let (get, post) = (Method::GET, Method::POST);
    for (method, act) in [(&get, "plan"), (&post, "deploy"), (&post, "rollback")] {
        let found = async |app: &str| {
            let path = format!("/apps/{app}/{act}");
            status(&api, (method, &path), Some(limited("shop").await)).await
        };
        assert_eq!(found("shop").await, StatusCode::NOT_FOUND, "{act}: there is no such application");
        let other = if act == "plan" { StatusCode::FORBIDDEN } else { StatusCode::NOT_FOUND };
        assert_eq!(found("blog").await, other, "{act}");
    }
}
