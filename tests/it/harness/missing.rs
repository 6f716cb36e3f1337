//! What a test stands on and a machine may lack.

/// Whether it is there. Where it is not nothing is tested, which is said loudly, and fails where changes land.
#[track_caller]
pub fn skip_unless(there: bool, why: &str) -> bool {
    if !there {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
        eprintln!("SKIPPED, NOTHING WAS TESTED: {why}");
    }
    there
}
