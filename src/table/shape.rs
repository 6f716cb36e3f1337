//! How much care a path needs: most consist of bytes that every server reads alike.

/// How much care a path needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Every server reads these bytes alike.
    Plain,
    /// Plain but for letters in upper case.
    MixedCase,
    /// It may have several readings.
    Unusual,
}

/// What a byte is (low half) and what it must not follow (high half); `UPPER` and `ODD` stand for themselves.
const CLASS: [u8; 256] = {
    let mut class = [ODD; 256];
    let plain = b"abcdefghijklmnopqrstuvwxyz0123456789-_~!&'()*+,=@";
    let mut at = 0;
    while at < plain.len() {
        class[plain[at] as usize] = 0;
        at += 1;
    }
    let mut upper = b'A';
    while upper <= b'Z' {
        class[upper as usize] = UPPER;
        upper += 1;
    }
    class[b'/' as usize] = SLASH | (SLASH | DOT) << 4;
    class[b'.' as usize] = DOT;
    class[b':' as usize] = COLON;
    class[b'$' as usize] = COLON << 4;
    class
};
const SLASH: u8 = 1;
const DOT: u8 = 2;
const COLON: u8 = 4;
const UPPER: u8 = 8;
const ODD: u8 = 128;

/// Tells in one pass how much care `path` needs.
pub(super) fn shape(path: &[u8]) -> Shape {
    if path.first() != Some(&b'/') {
        return Shape::Unusual;
    }
    // Most paths pass in overlapping windows of vector width; each of these also sees the byte before its own.
    if let (Some(last), [.., end]) = (path.last_chunk::<WINDOW>(), path)
        && *end != b'.'
        && path.windows(WINDOW).step_by(WINDOW - 1).all(is_common)
        && is_common(last)
    {
        return Shape::Plain;
    }
    let (mut seen, mut before) = (0, 0);
    for &byte in path {
        let class = CLASS[byte as usize];
        seen |= class & (before << 4 | UPPER | ODD);
        before = class;
    }
    if seen & !UPPER != 0 || before & DOT != 0 {
        Shape::Unusual
    } else if seen == 0 {
        Shape::Plain
    } else {
        Shape::MixedCase
    }
}

/// Width of a vector, and the byte before.
const WINDOW: usize = 17;

/// Whether all bytes but the first are plain, without a table.
fn is_common(window: &[u8]) -> bool {
    let mut odd = false;
    for at in 1..window.len() {
        let (before, byte) = (window[at - 1], window[at]);
        let letter = byte.wrapping_sub(b'a') < 26;
        let digit_and_such = byte.wrapping_sub(b'-') <= b'9' - b'-';
        let plain = letter | digit_and_such | (byte == b'_');
        odd |= !plain | (byte == b'/') & ((before == b'/') | (before == b'.'));
    }
    !odd
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_a_path_unusual_does_so_at_every_place() {
        let long = "a/b-c_d.e/".repeat(8);
        for odd in
            ["%41", "\\", ";", "//", "/./", "./", "/../", ".../", " ", "\0", "\x7f", "é", ":$", "::$", "\"", "#", "?"]
        {
            for at in 0..long.len() {
                let path = format!("/{}{odd}{}", &long[..at], &long[at..]);
                assert_eq!(shape(path.as_bytes()), Shape::Unusual, "{path}");
            }
        }
        for unusual in ["", "a", "*", "/.", "/..", "/a.", "//"] {
            assert_eq!(shape(unusual.as_bytes()), Shape::Unusual, "{unusual}");
        }
    }

    #[test]
    fn ordinary_paths_are_plain_whatever_their_length() {
        let long = "/.well-known/x:y/$z/~a!&'()*+,=@_0-9/b.c".repeat(3);
        for end in (1..long.len()).filter(|&end| !long[..end].ends_with('.')) {
            assert_eq!(shape(&long.as_bytes()[..end]), Shape::Plain, "{}", &long[..end]);
            assert_eq!(shape(format!("{}Z", &long[..end]).as_bytes()), Shape::MixedCase);
        }
    }
}
