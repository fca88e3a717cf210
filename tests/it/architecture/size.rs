//! No file is too long to hold in mind: at most 450 lines without its tests.

use super::source;

const LIMIT: usize = 450;

/// Longer files, each with the reason. Keep it empty.
const EXCEPTIONS: &[(&str, &str)] = &[];

#[test]
fn no_file_is_too_long_to_hold_in_mind() {
    let long: Vec<String> = source::library()
        .into_iter()
        .filter(|file| file.lines > LIMIT)
        .filter(|file| !EXCEPTIONS.iter().any(|(path, _)| *path == file.path))
        .map(|file| format!("{}: {} lines; split it by idea", file.path, file.lines))
        .collect();
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn test_modules_do_not_count_and_everything_else_does() {
    let text = format!(
        "{}#[cfg(test)]\nmod tests {{\n{}}}\n",
        "fn f() {}\n".repeat(451),
        "fn g() {}\n".repeat(500)
    );
    assert_eq!(source::snippet("src/base/x.rs", &text).lines, 451);
}
