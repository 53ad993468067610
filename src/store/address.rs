//! Which bucket an address names: `s3://bucket/prefix?endpoint=https://host&region=eu-west-1&style=virtual`.

use std::collections::BTreeMap;

use rusty_s3::{Bucket, UrlStyle};
use url::Url;

use super::{KNOWN, Key};
use crate::address::Address;
use crate::port::Unfit;

/// What a name must be.
const NAME: &str = "a bucket's name is of letters, digits, `.`, `-` and `_`";

/// The bucket and the prefix that an address names.
pub(super) fn place(address: &str) -> Result<(Bucket, String), Unfit> {
    let shown = Address::from(address).to_string();
    let shown = shown.split('?').next().unwrap_or_default();
    let refused = |why: &str| Unfit(format!("'{shown}' names no bucket of S3: {why}; {KNOWN}"));
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let path = path.strip_prefix("s3://").unwrap_or(path);
    if path.contains('@') {
        return Err(refused("keys do not belong there, but into --access"));
    }
    let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
    if !is_name(name) {
        return Err(refused(NAME));
    }
    let prefix = prefix.trim_end_matches('/');
    if !prefix.is_empty() {
        Key::read(prefix).map_err(|why| refused(&format!("of its prefix: {why}")))?;
    }
    let mut given = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if !["endpoint", "region", "style"].contains(&&*name) {
            return Err(refused(&format!("'{name}' means nothing there")));
        }
        given.insert(name.into_owned(), value.into_owned());
    }
    let (region, endpoint) = (given.remove("region"), given.remove("endpoint"));
    let is_virtual = match given.remove("style").as_deref() {
        Some("virtual") => Some(true),
        Some("path") => Some(false),
        Some(_) => return Err(refused("style is `path` or `virtual`")),
        None => None,
    };
    let bucket = bucket(name, region.as_deref(), endpoint.as_deref(), is_virtual).map_err(|why| refused(&why))?;
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    Ok((bucket, prefix))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// The bucket of this name, at AWS where no endpoint is named; or why it cannot be. Whether it is the host's first part is found out
/// where it is not said.
pub(super) fn bucket(
    name: &str,
    region: Option<&str>,
    endpoint: Option<&str>,
    is_virtual: Option<bool>,
) -> Result<Bucket, String> {
    if !is_name(name) {
        return Err(NAME.to_owned());
    }
    let region = region.unwrap_or("us-east-1");
    if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(format!("'{region}' is no region"));
    }
    // A name with a dot does not fit AWS' certificates.
    let is_virtual = is_virtual.unwrap_or_else(|| endpoint.is_none() && !name.contains(['.', '_']));
    let endpoint = endpoint.map_or_else(|| format!("https://s3.{region}.amazonaws.com"), str::to_owned);
    let endpoint: Url = endpoint.parse().map_err(|error| format!("its endpoint is no URL: {error}"))?;
    if endpoint.host_str().is_none() || !["http", "https"].contains(&endpoint.scheme()) {
        return Err("its endpoint is https://HOST or http://HOST".to_owned());
    }
    let style = if is_virtual { UrlStyle::VirtualHost } else { UrlStyle::Path };
    Bucket::new(endpoint, style, name.to_owned(), region.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_bucket_where_it_is_and_a_prefix() {
        for (address, url, prefix) in [
            ("s3://pictures", "https://pictures.s3.us-east-1.amazonaws.com/k", ""),
            ("s3://pictures/a/b/?region=eu-west-1", "https://pictures.s3.eu-west-1.amazonaws.com/k", "a/b/"),
            ("s3://my.pictures?region=eu-west-1", "https://s3.eu-west-1.amazonaws.com/my.pictures/k", ""),
            ("s3://pictures?endpoint=http://h:9000", "http://h:9000/pictures/k", ""),
            ("s3://pictures?endpoint=https://h/s3/&style=path", "https://h/s3/pictures/k", ""),
            ("s3://pictures?endpoint=https://h&style=virtual", "https://pictures.h/k", ""),
        ] {
            let (bucket, found) = place(address).expect(address);
            assert_eq!((bucket.object_url("k").as_str(), found.as_str()), (url, prefix), "{address}");
        }
        for (address, why) in [
            ("s3://", "a bucket's name"),
            ("s3://a b/c", "a bucket's name"),
            ("s3://KEY:hunter2@bucket", "--access"),
            ("s3://bucket/../x", "of its prefix"),
            ("s3://bucket?endpoint=h", "its endpoint is no URL"),
            ("s3://bucket?endpoint=ftp://h", "its endpoint is https"),
            ("s3://bucket?zone=x", "'zone' means nothing"),
            ("s3://bucket?region=", "'' is no region"),
            ("s3://bucket?style=flat", "style is"),
        ] {
            let error = place(address).expect_err(address).to_string();
            assert!(error.contains(why) && !error.contains("hunter2"), "{error}");
        }
    }
}
