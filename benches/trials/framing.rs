//! Where a message's body ends: by its length, or by its chunks.

/// What is still to come of a body.
pub enum Framing {
    Length(usize),
    Chunked(Chunk),
}

/// The place within a chunked body.
pub enum Chunk {
    /// The line with a size, as far as it has come.
    Size(Vec<u8>),
    Data(usize),
    /// The line's end after the data: so many bytes of it have come.
    AfterData(usize),
    /// The line's end after the last chunk; trailers are not spoken here.
    Last(usize),
}

/// A line with a chunk's size may have so many bytes.
const SIZE_LINE_MAX: usize = 32;

/// What taking bytes came to.
pub struct Taken {
    /// So many of the bytes belong to this body.
    pub used: usize,
    pub whole: bool,
}

impl Framing {
    pub fn chunked() -> Framing {
        Framing::Chunked(Chunk::Size(Vec::new()))
    }

    /// Reads on; `data` gets the bytes of the body. `None`: these are no chunks, or `data` refuses its bytes.
    pub fn take(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8]) -> bool) -> Option<Taken> {
        match self {
            Framing::Length(left) => {
                let used = bytes.len().min(*left);
                *left -= used;
                data(&bytes[..used]).then_some(Taken { used, whole: *left == 0 })
            }
            Framing::Chunked(chunk) => {
                let mut used = 0;
                while used < bytes.len() {
                    let (count, whole) = chunk.take(&bytes[used..], &mut data)?;
                    used += count;
                    if whole {
                        return Some(Taken { used, whole });
                    }
                }
                Some(Taken { used, whole: false })
            }
        }
    }
}

impl Chunk {
    /// One step: how many bytes it took, and whether the body is whole.
    fn take(&mut self, bytes: &[u8], data: &mut impl FnMut(&[u8]) -> bool) -> Option<(usize, bool)> {
        match self {
            Chunk::Size(line) => {
                let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
                line.extend_from_slice(&bytes[..end]);
                if line.len() > SIZE_LINE_MAX {
                    return None;
                }
                if line.ends_with(b"\n") {
                    let size = std::str::from_utf8(line.strip_suffix(b"\r\n")?).ok()?;
                    *self = match usize::from_str_radix(size, 16).ok()? {
                        0 => Chunk::Last(0),
                        size => Chunk::Data(size),
                    };
                }
                Some((end, false))
            }
            Chunk::Data(left) => {
                let count = bytes.len().min(*left);
                *left -= count;
                if *left == 0 {
                    *self = Chunk::AfterData(0);
                }
                data(&bytes[..count]).then_some((count, false))
            }
            Chunk::AfterData(seen) | Chunk::Last(seen) => {
                if bytes[0] != b"\r\n"[*seen] {
                    return None;
                }
                *seen += 1;
                let done = *seen == 2;
                let whole = done && matches!(self, Chunk::Last(_));
                if done && !whole {
                    *self = Chunk::Size(Vec::new());
                }
                Some((1, whole))
            }
        }
    }
}

/// Appends one chunk; an empty one is the last.
pub fn write_chunk(data: &[u8], into: &mut Vec<u8>) {
    into.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
    into.extend_from_slice(data);
    into.extend_from_slice(b"\r\n");
}
