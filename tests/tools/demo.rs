//! A demo that runs while a test asks it over HTTP.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// A running demo; it ends with this value.
pub struct Demo {
    child: Child,
    line: Value,
}

impl Demo {
    pub fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .args(["demo", "--listen", "127.0.0.1:0", "--json"])
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let line = serde_json::from_str(&line).unwrap();
        Self { child, line }
    }

    pub fn text(&self, pointer: &str) -> &str {
        self.line.pointer(pointer).unwrap().as_str().unwrap()
    }
}

impl Drop for Demo {
    /// Politely, so that it takes its temporary folder with it.
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
