//! Reads typed values out of the file and the environment and collects what is wrong.
//!
//! Always true: the keys that are known are the keys that were asked for, so
//! there is no list of keys that could go stale; what is present and was never
//! asked for is a problem that names the nearest known key. A value from the
//! environment wins over the file's, also over its `_file` twin's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use toml::Value;

use super::{
    duration::{parse_duration, show_duration},
    problem::{Problem, Problems},
    secret_file::{is_open_to_others, secret_file},
};
use crate::base::secret::Secret;

const PREFIX: &str = "CLAIMBRIDGE_";

/// Names the configuration file; read by the command line, no key.
pub const CONFIG_VARIABLE: &str = "CLAIMBRIDGE_CONFIG";

struct Entry {
    value: Value,
    /// The variable's name, if it came from the environment.
    variable: Option<String>,
}

/// A file that a key names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedFile {
    /// The key, as the operator writes it; `--config` for the configuration itself.
    pub key: String,
    /// Where it is.
    pub path: PathBuf,
}

/// The values, by dotted key (`policy.session_idle`, `domain.0.name`).
pub struct Reader {
    entries: BTreeMap<String, Entry>,
    asked: BTreeSet<String>,
    problems: Vec<Problem>,
    folder: PathBuf,
    files: Vec<NamedFile>,
}

impl Reader {
    /// From the file at `path`, if there is one, and `environment`.
    pub fn new(path: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Self {
        let mut reader = Self {
            entries: BTreeMap::new(),
            asked: BTreeSet::new(),
            problems: Vec::new(),
            folder: path
                .and_then(Path::parent)
                .map(Path::to_owned)
                .unwrap_or_default(),
            files: Vec::new(),
        };
        if let Some(path) = path {
            reader.files.push(NamedFile {
                key: "--config".to_owned(),
                path: path.to_owned(),
            });
            reader.read_file(path);
        }
        for (name, text) in environment {
            reader.read_variable(name, text);
        }
        reader
    }

    /// Whether the file could be read at all; if not, what it lacks says nothing.
    pub fn require_file(&mut self) -> Result<(), Problems> {
        if self.problems.iter().any(|problem| problem.key.is_empty()) {
            return Err(Problems(std::mem::take(&mut self.problems)));
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let text = format!(
                    "{} cannot be read ({error}); write one with `claimbridge init`, or name it with --config",
                    path.display()
                );
                return self.object_to_all(text);
            }
        };
        match text.parse::<toml::Table>() {
            Ok(table) => self.flatten("", Value::Table(table)),
            Err(error) => {
                let at = error
                    .span()
                    .map_or(1, |span| text[..span.start].lines().count().max(1));
                let text = format!(
                    "{} is no TOML at line {at}: {}; correct that line",
                    path.display(),
                    error.message()
                );
                self.object_to_all(text);
            }
        }
        if self.entries.contains_key("master_key") && is_open_to_others(path) {
            self.object(
                "master_key",
                &format!(
                    "others can read it in {0}; run `chmod 600 {0}`",
                    path.display()
                ),
            );
        }
    }

    fn flatten(&mut self, key: &str, value: Value) {
        let below = |name: &str| {
            if key.is_empty() {
                name.to_owned()
            } else {
                format!("{key}.{name}")
            }
        };
        match value {
            Value::Table(table) => {
                for (name, value) in table {
                    self.flatten(&below(&name), value);
                }
            }
            Value::Array(values) if values.iter().any(Value::is_table) => {
                for (index, value) in values.into_iter().enumerate() {
                    self.flatten(&below(&index.to_string()), value);
                }
            }
            value => {
                let entry = Entry {
                    value,
                    variable: None,
                };
                self.entries.insert(key.to_owned(), entry);
            }
        }
    }

    fn read_variable(&mut self, name: String, text: String) {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            return;
        };
        if name == CONFIG_VARIABLE {
            return;
        }
        let key = rest.to_lowercase().replace("__", ".");
        let twin = match key.strip_suffix("_file") {
            Some(secret) => secret.to_owned(),
            None => format!("{key}_file"),
        };
        if self
            .entries
            .get(&twin)
            .is_some_and(|e| e.variable.is_none())
        {
            self.entries.remove(&twin);
        }
        let entry = Entry {
            value: Value::String(text),
            variable: Some(name),
        };
        self.entries.insert(key, entry);
    }

    /// Notes that `key` has a value that cannot be; `text` says why and what to do.
    pub fn object(&mut self, key: &str, text: &str) {
        let key = match self.entries.get(key).and_then(|e| e.variable.clone()) {
            Some(variable) => variable,
            None => shown(key),
        };
        self.problems.push(Problem {
            key,
            text: text.to_owned(),
        });
    }

    fn object_to_all(&mut self, text: String) {
        let key = String::new();
        self.problems.push(Problem { key, text });
    }

    /// Whether `key` has a value.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// How many `[[section]]` there are.
    pub fn count(&self, section: &str) -> usize {
        let prefix = format!("{section}.");
        self.entries
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix)?.split('.').next()?.parse().ok())
            .map(|index: usize| index + 1)
            .max()
            .unwrap_or(0)
            .min(1000)
    }

    fn value(&mut self, key: &str) -> Option<Value> {
        self.asked.insert(key.to_owned());
        self.entries.get(key).map(|entry| entry.value.clone())
    }

    /// The text at `key`.
    pub fn text(&mut self, key: &str) -> Option<String> {
        let Value::String(text) = self.value(key)? else {
            self.object(key, "this is no text; write it in quotation marks");
            return None;
        };
        Some(text)
    }

    /// The text at `key`, parsed.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, key: &str) -> Option<T> {
        let text = self.text(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.object(key, &format!("“{text}” cannot be used: {error}"));
                None
            }
        }
    }

    /// A whole number in `range`, or `default`.
    pub fn number(&mut self, key: &str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let number = match self.value(key) {
            None => return default,
            Some(Value::Integer(number)) => u32::try_from(number).ok(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        let Some(number) = number.filter(|number| range.contains(number)) else {
            let (least, most) = (range.start(), range.end());
            self.object(key, &format!("write a whole number from {least} to {most}"));
            return default;
        };
        number
    }

    /// A length of time such as `90s`, `15m`, `8h` or `30d` in `range`, or `default`.
    pub fn duration(
        &mut self,
        key: &str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let duration = match self.value(key) {
            None => return default,
            Some(Value::String(text)) => parse_duration(&text),
            Some(_) => None,
        };
        let Some(duration) = duration.filter(|duration| range.contains(duration)) else {
            let text = format!(
                "write a length of time from {} to {}, such as \"90s\", \"15m\", \"8h\" or \"30d\"",
                show_duration(*range.start()),
                show_duration(*range.end())
            );
            self.object(key, &text);
            return default;
        };
        duration
    }

    /// `true` or `false`; absent is false.
    pub fn flag(&mut self, key: &str) -> bool {
        match self.value(key) {
            None => false,
            Some(Value::Boolean(flag)) => flag,
            Some(Value::String(text)) if text == "true" => true,
            Some(Value::String(text)) if text == "false" => false,
            Some(_) => {
                self.object(key, "write true or false");
                false
            }
        }
    }

    /// A list; in the environment its parts stand between commas.
    pub fn list<T: FromStr<Err: fmt::Display>>(&mut self, key: &str) -> Vec<T> {
        let parts: Vec<String> = match self.value(key) {
            None => return Vec::new(),
            Some(Value::Array(values)) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                })
                .collect(),
            Some(Value::String(text)) => text.split(',').map(|part| part.trim().into()).collect(),
            Some(_) => {
                self.object(key, "write a list, such as [\"10.0.0.7\"]");
                return Vec::new();
            }
        };
        let mut list = Vec::new();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            match part.parse() {
                Ok(value) => list.push(value),
                Err(error) => self.object(key, &format!("“{part}” cannot be used: {error}")),
            }
        }
        list
    }

    /// The path at `key`; a relative one is relative to the configuration file.
    pub fn path(&mut self, key: &str) -> Option<PathBuf> {
        let path = self.text(key).map(|text| self.folder.join(text))?;
        self.files.push(NamedFile {
            key: shown(key),
            path: path.clone(),
        });
        Some(path)
    }

    /// The files that were named so far.
    pub fn named_files(&self) -> Vec<NamedFile> {
        self.files.clone()
    }

    /// `path` as seen from the configuration file.
    pub fn beside_the_file(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The content of the file that `key` names.
    pub fn file(&mut self, key: &str) -> Option<String> {
        let path = self.path(key)?;
        match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) => {
                let text = format!(
                    "{} cannot be read ({error}); correct the path, or let this user read it",
                    path.display()
                );
                self.object(key, &text);
                None
            }
        }
    }

    /// The secret at `key`, or in the file that its twin `KEY_file` names.
    pub fn secret(&mut self, key: &str) -> Option<Secret<String>> {
        let twin = format!("{key}_file");
        let inline = self.text(key);
        if inline.is_some() && self.has(&twin) {
            self.asked.insert(twin.clone());
            self.object(
                key,
                &format!("{} is set too; keep one of them", shown(&twin)),
            );
            return None;
        }
        if let Some(text) = inline {
            return Some(Secret::new(text));
        }
        let path = self.path(&twin)?;
        match secret_file(&path) {
            Ok(secret) => Some(secret),
            Err(text) => {
                self.object(&twin, &text);
                None
            }
        }
    }

    /// All problems, with those of unknown keys.
    pub fn finish(mut self) -> Result<(), Problems> {
        let unknown: Vec<(String, Option<String>)> = self
            .entries
            .iter()
            .filter(|(key, _)| !self.asked.contains(*key))
            .map(|(key, entry)| (key.clone(), entry.variable.clone()))
            .collect();
        for (key, variable) in unknown {
            let nearest = self.nearest(&key);
            let (key, nearest) = match variable {
                Some(variable) => (variable, as_variable(&nearest)),
                None => (shown(&key), shown(&nearest)),
            };
            let text = format!("there is no such key; did you mean {nearest}?");
            self.problems.push(Problem { key, text });
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(self.problems))
        }
    }

    fn nearest(&self, key: &str) -> String {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        // The whole and the last part count: a right name in a wrong section is near.
        let closeness = |known: &String| {
            strsim::normalized_damerau_levenshtein(known, key)
                + strsim::normalized_damerau_levenshtein(&last(known), &last(key))
        };
        self.asked
            .iter()
            .max_by(|a, b| closeness(a).total_cmp(&closeness(b)))
            .cloned()
            .unwrap_or_default()
    }

    /// The keys that are known.
    #[cfg(test)]
    pub fn known(&self) -> Vec<String> {
        self.asked.iter().map(|key| shown(key)).collect()
    }
}

/// `domain.0.name` is written `[[domain]] name`.
fn shown(key: &str) -> String {
    match key.split('.').collect::<Vec<_>>().as_slice() {
        [section, index, name] if index.parse::<usize>().is_ok() => {
            format!("[[{section}]] {name}")
        }
        [outer, section, index, name] if index.parse::<usize>().is_ok() => {
            format!("[[{outer}.{section}]] {name}")
        }
        _ => key.to_owned(),
    }
}

fn as_variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}
