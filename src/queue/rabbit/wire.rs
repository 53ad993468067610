//! What lapin speaks over: names that our own resolver knows, and TLS that trusts whom every client of this toolkit trusts.
//!
//! lapin's own TLS would bring fifty crates for certificates of clients, and asks the C library for names.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_rustls::TlsConnector;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use crate::http::Names;

/// Bytes to the broker and from it, in TLS or not.
trait Bytes: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Bytes for T {}

type Wire = Compat<Box<dyn Bytes>>;

/// Tokio, but for the kind of its connections.
#[derive(Debug, Clone)]
struct Wires(Tokio);

impl Reactor for Wires {
    type TcpStream = Wire;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// For sockets of others, of which lapin has none.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Wire, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, pause: Duration) -> Self::Sleep {
        self.0.sleep(pause)
    }

    fn interval(&self, pause: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(pause)
    }

    #[expect(clippy::manual_async_fn, reason = "an async function would keep what it is called on")]
    fn tcp_connect_addr(&self, address: SocketAddr) -> impl Future<Output = io::Result<Wire>> + Send + 'static {
        async move { plain(address).await.map(wire) }
    }
}

/// A connection, known to the broker by this name.
pub(super) async fn connect(broker: AMQPUri, tls: Arc<ClientConfig>, name: &str) -> lapin::Result<Connection> {
    // Before lapin is told: where that finds nobody, it may wait for an answer for ever (seen with 4.12.3).
    let ready = Mutex::new(Some(open(&broker, tls).await?));
    let open = async move |_, _| {
        let ready = ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        ready.map(AsyncTcpStream::Plain).ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into())
    };
    let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), Wires(Tokio::current())));
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    Connection::connector(broker, runtime, open, properties).await
}

async fn open(broker: &AMQPUri, tls: Arc<ClientConfig>) -> io::Result<Wire> {
    let (host, port) = (&broker.authority.host, broker.authority.port);
    let addresses = Names::of_the_system().addresses(host).await?;
    let addresses: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    let plain = plain(&*addresses).await?;
    if broker.scheme == AMQPScheme::AMQP {
        return Ok(wire(plain));
    }
    let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
    TlsConnector::from(tls).connect(name, plain).await.map(wire)
}

/// One of these addresses, the first that answers.
async fn plain(to: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn wire(bytes: impl Bytes + 'static) -> Wire {
    let bytes: Box<dyn Bytes> = Box::new(bytes);
    bytes.compat()
}
