//! The part of a request that decides where it goes: `{ header: X-Tenant }`, `path`, `client_ip`.

use super::{Complaint, is_token, not_a_name};
use std::fmt;

/// What is taken from a request so that equal ones stay together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestKey {
    /// The value of this header; its name is in lower case.
    Header(Box<str>),
    /// The value of this cookie.
    Cookie(Box<str>),
    /// The value of this part of the query, as the client wrote it.
    Query(Box<str>),
    /// The path, without the query.
    Path,
    /// The path, and `?` with the query where there is one.
    Uri,
    /// The client's address, without its port.
    ClientIp,
}

impl RequestKey {
    /// The keys that are one word.
    pub const WORDS: [(&'static str, RequestKey); 3] =
        [("path", RequestKey::Path), ("uri", RequestKey::Uri), ("client_ip", RequestKey::ClientIp)];

    /// Reads the name of a header.
    pub fn header(name: &str) -> Result<Self, Complaint> {
        match is_token(name) {
            true => Ok(RequestKey::Header(name.to_ascii_lowercase().into())),
            false => Err(not_a_name(name)),
        }
    }

    /// Reads the name of a cookie.
    pub fn cookie(name: &str) -> Result<Self, Complaint> {
        match is_token(name) {
            true => Ok(RequestKey::Cookie(name.into())),
            false => Err(Complaint::new(format!("`{name}` is not a cookie's name"))
                .hint("letters, digits, `-`, `_` and `.` make one up")),
        }
    }

    /// Reads the name of a part of the query: what stands before the `=`.
    pub fn query(name: &str) -> Result<Self, Complaint> {
        let plain = |b: u8| b.is_ascii_graphic() && !b"&=#%+?".contains(&b);
        match !name.is_empty() && name.bytes().all(plain) {
            true => Ok(RequestKey::Query(name.into())),
            false => Err(Complaint::new(format!("`{name}` is not a name in a query"))
                .hint("write what stands before the `=`, without escapes, such as `tenant`")),
        }
    }
}

/// As it is written.
impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestKey::Header(name) => write!(f, "{{ header: {name} }}"),
            RequestKey::Cookie(name) => write!(f, "{{ cookie: {name} }}"),
            RequestKey::Query(name) => write!(f, "{{ query: {name} }}"),
            RequestKey::Path => f.write_str("path"),
            RequestKey::Uri => f.write_str("uri"),
            RequestKey::ClientIp => f.write_str("client_ip"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_compared() {
        assert_eq!(RequestKey::header("X-Tenant").map(|key| key.to_string()), Ok("{ header: x-tenant }".into()));
        assert_eq!(RequestKey::cookie("Sid").map(|key| key.to_string()), Ok("{ cookie: Sid }".into()));
        assert_eq!(RequestKey::query("v").map(|key| key.to_string()), Ok("{ query: v }".into()));
        for (word, key) in RequestKey::WORDS {
            assert_eq!(key.to_string(), word);
        }
    }

    #[test]
    fn names_that_no_request_can_hold_are_refused() {
        for name in ["", "a b", "a=b", "ø", "a\n"] {
            assert!(RequestKey::header(name).is_err(), "{name}");
            assert!(RequestKey::cookie(name).is_err(), "{name}");
            assert!(RequestKey::query(name).is_err(), "{name}");
        }
        assert!(RequestKey::query("a%20b").is_err());
    }
}
