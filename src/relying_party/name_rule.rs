//! Which entity ids nobody else may register (attack 39: a service provider
//! that calls itself Entra would harvest assertions that Entra accepts).

use super::{EntityId, EntraCloud};
use crate::base::text::fold;

/// Why a name may not be registered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameTaken {
    /// It is, or nearly is, the name of an Entra cloud.
    #[error("this is the name of Microsoft Entra ID ({0}), or nearly so")]
    Entra(String),
    /// It is, or nearly is, the name of a present party.
    #[error("a relying party of this name, or nearly so, is registered already ({0})")]
    Present(String),
    /// Empty, over 1024 bytes (SAML core §8.3.6), or with control characters.
    #[error("an entity id has between 1 and 1024 printable characters")]
    Form,
}

/// The form in which names are compared: folded (NFKC, lower case), white space
/// and trailing slashes off.
pub fn comparable(entity_id: &str) -> String {
    let folded: String = fold(entity_id)
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    folded.trim_end_matches('/').to_owned()
}

/// Whether `name` may be registered beside `present`.
pub fn require_free_name(name: &str, present: &[EntityId]) -> Result<(), NameTaken> {
    if name.is_empty() || name.len() > 1024 || name.chars().any(char::is_control) {
        return Err(NameTaken::Form);
    }
    let wanted = comparable(name);
    for cloud in EntraCloud::presets() {
        if comparable(&cloud.entity_id) == wanted {
            return Err(NameTaken::Entra(cloud.entity_id));
        }
    }
    match present
        .iter()
        .find(|known| comparable(known.as_str()) == wanted)
    {
        Some(known) => Err(NameTaken::Present(known.0.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_39_near_misses_of_each_cloud_are_refused() {
        for cloud in EntraCloud::presets() {
            let id = &cloud.entity_id;
            for near in [
                id.clone(),
                id.to_uppercase(),
                format!(" {id}"),
                format!("{id}/"),
                format!("{id}//"),
                format!("{id} "),
                id.replace('f', "ｆ"),
            ] {
                assert!(
                    matches!(require_free_name(&near, &[]), Err(NameTaken::Entra(_))),
                    "{near}"
                );
            }
        }
    }

    #[test]
    fn a_present_partys_name_is_taken_and_a_new_one_is_free() {
        let present = [EntityId("https://sp.example.com/saml".to_owned())];
        assert!(matches!(
            require_free_name("https://SP.example.com/saml/", &present),
            Err(NameTaken::Present(_))
        ));
        assert_eq!(
            require_free_name("https://other.example.com", &present),
            Ok(())
        );
        assert_eq!(require_free_name("a\nb", &present), Err(NameTaken::Form));
        assert_eq!(require_free_name("", &present), Err(NameTaken::Form));
    }
}
