//! The domains whose hosts may receive a token.

/// Domains, each standing for itself and every name below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedSuffixes(Vec<String>);

impl TrustedSuffixes {
    /// Tradovate's own domains, and what the operator adds (`example.com`, in any case, with or without a
    /// leading dot).
    pub fn with(extra: impl IntoIterator<Item = String>) -> Self {
        let mut suffixes = Self::only(extra);
        suffixes.0.extend(TRADOVATE.map(str::to_owned));
        suffixes
    }

    /// These, and not Tradovate's.
    pub fn only(suffixes: impl IntoIterator<Item = String>) -> Self {
        let clean = suffixes.into_iter().map(|suffix| suffix.trim_matches('.').to_ascii_lowercase());
        Self(clean.filter(|suffix| !suffix.is_empty()).collect())
    }

    /// Whether `host` is a plain DNS name equal to, or below, one of them.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        is_plain_name(&host)
            && self.0.iter().any(|suffix| {
                host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
    }
}

impl Default for TrustedSuffixes {
    fn default() -> Self {
        Self::with([])
    }
}

/// Letters, digits and hyphens in labels of 1 to 63 (RFC 1123 §2.1): no port, user name, path or space that a
/// URL parser might read otherwise.
pub(super) fn is_plain_name(host: &str) -> bool {
    host.len() <= LONGEST_HOST
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

const TRADOVATE: [&str; 3] = ["tradovateapi.com", "tradovate.com", "ninjatrader.com"];

/// RFC 1035 §2.3.4, without the root's dot.
const LONGEST_HOST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_may_trust_more() {
        let trusted = TrustedSuffixes::with([".Example.COM".to_owned(), ".".to_owned()]);
        assert!(trusted.covers("demo.example.com") && trusted.covers("DEMO.tradovate.com"));
        assert!(!trusted.covers("example.org"));
        let only = TrustedSuffixes::only(["example.com".to_owned()]);
        assert!(only.covers("example.com") && !only.covers("demo.tradovateapi.com"));
        assert!(!TrustedSuffixes::only([".".to_owned()]).covers("example.com"));
    }
}
