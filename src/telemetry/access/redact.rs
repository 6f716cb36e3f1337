//! URLs without their secrets: the value of a key that looks like one becomes `***`, and user and password go.

use memchr::{memchr, memchr3, memrchr};

use super::escape::{self, Escape};

/// A key is secret if it contains one of these, whatever separates its words.
pub(in crate::telemetry) const PARTS: [&str; 16] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "credential",
    "signature",
    "session",
    "cookie",
    "bearer",
    "jwt",
    "saml",
];

/// A key is secret if one of its words ends in one of these.
pub(in crate::telemetry) const ENDINGS: [&str; 6] = ["key", "pwd", "auth", "sig", "csrf", "xsrf"];

/// A key is secret if one of its words is one of these.
pub(in crate::telemetry) const WORDS: [&str; 4] = ["code", "pass", "otp", "sid"];

/// What stands for a secret.
const HIDDEN: &[u8] = b"***";

/// Appends a request target or a URL, escaped and without its secrets; like [`escape::field`] it may be cut.
pub(super) fn url<E: Escape>(out: &mut Vec<u8>, url: &[u8]) {
    let (url, cut) = escape::limited(url);
    if !escape::is_plain_without(url, *b"?;#@") {
        let (before, pairs) = url.split_at(memchr3(b'?', b';', b'#', url).unwrap_or(url.len()));
        without_user::<E>(out, before);
        without_secrets::<E>(out, pairs);
    } else {
        out.extend_from_slice(url);
    }
    if cut {
        escape::ellipsis::<E>(out);
    }
}

/// Appends `host` without what may stand before an `@`.
pub(super) fn host<E: Escape>(out: &mut Vec<u8>, host: &[u8]) {
    if !escape::is_plain_without(host, *b"@") {
        escape::field::<E>(out, memrchr(b'@', host).map_or(host, |at| &host[at + 1..]));
    } else {
        out.extend_from_slice(escape::limited(host).0);
    }
}

/// Scheme, authority and path; the authority loses its user and password.
fn without_user<E: Escape>(out: &mut Vec<u8>, url: &[u8]) {
    if url.first() == Some(&b'/') {
        return escape::text::<E>(out, url);
    }
    let start = memchr::memmem::find(url, b"://").map_or(0, |at| at + 3);
    let end = memchr(b'/', &url[start..]).map_or(url.len(), |at| start + at);
    let host = memrchr(b'@', &url[start..end]).map_or(start, |at| start + at + 1);
    escape::text::<E>(out, &url[..start]);
    escape::text::<E>(out, &url[host..]);
}

/// What begins with `?`, `;` or `#`: pairs of key and value.
fn without_secrets<E: Escape>(out: &mut Vec<u8>, mut rest: &[u8]) {
    // Before the `?` these are parameters of a path segment, which end with it.
    let mut in_path = rest.first() == Some(&b';');
    while let [separator, after @ ..] = rest {
        escape::text::<E>(out, &[*separator]);
        in_path &= !matches!(separator, b'?' | b'#');
        let ends_pair = |b: &u8| matches!(b, b'&' | b';' | b'?' | b'#') || (in_path && *b == b'/');
        let mut end = after.iter().position(ends_pair).unwrap_or(after.len());
        match memchr(b'=', &after[..end]) {
            Some(equals) if is_secret(&after[..equals]) => {
                if !in_path {
                    // A `;` or `?` within a secret does not end it.
                    end = memchr(b'&', after).unwrap_or(after.len());
                }
                escape::text::<E>(out, &after[..=equals]);
                out.extend_from_slice(HIDDEN);
            }
            _ => escape::text::<E>(out, &after[..end]),
        }
        rest = &after[end..];
    }
}

/// Whether the value of `key`, as it stands in a URL, is to be hidden.
fn is_secret(key: &[u8]) -> bool {
    /// A key longer than this is no name anybody gave; it is hidden unread.
    const MAX: usize = 64;
    let mut words = [0; 2 * MAX];
    let mut squeezed = [0; MAX];
    let (mut words_len, mut squeezed_len) = (0, 0);
    let mut after_small = false;
    for byte in decoded(key) {
        if squeezed_len == MAX || words_len + 2 > words.len() {
            return true;
        }
        // `accessKey` is two words, as is `access_key`.
        if !byte.is_ascii_alphanumeric() || (after_small && byte.is_ascii_uppercase()) {
            words[words_len] = b'_';
            words_len += 1;
        }
        if byte.is_ascii_alphanumeric() {
            words[words_len] = byte.to_ascii_lowercase();
            words_len += 1;
            squeezed[squeezed_len] = byte.to_ascii_lowercase();
            squeezed_len += 1;
        }
        after_small = byte.is_ascii_lowercase() || byte.is_ascii_digit();
    }
    let squeezed = &squeezed[..squeezed_len];
    PARTS.iter().any(|part| squeezed.windows(part.len()).any(|it| it == part.as_bytes()))
        || words[..words_len].split(|&b| b == b'_').any(|word| {
            WORDS.iter().any(|it| word == it.as_bytes()) || ENDINGS.iter().any(|it| word.ends_with(it.as_bytes()))
        })
}

/// The bytes of a key with its percent-encoding undone.
fn decoded(key: &[u8]) -> impl Iterator<Item = u8> {
    let hex = |b: u8| (b as char).to_digit(16).map(|digit| digit as u8);
    let mut rest = key;
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        rest = after;
        if first == b'%'
            && let [high, low, after @ ..] = after
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            rest = after;
            return Some(high << 4 | low);
        }
        Some(first)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::escape::{Hex, Json};
    use super::*;

    fn shown(text: &str) -> String {
        let mut out = Vec::new();
        url::<Json>(&mut out, text.as_bytes());
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn values_of_keys_that_look_like_secrets_are_hidden() {
        for key in [
            "token",
            "key",
            "api_key",
            "apikey",
            "apiKey",
            "API-KEY",
            "secret",
            "password",
            "passwd",
            "pwd",
            "auth",
            "authorization",
            "signature",
            "sig",
            "session",
            "jwt",
            "code",
            "access_token",
            "refresh_token",
            "id_token",
            "credential",
            "credentials",
            "my_token",
            "client_secret",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "AWSAccessKeyId",
            "jsessionid",
            "user[password]",
            "%74oken",
            "t%6Fken",
            "user%5Bpwd%5D",
            "api+key",
            "otp",
            "oauth",
            "SAMLResponse",
            "accesskey",
            "privateKey",
            "mykey",
            "sid",
            "a.b.key",
        ] {
            assert_eq!(shown(&format!("/p?a=1&{key}=hunter2&b=2")), format!("/p?a=1&{key}=***&b=2"));
        }
    }

    #[test]
    fn other_values_stay() {
        for key in ["q", "page", "encode", "zipcode", "author", "passenger", "design", "keyboard", "codec", "id", ""] {
            let text = format!("/p?{key}=hunter2&b=2");
            assert_eq!(shown(&text), text);
        }
        for text in ["/", "/a/b%20c", "/?", "/?&&", "/?a", "*", "/a;b/c;d?e;f#g", "/token=1/x", "/x?token"] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn a_secret_is_hidden_to_its_end() {
        assert_eq!(shown("/p?password=a;b?c=d#e/f&x=1"), "/p?password=***&x=1");
        assert_eq!(shown("/p?token="), "/p?token=***");
        assert_eq!(shown("/p?token=a=b==&x"), "/p?token=***&x");
        assert_eq!(shown("/p?next=/q?token=a"), "/p?next=/q?token=***");
        assert_eq!(shown("/p?x=1;token=a;y=2"), "/p?x=1;token=***");
        assert_eq!(shown("/a;jsessionid=5/b;v=1?x=2"), "/a;jsessionid=***/b;v=1?x=2");
        assert_eq!(
            shown("https://app.example/#access_token=a&state=b"),
            "https://app.example/#access_token=***&state=b"
        );
    }

    #[test]
    fn a_key_too_long_to_be_a_name_is_hidden() {
        let key = "a".repeat(100);
        assert_eq!(shown(&format!("/p?{key}=1")), format!("/p?{key}=***"));
    }

    #[test]
    fn user_and_password_are_never_shown() {
        assert_eq!(shown("https://me:pw@shop.example/a@b"), "https://shop.example/a@b");
        assert_eq!(shown("https://me:p@w@shop.example?x=y@z"), "https://shop.example?x=y@z");
        assert_eq!(shown("me:pw@shop.example:443"), "shop.example:443");
        assert_eq!(shown("https://shop.example/a@b"), "https://shop.example/a@b");
        assert_eq!(shown("/a@b"), "/a@b");
        let mut out = Vec::new();
        host::<Json>(&mut out, b"me:pw@shop.example");
        assert_eq!(out, b"shop.example");
    }

    #[test]
    fn a_long_url_is_cut_and_its_secret_stays_hidden() {
        let text = shown(&format!("/p?token={}&x=1", "s".repeat(10_000)));
        assert_eq!(text, "/p?token=***…");
    }

    proptest! {
        #[test]
        fn no_url_shows_the_value_after_a_secret_key(before in "[a-z;?#/&=%@:]{0,30}", after in "[a-z;?#/&=%@:]{0,30}") {
            let text = shown(&format!("/{before}?token=HUNTER2&{after}"));
            prop_assert!(!text.contains("HUNTER2"), "{text}");
            let mut out = Vec::new();
            url::<Hex>(&mut out, format!("/{before}?token=HUNTER2&{after}").as_bytes());
            prop_assert_eq!(String::from_utf8(out).unwrap(), text);
        }

        #[test]
        fn any_bytes_make_a_json_string(bytes: Vec<u8>) {
            let mut out = Vec::new();
            url::<Json>(&mut out, &bytes);
            let text = String::from_utf8(out).unwrap();
            let json = format!("\"{text}\"");
            prop_assert!(serde_json::from_str::<String>(&json).is_ok());
        }
    }
}
