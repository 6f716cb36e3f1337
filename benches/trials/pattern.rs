//! The bytes that belong to a number: what a body must consist of, so that no other request's can pass for it.

/// Bytes of a pattern's period: the number in decimal, and a line feed.
const PERIOD: usize = 16;

/// A number's bytes, and how many of them have gone by.
pub struct Pattern {
    period: [u8; PERIOD],
    passed: usize,
}

impl Pattern {
    pub fn of(number: u64) -> Pattern {
        let mut period = [b'0'; PERIOD];
        period[PERIOD - 1] = b'\n';
        let mut left = number;
        for digit in period[..PERIOD - 1].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        Pattern { period, passed: 0 }
    }

    /// How many bytes have gone by.
    pub fn passed(&self) -> usize {
        self.passed
    }

    /// Whether these are the next bytes.
    pub fn passes(&mut self, bytes: &[u8]) -> bool {
        let same = bytes.iter().enumerate().all(|(nth, byte)| *byte == self.period[(self.passed + nth) % PERIOD]);
        self.passed += bytes.len();
        same
    }

    /// Appends the next bytes.
    pub fn write(&mut self, count: usize, into: &mut Vec<u8>) {
        let (start, end) = (self.passed, self.passed + count);
        self.passed = end;
        into.extend((start..end).map(|nth| self.period[nth % PERIOD]));
    }
}
