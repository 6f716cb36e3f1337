//! `${NAME}` in values: replaced from the environment when the document is read.

use crate::value::{Complaint, Variable};
use std::borrow::Cow;

/// Looks an environment variable up; `None` is unset.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The longest text a value may expand to.
const LONGEST: usize = 1 << 20;

/// Replaces `${NAME}`, `${NAME:-default}` and `${NAME:?message}`; `$${` stands for `${`; any other `$` for itself.
/// A variable that is set but empty counts as unset for the two longer forms, as in a shell.
pub(super) fn expand<'t>(text: &'t str, environment: Environment<'_>) -> Result<Cow<'t, str>, Complaint> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        let (before, inside) = (&rest[..dollar], &rest[dollar + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = inside;
            continue;
        }
        out.push_str(before);
        let Some((reference, after)) = inside.split_once('}') else {
            return Err(Complaint::new("`${` has no closing `}`")
                .hint("write `$${` for the characters themselves")
                .part(format!("${{{inside}")));
        };
        let value = one(reference, environment);
        out.push_str(&value.map_err(|complaint| complaint.part(format!("${{{reference}}}")))?);
        if out.len() > LONGEST {
            return Err(Complaint::new("the value is longer than 1 MiB once its variables are inserted"));
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// What was inserted into a text that could be expanded: each variable's value, and how it is written.
pub(super) fn inserted<'t>(text: &'t str, environment: Environment<'_>) -> Vec<(Cow<'t, str>, &'t str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(dollar) = text[at..].find("${").map(|dollar| at + dollar) {
        at = dollar + 2;
        if text[..dollar].ends_with('$') {
            continue;
        }
        let Some(end) = text[at..].find('}').map(|end| at + end) else { break };
        if let Ok(value) = one(&text[at..end], environment) {
            found.push((value, &text[dollar..=end]));
        }
        at = end + 1;
    }
    found
}

fn one<'r>(reference: &'r str, environment: Environment<'_>) -> Result<Cow<'r, str>, Complaint> {
    let name_end = reference.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(reference.len());
    let (name, rest) = reference.split_at(name_end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        let complaint = Complaint::new(format!("`${{{reference}}}` names no environment variable"));
        let bare = reference.trim();
        let is_name = bare.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return Err(match is_name {
            true => complaint.hint(format!("write `${{{bare}}}`, without blanks")),
            false => complaint.hint("write `${NAME}`, or `$${` for the characters themselves"),
        });
    }
    let value = environment(name);
    if rest.is_empty() {
        return value.map(Cow::Owned).ok_or_else(|| {
            let complaint = Complaint::new(format!("the environment variable `{name}` is not set"));
            match Variable::parse(name) {
                Ok(variable) => complaint.hint(format!("a variable of the request is written `{variable}`")),
                Err(_) => complaint.hint(format!("set it, or write `${{{name}:-default}}`")),
            }
        });
    }
    let lacks = if value.is_some() { "is empty" } else { "is not set" };
    let value = value.filter(|value| !value.is_empty());
    if let Some(default) = rest.strip_prefix(":-") {
        if default.contains("${") {
            return Err(Complaint::new("a default holds no variable of its own").hint("write a fixed text after `:-`"));
        }
        return Ok(value.map_or(Cow::Borrowed(default), Cow::Owned));
    }
    if let Some(message) = rest.strip_prefix(":?") {
        return value
            .map(Cow::Owned)
            .ok_or_else(|| Complaint::new(format!("the environment variable `{name}` {lacks}")).hint(message));
    }
    let complaint = Complaint::new(format!("`${{{reference}}}` is not a form of variable"));
    Err(match rest.strip_prefix(['-', '?', ':']) {
        // as a shell would take them, where empty is set
        Some(text) if rest.starts_with('-') => complaint.hint(format!("write `${{{name}:-{text}}}`")),
        Some(text) if rest.starts_with('?') => complaint.hint(format!("write `${{{name}:?{text}}}`")),
        Some(text) if !text.is_empty() => complaint.hint(format!("write `${{{name}:-{text}}}`")),
        _ => complaint.hint(format!("write `${{{name}}}`, `${{{name}:-default}}` or `${{{name}:?message}}`")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("db".to_owned()),
            "EMPTY" => Some(String::new()),
            "SNEAKY" => Some("${HOST}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_inserted_once_and_nothing_else_changes() {
        for (text, expanded) in [
            ("plain $HOST $", "plain $HOST $"),
            ("${HOST}:80", "db:80"),
            ("${HOST}${HOST}", "dbdb"),
            ("a${NONE:-b c}d", "ab cd"),
            ("${EMPTY}", ""),
            ("${EMPTY:-x}", "x"),
            ("${HOST:-x}", "db"),
            ("${HOST:?set it}", "db"),
            ("$${HOST}", "${HOST}"),
            ("$$${HOST}", "$${HOST}"),
            ("${SNEAKY}", "${HOST}"),
            ("ø${HOST}ø", "ødbø"),
        ] {
            assert_eq!(expand(text, &environment).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn each_variable_is_known_by_what_it_came_to() {
        let inserted = inserted("/${HOST}/$${HOST}/{id}/${NONE:-x}{b}", &environment);
        assert_eq!(inserted, [("db".into(), "${HOST}"), ("x".into(), "${NONE:-x}")]);
    }

    #[test]
    fn what_cannot_be_inserted_is_an_error() {
        for (text, message) in [
            ("${NONE}", "the environment variable `NONE` is not set"),
            ("${NONE:?set NONE}", "the environment variable `NONE` is not set"),
            ("${HOST", "`${` has no closing `}`"),
            ("${}", "`${}` names no environment variable"),
            ("${1}", "`${1}` names no environment variable"),
            ("${HOST:+x}", "`${HOST:+x}` is not a form of variable"),
            ("${HOST:-${X}}", "a default holds no variable of its own"),
        ] {
            assert_eq!(expand(text, &environment).unwrap_err().message, message, "{text}");
        }
        assert_eq!(expand("${NONE:?set NONE}", &environment).unwrap_err().hint.as_deref(), Some("set NONE"));
    }
}
