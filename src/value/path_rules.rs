//! What a path pattern may hold: what no path in its normal form has would never match, and is refused with the right spelling.

use super::path_pattern::name_of;
use super::{Complaint, PathKind, is_identifier};

/// The most segments of a pattern.
const SEGMENTS_MAX: usize = 128;
/// The longest name of a `{name}` segment.
const NAME_LONGEST: usize = 32;

/// `{name}` stands for one whole segment, each name once.
pub(super) fn check_names(text: &str, kind: PathKind, literal: &str) -> Result<(), Complaint> {
    let mut names = Vec::new();
    let segments: Vec<&str> = literal.split('/').skip(1).collect();
    if segments.len() > SEGMENTS_MAX {
        return Err(Complaint::new(format!("a path pattern has at most {SEGMENTS_MAX} segments")));
    }
    for (at, segment) in segments.iter().enumerate() {
        if !segment.contains(['{', '}']) {
            continue;
        }
        let name = name_of(segment).filter(|name| !name.contains(['{', '}']));
        let Some(name) = name else {
            return Err(Complaint::new("`{name}` stands for a whole segment of a path")
                .hint("write for example `/item/{id}`, or a regular expression: `'~ ^/item-(?<id>[^/]+)$'`"));
        };
        if kind == PathKind::Prefix && at + 1 == segments.len() {
            return Err(Complaint::new("nothing can follow `{name}` within its segment")
                .hint(format!("write `{}/*` for all below it", text.trim_end_matches('*'))));
        }
        if let Some((bare, expression)) = name.split_once(':').filter(|(bare, _)| is_identifier(bare)) {
            let before = segments[..at].join("/");
            return Err(Complaint::new("a segment's name holds no expression").hint(format!(
                "write `{{{bare}}}` for any segment, or a regular expression: `'~ ^/{before}{}(?<{bare}>{expression})$'`",
                if at == 0 { "" } else { "/" }
            )));
        }
        if let Some(bare) = name.strip_suffix('*').or_else(|| name.strip_suffix("...")).filter(|b| is_identifier(b)) {
            return Err(Complaint::new(format!("`{{{bare}}}` is one segment, not several"))
                .hint("write `/*` at the end for all below, or a regular expression: `'~ ^/x/(?<rest>.*)$'`"));
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || name.len() > NAME_LONGEST
            || !name.chars().all(word)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(Complaint::new(format!("`{name}` cannot be the name of a segment")).hint(format!(
                "letters, digits and `_`, at most {NAME_LONGEST} and no digit in front, such as `{{id}}`"
            )));
        }
        if names.contains(&name) {
            return Err(
                Complaint::new(format!("two segments are called `{name}`")).hint("give one of them another name")
            );
        }
        names.push(name);
    }
    Ok(())
}

pub(super) fn check_bytes(text: &str, literal: &str) -> Result<(), Complaint> {
    for (at, byte) in literal.bytes().enumerate() {
        match byte {
            b'*' => {
                return Err(Complaint::new("`*` stands only at the end of a path").hint(
                    if literal.trim_end_matches('*').contains('*') {
                        "write `/x/*` for all below `/x`, `/x*` for all that starts so, or `{name}` for one segment"
                            .to_owned()
                    } else {
                        format!("write `{}*`", text.trim_end_matches('*'))
                    },
                ));
            }
            // whole segments, which were looked at
            b'{' | b'}' => {}
            b'?' => {
                return Err(Complaint::new("a path holds no query").hint(format!("write `{}`", &literal[..at])));
            }
            b'#' => {
                return Err(Complaint::new("a path holds no fragment: clients never send one")
                    .hint(format!("write `{}`", &literal[..at])));
            }
            b';' => {
                return Err(Complaint::new("a path with `;` never matches: services disagree on what `;` means")
                    .hint(format!("write `{}*`", &literal[..at])));
            }
            b'\\' => {
                return Err(Complaint::new("a path holds no backslash: it would never match")
                    .hint(format!("write `{}`", text.replace('\\', "/"))));
            }
            b'%' => check_escape(literal, at)?,
            0x21..=0x7e if !b"\"<>^`|".contains(&byte) => {}
            _ => return Err(needs_escape(text, literal, at)),
        }
    }
    Ok(())
}

/// Normalisation decodes letters, digits and `-._~`, writes other escapes in capitals, and lets neither slash be hidden.
fn check_escape(literal: &str, at: usize) -> Result<(), Complaint> {
    let digits = literal.as_bytes().get(at + 1..at + 3).filter(|two| two.iter().all(u8::is_ascii_hexdigit));
    let Some(Ok(digits)) = digits.map(std::str::from_utf8) else {
        return Err(Complaint::new("`%` is followed by two hexadecimal digits").hint("write `%25` for a percent sign"));
    };
    let byte = u8::from_str_radix(digits, 16).unwrap_or(0);
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        return Err(Complaint::new(format!("`%{digits}` is decoded before paths are compared"))
            .hint(format!("write `{}`", char::from(byte))));
    }
    if byte == b'/' || byte == b'\\' || byte == b';' || byte.is_ascii_control() {
        return Err(Complaint::new(format!(
            "a path with `%{digits}` never matches: services disagree on what it means"
        )));
    }
    if digits.bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(Complaint::new(format!("`%{digits}` is compared in capitals"))
            .hint(format!("write `%{}`", digits.to_ascii_uppercase())));
    }
    Ok(())
}

fn needs_escape(text: &str, literal: &str, at: usize) -> Complaint {
    let odd = literal[at..].chars().next().unwrap_or(' ');
    if odd.is_control() {
        return Complaint::new(format!("a path holds no `{}`", odd.escape_default()));
    }
    let named = |segment: &str| segment.strip_prefix('<')?.strip_suffix('>').map(is_identifier);
    if odd == '<' && text.split('/').any(|segment| named(segment) == Some(true)) {
        return Complaint::new("a segment of any name is written in braces")
            .hint(format!("write `{}`", text.replace('<', "{").replace('>', "}")));
    }
    let mut escaped = String::new();
    for c in text.chars() {
        if c.is_ascii_graphic() && !"\"<>^`|".contains(c) {
            escaped.push(c);
        } else {
            let mut utf8 = [0; 4];
            escaped.extend(c.encode_utf8(&mut utf8).bytes().map(|b| format!("%{b:02X}")));
        }
    }
    Complaint::new(format!("`{odd}` arrives percent-encoded in a path")).hint(format!("write `{escaped}`"))
}

/// Whole segments only: the last one of a prefix goes on.
pub(super) fn check_segments(text: &str, kind: PathKind, literal: &str) -> Result<(), Complaint> {
    if text.contains("//") {
        let mut merged = text.to_owned();
        while merged.contains("//") {
            merged = merged.replace("//", "/");
        }
        return Err(Complaint::new("slashes are merged before paths are compared").hint(format!("write `{merged}`")));
    }
    let mut segments = literal.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let open = kind == PathKind::Prefix && segments.peek().is_none();
        if (segment == "." || segment == "..") && !open {
            return Err(Complaint::new(format!("`{segment}` segments are resolved before paths are compared"))
                .hint("write the path without them"));
        }
    }
    Ok(())
}
