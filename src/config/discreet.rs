//! A report for those who may not read the gateway's environment: nothing in it tells what a variable holds.

use super::{Diagnostic, Report};

const NEUTRAL: &str = "with the gateway's environment, this value is not right";
const HINT: &str = "`wharf check` says why, run in that environment";

impl Report {
    /// The same with values from the environment as they are written. What was made of one and cannot be told apart from it is not
    /// said: the place tells where to look.
    pub fn discreet(mut self) -> Report {
        let Report { files, diagnostics, variables, .. } = &mut self;
        let traces = variables.traces();
        let say = |text: &str| Some(variables.as_written(text).into_owned()).filter(|said| !traces.are_in(said));
        for diagnostic in diagnostics {
            let Diagnostic { at, message, label, hint, others, .. } = diagnostic;
            let written = files.get(usize::from(at.file)).map_or("", |file| file.slice(at.start, at.end));
            let is_value = written.contains("${") && variables.are_in(written);
            let said = say(message);
            // of a value itself even a single character that is quoted, or a name that is like it, tells something
            if is_value && said.as_ref().is_none_or(|said| said == message) {
                *label = String::new();
                *hint = Some(HINT.to_owned());
                *message = NEUTRAL.to_owned();
            } else {
                *label = say(label).unwrap_or_default();
                *hint = hint.take().map(|hint| say(&hint).unwrap_or_else(|| HINT.to_owned()));
                *message = said.unwrap_or_else(|| NEUTRAL.to_owned());
            }
            for (_, label) in others {
                *label = say(label).unwrap_or_else(|| "here".to_owned());
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bundle, review_all};

    const LONG: &str =
        "/a-path-that-nobody-may-know-and-that-is-so-long-that-a-label-shows-only-the-start-of-it-and-no-more";

    fn shown(upstreams: &str, routes: &str) -> String {
        let text = format!(
            "version: 1\nlisteners: {{ web: {{ address: \":8080\" }} }}\nupstreams: {{ {upstreams} }}\nroutes:\n{routes}"
        );
        let environment = |name: &str| match name {
            "SECRET" => Some("tops3cret".to_owned()),
            "HOST" => Some("Hidden.Example".to_owned()),
            "LONG" => Some(LONG.to_owned()),
            _ => None,
        };
        let (_, report) = review_all(&Bundle::one("gateway.yaml", &text), &environment);
        assert!(!report.diagnostics.is_empty(), "{text}");
        let shown = report.discreet().to_string();
        let lower = shown.to_lowercase();
        assert!(["s3cret", "hidden", "nobody"].iter().all(|value| !lower.contains(value)), "{shown}");
        shown
    }

    #[test]
    fn a_value_is_shown_as_it_is_written_whatever_was_made_of_it() {
        let unknown = shown("app: { endpoints: [\"a:1\"] }", "  - { match: { path: /* }, upstream: \"${SECRET}\" }\n");
        assert!(unknown.contains("`${SECRET}`"), "{unknown}");
        shown(
            "app: { endpoints: [\"${HOST}:1\", \"${HOST}:1\"] }",
            "  - { match: { path: /*, host: \"${HOST}\" }, upstream: app }\n  - { match: { path: /*, host: \"${HOST}\" }, upstream: app }\n",
        );
        shown(
            "app: { endpoints: [\"a:1\"] }",
            "  - { match: { path: \"${LONG}\" }, upstream: app }\n  - { match: { path: \"${LONG}\" }, upstream: app }\n",
        );
    }
}
