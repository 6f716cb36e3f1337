//! A path in its normal form that still knows how the client spelled each byte of it: what is matched is the normal form,
//! what is passed on is the client's own spelling.

use super::spelling::{Malformed, escaped};
use std::borrow::Cow;
use std::ops::Range;

/// A path in its normal form: percent-decoded but for `%2F` and `%5C`, slashes merged, dot segments resolved.
#[derive(Debug)]
pub struct SpelledPath<'b> {
    written: &'b [u8],
    /// `None` where the path is written in its normal form already.
    changed: Option<Changed>,
}

/// Byte by byte: what it is, and where it stands in what was written.
#[derive(Debug, Default)]
struct Changed {
    normal: Vec<u8>,
    places: Vec<Place>,
}

/// Where a byte is written.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    /// 1, or 3 for one that is percent-encoded.
    len: u8,
}

impl<'b> SpelledPath<'b> {
    /// Reads a path. Costs no copy where it is written in its normal form and no segment begins with a dot.
    ///
    /// # Errors
    /// When the path cannot be read at all.
    pub fn of(written: &'b [u8]) -> Result<SpelledPath<'b>, Malformed> {
        if written.first() != Some(&b'/') || memchr::memchr(0, written).is_some() {
            return Err(Malformed);
        }
        let untidy = memchr::memchr_iter(b'/', written).any(|at| matches!(written.get(at + 1), Some(b'/' | b'.')));
        let changed = if untidy || memchr::memchr(b'%', written).is_some() {
            Some(Changed::decoded(written)?.tidied()?)
        } else {
            None
        };
        Ok(SpelledPath { written, changed })
    }

    /// The normal form, which patterns are compared with.
    pub fn normal(&self) -> &[u8] {
        self.changed.as_ref().map_or(self.written, |changed| &changed.normal)
    }

    /// This part of the normal form as the client spelled it.
    pub fn spelled(&self, part: Range<usize>) -> Cow<'b, [u8]> {
        let Some(Changed { places, .. }) = &self.changed else {
            return Cow::Borrowed(self.written.get(part).unwrap_or(b""));
        };
        let mut out = Vec::new();
        for place in places.get(part).unwrap_or(&[]) {
            let start = place.start as usize;
            out.extend_from_slice(self.written.get(start..start + usize::from(place.len)).unwrap_or(b""));
        }
        Cow::Owned(out)
    }

    /// The whole path as the client spelled it, without its dot segments and doubled slashes.
    pub fn whole(&self) -> Cow<'b, [u8]> {
        self.spelled(0..self.normal().len())
    }
}

impl Changed {
    /// Undoes percent-encoding, but for what would change the segments.
    fn decoded(written: &[u8]) -> Result<Changed, Malformed> {
        let mut decoded = Changed::default();
        let mut start = 0;
        while let Some(byte) = written.get(start) {
            let at = u32::try_from(start).map_err(|_| Malformed)?;
            if *byte != b'%' {
                decoded.push(*byte, at, 1);
                start += 1;
                continue;
            }
            let kept: &[u8] = match escaped(&written[start + 1..]).ok_or(Malformed)? {
                (0, _) => return Err(Malformed),
                (b'/', _) => b"%2F",
                (b'\\', _) => b"%5C",
                (byte, _) => {
                    decoded.push(byte, at, 3);
                    b""
                }
            };
            (at..).zip(kept).for_each(|(at, byte)| decoded.push(*byte, at, 1));
            start += 3;
        }
        Ok(decoded)
    }

    /// Merges slashes and resolves dot segments.
    fn tidied(&self) -> Result<Changed, Malformed> {
        let mut tidy = Changed::default();
        let mut slash = 0;
        loop {
            let segment = &self.normal[slash + 1..];
            let end = memchr::memchr(b'/', segment).map(|len| slash + 1 + len);
            match (&self.normal[slash + 1..end.unwrap_or(self.normal.len())], end) {
                (b"." | b"..", _) => {
                    if self.normal.get(slash + 2) == Some(&b'.') {
                        let parent = memchr::memrchr(b'/', &tidy.normal).ok_or(Malformed)?;
                        tidy.normal.truncate(parent);
                        tidy.places.truncate(parent);
                    }
                    if end.is_none() {
                        tidy.take(self, slash..slash + 1);
                    }
                }
                (b"", Some(_)) => {}
                (segment, _) => tidy.take(self, slash..slash + 1 + segment.len()),
            }
            match end {
                Some(next) => slash = next,
                None => return Ok(tidy),
            }
        }
    }

    fn push(&mut self, byte: u8, start: u32, len: u8) {
        self.normal.push(byte);
        self.places.push(Place { start, len });
    }

    fn take(&mut self, from: &Changed, part: Range<usize>) {
        self.normal.extend_from_slice(&from.normal[part.clone()]);
        self.places.extend_from_slice(&from.places[part]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(path: &str) -> Option<(String, String)> {
        let path = SpelledPath::of(path.as_bytes()).ok()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some((text(path.normal()), text(&path.whole())))
    }

    #[test]
    fn the_normal_form_and_its_spelling_stand_side_by_side() {
        for (written, normal, spelled) in [
            ("/a/b", "/a/b", "/a/b"),
            ("/%61/b%20c", "/a/b c", "/%61/b%20c"),
            ("/a%2fb%5c", "/a%2Fb%5C", "/a%2fb%5c"),
            ("//a///%62//", "/a/b/", "/a/%62/"),
            ("/a/./b/%2e%2E/c/..", "/a/", "/a/"),
            ("/a/.b", "/a/.b", "/a/.b"),
            ("/x/%2e", "/x/", "/x/"),
            ("/100%25", "/100%", "/100%25"),
        ] {
            assert_eq!(read(written), Some((normal.into(), spelled.into())), "{written}");
        }
        for malformed in ["", "a", "/%", "/%zz", "/%00", "/\0", "/..", "/a/../../b", "//%2e%2e"] {
            assert_eq!(read(malformed), None, "{malformed}");
        }
        assert!(matches!(SpelledPath::of(b"/plain/path").map(|p| p.changed.is_none()), Ok(true)));
    }

    /// The same cases each time.
    fn cases() -> ProptestConfig {
        let rng_seed = proptest::test_runner::RngSeed::Fixed(1);
        ProptestConfig { rng_seed, cases: 2000, failure_persistence: None, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn a_spelling_reads_as_the_normal_form_it_was_taken_from(
            written in "/(a|b|/|\\.|%2e|%2F|%5c|%41|%25|%20|%zz|;){0,12}",
            cut in 0usize..16,
        ) {
            if let Ok(path) = SpelledPath::of(written.as_bytes()) {
                let whole = path.whole();
                let again = SpelledPath::of(&whole).map_err(|_| TestCaseError::fail("unreadable"))?;
                prop_assert_eq!(again.normal(), path.normal());
                prop_assert_eq!(again.whole(), whole.clone());
                // whatever is cut in two is the same in two parts
                let cut = cut.min(path.normal().len());
                let parts = [path.spelled(0..cut), path.spelled(cut..path.normal().len())].concat();
                prop_assert_eq!(&parts[..], &*whole);
            }
        }
    }
}
