//! What the OpenAPI document says beside the calls themselves.

use http::Method;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder, RefOr, Required, Server};
use utoipa::{PartialSchema, ToSchema};

use herald_control::model;
use herald_control::rights::right_of;
use herald_store::idempotency::LONGEST_KEY;

use super::answer::problem;

/// Its head.
pub(super) fn head() -> OpenApi {
    let mut info = Info::new("Herald's control API", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Served on `heraldd.sock` in the state_dir, and on TCP where the `api` section says so. Times are RFC 3339 in UTC, \
         ids UUIDs of version 7, secrets read `***`. Each call needs a role: to see that of a viewer, to act that of an \
         operator, to reload that of an admin. \
         An act with the header `Idempotency-Key` is carried out once, however often it is sent."
            .to_owned(),
    );
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new("/")]))
        .security(Some([
            SecurityRequirement::new("token", Vec::<String>::new()),
            SecurityRequirement::new("password", Vec::<String>::new()),
            SecurityRequirement::default(),
        ]))
        .build()
}

/// Adds what no call names by itself: the schema of errors, which are named in code, and who may come in.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        let posted = item.post.as_mut().map(|operation| (Method::POST, operation));
        let deleted = item.delete.as_mut().map(|operation| (Method::DELETE, operation));
        for (method, operation) in posted.into_iter().chain(deleted) {
            if right_of(&method, path).is_done_once() {
                done_once(operation);
            }
        }
    }
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.insert(model::ProblemDetails::name().into_owned(), model::ProblemDetails::schema());
    let token = "The `token` of the `api` section, one of the section `access`, or a JWT. On the socket none is asked for.";
    let password = "A user of the file `access.users`.";
    for (name, scheme, what) in
        [("token", HttpAuthScheme::Bearer, token), ("password", HttpAuthScheme::Basic, password)]
    {
        let scheme = HttpBuilder::new().scheme(scheme).description(Some(what)).build();
        components.add_security_scheme(name, SecurityScheme::Http(scheme));
    }
    document
}

/// What an act says of its key.
fn done_once(operation: &mut Operation) {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(LONGEST_KEY))
        .pattern(Some("^[!-~]+$"))
        .build();
    let key = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "The request is carried out once, however often it is sent: within 24 hours the same caller gets the first \
             response again for the same key, path and body, with the header `Idempotent-Replayed: true`.",
        ))
        .schema(Some(schema))
        .build();
    operation.parameters.get_or_insert_default().push(key);
    let known = &mut operation.responses.responses;
    for (status, what) in [("408", "The body did not arrive in time."), ("413", "The body is too long.")] {
        known.entry(status.to_owned()).or_insert_with(|| problem(what));
    }
    let mut add = |status: &str, what: &str| {
        let before = match known.get(status) {
            Some(RefOr::T(response)) => format!("{} ", response.description),
            _ => String::new(),
        };
        known.insert(status.to_owned(), problem(&format!("{before}{what}")));
    };
    add("409", "The first request with this `Idempotency-Key` is in progress, or its response is not known.");
    add("422", "This `Idempotency-Key` was used for another request.");
}
