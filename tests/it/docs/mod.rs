//! The manual is true: every example of a configuration is checked, every command is run, every output shown is compared.
//!
//! What the fences of a page mean, whose blocks are read one after the other in a folder of their own:
//! - `yaml`: a configuration without a warning, kept as `gateway.yaml`, or as the file that is named behind `yaml`; with `warns` it has
//!   warnings, with `wrong` errors. A part of one is checked in a frame.
//! - `sh`, `bash`: a script, which is run; a block of `text` right below is its output. `fails` says that its last command fails.
//! - `console`: commands behind `$ `, each with its output below; `…` stands for anything.
//! - `json SCHEMA`: an answer of the admin API.
//! - any language, then `deploy/FILE`: a piece of that file, word for word; what the file does, a test of its own proves.
//! - `nginx`, `haproxy`, `caddyfile`, `yaml traefik`: another proxy's configuration, which `moving_pages.rs` and `moving_behind.rs` run.
//!
//! A gateway is started where commands ask one. Programs of others are stood in for, as `place.rs` lists. `PAGE=how-to` reads some pages only.

pub mod output;
pub mod page;
mod place;

use std::collections::BTreeMap;

use regex::Regex;

use crate::harness::side_by_side;
use output::{settled, shows};
use page::{Block, blocks, pages, root};
use place::Place;

/// Pages that are written by the program and compared byte by byte, whose blocks of `text` that proves.
const WRITTEN: [(&str, &str); 3] = [
    ("docs/reference/access-log.md", "tests/it/access_log_forms.rs"),
    ("docs/reference/command-line.md", "tools::the_page_of_the_command_line_says_what_is_parsed"),
    ("docs/explanation/errors.md", "tests/config/mistakes.rs"),
];

/// Blocks of other languages that a test of their own proves: page, language, test.
const ELSEWHERE: [(&str, &str, &str); 1] =
    [("docs/how-to/systemd.md", "ini", "deploy_systemd::the_drop_ins_of_the_manual_are_ones_that_systemd_takes")];

/// What was done with the blocks of a page.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    /// Whole configurations that were checked.
    documents: usize,
    /// Parts of configurations that were checked in a frame, or files of another kind that commands read.
    parts: usize,
    scripts: usize,
    /// Commands whose output was compared.
    outputs: usize,
    /// Answers that were compared with a schema.
    answers: usize,
    /// Blocks that another test proves.
    elsewhere: usize,
    /// Blocks of commands that ask a gateway, where none can be started.
    skipped: usize,
    /// Calls of the program.
    calls: usize,
}

struct Reader<'p> {
    page: &'p str,
    place: Place,
    done: Done,
    wrong: Vec<String>,
    /// What the script before said, if it ran.
    said: Option<String>,
}

impl Reader<'_> {
    fn complain(&mut self, block: &Block, why: impl std::fmt::Display) {
        self.wrong.push(format!("{}:{}: {why}", self.page, block.line));
    }

    fn read(&mut self, block: &Block) {
        if block.language != "text" {
            self.said = None;
        }
        if let Some(file) = block.words.iter().find(|word| word.starts_with("deploy/")) {
            return self.excerpt(block, file);
        }
        match &*block.language {
            "nginx" | "haproxy" | "caddyfile" => self.done.elsewhere += 1,
            "yaml" if block.says("traefik") => self.done.elsewhere += 1,
            "yaml" => self.yaml(block),
            "sh" | "bash" => self.script(block),
            // typed by `moving_tutorial.rs`, in its order
            "console" if self.page.starts_with("docs/tutorials/") => {
                self.done.elsewhere += block.text.lines().filter(|line| line.starts_with("$ ")).count();
            }
            "console" => self.console(block),
            "json" => self.json(block),
            "text" if WRITTEN.iter().any(|(page, _)| *page == self.page) => self.done.elsewhere += 1,
            "text" if block.follows => match self.said.take() {
                Some(said) => {
                    self.done.outputs += 1;
                    self.compare(block, &block.text, &said);
                }
                None => self.done.skipped += 1,
            },
            "text" => self.complain(block, "whose output is this? write it into a `console` block, below its command"),
            other if ELSEWHERE.iter().any(|(page, language, _)| *page == self.page && *language == other) => {
                self.done.elsewhere += 1
            }
            other => self.complain(block, format!("nothing is known of `{other}`: it would not be tested")),
        }
    }

    /// The lines stand in the file as they stand here, one after the other; how far they are indented may differ.
    fn excerpt(&mut self, block: &Block, file: &str) {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        let (lines, wanted): (Vec<&str>, Vec<&str>) = (text.lines().collect(), block.text.lines().collect());
        let indented = |line: &str| line.len() - line.trim_start().len();
        let bare = |lines: &[&str]| -> Vec<String> {
            let indent = lines.first().map_or(0, |first| indented(first));
            lines.iter().map(|line| line.get(indent..).unwrap_or_default().to_owned()).collect()
        };
        let is_there = lines.windows(wanted.len().max(1)).any(|window| bare(window) == bare(&wanted));
        self.done.elsewhere += 1;
        if !is_there {
            self.complain(block, format!("{file} says something else"));
        }
    }

    fn yaml(&mut self, block: &Block) {
        let is_whole = block.text.lines().any(|line| line.starts_with("version:"));
        let is_tests = block.text.lines().any(|line| line.starts_with("tests:"));
        let name = block.file().unwrap_or("gateway.yaml");
        if is_tests {
            self.place.write(block.file().unwrap_or("gateway.test.yaml"), &block.text);
            self.done.parts += 1;
            return;
        }
        let (file, text) = match is_whole {
            true => (name, block.text.clone()),
            false => ("part.yaml", framed(&block.text)),
        };
        let path = self.place.write(file, &text);
        let path = path.to_str().unwrap();
        // the examples of warnings are there to be warned of; that each is, `tests/config/lints.rs` proves
        let is_lint = self.page == "docs/reference/lints.md" || block.says("warns") || !is_whole;
        let strict = if is_lint { &["check", path][..] } else { &["check", "--strict", path][..] };
        let (status, said) = self.place.wharf(strict);
        if status != (if block.says("wrong") { 3 } else { 0 }) {
            self.complain(block, said);
        }
        match is_whole {
            true => self.done.documents += 1,
            false => self.done.parts += 1,
        }
    }

    /// Whether the commands of this block can be run.
    fn can_run(&mut self, block: &Block) -> bool {
        let asks = Regex::new(r"wharf (status|reload|drain|undrain)|--admin|curl |/dev/tcp/").unwrap();
        if asks.is_match(&block.text) && !self.place.serves() {
            self.done.skipped += 1;
            return false;
        }
        true
    }

    fn script(&mut self, block: &Block) {
        if !self.can_run(block) {
            return;
        }
        let ended = self.place.run(&block.text);
        self.done.scripts += 1;
        self.done.calls += ended.calls.len();
        let named = commands(&block.text);
        if ended.calls.len() < named {
            self.complain(block, format!("{} of {named} commands ran: {:?}", ended.calls.len(), ended.calls));
        }
        let fails = block.says("fails");
        let failed: Vec<_> = ended.calls.iter().filter(|call| !call.starts_with("0 ")).collect();
        if fails != (ended.status != 0) || fails == failed.is_empty() {
            self.complain(block, format!("status {}, {failed:?}:\n{}", ended.status, ended.said));
        }
        self.said = Some(ended.said);
    }

    fn console(&mut self, block: &Block) {
        if !self.can_run(block) {
            return;
        }
        let mut commands: Vec<(String, String)> = Vec::new();
        for line in block.text.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), String::new())),
                (None, Some((_, shown))) => *shown += &format!("{line}\n"),
                (None, None) => {
                    return self.complain(block, "the first line of a `console` block is `$ ` and a command");
                }
            }
        }
        let last = commands.len() - 1;
        for (at, (command, shown)) in commands.iter().enumerate() {
            let ended = self.place.run(command);
            self.done.outputs += 1;
            self.done.calls += ended.calls.len();
            if (block.says("fails") && at == last) != (ended.status != 0) {
                self.complain(block, format!("`{command}` ends with status {}", ended.status));
            }
            self.compare(block, shown, &ended.said);
        }
    }

    fn compare(&mut self, block: &Block, shown: &str, said: &str) {
        if !shows(&settled(shown), &settled(said)) {
            self.complain(block, format!("the page shows\n{shown}\nand this was said\n{said}"));
        }
    }

    fn json(&mut self, block: &Block) {
        let [schema] = &block.words[..] else {
            return self.complain(block, "name the schema of docs/reference/openapi.json behind `json`");
        };
        let answer = match serde_json::from_str(&block.text) {
            Ok(answer) => answer,
            Err(error) => return self.complain(block, error),
        };
        self.done.answers += 1;
        for why in crate::openapi::complaints(schema, &answer) {
            self.complain(block, why);
        }
    }
}

/// Commands that pages say are not built yet.
const NOT_BUILT: [&str; 1] = ["import"];

#[test]
fn every_command_that_a_sentence_names_is_there_with_its_flags() {
    let span = Regex::new(r"`wharf ([a-z][^`]*)`").unwrap();
    let flag = Regex::new(r"--[a-z][a-z-]*").unwrap();
    let place = Place::new("flags");
    let mut helps: BTreeMap<String, Option<String>> = BTreeMap::new();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in pages() {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        for found in span.captures_iter(&text) {
            let words: Vec<&str> = found[1].split_whitespace().collect();
            let name = match words[..] {
                ["config", "print", ..] => "config print",
                ["agent", "docker", ..] => "agent docker",
                [name, ..] => name,
                [] => continue,
            };
            if NOT_BUILT.contains(&name) {
                continue;
            }
            seen += 1;
            let help = helps.entry(name.to_owned()).or_insert_with(|| {
                let arguments: Vec<&str> = name.split(' ').chain(["--help"]).collect();
                let (status, said) = place.wharf(&arguments);
                (status == 0).then_some(said)
            });
            let Some(help) = help else {
                wrong.push(format!("{page}: there is no `wharf {name}`"));
                continue;
            };
            for flag in flag.find_iter(&found[1]).filter(|flag| !help.contains(flag.as_str())) {
                // not every flag is in the help
                let arguments: Vec<&str> = name.split(' ').chain([flag.as_str(), "--help"]).collect();
                if !place.wharf(&arguments).1.contains("unexpected argument") {
                    continue;
                }
                wrong.push(format!("{page}: `wharf {name}` has no `{}`", flag.as_str()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(seen > 50, "only {seen} commands were found");
}

/// How often a script names the program as a command.
fn commands(script: &str) -> usize {
    let command = Regex::new(r"(?m)(^ *|&& |exec gateway |sudo |\$\()wharf ").unwrap();
    let lines = script.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.map(|line| command.find_iter(line).count()).sum()
}

/// A part of a configuration with what it needs around it.
fn framed(part: &str) -> String {
    let has = |key: &str| part.lines().any(|line| line.starts_with(key));
    let is_routes = part.lines().find(|line| !line.starts_with('#')).is_some_and(|line| line.starts_with("- "));
    let mut text = String::from(if has("# yaml-language-server") { part } else { "" });
    text += "version: 1\n";
    if !has("listeners:") {
        text += "listeners: { web: { address: \":8080\" } }\n";
    }
    if !has("upstreams:") {
        let used = Regex::new(r"upstream: ([\w-]+)").unwrap();
        let mut names: Vec<&str> = used.captures_iter(part).map(|found| found.extract::<1>().1[0]).collect();
        names.sort();
        names.dedup();
        if !names.is_empty() {
            text += "upstreams:\n";
            names.iter().for_each(|name| text += &format!("  {name}: {{ endpoints: [a:3000, b:3000] }}\n"));
        }
    }
    if is_routes {
        text += "routes:\n";
    } else if !has("routes:") {
        text += "routes: [{ match: { path: /* }, respond: { status: 404 } }]\n";
    }
    if !has("# yaml-language-server") {
        text += part;
    }
    text
}

#[test]
fn every_configuration_and_every_command_of_the_manual_does_what_it_shows() {
    let only = std::env::var("PAGE").unwrap_or_default();
    let pages: Vec<String> = pages().into_iter().filter(|page| page.contains(&only)).collect();
    let read = side_by_side(2, pages, |page| {
        let text = std::fs::read_to_string(root().join(&page)).unwrap();
        let found = blocks(&text);
        let mut reader =
            Reader { page: &page, place: Place::new(&page), done: Done::default(), wrong: Vec::new(), said: None };
        found.iter().for_each(|block| reader.read(block));
        let Reader { done, mut wrong, .. } = reader;
        // each command of a `console` block has an output, so these count as often
        let consoles: Vec<&Block> = found.iter().filter(|block| block.language == "console").collect();
        let shown: usize = consoles.iter().map(|b| b.text.lines().filter(|line| line.starts_with("$ ")).count()).sum();
        let Done { documents, parts, scripts, outputs, answers, elsewhere, skipped, calls: _ } = done;
        let seen = documents + parts + scripts + outputs + answers + elsewhere + skipped;
        let fences = text.lines().filter(|line| line.trim_start().starts_with("```")).count() / 2;
        let wanted = fences - consoles.len() + shown;
        if skipped == 0 && seen != wanted && wrong.is_empty() {
            wrong.push(format!("{page}: {seen} of {wanted} blocks were tested: {done:?}"));
        }
        println!("{page}: {done:?}");
        (done, wrong)
    });
    let wrong: Vec<String> = read.iter().flat_map(|(_, wrong)| wrong.clone()).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    if only.is_empty() {
        let calls: usize = read.iter().map(|(done, _)| done.calls).sum();
        assert!(calls >= 20, "only {calls} calls of the program are in the manual");
    }
}
