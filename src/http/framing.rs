//! Where a message's body ends: Content-Length and Transfer-Encoding, read strictly (RFC 9112 section 6).

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks, the last of size zero.
    Chunked,
    /// All that comes until the connection closes; responses only.
    UntilClose,
}

/// The framing fields of one message, gathered line by line.
#[derive(Default)]
pub struct FramingFields {
    length: Option<u64>,
    chunked: bool,
}

/// The framing fields contradict each other or are malformed.
#[derive(Debug, PartialEq, Eq)]
pub struct BadFraming;

impl FramingFields {
    /// Takes the value of a Content-Length line. Equal repetitions are one value; anything but digits is malformed.
    pub fn content_length(&mut self, value: &[u8]) -> Result<(), BadFraming> {
        let mut any = false;
        for part in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            let n = decimal(part).ok_or(BadFraming)?;
            if self.length.is_some_and(|l| l != n) {
                return Err(BadFraming);
            }
            self.length = Some(n);
            any = true;
        }
        if any { Ok(()) } else { Err(BadFraming) }
    }

    /// Takes the value of a Transfer-Encoding line. It says `chunked` and nothing else: with other codings, and with empty places in
    /// the list, which some servers skip and some do not, two of them may see different ends of a body.
    pub fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), BadFraming> {
        if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(BadFraming);
        }
        self.chunked = true;
        Ok(())
    }

    /// The framing of a message of HTTP/1.`minor`; `None` when no field says.
    pub fn finish(&self, minor: u8) -> Result<Option<Framing>, BadFraming> {
        match (self.chunked, self.length) {
            (false, length) => Ok(length.map(Framing::Length)),
            (true, None) if minor > 0 => Ok(Some(Framing::Chunked)),
            (true, _) => Err(BadFraming),
        }
    }
}

/// A decimal number of digits only; larger than any body that can be is malformed too.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut n: u64 = 0;
    for d in digits {
        if !d.is_ascii_digit() {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(u64::from(d - b'0'))?;
    }
    (n <= i64::MAX as u64).then_some(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lengths: &[&str], codings: &[&str], minor: u8) -> Result<Option<Framing>, BadFraming> {
        let mut f = FramingFields::default();
        for l in lengths {
            f.content_length(l.as_bytes())?;
        }
        for c in codings {
            f.transfer_encoding(c.as_bytes())?;
        }
        f.finish(minor)
    }

    #[test]
    fn a_length_is_digits_and_nothing_else() {
        assert_eq!(of(&["5"], &[], 1), Ok(Some(Framing::Length(5))));
        for bad in ["", "+5", "-5", "0x5", "5_0", "5 6", "٥", "18446744073709551616", "9223372036854775808", "5,", ",5"]
        {
            assert_eq!(of(&[bad], &[], 1), Err(BadFraming), "{bad:?}");
        }
    }

    #[test]
    fn equal_lengths_are_one_and_different_ones_are_refused() {
        assert_eq!(of(&["5, 5"], &[], 1), Ok(Some(Framing::Length(5))));
        assert_eq!(of(&["5", "5"], &[], 1), Ok(Some(Framing::Length(5))));
        assert_eq!(of(&["5", "6"], &[], 1), Err(BadFraming));
    }

    #[test]
    fn only_a_single_chunked_is_a_transfer_encoding() {
        assert_eq!(of(&[], &["chunked"], 1), Ok(Some(Framing::Chunked)));
        assert_eq!(of(&[], &["Chunked"], 1), Ok(Some(Framing::Chunked)));
        for bad in [
            "chunked,",
            ",chunked",
            "chunked, chunked",
            "gzip, chunked",
            "identity",
            "chunked, identity",
            "xchunked",
            "",
            ",",
            "chunked;q=1",
        ] {
            assert_eq!(of(&[], &[bad], 1), Err(BadFraming), "{bad}");
        }
        assert_eq!(of(&[], &["chunked", "chunked"], 1), Err(BadFraming));
        assert_eq!(of(&["5"], &["chunked"], 1), Err(BadFraming));
        assert_eq!(of(&[], &["chunked"], 0), Err(BadFraming));
    }
}
