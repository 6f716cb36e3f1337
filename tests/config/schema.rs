//! The schema takes every document that the gateway takes, and refuses most of what it refuses.

use super::{documents, environment, here};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use wharf::config::review;

fn validator() -> &'static Validator {
    static VALIDATOR: LazyLock<Validator> =
        LazyLock::new(|| jsonschema::draft202012::new(&wharf::config::schema()).expect("a schema"));
    &VALIDATOR
}

#[test]
fn editors_that_know_only_the_draft_before_read_it_alike() {
    let mut schema = wharf::config::schema();
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{error}"));
    let older = jsonschema::draft7::new(&schema).expect("a schema");
    for (directory, valid) in [("valid", true), ("invalid", false)] {
        for path in documents(directory) {
            let text = std::fs::read_to_string(main_file(&path)).unwrap_or_default();
            let Some(document) = seen(&text) else { continue };
            let accepted = older.is_valid(&document);
            assert_eq!(accepted, validator().is_valid(&document), "{}", path.display());
            assert!(accepted || !valid, "{}", path.display());
        }
    }
}

/// A document as an editor sees it; nothing where it is no YAML.
fn seen(text: &str) -> Option<Value> {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
    value.apply_merge().ok()?;
    serde_json::to_value(value).ok()
}

fn main_file(document: &Path) -> PathBuf {
    if document.is_dir() { document.join("gateway.yaml") } else { document.to_owned() }
}

/// What the schema says against a document.
pub fn complaints(text: &str) -> Vec<String> {
    match seen(text) {
        Some(document) => {
            validator().iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect()
        }
        None => vec!["no YAML".to_owned()],
    }
}

#[test]
fn the_schema_is_one() {
    let schema = wharf::config::schema();
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    jsonschema::meta::validate(&wharf::config::schema_included()).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_schema_takes_every_good_document() {
    let mut all: Vec<PathBuf> = documents("valid").iter().map(|path| main_file(path)).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    all.extend(["gateway.yaml", "deploy/compose/wharf/gateway.yaml", "src/cli/init.yaml"].map(|name| root.join(name)));
    for path in all {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        assert_eq!(complaints(&text), Vec::<String>::new(), "{}", path.display());
    }
}

/// The YAML blocks of a page that are whole documents.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    // behind the language may stand the name of a file
    let blocks = page.split("```yaml").skip(1).filter_map(|rest| rest.split_once('\n')?.1.split("```").next());
    blocks.filter(|block| block.starts_with("version: 1"))
}

#[test]
fn the_schema_takes_every_whole_document_of_the_manual() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open = vec![root.join("docs"), root.join("README.md")];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(super::entries(&path));
        } else if path.extension().is_some_and(|end| end == "md") {
            let page = std::fs::read_to_string(&path).expect("a readable file");
            for block in blocks(&page) {
                seen += 1;
                assert_eq!(complaints(block), Vec::<String>::new(), "{}\n{block}", path.display());
            }
        }
    }
    assert!(seen > 3, "{seen}");
}

#[test]
fn included_files_have_a_schema_of_their_own() {
    let validator = jsonschema::draft202012::new(&wharf::config::schema_included()).expect("a schema");
    let directory = here().join("valid/several_files");
    let mut files = super::entries(&directory.join("routes.d"));
    files.push(directory.join("upstreams.yaml"));
    for path in files {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let document = seen(&text).expect("YAML");
        assert!(validator.is_valid(&document), "{}", path.display());
        assert!(!self::validator().is_valid(&document), "{}", path.display());
    }
    assert!(!validator.is_valid(&serde_json::json!({ "include": ["a.yaml"] })));
}

#[test]
fn the_schema_refuses_most_mistakes() {
    let mut taken = Vec::new();
    let mut refused = 0;
    for path in documents("invalid") {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let Ok(text) = std::fs::read_to_string(main_file(&path)) else { continue };
        match complaints(&text).is_empty() {
            true => taken.push(name),
            false => refused += 1,
        }
    }
    // Between keys, between files, in names that lead nowhere, in texts with a grammar of their own: no words for that.
    let list = here().join("beyond_the_schema.txt");
    let taken: String = taken.iter().map(|name| format!("{name}\n")).collect();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&list, &taken).expect("the list can be written");
    }
    let known = std::fs::read_to_string(&list).unwrap_or_default();
    assert_eq!(taken, known, "mistakes that the schema does not see (BLESS=1 writes the list anew)");
    let taken = taken.lines().count();
    assert!(refused > 2 * taken, "{refused} of {}", refused + taken);
}

#[test]
fn words_may_be_made_of_variables_and_are_checked_otherwise() {
    let document = |key: &str| {
        format!(
            "version: 1\nlisteners: {{ web: {{ address: ':80' }} }}\nroutes: [{{ respond: {{}}, match: {{}} }}]\n{key}\n"
        )
    };
    for good in ["threads: ${THREADS}", "threads: auto", "threads: 4", "threads: '4'", "shutdown_timeout: ${T:-3}s"] {
        assert_eq!(complaints(&document(good)), Vec::<String>::new(), "{good}");
    }
    for bad in ["threads: 0", "threads: many", "shutdown_timeout: 3", "shutdown_timeout: 3sec", "thread: 4", "admin:"] {
        assert!(!complaints(&document(bad)).is_empty(), "{bad}");
    }
}

#[test]
fn editors_show_the_manual_with_every_key() {
    fn keys(schema: &Value, path: &str, wrong: &mut Vec<String>) {
        match schema {
            Value::Object(map) => {
                if let Some(Value::Object(properties)) = map.get("properties") {
                    for (name, property) in properties {
                        let described = property["description"].as_str().is_some_and(|text| text.len() > 5);
                        // one of two words, with no manual of its own
                        let named = !matches!(&**name, "file" | "env" | "header" | "cookie" | "query");
                        if !described && named {
                            wrong.push(format!("{path}.{name}"));
                        }
                    }
                }
                map.iter().for_each(|(key, value)| keys(value, &format!("{path}/{key}"), wrong));
            }
            Value::Array(items) => items.iter().for_each(|item| keys(item, path, wrong)),
            _ => {}
        }
    }
    let schema = wharf::config::schema();
    let mut wrong = Vec::new();
    keys(&schema, "", &mut wrong);
    assert_eq!(wrong, Vec::<String>::new());
    let read = &schema["properties"]["defaults"]["properties"]["timeouts"]["properties"]["read"];
    assert_eq!(read["default"], "60s");
    assert!(read["description"].as_str().is_some_and(|text| text.starts_with("Longest silence from the endpoint")));
}

#[test]
fn the_repository_has_the_schema_for_its_own_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/gateway.schema.json");
    let written = format!("{:#}\n", wharf::config::schema());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &written).expect("the schema can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == written, "docs/reference/gateway.schema.json is out of date (BLESS=1 writes it anew)");
}

/// The JSON Pointers of all words in a value.
fn words(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            map.iter().for_each(|(key, value)| words(value, &format!("{at}/{}", escaped(key)), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| words(item, &format!("{at}/{n}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

/// Which part of the words is tried at one place.
const STRIDE: usize = 7;

#[test]
fn whatever_the_gateway_takes_in_place_of_a_word_the_schema_takes() {
    let odd = [
        json!(0),
        json!(1),
        json!(200),
        json!(-7),
        json!(1.5),
        json!(true),
        json!("1"),
        json!("true"),
        json!(""),
        json!("x"),
        json!("5s"),
        json!("0s"),
        json!("unlimited"),
        json!("10MiB"),
        json!("0KiB"),
        json!("500/m"),
        json!("100%"),
        json!("/"),
        json!("/x*"),
        json!("/x/{id}/*"),
        json!("~ ^/a b$"),
        json!("*.a.example"),
        json!("[::1]"),
        json!("[::1]:80"),
        json!(":81"),
        json!("localhost:81"),
        json!("unix:/a b"),
        json!("10.1.2.3"),
        json!("10.0.0.0/8"),
        json!("fd00::/8"),
        json!("200-299"),
        json!("301"),
        json!("auto"),
        json!("p2c"),
        json!("./a/b"),
        json!("https://{host}{uri}"),
        json!("/a{path}"),
        json!("error"),
        json!("${APP_HOST}"),
        json!("${EMPTY:-3}"),
        json!("GET"),
        json!("websocket"),
        json!("client_ip"),
        json!([]),
        json!({}),
        json!(["x"]),
        json!([503]),
        json!({ "header": "X-A" }),
        json!({ "hash": "path" }),
        json!({ "env": "A" }),
    ];
    let text = std::fs::read_to_string(here().join("valid/everything_there_is.yaml")).expect("a document");
    let whole = seen(&text).expect("YAML");
    let mut places = Vec::new();
    words(&whole, "", &mut places);
    let (mut taken, mut false_alarms) = (0, Vec::new());
    // every word at some places and every place with some words: all of both takes a minute
    for (number, place) in places.iter().enumerate() {
        for word in odd.iter().skip(number % STRIDE).step_by(STRIDE) {
            let mut changed = whole.clone();
            *changed.pointer_mut(place).expect("a place") = word.clone();
            let (document, _) = review("changed.yaml", &changed.to_string(), &environment);
            if document.is_some() {
                taken += 1;
                let said = validator().iter_errors(&changed).map(|error| error.to_string()).next();
                false_alarms.extend(said.map(|said| format!("{place}: {word}: {said}")));
            }
        }
    }
    assert!(taken > 100, "{taken} of {}", places.len() * odd.len());
    assert_eq!(false_alarms, Vec::<String>::new());
}
