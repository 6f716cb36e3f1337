//! What the bodies of the API hold, as JSON Schema: every key with its meaning.

use serde_json::{Map, Value, json as value};

/// Every schema by its name.
pub fn schemas() -> Value {
    value!({
        "Problem": object(&[
            ("error", text_of("What is wrong.")),
            ("hint?", text_of("What to do.")),
        ]),
        "Status": object(&[
            ("version", text_of("Of the program.")),
            ("pid", count("The process.")),
            ("generation", count("The number of the table in force, from 1 at the start.")),
            ("config_hash", text_of("SHA-256 over the texts that it was made from.")),
            ("loaded_at", moment("Since when it is in force.")),
            ("last_reload", reference("LastReload")),
            ("ready", flag("What `/readyz` says.")),
            ("draining", flag("It was told to stop.")),
            ("listeners", reference("Listeners")),
            ("upstreams", reference("Upstreams")),
            ("discovery?", list(object(&[
                ("source", text_of("Who finds endpoints.")),
                ("up", flag("It answers.")),
                ("error?", text_of("Why it does not.")),
                ("warnings", list(text_of("What is wrong with something that it found."))),
            ]))),
        ]),
        "LastReload": object(&[
            ("ok", flag("It was taken.")),
            ("at", moment("When.")),
            ("changes", or_null(text_of("What it changed, in one line."))),
            ("details", or_null(text_of("The same field by field."))),
            ("error", or_null(text_of("Why the table before stayed in force."))),
        ]),
        "Listeners": list(object(&[
            ("name", text_of("Its name in the configuration.")),
            ("address", text_of("Where it listens.")),
            ("connections", count("Open now.")),
            ("removed", flag("The configuration no longer has it, but connections are left.")),
            ("tls", flag("Its clients speak TLS.")),
        ])),
        "Certificates": list(object(&[
            ("subject", text_of("Its first name, as in metrics.")),
            ("hosts", list(text_of("A host that it is for."))),
            ("not_before", moment("From when it is valid.")),
            ("not_after", moment("When it expires.")),
            ("listeners", list(text_of("A listener that presents it."))),
            ("file?", text_of("The file that it is read from.")),
            ("acme?", text_of("The authority that it is ordered from, by its name in the configuration.")),
            ("order?", object(&[
                ("busy", flag("It is being ordered, or its authority is being asked when to renew it.")),
                ("next_at", or_null(moment("When it is ordered next, as far as is known now; null for at once."))),
                ("failures", count("Orders in a row that failed.")),
                ("last_error", or_null(text_of("Why the last one failed, and what to do about it."))),
            ])),
            ("state", one_of(&["valid", "expires_soon", "expired", "not_yet_valid", "stand_in"])),
        ])),
        "Upstreams": map(reference("Upstream")),
        "Upstream": object(&[
            ("balance", text_of("How endpoints are chosen.")),
            ("waiting", count("Requests that wait for an endpoint.")),
            ("endpoints", list(reference("Endpoint"))),
            ("discovery?", object(&[
                ("source", text_of("Who finds the endpoints.")),
                ("service", text_of("What the source calls them.")),
                ("state", one_of(&["waiting", "ok", "empty", "stale"])),
                ("since", moment("Since when it is so.")),
                ("error?", text_of("Why the source cannot say: what it said last is kept.")),
                ("endpoints", count("How many were found.")),
            ])),
        ]),
        "Endpoint": object(&[
            ("address", text_of("As written.")),
            ("at?", text_of("Of a name, the address that this item is about.")),
            ("name?", text_of("Of one that was found, what its source calls it.")),
            ("state", one_of(&STATES)),
            ("in_flight", count("Requests and tunnels.")),
            ("fails", count("Failures that count towards `passive.max_fails`.")),
            ("weight", count("Its share.")),
            ("backup", flag("It takes requests when no other can.")),
        ]),
        "Endpoints": object(&[
            ("upstream", text_of("Its name.")),
            ("endpoints", list(reference("Endpoint"))),
        ]),
        "Order": object(&[("state", one_of(&["drained", "up"]))]),
        "Routes": list(reference("Route")),
        "Route": object(&[
            ("name", text_of("As written, else its pattern.")),
            ("match", object(&[
                ("host", or_null(text_of("Null for every host."))),
                ("path", text_of("The pattern.")),
            ])),
            ("action", one_of(&["upstream", "split", "redirect", "respond", "none"])),
            ("upstream?", text_of("The upstream's name.")),
            ("split?", list(object(&[("upstream", text_of("Its name.")), ("weight", count("Its share."))]))),
            ("redirect?", object(&[("to", text_of("Where to.")), ("status", count("The status."))])),
            ("respond?", object(&[("status", count("The status."))])),
            ("timeouts", object(&[
                ("connect", seconds()),
                ("read", seconds()),
                ("write", seconds()),
                ("request", seconds()),
            ])),
            ("attempts", count("Endpoints that are tried at most.")),
            ("max_body", or_null(count("Bytes; null for no limit."))),
            ("websocket", flag("It may become a tunnel.")),
        ]),
        "Config": object(&[
            ("config_hash", text_of("As in the status.")),
            ("texts", reference("Texts")),
        ]),
        "Texts": object(&[
            ("main", text_of("The path of the main file.")),
            ("files", map(text_of("A file's text by its path."))),
        ]),
        "Reloaded": object(&[
            ("ok", value!({ "const": true })),
            ("generation", count("The number of the table that is in force now.")),
            ("config_hash", text_of("As in the status.")),
            ("changes", object(&[
                ("summary", text_of("One line, as in the log.")),
                ("routes", reference("Names")),
                ("upstreams", reference("Names")),
                ("listeners", reference("Names")),
                ("endpoints", map(reference("Names"))),
                ("settings", list(text_of("Another key that differs."))),
                ("files", list(text_of("A file, such as a certificate, that says something else."))),
                ("connections", list(text_of("What that does to connections, a sentence."))),
            ])),
            ("details", or_null(text_of("Field by field, as `wharf diff` shows it."))),
        ]),
        "Names": object(&[
            ("added", list(text_of("A name."))),
            ("removed", list(text_of("A name."))),
            ("changed", list(text_of("A name."))),
            ("more", count("How many more there are than are listed.")),
        ]),
        "Refused": object(&[
            ("ok", value!({ "const": false })),
            ("error", text_of("The text that the log has.")),
            ("errors", list(reference("Finding"))),
        ]),
        "Reloads": list(object(&[
            ("at", moment("When.")),
            ("why", one_of(&["start", "file", "signal", "api", "labels"])),
            ("ok", flag("It was taken.")),
            ("changes", or_null(text_of("What it changed, in one line."))),
            ("details", or_null(text_of("The same field by field, of the last eight that changed something."))),
            ("error", or_null(text_of("Why it was refused."))),
        ])),
        "Findings": object(&[
            ("ok", flag("There is no error.")),
            ("errors", list(reference("Finding"))),
            ("warnings", list(reference("Finding"))),
            ("omitted", count("How many more errors there are than are shown.")),
        ]),
        "Finding": object(&[
            ("message", text_of("What is wrong.")),
            ("lint", or_null(text_of("The name of the warning; null for an error."))),
            ("file", text_of("Its path.")),
            ("line", count("From 1.")),
            ("column", count("In characters, from 1.")),
            ("end_line", count("Where it ends.")),
            ("end_column", count("The character after the last.")),
            ("label", or_null(text_of("A few words on the place."))),
            ("hint", or_null(text_of("What to write instead."))),
            ("others", list(reference("Place"))),
        ]),
        "Place": object(&[
            ("file", text_of("Its path.")),
            ("line", count("From 1.")),
            ("column", count("In characters, from 1.")),
            ("label", text_of("What it has to do with it.")),
        ]),
        "Question": object(&[
            ("method?", text_of("GET, unless it is said.")),
            ("url", text_of("`http://HOST/PATH?QUERY`, or `/PATH?QUERY` for no host in particular.")),
            ("headers?", list(field())),
            ("from?", or_null(text_of("The address it comes from; 192.0.2.1 unless it is said."))),
            ("listener?", or_null(text_of("The listener it comes in by. Unless it is said, the one on the URL's port, else the first: of those with TLS for `https://`, of those without for `http://`."))),
        ]),
        "Explanation": object(&[
            ("route", or_null(text_of("The route that takes it; null when none does."))),
            ("at", or_null(text_of("Where that stands: file and line."))),
            ("listener", text_of("The listener it comes in by.")),
            ("certificate?", text_of("The certificate that the client is presented there.")),
            ("host", text_of("In lower case, without a port.")),
            ("path", text_of("In the form that patterns are compared with.")),
            ("reason", or_null(text_of("Why it is refused, as in the access log."))),
            ("status", or_null(count("Of the gateway's own answer; null for what is forwarded."))),
            ("detail?", text_of("More on the reason.")),
            ("variables", map(text_of("A value by its variable, such as `{host}`."))),
            ("losers", list(object(&[
                ("route", text_of("Another route.")),
                ("field", text_of("The key that decides against it.")),
                ("because", text_of("Why.")),
                ("at", text_of("Where it stands: file and line.")),
            ]))),
            ("policies", list(object(&[
                ("policy", text_of("The key of something that the route does.")),
                ("value", text_of("What it says.")),
                ("origin", text_of("Where it is from: file and line, or `default`.")),
            ]))),
            ("upstream", or_null(text_of("Where it is forwarded."))),
            ("request", or_null(reference("Message"))),
            ("response", or_null(reference("Message"))),
            ("timeouts", list(reference("Setting"))),
            ("retries", list(reference("Setting"))),
            ("balance", or_null(text_of("How the endpoint is chosen."))),
            ("endpoints", list(object(&[
                ("address", text_of("As written, with the address that a name resolved to.")),
                ("state", or_null(one_of(&STATES))),
                ("weight", count("Its share.")),
                ("backup", flag("It takes requests when no other can.")),
                ("eligible", flag("It takes requests now.")),
            ]))),
            ("discover?", text_of("Who finds the endpoints, and what it calls them, where they are not written.")),
        ]),
        "Message": object(&[
            ("method?", text_of("Of a request.")),
            ("target?", text_of("Of a request.")),
            ("headers", list(field())),
        ]),
        "Setting": object(&[("key", text_of("A key.")), ("value", text_of("What holds.")), ("origin", text_of("Where it is from: file and line, or `default`."))]),
    })
}

/// The states of an endpoint.
const STATES: [&str; 8] = ["up", "down", "ejected", "unresolved", "leaving", "unhealthy", "draining", "drained"];

/// An object of these members; `?` behind a name says that it may be missing.
fn object(members: &[(&str, Value)]) -> Value {
    let bare = |name: &str| name.trim_end_matches('?').to_owned();
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    let properties: Map<String, Value> = members.iter().map(|(name, schema)| (bare(name), schema.clone())).collect();
    value!({ "type": "object", "required": required, "properties": properties })
}

fn map(of: Value) -> Value {
    value!({ "type": "object", "additionalProperties": of })
}

fn list(of: Value) -> Value {
    value!({ "type": "array", "items": of })
}

/// A name and a value.
fn field() -> Value {
    value!({ "type": "array", "prefixItems": [{ "type": "string" }, { "type": "string" }], "minItems": 2, "maxItems": 2 })
}

fn or_null(of: Value) -> Value {
    value!({ "anyOf": [of, { "type": "null" }] })
}

fn text_of(what: &str) -> Value {
    value!({ "type": "string", "description": what })
}

fn moment(what: &str) -> Value {
    value!({ "type": "string", "format": "date-time", "description": what })
}

fn one_of(words: &[&str]) -> Value {
    value!({ "enum": words })
}

fn count(what: &str) -> Value {
    value!({ "type": "integer", "minimum": 0, "description": what })
}

fn flag(what: &str) -> Value {
    value!({ "type": "boolean", "description": what })
}

fn seconds() -> Value {
    value!({ "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "null" }], "description": "Seconds; null for no limit." })
}

/// The schema of this name.
pub fn reference(schema: &str) -> Value {
    value!({ "$ref": format!("#/components/schemas/{schema}") })
}
