//! The request target: its forms, and which bytes may stand in one (RFC 9112 section 3.2).

/// A request target in the form that goes upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'b> {
    /// Path and query as the client wrote them; starts with `/`, or is `*`.
    pub path_and_query: &'b [u8],
    /// Length of the path within it.
    pub path_len: usize,
    /// The authority of an absolute form.
    pub authority: Option<&'b [u8]>,
}

impl<'b> Target<'b> {
    /// The path as written.
    pub fn path(&self) -> &'b [u8] {
        &self.path_and_query[..self.path_len]
    }

    /// The query without its `?`.
    pub fn query(&self) -> Option<&'b [u8]> {
        self.path_and_query.get(self.path_len + 1..)
    }

    /// The value of a part of the query, as written; of several of one name the first. A part without `=` has an empty one.
    pub fn query_part(&self, name: &str) -> Option<&'b [u8]> {
        let mut parts = self.query()?.split(|b| *b == b'&');
        parts.find_map(|part| match part.strip_prefix(name.as_bytes())? {
            b"" => Some(&b""[..]),
            value => value.strip_prefix(b"="),
        })
    }
}

/// Bytes that may stand in a target. Refused are control bytes, space, quotes, angle brackets and all beyond ASCII, which no URI holds;
/// browsers do send `{ } | ^ [ ]` and the backtick as they are.
const KIND: [u8; 256] = {
    let mut t = [ILLEGAL; 256];
    let mut i = 0x21;
    while i < 0x7f {
        t[i] = match i as u8 {
            b'"' | b'<' | b'>' | b'#' => ILLEGAL,
            b'\\' => BACKSLASH,
            _ => 0,
        };
        i += 1;
    }
    t
};
/// May stand nowhere.
const ILLEGAL: u8 = 1;
/// May not stand in a path.
const BACKSLASH: u8 = 2;

/// Takes a target apart; `None` when it is malformed, or in a form that this method cannot have.
pub fn parse<'b>(target: &'b [u8], options: bool) -> Option<Target<'b>> {
    let path_len = memchr::memchr(b'?', target).unwrap_or(target.len());
    let (path, query) = target.split_at(path_len);
    // a back end may read `\` as `/`: no valid path has one
    let in_path = path.iter().fold(0, |seen, b| seen | KIND[*b as usize]);
    let in_query = query.iter().fold(0, |seen, b| seen | KIND[*b as usize] & ILLEGAL);
    if in_path | in_query != 0 {
        return None;
    }
    match target.first()? {
        b'/' => Some(Target { path_and_query: target, path_len, authority: None }),
        b'*' if options && target.len() == 1 => Some(Target { path_and_query: target, path_len, authority: None }),
        _ => absolute(target),
    }
}

fn absolute(target: &[u8]) -> Option<Target<'_>> {
    let scheme = memchr::memmem::find(target, b"://")?;
    if !target[..scheme].eq_ignore_ascii_case(b"http") && !target[..scheme].eq_ignore_ascii_case(b"https") {
        return None;
    }
    let rest = &target[scheme + 3..];
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let (path_and_query, path_len): (&[u8], usize) = match tail.first() {
        None => (b"/", 1),
        Some(b'/') => (tail, memchr::memchr(b'?', tail).unwrap_or(tail.len())),
        // an empty path with a query cannot be forwarded as written: nobody sends it
        _ => return None,
    };
    if authority.is_empty() {
        return None;
    }
    Some(Target { path_and_query, path_len, authority: Some(authority) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(t: &str) -> Option<String> {
        parse(t.as_bytes(), false).map(|t| String::from_utf8_lossy(t.path()).into_owned())
    }

    #[test]
    fn the_path_ends_at_the_query() {
        assert_eq!(path("/a/b?x=/y?z"), Some("/a/b".into()));
        assert_eq!(parse(b"/a?b", false).and_then(|t| t.query()), Some(&b"b"[..]));
        assert_eq!(parse(b"/a?", false).and_then(|t| t.query()), Some(&b""[..]));
        assert_eq!(parse(b"/a", false).and_then(|t| t.query()), None);
    }

    #[test]
    fn a_part_of_the_query_is_found_by_its_whole_name() {
        let target = parse(b"/a?b=1&bc=2&d&b=3&e=", false).expect("valid");
        for (name, value) in [("b", Some("1")), ("bc", Some("2")), ("d", Some("")), ("e", Some("")), ("c", None)] {
            assert_eq!(target.query_part(name), value.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn an_absolute_form_gives_its_authority_and_its_path() {
        let t = parse(b"http://a.example:80/x?y", false).expect("valid");
        assert_eq!((t.authority, t.path(), t.path_and_query), (Some(&b"a.example:80"[..]), &b"/x"[..], &b"/x?y"[..]));
        assert_eq!(path("http://a"), Some("/".into()));
    }

    #[test]
    fn illegal_targets_are_refused() {
        for bad in [
            "",
            "a",
            "*",
            "a.b:80",
            "/a b",
            "/a\"",
            "/<",
            "/a#f",
            "/é",
            "/\x7f",
            "/a\\b",
            "ftp://a/",
            "http://",
            "http:///x",
            "/\0",
        ] {
            assert_eq!(path(bad), None, "{bad:?}");
        }
        assert!(parse(b"*", true).is_some());
    }
}
