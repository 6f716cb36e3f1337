//! The texts of the configuration in force, with variables and secrets as they were written.

use super::View;
use super::answer::{Problem, json_headers};
use crate::config::{Bundle, Source};
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as Frames, Bytes, Frame};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Texts that are no longer than this in all are held in memory if they cannot be kept on disk.
const MEMORY_MAX: usize = 1 << 20;
/// A copy that is longer is not read into memory: the longest documents, and what JSON adds to them.
const COPY_MAX: usize = 2 * crate::config::LARGEST as usize;
/// A piece of the answer, in bytes.
const PIECE: usize = 64 << 10;

/// Where the texts are held.
pub struct Texts {
    config_hash: String,
    held: Held,
}

enum Held {
    /// In a copy on disk, a [`Bundle`] in JSON, which nobody changes.
    Copy(File),
    /// The same in memory.
    Memory(Bytes),
    Nowhere,
}

impl Texts {
    /// Those of this copy.
    pub fn copy(config_hash: &str, file: File) -> Texts {
        Texts { config_hash: config_hash.to_owned(), held: Held::Copy(file) }
    }

    /// Those of these files, which are kept nowhere else.
    pub fn memory(config_hash: &str, files: &[Source]) -> Texts {
        let length: usize = files.iter().map(|file| file.text.len()).sum();
        let bundle = (length <= MEMORY_MAX).then(|| serde_json::to_vec(&Bundle::of(files)).ok()).flatten();
        let held = bundle.map_or(Held::Nowhere, |bundle| Held::Memory(bundle.into()));
        Texts { config_hash: config_hash.to_owned(), held }
    }

    pub fn config_hash(&self) -> &str {
        &self.config_hash
    }

    /// The texts, to be read again; nothing if they are nowhere.
    pub fn bundle(&self) -> Option<Bundle> {
        let mut bytes = Vec::new();
        loop {
            let piece = self.read(bytes.len() as u64).ok().filter(|_| bytes.len() <= COPY_MAX)?;
            if piece.is_empty() {
                return serde_json::from_slice(&bytes).ok();
            }
            bytes.extend_from_slice(&piece);
        }
    }

    /// A piece of the copy.
    fn read(&self, offset: u64) -> io::Result<Bytes> {
        match &self.held {
            Held::Copy(file) => {
                let mut piece = vec![0; PIECE];
                let read = file.read_at(&mut piece, offset)?;
                piece.truncate(read);
                Ok(piece.into())
            }
            Held::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes.slice(start..bytes.len().min(start.saturating_add(PIECE))))
            }
            Held::Nowhere => Ok(Bytes::new()),
        }
    }
}

pub async fn config(State(view): State<Arc<dyn View>>) -> Result<Response, Problem> {
    let texts = view.texts();
    if let Held::Nowhere = texts.held {
        return Err(nowhere());
    }
    let before = format!("{{\"config_hash\":\"{}\",\"texts\":", texts.config_hash);
    Ok((json_headers(), Body::new(Pieces { texts, before: Some(before), offset: Some(0) })).into_response())
}

/// Why there is no text.
pub fn nowhere() -> Problem {
    let said = "the texts are too long to be held in memory, and there is no copy of them on disk";
    Problem::new(StatusCode::NOT_FOUND, said)
        .hint("let `STATE_DIRECTORY` name a directory that the gateway may write to".to_owned())
}

/// The texts, read while they are sent.
struct Pieces {
    texts: Arc<Texts>,
    before: Option<String>,
    /// `None` when all is read.
    offset: Option<u64>,
}

impl Frames for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(before) = self.before.take() {
            return Poll::Ready(Some(Ok(Frame::data(before.into()))));
        }
        let Some(offset) = self.offset.take() else { return Poll::Ready(None) };
        let piece = match self.texts.read(offset) {
            Ok(piece) => piece,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        if piece.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"}\n")))));
        }
        self.offset = Some(offset + piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}
