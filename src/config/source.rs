//! The text of a document and its name: turns byte offsets into lines and columns.

use super::Span;

/// One file as it was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// What diagnostics call it: usually the path as the user gave it.
    pub name: String,
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

    /// One character at a line and column, both from 1.
    pub(super) fn span_at(&self, line: usize, column: usize) -> Span {
        let before: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = self.text.get(before..).unwrap_or("");
        let (offset, c) = rest.char_indices().nth(column.saturating_sub(1)).unwrap_or((rest.len(), ' '));
        let start = (before + offset).min(self.text.len());
        Span { start: start as u32, end: (start + c.len_utf8()) as u32 }
    }

    /// What stands at the span; nothing where it lies outside.
    pub fn slice(&self, at: Span) -> &str {
        self.text.get(at.start as usize..at.end as usize).unwrap_or("")
    }

    fn floor(&self, offset: u32) -> usize {
        floor_char_boundary(&self.text, offset as usize)
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
        let source = Source { name: String::new(), text: "a: ø\nbø: x\r\n".to_owned() };
        let x = source.text.find('x').unwrap_or(0) as u32;
        assert_eq!(source.position(x), Position { line: 2, column: 5 });
        assert_eq!(source.line_at(x), (6, "bø: x"));
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(99), Position { line: 3, column: 1 });
        assert_eq!(source.position(4), Position { line: 1, column: 4 });
        assert_eq!(source.slice(Span { start: 90, end: 99 }), "");
    }
}
