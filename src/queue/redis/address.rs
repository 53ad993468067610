//! Where a stream is: `redis://host:6379/missed?group=master`.

use url::Url;

use crate::address::{Address, ESCAPES};
use crate::port::Unfit;
use crate::queue::{KNOWN, shown};

/// The server's own URL, the stream, and the group.
pub(super) fn parts(address: &Address) -> Result<(Url, String, String), Unfit> {
    let refused = |why: String| Unfit(format!("'{}' names no stream of Redis: {why}; {KNOWN}", shown(address)));
    if address.may_be_cut_by_a_password() {
        return Err(refused(ESCAPES.to_owned()));
    }
    let mut url = Url::parse(address.whole()).map_err(|error| refused(error.to_string()))?;
    let group = url.query_pairs().find(|(name, _)| name == "group").map(|(_, group)| group.into_owned());
    let group = group.filter(|group| !group.is_empty()).ok_or_else(|| refused("it has no `?group=`".to_owned()))?;
    if let Some((other, _)) = url.query_pairs().find(|(name, _)| name != "group") {
        return Err(refused(format!("'{other}' means nothing there")));
    }
    let path = url.path().trim_matches('/').to_owned();
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (database, stream) = match path.split_once('/') {
        Some((database, stream)) if database.parse::<u32>().is_ok() => (database.to_owned(), decoded(stream)),
        _ => (String::new(), decoded(&path)),
    };
    if stream.is_empty() {
        return Err(refused("it has no path, which is the stream".to_owned()));
    }
    url.set_query(None);
    url.set_path(&database);
    Ok((url, stream, group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_server_a_stream_and_a_group() {
        let read = |url: &str| {
            let (url, stream, group) = parts(&url.into()).map_err(|error| error.to_string())?;
            Ok::<_, String>((url.to_string(), stream, group))
        };
        let found = |url: &str, stream: &str| Ok((url.to_owned(), stream.to_owned(), "master".to_owned()));
        assert_eq!(read("redis://h:1/missed?group=master"), found("redis://h:1", "missed"));
        assert_eq!(read("redis://h/3/missed:eu?group=master"), found("redis://h/3", "missed:eu"));
        assert_eq!(read("rediss://u:p@h/a%2Fb/c?group=master"), found("rediss://u:p@h", "a/b/c"));
        for (url, why) in [
            ("redis://u:p@h/missed", "it has no `?group=`"),
            ("redis://u:p@h/missed?group=", "it has no `?group=`"),
            ("redis://u:p@h/?group=master", "it has no path, which is the stream"),
            ("redis://u:p@h/missed?group=master&count=1", "'count' means nothing there"),
        ] {
            let shown = url.replace("u:p@", "");
            let shown = shown.split('?').next().expect("what stands before the query");
            assert_eq!(read(url), Err(format!("'{shown}' names no stream of Redis: {why}; {KNOWN}")));
        }
    }
}
