//! The JSON Schema of the document, for editors, written from the very tables that read it.

use super::include::Shelf;
use super::node::{Kind, Node};
use super::reading::Reading;
use super::section::Sectioned;
use super::source::Sources;
use super::{Absent, Document, Key, Section, Shape, Source, shape, yaml};
use regex::Regex;
use serde_json::{Map, Value, json};

/// What stands in place of a word that is made of variables.
const VARIABLE: &str = r"\$\{";

/// `wharf schema`: what a document may say, key by key, with the manual's words. What one key means for another, and
/// whether names lead anywhere, only `wharf check` knows.
pub fn schema() -> Value {
    let mut schema = object(&Document::SECTION);
    // the rest may stand in files that are included
    let needed = schema.insert("required".into(), json!(["version"]));
    let unless = schema.remove("anyOf");
    schema.insert("anyOf".into(), json!([{ "required": ["include"] }, { "required": needed, "anyOf": unless }]));
    whole("gateway.yaml", schema)
}

/// The same for a file that a document includes: no key is needed there, and it includes no others.
pub fn schema_included() -> Value {
    let mut schema = object(&Document::SECTION);
    schema.remove("required");
    schema.remove("anyOf");
    if let Some(Value::Object(keys)) = schema.get_mut("properties") {
        keys.remove("include");
    }
    schema.insert("minProperties".into(), 1.into());
    whole("a file that gateway.yaml includes", schema)
}

fn whole(title: &str, schema: Map<String, Value>) -> Value {
    let mut whole = Map::new();
    whole.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    whole.insert("title".into(), title.into());
    whole.extend(schema);
    Value::Object(whole)
}

/// A map with a section's keys, and no others.
fn object(section: &Section) -> Map<String, Value> {
    let properties = section.keys.iter().map(|key| (key.name.to_owned(), property(key)));
    let mut out = Map::new();
    out.insert("description".into(), flow(section.manual).into());
    out.insert("type".into(), "object".into());
    out.insert("properties".into(), Value::Object(properties.collect()));
    out.insert("additionalProperties".into(), false.into());
    let required: Vec<&str> =
        section.keys.iter().filter(|key| key.absent == Absent::Required).map(|key| key.name).collect();
    if !required.is_empty() {
        out.insert("required".into(), json!(required));
    }
    let unless = section.keys.iter().find_map(|key| match key.absent {
        Absent::Unless(path) => path.split('.').next().map(|other| [key.name, other]),
        _ => None,
    });
    if let Some(keys) = unless {
        out.insert("anyOf".into(), keys.map(|key| json!({ "required": [key] })).to_vec().into());
    }
    if !section.one_of.is_empty() {
        let ways: Vec<Value> = section.one_of.iter().map(|way| json!({ "required": [way] })).collect();
        out.insert("oneOf".into(), ways.into());
    }
    out
}

/// What may stand at a key, with what the manual says of it.
fn property(key: &Key) -> Value {
    let mut out = of(&key.shape);
    let mut manual = flow(key.manual);
    if key.section.is_none() {
        manual += &format!(" One writes {} here.", key.form);
    }
    out.insert("title".into(), key.name.into());
    out.insert("description".into(), manual.into());
    if let Absent::Default(text) = key.absent {
        out.insert("default".into(), written(text).unwrap_or_else(|| text.into()));
    }
    if let Some(example) = written(key.example).filter(|_| !key.example.contains('…')) {
        out.insert("examples".into(), json!([example]));
    }
    Value::Object(out)
}

/// A value as the manual writes it.
fn written(text: &str) -> Option<Value> {
    let source = Sources::new(Source { text: text.to_owned(), ..Source::default() });
    let reading = Reading::new(&source, Shelf::Disk, &|_| None);
    let node = yaml::read_whole(source.main(), 0, &reading)?;
    (reading.complaints() == 0).then(|| value(&node))
}

fn value(node: &Node<'_>) -> Value {
    match &node.kind {
        Kind::Text(text) => match (text.parse::<i64>(), text.parse::<bool>()) {
            (Ok(number), _) => number.into(),
            (_, Ok(truth)) => truth.into(),
            _ => decimal(text).map_or_else(|| text.as_ref().into(), Value::from),
        },
        Kind::List(items) => items.iter().map(value).collect(),
        Kind::Map(entries) => {
            let name = |key: &Node<'_>| value(key).as_str().unwrap_or_default().to_owned();
            entries.iter().map(|(key, of)| (name(key), value(of))).collect()
        }
        Kind::Empty | Kind::Streamed => Value::Null,
    }
}

/// A number such as `1.2`.
fn decimal(text: &str) -> Option<f64> {
    let (whole, part) = text.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits(whole) && digits(part))
}

/// What holds for every value of a shape.
fn of(shape: &Shape) -> Map<String, Value> {
    let out = match shape {
        Shape::Word(pattern) => {
            let mut types = vec!["string"];
            // what looks like a number or a truth value need not stand in quotes
            types.extend(matches(pattern, "200").then_some("number"));
            types.extend(matches(pattern, "true").then_some("boolean"));
            json!({ "type": types, "pattern": format!("{pattern}|{VARIABLE}") })
        }
        Shape::Path => return self::of(&Shape::Word(shape::FILE)),
        Shape::Literal(pattern) => json!({ "type": "string", "pattern": pattern }),
        Shape::Text => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Number(least, most) => json!({ "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            { "type": "string", "pattern": format!("^-?[0-9]+$|{VARIABLE}") },
        ] }),
        Shape::Truth => json!({ "anyOf": [
            { "type": "boolean" },
            { "type": "string", "pattern": format!("^(true|false)$|{VARIABLE}") },
        ] }),
        Shape::Choice(words) => choice(&words()),
        Shape::List(of, least) => list(of, *least),
        Shape::Set(of, least) => {
            let mut out = list(of, *least);
            out["uniqueItems"] = true.into();
            out
        }
        Shape::Map(names, values, least) => json!({
            "type": "object",
            "propertyNames": { "pattern": names },
            "additionalProperties": self::of(values),
            "minProperties": least,
        }),
        Shape::OneKey(keys) => {
            let properties = keys.iter().map(|(name, shape)| ((*name).to_owned(), Value::Object(self::of(shape))));
            json!({
                "type": "object",
                "properties": Value::Object(properties.collect()),
                "additionalProperties": false,
                "minProperties": 1,
                "maxProperties": 1,
            })
        }
        Shape::Section(section) => Value::Object(object(section)),
        Shape::SectionOr(section, name) => {
            let short = section.keys.iter().find(|key| key.name == *name).map(property);
            json!({ "oneOf": [short, object(section)] })
        }
        Shape::Named(section) => json!({
            "type": "object",
            "propertyNames": { "pattern": shape::NAME },
            "additionalProperties": object(section),
            "minProperties": 1,
        }),
        Shape::OneOf(shapes) => json!({ "anyOf": shapes.iter().map(self::of).collect::<Vec<_>>() }),
    };
    match out {
        Value::Object(out) => out,
        _ => Map::new(),
    }
}

fn list(of: &Shape, least: usize) -> Value {
    json!({ "type": "array", "items": self::of(of), "minItems": least })
}

/// One of some words. Numbers among them may stand in quotes as well.
fn choice(words: &[&str]) -> Value {
    let values: Vec<Value> = words.iter().map(|word| written(word).unwrap_or_else(|| (*word).into())).collect();
    let quoted: Vec<&str> =
        words.iter().zip(&values).filter(|(_, value)| !value.is_string()).map(|(word, _)| *word).collect();
    let pattern = match quoted.is_empty() {
        true => VARIABLE.to_owned(),
        false => format!("^({})$|{VARIABLE}", quoted.join("|")),
    };
    json!({ "anyOf": [{ "enum": values }, { "type": "string", "pattern": pattern }] })
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

/// A doc comment's lines as one.
fn flow(manual: &str) -> String {
    manual.split_whitespace().collect::<Vec<_>>().join(" ")
}
