//! One response, as far as it has been read.

use crate::wire::{self, NoHead};

/// How far its response has been read.
pub enum Answer {
    Head(Vec<u8>),
    Body { status: u16, close: bool, left: usize },
}

/// What reading a response came to.
pub enum Progress {
    More,
    Done { status: u16, close: bool },
    Broken,
}

impl Answer {
    /// Nothing is read yet.
    pub fn new() -> Answer {
        Answer::Head(Vec::new())
    }

    /// Reads on. No request is sent before the last one is answered, so nothing can follow a response.
    pub fn take(&mut self, bytes: &[u8]) -> Progress {
        let mut body_bytes = bytes.len();
        if let Answer::Head(held) = self {
            let parsed = if held.is_empty() {
                wire::response_head(bytes)
            } else {
                held.extend_from_slice(bytes);
                wire::response_head(held)
            };
            let head = match parsed {
                Ok(head) => head,
                Err(NoHead::Malformed) => return Progress::Broken,
                Err(NoHead::Partial) => {
                    if held.is_empty() {
                        held.extend_from_slice(bytes);
                    }
                    return Progress::More;
                }
            };
            body_bytes = held.len().max(bytes.len()) - head.bytes;
            *self = match head.body_bytes {
                Some(left) => Answer::Body { status: head.status, close: head.close, left },
                // An error page that ends with its connection: its status says enough.
                None if !(200..300).contains(&head.status) => {
                    return Progress::Done { status: head.status, close: true };
                }
                None => return Progress::Broken,
            };
        }
        let Answer::Body { status, close, left } = self else { return Progress::Broken };
        if body_bytes > *left {
            return Progress::Broken;
        }
        *left -= body_bytes;
        if *left == 0 { Progress::Done { status: *status, close: *close } } else { Progress::More }
    }
}
