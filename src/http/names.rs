//! Names become addresses without the C library, whose plug-ins a static program cannot load.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;
use hyper_util::client::legacy::connect::dns;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OnceCell;

/// Looks a name up in the hosts file, then asks the name servers of `resolv.conf`; no others, ever: a name of the
/// inside must not be told to a public server.
#[derive(Clone)]
pub struct Names {
    files: Arc<Files>,
}

struct Files {
    hosts: PathBuf,
    servers: PathBuf,
    resolver: OnceCell<TokioResolver>,
}

impl Names {
    /// With the files where every Unix has them.
    #[must_use]
    pub fn of_the_system() -> Self {
        Self::new("/etc/hosts", "/etc/resolv.conf")
    }

    /// With a hosts file and a `resolv.conf`. Either may be missing.
    pub fn new(hosts: impl Into<PathBuf>, servers: impl Into<PathBuf>) -> Self {
        Self { files: Arc::new(Files { hosts: hosts.into(), servers: servers.into(), resolver: OnceCell::new() }) }
    }

    /// The addresses of a name, or the one that it is.
    ///
    /// # Errors
    /// When the hosts file does not know it and no name server is named, answers, or knows it.
    pub async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = name.parse() {
            return Ok(vec![address]);
        }
        // The hosts file is read each time: it is short, and may change while a rollback runs.
        let hosts = std::fs::read_to_string(&self.files.hosts).unwrap_or_default();
        let known = in_hosts(&hosts, name);
        if !known.is_empty() {
            return Ok(known);
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let resolver = self.files.resolver.get_or_try_init(|| async { self.resolver(name) }).await?;
        let found = resolver.lookup_ip(name).await.map_err(|error| {
            io::Error::other(format!("cannot resolve '{name}' ({}): {error}", self.files.servers.display()))
        })?;
        Ok(found.iter().collect())
    }

    fn resolver(&self, name: &str) -> io::Result<TokioResolver> {
        let (hosts, servers) = (self.files.hosts.display(), self.files.servers.display());
        let explain =
            |why: String| io::Error::other(format!("cannot resolve '{name}': it is not in {hosts}, and {why}"));
        let text = std::fs::read(&self.files.servers)
            .map_err(|error| explain(format!("there is no {servers} to name a server ({error})")))?;
        let (configuration, options) =
            parse_resolv_conf(&text).map_err(|error| explain(format!("{servers} names no server ({error})")))?;
        asking(configuration, options).map_err(|error| explain(error.to_string()))
    }
}

fn asking(configuration: ResolverConfig, options: ResolverOpts) -> io::Result<TokioResolver> {
    let mut builder = TokioResolver::builder_with_config(configuration, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(io::Error::other)
}

/// The addresses that a hosts file gives a name.
fn in_hosts(hosts: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.');
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    hosts.lines().filter_map(line).collect()
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await?;
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// For clients that are built on hyper, as that of Kubernetes is.
impl tower::Service<dns::Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        let names = self.clone();
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await?;
            Ok(found.into_iter().map(|address| SocketAddr::new(address, 0)).collect::<Vec<_>>().into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_hosts_file_is_read_as_the_c_library_reads_it() {
        let hosts = "# a comment\n127.0.0.1 localhost\n10.0.0.7\tregistry.example registry # the one\n\
                     ::1 Registry\nnonsense registry\n";
        let both: [IpAddr; 2] = ["10.0.0.7".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(in_hosts(hosts, "registry"), both);
        assert_eq!(in_hosts(hosts, "REGISTRY.example."), both[..1]);
        assert!(in_hosts(hosts, "the").is_empty());
        assert!(in_hosts(hosts, "10.0.0.7").is_empty());
    }

    #[tokio::test]
    async fn without_resolv_conf_only_the_hosts_file_and_localhost_are_known() {
        let folder = tempdir().unwrap();
        let (hosts, servers) = (folder.path().join("hosts"), folder.path().join("resolv.conf"));
        let names = Names::new(&hosts, &servers);
        assert_eq!(names.addresses("localhost").await.unwrap()[0], Ipv4Addr::LOCALHOST);
        std::fs::write(&hosts, "10.0.0.7 registry\n").unwrap();
        assert_eq!(names.addresses("registry").await.unwrap(), ["10.0.0.7".parse::<IpAddr>().unwrap()]);
        let error = names.addresses("elsewhere.example").await.unwrap_err().to_string();
        let (hosts, servers) = (hosts.display(), servers.display());
        let expected = format!(
            "cannot resolve 'elsewhere.example': it is not in {hosts}, and there is no {servers} to name a server"
        );
        assert!(error.starts_with(&expected), "{error}");
        std::fs::write(folder.path().join("resolv.conf"), "# nothing\n").unwrap();
        let error = names.addresses("elsewhere.example").await.unwrap_err().to_string();
        assert!(error.contains(&format!("{servers} names no server")), "{error}");
    }

    /// Answers every question for an IPv4 address with 10.1.2.3, and every other with nothing.
    fn name_server() -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let question = 12 + buffer[12..length].iter().position(|&byte| byte == 0).unwrap() + 5;
                let is_a = buffer[question - 3] == 1;
                let mut answer = buffer[..question].to_vec();
                answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
                if is_a {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, 3]);
                }
                socket.send_to(&answer, from).unwrap();
            }
        });
        port
    }

    #[tokio::test]
    async fn a_name_server_is_asked() {
        let mut connection = ConnectionConfig::udp();
        connection.port = name_server();
        let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
        let resolver = asking(ResolverConfig::from_parts(None, vec![], vec![server]), ResolverOpts::default()).unwrap();
        let names = Names::new("/nowhere/hosts", "/nowhere/resolv.conf");
        names.files.resolver.set(resolver).unwrap();
        let expected: IpAddr = "10.1.2.3".parse().unwrap();
        assert_eq!(names.addresses("registry.example").await.unwrap(), [expected]);
    }
}
