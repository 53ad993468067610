//! Whose certificates are believed.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};

use super::{Identity, Trust};

/// What a client speaks TLS with, of whatever protocol: one that has a name there is put into `alpn_protocols`.
///
/// # Errors
/// When the file of authorities is missing, cannot be read or holds no certificate; of the identity, as [`super::patient_client`].
pub fn configuration(trust: &Trust, identity: Option<&Identity>) -> anyhow::Result<ClientConfig> {
    let own = own(trust)?;
    let roots = roots(rustls_native_certs::load_native_certs().certs, &own, trust)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let by_authority = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
    let mut configuration = match identity {
        None => none(),
        Some(identity) => shown(identity)?,
    };
    let verifier = Verifier { by_authority, own, named_as: "--cacert", insecure: trust.insecure };
    configuration.dangerous().set_certificate_verifier(Arc::new(verifier));
    Ok(configuration)
}

/// The authorities that a client believes, for a library that checks certificates by itself: each as DER.
///
/// # Errors
/// As [`configuration`].
pub fn authorities(trust: &Trust) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let is_usable = |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let system = rustls_native_certs::load_native_certs().certs.into_iter().filter(is_usable);
    Ok(own(trust)?.into_iter().chain(system).collect())
}

/// For a client that never speaks TLS: it trusts nobody, and reads no file.
pub(super) fn none() -> ClientConfig {
    trusting_nobody().with_no_client_auth()
}

/// A client that shows a certificate to a server that asks for one.
fn shown(identity: &Identity) -> anyhow::Result<ClientConfig> {
    let Identity { certificate, key } = identity;
    let read = |file: &Path, what: &str| {
        std::fs::read(file).with_context(|| format!("failed to read the {what} {}", file.display()))
    };
    let chain: Vec<CertificateDer> = CertificateDer::pem_slice_iter(&read(certificate, "client certificate")?)
        .collect::<Result<_, _>>()
        .with_context(|| format!("failed to use the client certificate {}", certificate.display()))?;
    if chain.is_empty() {
        bail!("there is no certificate in {} (PEM is expected)", certificate.display());
    }
    let own = PrivateKeyDer::from_pem_slice(&read(key, "client key")?)
        .with_context(|| format!("failed to use the client key {} (PEM is expected)", key.display()))?;
    trusting_nobody().with_client_auth_cert(chain, own).with_context(|| {
        format!("the client certificate {} and the key {} do not belong together", certificate.display(), key.display())
    })
}

/// A configuration that is begun, with no authority in it.
fn trusting_nobody() -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(RootCertStore::empty())
}

/// The certificates that the operator names.
fn own(trust: &Trust) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let Some(file) = &trust.authorities else { return Ok(Vec::new()) };
    let name = file.display();
    let pem = std::fs::read(file).with_context(|| format!("failed to read the authorities {name}"))?;
    let own: Vec<CertificateDer> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .with_context(|| format!("failed to use the authorities {name}"))?;
    if own.is_empty() {
        bail!("there is no certificate in the authorities {name} (PEM is expected)");
    }
    Ok(own)
}

/// The system's authorities, or else (a bare host has none) those built into the program; and the operator's own.
fn roots(
    system: Vec<CertificateDer<'static>>,
    own: &[CertificateDer<'static>],
    trust: &Trust,
) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for certificate in own {
        let file = trust.authorities.as_deref().unwrap_or(Path::new(""));
        roots.add(certificate.clone()).with_context(|| format!("failed to use the authorities {}", file.display()))?;
    }
    Ok(roots)
}

/// Believes what an authority has signed, and the very certificates that the operator names; or everybody, as `--insecure`
/// orders. Signatures are checked all the same: that costs nobody anything.
///
/// `openssl req -x509` makes certificates that sign themselves and are authorities. The rules of the web want no
/// authority as a server; but whoever names a server's own certificate trusts that server. Its name and its dates
/// count all the same.
#[derive(Debug)]
struct Verifier {
    by_authority: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
    /// Where a certificate can be named.
    named_as: &'static str,
    insecure: bool,
}

/// Believes what these certificates have signed, and a server that has one of them, as kubectl does: the `certificate-authority`
/// of a kubeconfig.
///
/// # Errors
/// When one of them is no certificate.
pub fn verifier(own: Vec<CertificateDer<'static>>) -> anyhow::Result<Arc<dyn ServerCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in &own {
        roots.add(certificate.clone()).context("failed to use a certificate-authority of the kubeconfig")?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let by_authority = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
    let named_as = "the certificate-authority of the cluster in the kubeconfig";
    Ok(Arc::new(Verifier { by_authority, own, named_as, insecure: false }))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
        if self.insecure {
            return Ok(ServerCertVerified::assertion());
        }
        let verified = self.by_authority.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let is_named = self.own.iter().any(|own| own == end_entity);
        match verified {
            // The dates are looked at before all else.
            Err(rustls::Error::InvalidCertificate(
                Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
            ))
            | Ok(_) => verified,
            Err(_) if is_named => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            // What these are called is known to the library's authors alone.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) => {
                let why = format!(
                    "the server's certificate is not one of a server that an authority has signed ({why}): where it is \
                     known to be the right one, it can be named as {}",
                    self.named_as
                );
                Err(rustls::Error::Other(OtherError(Arc::new(std::io::Error::other(why)))))
            }
            Err(_) => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_authority.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_authority.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_authority.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_has_the_authorities_that_are_built_in() {
        let built_in = roots(Vec::new(), &[], &Trust::default()).expect("roots");
        assert_eq!(built_in.len(), webpki_roots::TLS_SERVER_ROOTS.len());
        assert!(built_in.len() > 50, "{}", built_in.len());
    }
}
