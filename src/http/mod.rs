//! HTTP/1.1 messages on the wire: heads, framing, bodies and their limits. Knows nothing of routes or of the server.

pub mod body;
pub mod chunked;
pub mod clock;
pub mod field;
pub mod framing;
pub mod host;
pub mod method;
pub mod request;
pub mod response;
pub mod secured;
pub mod spelled_path;
pub mod spelling;
pub mod stretch;
pub mod target;
pub mod trailers;
pub mod transport;

/// Most header lines a head may have, whatever the configuration says: the parser's table lives on the stack.
pub const FIELDS_MAX: usize = 256;
/// Longest head, in bytes, whatever the configuration says: a head is parsed from one scratch buffer.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Longest request target, in bytes (nginx: 8k).
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Longest header line of a request, in bytes.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of the whole head, at most [`HEAD_BYTES_MAX`].
    pub size: usize,
    /// Header lines, at most [`FIELDS_MAX`].
    pub count: usize,
}

impl HeadLimits {
    /// What an upstream's response head may be.
    pub const RESPONSE: HeadLimits = HeadLimits { size: HEAD_BYTES_MAX, count: FIELDS_MAX };
}

/// Does a head end in `bytes`, of which the first `seen` were looked at before? A head that comes in drops is so parsed twice, not with each.
pub fn ends_in(bytes: &[u8], seen: usize) -> bool {
    let from = seen.saturating_sub(3);
    memchr::memchr_iter(b'\n', &bytes[from..])
        .any(|i| matches!(&bytes[from + i + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}
