//! Bytes to a server and from it: names that our own resolver knows, and TLS that trusts whom every client of this toolkit trusts.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::http::Names;

/// How long all addresses of a server together may take to answer, and how long it may take to agree on TLS.
const PATIENCE: Duration = Duration::from_secs(10);

/// In TLS or not.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection to a server, in TLS where there is a configuration of it. The first of its addresses that answers is taken.
///
/// # Errors
/// When its name is not known, no address answers, or its certificate is not believed.
pub(super) async fn open(host: &str, port: u16, tls: Option<Arc<ClientConfig>>) -> io::Result<Box<dyn Bytes>> {
    let addresses = Names::of_the_system().addresses(host).await?;
    let addresses: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    let plain = plain(&addresses).await?;
    let Some(tls) = tls else { return Ok(Box::new(plain)) };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = timeout(PATIENCE, TlsConnector::from(tls).connect(name, plain)).await;
    Ok(Box::new(stream.unwrap_or_else(|_| Err(silent(port)))?))
}

/// The first of these addresses that answers. Each has its share of the time: one that swallows what it is sent keeps no other from
/// being tried.
pub(super) async fn plain(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let share = PATIENCE / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = io::ErrorKind::NotFound.into();
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = silent(address.port()),
        }
    }
    Err(last)
}

fn silent(port: u16) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer on port {port}"))
}
