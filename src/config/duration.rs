//! Lengths of time as operators write them.

use std::time::Duration;

/// A length of time as operators write it: `90s`, `15m`, `8h`, `30d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// The same form, in the largest unit that fits.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (unit, size) in [('d', 86400), ('h', 3600), ('m', 60)] {
        if seconds >= size && seconds.is_multiple_of(size) {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}
