//! A wire to an HTTP server that writes down each request, and can be slow.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Takes connections on a port of its own and passes on what comes, a request at a time. Requests must have no bodies.
///
/// It works with threads, not with tasks: their sleep is exact to a fraction of a millisecond.
pub struct Wire {
    /// The port of loopback to connect to.
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    /// A wire to a port of loopback. Each request is held back for `latency`.
    pub fn to(server: u16, latency: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let port = listener.local_addr().expect("its address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let log = Arc::clone(&log);
                thread::spawn(move || pass_on(client, server, latency, &log));
            }
        });
        Self { port, requests }
    }

    /// The first lines of the requests since the last call, without the version: `GET /v2/billing/tags/list?n=1000`.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().expect("no panic under the lock"))
    }
}

/// Until either side has had enough.
fn pass_on(mut client: TcpStream, server: u16, latency: Duration, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut answers, mut asker) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let passed = copy(&mut answers, &mut asker);
        asker.shutdown(std::net::Shutdown::Both).and(passed)
    });
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return server.shutdown(std::net::Shutdown::Both);
        }
        request.extend_from_slice(&buffer[..length]);
        // What is not HTTP (some clients try TLS first) goes on as it comes: the server refuses it.
        let is_http = request[0].is_ascii_uppercase();
        if is_http && !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        if is_http {
            let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
            log.lock().expect("no panic under the lock").push(line.trim_end_matches(" HTTP/1.1").to_owned());
            thread::sleep(latency);
        }
        server.write_all(&request)?;
        request.clear();
    }
}

/// As `io::copy`, which would let the kernel move the bytes in more calls than these short answers are worth.
fn copy(from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..length])?;
    }
}
