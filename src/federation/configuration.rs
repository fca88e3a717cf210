//! One domain's federation as Graph shows it: an `internalDomainFederation` (facts §4.1).
//!
//! Always true: nothing that Graph showed is lost on the way to the journal and back, and
//! what cannot be read is an error, not an empty configuration.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::property::{Property, Setting};

/// The type that Graph gives it.
pub const ODATA_TYPE: &str = "#microsoft.graph.internalDomainFederation";

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
                None if name == "id" => read.id = value.as_str().map(ToOwned::to_owned),
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
