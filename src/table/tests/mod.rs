//! What the index promises, on tables of examples and on random routes and paths.

use super::{Found, Host, RouteIndex, RouteIndexBuilder};
use crate::value::{PathKind, PathPattern};
use proptest::test_runner::{Config, RngSeed};

/// An index of path patterns as they are written, for any host; the first has the id 1.
fn index(patterns: &[&str]) -> RouteIndex {
    let mut builder = RouteIndexBuilder::default();
    for (pattern, id) in patterns.iter().zip(1..) {
        builder.add(Host::Any, 0, &pattern_of(pattern), id);
    }
    builder.build()
}

/// As written, whether such a pattern is accepted in a document or not.
fn pattern_of(written: &str) -> PathPattern {
    if let Some(expression) = written.strip_prefix("~ ") {
        return PathPattern { kind: PathKind::Regex, literal: expression.into() };
    }
    match (written.strip_suffix("/*"), written.strip_suffix('*')) {
        (Some(literal), _) => PathPattern { kind: PathKind::Subtree, literal: literal.into() },
        (_, Some(literal)) => PathPattern { kind: PathKind::Prefix, literal: literal.into() },
        _ => PathPattern { kind: PathKind::Exact, literal: written.into() },
    }
}

/// The same random cases each time, unless `PROPTEST_RNG_SEED` is set.
fn cases(cases: u32) -> Config {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    match config.rng_seed {
        RngSeed::Random => Config { rng_seed: RngSeed::Fixed(1), ..config },
        RngSeed::Fixed(_) => config,
    }
}

fn find(index: &RouteIndex, path: impl AsRef<[u8]>) -> Found {
    index.find(b"example.com", path.as_ref(), |_| true)
}

mod counts;
mod document;
mod properties;
mod routes;
mod servers;
mod spelled;
mod spellings;
