//! `rewrite`: what path is forwarded in place of the client's.

use super::declare::section;
use super::expand::expand;
use super::form::Form;
use super::node::Kind;
use super::reading::Reading;
use super::scope::{Purpose, Scope};
use super::section::{Fields, Sectioned};
use super::shape::Shape;
use super::{Diagnostic, Spanned};
use crate::policy::is_clean;
use crate::value::{
    Complaint, Expression, PathKind, PathPattern, Replacement, ReplacementPart, Segment, Template, Variable,
};

/// What is forwarded in place of the path. The query stays, unless the new path brings one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RewriteConfig {
    /// These leading segments are taken off.
    StripPrefix(Box<str>),
    /// The leading segments of the route's path that are no captures are replaced by these.
    ReplacePrefix(Box<str>),
    /// The whole path is this.
    Path(Template),
    /// What the expression finds first in the path is replaced; a path in which it finds nothing stays as it is.
    Regex {
        /// What is looked for.
        regex: Expression,
        /// What takes its place.
        to: Replacement,
    },
}

section! { "`rewrite`",
    /// What path is forwarded in place of the client's: exactly one of `strip_prefix`, `replace_prefix`, `path` and `regex`.
    /// Matching, redirects and logs know the path as it came. The query stays, unless `path` or `to` hold a `?`.
    pub struct WrittenRewrite {
        /// Takes these leading segments off: with `/v1`, `/v1/user` is forwarded as `/user`, and `/v1` as `/`. The path of
        /// `match` must begin with them; on a regular expression, paths that do not begin so stay as they are.
        "strip_prefix" => strip_prefix: Option<Spanned<Box<str>>>, optional(PREFIX);
        /// Puts these segments in place of the path of `match` up to its star or its first `{name}`: on `/v1/*`, with `/v2`,
        /// `/v1/user` is forwarded as `/v2/user`. Not for regular expressions.
        "replace_prefix" => replace_prefix: Option<Spanned<Box<str>>>, optional(NEW_PREFIX);
        /// The whole path, with variables: `/x{path}`, `/users/{capture.id}`.
        "path" => path: Option<Spanned<Template>>, optional(PATH);
        /// A regular expression, in single quotes. What it finds first in the path is replaced by `to`; a path in which it
        /// finds nothing stays as it is. Between `^` and `$` it speaks of the whole path.
        "regex" => regex: Option<Spanned<Expression>>, optional(REGEX);
        /// What takes the place of what `regex` finds: text with variables, `$1` to `$9` for the expression's groups and
        /// `$name` or `{capture.name}` for those with a name. `$$` is a dollar sign.
        "to" => to: Option<Spanned<Box<str>>>, optional(TO);
    }
    later []
    exactly one of ["strip_prefix", "replace_prefix", "path", "regex"]
    checked by one_way
}

const WAYS: [&str; 4] = ["strip_prefix", "replace_prefix", "path", "regex"];

fn one_way(_: &WrittenRewrite, fields: &Fields<'_, '_>) {
    let mut ways = WAYS.iter().filter_map(|name| fields.place(name));
    let to = fields.place("to");
    match (ways.next(), ways.next()) {
        // what is misspelt was to be one
        (None, _) if !fields.are_sound() => {}
        (None, _) => {
            let at = to.unwrap_or(fields.reading.first_line(fields.owner));
            let diagnostic = Diagnostic::error(at, "`rewrite` needs one way to rewrite");
            fields.reading.tell(diagnostic.hint(match to {
                Some(_) => "write `regex` beside `to`, or `path` in its place",
                None => "write one of `strip_prefix`, `replace_prefix`, `path` and `regex`",
            }));
        }
        (Some(first), Some(second)) => fields.reading.tell(
            Diagnostic::error(second, "a path is rewritten in exactly one way")
                .label("a second one")
                .other(first, "the first one")
                .hint("leave one out"),
        ),
        (Some(way), None) => match (fields.place("regex"), to) {
            (Some(_), None) => fields.missing("to", "'/$1/new'"),
            (None, Some(to)) => fields.reading.tell(
                Diagnostic::error(to, "`to` has no effect without `regex`")
                    .other(way, "the path is rewritten by this")
                    .hint("leave it out"),
            ),
            _ => {}
        },
    }
}

impl WrittenRewrite {
    /// What it comes to on a route with this path; complains about what does not fit there.
    pub(super) fn on(self, scope: &Scope<'_>, reading: &Reading<'_>) -> Option<RewriteConfig> {
        let WrittenRewrite { strip_prefix, replace_prefix, path, regex, to } = self;
        let checked = |at, checked: Result<(), Complaint>| {
            checked.map_err(|complaint| reading.tell(Diagnostic::complaint(at, complaint))).ok()
        };
        if let Some(prefix) = strip_prefix {
            checked(prefix.at, scope.path.map_or(Ok(()), |path| strippable(&prefix, path)))?;
            return Some(RewriteConfig::StripPrefix(prefix.value));
        }
        if let Some(prefix) = replace_prefix {
            checked(prefix.at, scope.path.map_or(Ok(()), |path| replaceable(&prefix, path)))?;
            return Some(RewriteConfig::ReplacePrefix(prefix.value));
        }
        if let Some(path) = path {
            checked(path.at, scope.check(Purpose::Rewrite, path.variables()))?;
            scope.warn_of_groups(Purpose::Rewrite, &path, path.at, reading);
            return Some(RewriteConfig::Path(path.value));
        }
        let (regex, to) = (regex?, to?);
        let replacement = match Replacement::parse(&to, &regex) {
            Ok(replacement) => replacement,
            Err(complaint) => {
                reading.tell(Diagnostic::complaint(to.at, complaint).other(regex.at, "the expression"));
                return None;
            }
        };
        checked(to.at, check_replacement(&replacement))?;
        checked(to.at, scope.check(Purpose::Rewrite, replacement.variables()))?;
        Some(RewriteConfig::Regex { regex: regex.value, to: replacement })
    }
}

pub(super) const REWRITE: Form<WrittenRewrite> = Form {
    form: "section",
    example: "{ … }",
    shape: Shape::Section(&WrittenRewrite::SECTION),
    read: |node, reading| {
        if let Kind::Text(text) = &node.kind {
            let diagnostic = Diagnostic::error(node.at, "`rewrite` is a map, not text");
            reading.tell(diagnostic.hint(match text.starts_with('/') {
                true => format!("write `{{ path: {text} }}`, or `{{ strip_prefix: {text} }}`"),
                false => {
                    "write for example `{ strip_prefix: /v1 }`, or `{ regex: '^/v1/(.*)$', to: '/$1' }`".to_owned()
                }
            }));
            return None;
        }
        WrittenRewrite::read(node, node.at, reading)
    },
};

const PREFIX: Form<Spanned<Box<str>>> = Form {
    form: "whole segments of a path",
    example: "/v1",
    shape: Shape::Word(r"^/[^?#;\\\s*{}]*$"),
    read: |node, reading| reading.spanned(node, "a prefix", prefix),
};

const NEW_PREFIX: Form<Spanned<Box<str>>> = Form { example: "/v2", ..PREFIX };

const PATH: Form<Spanned<Template>> = Form {
    form: "a path with variables",
    example: "\"/x{path}\"",
    shape: Shape::Word(r"^(/|\{path\})[!-~]*$"),
    read: |node, reading| {
        let path = reading.template(node, "a path", |text| {
            let template = Template::parse(text)?;
            check_path(text, &template)?;
            Ok(template)
        });
        path.map(|value| Spanned { value, at: node.at })
    },
};

const REGEX: Form<Spanned<Expression>> = Form {
    form: "a regular expression",
    example: "'^/(\\w+)/old'",
    shape: Shape::Text,
    read: |node, reading| reading.spanned(node, "a regular expression", Expression::parse),
};

const TO: Form<Spanned<Box<str>>> = Form {
    form: "text with groups and variables",
    example: "'/$1/new'",
    shape: Shape::Word("^[!-~]*$"),
    read: |node, reading| {
        if let Kind::Text(text) = &node.kind
            && let Err(complaint) = expand(text, reading.environment)
        {
            let hint = "to insert a group, write `$1`, `$name` or `{capture.name}`: `${…}` is the environment's";
            reading.tell(Diagnostic::complaint(node.at, complaint.hint(hint)));
            return None;
        }
        reading.spanned(node, "a replacement", |text| {
            check_bytes(text)?;
            Ok(text.into())
        })
    },
};

/// Segments as they stand in a path's normal form.
fn prefix(text: &str) -> Result<Box<str>, Complaint> {
    let whole = "a prefix is made of whole segments";
    if let Some(segments) = text.strip_suffix("/*").or_else(|| text.strip_suffix('*')) {
        let segments = if segments.is_empty() { "/" } else { segments };
        return Err(Complaint::new(whole).hint(format!("write `{segments}`, without the star")));
    }
    if text.contains(['{', '}']) {
        return Err(Complaint::new("a prefix holds no variables").hint("write `path` in its place, such as `/x{path}`"));
    }
    if matches!(text, "true" | "yes" | "on") {
        return Err(Complaint::new("a prefix is the segments themselves").hint("write them, such as `/api`"));
    }
    if text.starts_with('~') {
        return Err(Complaint::new("a prefix is no regular expression").hint("write `regex` and `to` in its place"));
    }
    PathPattern::parse(text)?;
    match text.strip_suffix('/') {
        Some(segments) if !segments.is_empty() => {
            Err(Complaint::new(whole).hint(format!("write `{segments}`, without the slash at its end")))
        }
        _ => Ok(text.into()),
    }
}

fn strippable(prefix: &str, path: &PathPattern) -> Result<(), Complaint> {
    if prefix == "/" {
        return Err(Complaint::new("without its first slash a path is none").hint("leave `rewrite` out"));
    }
    let leading = path.leading_segments();
    let fits = leading.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if fits || path.kind == PathKind::Regex {
        return Ok(());
    }
    let complaint = Complaint::new(format!("the paths of this route do not begin with the segments `{prefix}`"));
    let first = leading.match_indices('/').nth(1).map_or(leading, |(at, _)| &leading[..at]);
    Err(complaint.hint(match first {
        "" | "/" => format!("write it into the path of `match`: `{prefix}{}`", display_below(path)),
        _ if first == leading => format!("`{leading}` can be stripped from `{path}`"),
        _ => format!("`{first}` to `{leading}` can be stripped from `{path}`"),
    }))
}

/// What follows a prefix that is put before a path.
fn display_below(path: &PathPattern) -> String {
    match path.kind {
        PathKind::Subtree => path.to_string(),
        _ => "/*".to_owned(),
    }
}

fn replaceable(prefix: &str, path: &PathPattern) -> Result<(), Complaint> {
    if path.kind == PathKind::Regex {
        return Err(Complaint::new("a regular expression has no leading segments to replace")
            .hint("write `regex` and `to` in its place"));
    }
    let replaced = match path.kind {
        PathKind::Prefix if !path.has_names() => &path.literal,
        _ => path.leading_segments(),
    };
    if replaced == prefix {
        return Err(Complaint::new(format!("`{prefix}` would be replaced by itself")).hint("leave `rewrite` out"));
    }
    Ok(())
}

/// A path starts with one slash.
fn check_path(text: &str, template: &Template) -> Result<(), Complaint> {
    check_bytes(text)?;
    let starts_well = match template.segments.first() {
        Some(Segment::Variable(variable)) => *variable == Variable::Path,
        Some(Segment::Literal(text)) => text.starts_with('/') && !text.starts_with("//"),
        None => false,
    };
    check_uri(template.variables())?;
    if !starts_well {
        return Err(Complaint::new("a path starts with one `/`").hint(match text.contains("://") {
            true => "write the path alone: the upstream says where it goes, and `headers.request` can set `Host`",
            false => "write for example `\"/x{path}\"`",
        }));
    }
    if text.contains("/{path}") {
        return Err(Complaint::new("`{path}` starts with a slash of its own")
            .hint(format!("write `{}`", text.replace("/{path}", "{path}"))));
    }
    let shape = |segment: &Segment| match segment {
        Segment::Literal(text) => text.clone(),
        Segment::Variable(_) => "x".into(),
    };
    check_shape(&template.segments.iter().map(shape).collect::<String>())
}

/// What would be refused whatever the request; a variable stands there as an `x`.
fn check_shape(path: &str) -> Result<(), Complaint> {
    let path = path.split('?').next().unwrap_or_default();
    if let Some(odd) = path.chars().find(|c| "\"<>\\".contains(*c)) {
        return Err(Complaint::new(format!("a path holds no `{odd}`")).hint("percent-encode it"));
    }
    match is_clean(path.as_bytes()) {
        true => Ok(()),
        false => Err(Complaint::new("a path that is forwarded holds no `.` or `..` segments and no broken `%`")
            .hint("write the path without them, and `%25` for a percent sign")),
    }
}

/// A replacement may stand anywhere in a path, so it need not start with a slash.
fn check_replacement(to: &Replacement) -> Result<(), Complaint> {
    check_uri(to.variables())?;
    let shape = |part: &ReplacementPart| match part {
        ReplacementPart::Literal(text) => text.clone(),
        ReplacementPart::Group(_) | ReplacementPart::Variable(_) => "x".into(),
    };
    check_shape(&to.parts.iter().map(shape).collect::<String>())?;
    match to.parts.first() {
        Some(ReplacementPart::Literal(text)) if text.contains("://") => Err(Complaint::new("a path holds no host")
            .hint("write the path alone: the upstream says where it goes, and `headers.request` can set `Host`")),
        _ => Ok(()),
    }
}

fn check_uri<'v>(mut variables: impl Iterator<Item = &'v Variable>) -> Result<(), Complaint> {
    match variables.any(|variable| *variable == Variable::Uri) {
        true => {
            Err(Complaint::new("`{uri}` would bring the query into the path").hint("write `{path}`: the query stays"))
        }
        false => Ok(()),
    }
}

fn check_bytes(text: &str) -> Result<(), Complaint> {
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(Complaint::new(format!("a path holds no `{}`", odd.escape_debug())).hint("percent-encode it"));
    }
    match text.contains('#') {
        true => Err(Complaint::new("a path holds no fragment").hint("write `%23` for the character itself")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> PathPattern {
        PathPattern::parse(text).expect(text)
    }

    #[test]
    fn only_leading_segments_can_be_stripped() {
        for (prefix, pattern) in [("/v1", "/v1/*"), ("/v1", "/v1/user/*"), ("/v1/user", "/v1/user"), ("/v1", "/v1/us*")]
        {
            assert_eq!(strippable(prefix, &path(pattern)), Ok(()), "{prefix} {pattern}");
        }
        for (prefix, pattern, hint) in [
            ("/v2", "/v1/user/*", "`/v1` to `/v1/user` can be stripped from `/v1/user/*`"),
            ("/v", "/v1/*", "`/v1` can be stripped from `/v1/*`"),
            ("/v1/us", "/v1/us*", "`/v1` can be stripped from `/v1/us*`"),
            ("/v1", "/*", "write it into the path of `match`: `/v1/*`"),
            ("/", "/v1/*", "leave `rewrite` out"),
        ] {
            let complaint = strippable(prefix, &path(pattern)).unwrap_err();
            assert_eq!(complaint.hint.as_deref(), Some(hint), "{prefix} {pattern}");
        }
    }

    #[test]
    fn prefixes_are_whole_segments() {
        assert_eq!(prefix("/v1/user").as_deref(), Ok("/v1/user"));
        for (text, hint) in [
            ("/v1/", "write `/v1`, without the slash at its end"),
            ("/v1/*", "write `/v1`, without the star"),
            ("v1", "write `/v1`"),
            ("/{id}", "write `path` in its place, such as `/x{path}`"),
        ] {
            assert_eq!(prefix(text).unwrap_err().hint.as_deref(), Some(hint), "{text}");
        }
    }

    #[test]
    fn a_rewritten_path_starts_with_one_slash_and_brings_no_host() {
        let check = |text: &str| check_path(text, &Template::parse(text).expect(text));
        for text in ["/x{path}", "{path}", "/", "/x?v={query.v}", "/a/{capture.id}/b"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in ["/a/../b", "/{host}/%2e%2E", "/100%", "/a\"b", "/a\\b"] {
            assert!(check(text).is_err(), "{text}");
        }
        for text in ["x", "//x", "{host}/x", "/x{uri}", "/x/{path}", "/a b", "https://a{path}", "", "/a#b"] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
