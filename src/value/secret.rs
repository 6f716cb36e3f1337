//! A secret, by where it is kept: a file or an environment variable. Only the place is held here, so that no dump,
//! log or message can show the secret itself.

use super::open_regular;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;

/// The longest secret, in bytes. A larger file is something else.
const LONGEST: u64 = 64 << 10;

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Secret {
    /// In this file.
    File(PathBuf),
    /// In this environment variable.
    Env(String),
}

impl Secret {
    /// The secret itself, read anew, without one line break at its end. The error is a sentence that names the place
    /// and never what was found there.
    pub fn read(&self) -> Result<Box<str>, String> {
        let mut text = match self {
            Secret::File(path) => {
                let mut bytes = Vec::new();
                open_regular(path)
                    .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
                    .map_err(|error| format!("{self} cannot be read: {error}"))?;
                if bytes.len() as u64 > LONGEST {
                    return Err(format!("{self} holds more than {} KiB, which is no secret", LONGEST >> 10));
                }
                String::from_utf8(bytes).map_err(|_| format!("{self} holds no text in UTF-8"))?
            }
            Secret::Env(name) => match std::env::var(name) {
                Ok(value) => value,
                Err(std::env::VarError::NotPresent) => return Err(format!("{self} is not set")),
                Err(std::env::VarError::NotUnicode(_)) => return Err(format!("{self} holds no text in UTF-8")),
            },
        };
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        if text.is_empty() {
            return Err(format!("{self} is empty"));
        }
        Ok(text.into())
    }
}

/// Its place, in words.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::File(path) => write!(f, "the file `{}`", path.display()),
            Secret::Env(name) => write!(f, "the environment variable `{name}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read from a file that holds `bytes`.
    fn from_file(name: &str, bytes: &[u8]) -> Result<Box<str>, String> {
        let path = std::env::temp_dir().join(format!("wharf-secret-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).expect("a writable file");
        let read = Secret::File(path.clone()).read();
        std::fs::remove_file(&path).expect("the file is there");
        read.map_err(|said| said.replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_a_secret() {
        for (name, bytes, secret) in
            [("plain", "s3cret", "s3cret"), ("line", "s3cret\n", "s3cret"), ("dos", "s3cret\r\n", "s3cret")]
        {
            assert_eq!(from_file(name, bytes.as_bytes()).as_deref(), Ok(secret), "{name}");
        }
        assert_eq!(from_file("two", b"a\n\n").as_deref(), Ok("a\n"), "one, not all of them");
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_shown() {
        for bytes in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(from_file("empty", bytes), Err("the file `FILE` is empty".into()));
        }
        assert_eq!(from_file("binary", b"\xff\xfe"), Err("the file `FILE` holds no text in UTF-8".into()));
        let large = from_file("large", &vec![b'x'; (64 << 10) + 1]).expect_err("too large");
        assert_eq!(large, "the file `FILE` holds more than 64 KiB, which is no secret");
        let missing = Secret::File("/nowhere/token".into()).read().expect_err("no file");
        assert_eq!(missing, "the file `/nowhere/token` cannot be read: No such file or directory (os error 2)");
        let folder = Secret::File(std::env::temp_dir()).read().expect_err("no file");
        assert!(folder.ends_with("cannot be read: it is no regular file"), "{folder}");
        let unset = Secret::Env("WHARF_NOBODY_SETS_THIS".into()).read().expect_err("no variable");
        assert_eq!(unset, "the environment variable `WHARF_NOBODY_SETS_THIS` is not set");
    }

    #[test]
    fn only_the_place_of_a_secret_is_ever_shown() {
        let path = Secret::Env("PATH".into());
        let value = path.read().expect("every process has a PATH");
        assert!(!format!("{path:?} {path}").contains(&*value));
    }
}
