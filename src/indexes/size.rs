//! Sizes and times for people.

use std::time::Duration;

/// `12.3 MiB`.
pub(super) fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let mut rest = count as f64 / 1024.0;
    let mut unit = 0;
    while rest >= 1024.0 && unit + 1 < units.len() {
        rest /= 1024.0;
        unit += 1;
    }
    format!("{rest:.1} {}", units[unit])
}

/// `0.3 s`, `12 min`: in one unit.
pub(super) fn time(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_told_in_one_unit() {
        let sizes = [0, 1023, 1024, 1_289_748, 3 << 30, 5 << 50].map(bytes);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.2 MiB", "3.0 GiB", "5120.0 TiB"]);
        let times = [40, 9_900, 59_000, 720_000, 7_200_000].map(|ms| time(Duration::from_millis(ms)));
        assert_eq!(times, ["0.0 s", "9.9 s", "59 s", "12 min", "2 h"]);
    }
}
