//! `acme`: the authorities that issue certificates on order.

use super::declare::section;
use super::file_path::file;
use super::form::{self, Choice, Form, choice};
use super::secret::SECRET;
use super::section::Fields;
use super::shape::Shape;
use super::{Diagnostic, FilePath, Spanned};
use crate::value::{Complaint, EndpointAddress, Secret};
use std::time::Duration;

/// The name of an entry that needs no `directory`.
pub(super) const LETSENCRYPT: &str = "letsencrypt";
const LETSENCRYPT_DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
const LETSENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

section! { "an authority",
    /// An authority that issues certificates on order, by ACME. Certificates and the account are kept in the state directory, and are renewed
    /// before they expire. By naming an authority here you agree to its terms of service, which are linked from its
    /// directory: the gateway says so when it makes the account.
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct AuthorityConfig {
        /// Where the authority may write to about your certificates. Left out: it has no way to.
        "email" => email: Option<Box<str>>, optional(EMAIL);
        /// How it is proven that a host is yours. `http-01`: the authority asks for a file over HTTP, on port 80 of the host; any listener
        /// without `tls` answers it, before every route and redirect. `tls-alpn-01`: it makes a handshake on port 443 of the host;
        /// any listener with `tls` answers it. `dns-01`: it looks for a record in the DNS, which `dns_hook` sets; it alone works
        /// for names below a host (`"*.example.com"`), and for hosts that the authority cannot reach.
        "challenge" => challenge: ChallengeKind, default(CHALLENGE, "http-01");
        /// The authority's directory. Needed unless the entry is called `letsencrypt`, which is
        /// `https://acme-v02.api.letsencrypt.org/directory`.
        "directory" => directory: Option<Box<str>>, optional(DIRECTORY);
        /// Whether Let's Encrypt's staging directory is asked: its limits are wide, and its certificates are for trials, since no browser
        /// believes them. An error beside `directory`.
        "staging" => staging: bool, default(form::BOOL, "false");
        /// Whom to believe when the gateway talks to the directory, PEM: for authorities of your own. Left out: the
        /// authorities that the system believes.
        "ca" => ca: Option<Spanned<FilePath>>, optional(CA);
        /// The command that sets and unsets records for `dns-01`, with its first arguments. It is run without a shell, as
        /// `COMMAND… set HOST NAME VALUE`, and later the same with `unset`: the host, the full name of the TXT record, and its value.
        /// Status 0 says that it is done. Needed with `dns-01`, and an error without it.
        "dns_hook" => dns_hook: Option<Vec<Box<str>>>, optional(HOOK);
        /// How long to wait after the hook has set a record before the authority is told to look: the name servers of the zone need some
        /// time to agree. An error without `dns-01`.
        "dns_wait" => dns_wait: Duration, default(form::DURATION_OR_ZERO, "30s");
        /// The kind of the certificates' keys. `ecdsa` (P-256) costs a fraction of `rsa` (2048 bits) in every handshake; all but very
        /// old clients understand it.
        "key" => key: KeyKind, default(KEY_KIND, "ecdsa");
        /// What ties the account to one that you have with the authority already, for authorities that ask for it.
        "external_account" => external_account: Option<ExternalAccountConfig>, optional_section(ExternalAccountConfig);
        /// The kind of certificate, of those that the directory lists, such as Let's Encrypt's `shortlived`. Left out: the
        /// authority's own choice.
        "profile" => profile: Option<Box<str>>, optional(PROFILE);
    }
    later []
    checked by authority
}

section! { "`external_account`",
    /// What an authority gave you to tie the gateway's account to your own with it (external account binding).
    #[derive(Clone, PartialEq, Eq, Hash)]
    pub struct ExternalAccountConfig {
        /// The key's identifier.
        "key_id" => key_id: Box<str>, required(KEY_ID);
        /// The key itself, in base64url as the authority gives it. It is kept in a file or in an environment variable, and never shown; like
        /// `admin.token` it is read when the gateway starts and at every reload.
        "key" => key: Spanned<Secret>, required(ACCOUNT_KEY);
    }
    later []
}

impl AuthorityConfig {
    /// Where the authority's directory is.
    pub fn directory(&self) -> &str {
        match &self.directory {
            Some(directory) => directory,
            None if self.staging => LETSENCRYPT_STAGING,
            None => LETSENCRYPT_DIRECTORY,
        }
    }
}

fn authority(config: &AuthorityConfig, fields: &Fields<'_, '_>) {
    if fields.place("directory").is_some() {
        fields.useless("staging", "directory", "directory", "this directory is asked");
    }
    if !fields.are_sound() {
        return;
    }
    let is_dns = config.challenge == ChallengeKind::Dns01;
    if is_dns && config.dns_hook.is_none() {
        let at = fields.entry("challenge").map_or(fields.owner, |(_, value)| value.at);
        fields.reading.tell(
            Diagnostic::error(at, "`dns-01` needs `dns_hook`, the command that sets the record")
                .hint("write for example `dns_hook: [/etc/wharf/dns-hook]`"),
        );
    }
    for key in ["dns_hook", "dns_wait"] {
        if let Some(at) = fields.place(key).filter(|_| !is_dns) {
            fields.reading.tell(
                Diagnostic::error(at, format!("`{key}` has no effect without `challenge: dns-01`"))
                    .label("no record is set")
                    .hint("write `challenge: dns-01`, or leave it out"),
            );
        }
    }
}

/// How it is proven that a host is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChallengeKind {
    /// A file over HTTP.
    Http01,
    /// A handshake.
    TlsAlpn01,
    /// A record in the DNS.
    Dns01,
}

impl Choice for ChallengeKind {
    const WHAT: &'static str = "a challenge";
    const WORDS: &'static [(&'static str, Option<Self>)] = &[
        ("http-01", Some(ChallengeKind::Http01)),
        ("tls-alpn-01", Some(ChallengeKind::TlsAlpn01)),
        ("dns-01", Some(ChallengeKind::Dns01)),
    ];
}

const CHALLENGE: Form<ChallengeKind> = choice("`http-01`, `tls-alpn-01` or `dns-01`", "dns-01");

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// P-256.
    Ecdsa,
    /// 2048 bits.
    Rsa,
}

impl Choice for KeyKind {
    const WHAT: &'static str = "a kind of key";
    const WORDS: &'static [(&'static str, Option<Self>)] =
        &[("ecdsa", Some(KeyKind::Ecdsa)), ("rsa", Some(KeyKind::Rsa))];
}

const KEY_KIND: Form<KeyKind> = choice("`ecdsa` or `rsa`", "rsa");

const EMAIL: Form<Box<str>> = Form {
    form: "an email address",
    example: "ops@example.com",
    shape: Shape::Word(r"^[^\s@:<>,]+@[^\s@:<>,]+$"),
    read: |node, reading| reading.word(node, "an email address", email),
};

fn email(text: &str) -> Result<Box<str>, Complaint> {
    if let Some(address) = text.strip_prefix("mailto:") {
        return Err(Complaint::new("an email address is written without `mailto:`").hint(format!("write `{address}`")));
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || "@:<>,".contains(c);
    match text.split_once('@') {
        Some((name, host)) if !name.is_empty() && !host.is_empty() && !name.contains(odd) && !host.contains(odd) => {
            Ok(text.into())
        }
        _ => {
            Err(Complaint::new(format!("`{text}` is not an email address")).hint("write for example `ops@example.com`"))
        }
    }
}

const DIRECTORY: Form<Box<str>> = Form {
    form: "a URL with `https://`",
    example: "https://acme.example.com/directory",
    shape: Shape::Word(r"^https://[^\s/?#]+(/\S*)?$"),
    // a wrong one is said and then taken for one that is written: it is not missing
    read: |node, reading| Some(reading.word(node, "a URL", directory).unwrap_or_default()),
};

fn directory(text: &str) -> Result<Box<str>, Complaint> {
    if let Some(rest) = text.strip_prefix("http://") {
        let complaint = Complaint::new("an authority is asked over HTTPS alone");
        return Err(complaint.hint(format!("write `https://{rest}`, with `ca` for an authority of your own")));
    }
    let wrong = || Complaint::new(format!("`{text}` is not the URL of a directory"));
    let Some(rest) = text.strip_prefix("https://") else {
        return Err(wrong().hint("write for example `https://acme.example.com/directory`"));
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(odd) = path.chars().find(|c| c.is_whitespace() || c.is_control() || *c == '#') {
        return Err(wrong().hint(format!("`{}` cannot stand in it", odd.escape_debug())));
    }
    if host.is_empty() || host.starts_with(':') {
        return Err(wrong().hint("write for example `https://acme.example.com/directory`"));
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let address = if has_port { host.to_owned() } else { format!("{host}:443") };
    match EndpointAddress::parse(&address) {
        Ok(EndpointAddress::Ip(_) | EndpointAddress::Name { .. }) => Ok(text.into()),
        Ok(EndpointAddress::Unix(_)) => Err(wrong()),
        Err(complaint) => Err(Complaint {
            message: format!("`{text}` is not the URL of a directory: {}", complaint.message),
            ..Complaint::new("")
        }),
    }
}

const CA: Form<Spanned<FilePath>> = file("authority.pem");

/// The most words of a command.
const WORDS_MAX: usize = 100;

const HOOK: Form<Vec<Box<str>>> = Form {
    form: "a list of words",
    example: "[/etc/wharf/dns-hook]",
    shape: Shape::List(&Shape::Text, 1),
    read: |node, reading| {
        let items = reading.list(node, "a list of words")?;
        match items {
            [] => reading.tell(
                Diagnostic::error(node.at, "a command has at least one word")
                    .hint("write for example `[/etc/wharf/dns-hook]`"),
            ),
            [first, ..] if first.text() == Some("") => {
                reading.tell(Diagnostic::error(first.at, "the command is empty").hint("write the path of a program"));
            }
            _ => {}
        }
        if let Some(beyond) = items.get(WORDS_MAX) {
            reading.tell(Diagnostic::error(beyond.at, format!("a command has at most {WORDS_MAX} words")));
        }
        let word = |text: &str| match text.contains('\0') {
            true => Err(Complaint::new("a word of a command holds no zero byte")),
            false => Ok(Box::<str>::from(text)),
        };
        Some(items.iter().take(WORDS_MAX).filter_map(|item| reading.word(item, "a word", word)).collect())
    },
};

const PROFILE: Form<Box<str>> = Form {
    form: "a word",
    example: "shortlived",
    shape: Shape::Word("^[!-~]{1,100}$"),
    read: |node, reading| reading.word(node, "a word", graphic),
};

const KEY_ID: Form<Box<str>> = Form { example: "kid-1", ..PROFILE };

fn graphic(text: &str) -> Result<Box<str>, Complaint> {
    match !text.is_empty() && text.len() <= 100 && text.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(text.into()),
        false => Err(Complaint::new(format!("`{}` is not one word", text.escape_debug()))
            .hint("write 1 to 100 letters, digits and signs without blanks, as the authority gave them to you")),
    }
}

const ACCOUNT_KEY: Form<Spanned<Secret>> = Form { example: "{ file: /run/secrets/acme_key }", ..SECRET };
