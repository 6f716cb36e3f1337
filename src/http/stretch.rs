//! Copying header lines in long stretches: lines that stand side by side and are spelled as we would spell them leave in one copy.

/// Lines of a parsed head on their way into another. What is not spelled `Name: value` with CRLF is written anew.
pub struct Stretch<'b, 'o> {
    /// The bytes that the head was parsed from.
    source: &'b [u8],
    out: &'o mut Vec<u8>,
    /// What of `source` is to be copied next.
    start: usize,
    end: usize,
}

impl<'b, 'o> Stretch<'b, 'o> {
    pub fn new(source: &'b [u8], out: &'o mut Vec<u8>) -> Self {
        Stretch { source, out, start: 0, end: 0 }
    }

    /// Where `part`, a slice of the source, stands in it. For any other slice a place that fails the check of spelling.
    fn place(&self, part: &[u8]) -> usize {
        (part.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize)
    }

    /// Adds a start line made of `words`, which must be slices of the source, separated by spaces and ended with `ending`. False when the
    /// source spells it otherwise; then nothing was added.
    pub fn start_line(&mut self, first: &[u8], second: &[u8], ending: &[u8]) -> bool {
        let start = self.place(first);
        let gap = start.wrapping_add(first.len());
        let end = gap.wrapping_add(1).wrapping_add(second.len());
        let same = self.place(second) == gap.wrapping_add(1)
            && self.source.get(gap) == Some(&b' ')
            && self.source.get(end..).is_some_and(|rest| rest.starts_with(ending));
        if same {
            self.add(start, end + ending.len());
        }
        same
    }

    /// Adds a header line.
    pub fn line(&mut self, name: &str, value: &[u8]) {
        let start = self.place(name.as_bytes());
        let value_at = start.wrapping_add(name.len()).wrapping_add(2);
        let end = value_at.wrapping_add(value.len());
        let same = self.place(value) == value_at
            && self.source.get(value_at.wrapping_sub(2)..value_at) == Some(b": ")
            && self.source.get(end..end.wrapping_add(2)) == Some(b"\r\n");
        if same {
            self.add(start, end + 2);
        } else {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                self.bytes(part);
            }
        }
    }

    /// Adds bytes from elsewhere.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.flush();
        self.out.extend_from_slice(bytes);
    }

    /// Takes `n` bytes before the stretch that has just begun with it.
    pub fn prepend(&mut self, n: usize) {
        self.start = self.start.saturating_sub(n);
    }

    fn add(&mut self, start: usize, end: usize) {
        if start != self.end {
            self.flush();
            self.start = start;
        }
        self.end = end;
    }

    /// Copies what is left.
    pub fn flush(&mut self) {
        if let Some(part) = self.source.get(self.start..self.end) {
            self.out.extend_from_slice(part);
        }
        self.start = self.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies all lines of a head but the one named `without`.
    fn copy(head: &[u8], without: &str) -> Vec<u8> {
        let mut lines = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut lines);
        assert!(request.parse(head).is_ok_and(|s| s.is_complete()));
        let mut out = Vec::new();
        let mut stretch = Stretch::new(head, &mut out);
        let (method, path) = (request.method.unwrap_or(""), request.path.unwrap_or(""));
        if !stretch.start_line(method.as_bytes(), path.as_bytes(), b" HTTP/1.1\r\n") {
            stretch.bytes(b"(other)\r\n");
        }
        for line in request.headers.iter().filter(|l| l.name != without) {
            stretch.line(line.name, line.value);
        }
        stretch.flush();
        out
    }

    #[test]
    fn lines_arrive_whole_and_in_order_however_they_are_spelled() {
        let head = b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n";
        assert_eq!(copy(head, ""), head[..head.len() - 2]);
        assert_eq!(copy(head, "B"), b"GET / HTTP/1.1\r\nA: 1\r\nC: 3\r\n");
        assert_eq!(copy(head, "A"), b"GET / HTTP/1.1\r\nB: 2\r\nC: 3\r\n");
        assert_eq!(
            copy(b"GET / HTTP/1.0\nA:1\nB:   2  \r\nC:\r\nD: 4\r\n\r\n", ""),
            b"(other)\r\nA: 1\r\nB: 2\r\nC: \r\nD: 4\r\n"
        );
        assert_eq!(copy(b"\r\nGET / HTTP/1.1\r\nA: 1\r\n\r\n", ""), b"GET / HTTP/1.1\r\nA: 1\r\n");
    }
}
