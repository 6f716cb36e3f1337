//! Texts with variables on their way into a header line: nothing that a request holds can end the line.

use super::Asking;
use crate::http::HEAD_BYTES_MAX;
use crate::http::field::is_value;
use crate::value::{Segment, Template, Variable};

/// A text whose statuses are still to come.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Text {
    pub bytes: Vec<u8>,
    /// Where the status goes, in ascending order.
    pub holes: Vec<usize>,
}

/// Writes a header's value. A variable whose value holds a control byte is left out; blanks at the ends are. Ends with what
/// makes it longer than any head.
pub fn write(template: &Template, asking: &Asking<'_>) -> Text {
    let mut text = Text::default();
    for segment in &template.segments {
        // a short text may name a long variable a thousand times
        if text.bytes.len() > HEAD_BYTES_MAX {
            break;
        }
        match segment {
            Segment::Literal(literal) => text.bytes.extend_from_slice(literal.as_bytes()),
            Segment::Variable(Variable::Status) => text.holes.push(text.bytes.len()),
            Segment::Variable(variable) => {
                let value = asking.value(variable);
                if is_value(&value) {
                    text.bytes.extend_from_slice(&value);
                }
            }
        }
    }
    text.trimmed()
}

impl Text {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.holes.is_empty()
    }

    fn trimmed(mut self) -> Text {
        let start = self.bytes.len() - self.bytes.trim_ascii_start().len();
        let start = self.holes.first().map_or(start, |hole| start.min(*hole));
        self.bytes.drain(..start);
        self.holes.iter_mut().for_each(|hole| *hole -= start);
        let end = self.bytes.trim_ascii_end().len();
        self.bytes.truncate(self.holes.last().map_or(end, |hole| end.max(*hole)));
        self
    }
}
