//! The disk that the data are on.

use std::path::Path;

use crate::sql::Host;

/// How many bytes are free in the folder of a server's data, where that is a folder of this host.
pub(super) fn free(host: &Host, folder: &str) -> Option<u64> {
    let is_here = match host {
        Host::Socket(..) => true,
        Host::Network(name, _) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    };
    let disk = rustix::fs::statvfs(Path::new(folder)).ok().filter(|_| is_here && !folder.is_empty())?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
