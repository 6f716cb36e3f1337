//! What of a request decides which endpoint it goes to: a hashed key, the client's address, a cookie that names an endpoint.

use crate::http::request::RequestHead;
use crate::table::Upstream;
use crate::upstream::balance::Balance;
use crate::value::RequestKey;
use std::net::IpAddr;

/// What a pool wants to know of a request. Only pools that want it cost a request anything.
#[derive(Default)]
pub struct Asked {
    /// What is hashed; empty for nothing.
    pub key: Vec<u8>,
    pub client_ip: Option<IpAddr>,
    /// The endpoint that the client's cookie names.
    pub prefers: Option<u64>,
}

impl Asked {
    /// What `upstream` wants to know of this request, if it wants anything.
    pub fn of(head: &RequestHead<'_, '_>, client_ip: IpAddr, upstream: &Upstream) -> Option<Asked> {
        let rules = &upstream.pool.rules;
        if rules.key.is_none() && rules.sticky.is_none() && rules.balance != Balance::IpHash {
            return None;
        }
        let prefers = rules.sticky.as_ref().and_then(|name| head.cookie(name)).and_then(endpoint_id);
        let key = rules.key.as_ref().map_or_else(Vec::new, |key| key_of(key, head, client_ip));
        Some(Asked { key, client_ip: Some(client_ip), prefers })
    }
}

/// The value that stands for a request; empty when it has none.
pub fn key_of(key: &RequestKey, head: &RequestHead<'_, '_>, client_ip: IpAddr) -> Vec<u8> {
    match key {
        RequestKey::Header(name) => {
            let line = head.fields().find(|(_, field, _)| field.eq_ignore_ascii_case(name));
            line.map_or_else(Vec::new, |(.., value)| value.to_vec())
        }
        RequestKey::Cookie(name) => head.cookie(name).unwrap_or(b"").to_vec(),
        RequestKey::Query(name) => head.target.query_part(name).unwrap_or(b"").to_vec(),
        RequestKey::Path => head.target.path().to_vec(),
        RequestKey::Uri => head.target.path_and_query.to_vec(),
        RequestKey::ClientIp => client_ip.to_string().into_bytes(),
    }
}

/// An endpoint's id as [`cookie_line`] wrote it.
fn endpoint_id(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok().filter(|t| t.len() == 16 && !t.starts_with('+'))?;
    u64::from_str_radix(text, 16).ok()
}

/// The header line that binds a client to an endpoint.
pub fn cookie_line(name: &str, id: u64) -> Vec<u8> {
    format!("Set-Cookie: {name}={id:016x}; Path=/; HttpOnly; SameSite=Lax\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeadLimits;
    use crate::http::request::{Parsed, Space};

    fn key(key: &RequestKey, text: &str) -> String {
        let mut space = Space::new();
        let Ok(Parsed::Whole(head)) = RequestHead::parse(text.as_bytes(), &mut space, HeadLimits::RESPONSE) else {
            panic!("{text}")
        };
        String::from_utf8(key_of(key, &head, IpAddr::from([10, 0, 0, 1]))).expect("text")
    }

    #[test]
    fn each_kind_of_key_is_found() {
        let text = "GET /a/b?x=1&tenant=7&tenant=8 HTTP/1.1\r\nHost: h\r\nX-Tenant: acme\r\nCookie: a=1; sid=s2;sid=s3\r\n\r\n";
        for (wanted, found) in [
            (RequestKey::Header("x-tenant".into()), "acme"),
            (RequestKey::Header("x-other".into()), ""),
            (RequestKey::Cookie("sid".into()), "s2"),
            (RequestKey::Cookie("si".into()), ""),
            (RequestKey::Query("tenant".into()), "7"),
            (RequestKey::Query("ten".into()), ""),
            (RequestKey::Path, "/a/b"),
            (RequestKey::Uri, "/a/b?x=1&tenant=7&tenant=8"),
            (RequestKey::ClientIp, "10.0.0.1"),
        ] {
            assert_eq!(key(&wanted, text), found, "{wanted}");
        }
    }

    #[test]
    fn a_cookie_names_the_endpoint_it_was_written_for() {
        let line = cookie_line("sid", 0xab);
        let value = line.strip_prefix(b"Set-Cookie: sid=").and_then(|rest| rest.split(|b| *b == b';').next());
        assert_eq!(value.and_then(endpoint_id), Some(0xab));
        assert_eq!(endpoint_id(b"+000000000000001"), None);
    }
}
