//! The certificate authorities that a client trusts.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::ClientError;

/// Returns a configuration that trusts the authorities in a file, or those of the system.
///
/// # Errors
/// Returns the reason why the file cannot be read or has no authority.
pub fn trust(ca: Option<&Path>) -> Result<ClientConfig, ClientError> {
    let (mut roots, mut named) = (RootCertStore::empty(), Vec::new());
    match ca {
        Some(path) => {
            let shown = path.display();
            let pem = std::fs::read(path).map_err(|error| {
                ClientError::Io(format!("{shown}: {error}; check that the file exists, and its permissions"))
            })?;
            let invalid = |reason: &str| {
                ClientError::Usage(format!("{shown}: {reason}; name a file with certificates in PEM"))
            };
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|_| invalid("the file is no PEM"))?;
                let added = roots.add(certificate.clone());
                added.map_err(|_| invalid("a certificate is no certificate authority"))?;
                named.push(certificate);
            }
            if roots.is_empty() {
                return Err(invalid("there is no certificate"));
            }
        }
        None => {
            // Certificates that cannot be read are left out. Without any, the handshake fails with its reason.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let failed = |error: &dyn std::fmt::Display| ClientError::Io(format!("cannot start TLS: {error}"));
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| failed(&error))?;
    let mut config = if named.is_empty() {
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        let inner = verifier.map_err(|error| failed(&error))?;
        let verifier = Arc::new(NamedVerifier { inner, named });
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Verifies the certificate of a daemon by the authorities of `--ca`. Also accepts a certificate that is itself in
/// the file, with its own name and within its time: a certificate that `openssl req -x509` makes is one of an
/// authority, and the inner verifier refuses those for a server.
#[derive(Debug)]
struct NamedVerifier {
    inner: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for NamedVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.inner.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The time is checked before the kind of the certificate.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.named.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
