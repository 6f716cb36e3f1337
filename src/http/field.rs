//! Header fields by what the gateway does with them: one look at a name tells its class.

/// What becomes of a request's header line on its way upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    /// Forwarded as it came.
    Plain,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Expect,
    Upgrade,
    /// Hop-by-hop in every message: never forwarded.
    Hop,
    ForwardedFor,
    ForwardedProto,
    ForwardedHost,
    ForwardedPort,
    /// `Forwarded` and the rest of `X-Forwarded-*`.
    ForwardedOther,
    RealIp,
    RequestId,
    /// The underscore spelling of a name that the gateway sets or frames by: some origins read `X_Real_IP` as `X-Real-IP`.
    Twin,
    /// Forwarded, and kept in mind for the log or the answer.
    Accept,
    UserAgent,
    Referer,
    /// Forwarded, but a `Connection` header may not name it.
    Guarded,
    WebSocketKey,
    /// Not to be forwarded: the `Connection` header names it.
    Nominated,
}

/// Lower case, and `_` as `-`.
const FOLD: [u8; 256] = {
    let mut t = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        t[i] = (i as u8).to_ascii_lowercase();
        i += 1;
    }
    t[b'_' as usize] = b'-';
    t
};

fn folds_to(name: &[u8], lower: &[u8]) -> bool {
    name.len() == lower.len() && name.iter().zip(lower).all(|(a, b)| FOLD[*a as usize] == *b)
}

/// The class of `name` in a request.
pub fn class(name: &[u8]) -> Class {
    let Some(&first) = name.first() else { return Class::Plain };
    let first = first | 0x20;
    let (class, lower): (Class, &[u8]) = match (name.len(), first) {
        (4, b'h') => (Class::Host, b"host"),
        (6, b'a') => (Class::Accept, b"accept"),
        (10, b'u') => (Class::UserAgent, b"user-agent"),
        (7, b'r') => (Class::Referer, b"referer"),
        (10, b'c') => (Class::Connection, b"connection"),
        (14, b'c') => (Class::ContentLength, b"content-length"),
        (17, b't') => (Class::TransferEncoding, b"transfer-encoding"),
        (6, b'e') => (Class::Expect, b"expect"),
        (7, b'u') => (Class::Upgrade, b"upgrade"),
        (2, b't') => (Class::Hop, b"te"),
        (7, b't') => (Class::Hop, b"trailer"),
        (10, b'k') => (Class::Hop, b"keep-alive"),
        (16, b'p') => (Class::Hop, b"proxy-connection"),
        (19, b'p') => (Class::Hop, b"proxy-authorization"),
        (9, b'f') => (Class::ForwardedOther, b"forwarded"),
        (9, b'x') => (Class::RealIp, b"x-real-ip"),
        (12, b'x') => (Class::RequestId, b"x-request-id"),
        (13, b'a') => (Class::Guarded, b"authorization"),
        (6, b'c') => (Class::Guarded, b"cookie"),
        (17, b's') => (Class::WebSocketKey, b"sec-websocket-key"),
        (15, b'x') => (Class::ForwardedFor, b"x-forwarded-for"),
        (16, b'x') if FOLD[name[12] as usize] == b'h' => (Class::ForwardedHost, b"x-forwarded-host"),
        (16, b'x') if FOLD[name[13] as usize] == b'o' => (Class::ForwardedPort, b"x-forwarded-port"),
        (17, b'x') => (Class::ForwardedProto, b"x-forwarded-proto"),
        _ => (Class::Plain, b""),
    };
    if class != Class::Plain {
        if name.eq_ignore_ascii_case(lower) {
            return class;
        }
        if folds_to(name, lower) {
            return Class::Twin;
        }
    }
    if first == b'x' && name.len() > 12 && folds_to(&name[..12], b"x-forwarded-") {
        return Class::ForwardedOther;
    }
    Class::Plain
}

/// Whether this says who the client is: believed of trusted proxies only.
pub fn is_claim(class: Class) -> bool {
    matches!(
        class,
        Class::ForwardedFor
            | Class::ForwardedProto
            | Class::ForwardedHost
            | Class::ForwardedPort
            | Class::ForwardedOther
            | Class::RealIp
            | Class::RequestId
    )
}

/// A `Connection` header may not name these: the gateway routes, frames, identifies or authenticates by them.
pub fn may_be_nominated(name: &[u8]) -> bool {
    !matches!(
        class(name),
        Class::Host
            | Class::ContentLength
            | Class::TransferEncoding
            | Class::Expect
            | Class::ForwardedFor
            | Class::ForwardedProto
            | Class::ForwardedHost
            | Class::ForwardedPort
            | Class::ForwardedOther
            | Class::RealIp
            | Class::RequestId
            | Class::Twin
            | Class::Guarded
    )
}

/// Never forwarded from a response: about this connection, not about the message (RFC 9110 section 7.6.1).
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    let is = |lower: &str| name.eq_ignore_ascii_case(lower.as_bytes());
    match name.len() {
        2 => is("te"),
        7 => is("upgrade") || is("trailer"),
        10 => is("connection") || is("keep-alive"),
        16 => is("proxy-connection"),
        17 => is("transfer-encoding"),
        18 => is("proxy-authenticate"),
        _ => false,
    }
}

/// The comma-separated members of a list field, trimmed, empty ones skipped (RFC 9110 section 5.6.1).
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|m| !m.is_empty())
}

/// May a byte stand in a token (RFC 9110 section 5.6.2)?
pub fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// Is `value` free of control bytes other than the tab? What passes can be written into a head.
pub fn is_value(value: &[u8]) -> bool {
    value.iter().all(|b| *b >= 0x20 && *b != 0x7f || *b == b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_class_in_any_case() {
        for (name, want) in [
            ("Host", Class::Host),
            ("hOsT", Class::Host),
            ("Hose", Class::Plain),
            ("Connection", Class::Connection),
            ("X-Real-IP", Class::RealIp),
            ("X-Forwarded-For", Class::ForwardedFor),
            ("X-Forwarded-Host", Class::ForwardedHost),
            ("X-Forwarded-Port", Class::ForwardedPort),
            ("X-Forwarded-Proto", Class::ForwardedProto),
            ("X-Forwarded-Prefix", Class::ForwardedOther),
            ("X_Forwarded_Prefix", Class::ForwardedOther),
            ("Forwarded", Class::ForwardedOther),
            ("Transfer-Encoding", Class::TransferEncoding),
            ("", Class::Plain),
            ("X-Tenant", Class::Plain),
        ] {
            assert_eq!(class(name.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn the_underscore_spelling_of_a_guarded_name_is_a_twin() {
        for name in ["X_Real_IP", "x-real_ip", "X_Forwarded_For", "Content_Length", "Transfer_Encoding", "X_Request-Id"]
        {
            assert_eq!(class(name.as_bytes()), Class::Twin, "{name}");
        }
        assert_eq!(class(b"my_header"), Class::Plain);
    }

    #[test]
    fn guarded_names_cannot_be_nominated() {
        for name in
            ["Host", "authorization", "X-Real-IP", "X-Forwarded-Prefix", "X_Real_IP", "Cookie", "content-length"]
        {
            assert!(!may_be_nominated(name.as_bytes()), "{name}");
        }
        assert!(may_be_nominated(b"X-Foo"));
        assert!(may_be_nominated(b"upgrade"));
    }
}
