//! The port to stores: a folder and a real S3 keep one contract.

use bytes::Bytes;
use firebreak::http::Trust;
use firebreak::store::{Access, Checksum, Folder, Key, Listed, Over, S3, Store, StoreError, Stored};

use futures_util::StreamExt as _;

use super::*;

fn key(text: &str) -> Key {
    Key::read(text).expect("a key")
}

async fn keeps_the_contract(store: &dyn Store) {
    let put = async |name: &str, content: &'static str, over: &Over| {
        store.put(&key(name), Bytes::from_static(content.as_bytes()), "image/png", over).await.expect("an answer")
    };
    store.make().await.expect("it is there already");
    store.ready(true).await.expect("it may be written");
    assert!(store.get(&key("a"), 9).await.expect("an answer").is_none());
    assert!(store.head(&key("a")).await.expect("an answer").is_none());
    assert_eq!(put("a", "first", &Over::Nothing).await, Stored::Yes);
    assert_eq!(put("a", "second", &Over::Nothing).await, Stored::Changed);
    let object = store.get(&key("a"), 9).await.expect("an answer").expect("an object");
    assert_eq!((&*object.body, object.head.size), (&b"first"[..], Some(5)));
    assert_eq!(object.head.checksum, Some(Checksum::of(b"first")));
    assert!(object.head.modified.is_some());
    assert!(matches!(store.get(&key("a"), 4).await, Err(StoreError::TooLong(4))));
    let version = store.head(&key("a")).await.expect("an answer").expect("an object").version.expect("a version");
    let of = |version: &str| Over::Version(version.to_owned());
    assert_eq!(put("a", "third", &of("\"another\"")).await, Stored::Changed);
    assert_eq!(put("a", "third", &of(&version)).await, Stored::Yes);
    assert_eq!(put("a", "fourth", &of(&version)).await, Stored::Changed);
    assert_eq!(put("gone", "x", &of(&version)).await, Stored::Changed);
    assert_eq!(put("a", "", &Over::Anything).await, Stored::Yes);
    for odd in ["u/é b+c%20?#&.png", "u/{x}'\"~", "v"] {
        assert_eq!(put(odd, "odd", &Over::Nothing).await, Stored::Yes, "{odd}");
        assert_eq!(&*store.get(&key(odd), 9).await.expect("an answer").expect(odd).body, b"odd");
    }
    let list = async |prefix: &str| {
        let mut found: Vec<Listed> = Vec::new();
        let count = store.list(prefix, &mut |one| found.push(one)).await.expect("a list");
        assert_eq!(usize::try_from(count).ok(), Some(found.len()));
        let mut names: Vec<_> = found.into_iter().map(|one| (one.key, one.size)).collect();
        names.sort();
        names
    };
    let named =
        |names: &[(&str, u64)]| names.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect::<Vec<_>>();
    assert_eq!(list("").await, named(&[("a", 0), ("u/{x}'\"~", 3), ("u/é b+c%20?#&.png", 3), ("v", 3)]));
    assert_eq!(list("u/{").await, named(&[("u/{x}'\"~", 3)]));
    store.delete(&key("a")).await.expect("removed");
    store.delete(&key("a")).await.expect("it is gone already");
    assert_eq!(list("a").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_the_contract() {
    let world = World::open();
    let address = world.path("pictures/new");
    let folder = Folder::open(address.to_str().expect("UTF-8")).expect("a folder");
    let missing = folder.ready(false).await.expect_err("it is not there").to_string();
    assert!(missing.ends_with("there is no such folder: is its file system mounted, and the path right?"), "{missing}");
    folder.make().await.expect("made");
    keeps_the_contract(&folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_s3_keeps_the_contract() {
    let bucket = Bucket::new().await;
    keeps_the_contract(&bucket.store("")).await;
    keeps_the_contract(&bucket.store("below/it")).await;
    let access = || Some(Access::read(&ACCESS.into()).expect("an access"));
    let address = format!("s3://no-such-bucket?endpoint={}", bucket.endpoint());
    let missing = S3::open(&address, access(), &Trust::default()).expect("an address");
    let why = missing.ready(true).await.expect_err("there is none").to_string();
    assert!(why.ends_with("there is no bucket 'no-such-bucket': is its name right, and the endpoint?"), "{why}");
    let put = missing.put(&key("a"), Bytes::from_static(b"a"), "image/png", &Over::Nothing).await;
    assert!(matches!(put, Err(StoreError::NoBucket(_))), "{put:?}");
    // More than a page of a list.
    let many = bucket.store("many");
    let all = futures_util::stream::iter(0..1005).for_each_concurrent(16, |number| {
        let (many, key) = (&many, key(&number.to_string()));
        async move {
            many.put(&key, Bytes::new(), "image/png", &Over::Anything).await.expect("stored");
        }
    });
    all.await;
    assert_eq!(many.list("", &mut |_| ()).await.expect("a list"), 1005);
}
