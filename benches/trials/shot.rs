//! One numbered request: what is sent, to whom, and on what kind of connection.

use std::net::SocketAddr;

use crate::framing::write_chunk;
use crate::pattern::Pattern;

/// A request that will be sent. Its target tells the origin all that the answer has to be.
#[derive(Clone, Debug)]
pub struct Shot {
    /// No other request of the run has it.
    pub number: u64,
    pub address: SocketAddr,
    /// The kept connection that carries it; `None`: a new one of its own.
    pub lane: Option<u32>,
    /// A POST with a body of this many bytes.
    pub post: Option<usize>,
    /// Before the number in the path, with its slashes: `/s1/`.
    pub prefix: String,
    /// Bytes of the answer's body.
    pub length: usize,
    /// More of the query, each with its `&`.
    pub wishes: String,
}

impl Shot {
    pub fn method(&self) -> &'static str {
        if self.post.is_some() { "POST" } else { "GET" }
    }

    /// What it looks like on the wire. Bodies and the ends of connections are said in all the ways there are.
    pub fn bytes(&self) -> Vec<u8> {
        let Shot { number, prefix, length, wishes, .. } = self;
        let mut bytes = format!(
            "{} {prefix}{number}?length={length}{wishes} HTTP/1.1\r\nHost: trial\r\nX-Number: {number}\r\n",
            self.method()
        )
        .into_bytes();
        if self.lane.is_none() && number % 4 < 2 {
            bytes.extend_from_slice(b"Connection: close\r\n");
        }
        let Some(size) = self.post else {
            bytes.extend_from_slice(b"\r\n");
            return bytes;
        };
        let mut pattern = Pattern::of(*number);
        let mut body = Vec::with_capacity(size);
        pattern.write(size, &mut body);
        if number % 3 == 0 && !wishes.contains("&plain") {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            body.chunks(1000).for_each(|part| write_chunk(part, &mut bytes));
            write_chunk(b"", &mut bytes);
        } else {
            bytes.extend_from_slice(format!("Content-Length: {size}\r\n\r\n").as_bytes());
            bytes.extend_from_slice(&body);
        }
        bytes
    }
}

/// Lengths of bodies: mostly small, now and then more than any buffer holds.
pub fn length_for(number: u64) -> usize {
    match number % 97 {
        0 => 100_000,
        nth => 16 + (nth as usize * 37) % 2_000,
    }
}
