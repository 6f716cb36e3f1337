//! An explanation as text, for people.

use super::{Candidate, Explanation, Loser, Message, Policy, Setting};
use std::fmt::{self, Display, Formatter};

/// Routes that are shown of those that do not take the request; the others are counted.
const LOSERS_MAX: usize = 20;

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_route(f)?;
        writeln!(f, "host      {}", self.host)?;
        writeln!(f, "path      {}", self.path)?;
        writeln!(f, "listener  {}", self.listener)?;
        self.certificate.iter().try_for_each(|certificate| writeln!(f, "presents  {certificate}"))?;
        self.note.iter().try_for_each(|note| writeln!(f, "          {note}"))?;
        if !self.variables.is_empty() {
            f.write_str("\nvariables\n")?;
            let width = self.variables.keys().map(|name| name.chars().count()).max().unwrap_or(0);
            self.variables
                .iter()
                .try_for_each(|(name, value)| writeln!(f, "  {name:width$}  {}", value.escape_debug()))?;
        }
        if !self.policies.is_empty() {
            f.write_str("\npolicies, in the order in which they act\n")?;
            let rows = self.policies.iter().map(|Policy { policy, value, origin }| [&**policy, value, origin]);
            write_rows(rows, f)?;
        }
        if let Some(request) = &self.request {
            f.write_str("\nthe request as the upstream gets it\n")?;
            write_message(request, f)?;
        }
        if let Some(response) = &self.response {
            f.write_str("\nthe gateway's own answer\n")?;
            write_message(response, f)?;
        }
        write_settings("timeouts", &self.timeouts, f)?;
        write_settings("retries", &self.retries, f)?;
        self.write_endpoints(f)?;
        self.write_losers(f)
    }
}

impl Explanation {
    fn write_route(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.route, &self.at) {
            (Some(route), Some(at)) => writeln!(f, "route     {route}  ({at})")?,
            (Some(route), None) => writeln!(f, "route     {route}  (the gateway's own)")?,
            (None, _) => f.write_str("route     none\n")?,
        }
        match (&self.upstream, self.status, &self.reason) {
            (Some(upstream), ..) => writeln!(f, "upstream  {upstream}"),
            (None, Some(status), Some(reason)) => {
                writeln!(f, "status    {status}, reason {reason}")?;
                self.detail.iter().try_for_each(|detail| writeln!(f, "          {detail}"))
            }
            (None, Some(status), None) => {
                writeln!(f, "status    {status}")?;
                self.detail.iter().try_for_each(|detail| writeln!(f, "          {detail}"))
            }
            (None, None, _) => Ok(()),
        }
    }

    fn write_endpoints(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.endpoints.is_empty() && self.discover.is_none() {
            return Ok(());
        }
        writeln!(f, "\nendpoints ({})", self.balance.as_deref().unwrap_or_default())?;
        if let Some(discover) = &self.discover {
            writeln!(f, "  found at run time, {discover}")?;
        }
        let width = self.endpoints.iter().map(|endpoint| endpoint.address.len()).max().unwrap_or(0);
        self.endpoints.iter().try_for_each(|endpoint| {
            let Candidate { address, state, weight, backup, eligible } = endpoint;
            write!(f, "  {address:width$}  weight {weight}")?;
            if let Some(state) = state {
                write!(f, ", {state}")?;
            }
            f.write_str(match (backup, eligible) {
                (true, false) => ", backup: only when no other can",
                (true, true) => ", backup",
                (false, true) => "",
                (false, false) => ", gets no request now",
            })?;
            f.write_str("\n")
        })
    }

    fn write_losers(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.losers.is_empty() {
            return Ok(());
        }
        f.write_str("\nthe other routes\n")?;
        let shown = &self.losers[..self.losers.len().min(LOSERS_MAX)];
        let width = |of: fn(&Loser) -> &str| shown.iter().map(|loser| of(loser).chars().count()).max().unwrap_or(0);
        let (route, at) = (width(|loser| &loser.route), width(|loser| &loser.at));
        for Loser { route: name, field, because, at: place } in shown {
            writeln!(f, "  {name:route$}  {place:at$}  {field}: {because}")?;
        }
        match self.losers.len() - shown.len() {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more: `--format json` shows all"),
        }
    }
}

fn write_message(message: &Message, f: &mut Formatter<'_>) -> fmt::Result {
    if let (Some(method), Some(target)) = (&message.method, &message.target) {
        writeln!(f, "  {method} {target} HTTP/1.1")?;
    }
    message.headers.iter().try_for_each(|(name, value)| writeln!(f, "  {name}: {value}"))
}

fn write_settings(what: &str, settings: &[Setting], f: &mut Formatter<'_>) -> fmt::Result {
    if settings.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{what}")?;
    write_rows(settings.iter().map(|Setting { key, value, origin }| [&**key, value, origin]), f)
}

/// What, its value, and where that is from; in columns as far as values are short.
fn write_rows<'r>(rows: impl Iterator<Item = [&'r str; 3]> + Clone, f: &mut Formatter<'_>) -> fmt::Result {
    const VALUE_WIDTH_MAX: usize = 40;
    let key_width = rows.clone().map(|[key, ..]| key.chars().count()).max().unwrap_or(0);
    let lengths = rows.clone().map(|[_, value, _]| value.chars().count());
    let width = lengths.filter(|length| *length <= VALUE_WIDTH_MAX).max().unwrap_or(0);
    let mut rows = rows;
    rows.try_for_each(|[key, value, origin]| {
        writeln!(f, "  {key:key_width$}  {:width$}  ({origin})", value.escape_debug().to_string())
    })
}
