//! One domain's federation as Graph shows it: an `internalDomainFederation` (facts §4.1).
//!
//! Always true: nothing that Graph showed is lost on the way to the journal and back, what
//! cannot be read is an error, not an empty configuration, and an id can be nothing but one
//! segment of a path: a write goes to the object that was shown, and to no other domain's.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use serde_json::{Map, Value};

use super::property::{Property, Setting};

/// The type that Graph gives it.
pub const ODATA_TYPE: &str = "#microsoft.graph.internalDomainFederation";

/// What Graph shows and nobody sets.
const READ_ONLY: [&str; 1] = ["signingCertificateUpdateStatus"];
/// The longest id, in characters; Graph's are GUIDs of 36.
const LONGEST_ID: usize = 64;

/// It is no configuration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnreadableConfiguration {
    /// No object, or one of another type.
    #[error("this is no internalDomainFederation")]
    Kind,
    /// A property has a value of another type.
    #[error("{0} has a value that Graph never gives it")]
    Value(&'static str),
}

/// The federation of one domain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Configuration {
    /// Graph's id of the object, if it was shown.
    pub id: Option<String>,
    settings: BTreeMap<Property, Setting>,
    /// What Graph showed beside the properties that may be set.
    others: Map<String, Value>,
}

impl Configuration {
    /// Reads one object.
    pub fn parse(value: &Value) -> Result<Self, UnreadableConfiguration> {
        let members = value.as_object().ok_or(UnreadableConfiguration::Kind)?;
        if members
            .get("@odata.type")
            .is_some_and(|kind| kind.as_str() != Some(ODATA_TYPE))
        {
            return Err(UnreadableConfiguration::Kind);
        }
        let mut read = Self::default();
        for (name, value) in members {
            match Property::by_name(name) {
                Some(property) => {
                    let sound = match property {
                        Property::IsSignedAuthenticationRequestRequired => value.is_boolean(),
                        Property::SystemBrowserEnabledOn => value.is_string() || value.is_array(),
                        _ => value.is_string(),
                    };
                    if !sound && !value.is_null() {
                        return Err(UnreadableConfiguration::Value(property.name()));
                    }
                    if let Some(setting) = property.read(value) {
                        read.settings.insert(property, setting);
                    }
                }
                None if name == "id" => read.id = id_of(value)?,
                None if name.starts_with("@odata.") => {}
                None => {
                    read.others.insert(name.clone(), value.clone());
                }
            }
        }
        if read.settings.is_empty() && read.id.is_none() {
            return Err(UnreadableConfiguration::Kind);
        }
        Ok(read)
    }

    /// The value of a property; nothing if it is unset.
    pub fn get(&self, property: Property) -> Option<&Setting> {
        self.settings.get(&property)
    }

    /// The text of a property.
    pub fn text(&self, property: Property) -> Option<&str> {
        match self.settings.get(&property) {
            Some(Setting::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// What Graph showed that this program has no name for: a later Graph's.
    pub fn unknown(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.others
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .filter(|(name, value)| !READ_ONLY.contains(name) && !value.is_null())
    }

    /// The same for the same settings, another for others: hexadecimal digits of SHA-256.
    /// Whoever changes one value of it changes this.
    pub fn fingerprint(&self) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        let settings = self
            .settings
            .iter()
            .map(|(property, setting)| (property.name(), setting.to_text()));
        let mut all: Vec<(&str, String)> = settings
            .chain(
                self.unknown()
                    .map(|(name, value)| (name, value.to_string())),
            )
            .collect();
        all.sort();
        for part in all.iter().flat_map(|(name, text)| [*name, text.as_str()]) {
            hash.update(&part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        data_encoding::HEXLOWER.encode(&hash.finish().as_ref()[..8])
    }

    /// Sets or unsets a property.
    pub fn set(&mut self, property: Property, setting: Option<Setting>) {
        match setting {
            Some(setting) => self.settings.insert(property, setting),
            None => self.settings.remove(&property),
        };
    }

    /// As Graph shows it.
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("@odata.type".to_owned(), ODATA_TYPE.into());
        if let Some(id) = &self.id {
            members.insert("id".to_owned(), id.as_str().into());
        }
        for (property, setting) in &self.settings {
            members.insert(property.name().to_owned(), setting.to_json());
        }
        for (name, value) in &self.others {
            members.insert(name.clone(), value.clone());
        }
        Value::Object(members)
    }
}

/// Graph's ids are GUIDs. What stands in one is sent in the path of a write: with a slash or
/// dots in it the write would go to another domain.
fn id_of(value: &Value) -> Result<Option<String>, UnreadableConfiguration> {
    match value {
        Value::Null => Ok(None),
        Value::String(id)
            if (1..=LONGEST_ID).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') =>
        {
            Ok(Some(id.clone()))
        }
        _ => Err(UnreadableConfiguration::Value("id")),
    }
}
