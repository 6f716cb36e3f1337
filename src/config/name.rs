//! Names that a document gives: what they may hold.

use crate::value::Complaint;

/// Names end up in logs, in metrics and on command lines.
pub(super) fn check_name(name: &str) -> Result<(), Complaint> {
    const LONGEST: usize = 100;
    if name.is_empty() || name.len() > LONGEST {
        return Err(Complaint::new(format!("a name has 1 to {LONGEST} characters")));
    }
    if let Some(odd) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(*c)) {
        return Err(Complaint::new(format!("`{}` cannot stand in a name", odd.escape_debug()))
            .hint("letters, digits, `-`, `_` and `.` make up a name"));
    }
    if name.starts_with('_') {
        return Err(Complaint::new("names that start with `_` are the gateway's own"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_what_logs_and_metrics_can_show() {
        for name in ["web", "user_service", "a.b-c", "9"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "_none", "a b", "a/b", "ø", "a\"", &"x".repeat(101)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
