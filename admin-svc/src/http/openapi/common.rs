//! What every operation shares: how it is authenticated, how it refuses, and what a `PATCH` takes.

use utoipa::{
    Modify, PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Schema,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme as Scheme},
    },
};

use crate::{domain::validation::FieldError, http::frame::ProblemBody};

const SCHEME: &str = "access_token";
const SCHEMA_PREFIX: &str = "#/components/schemas/";

/// `Authorization: Bearer <access token>`, unless an operation says otherwise.
pub(super) struct SecurityScheme;

impl Modify for SecurityScheme {
    fn modify(&self, document: &mut OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme(SCHEME, Scheme::Http(bearer));
        document.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    }
}

/// Adds the shared refusal to every operation, and a schema without required fields for every patch.
pub(super) fn finish(mut document: OpenApi) -> OpenApi {
    let mut components = document.components.take().unwrap_or_default();
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    components.schemas.insert(FieldError::name().into_owned(), FieldError::schema());
    for item in document.paths.paths.values_mut() {
        if let Some(patch) = &mut item.patch {
            make_partial(patch, &mut components);
        }
        for operation in [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten() {
            add_refusal(operation);
        }
    }
    document.components = Some(components);
    document
}

fn add_refusal(operation: &mut Operation) {
    let problem = Ref::from_schema_name(ProblemBody::name());
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let refusal = ResponseBuilder::new().description("A refusal").content("application/problem+json", content).build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(refusal));
}

/// A patch takes the same fields as a create, and needs none of them.
fn make_partial(operation: &mut Operation, components: &mut Components) {
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        let Some(RefOr::Ref(reference)) = &content.schema else { continue };
        let Some(name) = reference.ref_location.strip_prefix(SCHEMA_PREFIX).map(ToOwned::to_owned) else { continue };
        let Some(RefOr::T(Schema::Object(mut object))) = components.schemas.get(&name).cloned() else { continue };
        object.required.clear();
        let partial = name.trim_start_matches("New").trim_end_matches("Spec").to_owned() + "Patch";
        components.schemas.insert(partial.clone(), RefOr::T(Schema::Object(object)));
        content.schema = Some(Ref::from_schema_name(partial).into());
    }
}
