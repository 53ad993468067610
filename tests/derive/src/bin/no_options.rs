//! The smallest role. It is read, never built.

const USAGE: &str = "
Do one thing.

Usage:
  no_options get
  no_options run
";

fn main() {
    println!("{USAGE}");
}
