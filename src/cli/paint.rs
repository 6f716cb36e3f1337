//! Colours, where somebody looks who wants them.

use std::io::IsTerminal;

/// Paints, or does not.
#[derive(Clone, Copy)]
pub struct Paint(bool);

impl Paint {
    /// No colours.
    #[cfg(test)]
    pub const NONE: Paint = Paint(false);

    /// For what goes to stdout.
    pub fn stdout() -> Paint {
        Paint(std::io::stdout().is_terminal() && is_welcome())
    }

    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub fn bad(self, text: &str) -> String {
        self.with("1;31", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Whether complaints are painted, which go to stderr.
pub fn colour() -> bool {
    std::io::stderr().is_terminal() && is_welcome()
}

fn is_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
