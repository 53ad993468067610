//! 10,000 small pictures, copied from a folder to a folder, and to a real S3 (moto): this program beside `rclone copy` with as many
//! transfers at the same time; and its memory with 1,000 and with 10,000. `cargo bench --bench pictures`
//!
//! rclone neither decodes a picture nor brings a file to the disk, and this program does. moto is written in Python, and takes most of the
//! time where it takes part.
#![allow(missing_docs, reason = "a program, not a library")]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;
use support::peak::watched;
use support::s3::{ACCESS, Bucket};

const COUNT: u32 = 10_000;
const FEW: u32 = 1_000;
const JOBS: &str = "16";

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    std::fs::create_dir(root.join("source")).expect("a folder");
    for number in 0..COUNT {
        std::fs::write(root.join(format!("source/{number}.png")), png(number)).expect("a picture");
    }
    for (file, count) in [("all", COUNT), ("few", FEW)] {
        let mut keys = String::new();
        (0..count).for_each(|number| writeln!(keys, "{number}").expect("memory"));
        std::fs::write(root.join(file), keys).expect("the keys");
    }
    for target in ["ours", "theirs", "of-few"] {
        std::fs::create_dir(root.join(target)).expect("a folder");
    }
    let (ours, many) = this_program(root, "all", "ours/{key}.png");
    let (_, few) = this_program(root, "few", "of-few/{key}.png");
    let theirs = rclone(root, "theirs", &[]);
    println!("{COUNT} pictures, {JOBS} at a time");
    told("to a folder", ours, theirs);

    let (one, other) = (Bucket::new().await, Bucket::new().await);
    let (ours, _) = this_program(root, "all", &one.address("{key}.png"));
    let endpoint = format!("--s3-endpoint={}", other.endpoint());
    let options = ["--s3-provider=Other", "--s3-env-auth", "--s3-no-check-bucket", &endpoint];
    let theirs = rclone(root, &format!(":s3:{}", other.name), &options);
    told("to an S3", ours, theirs);
    println!("  memory at most  {} MiB with {FEW}, {} MiB with {COUNT}", few / 1024, many / 1024);
}

fn told(what: &str, ours: f64, theirs: f64) {
    println!("  {what:<12} this program {ours:>6.1} s, rclone copy {theirs:>6.1} s: ours is {:.2} ×", theirs / ours);
}

fn png(number: u32) -> Vec<u8> {
    let shade = |part: u32| u8::try_from(part % 256).expect("a byte");
    let dot = |x: u32, y: u32| image::Rgb([shade(x * 3), shade(y * 5), shade(x * y + number)]);
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_fn(32, 32, dot).write_to(&mut bytes, image::ImageFormat::Png).expect("encoded");
    bytes.into_inner()
}

fn command(program: &str, root: &Path) -> Command {
    let mut command = Command::new(program);
    let (id, secret) = ACCESS.split_once(':').expect("two parts");
    command.current_dir(root).env("XDG_STATE_HOME", root).env("RCLONE_CONFIG", "/dev/null");
    command.env("FIREBREAK_S3_ACCESS", ACCESS).env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Seconds, and the most memory that was held, in KiB.
fn this_program(root: &Path, keys: &str, target: &str) -> (f64, u32) {
    let mut command = command(env!("CARGO_BIN_EXE_repopulate_images"), root);
    command.args(["run", "--yes", "--format=json", "--source=source/{key}.png"]);
    command.args(["--jobs", JOBS, "--keys", keys, "--target", target]);
    let begun = Instant::now();
    let (output, peak) = watched(command.spawn().expect("a start"));
    let seconds = begun.elapsed().as_secs_f64();
    let report: Value = serde_json::from_str(&output).expect("a report");
    assert_eq!(report["outcome"], "done", "{}", report["message"]);
    (seconds, peak)
}

fn rclone(root: &Path, target: &str, options: &[&str]) -> f64 {
    let mut command = command(support::need("rclone", "rclone").to_str().expect("a path"), root);
    command.args(["copy", "source", target, "--transfers", JOBS, "--checkers", JOBS]).args(options);
    let begun = Instant::now();
    let (said, _) = watched(command.spawn().expect("a start"));
    assert!(said.is_empty(), "{said}");
    begun.elapsed().as_secs_f64()
}
