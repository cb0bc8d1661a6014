//! What the OpenAPI document says beside the calls themselves.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder, Server};
use utoipa::{PartialSchema, ToSchema};

use herald_control::model;

/// Its head.
pub(super) fn head() -> OpenApi {
    let mut info = Info::new("Herald's control API", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Served on `heraldd.sock` in the state_dir, and on TCP where the `api` section says so. Times are RFC 3339 in UTC, \
         ids UUIDs of version 7, secrets read `***`. Each call needs a role: to see that of a viewer, to act that of an \
         operator, to reload that of an admin."
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
