//! The page about mistakes, docs/explanation/errors.md, as the cases make it.

use super::mistakes::{Case, cases, checked, marked, versions};
use super::peers::{PEERS, Peer, lines_named};
use super::small_gateway;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What a program makes of a mistake.
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    /// There is no such mistake in its language.
    Absent,
    /// What is a mistake elsewhere means something sensible there.
    Legal,
    /// Nothing is said.
    Accepted,
    /// Something is said.
    Said { place: Place, mends: bool, warning: bool },
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    None,
    WrongLine,
    Line,
    Column,
}

pub fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/explanation/errors.md")
}

/// The whole page.
pub fn page() -> String {
    let cases = cases();
    let versions = versions();
    let version = |peer: &Peer| format!("{} {}", peer.name, versions.get(peer.key).map_or("?", String::as_str));
    let programs: Vec<String> = PEERS.iter().map(version).collect();
    let mut page = INTRODUCTION.replace("PROGRAMS", &programs.join(", "));
    summary(&mut page, &cases);
    page.push_str("\n## The mistakes\n\nFirst what `wharf check` says, in full; below it the line of each other program's file that holds the mistake, and what is said about it.\n");
    for (number, case) in cases.iter().enumerate() {
        one(&mut page, number + 1, case);
    }
    page.push_str(OTHERS_BETTER);
    page.push_str(&small_gateway::section());
    page
}

const INTRODUCTION: &str = "\
# Errors that teach

A configuration error should say where it is, down to the word, and what to write instead: then mending it takes one look. This page shows
what that amounts to: forty mistakes that people make in the configuration of a gateway, each tried in wharf and in
PROGRAMS.

Each was made by hand in the same small gateway, in the language of each program, and each program was asked in the way it offers:
`wharf check --strict`, `nginx -t`, `haproxy -c`, `caddy validate`. Traefik only reads its files when it starts, so it ran for two seconds
and its log at the default level counts. All files and answers lie in
[tests/config/mistakes](../../tests/config/mistakes), a directory each. A test makes this page of them and holds wharf to what it says: one message for one mistake,
at exactly the line and column that the file marks, with a hint, and a file mended as the hint says is valid. The recorded answers of nginx and HAProxy are
compared with those of the installed programs where the versions are the same. To record all of them anew, with Caddy and Traefik in `/opt/peers`:

```sh
cargo --config 'env.PEERS=\"/opt/peers\"' test --test config what_the_other_programs_say
```

## Summary

- **line**, **line:column**: the message names the very place. **wrong line**: it names another one. **no line**: it names none, though it may say which name or value it is about.
- **mends**: the message says what is wanted there, or leaves only one thing to do. That is a judgement, and a lenient one.
- **accepted**: nothing is said, and the gateway does something else than was meant. **fine there**: what is a mistake elsewhere makes sense in that language.
- **–**: the language has no place for the mistake, which is a merit: who does not write YAML makes no mistakes of YAML.

";

const OTHERS_BETTER: &str = "
## Where others are better

- Whoever does not write YAML makes no mistakes of YAML: indentation, tabs and unquoted stars are ours and Traefik's alone.
- HAProxy suggests the nearest keyword as well, lists what may stand there, and underlines an open quote.
- A bare number of seconds, a port that is left out, a weight of 0: where these have an obvious meaning, other languages take them. Here they are refused, and the hint says what to write.
- `nginx -t` looks around on its machine: it resolves names and opens files, so it notices a host that does not exist. `wharf check` is made to run anywhere,
  also where a change is reviewed: it reads the configuration's own files only, looks up no name and reads no secret.
- Caddy says the small gateway below in the fewest words.

The choice of the forty is ours: mistakes for which the language of wharf has a place. Some of wharf's messages became better while the table was made; the others had no such chance.
";

fn summary(page: &mut String, cases: &[Case]) {
    page.push_str("| | mistake | wharf |");
    PEERS.iter().for_each(|peer| _ = write!(page, " {} |", peer.name));
    page.push_str("\n|---|---|---|---|---|---|---|\n");
    let ours = Verdict::Said { place: Place::Column, mends: true, warning: false };
    for (number, case) in cases.iter().enumerate() {
        let number = number + 1;
        let title = &case.about.title;
        let _ = write!(page, "| {number} | [{title}](#{}) | {} |", anchor(number, title), words(ours));
        PEERS.iter().for_each(|peer| _ = write!(page, " {} |", words(verdict(peer, case))));
        page.push('\n');
    }
    let places =
        |peer: &Peer, wanted: &dyn Fn(Verdict) -> bool| cases.iter().filter(|case| wanted(verdict(peer, case))).count();
    let whole = cases.len();
    let mut total = |name: &str, own: usize, wanted: &dyn Fn(Verdict) -> bool| {
        let _ = write!(page, "| | **{name}** | **{own}** |");
        PEERS.iter().for_each(|peer| _ = write!(page, " **{}** |", places(peer, wanted)));
        page.push('\n');
    };
    let placed = |v: Verdict, places: &[Place]| matches!(v, Verdict::Said { place, .. } if places.contains(&place));
    total("is a mistake there", whole, &|v| !matches!(v, Verdict::Absent | Verdict::Legal));
    total("names the line", whole, &|v| placed(v, &[Place::Line, Place::Column]));
    total("names the column", whole, &|v| placed(v, &[Place::Column]));
    total("mends", whole, &|v| matches!(v, Verdict::Said { mends: true, .. }));
    total("names the line and mends", whole, &|v| {
        matches!(v, Verdict::Said { mends: true, place: Place::Line | Place::Column, .. })
    });
    total("accepted without a word", 0, &|v| v == Verdict::Accepted);
}

fn one(page: &mut String, number: usize, case: &Case) {
    let about = &case.about;
    let _ = writeln!(page, "\n### {number}. {}\n", about.title);
    if let Some(note) = &about.note {
        let _ = writeln!(page, "{note}\n");
    }
    let _ = writeln!(page, "```text\n{}```\n\n```text", checked(case, "wharf.yaml").0);
    for peer in &PEERS {
        let mut lines: Vec<String> = mistake(peer, case).map(|line| format!("| {line}")).into_iter().collect();
        lines.extend(said(peer, case));
        if let Some(remark) = about.remarks.get(peer.key) {
            lines.push(format!("({remark})"));
        }
        for (at, line) in lines.iter().enumerate() {
            let _ = writeln!(page, "{:<8} {line}", if at == 0 { peer.name } else { "" });
        }
    }
    page.push_str("```\n");
}

/// The line with the mistake.
fn mistake(peer: &Peer, case: &Case) -> Option<String> {
    let file = peer.file(&case.directory)?;
    let text = std::fs::read_to_string(&file).expect("a readable file");
    let line = text.lines().nth(marked(&file).0 - 1).unwrap_or_default();
    Some(line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// What stands in the page for one program: its lines, or why there are none.
fn said(peer: &Peer, case: &Case) -> Vec<String> {
    match verdict(peer, case) {
        Verdict::Absent => vec![format!("– ({})", case.about.absent[peer.key])],
        Verdict::Legal => vec![format!("fine there ({})", case.about.legal[peer.key])],
        Verdict::Accepted => vec!["accepted".to_owned()],
        Verdict::Said { .. } => {
            let answer = std::fs::read_to_string(case.directory.join(peer.answer)).unwrap_or_default();
            answer.lines().skip(1).map(str::to_owned).collect()
        }
    }
}

fn verdict(peer: &Peer, case: &Case) -> Verdict {
    let about = &case.about;
    let Some(file) = peer.file(&case.directory) else { return Verdict::Absent };
    if about.legal.contains_key(peer.key) {
        return Verdict::Legal;
    }
    let answer = std::fs::read_to_string(case.directory.join(peer.answer)).unwrap_or_default();
    if answer.lines().count() < 2 {
        return Verdict::Accepted;
    }
    let lines = lines_named(peer, &answer);
    let named = |keys: &[String]| keys.iter().any(|key| key == peer.key);
    let place = match lines.contains(&marked(&file).0) {
        true if named(&about.column) => Place::Column,
        true => Place::Line,
        false if lines.is_empty() => Place::None,
        false => Place::WrongLine,
    };
    Verdict::Said { place, mends: named(&about.mends), warning: answer.starts_with("exit 0\n") }
}

fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Absent => "–".to_owned(),
        Verdict::Legal => "fine there".to_owned(),
        Verdict::Accepted => "**accepted**".to_owned(),
        Verdict::Said { place, mends, warning } => {
            let place = match place {
                Place::None => "no line",
                Place::WrongLine => "wrong line",
                Place::Line => "line",
                Place::Column => "line:column",
            };
            format!("{}{place}{}", if warning { "warning: " } else { "" }, if mends { ", mends" } else { "" })
        }
    }
}

/// How a heading is linked to.
fn anchor(number: usize, title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    format!("{number}-{}", kept.collect::<String>().to_lowercase().replace(' ', "-"))
}
