//! A real RabbitMQ, which all tests that run at the same time share, each with a queue of its own.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tempfile::TempDir;

use super::queue::TestQueue;
use super::tls::SelfSigned;
use super::{Server, Shared, free_port, need};

static RUNNING: Shared<Broker> = Shared::new();
static QUEUES: AtomicUsize = AtomicUsize::new(1);

/// The program itself: Debian's script of that name changes to another user.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A broker, which keeps what it has on the disk.
struct Broker {
    port: u16,
    tls_port: u16,
    distribution_port: u16,
    folder: TempDir,
    certificate: SelfSigned,
    // Dropped in this order: a broker is to be known by its name as long as it lives.
    server: Mutex<Option<Server>>,
    names: (u16, Server),
}

impl Broker {
    /// The one that runs, or a new one.
    fn running() -> Arc<Self> {
        RUNNING.get(Self::start)
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let broker = Self {
            port: free_port(),
            tls_port: free_port(),
            distribution_port: free_port(),
            names: Self::names(folder.path()),
            certificate: SelfSigned::of("localhost", 2100),
            server: Mutex::new(None),
            folder,
        };
        broker.up();
        broker
    }

    /// What Erlang's nodes are known by: on a port of its own, and gone with this test.
    fn names(folder: &Path) -> (u16, Server) {
        let port = free_port();
        let mut command = Command::new(need("epmd", "erlang-base"));
        command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
        (port, Server::start(command, port, &folder.join("epmd.log")))
    }

    /// Starts it, with what it had.
    fn up(&self) {
        need("rabbitmq-server", "rabbitmq-server");
        let at = |name: &str| self.folder.path().join(name);
        let (certificate, key) = (self.certificate.file.display(), at("key.pem"));
        std::fs::write(&key, self.certificate.key_pem()).expect("a key");
        let configuration = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\nlisteners.ssl.1 = 127.0.0.1:{}\nssl_options.cacertfile = {certificate}\n\
             ssl_options.certfile = {certificate}\nssl_options.keyfile = {}\nlog.console = true\n",
            self.port,
            self.tls_port,
            key.display(),
        );
        std::fs::write(at("rabbitmq.conf"), configuration).expect("a configuration");
        std::fs::write(at("enabled_plugins"), "[].").expect("no plugins");
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path());
        for (name, value) in [
            ("RABBITMQ_NODENAME", format!("firebreak{}@localhost", self.port)),
            ("RABBITMQ_DIST_PORT", self.distribution_port.to_string()),
            ("ERL_EPMD_PORT", self.names.0.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            (
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none".to_owned(),
            ),
            // Its script is replaced by the broker, so that who ends the one ends the other.
            ("RUNNING_UNDER_SYSTEMD", "yes".to_owned()),
        ] {
            command.env(name, value);
        }
        for (name, file) in [
            ("RABBITMQ_MNESIA_BASE", "data"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
            ("RABBITMQ_PID_FILE", "pid"),
            ("RABBITMQ_CONF_ENV_FILE", "none"),
        ] {
            command.env(name, at(file));
        }
        command.current_dir(self.folder.path());
        // One that is still starting may keep a client waiting for ever.
        let soon = std::time::Duration::from_secs(5);
        let listens = || TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        let answers =
            || listens() && wait(async || tokio::time::timeout(soon, self.connect()).await.is_ok_and(|it| it.is_ok()));
        *self.server.lock().expect("no panic under the lock") =
            Some(Server::start_until(command, &at("output"), answers));
    }

    async fn connect(&self) -> lapin::Result<(Connection, Channel)> {
        let url = format!("amqp://127.0.0.1:{}/%2F", self.port);
        let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    }
}

/// A queue of a broker, of one kind or the other.
pub struct Rabbit<const QUORUM: bool> {
    broker: Arc<Broker>,
    /// Its name.
    pub queue: String,
}

/// A classic queue.
pub type Classic = Rabbit<false>;
/// A quorum queue.
pub type Quorum = Rabbit<true>;

impl<const QUORUM: bool> Rabbit<QUORUM> {
    /// A new queue of the broker that tests share.
    pub fn start() -> Self {
        Self::of(Broker::running())
    }

    /// A new queue of a broker of its own.
    pub fn alone() -> Self {
        Self::of(Arc::new(Broker::start()))
    }

    /// A new queue of the same broker.
    pub fn beside<const OTHER: bool>(&self) -> Rabbit<OTHER> {
        Rabbit::of(Arc::clone(&self.broker))
    }

    fn of(broker: Arc<Broker>) -> Self {
        let queue = format!("missed-{}", QUEUES.fetch_add(1, Ordering::Relaxed));
        let rabbit = Self { broker, queue };
        rabbit.declare(&rabbit.queue, &[("x-queue-type", if QUORUM { "quorum" } else { "classic" })]);
        rabbit
    }

    /// Makes a queue, with arguments that are texts.
    pub fn declare(&self, queue: &str, arguments: &[(&str, &str)]) {
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            let value = value.parse().map_or_else(|_| AMQPValue::LongString((*value).into()), AMQPValue::LongLongInt);
            table.insert((*name).into(), value);
        }
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.ask(async |_, channel| channel.queue_declare(queue.into(), options, table.clone()).await.map(drop));
    }

    /// The owner of a queue that is its alone; the queue is gone with it.
    pub async fn owner(&self, queue: &str) -> Connection {
        let (connection, channel) = self.broker.connect().await.expect("a connection");
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, FieldTable::default()).await.expect("a queue");
        connection
    }

    fn ask<T: Send>(&self, act: impl AsyncFnOnce(Connection, Channel) -> lapin::Result<T> + Send) -> T {
        wait(|| async {
            let (connection, channel) = self.broker.connect().await.expect("a connection");
            act(connection, channel).await.expect("an answer of RabbitMQ")
        })
    }

    /// The broker's port, without TLS and with it.
    pub fn ports(&self) -> [u16; 2] {
        [self.broker.port, self.broker.tls_port]
    }

    /// Who is to be trusted to get in by TLS.
    pub fn certificate(&self) -> &Path {
        &self.broker.certificate.file
    }

    /// How many messages wait in a queue.
    pub fn waiting(&self, queue: &str) -> usize {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        self.ask(async |connection, channel| {
            let count = channel.queue_declare(queue.into(), options, FieldTable::default()).await?.message_count();
            connection.close(200, "".into()).await.map(|()| count as usize)
        })
    }

    /// Publishes messages, each confirmed.
    pub fn publish(&self, queue: &str, messages: Vec<(Vec<u8>, BasicProperties)>) {
        self.ask(async |connection, channel| {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let mut confirms = Vec::new();
            for (content, properties) in messages {
                let options = BasicPublishOptions::default();
                let properties = properties.with_delivery_mode(2);
                confirms.push(channel.basic_publish("".into(), queue.into(), options, &content, properties).await?);
            }
            for confirm in confirms {
                assert!(confirm.await?.is_ack());
            }
            connection.close(200, "".into()).await
        });
    }

    /// Takes out what is in a queue: contents, properties, whether it was delivered before.
    pub fn drain(&self, queue: &str) -> Vec<(String, BasicProperties, bool)> {
        self.ask(async |connection, channel| {
            let mut all = Vec::new();
            while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await? {
                let message = message.delivery;
                let content = String::from_utf8_lossy(&message.data).into_owned();
                all.push((content, message.properties, message.redelivered));
            }
            connection.close(200, "".into()).await.map(|()| all)
        })
    }
}

impl<const QUORUM: bool> TestQueue for Rabbit<QUORUM> {
    fn url(&self) -> String {
        format!("amqp://127.0.0.1:{}/%2F?queue={}", self.broker.port, self.queue)
    }

    fn put(&self, bodies: &[String]) {
        let message = |body: &String| (body.as_bytes().to_vec(), BasicProperties::default());
        self.publish(&self.queue, bodies.iter().map(message).collect());
    }

    fn left(&self) -> usize {
        self.waiting(&self.queue)
    }

    fn down(&mut self) {
        *self.broker.server.lock().expect("no panic under the lock") = None;
    }

    fn up(&mut self) {
        self.broker.up();
    }
}

/// Waits in a thread of its own, as a test may be in a runtime already.
fn wait<T: Send, F: Future<Output = T>>(what: impl FnOnce() -> F + Send) -> T {
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| tokio::runtime::Runtime::new().expect("a runtime").block_on(what()));
        waiting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
