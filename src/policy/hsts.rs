//! The promise that a host answers over TLS alone, which browsers then hold it to: HTTP Strict Transport Security (RFC 6797).

use super::{Edits, Lines};

/// The header it is made in.
const NAME: &str = "Strict-Transport-Security";

/// The promise that a listener makes in each of its answers.
#[derive(Clone, Debug)]
pub struct Hsts {
    line: Box<[u8]>,
    edits: Edits,
}

impl Hsts {
    /// A promise in these words, as `max-age=31536000`.
    pub fn new(value: &str) -> Hsts {
        let line = format!("{NAME}: {value}\r\n").into_bytes().into();
        Hsts { line, edits: Edits::taking_out(NAME) }
    }

    /// The promise in words.
    pub fn value(&self) -> &str {
        let line = std::str::from_utf8(&self.line).unwrap_or_default();
        line.split_once(": ").map_or("", |(_, value)| value.trim_end())
    }

    /// Whether a route's own edits decide about the promise in its answers.
    pub fn is_left_to(&self, edits: &Edits) -> bool {
        edits.concern(NAME)
    }

    /// Makes the promise in the head that stands at `start` of `out`, in place of those that are there.
    pub fn apply(&self, out: &mut Vec<u8>, start: usize) {
        self.edits.apply(out, start, &Lines::default(), 0, &self.line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_one_promise_the_listeners() {
        let mut out = b"before HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=1\r\nA: b\r\n\r\nbody".to_vec();
        Hsts::new("max-age=5; preload").apply(&mut out, 7);
        let after = b"before HTTP/1.1 200 OK\r\nA: b\r\nStrict-Transport-Security: max-age=5; preload\r\n\r\nbody";
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(after));
    }
}
