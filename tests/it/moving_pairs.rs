//! What the pages about moving show side by side: another proxy's configuration, ours, and requests with their answers.

use crate::docs::page::{Block, blocks, root};
use regex::Regex;

/// A configuration of another program, ours in its place, and what both make of requests.
pub struct Pair {
    /// Where the first block stands: `PAGE:LINE`.
    pub place: String,
    /// The other program's configuration; Traefik's may be two files.
    pub theirs: Vec<String>,
    pub ours: String,
    pub rows: Vec<Row>,
}

/// Requests of one kind, sent one after the other, each on a connection of its own.
pub struct Row {
    pub request: Asked,
    /// One answer for each request.
    pub theirs: Vec<Answer>,
    pub ours: Vec<Answer>,
}

#[derive(Debug)]
pub struct Asked {
    pub method: String,
    pub is_secured: bool,
    pub host: String,
    pub target: String,
    /// Header lines.
    pub lines: Vec<String>,
}

/// What a cell of a table says of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The body, or the `Location` of a redirect, where the cell has it.
    pub text: Option<String>,
    pub headers: Vec<(String, String)>,
}

/// The pairs of a page, whose other program's blocks are fenced by `fence`.
pub fn pairs(page: &str, fence: &str) -> Vec<Pair> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let found = blocks(&text);
    let is_theirs = |block: &Block| block.language == fence || block.says(fence);
    let mut pairs = Vec::new();
    let mut theirs: Vec<&Block> = Vec::new();
    for block in &found {
        if is_theirs(block) {
            theirs.push(block);
        } else if let (false, "yaml") = (theirs.is_empty(), &*block.language) {
            let below = lines[block.line + block.text.lines().count()..].iter().skip_while(|line| line.is_empty());
            let table: Vec<&str> = below.copied().take_while(|line| line.starts_with('|')).collect();
            let place = format!("{page}:{}", theirs[0].line);
            assert!(table.len() > 2, "{place}: no table of requests stands below the pair");
            let rows = table[2..].iter().map(|line| row(line)).collect();
            let theirs = theirs.drain(..).map(|block| block.text.clone()).collect();
            pairs.push(Pair { place, theirs, ours: block.text.clone(), rows });
        }
    }
    assert!(theirs.is_empty(), "{page}: a configuration of `{fence}` has none of ours below it");
    pairs
}

/// `| request, header lines | answers |`, or with theirs and ours where these differ.
fn row(line: &str) -> Row {
    let code = Regex::new(r"`([^`]+)`").unwrap();
    let spans = |cell: &str| -> Vec<String> { code.captures_iter(cell).map(|found| found[1].to_owned()).collect() };
    let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
    let request = asked(&spans(cells[0]));
    let theirs = answers(&spans(cells[1]));
    let ours = cells.get(2).map_or_else(|| theirs.clone(), |cell| answers(&spans(cell)));
    assert_eq!(theirs.len(), ours.len(), "{line}: as many answers on both sides");
    assert!(!theirs.is_empty(), "{line}: which answer?");
    Row { request, theirs, ours }
}

fn asked(spans: &[String]) -> Asked {
    let (method, url) = spans[0].split_once(' ').unwrap_or(("GET", &spans[0]));
    let (is_secured, rest) = match url.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, url.strip_prefix("http://").unwrap_or(url)),
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let (host, target) = rest.split_at(at);
    Asked {
        method: method.to_owned(),
        is_secured,
        host: if host.is_empty() { "example.com" } else { host }.to_owned(),
        target: if target.is_empty() { "/" } else { target }.to_owned(),
        lines: spans[1..].to_vec(),
    }
}

fn answers(spans: &[String]) -> Vec<Answer> {
    let header = Regex::new(r"^([A-Z][\w-]*): (.*)$").unwrap();
    let mut found: Vec<Answer> = Vec::new();
    for span in spans {
        if let Some(parts) = header.captures(span) {
            found.last_mut().unwrap().headers.push((parts[1].to_owned(), parts[2].to_owned()));
            continue;
        }
        let (status, text) = match span.split_once(' ') {
            Some((status, text)) => (status, Some(text.to_owned())),
            None => (&**span, None),
        };
        found.push(Answer { status: status.parse().unwrap(), text, headers: Vec::new() });
    }
    found
}

#[test]
fn a_row_is_a_request_and_the_answers_of_both() {
    let row =
        row("| `POST https://a.example/x?y`, `X-A: 1` twice | `200 app-1 /x`, `X-B: 2`, then `404` | `503`, `404` |");
    let Asked { method, is_secured, host, target, lines } = row.request;
    assert_eq!((&*method, is_secured, &*host, &*target), ("POST", true, "a.example", "/x?y"));
    assert_eq!(lines, ["X-A: 1"]);
    assert_eq!(row.theirs[0].text.as_deref(), Some("app-1 /x"));
    assert_eq!(row.theirs[0].headers, [("X-B".to_owned(), "2".to_owned())]);
    assert_eq!((row.theirs[1].status, row.ours[0].status), (404, 503));
}
