//! Numbers as decimal digits, two at a time.

use std::time::Duration;

/// `00` to `99`.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// Fills `place` with the last digits of `n`.
pub(super) fn digits(place: &mut [u8], mut n: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

/// The last four digits of `n`.
#[inline]
pub(super) fn four_digits(n: u32) -> [u8; 4] {
    let [a, b] = PAIRS[(n / 100 % 100) as usize];
    let [c, d] = PAIRS[(n % 100) as usize];
    [a, b, c, d]
}

/// Appends `n`.
#[inline]
pub(super) fn number(out: &mut Vec<u8>, n: u64) {
    if n < 10 {
        out.push(b'0' + n as u8);
    } else if n < 10_000 {
        let length = if n < 100 { 2 } else { 3 + usize::from(n >= 1_000) };
        // The leading zeros are shifted out; to append four and cut is cheaper than to append just so many.
        let digits = u32::from_le_bytes(four_digits(n as u32)) >> (8 * (4 - length));
        let end = out.len() + length;
        out.extend_from_slice(&digits.to_le_bytes());
        out.truncate(end);
    } else {
        long_number(out, n);
    }
}

fn long_number(out: &mut Vec<u8>, n: u64) {
    number(out, n / 10_000);
    out.extend_from_slice(&four_digits((n % 10_000) as u32));
}

/// Appends seconds with six decimals; what is shorter than a microsecond is left out.
pub(super) fn seconds(out: &mut Vec<u8>, duration: Duration) {
    number(out, duration.as_secs());
    let micros = duration.subsec_micros();
    let [_, _, a, b] = four_digits(micros / 10_000);
    let [c, d, e, f] = four_digits(micros);
    out.extend_from_slice(&[b'.', a, b, c, d, e, f]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_length_of_a_number_is_written_in_full() {
        for n in (0..=19).map(|power| 10u64.pow(power)).chain([u64::MAX, 0]) {
            for n in [n, n.saturating_sub(1), n.saturating_add(1)] {
                assert_eq!(shown(|out| number(out, n)), n.to_string());
            }
        }
    }

    #[test]
    fn a_duration_has_six_decimals() {
        assert_eq!(shown(|out| seconds(out, Duration::ZERO)), "0.000000");
        assert_eq!(shown(|out| seconds(out, Duration::from_nanos(1_001_999))), "0.001001");
        assert_eq!(shown(|out| seconds(out, Duration::new(61, 999_999_999))), "61.999999");
        assert_eq!(shown(|out| seconds(out, Duration::MAX)), "18446744073709551615.999999");
    }

    #[test]
    fn a_place_is_filled_with_the_last_digits() {
        let mut place = *b"....";
        digits(&mut place, 12_345);
        assert_eq!(&place, b"2345");
    }

    proptest! {
        #[test]
        fn any_number_reads_back(n: u64, small in 0u64..100_000) {
            prop_assert_eq!(shown(|out| number(out, n)), n.to_string());
            prop_assert_eq!(shown(|out| number(out, small)), small.to_string());
        }
    }
}
