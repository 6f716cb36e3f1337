//! Dot segments and doubled slashes: whether a path has any, and what it becomes without.

/// What of a path has to be tidied up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Untidy {
    /// Two slashes in a row.
    pub slashes: bool,
    /// A segment `.` or `..`.
    pub dots: bool,
}

impl Untidy {
    pub fn of(path: &[u8]) -> Self {
        let mut untidy = Untidy::default();
        for slash in memchr::memchr_iter(b'/', path) {
            match path[slash + 1..] {
                [b'/', ..] => untidy.slashes = true,
                [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..] => untidy.dots = true,
                _ => {}
            }
        }
        untidy
    }

    pub fn any(self) -> bool {
        self.slashes || self.dots
    }
}

/// Writes `path`, which starts with `/`, to `out` with slashes merged or dot segments resolved, or both.
/// Answers whether the dot segments climb above the root; they stop there.
pub(super) fn tidy(path: &[u8], Untidy { slashes: merge, dots: resolve }: Untidy, out: &mut Vec<u8>) -> bool {
    let mut climbs = false;
    let mut rest = path.strip_prefix(b"/");
    while let Some(path) = rest {
        let end = memchr::memchr(b'/', path);
        let (segment, tail) = end.map_or((path, None), |at| (&path[..at], Some(&path[at + 1..])));
        rest = tail;
        match segment {
            b"." | b".." if resolve => {
                if segment == b".." {
                    let parent = memchr::memrchr(b'/', out);
                    climbs |= parent.is_none();
                    out.truncate(parent.unwrap_or(0));
                }
                if tail.is_none() {
                    out.push(b'/');
                }
            }
            b"" if merge && tail.is_some() => {}
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
        }
    }
    climbs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tidied(path: &str, slashes: bool, dots: bool) -> String {
        let mut out = Vec::new();
        let climbs = tidy(path.as_bytes(), Untidy { slashes, dots }, &mut out);
        String::from_utf8(out).unwrap() + if climbs { " climbs" } else { "" }
    }

    #[test]
    fn merging_and_resolving_are_independent() {
        for (path, merged, resolved, both) in [
            ("/", "/", "/", "/"),
            ("/a/./b", "/a/./b", "/a/b", "/a/b"),
            ("/a//b//", "/a/b/", "/a//b//", "/a/b/"),
            ("/a/b/..", "/a/b/..", "/a/", "/a/"),
            ("/a/.", "/a/.", "/a/", "/a/"),
            ("/a//../b", "/a/../b", "/a/b", "/b"),
            ("/../a", "/../a", "/a climbs", "/a climbs"),
            ("//../a", "/../a", "/a", "/a climbs"),
            ("/..", "/..", "/ climbs", "/ climbs"),
            ("/...", "/...", "/...", "/..."),
        ] {
            assert_eq!(tidied(path, true, false), merged, "{path} merged");
            assert_eq!(tidied(path, false, true), resolved, "{path} resolved");
            assert_eq!(tidied(path, true, true), both, "{path} both");
            assert_eq!(tidied(path, false, false), path);
        }
    }

    #[test]
    fn a_path_is_untidy_exactly_if_tidying_changes_it() {
        for path in ["/", "/a", "/a/", "/.a/a./..a/...", "//", "/a//b", "/.", "/..", "/a/./b", "/a/../b", "/a/.."] {
            let Untidy { slashes, dots } = Untidy::of(path.as_bytes());
            assert_eq!(slashes, tidied(path, true, false) != path, "{path}");
            assert_eq!(dots, tidied(path, false, true) != path, "{path}");
        }
    }
}
