//! The program that runs, as it is started again: what its path leads to by then, with the same arguments.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Leads to the file this process was started from, whatever became of its name.
const ITSELF: &str = "/proc/self/exe";

/// A program and its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    pub path: PathBuf,
    /// Also the name it was called by, first.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// This process's. The path is absolute, with symlinks left in it: a file that was replaced, or a link that was swapped, is the new one.
    pub fn of_process() -> Program {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let search = std::env::var_os("PATH").unwrap_or_default();
        let path = arguments.first().and_then(|name| find(name, &search));
        Program { path: path.unwrap_or_else(|| ITSELF.into()), arguments }
    }
}

/// The file that a shell would run by this name.
fn find(name: &OsStr, search: &OsStr) -> Option<PathBuf> {
    let executable = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    let found = if name.as_encoded_bytes().contains(&b'/') {
        PathBuf::from(name)
    } else {
        std::env::split_paths(search).map(|directory| directory.join(name)).find(|path| executable(path))?
    };
    std::path::absolute(found).ok().filter(|path| executable(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_its_path_or_in_the_search_path_and_is_absolute() {
        let search = OsStr::new("/nowhere:/bin:/usr/bin");
        let find = |name: &str| find(OsStr::new(name), search);
        assert_eq!(find("/bin/sh"), Some("/bin/sh".into()));
        assert_eq!(find("sh"), Some("/bin/sh".into()));
        assert!(find("../../../../../../../../../bin/sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(find("no-such-program"), None);
        assert_eq!(find("/bin"), None);
        assert_eq!(find("/etc/passwd"), None);
    }

    #[test]
    fn a_test_program_finds_itself() {
        let program = Program::of_process();
        assert!(program.path.is_absolute() && program.path.is_file());
    }
}
