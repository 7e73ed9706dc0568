//! Certificates that a test makes for itself, and a client that uses them.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::harness::HttpClient;

/// A folder with certificates of one authority.
pub(crate) struct Certificates {
    folder: TempDir,
    authority: Issuer<'static, KeyPair>,
    authority_pem: String,
}

/// A certificate with its key, in PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

pub(crate) type TlsClient = HttpClient<StreamOwned<ClientConnection, TcpStream>>;

impl Certificates {
    /// Makes an authority, and writes `ca.pem`, `server.pem` and `server.key`.
    pub(crate) fn new() -> Certificates {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two authorities of one name would be taken for each other.
        let name = format!("Authority {}", fastrand::u64(..));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let authority_pem = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        let made = Certificates { folder, authority: Issuer::new(params, key), authority_pem };
        made.write("ca.pem", &made.authority_pem);
        made.install(&made.server());
        made
    }

    /// Returns a new certificate for `localhost`, valid until the end of the year 2999.
    pub(crate) fn server(&self) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ServerAuth, 2999)
    }

    /// Returns a new certificate of a client.
    pub(crate) fn client(&self) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ClientAuth, 2999)
    }

    /// Returns a certificate that has expired.
    pub(crate) fn expired(&self) -> Pair {
        self.issue(ExtendedKeyUsagePurpose::ServerAuth, 2020)
    }

    /// Returns a certificate of a client with these names, whose validity ends at a Unix time in seconds.
    pub(crate) fn client_with(&self, names: &[SanType], not_after: u64) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names.to_vec();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(not_after);
        self.sign(&params)
    }

    /// Returns a certificate that signs itself, as `openssl req -x509` makes it: with the rights of an authority.
    pub(crate) fn self_signed(name: &str, last_year: i32) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().unwrap();
        Pair { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    fn issue(&self, usage: ExtendedKeyUsagePurpose, last_year: i32) -> Pair {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.extended_key_usages = vec![usage];
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(last_year, 12, 31);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// Writes the pair of the server, the certificate first.
    pub(crate) fn install(&self, pair: &Pair) {
        self.write("server.pem", &pair.certificate);
        self.write("server.key", &pair.key);
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the options of a daemon with the certificate.
    pub(crate) fn options(&self) -> Vec<String> {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        vec![format!("--tls-cert={}", path("server.pem")), format!("--tls-key={}", path("server.key"))]
    }

    /// Returns the configuration of a client that trusts the authority, and shows a certificate if one is given.
    pub(crate) fn client_config(&self, shown: Option<&Pair>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority_pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match shown {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }

    /// Returns a client whose handshake is done with its first request.
    pub(crate) fn connect(&self, address: &str) -> TlsClient {
        connect_with(&self.client_config(None), address)
    }
}

/// Returns a client with this configuration.
pub(crate) fn connect_with(config: &Arc<ClientConfig>, address: &str) -> TlsClient {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    HttpClient::over(StreamOwned::new(session(config), stream))
}

/// Returns the bytes of a first message of a handshake.
pub(crate) fn client_hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut hello = Vec::new();
    session(config).write_tls(&mut hello).unwrap();
    hello
}

/// Begins a handshake. Returns the stream, and the client's last bytes of the handshake, which are not sent.
pub(crate) fn unfinished(config: &Arc<ClientConfig>, address: &str) -> (TcpStream, Vec<u8>) {
    let (mut stream, mut session) = (TcpStream::connect(address).unwrap(), session(config));
    session.write_tls(&mut stream).unwrap();
    while session.is_handshaking() {
        assert_ne!(session.read_tls(&mut stream).unwrap(), 0, "closed during the handshake");
        session.process_new_packets().unwrap();
    }
    let mut last = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut last).unwrap();
    }
    (stream, last)
}

fn session(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost").unwrap()).unwrap()
}
