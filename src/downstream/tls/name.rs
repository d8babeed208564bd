//! The name that a client certificate gives its owner.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use webpki::EndEntityCert;

use crate::hex::Hex;

/// The first DNS name, else the first URI (as SPIFFE has it), else `sha256:` and the digest of the certificate.
///
/// Not the common name of the subject: a free text, which no verifier looks at (RFC 9525 §2). A certificate that has only
/// that is as good as any, and its digest is what `openssl x509 -fingerprint -sha256` shows.
pub(super) fn name_in(certificate: &CertificateDer<'_>) -> Arc<str> {
    let parsed = EndEntityCert::try_from(certificate).ok();
    let named = parsed.as_ref().and_then(|certificate| {
        let mut names = certificate.valid_dns_names().chain(certificate.valid_uri_names());
        names.find(|name| is_printable(name))
    });
    named.map_or_else(|| digest(certificate), Arc::from)
}

/// Fit for a line of the log and a label of a metric.
fn is_printable(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn digest(certificate: &CertificateDer<'_>) -> Arc<str> {
    format!("sha256:{}", Hex(&Sha256::digest(certificate))).into()
}

const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(names: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names;
        params.distinguished_name.push(DnType::CommonName, "a common name");
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_dns_name_goes_before_a_uri_and_both_before_a_digest() {
        let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
        let uri = |uri: &str| SanType::URI(uri.try_into().unwrap());
        let name = |names| name_in(&certificate(names)).to_string();
        assert_eq!(name(vec![dns("bot.example"), dns("other.example")]), "bot.example");
        assert_eq!(name(vec![uri("spiffe://trust/bot"), dns("bot.example")]), "bot.example");
        assert_eq!(name(vec![uri("spiffe://trust/bot")]), "spiffe://trust/bot");
        let digest = name(vec![]);
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
        // What could forge a line of the log names nobody.
        assert!(name(vec![uri("spiffe://trust/a b")]).starts_with("sha256:"));
    }
}
