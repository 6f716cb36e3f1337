//! Collections of hostile messages that are read from a folder beside the project, not kept in it.

use base64::Engine;
use serde_json::Value;

/// The entries of one collection from the folder `$WHARF_CORPORA`; it fails when they are not there. `None`, said loudly, when the
/// variable is not set.
#[track_caller]
pub fn corpus(name: &str) -> Option<Vec<Value>> {
    let Some(folder) = std::env::var_os("WHARF_CORPORA") else {
        eprintln!("SKIPPED, NOTHING WAS TESTED: set WHARF_CORPORA to the folder of {name}");
        return None;
    };
    let path = std::path::Path::new(&folder).join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// A text member.
#[track_caller]
pub fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {entry}"))
}

/// A number member, 0 when absent.
pub fn number(entry: &Value, key: &str) -> u64 {
    entry[key].as_u64().unwrap_or(0)
}

/// The bytes of a base64 member.
#[track_caller]
pub fn decode(entry: &Value, key: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(text(entry, key)).unwrap()
}
