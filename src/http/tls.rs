//! Whose certificates are believed.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::Trust;

/// What [`super::client`] speaks TLS with.
pub(super) fn configuration(trust: &Trust) -> anyhow::Result<ClientConfig> {
    let roots = roots(rustls_native_certs::load_native_certs().certs, trust)?;
    let mut configuration = with_roots(roots);
    if trust.insecure {
        let provider = Arc::clone(configuration.crypto_provider());
        configuration.dangerous().set_certificate_verifier(Arc::new(Anybody { provider }));
    }
    configuration.alpn_protocols = vec![b"h2".into(), b"http/1.1".into()];
    Ok(configuration)
}

/// For a client that never speaks TLS: it trusts nobody, and reads no file.
pub(super) fn none() -> ClientConfig {
    with_roots(RootCertStore::empty())
}

fn with_roots(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The system's authorities, or else (a bare host has none) those built into the program; and the operator's own.
fn roots(system: Vec<CertificateDer<'static>>, trust: &Trust) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let Some(file) = &trust.authorities else { return Ok(roots) };
    let name = file.display();
    let pem = std::fs::read(file).with_context(|| format!("failed to read the authorities {name}"))?;
    let own: Vec<CertificateDer> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .with_context(|| format!("failed to use the authorities {name}"))?;
    if own.is_empty() {
        bail!("there is no certificate in the authorities {name} (PEM is expected)");
    }
    for certificate in own {
        roots.add(certificate).with_context(|| format!("failed to use the authorities {name}"))?;
    }
    Ok(roots)
}

/// Believes everybody, as `--insecure` orders. Signatures are still checked: that costs nobody anything.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_has_the_authorities_that_are_built_in() {
        let built_in = roots(Vec::new(), &Trust::default()).expect("roots");
        assert_eq!(built_in.len(), webpki_roots::TLS_SERVER_ROOTS.len());
        assert!(built_in.len() > 50, "{}", built_in.len());
    }
}
