//! The files of `wharf test`: requests, and what is expected to become of each. Read as strictly as the document itself.

use super::body_file::BodyFiles;
use super::declare::section;
use super::form::{Form, NAME, number};
use super::include::Shelf;
use super::load::{process_environment, read_main};
use super::node::{Kind, Node};
use super::reading::Reading;
use super::section::{Fields, Sectioned, key_text};
use super::shape::{self, Shape};
use super::source::Sources;
use super::{Diagnostic, Report, Source, Spanned, Variables, allow, suggest, yaml};
use crate::failure::Failure;
use crate::http::field::is_value;
use crate::value::{Complaint, FieldName, FieldPattern, is_token};
use std::fs::File;
use std::net::IpAddr;
use std::path::Path;

/// What is expected of one configuration, and where that was read.
#[derive(Debug)]
pub struct Expectations {
    /// The configuration, as it is written; it counts from the file's own directory.
    pub config: Option<Spanned<Box<str>>>,
    pub tests: Vec<TestConfig>,
    pub files: Vec<Source>,
    /// What looks wrong and is no error.
    pub warnings: Vec<Diagnostic>,
    /// Values with variables.
    pub variables: Variables,
}

/// A header of a request.
pub type Header = (Spanned<FieldName>, Spanned<Box<str>>);
/// Headers by name, and what their values must be.
pub type Wanted = (Spanned<FieldName>, Spanned<FieldPattern>);

section! { "a test file",
    /// Every key that can stand at the top.
    pub struct WrittenExpectations {
        /// The configuration that is asked, counted from the directory of this file; `--config` takes its place. Left out:
        /// `./gateway.yaml`, then `/etc/wharf/gateway.yaml`.
        "config" => config: Option<Spanned<Box<str>>>, optional(CONFIG);
        /// The requests, and what is expected of each. All are asked, however many fail.
        "tests" => tests: Vec<TestConfig>, list(TESTS, TestConfig);
    }
    later []
}

section! { "a test",
    /// One request, and what is expected to become of it.
    pub struct TestConfig {
        /// What failures are headed with. Left out, it is the request.
        "name" => name: Option<Spanned<Box<str>>>, optional(NAME);
        /// The method, unless it is GET, and the URL: `http://HOST/PATH`, or `/PATH` for no host in particular.
        "request" => request: Spanned<RequestLine>, required(REQUEST);
        /// Headers of the request, each once.
        "headers" => headers: Vec<Header>, default(HEADERS, "{}");
        /// The address it comes from. Left out: 192.0.2.1, which is nobody's.
        "from" => from: Option<Spanned<IpAddr>>, optional(FROM);
        /// The listener it comes in by. Left out: the one on the URL's port, else the first.
        "listener" => listener: Option<Spanned<Box<str>>>, optional(NAME);
        /// What is expected; of what is not written nothing is.
        "expect" => expect: Option<ExpectConfig>, needed_section(ExpectConfig, "{ route: users }");
    }
    later []
    checked by expects
}

section! { "`expect`",
    /// What is expected to become of the request. `none` stands for nothing: a route or upstream of that name cannot be asked for.
    #[derive(Clone, PartialEq, Eq)]
    pub struct ExpectConfig {
        /// The name of the route that takes it, as logs show it; `none` where none does.
        "route" => route: Option<Spanned<Box<str>>>, optional(NAME);
        /// The upstream that answers; `none` where the gateway itself does.
        "upstream" => upstream: Option<Spanned<Box<str>>>, optional(NAME);
        /// The status of the gateway's own answer: of a redirect, of `respond`, or of a refusal.
        "status" => status: Option<Spanned<u16>>, optional(STATUS);
        /// Why it is refused, in the word of logs and metrics; `none` where it is not.
        "reason" => reason: Option<Spanned<Box<str>>>, optional(REASON);
        /// The request as the upstream gets it.
        "request" => request: Option<ExpectRequestConfig>, optional_section(ExpectRequestConfig);
        /// The gateway's own answer.
        "response" => response: Option<ExpectResponseConfig>, optional_section(ExpectResponseConfig);
    }
    later []
    checked by something
}

section! { "`request` of `expect`",
    /// The request as the upstream gets it.
    #[derive(Clone, PartialEq, Eq)]
    pub struct ExpectRequestConfig {
        /// The method.
        "method" => method: Option<Spanned<Box<str>>>, optional(METHOD);
        /// Path and query, byte for byte.
        "target" => target: Option<Spanned<Box<str>>>, optional(TARGET);
        /// Headers that it has, each with what its value is: text for exactly this, `*` for any, `~ ` and a regular expression
        /// for what it finds. Several lines of one name are one value, joined by `, `.
        "headers" => headers: Vec<Wanted>, default(WANTED, "{}");
        /// Headers that it does not have.
        "without" => without: Vec<Spanned<FieldName>>, default(WITHOUT, "[]");
    }
    later []
    checked by something
}

section! { "`response` of `expect`",
    /// The gateway's own answer.
    #[derive(Clone, PartialEq, Eq)]
    pub struct ExpectResponseConfig {
        /// Headers that it has, as for `request`.
        "headers" => headers: Vec<Wanted>, default(WANTED, "{}");
        /// Headers that it does not have.
        "without" => without: Vec<Spanned<FieldName>>, default(WITHOUT, "[]");
    }
    later []
    checked by something
}

/// A method and a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    pub method: Box<str>,
    pub url: Box<str>,
}

/// Reads a test file. Variables come from the process's environment.
///
/// # Errors
/// When there is something wrong with it.
pub fn load_expectations(path: &Path) -> Result<Expectations, Report> {
    let sources = Sources::new(read_main(path, |path| File::open(path))?);
    let reading = Reading::new(&sources, Shelf::Disk, &process_environment);
    let top = yaml::read(sources.main(), 0, &reading);
    let written = top.and_then(|top| WrittenExpectations::read(&top, top.at, &reading));
    allow::settle(&reading);
    let variables = reading.variables.take();
    let (diagnostics, omitted) = reading.finish();
    let (files, patterns) = sources.into_parts(BodyFiles::default());
    let report = Report { files, prints: Vec::new(), patterns, diagnostics, omitted, variables };
    match written {
        Some(WrittenExpectations { config, tests }) if !report.has_errors() => {
            let Report { files, diagnostics: warnings, variables, .. } = report;
            Ok(Expectations { config, tests, files, warnings, variables })
        }
        _ => Err(report),
    }
}

fn expects(_: &TestConfig, fields: &Fields<'_, '_>) {
    fields.missing("expect", "{ route: users }");
}

/// A test that expects nothing passes whatever happens.
fn something<T: Sectioned>(_: &T, fields: &Fields<'_, '_>) {
    if fields.are_sound() && T::SECTION.keys.iter().all(|key| fields.place(key.name).is_none()) {
        let diagnostic = Diagnostic::error(fields.owner, "nothing is expected here");
        fields.reading.tell(diagnostic.hint("say what is to come of it, or leave the key out"));
    }
}

const CONFIG: Form<Spanned<Box<str>>> = Form {
    form: "a path",
    example: "gateway.yaml",
    shape: Shape::Text,
    read: |node, reading| {
        reading.spanned(node, "a path", |text| match text {
            "" => Err(Complaint::new("a path is not empty").hint("write for example `gateway.yaml`")),
            _ => Ok(text.into()),
        })
    },
};

const TESTS: Form<Vec<TestConfig>> = Form {
    form: "a list of tests",
    example: "[{ request: GET /users, expect: { route: users } }]",
    shape: Shape::List(&Shape::Section(&TestConfig::SECTION), 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of tests")?;
        if items.is_empty() {
            let diagnostic = Diagnostic::error(node.at, "`tests` is empty: nothing would be tested");
            reading.tell(diagnostic.hint("write for example `[{ request: GET /users, expect: { route: users } }]`"));
        }
        Some(items.iter().filter_map(|item| TestConfig::read(item, item.at, reading)).collect())
    },
};

const REQUEST: Form<Spanned<RequestLine>> = Form {
    form: "a method, unless it is GET, and a URL",
    example: "GET http://api.example.com/users",
    shape: Shape::Text,
    read: |node, reading| {
        reading.spanned(node, "a request", |text| {
            let words: Vec<&str> = text.split_whitespace().collect();
            match words.as_slice() {
                [url] if url.contains('/') => Ok(RequestLine { method: "GET".into(), url: (*url).into() }),
                [method, url] => Ok(RequestLine { method: (*method).into(), url: (*url).into() }),
                _ => Err(Complaint::new(format!("`{text}` is not a request"))
                    .hint("write a method and a URL, such as `GET http://HOST/PATH`")),
            }
        })
    },
};

const FROM: Form<Spanned<IpAddr>> = Form {
    form: "an IP address",
    example: "10.0.0.1",
    shape: Shape::Text,
    read: |node, reading| {
        reading.spanned(node, "an IP address", |text| {
            let wrong =
                |_| Complaint::new(format!("`{text}` is not an IP address")).hint("write for example `10.0.0.1`");
            text.parse().map_err(wrong)
        })
    },
};

const STATUS: Form<Spanned<u16>> = Form {
    form: "a number from 100 to 599",
    example: "308",
    shape: Shape::Number(100, 599),
    read: |node, reading| reading.spanned(node, "a status", |text| number(text, 100, 599)),
};

const REASON: Form<Spanned<Box<str>>> = Form {
    form: "a word of [failures.md](failures.md), or `none`",
    example: "no_route",
    shape: Shape::Text,
    read: |node, reading| {
        reading.spanned(node, "a reason", |text| {
            let mut words = Failure::ALL.iter().map(|failure| failure.word()).chain(["none"]);
            match words.clone().any(|word| word == text) {
                true => Ok(text.into()),
                false => Err(Complaint {
                    part: None,
                    message: format!("`{text}` is no reason for which a request is refused"),
                    hint: suggest::nearest(text, &mut words).map(|near| format!("did you mean `{near}`?")),
                }),
            }
        })
    },
};

const METHOD: Form<Spanned<Box<str>>> = Form {
    form: "a method",
    example: "GET",
    shape: Shape::Word(shape::TOKEN),
    read: |node, reading| {
        reading.spanned(node, "a method", |text| match is_token(text) {
            true => Ok(text.into()),
            false => Err(Complaint::new(format!("`{text}` is not a method")).hint("write for example `GET`")),
        })
    },
};

const TARGET: Form<Spanned<Box<str>>> = Form {
    form: "a path, perhaps with a query",
    example: "/users?page=2",
    shape: Shape::Word("^/"),
    read: |node, reading| {
        reading.spanned(node, "a path", |text| match text.starts_with('/') {
            true => Ok(text.into()),
            false => Err(Complaint::new("what an upstream is asked for starts with `/`")
                .hint(format!("write `/{}`", text.split_once("://").map_or(text, |(_, rest)| rest)))),
        })
    },
};

const HEADERS: Form<Vec<Header>> = Form {
    form: "a map of header names to text",
    example: "{ X-Canary: \"1\" }",
    shape: Shape::Map(shape::TOKEN, &Shape::Text, 0),
    read: |node, reading| {
        fields(node, reading, |text| match is_value(text.as_bytes()) && text.trim_matches([' ', '\t']) == text {
            true => Ok(text.into()),
            false => Err(Complaint::new("no client sends this as a header's value")
                .hint("leave blanks around it and control characters out")),
        })
    },
};

const WANTED: Form<Vec<Wanted>> = Form {
    form: "a map of header names to values",
    example: "{ X-Real-IP: 10.0.0.1 }",
    shape: Shape::Map(shape::TOKEN, &Shape::Text, 0),
    read: |node, reading| fields(node, reading, FieldPattern::parse),
};

const WITHOUT: Form<Vec<Spanned<FieldName>>> = Form {
    form: "a list of header names",
    example: "[Cookie]",
    shape: Shape::List(&Shape::Word(shape::TOKEN), 0),
    read: |node, reading| {
        let items = reading.list(node, "a list of header names")?;
        Some(items.iter().filter_map(|item| reading.spanned(item, "a header's name", FieldName::parse)).collect())
    },
};

/// A map of header names, each once, to values.
fn fields<T>(
    node: &Node<'_>,
    reading: &Reading<'_>,
    parse: fn(&str) -> Result<T, Complaint>,
) -> Option<Vec<(Spanned<FieldName>, Spanned<T>)>> {
    let Kind::Map(entries) = &node.kind else {
        let message = format!("a map of headers is wanted here, not {}", node.what());
        reading.tell(Diagnostic::error(node.at, message).hint("write for example `{ X-Canary: \"1\" }`"));
        return None;
    };
    let mut fields: Vec<(Spanned<FieldName>, Spanned<T>)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Some(text) = key_text(key, reading) else { continue };
        let name = match FieldName::parse(text) {
            Ok(name) => Spanned { value: name, at: key.at },
            Err(complaint) => {
                reading.tell(Diagnostic::complaint(key.at, complaint));
                continue;
            }
        };
        if matches!(value.kind, Kind::Empty) {
            let hint = "write `\"\"` for an empty value; a header that is not to be there stands in `without`";
            reading.tell(Diagnostic::error(key.at, format!("`{text}` has no value")).hint(hint));
            continue;
        }
        if let Some((first, _)) = fields.iter().find(|(other, _)| other.value == name.value) {
            let diagnostic = Diagnostic::error(key.at, format!("`{text}` is written twice"));
            reading.tell(diagnostic.other(first.at, "the first time").hint("leave one of the two out"));
        }
        if let Some(value) = reading.spanned(value, "a header's value", parse) {
            fields.push((name, value));
        }
    }
    Some(fields)
}

impl TestConfig {
    /// What it is called.
    pub fn name(&self) -> String {
        let RequestLine { method, url } = &self.request.value;
        self.name.as_ref().map_or_else(|| format!("{method} {url}"), |name| name.value.to_string())
    }
}
