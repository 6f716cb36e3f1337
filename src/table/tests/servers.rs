//! Random servers that read random hostile paths: where the index names a route, each of them means the same one.

use super::properties::{pattern, scan};
use super::*;
use crate::http::spelling;
use crate::table::fold;
use crate::table::segments::{Untidy, tidy};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// What a server does with a path, in this order.
#[derive(Clone, Debug)]
struct Server {
    strips_first: bool,
    tidies_between: bool,
    layers: usize,
    lax: bool,
    backslashes: bool,
    cuts_at: Option<u8>,
    strips: bool,
    loose: bool,
    merges: bool,
    resolves: bool,
}

impl Server {
    fn read(&self, path: &[u8]) -> Vec<u8> {
        let mut path = path.to_vec();
        let mut step = |does: bool, by: &dyn Fn(&[u8], &mut Vec<u8>)| {
            if does {
                let mut out = Vec::new();
                by(&path, &mut out);
                path = out;
            }
        };
        step(self.strips_first, &spelling::without_parameters);
        for _ in 0..self.layers {
            step(self.tidies_between, &|path, out| {
                tidy(path, Untidy { slashes: true, dots: true }, out);
            });
            step(true, &spelling::decode_once);
            step(self.lax, &spelling::decode_lax);
        }
        step(self.backslashes, &spelling::without_backslashes);
        if let Some(end) = self.cuts_at {
            step(true, &|path, out| out.extend(path.iter().take_while(|&&byte| byte != end)));
        }
        step(self.strips, &spelling::without_parameters);
        step(self.loose, &fold::fold);
        step(true, &|path, out| {
            tidy(path, Untidy { slashes: self.merges, dots: self.resolves }, out);
        });
        path
    }
}

prop_compose! {
    fn server()(
        flags in any::<[bool; 8]>(),
        layers in 1..4_usize,
        cuts_at in select(vec![None, None, None, Some(0), Some(b'?'), Some(b'#'), Some(b';')]),
    ) -> Server {
        let [strips_first, tidies_between, lax, backslashes, strips, loose, merges, resolves] = flags;
        Server { strips_first, tidies_between, layers, lax, backslashes, cuts_at, strips, loose, merges, resolves }
    }
}

const TOKENS: &[&str] = &[
    "/",
    "/",
    "/",
    "/",
    "a",
    "a",
    "b",
    "ab",
    "A",
    "x",
    ".",
    "..",
    "/..",
    "/../",
    "%2e",
    "%2f",
    "%5c",
    "\\",
    "%2e%2e%2f",
    ";",
    ";p",
    "..;/",
    "%3b",
    "%25",
    "%252e",
    "%252f",
    "%253b",
    "%61",
    "%2561",
    "%c0%ae",
    "%c0%af",
    "%c1%a1",
    "%20",
    "%3f",
    "%23",
    "%2500",
    "%EF%BD%81",
    "%EF%BC%8F",
    "%41",
];

/// A path of a few kinds of tokens.
fn hostile_path() -> impl Strategy<Value = String> {
    subsequence(TOKENS, 4..12)
        .prop_flat_map(|tokens| vec(select(tokens), 1..12))
        .prop_map(|tokens| format!("/{}", tokens.concat()))
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn where_the_index_names_a_route_every_server_means_it(
        mut patterns in vec(pattern(), 1..6),
        catch_all in any::<bool>(),
        paths in vec(hostile_path(), 10),
        servers in vec(server(), 40),
    ) {
        patterns.extend(catch_all.then(|| "/*".to_owned()));
        let index = index(&patterns.iter().map(String::as_str).collect::<Vec<_>>());
        for path in &paths {
            let Found::Route(id) = find(&index, path) else { continue };
            for server in &servers {
                let read = server.read(path.as_bytes());
                let meant = scan(&patterns, &String::from_utf8_lossy(&read), |_| true);
                // Equal patterns lead to the first of them.
                prop_assert_eq!(meant, Some(id), "{} read as {} by {:?}", path, String::from_utf8_lossy(&read), server);
            }
        }
    }
}
