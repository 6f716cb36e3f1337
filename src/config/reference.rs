//! The manual of the document, written from the very tables that read it.

use super::expectations::WrittenExpectations;
use super::section::Sectioned;
use super::{Absent, Document, Section};
use crate::value::Variable;
use std::fmt::Write;

/// `docs/reference/configuration.md`: every key with its meaning, form, default and an example.
pub fn reference() -> String {
    let mut out = String::from(
        "# gateway.yaml\n\n\
         Every key of the document: what it does, what may stand there, what holds when it is left out, and an example.\n\
         This page is generated from the tables that read the document.\n\n\
         Unknown keys, keys written twice and keys with nothing after them are errors. `${NAME}`, `${NAME:-default}` and\n\
         `${NAME:?message}` in values are replaced from the environment when the document is read; `$${` is a plain `${`, which in\n         texts with variables of a request takes both braces twice: `$${{NAME}}`. They may\n\
         stand in every value, also in numbers, durations and lists (one item each), but not in keys, so not in the names of listeners\n\
         and upstreams.\n\n\
         Under \"when left out\", a value is the default, \"an error\" means that the key is required, \"defaults of its keys\" that the\n\
         section holds with its own defaults, and \"allowed\" that the meaning says what holds then. How changes take effect, and\n\
         which need a restart, is in [operation.md](operation.md).\n\n\
         Durations are written `250ms`, `5s`, `1m`, `2h`, `90d`; sizes `10MiB`, `128KiB`, or a bare number of bytes; rates `500/s`; shares `20%`.\n\n\
         What the document may say and probably does not mean is warned of: [lints.md](lints.md). Directives (`%YAML`) and tags (`!…`) are\n\
         no part of the language.\n\n\
         ## Several files\n\n\
         `include` makes other files part of the document, which must be valid as a whole; no file needs to be so alone. Included files hold\n\
         the same keys, at most 1,000 files and 256 MiB together.\n\n\
         ```yaml\n\
         version: 1\n\
         include: [\"routes.d/*.yaml\"]\n\
         listeners:\n  \
           web: { address: \":8080\" }\n\
         routes:\n  \
           - { match: { path: /ping }, respond: { body: pong } }\n\
         ```\n\n\
         - `routes` of all files are one list; `upstreams`, `listeners` and `acme` of all files are one map each, and a name that is written twice is an\n  \
           error that shows both places. Every other key (`defaults`, `admin`, `observability`, `threads` and so on) stands in one file only.\n\
         - `version` is needed in the main file, and `include` stands nowhere else. Anchors do not reach into other files.\n\
         - A plain path must exist. A pattern may match nothing, so an empty `routes.d` is no error. It matches no name that starts with a dot, and\n  \
           no directory. Matches are read in the order of their paths, each file once however many items name it.\n\
         - An included file that is empty, or holds comments only, is an error: mostly something was cut off.\n",
    );
    variables(&mut out);
    section(&mut out, "", &Document::SECTION);
    out
}

/// `docs/reference/expectations.md`: every key of the files of `wharf test`.
pub fn expectations_reference() -> String {
    let mut out = String::from(
        "# Test files\n\n\
         Every key of the files that `wharf test` reads: what it does, what may stand there, what holds when it is left out, and an example.\n\
         This page is generated from the tables that read them. How they are used is in\n\
         [test a configuration](../how-to/test-a-configuration.md).\n\n\
         They are YAML, read as strictly as [gateway.yaml](configuration.md): unknown keys and keys with nothing after them are errors, and\n\
         `${NAME}` in values is replaced from the environment.\n",
    );
    section(&mut out, "", &WrittenExpectations::SECTION);
    out
}

fn variables(out: &mut String) {
    out.push_str(
        "\n## Variables\n\n\
         Facts of a request that stand in the `to` of `redirect`, in `rewrite` and in `headers` of a route. Such texts want quotes: `\"{host}\"`.\n\
         What a request does not have is inserted as nothing. A value stands as it was forwarded, percent-encoded where it was; none brings a\n\
         control byte into a header. `{{` and `}}` are the braces themselves.\n\n\
         | variable | what it is |\n|---|---|\n",
    );
    for (name, meaning) in Variable::manual() {
        let _ = writeln!(out, "| `{name}` | {meaning} |");
    }
}

fn section(out: &mut String, path: &str, this: &'static Section) {
    let title = if path.is_empty() { "The document" } else { path };
    let marks = if path.is_empty() { title.to_owned() } else { format!("`{title}`") };
    let _ = write!(out, "\n## {marks}\n\n{}\n\n", flow(this.manual));
    out.push_str("| key | value | when left out | meaning | example |\n|---|---|---|---|---|\n");
    for key in this.keys {
        let absent = match key.absent {
            Absent::Required => "an error".to_owned(),
            Absent::Unless(path) => format!("an error, unless `{path}` is written"),
            Absent::Default(text) => format!("`{text}`"),
            Absent::Within => "defaults of its keys".to_owned(),
            Absent::Nothing => "allowed".to_owned(),
        };
        let name = key.name;
        let _ = writeln!(
            out,
            "| `{name}` | {} | {absent} | {} | `{name}: {}` |",
            cell(key.form),
            cell(&flow(key.manual)),
            cell(key.example)
        );
    }
    if !this.later.is_empty() {
        let later: Vec<String> = this.later.iter().map(|key| format!("`{key}`")).collect();
        let _ = writeln!(out, "\nKnown, but refused until something obeys them: {}.", later.join(", "));
    }
    for key in this.keys {
        if let Some(within) = key.section {
            let dot = if path.is_empty() { "" } else { "." };
            let suffix = match key.form {
                "sections by name" => ".NAME",
                form if form.starts_with("section") => "",
                _ => "[]",
            };
            section(out, &format!("{path}{dot}{}{suffix}", key.name), within);
        }
    }
}

/// A doc comment's lines as one.
fn flow(manual: &str) -> String {
    manual.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::section::{Key, Section};
    use crate::config::{ActionConfig, parse};

    /// A section with every key at the manual's example.
    fn written(section: &Section, leave_out: &[&str]) -> String {
        let pairs: Vec<String> = section
            .keys
            .iter()
            .filter(|key| !leave_out.contains(&key.name))
            .map(|key| format!("{}: {}", key.name, value(key)))
            .collect();
        format!("{{ {} }}", pairs.join(", "))
    }

    fn value(key: &Key) -> String {
        match (key.form, key.section, key.name) {
            ("section", Some(within), "active") => written(within, &["tcp"]),
            ("section", Some(within), "tls") => written(within, &["verify"]),
            ("section", Some(within), "docker") => written(within, &["tls"]),
            ("section", Some(within), "respond") => written(within, &["body_file"]),
            ("section", Some(within), "rewrite") => written(within, &["strip_prefix", "replace_prefix", "path"]),
            ("section", Some(within), _) => written(within, &[]),
            ("sections by name", Some(within), "listeners") => {
                let plain = "{ address: \":80\", redirect_to_https: true }";
                format!("{{ web: {}, plain: {plain} }}", written(within, &["redirect_to_https"]))
            }
            ("sections by name", Some(within), "acme") => {
                format!("{{ letsencrypt: {} }}", written(within, &["staging"]))
            }
            ("sections by name", Some(within), _) => {
                let discover = within.keys.iter().find(|key| key.name == "discover").and_then(|key| key.section);
                let sources = discover.map_or(&[][..], |discover| discover.keys).iter();
                let found: Vec<String> = sources
                    .map(|key| format!("found-{0}: {{ discover: {{ {0}: {1} }} }}", key.name, key.example))
                    .collect();
                let app = written(within, &["discover"]);
                format!("{{ app: {app}, canary: {{ endpoints: [app-3:3000] }}, {} }}", found.join(", "))
            }
            (_, Some(route), "routes") => {
                let one = |path: &str, action: &str| {
                    let key = route.keys.iter().find(|key| key.name == action).map(value).unwrap_or_default();
                    format!("{{ match: {{ path: {path} }}, {action}: {key} }}")
                };
                let full = written(route, &["split", "redirect", "respond"]);
                format!("[{full}, {}, {}, {}]", one("/a", "redirect"), one("/b", "respond"), one("/c", "split"))
            }
            _ => key.example.to_owned(),
        }
    }

    #[test]
    fn every_example_of_the_manual_can_be_copied() {
        let text = written(&Document::SECTION, &[]);
        let document = parse("examples.yaml", &text).unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(document.routes.len(), 4);
        assert!(matches!(document.routes[1].action, ActionConfig::Redirect(_)));
        assert!(matches!(document.routes[3].action, ActionConfig::Split(_)));
        assert_eq!(document.routes[0].name(), "app");
    }
}
