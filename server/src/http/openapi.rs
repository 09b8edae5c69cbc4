//! The description of the API (OpenAPI 3.1), made from one table of operations.
//!
//! What an operation can answer stands in `operations`; texts and codes of problems come from where they are defined, so
//! that they cannot differ. A test calls every operation until it has given every answer that is described here.

mod operations;

use std::sync::OnceLock;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use keyglass_protocol::message::PROTOBUF_MEDIA_TYPE;
use keyglass_protocol::problem::{MEDIA_TYPE, Problem};
use serde_json::{Map, Value, json};

use super::negotiate::Keep;
use super::problem::Refusal;
use super::query;
use super::tag::tagged;
use operations::{Body, Content, OPERATIONS, Operation, Parameter};

/// Shapes of bodies, JSON Schema 2020-12.
const SCHEMAS: &str = include_str!("openapi/schemas.json");

/// `GET /v1/openapi.json`.
pub(super) async fn document(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    static BYTES: OnceLock<Bytes> = OnceLock::new();
    query::none(&request)?;
    let bytes = BYTES.get_or_init(|| Bytes::from(describe().to_string()));
    Ok(tagged(
        &request,
        "application/json",
        Keep::Revalidated,
        bytes.clone(),
    ))
}

fn describe() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(operation.method.to_owned(), describe_operation(operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Keyglass",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A key-transparency directory: every answer proves itself.",
            "description": "Nothing here is to be believed because it came from here: a client verifies every answer. \
                Bodies are JSON, or protobuf by Accept and Content-Type. Errors are RFC 9457 documents; match on `type`. \
                In open mode no token is asked for.",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "read", "description": "Lookups and histories" },
            { "name": "write", "description": "Updates and their receipts" },
            { "name": "log", "description": "The epoch log, C2SP tlog-tiles, and audit proofs" },
            { "name": "about", "description": "The directory itself" },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "A platform token: EdDSA; aud is the log's origin; scope is account, recovery, import or lookup.",
            } },
            "headers": headers(),
        },
    })
}

fn schemas() -> Value {
    // It is part of this program, and a test reads it.
    serde_json::from_str(SCHEMAS).unwrap_or_default()
}

fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    json!({
        "ETag": text("Names these bytes; send it as If-None-Match."),
        "RateLimit": text("What the client has left (draft-ietf-httpapi-ratelimit-headers). Not sent where there is no limit."),
        "RateLimit-Policy": text("What the client may spend."),
        "Retry-After": { "description": "Seconds", "schema": { "type": "integer", "minimum": 1 } },
        "WWW-Authenticate": text("Bearer"),
    })
}

fn describe_operation(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses(operation),
    });
    if let Some(map) = described.as_object_mut() {
        if operation.token {
            // The empty one: no token is needed everywhere.
            map.insert("security".to_owned(), json!([{}, { "token": [] }]));
        }
        if let Some(body) = &operation.body {
            map.insert("requestBody".to_owned(), request_body(body));
        }
    }
    described
}

fn parameter(parameter: &Parameter) -> Value {
    let schema: Value = serde_json::from_str(parameter.schema).unwrap_or_default();
    json!({
        "name": parameter.name,
        "in": if parameter.in_path { "path" } else { "query" },
        "required": parameter.in_path,
        "description": parameter.description,
        "schema": schema,
        "example": serde_json::from_str::<Value>(parameter.example).unwrap_or_default(),
    })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn request_body(body: &Body) -> Value {
    let mut content = Map::new();
    match body {
        Body::Message(schema) => {
            content.insert(
                "application/json".to_owned(),
                json!({ "schema": reference(schema) }),
            );
            content.insert(PROTOBUF_MEDIA_TYPE.to_owned(), json!({}));
        }
        Body::Note => {
            content.insert("text/plain".to_owned(), json!({ "schema": reference("Note") }));
        }
    }
    json!({ "required": true, "content": content })
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    responses.insert(operation.success.to_string(), success(operation));
    if operation.tagged {
        let etag = json!({ "ETag": { "$ref": "#/components/headers/ETag" } });
        let known =
            json!({ "description": "The client has it: If-None-Match names its tag", "headers": etag });
        responses.insert("304".to_owned(), known);
    }
    let mut problems: Vec<Problem> = operations::EVERYWHERE.to_vec();
    problems.extend(operation.problems);
    for status in problems.iter().map(|p| p.status()) {
        let same: Vec<Problem> = problems
            .iter()
            .copied()
            .filter(|p| p.status() == status)
            .collect();
        responses.insert(status.to_string(), refusal(operation, status, &same));
    }
    Value::Object(responses)
}

fn success(operation: &Operation) -> Value {
    let mut content = Map::new();
    match &operation.content {
        Content::Message(schema) => {
            content.insert(
                "application/json".to_owned(),
                json!({ "schema": reference(schema) }),
            );
            content.insert(PROTOBUF_MEDIA_TYPE.to_owned(), json!({}));
        }
        Content::Json(schema) => {
            content.insert(
                "application/json".to_owned(),
                json!({ "schema": reference(schema) }),
            );
        }
        Content::Note => {
            content.insert(
                "text/plain; charset=utf-8".to_owned(),
                json!({ "schema": reference("Note") }),
            );
        }
        Content::Bytes => {
            content.insert("application/octet-stream".to_owned(), json!({}));
        }
        Content::Nothing => {}
    }
    let mut headers = Map::new();
    let names = ["RateLimit", "RateLimit-Policy"];
    for name in names.into_iter().chain(operation.tagged.then_some("ETag")) {
        headers.insert(
            name.to_owned(),
            json!({ "$ref": format!("#/components/headers/{name}") }),
        );
    }
    let mut described = json!({ "description": operation.answer, "headers": headers });
    if let (false, Some(map)) = (content.is_empty(), described.as_object_mut()) {
        map.insert("content".to_owned(), Value::Object(content));
    }
    described
}

fn refusal(operation: &Operation, status: u16, problems: &[Problem]) -> Value {
    let (mut titles, mut examples) = (Vec::new(), Map::new());
    for problem in problems {
        titles.push(format!("`{}`: {}", problem.code(), problem.title()));
        let example = json!({ "type": problem.uri(), "title": problem.title(), "status": status });
        examples.insert(problem.code().to_owned(), json!({ "value": example }));
    }
    let with_proof = problems
        .iter()
        .any(|p| matches!(p, Problem::Absent | Problem::SinceBeyondNewest));
    let schema = reference(if with_proof { "ProblemWithProof" } else { "Problem" });
    let mut content = Map::new();
    content.insert(
        MEDIA_TYPE.to_owned(),
        json!({ "schema": schema, "examples": examples }),
    );
    if operation.id == "handInCosignature" && status == 409 {
        // tlog-witness: the conflict states the size that the log has.
        content = Map::new();
        content.insert(
            "text/x.tlog.size".to_owned(),
            json!({ "schema": { "type": "string" } }),
        );
    }
    let mut headers = Map::new();
    for (name, there) in [
        ("Retry-After", status == 429 || status == 503),
        ("WWW-Authenticate", status == 401),
    ] {
        if there {
            headers.insert(
                name.to_owned(),
                json!({ "$ref": format!("#/components/headers/{name}") }),
            );
        }
    }
    json!({ "description": titles.join("; "), "headers": headers, "content": content })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_route_is_described_and_every_description_is_a_route() {
        // The route table is code; its paths are read from there, so that a new one cannot be forgotten.
        let table = include_str!("../http.rs");
        let api = table.split("fn admin_routes").next().unwrap();
        let mut routes: Vec<&str> = api
            .split("at(\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert!(routes.len() > 15, "{routes:?}");
        // Not part of the API: pages for people.
        routes.retain(|path| !path.starts_with("/docs"));
        let mut described: Vec<&str> = OPERATIONS.iter().map(|o| o.path).collect();
        for path in &mut described {
            if path.starts_with("/log/tile/") {
                *path = "/log/tile/{path:.*}";
            }
        }
        for list in [&mut routes, &mut described] {
            list.sort_unstable();
            list.dedup();
        }
        assert_eq!(routes, described);
    }

    #[test]
    fn the_description_is_whole() {
        let document = describe();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
        }
        assert!(!document.pointer("/components/schemas/Answer").unwrap().is_null());
        for operation in OPERATIONS {
            for parameter in operation.parameters {
                let schema: Value = serde_json::from_str(parameter.schema).unwrap();
                assert!(schema.is_object(), "{}", parameter.name);
                assert!(
                    !serde_json::from_str::<Value>(parameter.example)
                        .unwrap()
                        .is_null()
                );
                let named = operation.path.contains(&format!("{{{}}}", parameter.name));
                assert_eq!(named, parameter.in_path, "{} {}", operation.path, parameter.name);
            }
        }
        let ids: std::collections::BTreeSet<_> = OPERATIONS.iter().map(|o| o.id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
    }

    #[test]
    fn every_problem_is_described_somewhere() {
        let described = |problem: &Problem| {
            operations::EVERYWHERE.contains(problem)
                || OPERATIONS.iter().any(|o| o.problems.contains(problem))
        };
        // A wrong method is no operation, and an error of the service is no promise.
        let elsewhere = [Problem::MethodNotAllowed, Problem::Internal];
        for problem in Problem::ALL {
            assert_ne!(
                described(problem),
                elsewhere.contains(problem),
                "{}",
                problem.code()
            );
        }
    }
}
