//! What a server might take the bytes of a target for: decoded or not, `\\` as `/`, parameters dropped, dots resolved.

use std::collections::BTreeSet;

/// Every path that a sane server may take these bytes for.
pub fn readings(target: &str) -> BTreeSet<String> {
    let path = target.split(['?', '#']).next().unwrap();
    let mut all = BTreeSet::from([path.to_owned(), percent_decoded(path)]);
    let add = |all: &mut BTreeSet<String>, change: &dyn Fn(&str) -> String| {
        let more: Vec<String> = all.iter().map(|p| change(p)).collect();
        all.extend(more);
    };
    add(&mut all, &overlong_decoded);
    add(&mut all, &|p| p.split('\0').next().unwrap().to_owned());
    add(&mut all, &|p| p.replace('\\', "/"));
    add(&mut all, &|p| p.split('/').map(|s| s.split(';').next().unwrap()).collect::<Vec<_>>().join("/"));
    // Slashes may be merged before or after dot segments are resolved.
    add(&mut all, &merged);
    add(&mut all, &resolved);
    add(&mut all, &merged);
    all
}

/// Whether a path is this one or lies below it.
pub fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn percent_decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let code = path.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match code.and_then(|c| u8::from_str_radix(c, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out.iter().map(|b| *b as char).collect()
}

/// Two- and three-byte forms of ASCII, as lax UTF-8 decoders read them.
fn overlong_decoded(path: &str) -> String {
    let chars: Vec<u32> = path.chars().map(|c| c as u32).collect();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        let (code, length) = match chars[at..] {
            [a @ (0xc0 | 0xc1), b @ 0x80..=0xbf, ..] => ((a & 1) << 6 | (b & 0x3f), 2),
            [0xe0, 0x80, b @ 0x80..=0xbf, ..] => (b & 0x3f, 3),
            [c, ..] => (c, 1),
            [] => unreachable!(),
        };
        out.push(char::from_u32(code).unwrap());
        at += length;
    }
    out
}

fn merged(path: &str) -> String {
    let mut out = String::new();
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

fn resolved(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (n, segment) in segments.iter().enumerate() {
        let last = n + 1 == segments.len();
        match *segment {
            "." if last => kept.push(""),
            "." => {}
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

#[test]
fn careless_readings_of_a_path_are_found_and_only_those() {
    for spelling in
        ["/x/..%2fadmin", "//admin", "/x/..;/admin", "/%61dmin", "/admin%5cx", "/..%c0%afadmin", "/x//../../admin"]
    {
        assert!(readings(spelling).iter().any(|p| is_below(p, "/admin")), "{spelling}: {:?}", readings(spelling));
    }
    for other in ["/administrator", "/x/admin", "/ADMIN", "/%2561dmin", "/admi", "/x;/admin"] {
        assert!(!readings(other).iter().any(|p| is_below(p, "/admin")), "{other}");
    }
}
