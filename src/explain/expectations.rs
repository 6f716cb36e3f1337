//! Whether what is expected of requests is what becomes of them.

use super::{Explainer, Explanation, Message, Question};
use crate::config::{
    Diagnostic, ExpectConfig, ExpectRequestConfig, ExpectResponseConfig, RequestLine, Source, Spanned, TestConfig,
    Variables, Wanted, suggestion,
};
use crate::failure::Failure;
use crate::value::{FieldName, FieldPattern};

/// What stands for nothing.
const NONE: &str = "none";

impl TestConfig {
    /// The request that is asked about.
    pub fn question(&self) -> Question {
        let RequestLine { method, url } = &self.request.value;
        let text = |text: &str| text.to_owned();
        Question {
            method: text(method),
            url: text(url),
            headers: self.headers.iter().map(|(name, value)| (text(name.as_str()), text(value))).collect(),
            from: self.from.map(|from| from.value),
            listener: self.listener.as_ref().map(|listener| text(listener)),
        }
    }
}

impl Explainer<'_> {
    /// What is not as `test` expects it, each at the expectation's place.
    ///
    /// # Errors
    /// When it asks about no request that a client could send, or about a listener that there is not.
    pub fn failures(&self, test: &TestConfig, variables: &Variables) -> Result<Vec<Diagnostic>, Diagnostic> {
        let question = test.question();
        if let Some(name) = &test.listener
            && self.document.listeners.get(name).is_none()
        {
            let mut diagnostic = Diagnostic::error(name.at, format!("no listener named `{}`", name.value));
            diagnostic.hint = suggestion(name, self.document.listeners.iter().map(|(name, _)| name));
            return Err(diagnostic);
        }
        let found = self.find(&question).map_err(|why| Diagnostic::error(test.request.at, why))?;
        let mut judge = Judge { test, explainer: self, variables, found: &found, failures: Vec::new() };
        if let Some(expect) = &test.expect {
            judge.expect(expect);
        }
        let mut failures = judge.failures;
        failures.sort_by_key(|failure| failure.at);
        if let Some(first) = failures.iter_mut().find(|failure| failure.hint.is_none()) {
            first.hint = Some(format!("run `{}` to see all of it", command(&question, self.loaded.files.first())));
        }
        Ok(failures)
    }
}

/// Compares one test with what was found.
struct Judge<'j, 'd> {
    test: &'j TestConfig,
    explainer: &'j Explainer<'d>,
    /// Of the test file.
    variables: &'j Variables,
    found: &'j Explanation,
    failures: Vec<Diagnostic>,
}

impl Judge<'_, '_> {
    /// Says what was expected and what was found instead.
    fn fail<T>(&mut self, at: &Spanned<T>, expected: &str, found: &str, label: String) {
        let message = format!("{}: expected {expected}, found {found}", self.test.name());
        let shown =
            |text: &str| self.variables.as_written(&self.explainer.loaded.variables.as_written(text)).into_owned();
        self.failures.push(Diagnostic::error(at.at, shown(&message)).label(shown(&label)));
    }

    fn suggest(&mut self, hint: Option<String>) {
        if let Some(last) = self.failures.last_mut() {
            last.hint = hint;
        }
    }

    fn expect(&mut self, expect: &ExpectConfig) {
        let ExpectConfig { route, upstream, status, reason, request, response } = expect;
        let found = self.found;
        if let Some(route) = route {
            self.route(route);
        }
        if let Some(upstream) = upstream {
            self.upstream(upstream);
        }
        if let Some(status) = status
            && found.status != Some(status.value)
        {
            let own = found.status.map_or_else(|| "a request that is forwarded".to_owned(), |own| own.to_string());
            self.fail(status, &format!("status {}", status.value), &own, self.why());
        }
        if let Some(reason) = reason
            && found.reason.as_deref().unwrap_or(NONE) != &*reason.value
        {
            self.fail(reason, &named("reason", &reason.value), &quoted_or_none(found.reason.as_deref()), self.why());
        }
        if let Some(ExpectRequestConfig { method, target, headers, without }) = request {
            let words = [
                ("method", method, found.request.as_ref().and_then(|message| message.method.as_deref())),
                ("target", target, found.request.as_ref().and_then(|message| message.target.as_deref())),
            ];
            for (what, wanted, own) in words {
                let Some(wanted) = wanted else { continue };
                if own != Some(&wanted.value) {
                    let label = if own.is_some() { String::new() } else { self.why() };
                    self.fail(
                        wanted,
                        &named(what, &wanted.value),
                        &own.map_or(NOT_FORWARDED.into(), backquoted),
                        label,
                    );
                }
            }
            self.headers(found.request.as_ref(), headers, without, NOT_FORWARDED);
        }
        if let Some(ExpectResponseConfig { headers, without }) = response {
            self.headers(found.response.as_ref(), headers, without, "a request that is forwarded");
        }
    }

    fn route(&mut self, expected: &Spanned<Box<str>>) {
        let (found, name) = (self.found, &*expected.value);
        if found.route.as_deref().unwrap_or(NONE) == name {
            return;
        }
        let (wanted, own) = (named("route", name), quoted_or_none(found.route.as_deref()));
        // of a wrong method the route itself says more
        let by_method = found.reason.as_deref() == Some(Failure::MethodNotAllowed.word());
        if let Some(detail) = found.detail.as_ref().filter(|_| !by_method) {
            self.fail(expected, &wanted, &own, detail.clone());
        } else if let Some(loser) = found.losers.iter().find(|loser| loser.route == name) {
            let because = format!("{}: {} ({})", loser.field, loser.because, loser.at);
            self.fail(expected, &wanted, &own, because);
        } else if name == NONE {
            self.fail(expected, &wanted, &own, found.at.clone().unwrap_or_default());
        } else {
            self.fail(expected, &wanted, &own, "there is no such route".to_owned());
            let names: Vec<_> = self.explainer.document.routes.iter().map(|route| route.name()).collect();
            self.suggest(suggestion(name, names.iter().map(|name| &**name)));
        }
    }

    fn upstream(&mut self, expected: &Spanned<Box<str>>) {
        let (found, name) = (self.found.upstream.as_deref(), &*expected.value);
        if found.unwrap_or(NONE) == name {
            return;
        }
        let (wanted, own) = (named("upstream", name), quoted_or_none(found));
        let upstreams = &self.explainer.document.upstreams;
        if name == NONE || upstreams.get(name).is_some() {
            self.fail(expected, &wanted, &own, self.why());
        } else {
            self.fail(expected, &wanted, &own, "there is no such upstream".to_owned());
            self.suggest(suggestion(name, upstreams.iter().map(|(name, _)| name)));
        }
    }

    /// A few words on what becomes of it.
    fn why(&self) -> String {
        let Explanation { route, upstream, status, reason, detail, .. } = self.found;
        let route = route.as_ref().map_or_else(|| "no route".to_owned(), |route| format!("route `{route}`"));
        match (upstream, status, reason, detail) {
            (.., Some(_), Some(detail)) => detail.clone(),
            (Some(upstream), ..) => format!("{route}, upstream `{upstream}`"),
            (None, Some(status), Some(reason), None) => format!("{route}, {status} {reason}"),
            (None, Some(status), None, _) => format!("{route}, {status}"),
            _ => route,
        }
    }

    /// Compares the headers of a message; where there is none, `instead` is what there is.
    fn headers(
        &mut self,
        message: Option<&Message>,
        headers: &[Wanted],
        without: &[Spanned<FieldName>],
        instead: &str,
    ) {
        let Some(message) = message else {
            for name in headers.iter().map(|(name, _)| name).chain(without) {
                self.fail(name, "a message with headers", instead, self.why());
            }
            return;
        };
        for (name, pattern) in headers {
            let wanted = match &pattern.value {
                FieldPattern::Any => format!("`{}`", name.value),
                other => format!("`{}: {other}`", name.value),
            };
            match value(message, &name.value) {
                None => self.fail(name, &wanted, NONE, String::new()),
                Some(own) if pattern.value.matches(own.as_bytes()) => {}
                Some(own) => self.fail(pattern, &wanted, &backquoted(&own), String::new()),
            }
        }
        for name in without {
            if let Some(own) = value(message, &name.value) {
                self.fail(name, &format!("no `{}`", name.value), &backquoted(&own), String::new());
            }
        }
    }
}

/// What is found where an upstream was expected to be asked.
const NOT_FORWARDED: &str = "the gateway's own answer";

fn named(what: &str, name: &str) -> String {
    if name == NONE { format!("no {what}") } else { format!("{what} `{name}`") }
}

fn backquoted(text: &str) -> String {
    format!("`{text}`")
}

fn quoted_or_none(own: Option<&str>) -> String {
    own.map_or_else(|| NONE.to_owned(), backquoted)
}

/// The lines of a name as one value.
fn value(message: &Message, name: &FieldName) -> Option<String> {
    let lines = message.headers.iter().filter(|(own, _)| name.is(own)).map(|(_, value)| value.as_str());
    lines.map(str::to_owned).reduce(|all, next| all + ", " + &next)
}

/// The command that shows all.
fn command(question: &Question, config: Option<&Source>) -> String {
    let Question { method, url, headers, from, listener } = question;
    let config = config.map_or_else(String::new, |config| format!(" --config {}", quoted(&config.name)));
    let mut command = format!("wharf explain{config} {method} {}", quoted(url));
    for (name, value) in headers {
        command += &format!(" -H {}", quoted(&format!("{name}: {value}")));
    }
    if let Some(from) = from {
        command += &format!(" --from {from}");
    }
    if let Some(listener) = listener {
        command += &format!(" --listener {}", quoted(listener));
    }
    command
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:%=,+@".contains(&b);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_in_a_hint_can_be_copied() {
        let question = Question {
            headers: vec![("X-A".into(), "it's".into())],
            listener: Some("web".into()),
            ..Question::get("http://a.example/x?y=1&z")
        };
        let config = Source { name: "gateway.yaml".into(), ..Source::default() };
        let command = command(&question, Some(&config));
        assert_eq!(
            command,
            r"wharf explain --config gateway.yaml GET 'http://a.example/x?y=1&z' -H 'X-A: it'\''s' --listener web"
        );
    }
}
