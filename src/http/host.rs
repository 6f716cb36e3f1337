//! The Host of a request: what a valid one is, and the name that routes are found by.

/// A Host value taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'b> {
    /// The name or address without port and final dot, in the client's case.
    pub name: &'b [u8],
    /// True when `name` has upper-case letters.
    pub upper: bool,
}

const NAME_BYTES_MAX: usize = 255;

/// Takes a Host value apart; `None` when it is not `name`, `name:port`, `1.2.3.4` or `[::1]`, each with an optional port.
pub fn parse(value: &[u8]) -> Option<Host<'_>> {
    if value.first() == Some(&b'[') {
        let end = memchr::memchr(b']', value)?;
        let address = std::str::from_utf8(&value[1..end]).ok()?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        port(&value[end + 1..])?;
        return Some(Host { name: &value[..=end], upper: value[..end].iter().any(u8::is_ascii_uppercase) });
    }
    let mut upper = false;
    let mut end = value.len();
    for (i, b) in value.iter().enumerate() {
        match NAME[*b as usize] {
            Kind::Lower => {}
            Kind::Upper => upper = true,
            Kind::Colon => {
                end = i;
                break;
            }
            Kind::Bad => return None,
        }
    }
    port(&value[end..])?;
    let name = &value[..end];
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name[0] == b'.' || name.ends_with(b".") {
        return None;
    }
    Some(Host { name, upper })
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Lower,
    Upper,
    Colon,
    Bad,
}

const NAME: [Kind; 256] = {
    let mut t = [Kind::Bad; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        if b.is_ascii_uppercase() {
            t[i] = Kind::Upper;
        } else if b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.' || b == b'_' || b == b'~' {
            t[i] = Kind::Lower;
        }
        i += 1;
    }
    t[b':' as usize] = Kind::Colon;
    t
};

/// Nothing, or `:` and a port of at most 65535; `:` alone is allowed by the grammar.
fn port(rest: &[u8]) -> Option<()> {
    let Some((colon, digits)) = rest.split_first() else { return Some(()) };
    if *colon != b':' || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n = digits.iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
    (n <= 65535).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_case_and_final_dot_are_not_part_of_the_name() {
        for (value, name) in [
            ("api.example.com", "api.example.com"),
            ("api.example.com:8080", "api.example.com"),
            ("api.example.com.", "api.example.com"),
            ("api.example.com.:80", "api.example.com"),
            ("[::1]:80", "[::1]"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("a:", "a"),
        ] {
            assert_eq!(parse(value.as_bytes()).map(|h| h.name), Some(name.as_bytes()), "{value}");
        }
        assert!(parse(b"API.example").is_some_and(|h| h.upper));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "", "a, b", "u@a", "a/path", "a:99999", "a b", "[::1", "[zz]", "a:b", ".", "a..", ".a", "a%20b", "a\tb",
            "::1", "é",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse("a".repeat(256).as_bytes()), None);
    }
}
