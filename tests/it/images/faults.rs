//! What goes wrong meanwhile: nothing is half stored, and no good picture is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_does_wrong_is_told_by_key_and_never_stored() {
    let (world, bucket) = (World::open(), Bucket::new().await);
    let tried = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&tried);
    let source = Fake::start(move |asked| match asked.line.rsplit('/').next().expect("a key") {
        "well" => reply(200, &[], picture(20, 1)),
        "later" if seen.fetch_add(1, Ordering::Relaxed) == 0 => reply(500, &[], "oops"),
        "later" => reply(200, &[], picture(20, 2)),
        "page" => reply(200, &[("content-type", "image/png")], "<html><body>Please log in</body></html>"),
        "json" => reply(200, &[("content-type", "image/png")], "{\"error\": \"no\"}"),
        "half" => reply(200, &[], picture(20, 3)[..300].to_vec()),
        "other" => reply(200, &[], picture(20, 4)),
        "large" => reply(200, &[], vec![0; (1 << 20) + 1]),
        "moved" => reply(302, &[("location", "https://elsewhere.example/x?token=hunter2")], ""),
        "secret" => reply(403, &[], "no"),
        "empty" => reply(200, &[], Body::empty()),
        _ => reply(404, &[], "<html>no"),
    })
    .await;
    let sum = "0".repeat(64);
    world.write("keys", format!("well\nlater\npage\njson\nhalf\nother\t{sum}\nlarge\nmoved\nsecret\nempty\nnone\n"));
    let target = bucket.address("");
    let acted =
        world.told(&format!("run --source={} --target={target} --keys=keys --largest=1 --yes", source.url())).await;
    assert_eq!(acted.code, 3, "{acted:#?}");
    let message = "pictures: 2 stored, 1 not at the source, 8 without a good picture at the source";
    assert_eq!(acted.message(), message, "{acted:#?}");
    for (key, why) in [
        ("page", "the server answers with a web page: is the URL right"),
        ("json", "it is no PNG, JPEG, WebP or GIF"),
        ("half", "it is cut off: its 300 bytes"),
        ("other", "and the keys say 000000000000…"),
        ("large", "larger than 1 MiB (--largest)"),
        ("moved", "sends elsewhere (302 Found), to https://elsewhere.example/x: name that place"),
        ("secret", "does not give it: 403 Forbidden"),
        ("empty", "it is empty"),
        ("none", "the source does not have it"),
    ] {
        assert!(acted.why(key).contains(why), "{key}: {}", acted.why(key));
        assert_eq!(bucket.content(key).await, None, "{key}");
    }
    assert!(tried.load(Ordering::Relaxed) >= 2 && bucket.content("later").await == Some(picture(20, 2)));
}

/// A server that promises a whole picture, and sends less the first times.
async fn breaks_off(times: usize) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut asked = [0; 2048];
            let _ = stream.read(&mut asked).await;
            let whole = picture(40, 5);
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", whole.len());
            let sent = if number < times { whole.len() / 2 } else { whole.len() };
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&whole[..sent]).await;
        }
    });
    format!("http://{address}/")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_asked_for_again() {
    let world = World::open();
    world.write("keys", "a\n");
    let source = breaks_off(2).await;
    let acted = world.told(&format!("run --source={source} --target=pictures --keys=keys --yes")).await;
    assert_eq!((acted.code, acted.report["stored"].as_u64()), (0, Some(1)), "{acted:#?}");
    assert_eq!(fs::read(world.path("pictures/a")).expect("a picture"), picture(40, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_is_told_before_anything_is_planned() {
    let world = World::open();
    let port = crate::support::free_port();
    world.write("keys", "a\nb\n");
    for (source, why) in [
        (format!("http://127.0.0.1:{port}/"), "of the source: no whole answer of the server"),
        ("unmounted".to_owned(), "of the source: unmounted: there is no such folder: is its file system mounted"),
    ] {
        let words = format!("--source={source} --target=pictures --keys=keys");
        for run in ["run --check", "run --yes"] {
            let ended = world.told(&format!("{run} {words}")).await;
            assert_eq!(ended.code, 1, "{ended:#?}");
            assert!(ended.message().contains(why) && ended.message().ends_with("Nothing was changed"), "{ended:#?}");
        }
        let look = world.told(&format!("get {words}")).await;
        assert_eq!((look.code, look.report["looked_at"]["missing"].as_u64()), (0, Some(2)), "{look:#?}");
        assert!(look.report["warnings"].to_string().contains(why), "{look:#?}");
    }
    world.write("backup/a.png", picture(20, 1));
    let words = "get --source=backup/{key}.png --target=pictures --keys=keys";
    let warned = world.told(words).await.report["warnings"].to_string();
    assert!(warned.contains("is {key}.png missing there?"), "{warned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_in_trouble_ends_the_run_before_all_keys_are_tried() {
    let world = World::open();
    let source = Fake::start(|_| reply(503, &[], "")).await;
    world.write("keys", (0..500).map(|number| number.to_string()).collect::<Vec<_>>().join("\n"));
    let words = format!("run --source={} --target=pictures --keys=keys --jobs=16 --yes", source.url());
    let acted = world.told(&words).await;
    assert_eq!(acted.code, 3, "{acted:#?}");
    assert!(acted.message().starts_with("stopped after 10 failures in a row, the last: "), "{}", acted.message());
    assert!(acted.report["not_stored"].as_u64().is_some_and(|number| number < 100), "{acted:#?}");
    assert!(world.files().is_empty());
}

/// Runs that are killed, one after the other, into a folder and into S3: whatever is there is whole, and the last run ends it.
#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_killed_leave_nothing_half_stored() {
    const COUNT: usize = 120;
    let (world, bucket) = (World::open(), Bucket::new().await);
    let source = Fake::start_slow(Duration::from_millis(20), |_| {
        |asked: &crate::support::fake::Asked| {
            let number = asked.line.rsplit('/').next().and_then(|key| key.parse().ok()).expect("a number");
            reply(200, &[], picture(60, number))
        }
    })
    .await;
    world.write("keys", (0..COUNT).map(|number| number.to_string()).collect::<Vec<_>>().join("\n"));
    for target in ["pictures".to_owned(), bucket.address("")] {
        let words = format!("run --source={} --target={target} --keys=keys --jobs=4 --yes", source.url());
        for _ in 0..4 {
            let mut command = world.command(&words);
            let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a run");
            let mut asked = 0;
            let deadline = tokio::time::Instant::now() + Duration::from_mins(2);
            while asked < 12 {
                assert!(tokio::time::Instant::now() < deadline, "only {asked} pictures were asked for");
                tokio::time::sleep(Duration::from_millis(2)).await;
                asked += source.take().len();
            }
            assert!(run.try_wait().expect("its state").is_none(), "it ended before it was killed");
            run.kill().await.expect("killed");
            source.take();
            for file in world.files().iter().filter(|file| !file.starts_with(".firebreak/")) {
                let number = file.parse().expect("a number");
                assert_eq!(fs::read(world.path("pictures").join(file)).expect("a file"), picture(60, number), "{file}");
            }
        }
        let ended = world.told(&words).await;
        assert_eq!(ended.code, 0, "{ended:#?}");
        let look = world.told(&words.replace("run ", "get ").replace(" --yes", "")).await;
        assert_eq!(look.report["looked_at"]["good"], COUNT, "{look:#?}");
    }
    for number in 0..COUNT {
        assert_eq!(bucket.content(&number.to_string()).await, Some(picture(60, number)), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_store_each_picture_once() {
    const COUNT: u64 = 60;
    let (world, bucket) = (World::open(), Bucket::new().await);
    for number in 0..COUNT {
        world.write(&format!("backup/{number}"), picture(30, usize::try_from(number).expect("small")));
    }
    world.write("keys", (0..COUNT).map(|number| number.to_string()).collect::<Vec<_>>().join("\n"));
    for (target, is_atomic) in [("pictures".to_owned(), true), (bucket.address(""), false)] {
        let words = format!("run --source=backup --target={target} --keys=keys --yes");
        let beside = |host: &str| {
            let mut command = world.command(&words);
            // On a host of its own: another journal, another lock.
            command.env("XDG_STATE_HOME", world.path(host));
            command
        };
        let (one, other) = tokio::join!(world.ends(beside("one")), world.ends(beside("other")));
        assert_eq!((one.code, other.code), (0, 0), "{one:#?} {other:#?}");
        let stored: u64 = [&one, &other].iter().map(|ended| ended.report["stored"].as_u64().unwrap_or(0)).sum();
        // Between moto's look at a condition and its store, another thread of its may store as well.
        assert!(if is_atomic { stored == COUNT } else { stored >= COUNT }, "{stored}: {one:#?} {other:#?}");
        let look = world.told(&words.replace("run ", "get ").replace(" --yes", "")).await;
        assert_eq!(look.report["looked_at"]["good"], COUNT, "{look:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_may_not_be_written_is_told_before_anything_is_fetched() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::open();
    let source = Fake::start(|_| reply(200, &[], picture(20, 1))).await;
    world.write("keys", "a\n");
    for (folder, mode) in [("", 0o755), ("pictures", 0o555)] {
        fs::set_permissions(world.path(folder), fs::Permissions::from_mode(mode)).expect("its rights");
    }
    let journal = crate::support::own_folder();
    let words = format!("run --source={} --target=pictures --keys=keys --yes", source.url());
    let mut command = world.command(&words);
    command.env("XDG_STATE_HOME", journal.path());
    crate::support::unprivileged(command.as_std_mut());
    let ended = world.ends(command).await;
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert!(ended.message().contains("it cannot be written by this user: Permission denied"), "{ended:#?}");
    assert_eq!(source.take(), [""; 0]);
}
