//! What routes are called and match, all in one text: ten thousand short texts of their own would take twice the memory.

use std::sync::Arc;

/// A route's name and pattern.
pub struct Words {
    /// Of all routes of a table.
    text: Arc<Box<str>>,
    start: u32,
    /// Where the name ends.
    middle: u32,
    /// Where the pattern ends; `middle` if the name says it.
    end: u32,
}

impl Words {
    /// Of one route by itself, whose pattern nobody asks for.
    pub fn alone(name: &str) -> Words {
        let end = place(name.len());
        Words { text: Arc::new(name.into()), start: 0, middle: end, end }
    }

    pub fn name(&self) -> &str {
        self.part(self.start, self.middle)
    }

    /// Host, if there is one, and path, as written.
    pub fn pattern(&self) -> &str {
        if self.middle == self.end { self.name() } else { self.part(self.middle, self.end) }
    }

    fn part(&self, start: u32, end: u32) -> &str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }
}

/// Puts the words of many routes into one text.
#[derive(Default)]
pub struct WordsBuilder {
    text: String,
    /// Of each route, where its name and its pattern end.
    ends: Vec<(u32, u32)>,
}

impl WordsBuilder {
    /// Adds a route; `pattern` unless the name says it.
    pub fn add(&mut self, name: &str, pattern: Option<&str>) {
        self.text.push_str(name);
        let middle = place(self.text.len());
        self.text.push_str(pattern.unwrap_or_default());
        self.ends.push((middle, place(self.text.len())));
    }

    /// In the order added.
    pub fn build(self) -> impl Iterator<Item = Words> {
        let WordsBuilder { text, ends } = self;
        let text = Arc::new(text.into_boxed_str());
        let mut start = 0;
        ends.into_iter().map(move |(middle, end)| {
            let words = Words { text: Arc::clone(&text), start, middle, end };
            start = end;
            words
        })
    }
}

/// A document with 4 GiB of names is refused long before it comes here.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_finds_its_own_words() {
        let mut builder = WordsBuilder::default();
        for (name, pattern) in [("a.example/x/*", None), ("shop", Some("/shop*")), ("", None), ("ø", Some("/"))] {
            builder.add(name, pattern);
        }
        let words: Vec<Words> = builder.build().collect();
        let shown: Vec<_> = words.iter().map(|words| (words.name(), words.pattern())).collect();
        assert_eq!(shown, [("a.example/x/*", "a.example/x/*"), ("shop", "/shop*"), ("", ""), ("ø", "/")]);
        assert_eq!(Words::alone("shop").name(), "shop");
    }
}
