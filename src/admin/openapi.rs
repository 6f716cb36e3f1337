//! The API in the words of OpenAPI, for programs that write clients: what each path is asked and answers.
//!
//! What is written here by hand, tests compare with the table of paths and with answers of a running gateway.

use super::answer::json;
use super::schemas::{reference, schemas};
use axum::response::Response;
use serde_json::{Value, json as value};

pub async fn openapi() -> Response {
    json(&document())
}

/// The description, OpenAPI 3.1.
pub fn document() -> Value {
    value!({
        "openapi": "3.1.0",
        "info": {
            "title": "wharf admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the address of the `admin` section answers. Keys that are shown stay; later versions add others.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:9900" }],
        "security": [{}, { "token": [] }],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "Needed where `admin.token` is written." },
            },
            "schemas": schemas(),
        },
    })
}

fn paths() -> Value {
    let upstream = || named("upstream", "The upstream, by its name in the configuration.");
    let endpoint =
        || named("endpoint", "The endpoint as written, or an address that its name resolved to, percent-encoded.");
    value!({
        "/healthz": { "get": open(text("200 while the process lives.", "text/plain"), "health") },
        "/readyz": { "get": open(text("200 while it takes requests, else 503.", "text/plain"), "readiness") },
        "/metrics": { "get": text("Metrics in the text format of Prometheus.", "text/plain; version=0.0.4") },
        "/api/v1/status": { "get": read("How the gateway is.", "Status") },
        "/api/v1/listeners": { "get": read("The listeners of the status.", "Listeners") },
        "/api/v1/upstreams": { "get": read("The upstreams of the status.", "Upstreams") },
        "/api/v1/upstreams/{upstream}": {
            "parameters": [upstream()],
            "get": read("One upstream.", "Upstream"),
        },
        "/api/v1/upstreams/{upstream}/endpoints/{endpoint}": {
            "parameters": [upstream(), endpoint()],
            "get": read("One endpoint, an item for each of its addresses.", "Endpoints"),
            "put": write("Drains an endpoint, or takes it back.", Some(body("application/json", "Order")), "Endpoints"),
        },
        "/api/v1/routes": { "get": read("The routes in force, in the order of the configuration.", "Routes") },
        "/api/v1/config": { "get": read("The texts of the configuration in force, as they were written.", "Config") },
        "/api/v1/reloads": { "get": read("The last 32 tries to put a configuration in force, the newest first.", "Reloads") },
        "/api/v1/reload": { "post": refusable(write("Reads the configuration again.", None, "Reloaded")) },
        "/api/v1/check": {
            "post": write("Checks a configuration without taking it. 200 whether or not it is right.", Some(value!({
                "application/yaml": { "schema": { "type": "string", "description": "One file." } },
                "application/json": { "schema": reference("Texts") },
            })), "Findings"),
        },
        "/api/v1/explain": {
            "post": write("What becomes of a request, and why.", Some(body("application/json", "Question")), "Explanation"),
        },
        "/api/v1/certificates": {
            "get": read("The certificates that are presented.", "Certificates"),
        },
        "/api/v1/openapi.json": {
            "get": {
                "summary": "This description.",
                "responses": { "200": answer("OpenAPI 3.1.", "application/json", value!({ "type": "object" })) },
            },
        },
    })
}

fn named(name: &str, what: &str) -> Value {
    value!({ "name": name, "in": "path", "required": true, "description": what, "schema": { "type": "string" } })
}

fn answer(what: &str, kind: &str, schema: Value) -> Value {
    value!({ "description": what, "content": { kind: { "schema": schema } } })
}

fn body(kind: &str, schema: &str) -> Value {
    value!({ kind: { "schema": reference(schema) } })
}

fn problem() -> Value {
    answer("Why there is no answer.", "application/json", reference("Problem"))
}

fn text(summary: &str, kind: &str) -> Value {
    value!({
        "summary": summary,
        "responses": { "200": answer("A text.", kind, value!({ "type": "string" })), "default": problem() },
    })
}

/// A question of probes, which needs no token.
fn open(mut operation: Value, what: &str) -> Value {
    operation["security"] = value!([]);
    operation["responses"]["503"] = value!({ "description": format!("No {what}.") });
    if what == "health"
        && let Some(responses) = operation["responses"].as_object_mut()
    {
        responses.remove("503");
    }
    operation
}

fn read(summary: &str, schema: &str) -> Value {
    value!({
        "summary": summary,
        "responses": { "200": answer("Done.", "application/json", reference(schema)), "default": problem() },
    })
}

fn write(summary: &str, content: Option<Value>, schema: &str) -> Value {
    let mut operation = read(summary, schema);
    operation["parameters"] = value!([{
        "name": "X-Wharf", "in": "header", "required": true, "schema": { "const": "1" },
        "description": "No form and no page of another origin can send it.",
    }]);
    if let Some(content) = content {
        operation["requestBody"] = value!({ "required": true, "content": content });
    }
    operation
}

fn refusable(mut operation: Value) -> Value {
    operation["responses"]["422"] =
        answer("Refused: what is served is served on.", "application/json", reference("Refused"));
    operation
}

#[cfg(test)]
mod tests {
    use super::super::paths as answered;
    use super::*;

    #[test]
    fn every_path_that_is_answered_is_described_and_none_else() {
        let described = document();
        let mut described: Vec<&str> = described["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut answered: Vec<&str> = answered().into_iter().map(|(path, _)| path).collect();
        described.sort();
        answered.sort();
        assert_eq!(described, answered);
    }

    #[test]
    fn every_reference_leads_to_a_schema_and_every_schema_is_used() {
        let document = document();
        let text = document.to_string();
        let mut used: Vec<&str> =
            text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        used.sort();
        used.dedup();
        let mut known: Vec<&str> =
            document["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect();
        known.sort();
        assert_eq!(used, known);
    }
}
