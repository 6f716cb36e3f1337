//! Random tables of routes, written as documents, and random requests for them. The same seed makes the same.

#![allow(dead_code, reason = "two test programs use it, each some of it")]
#![allow(unused_imports, reason = "the same")]

mod request;
mod scan;

pub use request::Asked;
pub use scan::{Winner, scan};

use fastrand::Rng;
use std::fmt::Write;

/// Names of listeners; [`Table::document`] says where they are.
pub const LISTENERS: [&str; 2] = ["web", "inside"];
const UPSTREAMS: [&str; 3] = ["alpha", "beta", "gamma"];
const HOSTS: [&str; 6] = ["a.b.c", "*.b.c", "*.c", "b.c", "x.example", "10.0.0.1"];
pub const SEGMENTS: [&str; 8] = ["a", "b", "ab", "ba", "aab", "a-b", ".a", "v1"];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "HEAD"];
const NAMES: [&str; 3] = ["X-A", "X-B", "x-tenant"];
const PARTS: [&str; 3] = ["v", "w", "page"];
const VALUES: [&str; 4] = ["1", "2", "x", "xy"];

/// Regular expressions for paths, and what each finds, of a path in lower case.
pub type Finds = fn(&str) -> bool;
const EXPRESSIONS: [(&str, Finds); 4] = [
    ("^/a", |path| path.starts_with("/a")),
    ("b/?$", |path| path.ends_with('b') || path.ends_with("b/")),
    ("^/(?<first>[ab]+)/[^/]*$", |path| {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let [first, _] = segments[..] else { return false };
        !first.is_empty() && first.bytes().all(|b| matches!(b, b'a' | b'b'))
    }),
    ("v1", |path| path.contains("v1")),
];

/// One segment of a path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Literal(&'static str),
    /// `{name}`
    Any(&'static str),
}

/// What stands behind the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exact,
    Slash,
    /// `*` behind the last segment.
    Starts,
    /// `/*`
    Below,
}

#[derive(Clone, Debug)]
pub enum Path {
    Segments(Vec<Segment>, End),
    Expression(&'static str, Finds),
}

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    Any,
    Exact(&'static str),
    /// `~ ^x`
    StartsWith(&'static str),
}

/// A route, as the rule sees it, and the rest of it as text.
#[derive(Clone, Debug)]
pub struct Route {
    pub name: String,
    pub host: Option<&'static str>,
    pub priority: i32,
    pub path: Path,
    pub methods: Vec<&'static str>,
    pub headers: Vec<(&'static str, Value)>,
    pub query: Vec<(&'static str, Value)>,
    pub listeners: Vec<&'static str>,
    does: String,
}

/// Routes that are accepted together.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub routes: Vec<Route>,
}

impl Table {
    /// A random one of at most `most` routes. Of those that the language refuses beside the others, as ties, none is in it.
    pub fn random(rng: &mut Rng, most: usize) -> Table {
        let mut table = Table { routes: (0..most).map(|n| Route::random(rng, n)).collect() };
        loop {
            let text = table.document("127.0.0.1", ["127.0.0.1:1"; 3]);
            let (document, report) = wharf::config::review("table.yaml", &text, &|_| None);
            if document.is_some() {
                return table;
            }
            // each route stands on a line of its own
            let first = text.lines().position(|line| line.contains("{ name: last,")).expect("the routes") + 2;
            let mut lines: Vec<usize> =
                report.diagnostics.iter().filter(|d| d.lint.is_none()).map(|d| report.position(d).line).collect();
            lines.dedup();
            for line in lines.into_iter().rev() {
                table.routes.remove(line.checked_sub(first).unwrap_or_else(|| panic!("{report}")));
            }
        }
    }

    /// As a document with listeners on two ports of `here`, and one endpoint for each upstream.
    pub fn document(&self, here: &str, endpoints: [&str; 3]) -> String {
        let mut text = format!(
            "version: 1\nthreads: 1\ntrusted_proxies: [127.0.0.2/32]\nlisteners:\n  \
             web: {{ address: \"{here}:21080\" }}\n  inside: {{ address: \"{here}:21081\" }}\nupstreams:\n"
        );
        for (name, endpoint) in UPSTREAMS.iter().zip(endpoints) {
            let _ = writeln!(text, "  {name}: {{ endpoints: [\"{endpoint}\"] }}");
        }
        // an empty list of routes is refused
        text += "routes:\n  - { name: last, match: { path: /nowhere/else }, respond: { status: 204 } }\n";
        for route in &self.routes {
            let _ = writeln!(text, "  - {route}");
        }
        text
    }
}

impl Route {
    fn random(rng: &mut Rng, n: usize) -> Route {
        let path = Path::random(rng);
        let does = does(rng, &path);
        Route {
            name: format!("r{n}"),
            host: rng.bool().then(|| pick(rng, &HOSTS)),
            priority: if rng.u8(..8) == 0 { rng.i32(-1..=1) } else { 0 },
            methods: if rng.u8(..3) == 0 { some(rng, &METHODS) } else { Vec::new() },
            headers: conditions(rng, &NAMES),
            query: conditions(rng, &PARTS),
            listeners: if rng.u8(..5) == 0 { vec![pick(rng, &LISTENERS)] } else { Vec::new() },
            path,
            does,
        }
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{ name: {}, match: {{ path: '{}'", self.name, self.path)?;
        if let Some(host) = self.host {
            write!(f, ", host: '{host}'")?;
        }
        if !self.methods.is_empty() {
            write!(f, ", methods: [{}]", self.methods.join(", "))?;
        }
        for (key, conditions) in [("headers", &self.headers), ("query", &self.query)] {
            if !conditions.is_empty() {
                let pairs: Vec<String> = conditions.iter().map(|(name, value)| format!("{name}: '{value}'")).collect();
                write!(f, ", {key}: {{ {} }}", pairs.join(", "))?;
            }
        }
        f.write_str(" }")?;
        if self.priority != 0 {
            write!(f, ", priority: {}", self.priority)?;
        }
        if !self.listeners.is_empty() {
            write!(f, ", listeners: [{}]", self.listeners.join(", "))?;
        }
        write!(f, ", {} }}", self.does)
    }
}

impl Path {
    fn random(rng: &mut Rng) -> Path {
        if rng.u8(..8) == 0 {
            let (text, finds) = EXPRESSIONS[rng.usize(..EXPRESSIONS.len())];
            return Path::Expression(text, finds);
        }
        let mut captures = ["id", "who", "what"].into_iter();
        let segments: Vec<Segment> = (0..rng.usize(..4))
            .map(|_| match rng.u8(..5) {
                0 => Segment::Any(captures.next().unwrap_or("id")),
                _ => Segment::Literal(pick(rng, &SEGMENTS)),
            })
            .collect();
        let end = pick(rng, &[End::Exact, End::Exact, End::Slash, End::Starts, End::Below, End::Below]);
        match (segments.last(), end) {
            (None, End::Exact | End::Slash) => Path::Segments(segments, End::Slash),
            (None, _) | (Some(Segment::Any(_)), End::Starts) => Path::Segments(segments, End::Below),
            _ => Path::Segments(segments, end),
        }
    }

    fn captures(&self) -> Vec<&'static str> {
        match self {
            Path::Expression(text, _) if text.contains("first") => vec!["first"],
            Path::Expression(..) => Vec::new(),
            Path::Segments(segments, _) => segments
                .iter()
                .filter_map(|segment| if let Segment::Any(name) = segment { Some(*name) } else { None })
                .collect(),
        }
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (segments, end) = match self {
            Path::Expression(text, _) => return write!(f, "~ {text}"),
            Path::Segments(segments, end) => (segments, end),
        };
        for segment in segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Any(name) => write!(f, "/{{{name}}}")?,
            }
        }
        f.write_str(match end {
            End::Exact => "",
            End::Slash => "/",
            End::Starts => "*",
            End::Below => "/*",
        })
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Any => f.write_str("*"),
            Value::Exact(text) => f.write_str(text),
            Value::StartsWith(start) => write!(f, "~ ^{start}"),
        }
    }
}

/// An action, with what it allows beside it.
fn does(rng: &mut Rng, path: &Path) -> String {
    let mut out = match rng.u8(..10) {
        0 => {
            return format!(
                "respond: {{ status: {}, body: hello, headers: {{ X-Own: a }} }}{}",
                pick(rng, &[200, 403, 451]),
                answers(rng)
            );
        }
        1 => {
            let to = pick(rng, &["https://new.example{path}", "https://{host}/moved{uri}", "/local/{query.v}"]);
            return format!("redirect: {{ to: '{to}', status: {} }}{}", pick(rng, &[301, 302, 307, 308]), answers(rng));
        }
        2 => {
            let by = pick(rng, &["{ header: x-tenant }", "path", "uri", "client_ip", "{ cookie: sid }"]);
            format!(
                "split: {{ by: {by}, to: [{{ upstream: alpha, weight: {} }}, {{ upstream: beta, weight: 5 }}] }}",
                rng.u8(..9)
            )
        }
        _ => format!("upstream: {}", pick(rng, &UPSTREAMS)),
    };
    if rng.u8(..3) == 0 {
        out += &rewrite(rng, path);
    }
    if rng.u8(..3) == 0 {
        let mut values =
            vec!["{client_ip}", "{host}|{method}|{scheme}", "{path}?{query}", "{uri}", "{route}/{upstream}"];
        values.extend(["{header.X-A}", "{cookie.sid}", "{query.v}", "{request_id}", "fixed", ""]);
        let capture = path.captures().first().map(|name| format!("{{capture.{name}}}"));
        values.extend(capture.as_deref());
        let (set, add) = (pick(rng, &values).to_owned(), pick(rng, &values).to_owned());
        let name = pick(rng, &["X-Set", "X-Real-IP", "Host", "X-A"]);
        let set = if set.is_empty() || set.contains("cookie") { "gone".to_owned() } else { set };
        out += &format!(
            ", headers: {{ request: {{ set: {{ {name}: '{set}' }}, add: {{ X-Add: '{add}' }}, remove: [{}] }} }}",
            pick(rng, &["Cookie", "X-B", "User-Agent", "X-Forwarded-For"])
        );
    }
    if rng.u8(..6) == 0 {
        out += ", upgrade: []";
    }
    if rng.u8(..6) == 0 {
        out += ", errors: [{ status: [502, 503], respond: { status: 503, body: sorry } }]";
    }
    out
}

fn answers(rng: &mut Rng) -> &'static str {
    pick(
        rng,
        &[
            "",
            "",
            ", headers: { response: { set: { X-Route: '{route}' }, add: { X-Path: '{path}' }, remove: [X-Own] } }",
        ],
    )
}

fn rewrite(rng: &mut Rng, path: &Path) -> String {
    let Path::Segments(segments, _) = path else {
        return ", rewrite: { regex: '^/(\\w+)', to: '/re/$1' }".to_owned();
    };
    let literals: Vec<&str> = segments
        .iter()
        .map_while(|segment| if let Segment::Literal(text) = segment { Some(*text) } else { None })
        .collect();
    match rng.u8(..4) {
        0 if !literals.is_empty() => format!(", rewrite: {{ strip_prefix: '/{}' }}", literals[..1].join("/")),
        1 if !literals.is_empty() => ", rewrite: { replace_prefix: /new }".to_owned(),
        2 => match path.captures().first() {
            Some(name) => format!(", rewrite: {{ path: '/c/{{capture.{name}}}' }}"),
            None => ", rewrite: { path: '/x{path}' }".to_owned(),
        },
        _ => ", rewrite: { regex: '/(a+)', to: '/$1$1?q={query.v}' }".to_owned(),
    }
}

fn conditions(rng: &mut Rng, names: &[&'static str]) -> Vec<(&'static str, Value)> {
    if rng.u8(..4) > 0 {
        return Vec::new();
    }
    let mut conditions = Vec::new();
    for name in some(rng, names) {
        let value = match rng.u8(..3) {
            0 => Value::Any,
            1 => Value::StartsWith(pick(rng, &["1", "x"])),
            _ => Value::Exact(pick(rng, &VALUES)),
        };
        conditions.push((name, value));
    }
    conditions
}

/// One of these.
pub fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())]
}

/// One or two of these, each once.
fn some<T: Copy + PartialEq>(rng: &mut Rng, of: &[T]) -> Vec<T> {
    let first = pick(rng, of);
    let second = pick(rng, of);
    if first == second || rng.bool() { vec![first] } else { vec![first, second] }
}
