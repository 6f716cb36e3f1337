//! The files of a document, their names and texts: turns byte offsets into lines and columns.

use super::Span;
use super::body_file::BodyFiles;
use std::cell::OnceCell;
use std::path::PathBuf;

/// One file as it was read.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// What diagnostics call it: usually the path as the user gave it.
    pub name: String,
    /// Where it is. Absolute for what was read from disk; what did not come from there is where its bundle says.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
}

/// A place as people count: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Character within the line, from 1.
    pub column: usize,
}

impl Source {
    /// Line and column of a byte offset; an offset beyond the end or within a character is moved to the one before.
    pub fn position(&self, offset: u32) -> Position {
        let offset = self.floor(offset);
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before[line_start..].trim_start_matches('\u{feff}').chars().count() + 1,
        }
    }

    /// The line that holds the offset, without its end, and where it starts.
    pub fn line_at(&self, offset: u32) -> (usize, &str) {
        let offset = self.floor(offset);
        let start = self.text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |newline| offset + newline);
        (start, self.text[start..end].trim_end_matches('\r'))
    }

    /// What stands in a range of bytes; nothing where it lies outside.
    pub fn slice(&self, start: u32, end: u32) -> &str {
        self.text.get(start as usize..end as usize).unwrap_or("")
    }

    fn floor(&self, offset: u32) -> usize {
        floor_char_boundary(&self.text, offset as usize)
    }
}

/// All files of one document: the main one, and those it includes once they are known.
#[derive(Debug, Default)]
pub(super) struct Sources {
    main: Source,
    included: OnceCell<(Vec<Source>, Vec<PathBuf>)>,
}

impl Sources {
    /// The main file, for now alone.
    pub fn new(main: Source) -> Self {
        Sources { main, included: OnceCell::new() }
    }

    /// Adds what the main file includes, and the patterns by which it was found. That is known once.
    pub fn include(&self, included: Vec<Source>, patterns: Vec<PathBuf>) {
        let _ = self.included.set((included, patterns));
    }

    /// The main file.
    pub fn main(&self) -> &Source {
        &self.main
    }

    /// The included files, in their order.
    pub fn included(&self) -> &[Source] {
        self.included.get().map_or(&[], |(files, _)| files.as_slice())
    }

    /// The file in which the span lies.
    pub fn file(&self, at: Span) -> &Source {
        match usize::from(at.file).checked_sub(1) {
            None => &self.main,
            Some(included) => self.included().get(included).unwrap_or(&self.main),
        }
    }

    /// What stands at the span; nothing where it lies outside.
    pub fn slice(&self, at: Span) -> &str {
        self.file(at).slice(at.start, at.end)
    }

    /// The line in which the span starts, without its end, and where that line starts.
    pub fn line_at(&self, at: Span) -> (usize, &str) {
        self.file(at).line_at(at.start)
    }

    /// The files as a list, the main one first and those with bodies last, and the patterns.
    pub fn into_parts(self, bodies: BodyFiles) -> (Vec<Source>, Vec<PathBuf>) {
        let (included, mut patterns) = self.included.into_inner().unwrap_or_default();
        let (bodies, missing) = bodies.into_parts();
        let mut files = vec![self.main];
        files.extend(included);
        // no place in the document is within them
        files.extend(bodies);
        patterns.extend(missing);
        (files, patterns)
    }
}

/// The offset, or the nearest one before it at which the text can be cut.
pub(super) fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let source = Source { text: "a: ø\nbø: x\r\n".to_owned(), ..Source::default() };
        let x = source.text.find('x').unwrap_or(0) as u32;
        assert_eq!(source.position(x), Position { line: 2, column: 5 });
        assert_eq!(source.line_at(x), (6, "bø: x"));
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(99), Position { line: 3, column: 1 });
        assert_eq!(source.position(4), Position { line: 1, column: 4 });
        assert_eq!(source.slice(90, 99), "");
    }

    #[test]
    fn a_span_is_looked_up_in_its_own_file() {
        let file = |text: &str| Source { text: text.to_owned(), ..Source::default() };
        let sources = Sources::new(file("main"));
        sources.include(vec![file("one"), file("two")], Vec::new());
        let at = |file| Span { file, start: 1, end: 3 };
        assert_eq!([0, 1, 2].map(|file| sources.slice(at(file))), ["ai", "ne", "wo"]);
        assert_eq!(sources.into_parts(BodyFiles::default()).0.len(), 3);
    }
}
