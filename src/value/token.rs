//! A token of HTTP: the letters that names of headers and cookies are made of.

/// Whether a text can be the name of a header or a cookie.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_headers_and_cookies_are_tokens() {
        for text in ["X-Tenant", "wharf_affinity", "a", "__Host-id"] {
            assert!(is_token(text), "{text}");
        }
        for text in ["", "a b", "a:", "a=b", "a;", "\"a\"", "ø", "a\r\n"] {
            assert!(!is_token(text), "{text}");
        }
    }
}
