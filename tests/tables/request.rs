//! A random request for a table: mostly one that some route wants, often changed a little.

use super::{End, HOSTS, METHODS, NAMES, PARTS, Path, SEGMENTS, Segment, Table, VALUES, Value, pick};
use fastrand::Rng;

/// A request, in parts.
#[derive(Clone, Debug)]
pub struct Asked {
    pub listener: &'static str,
    pub method: &'static str,
    /// As sent.
    pub host: String,
    /// As sent.
    pub path: String,
    pub query: Vec<(&'static str, &'static str)>,
    pub headers: Vec<(&'static str, String)>,
}

impl Asked {
    /// One whose path is in its normal form, in lower case.
    pub fn plain(rng: &mut Rng, table: &Table) -> Asked {
        let route =
            (!table.routes.is_empty() && rng.u8(..8) > 0).then(|| &table.routes[rng.usize(..table.routes.len())]);
        let host = match route.and_then(|route| route.host) {
            Some(host) => match host.strip_prefix("*.") {
                Some(parent) => format!("{}.{parent}", pick(rng, &["a", "x.y", "b"])),
                None => host.to_owned(),
            },
            None => pick(rng, &HOSTS).replace('*', "w"),
        };
        let mut asked = Asked {
            listener: pick(rng, &super::LISTENERS),
            method: route.filter(|_| rng.u8(..4) > 0).and_then(|r| r.methods.first().copied()).unwrap_or("GET"),
            host,
            path: match route {
                Some(route) => path_of(rng, &route.path),
                None => random_path(rng),
            },
            query: Vec::new(),
            headers: Vec::new(),
        };
        if let Some(route) = route {
            let wanted = |value: &Value| match value {
                Value::Any => "2",
                Value::Exact(text) => text,
                Value::StartsWith(start) => start,
            };
            asked.query = route.query.iter().map(|(name, value)| (*name, wanted(value))).collect();
            asked.headers = route.headers.iter().map(|(name, value)| (*name, wanted(value).to_owned())).collect();
        }
        for _ in 0..rng.u8(..3) {
            match rng.u8(..6) {
                0 => asked.method = pick(rng, &METHODS),
                1 => asked.query.push((pick(rng, &PARTS), pick(rng, &VALUES))),
                2 => asked.headers.push((pick(rng, &NAMES), pick(rng, &VALUES).to_owned())),
                3 => asked.path = random_path(rng),
                4 => asked.path += pick(rng, &["/", "b", "/a"]),
                _ => asked.host = pick(rng, &HOSTS).replace('*', "q"),
            }
        }
        while asked.path.contains("//") {
            asked.path = asked.path.replace("//", "/");
        }
        asked
    }

    /// One that may be spelled oddly, in every part.
    pub fn any(rng: &mut Rng, table: &Table) -> Asked {
        let mut asked = Asked::plain(rng, table);
        if rng.u8(..3) == 0 {
            for _ in 0..rng.usize(1..3) {
                spell(rng, &mut asked.path);
            }
        }
        match rng.u8(..10) {
            0 => asked.host = asked.host.to_ascii_uppercase(),
            1 => asked.host += ".",
            2 => asked.host += ":8080",
            _ => {}
        }
        asked.headers.push(("Cookie", format!("sid={}; a=b", rng.u8(..))));
        if !asked.headers.iter().any(|(name, _)| *name == "x-tenant") {
            asked.headers.push(("X-Tenant", format!("t{}", rng.u8(..))));
        }
        match rng.u8(..18) {
            0 => asked.headers.push(("X-Forwarded-For", "1.2.3.4".into())),
            1 => asked.headers.push(("X_Real_IP", "1.2.3.4".into())),
            2 => asked.headers.push(("X-Request-Id", "mine".into())),
            3 => asked.headers.push(("User-Agent", "test/1".into())),
            4 => asked.headers.push(("Connection", "X-B, keep-alive".into())),
            5 => asked.headers.push(("Forwarded", "for=1.2.3.4".into())),
            6 => asked.headers.push(("TE", "trailers".into())),
            7 => asked.headers.push(("Connection", "Authorization".into())),
            8 => asked.headers.push(("Accept", "application/json".into())),
            9 => asked.headers.push(("X-Empty", String::new())),
            10 => asked.headers.extend([("Connection", "Upgrade".into()), ("Upgrade", "websocket".into())]),
            11 => asked.headers.extend([("Connection", "upgrade".into()), ("Upgrade", "other/1".into())]),
            _ => {}
        }
        asked
    }

    /// Path and query, as sent.
    pub fn target(&self) -> String {
        let parts: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if parts.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, parts.join("&")) }
    }

    /// What is asked about it.
    pub fn question(&self) -> wharf::explain::Question {
        let mut question = wharf::explain::Question::get(&format!("http://{}{}", self.host, self.target()));
        question.method = self.method.to_owned();
        question.listener = Some(self.listener.to_owned());
        question.headers = self.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        question
    }
}

fn random_path(rng: &mut Rng) -> String {
    let mut path = String::new();
    for _ in 0..rng.usize(..5) {
        path += "/";
        path += pick(rng, &SEGMENTS);
    }
    if path.is_empty() || rng.u8(..5) == 0 {
        path += "/";
    }
    path
}

/// A path that the pattern matches, most of the time.
fn path_of(rng: &mut Rng, path: &Path) -> String {
    let (segments, end) = match path {
        Path::Expression(..) => return random_path(rng),
        Path::Segments(segments, end) => (segments, *end),
    };
    let mut text = String::new();
    for segment in segments {
        text += "/";
        text += match segment {
            Segment::Literal(literal) => literal,
            Segment::Any(_) => pick(rng, &SEGMENTS),
        };
    }
    match end {
        End::Exact => {}
        End::Slash => text += "/",
        End::Starts => text += pick(rng, &["", "b", "/a", "x/y"]),
        End::Below => text += pick(rng, &["", "/", "/a", "/b/ab"]),
    }
    if text.is_empty() { "/".to_owned() } else { text }
}

/// Spells one place of a path otherwise.
fn spell(rng: &mut Rng, path: &mut String) {
    let at = rng.usize(..path.len());
    let slash = path[..=at].rfind('/').unwrap_or(0);
    match rng.u8(..12) {
        0 => path.insert(slash, '/'),
        1 => path.insert_str(slash, "/."),
        2 => path.insert_str(slash, "/x/.."),
        3 => path.insert_str(slash, "/%2e%2e"),
        4 if slash > 0 => path.replace_range(slash..=slash, "%2F"),
        5 if slash > 0 => path.replace_range(slash..=slash, "\\"),
        6 => path.push_str(";p=1"),
        7 => path.push_str("%20"),
        8 => path.push_str("%zz"),
        9 => path.push_str("%00"),
        10 => *path = path.to_ascii_uppercase(),
        _ => {
            let byte = path.as_bytes()[at];
            if byte.is_ascii_alphanumeric() && !path[at.saturating_sub(2)..at].contains('%') {
                path.replace_range(at..=at, &format!("%{byte:02x}"));
            }
        }
    }
}
