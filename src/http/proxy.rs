//! The proxies that the environment names (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`).

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Proxy, Url};

/// The environment's proxies, for every host but this one: a drill on loopback is not the proxy's business, and few
/// people think of writing `localhost` into `NO_PROXY`.
pub(super) fn of_the_environment() -> Proxy {
    let matcher = Matcher::from_env();
    let login = ["https://host.invalid", "http://host.invalid"].into_iter().find_map(|url| {
        let proxy = matcher.intercept(&url.parse().ok()?)?;
        proxy.basic_auth().cloned()
    });
    let proxy = Proxy::custom(move |url| {
        if is_loopback(url) {
            return None;
        }
        Some(matcher.intercept(&url.as_str().parse().ok()?)?.uri().to_string())
    });
    match login {
        Some(login) => proxy.custom_http_auth(login),
        None => proxy,
    }
}

/// The proxy that the environment names for this server.
#[cfg(feature = "platform")]
pub(crate) fn of_the_environment_for(server: &Url) -> Option<http::Uri> {
    if is_loopback(server) {
        return None;
    }
    Some(Matcher::from_env().intercept(&server.as_str().parse().ok()?)?.uri().clone())
}

/// Whether this is a server on this very host.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_by_name_and_address() {
        for (url, expected) in [
            ("http://localhost:5000/", true),
            ("http://registry.localhost/", true),
            ("http://127.8.9.1/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
