//! Secrets: how they are written, and what they hold on the machine that runs the gateway.

use super::form::Form;
use super::node::{Kind, Node};
use super::reading::Reading;
use super::section::key_text;
use super::shape::{self, Shape};
use super::{AuthorityConfig, Diagnostic, Document, Print, Spanned, suggest};
use crate::acme::ExternalAccount;
use crate::value::{Complaint, Secret};
use std::collections::HashMap;
use std::fmt;

pub(super) const SECRET: Form<Spanned<Secret>> = Form {
    form: "`{ file: PATH }` or `{ env: NAME }`",
    example: "{ file: /run/secrets/admin_token }",
    shape: Shape::OneKey(&[("file", Shape::Word(shape::FILE)), ("env", Shape::Literal("^[A-Za-z_][A-Za-z0-9_]*$"))]),
    read: |node, reading| {
        const HINT: &str = "write where it is: `{ file: /run/secrets/NAME }` or `{ env: NAME }`";
        let Kind::Map(entries) = &node.kind else {
            // Whatever stands here may be the secret: it is not repeated.
            reading
                .tell(Diagnostic::error(node.at, "a secret does not stand in the document, only its place").hint(HINT));
            return None;
        };
        let [(key, value)] = entries.as_slice() else {
            let at = entries.get(1).map_or(node.at, |(second, _)| second.at);
            reading.tell(Diagnostic::error(at, "a secret has exactly one place").hint(HINT));
            return None;
        };
        let secret = match key_text(key, reading)? {
            "file" => reading.word(value, "a path", file).map(Secret::File),
            "env" => env(value, reading).map(Secret::Env),
            other => {
                let mut diagnostic = Diagnostic::error(key.at, format!("a secret has no place `{other}`"));
                diagnostic.hint = suggest::hint(other, ["file", "env"]);
                reading.tell(diagnostic);
                None
            }
        };
        secret.map(|secret| Spanned { value: secret, at: value.at })
    },
};

fn file(text: &str) -> Result<std::path::PathBuf, Complaint> {
    match text {
        "" => Err(Complaint::new("the path is empty").hint("write for example `/run/secrets/admin_token`")),
        _ if text.ends_with('/') => Err(Complaint::new(format!("`{text}` is a directory, not a file"))),
        _ if text.contains('\0') => Err(Complaint::new("a path holds no zero byte")),
        _ => Ok(text.into()),
    }
}

/// The name of a variable. Nothing is expanded, and nothing that could be a secret is repeated.
fn env(node: &Node<'_>, reading: &Reading<'_>) -> Option<String> {
    let text = match &node.kind {
        Kind::Text(text) => &**text,
        // complains
        _ => return reading.text(node, "the name of a variable").map(|text| text.into_owned()),
    };
    let name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if name(text) {
        return Some(text.to_owned());
    }
    let diagnostic = Diagnostic::error(node.at, "this is not the name of an environment variable");
    let bare = text.trim_start_matches(['$', '{']).trim_end_matches('}');
    reading.tell(match text.starts_with('$') && name(bare) {
        true => diagnostic.hint(format!("write `{bare}`, without `$`")),
        false => diagnostic.hint("write the name alone, such as `ADMIN_TOKEN`, not what it holds"),
    });
    None
}

/// What the document's secrets hold on this machine.
#[derive(Default)]
pub struct Secrets {
    /// What clients of the admin address must present.
    pub admin_token: Option<Box<str>>,
    /// The keys of external accounts, by the names of their authorities.
    pub account_keys: HashMap<Box<str>, Box<str>>,
}

/// Shows nothing of them.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Document {
    /// Where its secrets are kept.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Spanned<Secret>> {
        let token = self.admin.iter().filter_map(|admin| admin.token.as_ref());
        let accounts = self.acme.iter().filter_map(|(_, authority)| authority.external_account.as_ref());
        token.chain(accounts.map(|account| &account.key))
    }
}

impl Secrets {
    /// What the files of secrets say, so that their change is noticed.
    pub(super) fn prints(document: &Document) -> Vec<Print> {
        let files = document.secrets().filter_map(|secret| match &secret.value {
            Secret::File(path) => Some(path),
            Secret::Env(_) => None,
        });
        files.map(|path| Print::of_secret(path)).collect()
    }

    /// Reads every secret; complaints go to its place in the document.
    pub(super) fn read(document: &Document, reading: &Reading<'_>) -> Self {
        let token = document.admin.as_ref().and_then(|admin| admin.token.as_ref());
        let account = |(name, authority): (&str, &AuthorityConfig)| {
            let key = &authority.external_account.as_ref()?.key;
            Some((name.into(), account_key(key, reading)?))
        };
        Secrets {
            admin_token: token.and_then(|token| secret(token, reading)),
            account_keys: document.acme.iter().filter_map(account).collect(),
        }
    }
}

/// The key of an external account, which is told as wrong where it cannot be one.
fn account_key(key: &Spanned<Secret>, reading: &Reading<'_>) -> Option<Box<str>> {
    let text = secret(key, reading)?;
    if ExternalAccount::read("", &text).is_none() {
        reading.tell(
            Diagnostic::error(key.at, format!("{} holds no key in base64url", **key))
                .hint("copy it as the authority gave it to you: letters, digits, `-` and `_`"),
        );
        return None;
    }
    Some(text)
}

fn secret(secret: &Spanned<Secret>, reading: &Reading<'_>) -> Option<Box<str>> {
    let tell = |why: String, hint: &str| reading.tell(Diagnostic::error(secret.at, why).hint(hint));
    let hint = match &**secret {
        Secret::File(_) => {
            "the user that runs the gateway must be able to read it; a path that does not start with `/` counts from \
             the current directory"
        }
        Secret::Env(_) => "set it where the gateway is started",
    };
    let text = secret.read().map_err(|why| tell(why, hint)).ok()?;
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(text);
    }
    let why = format!("{} holds what is no part of a secret: blanks, line breaks or other odd letters", **secret);
    tell(why, "it holds the secret alone, on one line");
    None
}
