//! From `kubernetes://<context>/<namespace>` to a place: which cluster, as whom, and where in it.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::Connect;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioExecutor;
use kube::Config;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use percent_encoding::percent_decode_str;
use rustls::pki_types::{CertificateDer, ServerName};
use tower::ServiceExt as _;

use super::kubeconfig;
use super::login::{self, Plugin, TokenFile};
use crate::http;
use crate::port::Unfit;

/// How a URL of this platform begins.
pub(in super::super) const SCHEME: &str = "kubernetes://";

/// Where applications are, and the way there.
pub(super) struct ClusterAccess {
    /// The context of the kubeconfig; none within a cluster.
    pub(super) context: Option<String>,
    /// The kubeconfig that the URL names.
    pub(super) kubeconfig: Option<PathBuf>,
    /// The namespace.
    pub(super) namespace: String,
    /// The API server, without scheme and user.
    pub(super) server: String,
    /// Who may ask there.
    pub(super) client: kube::Client,
    /// The program that gives the login, if one does.
    pub(super) plugin: Option<Plugin>,
}

impl ClusterAccess {
    /// The place at a URL: `kubernetes://<context>/<namespace>?kubeconfig=<path>`, where each part may be left out. The
    /// context is then the current one, or the cluster that this runs in; the namespace is named by the environment.
    pub(super) async fn at(url: &str, environment: &str, kubeconfigs: Option<&str>) -> anyhow::Result<Self> {
        let Asked { rest, kubeconfig } = asked(url)?;
        let file = kubeconfig::read(kubeconfig.as_deref(), kubeconfigs.unwrap_or_default())?;
        let contexts: Vec<&str> = file.iter().flat_map(contexts_of).collect();
        let (context, namespace) = split(&rest, &contexts);
        let namespace = namespace_of(namespace.unwrap_or(environment))?.to_owned();
        let context = Some(context).filter(|context| !context.is_empty()).map(str::to_owned);
        let (context, mut config, proxy) = match file {
            Some(file) => of_context(file, context).await?,
            None => (None, in_cluster(context)?, None),
        };
        config.proxy_url = match proxy {
            Some(proxy) => Some(proxy.parse().context("the kubeconfig's proxy-url is not a URL")?),
            None => config.cluster_url.to_string().parse().ok().and_then(|url| http::proxy_for(&url)),
        };
        let plugin = Plugin::of(&config.auth_info);
        let client = client(&config).map_err(|error| login::told(error, plugin.as_ref()));
        let client = client.context("failed to set up the client of Kubernetes")?;
        Ok(Self { context, kubeconfig, namespace, server: server(&config.cluster_url), client, plugin })
    }

    /// For people to read. With the server, since on another host a context of the same name may be another cluster.
    pub(super) fn address(&self) -> String {
        let context = self.context.as_deref().unwrap_or_default();
        format!("{SCHEME}{context}/{} ({})", self.namespace, self.server)
    }
}

/// A context of a kubeconfig, the current one if none is named: its name, what it says, and its proxy.
async fn of_context(
    mut file: Kubeconfig,
    named: Option<String>,
) -> anyhow::Result<(Option<String>, Config, Option<String>)> {
    let known: Vec<&str> = contexts_of(&file).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let Some(context) = named.or(file.current_context.clone()).filter(|context| !context.is_empty()) else {
        bail!("the kubeconfig has no current context: name one in the URL; it has {known}");
    };
    if !contexts_of(&file).any(|name| name == context) {
        bail!("the kubeconfig has no context '{}': it has {known}", http::printable(&context));
    }
    login::hush(&mut file);
    let proxy = proxy_of(&file, &context);
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(file, &options).await.map_err(kubeconfig::told);
    let config = config.with_context(|| format!("failed to use context '{context}'"))?;
    Ok((Some(context), config, proxy))
}

/// The cluster that this runs in.
fn in_cluster(named: Option<String>) -> anyhow::Result<Config> {
    if let Some(context) = named {
        bail!("there is no kubeconfig that could have a context '{}'", http::printable(&context));
    }
    Config::incluster()
        .map_err(|outside| anyhow!("no cluster is known: there is no kubeconfig, and this is no pod ({outside})"))
}

/// Host and port of a server, and the path where many clusters are behind one.
fn server(url: &::http::Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{host}{}", url.path().trim_end_matches('/'))
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    rest: String,
    kubeconfig: Option<PathBuf>,
}

fn asked(url: &str) -> anyhow::Result<Asked> {
    let rest = url.strip_prefix(SCHEME).unwrap_or(url);
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let kubeconfig = match query.split_once('=') {
        Some(("kubeconfig", path)) if !path.is_empty() => Some(PathBuf::from(decode(path))),
        None if query.is_empty() => None,
        _ => {
            bail!(Unfit(format!("'{}' asks for '?{query}': known is ?kubeconfig=/path/to/file", http::printable(url))))
        }
    };
    Ok(Asked { rest: decode(rest.trim_end_matches('/')), kubeconfig })
}

/// Context and namespace. Names of contexts may hold slashes (those of EKS do), so one that is known is taken whole.
fn split<'a>(rest: &'a str, contexts: &[&str]) -> (&'a str, Option<&'a str>) {
    match rest.rsplit_once('/') {
        Some((context, namespace)) if !contexts.contains(&rest) => (context, Some(namespace)),
        _ => (rest, None),
    }
}

fn namespace_of(name: &str) -> anyhow::Result<&str> {
    let sound = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(sound) || name.starts_with('-') || name.ends_with('-') {
        bail!(Unfit(format!("'{name}' cannot be a namespace: name it in the URL, {SCHEME}CONTEXT/NAMESPACE")));
    }
    Ok(name)
}

fn contexts_of(file: &Kubeconfig) -> impl Iterator<Item = &str> {
    file.contexts.iter().map(|context| context.name.as_str())
}

/// The proxy that the kubeconfig names for the cluster of a context.
fn proxy_of(file: &Kubeconfig, context: &str) -> Option<String> {
    let context = file.contexts.iter().find(|one| one.name == context)?.context.as_ref()?;
    let cluster = file.clusters.iter().find(|one| one.name == context.cluster)?.cluster.as_ref()?;
    cluster.proxy_url.clone().filter(|url| !url.is_empty())
}

/// A client with our own resolver of names: a static program cannot load the C library's. It repeats nothing.
fn client(config: &Config) -> anyhow::Result<kube::Client> {
    match &config.proxy_url {
        None => over(config, http::connector()),
        Some(proxy) if proxy.scheme_str() == Some("http") => {
            over(config, Tunnel::new(proxy.clone(), http::connector()))
        }
        Some(proxy) => bail!("a proxy is spoken to by http only, not by {}", proxy.scheme_str().unwrap_or("nothing")),
    }
}

fn over<C>(config: &Config, connector: C) -> anyhow::Result<kube::Client>
where
    hyper_rustls::HttpsConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    let mut tls = config.rustls_client_config()?;
    // Of a cluster that this runs in, kube reads the file again, since the authority changes there.
    if let Some(own) =
        config.root_cert.as_ref().filter(|_| !config.accept_invalid_certs && config.root_cert_file.is_none())
    {
        let own = own.iter().map(|certificate| CertificateDer::from(certificate.clone())).collect();
        tls.dangerous().set_certificate_verifier(http::verifier(own)?);
    }
    let mut https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name =
            ServerName::try_from(name.clone()).context("the kubeconfig's tls-server-name is no name of a server")?;
        https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let https = https.enable_http1().wrap_connector(connector);
    let hyper = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(https);
    let hyper = hyper.map_err(tower::BoxError::from);
    let client = ClientBuilder::new(hyper, config.default_namespace.clone()).with_layer(&config.extra_headers_layer()?);
    let base = config.base_uri_layer();
    if let Some(file) = TokenFile::of(&config.auth_info)? {
        return Ok(client.with_layer(&file.layer()).with_layer(&base).build());
    }
    Ok(match config.auth_layer()? {
        Some(login) => client.with_layer(&login).with_layer(&base).build(),
        None => client.with_layer(&base).build(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_context_and_namespace_and_each_may_be_left_out() {
        let eks = "arn:aws:eks:eu:1:cluster/prod";
        for (url, context, namespace) in [
            ("kubernetes://prod/shop", "prod", Some("shop")),
            ("kubernetes://prod", "prod", None),
            ("kubernetes://prod/", "prod", None),
            ("kubernetes:///shop", "", Some("shop")),
            ("kubernetes://", "", None),
            ("kubernetes://arn:aws:eks:eu:1:cluster/prod", eks, None),
            ("kubernetes://arn:aws:eks:eu:1:cluster/prod/shop", eks, Some("shop")),
            ("kubernetes://admin%40prod/shop", "admin@prod", Some("shop")),
        ] {
            let asked = asked(url).unwrap();
            assert_eq!(split(&asked.rest, &["prod", eks]), (context, namespace), "{url}");
        }
    }

    #[test]
    fn a_url_may_name_the_kubeconfig_and_nothing_else() {
        let named = asked("kubernetes://prod/shop?kubeconfig=/etc/a%20b").unwrap();
        assert_eq!(named, Asked { rest: "prod/shop".to_owned(), kubeconfig: Some("/etc/a b".into()) });
        let error = asked("kubernetes://prod/shop?config=x").unwrap_err().to_string();
        assert_eq!(error, "'kubernetes://prod/shop?config=x' asks for '?config=x': known is ?kubeconfig=/path/to/file");
    }

    #[test]
    fn a_server_is_named_without_what_must_not_be_shown() {
        for (url, expected) in [
            ("https://api.example:6443", "api.example:6443"),
            ("https://ann:pw@api.example/", "api.example"),
            ("https://[::1]:6443", "[::1]:6443"),
            ("https://rancher.example/k8s/clusters/c-1/?token=s3cret", "rancher.example/k8s/clusters/c-1"),
        ] {
            assert_eq!(server(&url.parse().unwrap()), expected);
        }
    }

    #[test]
    fn a_namespace_is_a_name_of_kubernetes() {
        for name in ["dev", "shop-2", "0"] {
            assert_eq!(namespace_of(name).unwrap(), name);
        }
        for name in ["", "Dev", "a/b", "-a", "a-", "a_b"] {
            let error = namespace_of(name).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("'{name}' cannot be a namespace: name it in the URL, kubernetes://CONTEXT/NAMESPACE")
            );
        }
    }
}
