//! Lines of a message head and their grammar (RFC 9110 section 5, RFC 9112 sections 2 and 5).

/// How forgiving to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grammar {
    /// What a gateway may write: the letter of the RFC, in its narrowest reading.
    Strict,
    /// What a gateway may accept from a client: bare LF ends a line of a head, empty lines before a request, HTTP/1.0,
    /// absolute form, chunk extensions.
    AsSent,
}

/// Header or trailer fields in the order they came, values as Latin-1 so that no byte is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The value of the only field of this name.
    pub fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "`{name}` came {} times: {all:?}", all.len());
        all.first().copied()
    }

    /// The values of all fields of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// Whether a list field names a token, case aside.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name).iter().flat_map(|v| v.split(',')).any(|t| t.trim().eq_ignore_ascii_case(token))
    }
}

/// The lines of a head and the length of all of it.
pub type Head<'a> = (Vec<&'a [u8]>, usize);

/// Splits a head into its lines, if its empty line has come.
pub fn head_lines(bytes: &[u8], grammar: Grammar) -> Result<Option<Head<'_>>, String> {
    let mut lines = Vec::new();
    let mut at = 0;
    while let Some(newline) = bytes[at..].iter().position(|b| *b == b'\n') {
        let line = &bytes[at..at + newline];
        at += newline + 1;
        let line = match (line.strip_suffix(b"\r"), grammar) {
            (Some(line), _) => line,
            (None, Grammar::AsSent) => line,
            (None, Grammar::Strict) => return Err(format!("bare LF after {}", show(line))),
        };
        if !line.is_empty() {
            lines.push(line);
        } else if !lines.is_empty() {
            return Ok(Some((lines, at)));
        } else if grammar == Grammar::Strict {
            return Err("an empty line before the first line".into());
        }
    }
    Ok(None)
}

/// Parses the lines after the first one.
pub fn fields(lines: &[&[u8]]) -> Result<Fields, String> {
    lines.iter().map(|line| field(line)).collect::<Result<_, _>>().map(Fields)
}

fn field(line: &[u8]) -> Result<(String, String), String> {
    let colon = line.iter().position(|b| *b == b':').ok_or_else(|| format!("no colon in {}", show(line)))?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    if !is_token(name) {
        return Err(format!("field name is no token: {}", show(name)));
    }
    if let Some(bad) = value.iter().find(|b| **b != b'\t' && (**b < 0x20 || **b == 0x7f)) {
        return Err(format!("control byte {bad:#04x} in the value of {}", show(name)));
    }
    Ok((latin1(name), latin1(value)))
}

/// Whether all bytes are token characters, and there is one.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// A number of decimal digits and nothing else.
pub fn decimal(value: &str) -> Option<usize> {
    (!value.is_empty() && value.bytes().all(|b| b.is_ascii_digit())).then(|| value.parse().ok())?
}

/// Every byte as the character of the same number.
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| *b as char).collect()
}

/// Bytes for a message to a person.
pub fn show(bytes: &[u8]) -> String {
    let more = if bytes.len() > 200 { "…" } else { "" };
    format!("\"{}{more}\"", bytes[..bytes.len().min(200)].escape_ascii())
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
