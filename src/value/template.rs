//! Text with request variables in it: `https://new.example.com{path}`.

use super::Complaint;
use std::fmt;

/// A fact of the request that a template can insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `{scheme}`: `http` or `https`, as the client used it.
    Scheme,
    /// `{host}`: the host asked for, without its port.
    Host,
    /// `{path}`: the path as it would be forwarded.
    Path,
    /// `{query}`: what follows the `?`, without it.
    Query,
    /// `{uri}`: the path, and `?` with the query where there is one.
    Uri,
}

impl Variable {
    const ALL: [Variable; 5] = [Variable::Scheme, Variable::Host, Variable::Path, Variable::Query, Variable::Uri];

    /// The name between the braces.
    pub const fn name(self) -> &'static str {
        match self {
            Variable::Scheme => "scheme",
            Variable::Host => "host",
            Variable::Path => "path",
            Variable::Query => "query",
            Variable::Uri => "uri",
        }
    }
}

/// Variables of the language whose part does not exist yet, in full or up to their dot.
const LATER: [&str; 11] = [
    "client_ip",
    "client_port",
    "method",
    "request_id",
    "route",
    "upstream",
    "status",
    "header.",
    "cookie.",
    "query.",
    "capture.",
];

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Text inserted as it stands.
    Literal(Box<str>),
    /// A fact of the request.
    Variable(Variable),
}

/// A text taken apart at its variables. Two literals never follow each other, and none is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Template {
    /// In the order of the text.
    pub segments: Box<[Segment]>,
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, Complaint> {
        let mut segments = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find(['{', '}']) {
            let (literal, tail) = rest.split_at(open);
            if !literal.is_empty() {
                segments.push(Segment::Literal(literal.into()));
            }
            let Some((name, after)) = tail.strip_prefix('{').and_then(|tail| tail.split_once('}')) else {
                return Err(Complaint::new(format!("`{}` has no partner", &tail[..1]))
                    .hint("a variable stands between braces, such as `{path}`"));
            };
            segments.push(Segment::Variable(parse_variable(name)?));
            rest = after;
        }
        if !rest.is_empty() {
            segments.push(Segment::Literal(rest.into()));
        }
        Ok(Template { segments: segments.into() })
    }

    /// The text before the first variable.
    pub fn leading_literal(&self) -> &str {
        match self.segments.first() {
            Some(Segment::Literal(text)) => text,
            _ => "",
        }
    }
}

fn parse_variable(name: &str) -> Result<Variable, Complaint> {
    if let Some(variable) = Variable::ALL.into_iter().find(|variable| variable.name() == name) {
        return Ok(variable);
    }
    if LATER.iter().any(|later| *later == name || (later.ends_with('.') && name.starts_with(later))) {
        return Err(Complaint::new(format!("the variable `{{{name}}}` is not built yet")).hint(known()));
    }
    Err(Complaint::new(format!("no variable is called `{{{name}}}`")).hint(known()))
}

fn known() -> String {
    let names: Vec<String> = Variable::ALL.iter().map(|variable| format!("`{{{}}}`", variable.name())).collect();
    format!("there are {}", names.join(", "))
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => f.write_str(text),
            Segment::Variable(variable) => write!(f, "{{{}}}", variable.name()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_taken_apart_and_written_back() {
        let text = "https://new.example.com{path}?{query}";
        let template = Template::parse(text).expect(text);
        assert_eq!(template.to_string(), text);
        assert_eq!(template.leading_literal(), "https://new.example.com");
        assert_eq!(template.segments[1], Segment::Variable(Variable::Path));
        assert_eq!(template.segments.len(), 4);
        assert_eq!(Template::parse("{scheme}{host}{uri}").expect("variables only").segments.len(), 3);
        assert!(Template::parse("").expect("nothing").segments.is_empty());
    }

    #[test]
    fn unknown_and_broken_variables_are_refused() {
        for (text, message) in [
            ("{pth}", "no variable is called `{pth}`"),
            ("{header.X-A}", "the variable `{header.X-A}` is not built yet"),
            ("{client_ip}", "the variable `{client_ip}` is not built yet"),
            ("a{", "`{` has no partner"),
            ("a}", "`}` has no partner"),
            ("{}", "no variable is called `{}`"),
        ] {
            assert_eq!(Template::parse(text).unwrap_err().message, message);
        }
    }
}
