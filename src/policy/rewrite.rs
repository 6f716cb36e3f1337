//! Which path is forwarded in place of the client's.
//!
//! Whatever a request holds, what comes out is one valid target: it starts with one slash, is no longer than a client's may
//! be, and no reading of it climbs out of the segments it was put into.

use super::{Asking, uri};
use crate::failure::Failure;
use crate::http::spelled_path::SpelledPath;
use crate::http::spelling::{decode_fully, decode_lax};
use crate::http::{TARGET_BYTES_MAX, target};
use crate::value::{Expression, PathKind, PathPattern, Replacement, ReplacementPart, Segment, Template};
use std::borrow::Cow;

/// How the path is rewritten.
#[derive(Clone, Debug)]
pub enum Rewrite {
    /// These leading segments, in their normal form, are taken off.
    StripPrefix(Box<[u8]>),
    /// What the route's pattern says up to its star or its first name is replaced.
    ReplacePrefix { matched: Prefix, by: Box<str> },
    /// The path is this.
    Path(Template),
    /// What the expression finds first is replaced.
    Regex { regex: Expression, to: Replacement },
}

/// How much of a path its pattern spells out before its star or its first name.
#[derive(Clone, Debug)]
pub struct Prefix {
    /// Whole segments.
    segments: usize,
    /// Bytes of the segment after them.
    open: usize,
}

/// What is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    pub path_and_query: Vec<u8>,
    pub path_len: usize,
}

impl Forwarded {
    pub fn path(&self) -> &[u8] {
        self.path_and_query.get(..self.path_len).unwrap_or(b"")
    }

    /// Without its `?`.
    pub fn query(&self) -> Option<&[u8]> {
        self.path_and_query.get(self.path_len + 1..)
    }
}

impl Prefix {
    /// Of a pattern that is no regular expression.
    pub fn of(pattern: &PathPattern) -> Prefix {
        if pattern.kind != PathKind::Prefix || pattern.has_names() {
            return Prefix { segments: pattern.leading_segments().matches('/').count(), open: 0 };
        }
        let count = pattern.segments().count();
        let mut last = Vec::new();
        // a pattern is checked: it has no broken escape
        let _ = crate::http::spelling::decode_safely(pattern.segments().last().unwrap_or("").as_bytes(), &mut last);
        Prefix { segments: count.saturating_sub(1), open: last.len() }
    }

    /// Its length in a path that matches.
    fn len(&self, normal: &[u8]) -> usize {
        let mut slashes = memchr::memchr_iter(b'/', normal).skip(self.segments);
        match slashes.next() {
            Some(slash) if self.open > 0 => (slash + 1 + self.open).min(normal.len()),
            Some(slash) => slash,
            None => normal.len(),
        }
    }
}

impl Rewrite {
    /// The target that is forwarded for a request; nothing where it stays as it is.
    pub fn forwarded(&self, path: &SpelledPath<'_>, asking: &Asking<'_>) -> Result<Option<Forwarded>, Failure> {
        let normal = path.normal();
        let mut out = Vec::new();
        match self {
            Rewrite::StripPrefix(prefix) => {
                let rest = normal.strip_prefix(&**prefix).filter(|rest| matches!(rest, [] | [b'/', ..]));
                let Some(rest) = rest else { return Ok(None) };
                out.extend_from_slice(&path.spelled(normal.len() - rest.len()..normal.len()));
            }
            Rewrite::ReplacePrefix { matched, by } => {
                let rest = matched.len(normal)..normal.len();
                out.extend_from_slice(match normal.get(rest.start) {
                    Some(b'/') => by.trim_end_matches('/').as_bytes(),
                    _ => by.as_bytes(),
                });
                out.extend_from_slice(&path.spelled(rest));
            }
            Rewrite::Path(template) => {
                let whole = path.whole();
                let asking = Asking { path: &whole, ..*asking };
                for segment in &template.segments {
                    within_limit(&out)?;
                    match segment {
                        Segment::Literal(text) => out.extend_from_slice(text.as_bytes()),
                        Segment::Variable(variable) => uri::insert(variable, &asking, &mut out),
                    }
                }
            }
            Rewrite::Regex { regex, to } => {
                let Some(found) = regex.regex().captures(normal) else { return Ok(None) };
                let Some(all) = found.get(0) else { return Ok(None) };
                let whole = path.whole();
                let asking = Asking { path: &whole, ..*asking };
                out.extend_from_slice(&path.spelled(0..all.start()));
                for part in &to.parts {
                    within_limit(&out)?;
                    match part {
                        ReplacementPart::Literal(text) => out.extend_from_slice(text.as_bytes()),
                        ReplacementPart::Group(number) => {
                            let group = found.get(*number).map(|group| path.spelled(group.range()));
                            uri::spelled(&group.unwrap_or(Cow::Borrowed(b"")), &mut out);
                        }
                        ReplacementPart::Variable(variable) => uri::insert(variable, &asking, &mut out),
                    }
                }
                uri::spelled(&path.spelled(all.end()..normal.len()), &mut out);
            }
        }
        finish(out, asking.query).map(Some)
    }
}

/// A short text may name a long variable a thousand times: what is too long already is not written to its end.
fn within_limit(out: &[u8]) -> Result<(), Failure> {
    if out.len() > TARGET_BYTES_MAX { Err(Failure::UriTooLong) } else { Ok(()) }
}

/// Makes one valid target of what was written, or refuses.
fn finish(mut out: Vec<u8>, query: Option<&[u8]>) -> Result<Forwarded, Failure> {
    let slashes = out.iter().take_while(|b| **b == b'/').count();
    match slashes {
        0 => out.insert(0, b'/'),
        _ => drop(out.drain(..slashes - 1)),
    }
    let path_len = memchr::memchr(b'?', &out).unwrap_or(out.len());
    if let (true, Some(query)) = (path_len == out.len(), query) {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    if out.len() > TARGET_BYTES_MAX {
        return Err(Failure::UriTooLong);
    }
    let path = out.get(..path_len).unwrap_or(b"");
    if target::parse(&out, false).is_none() || !is_clean(path) {
        return Err(Failure::BadRequest);
    }
    Ok(Forwarded { path_and_query: out, path_len })
}

/// Whether a path can be forwarded: its escapes are whole, and no reading of it climbs.
pub fn is_clean(path: &[u8]) -> bool {
    !is_broken(path) && !has_dots(path)
}

/// Whether a `%` stands without its two digits.
pub fn is_broken(path: &[u8]) -> bool {
    memchr::memchr_iter(b'%', path)
        .any(|at| !path.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

/// Whether some server would read a segment as `.` or `..`, however often it decodes, and whatever it takes for the end of one.
fn has_dots(path: &[u8]) -> bool {
    if !path.iter().any(|b| matches!(b, b'.' | b'%' | b';')) {
        return false;
    }
    let (mut decoded, mut read) = (Vec::new(), Vec::new());
    decode_fully(path, &mut decoded);
    decode_lax(&decoded, &mut read);
    read.split(|b| matches!(b, b'/' | b'\\')).any(|segment| {
        let end = segment.iter().position(|b| matches!(b, b';' | b'?' | b'#' | 0));
        // some take white space off a segment
        matches!(segment.get(..end.unwrap_or(segment.len())).map(<[u8]>::trim_ascii), Some(b"." | b".."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::asking;
    use proptest::prelude::*;

    fn rewritten(rewrite: &Rewrite, pattern: &str, target: &str, lines: &str) -> Result<Option<String>, Failure> {
        let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
        asking(&head, pattern, |asking| {
            let forwarded = rewrite.forwarded(asking.spelled.expect("a path"), asking)?;
            Ok(forwarded.map(|f| String::from_utf8(f.path_and_query).expect("a target is ASCII")))
        })
    }

    fn plain(rewrite: &Rewrite, pattern: &str, target: &str) -> String {
        rewritten(rewrite, pattern, target, "").expect(target).unwrap_or_else(|| target.to_owned())
    }

    fn replace(pattern: &str, by: &str) -> Rewrite {
        let matched = Prefix::of(&PathPattern::parse(pattern).expect(pattern));
        Rewrite::ReplacePrefix { matched, by: by.into() }
    }

    fn path(text: &str) -> Rewrite {
        Rewrite::Path(Template::parse(text).expect(text))
    }

    fn regex(regex: &str, to: &str) -> Rewrite {
        let regex = Expression::parse(regex).expect(regex);
        Rewrite::Regex { to: Replacement::parse(to, &regex).expect(to), regex }
    }

    #[test]
    fn a_prefix_is_stripped_and_the_rest_stays_as_it_was_spelled() {
        let strip = Rewrite::StripPrefix(b"/v1".as_slice().into());
        for (target, forwarded) in [
            ("/v1", "/"),
            ("/v1?a=b", "/?a=b"),
            ("/v1/", "/"),
            ("/v1/user/7", "/user/7"),
            ("/%761/us%65r/a%2Fb%20?x=%20", "/us%65r/a%2Fb%20?x=%20"),
            ("//v1//user", "/user"),
            ("/x/../v1/user/.", "/user/"),
            ("/v1x", "/v1x"),
            ("/v1?", "/?"),
        ] {
            assert_eq!(plain(&strip, "/*", target), forwarded, "{target}");
        }
    }

    #[test]
    fn what_the_pattern_matched_is_replaced() {
        for (pattern, by, target, forwarded) in [
            ("/x/*", "/v2", "/x", "/v2"),
            ("/x/*", "/v2", "/x/", "/v2/"),
            ("/x/*", "/v2", "/x/y?q", "/v2/y?q"),
            ("/x/*", "/", "/x", "/"),
            ("/x/*", "/", "/x/", "/"),
            ("/x/*", "/", "/x/y", "/y"),
            ("/x*", "/v2", "/xy/z", "/v2y/z"),
            ("/x*", "/", "/xy", "/y"),
            ("/a/x*", "/v2", "/a/x/z", "/v2/z"),
            ("/a%20b*", "/v2", "/a%20bc", "/v2c"),
            ("/x", "/v2/z", "/x", "/v2/z"),
            ("/*", "/v2", "/y", "/v2/y"),
            ("/*", "/v2", "/", "/v2/"),
            ("/x/{id}/*", "/v2", "/x/%37/%79", "/v2/%37/%79"),
            ("/x/{id}/y*", "/v2", "/x/7/yz", "/v2/7/yz"),
            ("/{id}", "/v2", "/7", "/v2/7"),
        ] {
            assert_eq!(plain(&replace(pattern, by), pattern, target), forwarded, "{pattern} {by} {target}");
        }
    }

    #[test]
    fn a_template_is_the_path_and_perhaps_the_query() {
        for (template, pattern, target, forwarded) in [
            ("/x{path}", "/*", "/a%20b//c?d", "/x/a%20b/c?d"),
            ("/users/{capture.id}", "/item/{id}", "/item/%37?d", "/users/%37?d"),
            ("/s?q={capture.id}&{query}", "/item/{id}", "/item/a&b?d=e", "/s?q=a%26b&d=e"),
            ("/s?old={query.d}", "/*", "/a?d=e?f", "/s?old=e?f"),
            ("/s/{query.d}", "/*", "/a?d=e?f", "/s/e%3Ff?d=e?f"),
            ("/{route}/{upstream}/{method}/{client_ip}", "/*", "/", "/a%20route/app/GET/10.0.0.1"),
            ("{path}", "/*", "//a", "/a"),
            ("/{query.d}", "/*", "/?d=/evil", "/evil?d=/evil"),
        ] {
            assert_eq!(plain(&path(template), pattern, target), forwarded, "{template} {target}");
        }
        let forwarded = rewritten(&path("/t/{header.X-T}/x"), "/*", "/", "X-T: a/b?c#\u{e9}\r\n");
        assert_eq!(forwarded, Ok(Some("/t/a%2Fb%3Fc%23%C3%A9/x".into())));
    }

    #[test]
    fn what_an_expression_finds_is_replaced() {
        for (expression, to, target, forwarded) in [
            (r"^/(\w+)/old", "/$1/new", "/user/old/%7e", "/user/new/%7e"),
            (r"^/(\w+)/old", "/$1/new", "/other", "/other"),
            (r"/v(?<n>\d)/", "/{capture.n}/", "/a/v1/b/v2/", "/a/1/b/v2/"),
            ("a", "b", "/%61", "/b"),
            ("^/x$", "no-slash", "/x", "/no-slash"),
            ("^/x", "/y?z=1", "/x&b?q", "/y?z=1%26b"),
            ("^/+x", "//y", "/x", "/y"),
        ] {
            assert_eq!(plain(&regex(expression, to), "/*", target), forwarded, "{expression} {target}");
        }
    }

    #[test]
    fn nothing_a_request_holds_climbs() {
        for target in [
            "/a?x=..",
            "/a?x=../b",
            "/a?x=b/..",
            "/a?x=%2e%2E",
            "/a?x=.%2e/b",
            "/a?x=..%2fb",
            "/a?x=..%5cb",
            "/a?x=..;b",
            "/a?x=..\\b",
            "/a?x=%252e%252e",
            "/a?x=..%00",
            "/a?x=%c0%ae.",
            "/a?x=..%3fb",
            "/a?x=..%20",
            "/a?x=%09../b",
            "/a?x=.",
        ] {
            assert_eq!(rewritten(&path("/in/{query.x}/y"), "/*", target, ""), Err(Failure::BadRequest), "{target}");
        }
        for target in ["/..%2f..%2fadmin", "/x/..;/..;/admin", "/%252e%252e/admin", "/..%5c..%5cadmin"] {
            assert_eq!(rewritten(&path("/in{path}"), "/*", target, ""), Err(Failure::BadRequest), "{target}");
            assert_eq!(rewritten(&replace("/*", "/in"), "/*", target, ""), Err(Failure::BadRequest), "{target}");
        }
        for value in ["..", ".", "../admin", "..\\admin", "%2e%2e/admin"] {
            let lines = format!("X-T: {value}\r\nCookie: t={value}\r\n");
            for template in ["/in/{header.X-T}/y", "/in/{cookie.t}"] {
                assert_eq!(rewritten(&path(template), "/*", "/", &lines), Err(Failure::BadRequest), "{value}");
            }
        }
        // an ordinary name with dots is none of that
        assert_eq!(plain(&path("/in/{query.x}/y"), "/*", "/?x=a..b"), "/in/a..b/y?x=a..b");
        assert_eq!(plain(&path("/in/{query.x}/y"), "/*", "/?x=..."), "/in/.../y?x=...");
    }

    #[test]
    fn what_is_no_target_is_refused() {
        let long = "a".repeat(5000);
        let twice = path("/{query.x}/{query.x}");
        assert_eq!(rewritten(&twice, "/*", &format!("/?x={long}"), ""), Err(Failure::UriTooLong));
        // however often, it is not written to its end
        let often = path(&"/{query.x}".repeat(100_000));
        assert_eq!(rewritten(&often, "/*", &format!("/?x={long}"), ""), Err(Failure::UriTooLong));
        let often = regex("(a+)", &"$1".repeat(100_000));
        assert_eq!(rewritten(&often, "/*", &format!("/{long}"), ""), Err(Failure::UriTooLong));
        // an escape that is cut in two
        assert_eq!(rewritten(&regex("2F", ""), "/*", "/a%2Fb", ""), Err(Failure::BadRequest));
        assert_eq!(rewritten(&regex("%", ""), "/*", "/a%2Fb", ""), Ok(Some("/a2Fb".into())));
    }

    proptest! {
        #![proptest_config(crate::policy::tests::cases())]

        #[test]
        fn what_comes_out_is_always_one_valid_target(
            target in "/([a-c./;&+]|%2e|%2F|%5c|%41|%25|//){0,8}(\\?x=([a-c./;&+?\\\\]|%2e|%2F|%0a|%){0,6})?",
            value in "[ -~\\x80-\\xff]{0,6}",
            which in 0usize..8,
        ) {
            let rewrite = [
                Rewrite::StripPrefix(b"/a".as_slice().into()),
                replace("/*", "/in"),
                replace("/a*", "/"),
                path("/in{path}?{query}"),
                path("/in/{query.x}/{header.X-T}"),
                path("/{cookie.x}?a={header.X-T}&b={path}"),
                regex("[./]+(a|%)", "$1/{query.x}"),
                regex("(.)", "{header.X-T}$1$1"),
            ][which].clone();
            let lines = format!("X-T: {value}\r\nCookie: x={value}\r\n");
            let path = target.split('?').next().unwrap_or("");
            prop_assume!(SpelledPath::of(path.as_bytes()).is_ok());
            match rewritten(&rewrite, "/*", &target, &lines) {
                Ok(Some(out)) => {
                    prop_assert!(out.starts_with('/') && !out.starts_with("//"), "{out}");
                    prop_assert!(out.bytes().all(|b| b.is_ascii_graphic()), "{out}");
                    let path = out.split('?').next().unwrap_or("");
                    let read = SpelledPath::of(path.as_bytes()).map_err(|_| TestCaseError::fail(out.clone()))?;
                    prop_assert!(!read.normal().split(|b| *b == b'/').any(|s| s == b".." || s == b"."), "{out}");
                    // a stripped path is the end of the client's own bytes, where there was nothing to tidy
                    let tidy = !path.contains("//") && !target.contains("//") && !target.contains("/.");
                    if which == 0 && tidy && !target.contains("%2e") {
                        prop_assert!(target.ends_with(&out) || out.starts_with("/?") || out == "/", "{target} {out}");
                    }
                }
                Ok(None) => prop_assert!(matches!(which, 0 | 6 | 7)),
                Err(failure) => prop_assert_eq!(failure, Failure::BadRequest),
            }
        }
    }
}
