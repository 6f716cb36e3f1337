//! How a line of the access log is written: `json`, `combined`, or text with fields in it such as `{client_ip} {status}`.

use super::log_field::LogField;
use super::template::{Piece, piece, write_literal};
use super::{Complaint, suggest};
use std::fmt;
use std::sync::Arc;

/// The form of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// One JSON object.
    Json,
    /// What nginx and Apache call `combined`.
    Combined,
    /// Text with fields, of which at least one is there.
    Template(Arc<[LogPiece]>),
}

/// One piece of a line. Two texts never follow each other, and none is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPiece {
    /// Written as it stands. It never ends a line.
    Text(Box<str>),
    /// A fact of the request.
    Field(LogField),
}

impl AccessLogFormat {
    /// The forms that are a word.
    pub const WORDS: [&str; 2] = ["json", "combined"];

    /// Reads a word or a template.
    pub fn parse(text: &str) -> Result<AccessLogFormat, Complaint> {
        match text {
            "json" => Ok(AccessLogFormat::Json),
            "combined" => Ok(AccessLogFormat::Combined),
            _ => template(text),
        }
    }
}

fn template(text: &str) -> Result<AccessLogFormat, Complaint> {
    if let Some(complaint) = LogField::of_nginx(text) {
        return Err(complaint);
    }
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((piece, after)) = piece(rest).map_err(no_partner)? {
        rest = after;
        match piece {
            Piece::Char(c) if ends_a_line(c) => {
                return Err(Complaint::new(format!(
                    "{} cannot be in a line of the access log",
                    if matches!(c, '\n' | '\r') {
                        "a line's end".to_owned()
                    } else {
                        format!("`{}`", c.escape_unicode())
                    }
                ))
                .hint("leave it out: every request is one line, and ends it by itself"));
            }
            Piece::Char(c) => literal.push(c),
            Piece::Variable(name) => {
                if !literal.is_empty() {
                    pieces.push(LogPiece::Text(std::mem::take(&mut literal).into()));
                }
                let field = LogField::parse(name).map_err(|complaint| complaint.part(format!("{{{name}}}")))?;
                pieces.push(LogPiece::Field(field));
            }
        }
    }
    if pieces.is_empty() {
        return Err(no_field(text));
    }
    if !literal.is_empty() {
        pieces.push(LogPiece::Text(literal.into()));
    }
    Ok(AccessLogFormat::Template(pieces.into()))
}

/// All control characters but a tab, and the line separators of Unicode.
fn ends_a_line(c: char) -> bool {
    (c.is_control() && c != '\t') || c == '\u{2028}' || c == '\u{2029}'
}

fn no_partner(complaint: Complaint) -> Complaint {
    let hint =
        "a field stands between braces, such as `{client_ip}`; write `{{` and `}}` for the characters themselves";
    complaint.hint(hint)
}

fn no_field(text: &str) -> Complaint {
    const HINT: &str = "write `json`, `combined`, or text with fields, such as `'{client_ip} {status} {duration_s}'`";
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) {
        let complaint = Complaint::new(format!("`{text}` is not an access-log format"));
        return match suggest::nearest(text, AccessLogFormat::WORDS) {
            Some(near) => complaint.hint(format!("did you mean `{near}`?")),
            None => complaint.hint(HINT),
        };
    }
    Complaint::new("no field is in it: every line would be the same").hint(HINT)
}

/// As it is written in a document.
impl fmt::Display for AccessLogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccessLogFormat::Json => f.write_str("json"),
            AccessLogFormat::Combined => f.write_str("combined"),
            AccessLogFormat::Template(pieces) => pieces.iter().try_for_each(|piece| match piece {
                LogPiece::Text(text) => write_literal(text, f),
                LogPiece::Field(field) => write!(f, "{{{field}}}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(text: &str) -> (String, String) {
        let complaint = AccessLogFormat::parse(text).expect_err(text);
        (complaint.message, complaint.hint.unwrap_or_default())
    }

    #[test]
    fn words_and_templates_are_told_apart() {
        assert_eq!(AccessLogFormat::parse("json"), Ok(AccessLogFormat::Json));
        assert_eq!(AccessLogFormat::parse("combined"), Ok(AccessLogFormat::Combined));
        let text = "{client_ip}\t{{\"{status}\"}} {user_agent}";
        let format = AccessLogFormat::parse(text).unwrap();
        let AccessLogFormat::Template(pieces) = &format else { panic!("{format:?}") };
        assert_eq!(pieces[1], LogPiece::Text("\t{\"".into()));
        assert_eq!(pieces[4], LogPiece::Field(LogField::UserAgent));
        assert_eq!(format.to_string(), text);
    }

    #[test]
    fn what_is_neither_is_refused() {
        assert_eq!(refusal("JSON").1, "did you mean `json`?");
        assert_eq!(refusal("combind").1, "did you mean `combined`?");
        assert_eq!(refusal("clf").0, "`clf` is not an access-log format");
        assert!(refusal("").0.contains("``"));
        assert_eq!(refusal("%h %l %u").0, "no field is in it: every line would be the same");
        assert_eq!(refusal("{{}}").0, "no field is in it: every line would be the same");
        assert_eq!(refusal("{status} {").0, "`{` has no partner");
        assert!(refusal("{status").1.contains("`{client_ip}`"));
        assert_eq!(refusal("{status}\n").0, "a line's end cannot be in a line of the access log");
        assert_eq!(refusal("\u{1b}[1m{status}").0, "`\\u{1b}` cannot be in a line of the access log");
        assert_eq!(refusal("$remote_addr {status}").0, "`$remote_addr` would stand for itself");
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_written_back_the_same(text in "([a-c{}$ \"\t]|\\{(ts|status|host)\\}){0,12}") {
            if let Ok(format) = AccessLogFormat::parse(&text) {
                prop_assert_eq!(format.to_string(), text.as_str());
                prop_assert_eq!(AccessLogFormat::parse(&format.to_string()), Ok(format));
            }
        }
    }
}
