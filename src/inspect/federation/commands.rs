//! Commands of PowerShell and calls of Graph, read as far as they set values.
//!
//! Always true: nothing is run or expanded. A value that is not written out is a
//! variable, and stays unknown.

use crate::inspect::federation_case::{
    Dialect, Extent, FederationConfig, Setting, of_json, property,
};

/// Parameters that set no property.
const OTHER_PARAMETERS: [&str; 24] = [
    "domainid",
    "domainname",
    "internaldomainfederationid",
    "tenantid",
    "authentication",
    "bodyparameter",
    "body",
    "method",
    "uri",
    "contenttype",
    "headers",
    "confirm",
    "whatif",
    "verbose",
    "debug",
    "passthru",
    "erroraction",
    "outputtype",
    "first",
    "supportmultipledomain",
    "inputobject",
    "additionalproperties",
    "id",
    "property",
];
/// Words that name a command about a domain's federation, with what they are of.
const SUBJECTS: [(&str, Dialect); 8] = [
    ("mgdomainfederationconfiguration", Dialect::Graph),
    ("mgbetadomainfederationconfiguration", Dialect::Graph),
    ("entradomainfederationsettings", Dialect::Graph),
    ("entrabetadomainfederationsettings", Dialect::Graph),
    ("msoldomainfederationsettings", Dialect::MsOnline),
    ("msoldomainauthentication", Dialect::MsOnline),
    ("msolfederateddomain", Dialect::MsOnline),
    ("msoldomaintofederated", Dialect::MsOnline),
];
/// How many commands are read of one text.
const MAX_COMMANDS: usize = 100;

/// What the text sets or shows, one configuration for each command.
pub(in crate::inspect) fn read(text: &str) -> Vec<FederationConfig> {
    let starts = commands(text);
    if starts.is_empty() {
        return call_or_listing(text);
    }
    let mut configs = Vec::new();
    for (number, start) in starts.iter().enumerate() {
        // What stands before the first command (`$params = @{…}`) is for it.
        let from = if number == 0 { 0 } else { start.from };
        let to = starts.get(number + 1).map_or(text.len(), |next| next.from);
        let part = &text[from..to];
        let verb = start
            .name
            .split('-')
            .next()
            .unwrap_or("")
            .to_ascii_lowercase();
        let extent = match verb.as_str() {
            "update" | "set" if !start.name.to_ascii_lowercase().contains("authentication") => {
                Extent::Change
            }
            "remove" => continue,
            _ => Extent::Whole,
        };
        let mut config = FederationConfig::new(extent);
        config.dialect = start.dialect;
        config.command = Some(start.name.clone());
        fill(&mut config, part, &start.name);
        // `Get-…` alone, without what it printed, says nothing.
        if verb != "get" || !config.settings.is_empty() {
            configs.push(config);
        }
    }
    configs
}

struct Start {
    from: usize,
    name: String,
    dialect: Dialect,
}

/// The commands in the text, by where they begin.
fn commands(text: &str) -> Vec<Start> {
    let mut found = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
        let name = word.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        if let Some((verb, subject)) = name.split_once('-')
            && !verb.is_empty()
            && let Some((_, dialect)) = SUBJECTS
                .iter()
                .find(|(known, _)| subject.eq_ignore_ascii_case(known))
            && found.len() < MAX_COMMANDS
        {
            found.push(Start {
                from: at,
                name: name.to_owned(),
                dialect: *dialect,
            });
        }
        at += word.len();
    }
    found
}

/// A call of Graph with a JSON body, or lines `Name : value` as PowerShell prints them.
fn call_or_listing(text: &str) -> Vec<FederationConfig> {
    let lower = text.to_ascii_lowercase();
    let is_call = lower.contains("/federationconfiguration");
    let extent = if is_call && lower.contains("patch") {
        Extent::Change
    } else {
        Extent::Whole
    };
    if let Some(value) = json_in(text) {
        let mut configs = of_json(&value, extent);
        for config in &mut configs {
            if config.domain.is_none() {
                config.domain = domain_of_path(text);
            }
        }
        if !configs.is_empty() {
            return configs;
        }
    }
    let mut config = FederationConfig::new(extent);
    config.domain = domain_of_path(text);
    fill(&mut config, text, "");
    if config.settings.is_empty() {
        Vec::new()
    } else {
        vec![config]
    }
}

/// The first JSON object of the text.
fn json_in(text: &str) -> Option<serde_json::Value> {
    let from = text.find('{')?;
    let mut values = serde_json::Deserializer::from_str(&text[from..]).into_iter();
    values.next()?.ok()
}

/// `/domains/contoso.com/federationConfiguration`.
fn domain_of_path(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let from = lower.find("/domains/")? + "/domains/".len();
    let rest = &lower[from..];
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c)))?;
    (end > 0 && rest[..end].contains('.')).then(|| rest[..end].to_owned())
}

/// Every `-Name value`, `Name = value` and `Name : value` of the text.
fn fill(config: &mut FederationConfig, text: &str, command: &str) {
    let mut words = Words { rest: text };
    while let Some(word) = words.next_word() {
        if word.eq_ignore_ascii_case(command) {
            continue;
        }
        let bare = word.trim_start_matches('-');
        let is_parameter = word.starts_with('-') && !bare.is_empty();
        let known = property(bare);
        let domain = ["DomainId", "DomainName", "DomainIdOrName"]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(bare));
        if known.is_none() && !domain {
            let is_name = bare.chars().all(|c| c.is_ascii_alphabetic());
            if is_parameter
                && is_name
                && !OTHER_PARAMETERS.contains(&bare.to_ascii_lowercase().as_str())
                && config.unknown.len() < 20
            {
                config.unknown.push(bare.to_owned());
            }
            continue;
        }
        let assigned = words.skip_sign();
        if !is_parameter && !assigned {
            continue;
        }
        let value = words.value();
        match known {
            Some(name) => {
                config.settings.insert(name, value);
            }
            None => {
                if let Setting::Text(text) = value {
                    config.domain = Some(text);
                }
            }
        }
    }
}

/// A text, word by word.
struct Words<'t> {
    rest: &'t str,
}

impl<'t> Words<'t> {
    /// The next word; a quoted one is taken without its quotes.
    fn next_word(&mut self) -> Option<&'t str> {
        self.rest = self
            .rest
            .trim_start_matches(|c: char| !(c.is_alphanumeric() || "-$_\"'@#".contains(c)));
        if let Some(comment) = self.rest.strip_prefix('#') {
            self.rest = comment.split_once('\n').map_or("", |(_, after)| after);
            return self.next_word_after_comment();
        }
        let first = self.rest.chars().next()?;
        if first == '"' || first == '\'' {
            let inner = &self.rest[1..];
            let end = inner.find(first).unwrap_or(inner.len());
            let word = &inner[..end];
            self.rest = inner.get(end + 1..).unwrap_or("");
            return Some(word);
        }
        let first_length = first.len_utf8();
        let end = self.rest[first_length..]
            .find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))
            .map_or(self.rest.len(), |end| end + first_length);
        let word = &self.rest[..end];
        self.rest = &self.rest[end..];
        Some(word)
    }

    /// Many comments in a row must not nest calls.
    fn next_word_after_comment(&mut self) -> Option<&'t str> {
        loop {
            let trimmed = self.rest.trim_start();
            let Some(comment) = trimmed.strip_prefix('#') else {
                self.rest = trimmed;
                break;
            };
            self.rest = comment.split_once('\n').map_or("", |(_, after)| after);
        }
        if self.rest.is_empty() { None } else { Some("") }
    }

    /// Whether `=` or `:` comes next; it is gone then.
    fn skip_sign(&mut self) -> bool {
        let trimmed = self.rest.trim_start_matches([' ', '\t']);
        match trimmed.strip_prefix(['=', ':']) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    /// The value that comes next: a quoted text, a list, a variable or a word.
    fn value(&mut self) -> Setting {
        self.rest = self.rest.trim_start_matches([' ', '\t', '`']);
        // A value may stand on the next line after a backtick.
        if self.rest.starts_with('\r') || self.rest.starts_with('\n') {
            return Setting::Text(String::new());
        }
        let mut items = Vec::new();
        let mut is_list = false;
        if let Some(inner) = self
            .rest
            .strip_prefix("@(")
            .or_else(|| self.rest.strip_prefix(['(', '{', '[']))
        {
            self.rest = inner;
            is_list = true;
        }
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t']);
            if is_list {
                self.rest = self.rest.trim_start();
            }
            let (item, quoted) = self.item();
            if let Some(name) = item.strip_prefix('$')
                && !quoted
            {
                match name.to_ascii_lowercase().as_str() {
                    "true" | "false" => items.push(name.to_ascii_lowercase()),
                    "null" if items.is_empty() => return Setting::Null,
                    _ => return Setting::Variable(item.to_owned()),
                }
            } else if !item.is_empty() || quoted {
                items.push(item.to_owned());
            }
            let after = if is_list {
                self.rest.trim_start()
            } else {
                self.rest.trim_start_matches([' ', '\t'])
            };
            match after.strip_prefix(',') {
                Some(next) => {
                    self.rest = next;
                    is_list = true;
                }
                None => break,
            }
        }
        match (items.len(), is_list) {
            (1, false) => Setting::Text(items.remove(0)),
            (0, false) => Setting::Text(String::new()),
            _ => Setting::List(items),
        }
    }

    /// One value and whether it stood in quotation marks.
    fn item(&mut self) -> (&'t str, bool) {
        let first = self.rest.chars().next();
        if let Some(quote) = first.filter(|c| matches!(c, '"' | '\'')) {
            let inner = &self.rest[1..];
            let end = inner.find(quote).unwrap_or(inner.len());
            let item = &inner[..end];
            self.rest = inner.get(end + 1..).unwrap_or("");
            return (item, true);
        }
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || ",;)}]`\"'".contains(c))
            .unwrap_or(self.rest.len());
        let item = &self.rest[..end];
        self.rest = &self.rest[end..];
        (item, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> FederationConfig {
        let mut configs = read(text);
        assert_eq!(configs.len(), 1, "{text}");
        configs.remove(0)
    }

    #[test]
    fn values_are_read_however_they_are_written() {
        let text = |value: &str| Setting::Text(value.to_owned());
        for (written, wanted) in [
            ("-IssuerUri https://a/b", text("https://a/b")),
            ("-issueruri:'https://a/b'", text("https://a/b")),
            (
                "-IssuerUri \"https://a b\" -DisplayName x",
                text("https://a b"),
            ),
            ("-IssuerUri `\n  -DisplayName x", text("")),
            (
                "-IssuerUri $issuer",
                Setting::Variable("$issuer".to_owned()),
            ),
            (
                "-BodyParameter @{ issuerUri = \"https://a/b\" }",
                text("https://a/b"),
            ),
            ("-IssuerUri $null", Setting::Null),
        ] {
            let config = one(&format!("Update-MgDomainFederationConfiguration {written}"));
            assert_eq!(config.settings.get("issuerUri"), Some(&wanted), "{written}");
            assert_eq!(config.extent, Extent::Change);
        }
        let config = one(
            "# comment\n#another\n$params = @{ systemBrowserEnabledOn = @('ios', \"android\")\n\
             isSignedAuthenticationRequestRequired = $true }\n\
             New-MgDomainFederationConfiguration -DomainId contoso.com -BodyParameter $params -Frobnicate 1",
        );
        assert_eq!(config.domain.as_deref(), Some("contoso.com"));
        assert_eq!(config.extent, Extent::Whole);
        assert_eq!(
            config.settings["systemBrowserEnabledOn"],
            Setting::List(vec!["ios".to_owned(), "android".to_owned()])
        );
        assert_eq!(
            config.text("isSignedAuthenticationRequestRequired"),
            Some("true")
        );
        assert_eq!(config.unknown, ["Frobnicate"]);
    }

    #[test]
    fn calls_and_listings() {
        let config = one(
            "PATCH https://graph.microsoft.com/v1.0/domains/contoso.com/federationConfiguration/1\n\n{\"federatedIdpMfaBehavior\":\"x\"}",
        );
        assert_eq!(config.extent, Extent::Change);
        assert_eq!(config.domain.as_deref(), Some("contoso.com"));
        let config = one(
            "IssuerUri : https://a/b\nPassiveLogOnUri : https://a/c\nNextSigningCertificate :\n",
        );
        assert_eq!(config.text("issuerUri"), Some("https://a/b"));
        assert_eq!(config.text("passiveSignInUri"), Some("https://a/c"));
        assert_eq!(config.text("nextSigningCertificate"), None);
        assert!(read("Get-MgDomainFederationConfiguration -DomainId contoso.com").is_empty());
        assert!(read("Remove-MgDomainFederationConfiguration -DomainId contoso.com").is_empty());
    }
}
