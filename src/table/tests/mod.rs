//! What the index promises, on tables of examples and on random routes and paths.

use super::{Found, Host, Path, RouteIndex, RouteIndexBuilder};
use proptest::test_runner::{Config, RngSeed};

/// An index of path patterns as they are written, for any host; the first has the id 1.
fn index(patterns: &[&str]) -> RouteIndex {
    let mut builder = RouteIndexBuilder::default();
    for (pattern, id) in patterns.iter().zip(1..) {
        builder.add(Host::Any, pattern_of(pattern), id);
    }
    builder.build()
}

fn pattern_of(written: &str) -> Path<'_> {
    match (written.strip_suffix("/*"), written.strip_suffix('*')) {
        (Some(literal), _) => Path::Subtree(literal),
        (_, Some(literal)) => Path::Prefix(literal),
        _ => Path::Exact(written),
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
mod spellings;
