//! `repopulate_images`: from servers that fail in every way and from folders, into a real S3 and real folders.

mod faults;
mod role;
mod store;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::fake::{Fake, reply};
use crate::support::s3::{ACCESS, Bucket};

const PROGRAM: &str = env!("CARGO_BIN_EXE_repopulate_images");

/// A folder to run in, with a folder for pictures.
struct World {
    folder: TempDir,
}

/// What came of a run: its exit code and its report.
#[derive(Debug)]
struct Ended {
    code: i32,
    report: Value,
}

impl Ended {
    fn message(&self) -> &str {
        self.report["message"].as_str().unwrap_or_default()
    }

    /// Why an item was not stored.
    fn why(&self, key: &str) -> &str {
        let results = self.report["results"].as_array().map_or(&[][..], Vec::as_slice);
        let found = results.iter().find(|one| one["subject"] == key).and_then(|one| one["detail"].as_str());
        found.unwrap_or_else(|| panic!("nothing is told of {key}: {self:#?}"))
    }
}

impl World {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("pictures")).expect("a folder");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.env("USER", "tester").env("XDG_STATE_HOME", self.folder.path());
        command.env("FIREBREAK_S3_ACCESS", ACCESS);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn ends(&self, mut command: Command) -> Ended {
        let output = command.arg("--format=json").output().await.expect("the program runs");
        Ended {
            code: output.status.code().unwrap_or(-1),
            report: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        }
    }

    async fn told(&self, words: &str) -> Ended {
        self.ends(self.command(words)).await
    }

    /// The files of the folder of pictures, and of the folders in it.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let root = self.path("pictures");
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).expect("below it").display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

/// A picture of so many pixels a side, of another content for each number.
fn picture(side: u32, number: usize) -> Vec<u8> {
    let shade = |at: u32| u8::try_from((at as usize * 7 + number * 13) % 251).expect("a byte");
    let image = image::RgbImage::from_fn(side, side, |x, y| image::Rgb([shade(x), shade(y), shade(x * y)]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).expect("encoded");
    bytes.into_inner()
}

fn set_time(path: PathBuf, seconds: u64) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_tells_missing_broken_and_stale_ones_and_a_run_stores_the_first_two() {
    let world = World::open();
    for (number, key) in ["good", "gone", "cut", "page", "old", "u/deep"].into_iter().enumerate() {
        world.write(&format!("backup/{key}.png"), picture(30, number));
    }
    world.write("pictures/good.png", picture(30, 0));
    world.write("pictures/cut.png", &picture(30, 2)[..200]);
    world.write("pictures/page.png", "<!doctype html><title>404</title>");
    world.write("pictures/old.png", picture(20, 4));
    set_time(world.path("pictures/old.png"), 1_600_000_000);
    world.write("pictures/photo.png", "\0\0\0\x1cftypavif and so on");
    world.write("keys", "\u{feff}good\r\n\r\ngone\r\ncut\r\npage\r\nold\r\nu/deep\r\nphoto\r\n../out\r\n");
    let places = "--source=backup/{key}.png --target=pictures/{key}.png --keys=keys";
    let before = world.files();

    let look = world.told(&format!("get {places}")).await;
    assert_eq!(look.code, 0, "{look:#?}");
    let counts = json!({ "good": 1, "stale": 1, "missing": 2, "broken": 2, "unclear": 1 });
    assert_eq!(look.report["looked_at"], counts);
    let said = "7 pictures in pictures: 1 good, 2 missing, 2 broken, 1 stale, 1 not looked into; 1 unusable key";
    assert_eq!(look.message(), said);
    let pictures = look.report["pictures"].as_array().expect("pictures");
    let of = |key: &str| pictures.iter().find(|one| one["key"] == key).unwrap_or_else(|| panic!("{key}"));
    assert_eq!(of("gone")["state"], "missing");
    assert!(
        of("cut")["why"].as_str().is_some_and(|why| why.starts_with("it is cut off: its 200 bytes")),
        "{pictures:?}"
    );
    assert_eq!(of("page")["why"], "it is a web page");
    let why = of("old")["why"].as_str().expect("why");
    assert!(why.starts_with("its SHA-256 is ") && why.contains("and this one of 2020-09-13"), "{why}");
    assert_eq!(look.report["bad_keys"]["first"][0][0], r#"line 9 "../out""#);

    let planned = world.told(&format!("run {places} --check")).await;
    assert_eq!((planned.code, planned.report["outcome"].as_str()), (0, Some("planned")), "{planned:#?}");
    assert_eq!(planned.report["steps"].as_array().map(Vec::len), Some(4));
    assert_eq!(world.files(), before, "check mode writes nothing");

    let acted = world.told(&format!("run {places} --yes")).await;
    // Of a key that is unusable, somebody has to know.
    assert_eq!((acted.code, acted.report["stored"].as_u64()), (3, Some(4)), "{acted:#?}");
    assert_eq!(acted.report["counts"]["failed"], 1, "{acted:#?}");
    for (number, key) in [(0, "good"), (1, "gone"), (2, "cut"), (3, "page"), (5, "u/deep")] {
        assert_eq!(fs::read(world.path(&format!("pictures/{key}.png"))).expect(key), picture(30, number), "{key}");
    }
    assert_eq!(fs::read(world.path("pictures/old.png")).expect("old"), picture(20, 4), "a good one stays");
    assert!(!world.path("out.png").exists() && world.files().iter().all(|file| !file.contains(".firebreak")));

    let fresh = world.told(&format!("run {places} --yes --stale")).await;
    assert_eq!(fresh.report["stored"], 1, "{fresh:#?}");
    assert_eq!(fs::read(world.path("pictures/old.png")).expect("old"), picture(30, 4));
    world.write("keys", "good\ngone\n");
    let again = world.told(&format!("run {places} --yes")).await;
    assert_eq!((again.code, again.report["changed"].as_bool()), (0, Some(false)), "{again:#?}");
    assert_eq!(again.message(), "2 pictures in pictures: all good. Nothing to store");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_come_from_a_server_into_a_real_s3() {
    let (world, bucket) = (World::open(), Bucket::new().await);
    let source = Fake::start(|asked| match asked.line.as_str() {
        "GET /a%20b/1.png" => reply(200, &[("content-type", "image/png")], picture(25, 1)),
        line if line.contains("/2.png") => {
            reply(200, &[("last-modified", "Fri, 01 Jan 2100 00:00:00 GMT")], picture(25, 2))
        }
        _ => reply(404, &[], "none"),
    })
    .await;
    let sum = firebreak::store::Checksum::of(&picture(25, 1));
    world.write("keys", format!("a b/1\t{}\n2\n2\n3\n", sum.as_str()));
    let places =
        format!("--source={}/{{key}}.png --target={} --keys=keys", source.url(), bucket.address("thumbs/{key}.png"));
    let acted = world.told(&format!("run {places} --yes")).await;
    assert_eq!(acted.code, 3, "{acted:#?}");
    let message = "pictures: 2 stored, 1 good by then, 1 not at the source";
    assert_eq!(acted.message(), message, "{acted:#?}");
    assert_eq!(acted.why("3"), "the source does not have it");
    assert_eq!(bucket.content("thumbs/a b/1.png").await, Some(picture(25, 1)));
    assert_eq!(bucket.content("thumbs/2.png").await, Some(picture(25, 2)));
    assert_eq!(bucket.content("thumbs/3.png").await, None);
    assert!(!format!("{acted:?}").contains("hunter2"), "a secret is shown");
    // What is stored is known by its own checksum; what the server dates into the future is stale.
    let look = world.told(&format!("get {places}")).await;
    assert_eq!(look.report["looked_at"], json!({ "good": 1, "stale": 2, "missing": 1, "broken": 0, "unclear": 0 }));
    // From one bucket into a folder, with the checksums that were written down.
    let from = format!("--source={} --target=pictures/{{key}}.png --keys=keys", bucket.address("thumbs/{key}.png"));
    let back = world.told(&format!("run {from} --yes")).await;
    assert_eq!(back.report["stored"], 2, "{back:#?}");
    assert_eq!(world.files(), ["2.png", "a b/1.png"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_both_databases_which_nothing_can_change() {
    let world = World::open();
    for number in 1..=3 {
        world.write(&format!("backup/{number}"), picture(16, number));
    }
    let postgres = crate::support::postgres::Database::new().await;
    postgres.run("CREATE TABLE pictures (id int); INSERT INTO pictures VALUES (1), (2), (NULL)").await;
    let run = async |url: &str, query: &str| {
        let mut command = world.command("run --source=backup --target=pictures --yes");
        command.env("FIREBREAK_DATABASE", url).arg(format!("--query={query}"));
        world.ends(command).await
    };
    let ended = run(&postgres.url(), "SELECT id FROM pictures ORDER BY id").await;
    assert_eq!((ended.code, ended.report["stored"].as_u64()), (3, Some(2)), "{ended:#?}");
    assert_eq!(ended.report["bad_keys"]["first"], json!([["row 3", "it is NULL"]]));
    let refused = run(&postgres.url(), "DELETE FROM pictures RETURNING id").await;
    assert!(refused.code == 1 && refused.message().contains("read-only"), "{refused:#?}");
    let wide = run(&postgres.url(), "SELECT 1, 2, 3").await;
    assert!(wide.message().starts_with("the query answers 3 columns"), "{wide:#?}");
    let mariadb = crate::support::mariadb::Database::new().await;
    let ended = run(&mariadb.url(), "SELECT 3").await;
    assert_eq!((ended.code, ended.report["stored"].as_u64()), (0, Some(1)), "{ended:#?}");
    let refused = run(&mariadb.url(), "CREATE TABLE x (id int)").await;
    assert!(refused.code == 1 && refused.message().contains("READ ONLY"), "{refused:#?}");
    assert_eq!(world.files(), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_an_error_that_names_the_fix() {
    let world = World::open();
    world.write("keys", "a\n");
    world.write("bad", "../a\n/b\n");
    for (words, code, said) in [
        ("get --source=pictures --target=pictures --keys=keys", 2, "--source and --target are the same place"),
        ("get --source=backup --target=https://h --keys=keys", 2, "pictures cannot be put to a URL"),
        ("get --source=backup --target=pictures", 2, "--keys or --query is needed"),
        ("get --source=backup --target=pictures --query=x", 2, "--query needs --database"),
        ("get --source=backup --target=pictures --keys=keys --jobs=0", 2, "--jobs cannot be '0'"),
        ("get --source=backup --target=pictures --keys=keys --largest=257", 2, "--largest cannot be '257'"),
        ("get --source=backup --target=pictures --keys=none", 1, "failed to read the keys none"),
        ("get --source=backup --target=pictures --keys=bad", 1, "none of the 2 keys can be used; line 1 \"../a\""),
        ("get --source=backup --target=elsewhere --keys=keys", 1, "elsewhere: there is no such folder"),
        ("get --source=backup --target=keys --keys=keys", 1, "keys: it is no folder"),
        ("get --source=backup --target=s3://b?endpoint=ftp://h --keys=keys", 2, "its endpoint is https://HOST"),
    ] {
        let ended = world.told(words).await;
        assert_eq!(ended.code, code, "{words}: {ended:#?}");
        assert!(ended.message().contains(said), "{words}: {}", ended.message());
    }
}
