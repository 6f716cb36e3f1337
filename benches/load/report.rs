//! What a run tells: Markdown tables for people, JSON for programs, ratios within a round in both.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

pub struct Report {
    /// Gateways that the others are divided by.
    against: Vec<String>,
    text: String,
    data: Map<String, Value>,
    ratios: Map<String, Value>,
    /// Requests that failed anywhere in the run.
    pub errors: u64,
}

impl Table {
    pub fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    fn render(&self) -> String {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let width =
            |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} |"));
            cells.fold("|".to_owned(), |line, cell| line + &cell) + "\n"
        };
        let rule = widths.iter().fold("|".to_owned(), |rule, width| rule + &"-".repeat(width + 2) + "|") + "\n";
        self.rows.iter().fold(line(&self.head) + &rule, |text, row| text + &line(row))
    }
}

impl Report {
    pub fn new(against: Vec<String>) -> Report {
        Report { against, text: String::new(), data: Map::new(), ratios: Map::new(), errors: 0 }
    }

    pub fn ratio_columns(&self) -> Vec<String> {
        self.against.iter().map(|name| format!("/{name}")).collect()
    }

    /// A gateway's ratios in a part of the run: the median of the quotients of the same round.
    pub fn ratio_cells(&mut self, part: &str, name: &str, series: impl Fn(&str) -> Vec<f64>) -> Vec<String> {
        let own = series(name);
        let mut cells = Vec::new();
        for other in &self.against {
            let quotients: Vec<f64> =
                own.iter().zip(series(other)).filter(|(_, b)| *b > 0.0).map(|(a, b)| a / b).collect();
            let ratio = (!quotients.is_empty()).then(|| median(&quotients));
            cells.push(ratio.map_or("-".into(), |ratio| rounded(ratio, 2)));
            let by_part = self.ratios.entry(part).or_insert_with(|| json!({}));
            if let Some(by_name) = by_part.as_object_mut() {
                by_name.entry(name).or_insert_with(|| json!({}))[other] = json!(ratio);
            }
        }
        cells
    }

    pub fn add(&mut self, part: &str, title: &str, table: Table, data: Value) {
        let _ = write!(self.text, "\n### {part}: {title}\n\n{}", table.render());
        self.data.insert(part.into(), data);
    }

    /// A sentence below the tables.
    pub fn note(&mut self, sentence: &str) {
        let _ = write!(self.text, "\n{sentence}\n");
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Writes everything: `run` says what was asked for and where.
    pub fn write_json(&self, file: &Path, run: Value) -> io::Result<()> {
        let whole = json!({ "run": run, "ratios": self.ratios, "parts": self.data, "errors": self.errors });
        fs::write(file, serde_json::to_string_pretty(&whole)? + "\n")
    }
}

/// NaN for nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

pub fn rounded(value: f64, digits: usize) -> String {
    if value.is_nan() { "-".into() } else { format!("{value:.digits$}") }
}
