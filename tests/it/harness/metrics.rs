//! What `/metrics` shows, parsed.

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// All series of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics(pub Vec<Series>);

impl Metrics {
    /// Parses the text exposition format.
    #[track_caller]
    pub fn parse(text: &str) -> Metrics {
        Metrics(text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(series).collect())
    }

    /// The sum of the series that a selector such as `name{label="value"}` picks; 0 when there is none. Labels that the
    /// selector does not name do not matter.
    #[track_caller]
    pub fn sum(&self, selector: &str) -> f64 {
        self.select(selector).iter().map(|s| s.value).sum()
    }

    /// The series that a selector picks.
    #[track_caller]
    pub fn select(&self, selector: &str) -> Vec<&Series> {
        let wanted = series(&format!("{selector} 0"));
        let fits = |s: &&Series| s.name == wanted.name && wanted.labels.iter().all(|label| s.labels.contains(label));
        self.0.iter().filter(fits).collect()
    }
}

#[track_caller]
fn series(line: &str) -> Series {
    let bad = || format!("not a series: {line:?}");
    let split = line.find(['{', ' ']).unwrap_or_else(|| panic!("{}", bad()));
    let (name, rest) = line.split_at(split);
    let mut labels = Vec::new();
    let mut rest = rest;
    if let Some(inner) = rest.strip_prefix('{') {
        let mut inner = inner;
        while let Some((key, value)) = inner.split_once("=\"") {
            let mut text = String::new();
            let mut chars = value.char_indices();
            let end = loop {
                match chars.next() {
                    Some((at, '"')) => break at,
                    Some((_, '\\')) => match chars.next() {
                        Some((_, 'n')) => text.push('\n'),
                        Some((_, c)) => text.push(c),
                        None => panic!("{}", bad()),
                    },
                    Some((_, c)) => text.push(c),
                    None => panic!("{}", bad()),
                }
            };
            labels.push((key.trim_start_matches(',').to_owned(), text));
            inner = &value[end + 1..];
            if inner.starts_with('}') {
                break;
            }
        }
        rest = inner.strip_prefix('}').unwrap_or_else(|| panic!("{}", bad()));
    }
    let value = rest.split_whitespace().next().and_then(|v| v.parse().ok());
    Series { name: name.to_owned(), labels, value: value.unwrap_or_else(|| panic!("no value: {line:?}")) }
}

#[test]
fn a_selector_sums_over_the_labels_it_does_not_name() {
    let metrics =
        Metrics::parse("# TYPE a counter\na{x=\"1\",y=\"p q\"} 2\na{x=\"1\",y=\"r\\\"\"} 3\na{x=\"2\"} 9\nb 4.5\n");
    assert_eq!(metrics.sum("a{x=\"1\"}"), 5.0);
    assert_eq!(metrics.sum("a{y=\"r\\\"\"}"), 3.0);
    assert_eq!(metrics.sum("a"), 14.0);
    assert_eq!(metrics.sum("b"), 4.5);
    assert_eq!(metrics.sum("c"), 0.0);
}
