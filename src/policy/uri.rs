//! Texts with variables on their way into a URI: what a request holds stays within the part of it that it is inserted in.

use super::Asking;
use crate::failure::Failure;
use crate::http::LINE_BYTES_MAX;
use crate::value::{Segment, Template, Variable};

/// The part of a URI that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Host and port.
    Authority,
    Path,
    Query,
}

/// The target of a redirect. Never starts with a second `/`, which browsers read as another host.
///
/// # Errors
/// When it is longer than a line of a head; when the request lacks the host that it should name, since browsers would then take
/// the first segment of its path for that.
pub fn location(template: &Template, asking: &Asking<'_>) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    for segment in &template.segments {
        match segment {
            Segment::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Segment::Variable(variable) => insert(variable, asking, &mut out),
        }
        // a short text may name a long variable a thousand times
        if out.len() > LINE_BYTES_MAX {
            return Err(Failure::UriTooLong);
        }
    }
    let slashes = out.iter().take_while(|b| **b == b'/').count();
    out.drain(..slashes.saturating_sub(1));
    if authority(&out).is_some_and(|rest| matches!(rest.first(), None | Some(b'/' | b':' | b'?' | b'#'))) {
        return Err(Failure::BadRequest);
    }
    Ok(out)
}

/// Appends what a variable stands for to a URI that `out` begins.
pub(super) fn insert(variable: &Variable, asking: &Asking<'_>, out: &mut Vec<u8>) {
    let value = asking.value(variable);
    match variable {
        // a path ends the authority by its own slash, and holds neither `?` nor `\`
        Variable::Path | Variable::Uri if part(out) != Part::Query => out.extend_from_slice(&value),
        Variable::Path | Variable::Uri | Variable::Capture(_) => spelled(&value, out),
        Variable::Query | Variable::QueryPart(_) if part(out) == Part::Query => out.extend_from_slice(&value),
        Variable::Query | Variable::QueryPart(_) => spelled(&value, out),
        Variable::Host | Variable::ClientIp | Variable::ClientPort | Variable::Scheme => out.extend_from_slice(&value),
        Variable::Method
        | Variable::RequestId
        | Variable::Route
        | Variable::Upstream
        | Variable::Header(_)
        | Variable::Cookie(_)
        | Variable::Status
        | Variable::TlsVersion
        | Variable::TlsCipher
        | Variable::TlsServerName
        | Variable::ClientCert(_) => encoded(&value, out),
    }
}

/// Appends what is percent-encoded already, and encodes what would mean something else in this part.
pub(super) fn spelled(value: &[u8], out: &mut Vec<u8>) {
    match part(out) {
        Part::Authority => encoded(value, out),
        // a query begins with a `?`, and browsers read `\` as `/`
        Part::Path => value.iter().for_each(|b| byte(*b, matches!(b, b'?' | b'\\'), out)),
        // in a query `&` ends a part, and `+` is a blank
        Part::Query => value.iter().for_each(|b| byte(*b, matches!(b, b'&' | b'+'), out)),
    }
}

/// Appends text that may hold anything, so that decoding gives it back.
fn encoded(value: &[u8], out: &mut Vec<u8>) {
    value.iter().for_each(|b| byte(*b, !(b.is_ascii_alphanumeric() || b"-._~".contains(b)), out));
}

fn byte(byte: u8, encode: bool, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match encode {
        true => out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        false => out.push(byte),
    }
}

fn part(out: &[u8]) -> Part {
    if memchr::memchr2(b'?', b'#', out).is_some() {
        return Part::Query;
    }
    match authority(out) {
        Some(authority) if !authority.contains(&b'/') => Part::Authority,
        _ => Part::Path,
    }
}

/// What follows the scheme, where there is one.
fn authority(out: &[u8]) -> Option<&[u8]> {
    out.strip_prefix(b"https://").or_else(|| out.strip_prefix(b"http://"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::asking;

    fn to(template: &str, head: &str) -> String {
        let template = Template::parse(template).expect(template);
        asking(head, "~ ^/t/(?<rest>.*)$", |asking| {
            String::from_utf8(location(&template, asking).expect("not too long")).expect("a URI is ASCII")
        })
    }

    fn get(target: &str) -> String {
        format!("GET {target} HTTP/1.1\r\nHost: Shop.Example:80\r\nX-T: a/b?c@d%2f\u{e9}\r\nCookie: s=x y\r\n\r\n")
    }

    #[test]
    fn a_redirect_keeps_what_was_asked_as_it_was_spelled() {
        for (template, target, location) in [
            ("https://new.example{path}", "/a%20b/./c", "https://new.example/a%20b/./c"),
            ("https://new.example{uri}", "/a?b=c&d", "https://new.example/a?b=c&d"),
            ("{scheme}://www.{host}{uri}", "/a", "http://www.shop.example/a"),
            ("/new/{capture.rest}", "/t/x%2Fy", "/new/x%2Fy"),
            ("/login?from={uri}", "/a+b?c=d&e=f", "/login?from=/a%2Bb?c=d%26e=f"),
            ("/p?{query}&v={query.b}", "/a?b=1%20+", "/p?b=1%20+&v=1%20+"),
            ("/x/{header.X-T}/{cookie.s}", "/", "/x/a%2Fb%3Fc%40d%252f%C3%A9/x%20y"),
        ] {
            assert_eq!(to(template, &get(target)), location, "{template} {target}");
        }
    }

    #[test]
    fn no_request_leads_a_redirect_to_another_host() {
        for (template, target, location) in [
            ("{path}", "//evil.example/x", "/evil.example/x"),
            ("{uri}", "///evil.example?x", "/evil.example?x"),
            ("/{query.next}", "/?next=/evil.example", "/evil.example"),
            ("/{query.next}", "/?next=\\evil.example", "/%5Cevil.example"),
            ("/{capture.rest}", "/t//evil.example", "/evil.example"),
            ("https://{capture.rest}.good.example/", "/t/evil.example/", "https://evil.example%2F.good.example/"),
            ("https://{query.h}.good.example/", "/?h=evil.example?", "https://evil.example%3F.good.example/"),
            ("https://{header.X-T}.good.example/", "/", "https://a%2Fb%3Fc%40d%252f%C3%A9.good.example/"),
        ] {
            assert_eq!(to(template, &get(target)), location, "{template} {target}");
        }
    }

    #[test]
    fn a_redirect_that_lacks_its_host_is_refused() {
        for template in ["https://{host}{uri}", "{scheme}://{host}:8443{uri}", "https://{header.X-None}/x"] {
            let template = Template::parse(template).expect("valid");
            let head = "GET /evil.example/ HTTP/1.0\r\n\r\n";
            let found = asking(head, "/*", |asking| location(&template, asking));
            assert_eq!(found, Err(Failure::BadRequest));
        }
    }

    #[test]
    fn a_redirect_that_fits_no_line_is_refused() {
        let template = Template::parse(&"{path}".repeat(100_000)).expect("valid");
        let head = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(5000));
        let found = asking(&head, "/*", |asking| location(&template, asking));
        assert_eq!(found, Err(Failure::UriTooLong));
    }
}
