//! The response's head on its way to the client: the same message, about another connection.

use super::client::write_decimal;
use crate::http::body::Encoding;
use crate::http::framing::Framing;
use crate::http::response::ResponseHead;

/// How a response leaves.
pub struct Departure {
    pub encoding: Encoding,
    /// The connection can carry another request afterwards.
    pub keep: bool,
}

/// How a response with this framing leaves for a client of HTTP/1.`minor` that would (`keep`) use the connection again.
pub fn departure(framing: Framing, minor: u8, keep: bool) -> Departure {
    match (framing, minor) {
        (Framing::None | Framing::Length(_), _) => Departure { encoding: Encoding::Raw, keep },
        (Framing::Chunked | Framing::UntilClose, 0) => Departure { encoding: Encoding::Raw, keep: false },
        (Framing::Chunked | Framing::UntilClose, _) => Departure { encoding: Encoding::Chunked, keep },
    }
}

/// Appends the head of a final response, with `extra_lines`.
pub fn write_head(
    head: &ResponseHead<'_, '_>,
    minor: u8,
    departure: &Departure,
    extra_lines: &[u8],
    out: &mut Vec<u8>,
) {
    out.reserve(head.len + 64);
    let has_length = head.write(out);
    match (head.framing, departure.encoding) {
        (Framing::Length(n), _) if !has_length => {
            out.extend_from_slice(b"Content-Length: ");
            write_decimal(n, out);
            out.extend_from_slice(b"\r\n");
        }
        (Framing::Chunked | Framing::UntilClose, Encoding::Chunked) => {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        _ => {}
    }
    out.extend_from_slice(extra_lines);
    out.extend_from_slice(connection(minor, departure.keep));
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of an informational response.
pub fn write_informational(head: &ResponseHead<'_, '_>, out: &mut Vec<u8>) {
    head.write(out);
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of a 101 that switches to `protocol`.
pub fn write_switch(head: &ResponseHead<'_, '_>, protocol: &[u8], out: &mut Vec<u8>) {
    head.write(out);
    out.extend_from_slice(b"Connection: upgrade\r\nUpgrade: ");
    out.extend_from_slice(protocol);
    out.extend_from_slice(b"\r\n\r\n");
}

/// The Connection line, where one is needed.
pub fn connection(minor: u8, keep: bool) -> &'static [u8] {
    match (minor, keep) {
        (_, false) => b"Connection: close\r\n",
        (0, true) => b"Connection: keep-alive\r\n",
        (_, true) => b"",
    }
}
