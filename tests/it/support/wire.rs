//! A wire to an HTTP server that writes down each request, and can be slow.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Takes connections on a port of its own and passes on what comes, a request at a time. Requests must have no bodies.
pub struct Wire {
    /// The port of loopback to connect to.
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    /// A wire to a port of loopback, on the runtime of the caller. Each request is held back for `latency`.
    pub async fn to(server: u16, latency: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let port = listener.local_addr().expect("its address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, server, latency, Arc::clone(&log)));
            }
        });
        Self { port, requests }
    }

    /// The first lines of the requests since the last call, without the version: `GET /v2/billing/tags/list?n=1000`.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().expect("no panic under the lock"))
    }
}

async fn pass_on(client: TcpStream, server: u16, latency: Duration, log: Arc<Mutex<Vec<String>>>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..length]);
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
        log.lock().expect("no panic under the lock").push(line.trim_end_matches(" HTTP/1.1").to_owned());
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        if to_server.write_all(&request).await.is_err() {
            break;
        }
        request.clear();
    }
    answers.abort();
}
