//! A real S3: moto's server, which the tests share; each has buckets of its own.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firebreak::http::Trust;
use firebreak::store::{Access, Key, Over, S3, Source as _, Store as _};
use tempfile::TempDir;

use super::{Server, Shared, free_port};

/// The keys of the account: the server takes any.
pub const ACCESS: &str = "key:hunter2secret";

static RUNNING: Shared<Moto> = Shared::new();
static BUCKETS: AtomicUsize = AtomicUsize::new(0);

/// A running server.
pub struct Moto {
    port: u16,
    _folder: TempDir,
    _server: Server,
}

impl Moto {
    /// The server that runs, or a new one.
    fn shared() -> Arc<Self> {
        RUNNING.get(Self::start)
    }

    fn start() -> Self {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join(".venv/bin/python");
        assert!(python.is_file(), "this test needs moto's server in .venv: run `make tools`");
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let server = Server::start(command, port, &folder.path().join("log"));
        Self { port, _folder: folder, _server: server }
    }
}

/// A bucket of a test's own.
pub struct Bucket {
    server: Arc<Moto>,
    pub name: String,
}

impl Bucket {
    /// A new one.
    pub async fn new() -> Self {
        let server = tokio::task::spawn_blocking(Moto::shared).await.expect("an S3");
        let bucket = Self { server, name: format!("pictures-{}", BUCKETS.fetch_add(1, Ordering::Relaxed)) };
        bucket.store("").make().await.expect("a bucket");
        bucket
    }

    /// Where the server listens.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    /// The address of what is below a prefix; empty for all.
    pub fn address(&self, prefix: &str) -> String {
        format!("s3://{}/{prefix}?endpoint={}", self.name, self.endpoint())
    }

    /// The same as a port.
    pub fn store(&self, prefix: &str) -> S3 {
        let access = Access::read(&ACCESS.into()).expect("an access");
        S3::open(&self.address(prefix), Some(access), &Trust::default()).expect("a bucket")
    }

    /// Puts an object.
    pub async fn put(&self, key: &str, content: &str) {
        let (key, content) = (Key::read(key).expect("a key"), content.to_owned().into());
        self.store("").put(&key, content, "text/plain", &Over::Anything).await.expect("it is put");
    }

    /// What an object holds; none where there is none.
    pub async fn content(&self, key: &str) -> Option<Vec<u8>> {
        let key = Key::read(key).expect("a key");
        let object = self.store("").get(&key, 1 << 30).await.expect("an answer");
        object.map(|object| object.body.to_vec())
    }
}
