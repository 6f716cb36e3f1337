//! More on a refusal than its word: what in the request, or in what the route makes of it, stands in the way.

use super::question::Question;
use crate::failure::Failure;
use crate::http::method::Method;
use crate::http::request::RequestHead;
use crate::policy::is_broken;

/// Why a head that was read, and whose path leads to one route, is refused all the same.
pub fn of_head(failure: Failure, head: &RequestHead<'_, '_>, has_route: bool) -> Option<String> {
    match failure {
        Failure::MethodNotAllowed if matches!(head.method, Method::Connect | Method::Trace) => {
            Some(format!("{} is never forwarded", head.method_token))
        }
        Failure::MethodNotAllowed => Some("routes match it, but for its method".to_owned()),
        Failure::BadRequest if is_broken(head.target.path()) => Some(BROKEN.to_owned()),
        Failure::BadRequest if has_route => {
            Some("what its route makes of it, by `rewrite` or a `Host` that is set, is no valid request".to_owned())
        }
        Failure::BadRequest => Some("its path holds a NUL, or climbs above the root".to_owned()),
        Failure::UriTooLong if has_route => Some("what `rewrite` makes of its path is too long".to_owned()),
        Failure::BodyTooLarge => Some("its Content-Length is more than `request.max_body` of its route".to_owned()),
        Failure::ExpectationFailed => Some("`Expect` may say `100-continue`, and nothing else".to_owned()),
        _ => None,
    }
}

/// Why a request may not come over its connection.
pub fn misdirected(question: &Question, host: &[u8]) -> String {
    let (host, named) = (String::from_utf8_lossy(host), question.server_name().unwrap_or_default());
    format!("the connection is for `{named}`, and `{host}` has another certificate")
}

const BROKEN: &str = "in its path, a `%` is not followed by two hexadecimal digits";

/// Why a question's head cannot be read.
pub fn of_question(question: &Question) -> Option<String> {
    let Question { method, url, headers, .. } = question;
    let upper = method.to_ascii_uppercase();
    if *method != upper {
        return Some(format!("methods are in capitals: write `{upper}`"));
    }
    if let Some(odd) = url.chars().find(|c| !c.is_ascii()) {
        let mut utf8 = [0; 4];
        let escaped: String = odd.encode_utf8(&mut utf8).bytes().map(|byte| format!("%{byte:02X}")).collect();
        return Some(format!("clients send `{odd}` as `{escaped}`"));
    }
    if let Some(odd) = url.chars().find(|c| "\"<>\\".contains(*c)) {
        return Some(format!("clients send `{odd}` as `%{:02X}`", u32::from(odd)));
    }
    let says = |name: &str| headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).count();
    if says("transfer-encoding") > 0 {
        return Some("its `Transfer-Encoding` is not `chunked` alone, or stands beside `Content-Length`".to_owned());
    }
    if says("host") > 1 {
        return Some("it has two `Host`s".to_owned());
    }
    if says("content-length") > 0 {
        return Some("its `Content-Length` is no number, or stands there twice".to_owned());
    }
    if says("connection") > 0 {
        return Some("its `Connection` names a header that the gateway goes by".to_owned());
    }
    Some("its host, or a header, is not well formed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_would_send_otherwise_is_told() {
        let said = |method: &str, url: &str| {
            of_question(&Question { method: method.to_owned(), ..Question::get(url) }).unwrap_or_default()
        };
        assert_eq!(said("get", "/"), "methods are in capitals: write `GET`");
        assert_eq!(said("GET", "/é"), "clients send `é` as `%C3%A9`");
        assert_eq!(said("GET", "/a\\b"), "clients send `\\` as `%5C`");
        assert!(said("GET", "http://a b/").contains("host"));
    }
}
