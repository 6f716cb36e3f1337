//! Variables as other languages write them, which insert nothing here.

use crate::value::Variable;

/// A variable of nginx in text, which inserts nothing here, and how it is written.
pub(super) fn nginx_variable(text: &str) -> Option<(&str, String)> {
    text.match_indices('$').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_').unwrap_or(rest.len());
        let name = rest.get(..end)?;
        let here = match name {
            "host" | "scheme" | "request_id" | "status" => name.to_owned(),
            "http_host" | "server_name" => "host".to_owned(),
            "request_uri" => "uri".to_owned(),
            "uri" | "document_uri" => "path".to_owned(),
            "args" | "query_string" => "query".to_owned(),
            "remote_addr" => "client_ip".to_owned(),
            "remote_port" => "client_port".to_owned(),
            "request_method" => "method".to_owned(),
            _ => match name.split_once('_')? {
                ("http", header) if !header.is_empty() => format!("header.{}", header.replace('_', "-")),
                ("cookie", cookie) if !cookie.is_empty() => format!("cookie.{cookie}"),
                ("arg", argument) if !argument.is_empty() => format!("query.{argument}"),
                _ => return None,
            },
        };
        Some((text.get(at..at + 1 + name.len())?, here))
    })
}

/// A variable as other templates have it, `{{ client_ip }}` or `%{client_ip}`, and how it is written here.
pub(super) fn variable_of_templates(text: &str) -> Option<(&str, Variable)> {
    text.match_indices(['{', '%']).find_map(|(at, _)| {
        let rest = text.get(at..)?;
        let (open, close) = if rest.starts_with('%') { ("%{", "}") } else { ("{{", "}}") };
        let (name, _) = rest.strip_prefix(open)?.split_once(close)?;
        let variable = Variable::parse(name.trim()).ok()?;
        Some((rest.get(..open.len() + name.len() + close.len())?, variable))
    })
}

/// A variable in text that holds none, where the name can hardly be anything else.
pub(super) fn variable_in_plain_text(text: &str) -> Option<Variable> {
    text.match_indices('{').find_map(|(at, _)| {
        let (name, _) = text.get(at + 1..)?.split_once('}')?;
        if !name.contains(['_', '.']) || name.len() > 100 {
            return None;
        }
        Variable::parse(name).ok()
    })
}
