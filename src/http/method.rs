//! Request methods: which token is one, and what the gateway must know of each.

/// A request method. Tokens other than the common ones are forwarded as they came and counted as `_OTHER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Patch,
    Options,
    Connect,
    Trace,
    Other,
}

/// Longest method token that is forwarded.
const METHOD_BYTES_MAX: usize = 32;

impl Method {
    /// All of them, in the order of their numbers.
    pub const ALL: [Method; 10] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Delete,
        Method::Patch,
        Method::Options,
        Method::Connect,
        Method::Trace,
        Method::Other,
    ];

    /// The method of a token; `None` for what no method looks like: lower case (methods are case-sensitive, and `get`
    /// is a mistake or an attack), over-long, or odd characters.
    pub fn parse(token: &str) -> Option<Method> {
        Some(match token {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            "PATCH" => Method::Patch,
            "OPTIONS" => Method::Options,
            "TRACE" => Method::Trace,
            "CONNECT" => Method::Connect,
            _ => {
                let odd = |b: &u8| !matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_');
                let letters_first = token.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
                if !letters_first || token.len() > METHOD_BYTES_MAX || token.as_bytes().iter().any(odd) {
                    return None;
                }
                Method::Other
            }
        })
    }

    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Patch => "PATCH",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Connect => "CONNECT",
            Method::Other => "_OTHER",
        }
    }

    /// May be sent again after it was sent once (RFC 9110 section 9.2.2).
    pub const fn is_idempotent(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Put | Method::Delete | Method::Options | Method::Trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_methods_are_told_apart_and_unknown_ones_pass() {
        for m in Method::ALL.iter().filter(|m| **m != Method::Other) {
            assert_eq!(Method::parse(m.as_str()), Some(*m));
        }
        assert_eq!(Method::parse("M-SEARCH"), Some(Method::Other));
    }

    #[test]
    fn what_no_method_looks_like_is_refused() {
        for bad in ["get", "Get", "", "1GET", "G=\":<>", "GÉT", &"A".repeat(33)] {
            assert_eq!(Method::parse(bad), None, "{bad}");
        }
    }
}
