//! How much memory a program takes: for the benches.

use std::process::Child;
use std::time::Duration;

/// What a process prints, and the most memory that it held, in KiB.
pub fn watched(child: Child) -> (String, u32) {
    let status = format!("/proc/{}/status", child.id());
    let (ended, over) = std::sync::mpsc::channel();
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        while over.recv_timeout(Duration::from_millis(20)).is_err() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(peak);
        }
        peak
    });
    let output = child.wait_with_output().expect("its end");
    let _ = ended.send(());
    (String::from_utf8(output.stdout).expect("UTF-8"), watch.join().expect("the watch"))
}
