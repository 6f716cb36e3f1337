//! Which variables stand where: no status before there is a response, no upstream where none is asked.

use super::lints::NGINX_VARIABLE;
use super::reading::Reading;
use super::{Diagnostic, Span};
use crate::value::{Complaint, PathKind, PathPattern, Segment, Template, Variable, suggest};

/// What a text with variables is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The target of a redirect.
    Redirect,
    /// The path that is forwarded.
    Rewrite,
    /// A header of the request.
    Request,
    /// A header of the response.
    Response,
}

/// What a route has to offer.
pub(super) struct Scope<'r> {
    /// Its path, if that could be read.
    pub path: Option<&'r PathPattern>,
    /// Whether an upstream is asked.
    pub forwards: bool,
}

impl Scope<'_> {
    /// Complains about the first variable that says nothing there.
    pub fn check<'v>(
        &self,
        purpose: Purpose,
        mut variables: impl Iterator<Item = &'v Variable>,
    ) -> Result<(), Complaint> {
        variables.try_for_each(|variable| match variable {
            Variable::Status if purpose != Purpose::Response => {
                Err(Complaint::new("`{status}` is known only once there is a response")
                    .hint("it can stand below `headers.response`"))
            }
            Variable::Upstream if !self.forwards => {
                Err(Complaint::new("`{upstream}` says nothing here: none is asked on this route").hint("leave it out"))
            }
            Variable::Capture(name) => self.capture(name),
            _ => Ok(()),
        })
    }

    /// Warns of `$1`: groups are inserted by their names. In a header it is one only where the path has groups.
    pub fn warn_of_groups(&self, purpose: Purpose, template: &Template, at: Span, reading: &Reading<'_>) {
        let number = template.segments.iter().find_map(|segment| match segment {
            Segment::Literal(text) => group(text),
            Segment::Variable(_) => None,
        });
        let Some(number) = number else { return };
        let expression = self.path.and_then(PathPattern::expression);
        let names: Vec<Option<&str>> =
            expression.iter().flat_map(|expression| expression.regex().capture_names()).collect();
        if names.get(number).is_none() && matches!(purpose, Purpose::Request | Purpose::Response) {
            return;
        }
        let hint = match (names.get(number), &expression) {
            (Some(Some(name)), _) => format!("write `{{capture.{name}}}`"),
            (_, Some(_)) => "name the group `(?<rest>.*)`, and write `{capture.rest}`".to_owned(),
            (_, None) => "a segment of the path with a name, such as `{id}`, is written `{capture.id}`".to_owned(),
        };
        reading.tell(
            Diagnostic::warning(&NGINX_VARIABLE, at, format!("`${number}` stands for itself"))
                .label("nothing is inserted")
                .hint(hint),
        );
    }

    fn capture(&self, name: &str) -> Result<(), Complaint> {
        let Some(path) = self.path else { return Ok(()) };
        let captures = path.captures();
        if captures.iter().any(|known| known == name) {
            return Ok(());
        }
        let complaint = Complaint::new(format!("the route's path captures nothing called `{name}`"));
        Err(match suggest::nearest(name, captures.iter().map(String::as_str)) {
            Some(near) => complaint.hint(format!("did you mean `{{capture.{near}}}`?")),
            None if captures.is_empty() && path.kind != PathKind::Regex => {
                complaint.hint(format!("a path such as `/item/{{{name}}}` captures it"))
            }
            None if captures.is_empty() => complaint.hint(format!("write `(?<{name}>…)` in the expression")),
            None => {
                let known: Vec<String> = captures.iter().map(|name| format!("`{{capture.{name}}}`")).collect();
                complaint.hint(format!("there is {}", known.join(", ")))
            }
        })
    }
}

/// The number of the first group, `$1` to `$9`, in a text.
fn group(text: &str) -> Option<usize> {
    text.match_indices('$').find_map(|(at, _)| {
        let digit = text.get(at + 1..)?.chars().next()?.to_digit(10)?;
        (digit > 0).then_some(digit as usize)
    })
}
