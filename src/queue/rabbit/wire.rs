//! What lapin speaks over. Its own TLS would bring fifty crates for certificates of clients, and it asks the C library for names.

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
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use crate::queue::wire::{self, Bytes, plain};

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
        async move { plain(&[address]).await.map(boxed) }
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
    let tls = (broker.scheme == AMQPScheme::AMQPS).then_some(tls);
    wire::open(&broker.authority.host, broker.authority.port, tls).await.map(TokioAsyncReadCompatExt::compat)
}

fn boxed(bytes: impl Bytes + 'static) -> Wire {
    let bytes: Box<dyn Bytes> = Box::new(bytes);
    bytes.compat()
}
