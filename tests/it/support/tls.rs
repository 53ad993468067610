//! A server that speaks TLS with a certificate of its own making, and answers as a test says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

/// A certificate that signs itself and is an authority, as `openssl req -x509` makes them.
pub struct SelfSigned {
    /// In PEM.
    pub file: PathBuf,
    certificate: rcgen::Certificate,
    key: KeyPair,
    _folder: TempDir,
}

impl SelfSigned {
    /// For a server of this name, valid until the end of a year.
    pub fn of(name: &str, year: i32) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new([name.to_owned()]).expect("a name");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 12, 31);
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("server.pem");
        std::fs::write(&file, certificate.pem()).expect("a file in PEM");
        Self { file, certificate, key, _folder: folder }
    }

    /// Its key, in PEM.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Writes its key, in PEM.
    pub fn write_key(&self, file: &std::path::Path) {
        std::fs::write(file, self.key.serialize_pem()).expect("a file in PEM");
    }
}

/// The server; its thread ends with the test program.
pub struct TlsServer {
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TlsServer {
    /// Starts a server. `answer` makes of the path of a request the status, the headers and the body.
    pub fn start(
        certificate: &SelfSigned,
        answer: impl Fn(&str) -> (u16, String, String) + Send + Sync + 'static,
    ) -> Self {
        let key = PrivatePkcs8KeyDer::from(certificate.key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let configuration = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the usual versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.certificate.der().clone()], key.into())
            .expect("a certificate and its key");
        let configuration = Arc::new(configuration);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let port = listener.local_addr().expect("its address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&configuration)).expect("a connection");
                let mut stream = BufReader::new(StreamOwned::new(connection, socket));
                let mut head = String::new();
                // A client that does not believe the certificate breaks off.
                while stream.read_line(&mut head).is_ok_and(|read| read > 2) {}
                let Some(path) = head.split_whitespace().nth(1).map(str::to_owned) else { continue };
                log.lock().expect("no panic under the lock").push(head.to_ascii_lowercase());
                let (status, headers, body) = answer(&path);
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                let stream = stream.get_mut();
                let _ = stream.write_all(text.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        Self { port, requests }
    }

    /// The heads of the requests, in lower case.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().expect("no panic under the lock"))
    }
}
