//! Trailer fields: which may pass, and writing them.

use super::FIELDS_MAX;
use super::field::is_hop_by_hop;

/// Longest trailer section, in bytes.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Names that must not arrive after the body: they frame, route, authenticate or describe the message (RFC 9110 section 6.5.1).
const FORBIDDEN: [&str; 22] = [
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "host",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authorization",
    "range",
    "retry-after",
    "set-cookie",
    "vary",
    "www-authenticate",
];

/// Appends to `out` the trailer lines of `raw` that may pass, then the empty line that ends the message. Malformed trailers are an error.
pub fn write(raw: &[u8], out: &mut Vec<u8>) -> Result<(), super::chunked::Malformed> {
    if raw.len() > 2 {
        let mut lines = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let parsed = httparse::parse_headers(raw, &mut lines).map_err(|_| super::chunked::Malformed)?;
        let httparse::Status::Complete((_, lines)) = parsed else { return Err(super::chunked::Malformed) };
        for line in lines.iter().filter(|l| may_pass(l.name)) {
            out.extend_from_slice(line.name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(line.value);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn may_pass(name: &str) -> bool {
    let dashed = name.replace('_', "-").to_ascii_lowercase();
    let forbidden = FORBIDDEN.contains(&dashed.as_str()) || dashed.starts_with("x-forwarded-");
    !forbidden && !is_hop_by_hop(dashed.as_bytes()) && dashed != "x-real-ip" && dashed != "x-request-id"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_and_identity_fields_do_not_pass_as_trailers() {
        let mut out = Vec::new();
        let raw = b"Grpc-Status: 0\r\nContent-Length: 5\r\nHost: x\r\nX_Real_IP: 1\r\nTransfer-Encoding: chunked\r\nX-T: 1\r\n\r\n";
        assert_eq!(write(raw, &mut out), Ok(()));
        assert_eq!(out, b"Grpc-Status: 0\r\nX-T: 1\r\n\r\n");
    }

    #[test]
    fn malformed_trailers_are_refused() {
        for bad in [&b"X : 1\r\n\r\n"[..], b"X\r\n\r\n", b"X: a\0\r\n\r\n", b" X: 1\r\n\r\n"] {
            assert!(write(bad, &mut Vec::new()).is_err(), "{bad:?}");
        }
    }
}
