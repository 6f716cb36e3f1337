//! Edits of a head: lines that are taken out, and lines that take their place or stand beside them.

use super::{Asking, texts};
use crate::failure::Failure;
use crate::http::{HEAD_BYTES_MAX, host};
use crate::value::{FieldName, Template};

/// Lines that frame a message or speak of one connection: the gateway writes them itself, whatever an edit says.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What is done to the heads of one direction.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// Names whose lines are taken out.
    dropped: Box<[Box<str>]>,
    /// Lines that are written, in their order.
    written: Box<[(Box<str>, Template)]>,
    /// What takes the place of Host; in requests only.
    host: Option<Template>,
    /// With a name go its spellings with underscores, which some origins read as the same: in requests only.
    twins: bool,
}

/// Lines of a head that were written before its status was known.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Where the status goes, in ascending order.
    holes: Vec<usize>,
}

impl Edits {
    /// Of requests: what is removed, then what is set, then what is added. The one Host can be set.
    pub fn of_requests(remove: &[FieldName], set: &[(FieldName, Template)], add: &[(FieldName, Template)]) -> Edits {
        let host = set.iter().find(|(name, _)| name.is("host")).map(|(_, template)| template.clone());
        let set: Vec<(FieldName, Template)> = set.iter().filter(|(name, _)| !name.is("host")).cloned().collect();
        Edits { host, twins: true, ..Edits::of_responses(remove, &set, add) }
    }

    /// Of responses, in the same order.
    pub fn of_responses(remove: &[FieldName], set: &[(FieldName, Template)], add: &[(FieldName, Template)]) -> Edits {
        let framing = |name: &FieldName| FRAMING.iter().any(|own| name.is(own));
        debug_assert!(!remove.iter().chain(add.iter().map(|(name, _)| name)).any(framing), "refused by the document");
        let dropped = remove.iter().chain(set.iter().map(|(name, _)| name)).filter(|name| !framing(name));
        let written = set.iter().chain(add).filter(|(name, _)| !framing(name));
        Edits {
            dropped: dropped.map(|name| name.as_str().into()).collect(),
            written: written.map(|(name, template)| (name.as_str().into(), template.clone())).collect(),
            host: None,
            twins: false,
        }
    }

    /// Of responses: what has this name is taken out.
    pub fn taking_out(name: &str) -> Edits {
        Edits { dropped: Box::new([name.into()]), ..Edits::default() }
    }

    /// Whether lines of this name are taken out or written.
    pub fn concern(&self, name: &str) -> bool {
        let written = self.written.iter().map(|(written, _)| written);
        self.dropped.iter().chain(written).any(|own| own.eq_ignore_ascii_case(name))
    }

    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.written.is_empty() && self.host.is_none()
    }

    /// The templates in it.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        self.written.iter().map(|(_, template)| template).chain(&self.host)
    }

    /// Whether a line with this name is taken out.
    fn drops(&self, name: &[u8]) -> bool {
        self.dropped.iter().any(|dropped| {
            let dropped = dropped.as_bytes();
            name.eq_ignore_ascii_case(dropped)
                || self.twins
                    && name.len() == dropped.len()
                    && name.iter().zip(dropped).all(|(a, b)| a.eq_ignore_ascii_case(b) || (*a, *b) == (b'_', b'-'))
        })
    }

    /// The lines that are written for a request. One whose value comes out empty is not.
    pub fn lines(&self, asking: &Asking<'_>) -> Lines {
        let mut lines = Lines::default();
        for (name, template) in &self.written {
            let value = texts::write(template, asking);
            if value.is_empty() || lines.bytes.len() + value.bytes.len() > HEAD_BYTES_MAX {
                continue;
            }
            lines.bytes.extend_from_slice(name.as_bytes());
            lines.bytes.extend_from_slice(b": ");
            lines.holes.extend(value.holes.iter().map(|hole| lines.bytes.len() + hole));
            lines.bytes.extend_from_slice(&value.bytes);
            lines.bytes.extend_from_slice(b"\r\n");
        }
        lines
    }

    /// The Host that is set, if one is. One that is no host at all is the request's fault: it came from there.
    pub fn host(&self, asking: &Asking<'_>) -> Result<Option<Vec<u8>>, Failure> {
        let Some(template) = &self.host else { return Ok(None) };
        let value = texts::write(template, asking).bytes;
        match host::parse(&value) {
            Some(_) => Ok(Some(value)),
            None => Err(Failure::BadRequest),
        }
    }

    /// Edits the head that stands at `start` of `out`, as this gateway writes heads, and may be followed by a body. `more` are
    /// further whole lines, which no edit takes out.
    pub fn apply(&self, out: &mut Vec<u8>, start: usize, lines: &Lines, status: u16, more: &[u8]) {
        self.rebuild(out, start, None, |out| {
            lines.write(status, out);
            out.extend_from_slice(more);
        });
    }

    /// Edits the head of a request, which stands at the start of `out`.
    pub fn apply_to_request(&self, out: &mut Vec<u8>, host: Option<&[u8]>, lines: &Lines) {
        self.rebuild(out, 0, host, |out| lines.write(0, out));
    }

    fn rebuild(&self, out: &mut Vec<u8>, start: usize, host: Option<&[u8]>, write: impl FnOnce(&mut Vec<u8>)) {
        let before = out.split_off(start);
        let end = memchr::memmem::find(&before, b"\r\n\r\n").map_or(before.len(), |at| at + 2);
        let (head, rest) = before.split_at(end);
        let mut lines = head.split_inclusive(|b| *b == b'\n');
        out.extend_from_slice(lines.next().unwrap_or(b""));
        if let Some(host) = host {
            for part in [b"Host: ", host, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        for line in lines {
            let name = line.split(|b| *b == b':').next().unwrap_or(b"");
            let replaced = host.is_some() && name.eq_ignore_ascii_case(b"host");
            if !replaced && !self.drops(name) {
                out.extend_from_slice(line);
            }
        }
        write(out);
        out.extend_from_slice(rest);
    }
}

impl Lines {
    fn write(&self, status: u16, out: &mut Vec<u8>) {
        let status = status.to_string();
        let mut from = 0;
        for hole in &self.holes {
            out.extend_from_slice(self.bytes.get(from..*hole).unwrap_or(b""));
            out.extend_from_slice(status.as_bytes());
            from = *hole;
        }
        out.extend_from_slice(self.bytes.get(from..).unwrap_or(b""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::asking;
    use proptest::prelude::*;

    fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> Edits {
        let name = |name: &str| FieldName::parse(name).expect(name);
        let lines = |lines: &[(&str, &str)]| -> Vec<(FieldName, Template)> {
            lines.iter().map(|(n, text)| (name(n), Template::parse(text).expect(text))).collect()
        };
        let remove: Vec<FieldName> = remove.iter().map(|n| name(n)).collect();
        Edits::of_requests(&remove, &lines(set), &lines(add))
    }

    const HEAD: &str =
        "GET /a?b HTTP/1.1\r\nHost: Shop.example:80\r\nX-A: 1\r\nX-A: 2\r\nx_a: 3\r\nCookie: s=1\r\n\r\n";

    fn edited(edits: &Edits, head: &str, request: &str) -> String {
        asking(request, "/*", |asking| {
            let mut out = head.as_bytes().to_vec();
            edits.apply(&mut out, 0, &edits.lines(asking), 204, b"");
            String::from_utf8_lossy(&out).into_owned()
        })
    }

    #[test]
    fn lines_are_taken_out_then_set_then_added() {
        let edits = edits(&["cookie"], &[("X-A", "new {status}")], &[("X-B", "{host}"), ("X-a", "{client_ip}")]);
        assert_eq!(
            edited(&edits, "HTTP/1.1 200 OK\r\nX-A: 1\r\nCOOKIE: 2\r\nX-C: 3\r\n\r\nX-A: body\r\n\r\n", HEAD),
            "HTTP/1.1 200 OK\r\nX-C: 3\r\nX-A: new 204\r\nX-B: shop.example\r\nX-a: 10.0.0.1\r\n\r\nX-A: body\r\n\r\n"
        );
    }

    #[test]
    fn every_variable_has_its_value() {
        for (text, value) in [
            ("{client_ip}:{client_port}", "10.0.0.1:4711"),
            ("{host} {method} {scheme}", "shop.example GET http"),
            ("{path} {query} {uri}", "/a b /a?b"),
            ("{request_id} {route} {upstream}", "id a route app"),
            ("{header.x-a}|{header.X-None}", "1, 2|"),
            ("{cookie.s}|{cookie.t}", "1|"),
            ("{query.b}|", "|"),
            ("{{{status}}}", "{204}"),
            (" {cookie.t} x {cookie.t} ", "x"),
            ("{status}{cookie.t} ", "204"),
        ] {
            let out = edited(&edits(&[], &[("V", text)], &[]), "HTTP/1.1 200 OK\r\n\r\n", HEAD);
            assert_eq!(out, format!("HTTP/1.1 200 OK\r\nV: {value}\r\n\r\n"), "{text}");
        }
    }

    #[test]
    fn a_value_that_comes_out_empty_takes_the_line_with_it() {
        let edits = edits(&[], &[("X-A", "{cookie.none}")], &[("X-B", "")]);
        assert_eq!(edited(&edits, "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n", HEAD), "HTTP/1.1 200 OK\r\n\r\n");
    }

    #[test]
    fn a_value_that_fits_no_head_takes_the_line_with_it() {
        let edits = edits(&[], &[("X-A", &"{path}".repeat(100_000))], &[("X-B", "1")]);
        let request = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(5000));
        assert_eq!(edited(&edits, "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n", &request), "HTTP/1.1 200 OK\r\nX-B: 1\r\n\r\n");
    }

    #[test]
    fn what_a_client_may_not_claim_is_no_value() {
        let request = "GET / HTTP/1.1\r\nHost: h\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: x\r\n\
            X-Request-Id: x\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n";
        for name in ["X-Real-IP", "X-Forwarded-For", "Forwarded", "X-Request-Id", "X-Hop"] {
            let edits = edits(&[], &[("V", &format!("<{{header.{name}}}>"))], &[]);
            assert_eq!(
                edited(&edits, "HTTP/1.1 200 OK\r\n\r\n", request),
                "HTTP/1.1 200 OK\r\nV: <>\r\n\r\n",
                "{name}"
            );
        }
    }

    #[test]
    fn a_request_has_the_one_host_that_is_set_and_no_twins() {
        let edits = edits(&["X-C"], &[("Host", "{upstream}.internal:81"), ("X-A", "{path}")], &[]);
        let out = asking(HEAD, "/*", |asking| {
            let mut out = format!("{}body\r\n\r\n", HEAD.replace("Cookie", "x_c")).into_bytes();
            let host = edits.host(asking).expect("a host");
            edits.apply_to_request(&mut out, host.as_deref(), &edits.lines(asking));
            String::from_utf8(out)
        });
        let head = "GET /a?b HTTP/1.1\r\nHost: app.internal:81\r\nX-A: /a\r\n\r\nbody\r\n\r\n";
        assert_eq!(out.as_deref(), Ok(head));
        let twin = super::tests::edits(&["X_A"], &[], &[]);
        assert!(twin.drops(b"x_a") && !twin.drops(b"X-A"));
        let answer = Edits::of_responses(&[FieldName::parse("X-A").expect("a name")], &[], &[]);
        assert!(answer.drops(b"x-a") && !answer.drops(b"X_A"));
    }

    #[test]
    fn a_host_that_is_none_is_refused() {
        for text in ["{header.X-None}", "a b", "{query.h}", "a/{host}"] {
            let edits = edits(&[], &[("host", text)], &[]);
            assert_eq!(asking(HEAD, "/*", |asking| edits.host(asking)), Err(Failure::BadRequest), "{text}");
        }
    }

    proptest! {
        #![proptest_config(crate::policy::tests::cases())]

        #[test]
        fn a_request_has_exactly_one_host_and_its_framing_whatever_is_edited(
            lines in prop::collection::vec("(X-A|x_a|Cookie|X-B|hostx|x-host): [a-z:, ]{0,5}\r\n", 0..6),
            remove in prop::collection::vec(prop::sample::select(vec!["X-A", "Cookie", "hostx"]), 0..3),
            set in prop::collection::vec(prop::sample::select(vec!["X-B", "X-A", "x-host"]), 0..3),
            host in prop::option::of(prop::sample::select(vec!["{upstream}", "{header.X-B}", "fixed.example:1", "{host}"])),
        ) {
            let head = format!("POST /a HTTP/1.1\r\nHost: h.example\r\n{}Content-Length: 2\r\n\r\n", lines.concat());
            let mut set: Vec<(&str, &str)> = set.into_iter().map(|name| (name, "{header.X-B}{path}")).collect();
            set.extend(host.map(|text| ("HOST", text)));
            let edits = edits(&remove, &set, &[("Cookie", "{query}")]);
            let out = asking(&head, "/*", |asking| {
                let mut out = head.as_bytes().to_vec();
                let host = edits.host(asking)?;
                edits.apply_to_request(&mut out, host.as_deref(), &edits.lines(asking));
                Ok::<_, Failure>(out)
            });
            let Ok(out) = out else { return Ok(()) };
            let mut fields = [httparse::EMPTY_HEADER; 16];
            let mut request = httparse::Request::new(&mut fields);
            prop_assert!(request.parse(&out).is_ok_and(|parsed| parsed.is_complete()));
            let count = |name: &str| request.headers.iter().filter(|line| line.name.eq_ignore_ascii_case(name)).count();
            prop_assert_eq!((count("host"), count("content-length")), (1, 1));
            prop_assert_eq!(count("x_a"), if edits.drops(b"X-A") { 0 } else { head.matches("\r\nx_a:").count() });
        }

        #[test]
        fn no_value_ends_its_line_whatever_the_request_holds(
            target in "/[!-~&&[^\"<>#\\\\?]]{0,6}(\\?x=[!-~&&[^\"<>#]]{0,6})?",
            value in prop::collection::vec(prop_oneof![0x20u8..0x7f, 0x80u8.., Just(b'\t')], 0..8),
            text in "[a-z {}]{0,4}\\{(path|query|uri|header\\.X-T|cookie\\.x|query\\.x|host|status)\\}[a-z]{0,3}",
        ) {
            prop_assume!(crate::http::spelled_path::SpelledPath::of(target.split('?').next().unwrap_or("").as_bytes()).is_ok());
            let text = text.replace('{', "{{").replace('}', "}}");
            let at = text.rfind("{{").unwrap_or(0);
            let text = format!("{}{}", &text[..at], text[at..].replacen("{{", "{", 1).replacen("}}", "}", 1));
            let Ok(template) = Template::parse(&text) else { return Ok(()) };
            let name = FieldName::parse("V").expect("a name");
            let edits = Edits::of_responses(&[], &[(name, template)], &[]);
            let value = String::from_utf8_lossy(&value).into_owned();
            let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\nX-T: {value}\r\nCookie: x={value}\r\n\r\n");
            asking(&request, "/*", |asking| {
                let mut out = b"HTTP/1.1 200 OK\r\nHost: h\r\n\r\n".to_vec();
                edits.apply(&mut out, 0, &edits.lines(asking), 200, b"");
                let line_ends = out.iter().filter(|b| matches!(b, b'\r' | b'\n' | 0)).count();
                prop_assert!(line_ends == 6 || line_ends == 8, "{}", String::from_utf8_lossy(&out));
                let mut lines = [httparse::EMPTY_HEADER; 4];
                let mut response = httparse::Response::new(&mut lines);
                prop_assert!(response.parse(&out).is_ok_and(|parsed| parsed.is_complete()));
                Ok(())
            })?;
        }
    }
}
