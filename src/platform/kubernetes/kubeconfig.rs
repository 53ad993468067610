//! Kubeconfigs, read as kubectl reads them: a list of files, of which the first that sets something wins, and one that is
//! not there is passed over; what is empty is not set.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use kube::config::{Kubeconfig, KubeconfigError, LoadDataError};
use secrecy::{ExposeSecret as _, SecretString};

/// The kubeconfig that is named by the URL, or in the list of KUBECONFIG, or else the usual one; none where nobody named
/// one and the usual one is not there.
pub(super) fn read(named: Option<&Path>, list: &str) -> anyhow::Result<Option<Kubeconfig>> {
    let listed: Vec<PathBuf> = std::env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).collect();
    let found = match named {
        Some(path) => Kubeconfig::read_from(path).map(tidied).map(Some).map_err(told),
        None if !listed.is_empty() => merged(&listed).map(Some),
        None => match Kubeconfig::read() {
            Err(KubeconfigError::FindPath) => Ok(None),
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound => Ok(None),
            usual => usual.map(tidied).map(Some).map_err(told),
        },
    };
    found.context("failed to read the kubeconfig")
}

/// The files of a list as one.
fn merged(paths: &[PathBuf]) -> anyhow::Result<Kubeconfig> {
    let (mut whole, mut is_there) = (Kubeconfig::default(), false);
    for path in paths {
        let file = match Kubeconfig::read_from(path) {
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == ErrorKind::NotFound => continue,
            file => file.map_err(told).with_context(|| path.display().to_string())?,
        };
        whole = whole.merge(tidied(file)).map_err(told)?;
        is_there = true;
    }
    if !is_there {
        let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        bail!("KUBECONFIG names no file that is there: {}", paths.join(", "));
    }
    Ok(whole)
}

/// A file in which what is empty is not set, and base64 is in one line.
fn tidied(mut file: Kubeconfig) -> Kubeconfig {
    unset(&mut file.current_context);
    for cluster in file.clusters.iter_mut().filter_map(|one| one.cluster.as_mut()) {
        unset_path(&mut cluster.certificate_authority);
        in_one_line(&mut cluster.certificate_authority_data);
        unset(&mut cluster.tls_server_name);
    }
    for user in file.auth_infos.iter_mut().filter_map(|one| one.auth_info.as_mut()) {
        for path in [&mut user.client_certificate, &mut user.client_key, &mut user.token_file] {
            unset_path(path);
        }
        in_one_line(&mut user.client_certificate_data);
        let key = user.client_key_data.take();
        let mut key = key.map(|key| key.expose_secret().to_owned());
        in_one_line(&mut key);
        user.client_key_data = key.map(SecretString::from);
        unset(&mut user.username);
        unset(&mut user.impersonate);
        for secret in [&mut user.token, &mut user.password] {
            secret.take_if(|secret| secret.expose_secret().is_empty());
        }
    }
    file
}

fn unset(text: &mut Option<String>) {
    text.take_if(|text| text.is_empty());
}

/// An empty path was made one from the file's folder: that folder.
fn unset_path(path: &mut Option<String>) {
    path.take_if(|path| path.is_empty() || path.ends_with('/'));
}

fn in_one_line(data: &mut Option<String>) {
    if let Some(data) = data {
        data.retain(|letter| !letter.is_whitespace());
    }
    unset(data);
}

/// Why a kubeconfig is of no use. The library quotes what it stumbles over, which may be a token: only what is about files
/// and names is passed on.
pub(super) fn told(error: KubeconfigError) -> anyhow::Error {
    use KubeconfigError as E;
    match error {
        E::ReadConfig(..)
        | E::FindPath
        | E::MissingClusterUrl
        | E::LoadClusterOfContext(_)
        | E::LoadCertificateAuthority(LoadDataError::ReadFile(..))
        | E::LoadClientCertificate(LoadDataError::ReadFile(..))
        | E::LoadClientKey(LoadDataError::ReadFile(..)) => anyhow::Error::new(error),
        _ => anyhow!("it is not as a kubeconfig must be: `kubectl config view` says where"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file in a folder, with this text.
    fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    const ONE: &str = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Config\",\n\t\"current-context\": \"\",\n\t\"contexts\": [\n\t\t{\"name\": \"both\", \"context\": {\"cluster\": \"one\", \"user\": \"one\"}}\n\t],\n\t\"users\": null\n}\n";
    const TWO: &str = "
apiVersion: v1
kind: Config
current-context: two
contexts:
- {name: two, context: {cluster: two, user: two}}
- {name: both, context: {cluster: two, user: two}}
clusters:
- name: two
  cluster: {server: https://two, certificate-authority: pki/ca.pem, tls-server-name: \"\"}
- name: three
  cluster:
    server: https://three
    certificate-authority: \"\"
    certificate-authority-data: |
      YWJj
      ZGVm
users:
- name: two
  user: {tokenFile: token, token: \"\", username: \"\", client-certificate: \"\", client-key-data: \"\"}
";

    #[test]
    fn of_a_list_the_first_wins_and_what_is_missing_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("two")).unwrap();
        let nowhere = folder.path().join("nowhere");
        let one = file(folder.path(), "one.json", ONE);
        let two = file(&folder.path().join("two"), "config", TWO);
        let whole = merged(&[nowhere.clone(), one, two]).unwrap();
        assert_eq!(whole.current_context.as_deref(), Some("two"), "an empty one is not set");
        let context = |name: &str| {
            let found = whole.contexts.iter().find(|one| one.name == name).unwrap();
            found.context.clone().unwrap().cluster
        };
        assert_eq!((whole.contexts.len(), context("both"), context("two")), (2, "one".to_owned(), "two".to_owned()));
        let error = format!("{:#}", merged(&[nowhere.clone(), nowhere.clone()]).unwrap_err());
        let nowhere = nowhere.display();
        assert_eq!(error, format!("KUBECONFIG names no file that is there: {nowhere}, {nowhere}"));
        let broken = file(folder.path(), "broken", "contexts: [");
        let error = format!("{:#}", merged(std::slice::from_ref(&broken)).unwrap_err());
        let why = "it is not as a kubeconfig must be: `kubectl config view` says where";
        assert_eq!(error, format!("{}: {why}", broken.display()));
    }

    #[test]
    fn paths_are_from_the_file_and_what_is_empty_is_not_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "config", TWO);
        let read = read(Some(&path), "").unwrap().unwrap();
        let in_folder = |name: &str| Some(folder.path().join(name).display().to_string());
        let cluster = |place: usize| read.clusters[place].cluster.clone().unwrap();
        assert_eq!(cluster(0).certificate_authority, in_folder("pki/ca.pem"));
        assert_eq!(cluster(0).tls_server_name, None);
        assert_eq!(cluster(1).certificate_authority, None);
        assert_eq!(cluster(1).certificate_authority_data.as_deref(), Some("YWJjZGVm"));
        let user = read.auth_infos[0].auth_info.clone().unwrap();
        assert_eq!(user.token_file, in_folder("token"));
        assert!(user.token.is_none() && user.username.is_none() && user.client_key_data.is_none());
        assert_eq!(user.client_certificate, None);
    }
}
