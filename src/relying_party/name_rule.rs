//! Which entity ids nobody else may register (attack 39: a service provider
//! that calls itself Entra would harvest assertions that Entra accepts).

use url::Url;

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

/// Whether an entity id is one that Entra, in any cloud, may take for its own audience:
/// nearly a preset's name, another federation name of Microsoft's, or an address on a host
/// of Microsoft's (Entra also goes by addresses such as `…/extSTS.srf`, facts §0).
pub fn is_microsofts_name(entity_id: &str) -> bool {
    let name = comparable(entity_id);
    let is_preset = EntraCloud::presets()
        .iter()
        .any(|cloud| comparable(&cloud.entity_id) == name);
    is_preset
        || (name.starts_with("urn:federation:") && name.contains("microsoft"))
        || Url::parse(&name).is_ok_and(|url| url.host_str().is_some_and(is_microsofts_host))
}

/// Whether a host takes assertions for Entra: those of the presets, and all at and below
/// the domains that Microsoft signs people in on.
pub fn is_microsofts_host(host: &str) -> bool {
    const DOMAINS: [&str; 9] = [
        "microsoftonline.com",
        "microsoftonline-p.com",
        "microsoftonline.us",
        "microsoftonline.cn",
        "microsoftonline-p.cn",
        "microsoft.com",
        "windows.net",
        "live.com",
        "chinacloudapi.cn",
    ];
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let preset = EntraCloud::presets().iter().any(|cloud| {
        Url::parse(&cloud.reply_url).is_ok_and(|url| url.host_str() == Some(host.as_str()))
    });
    preset
        || DOMAINS.iter().any(|domain| {
            host.strip_suffix(domain)
                .is_some_and(|front| front.is_empty() || front.ends_with('.'))
        })
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
    fn attack_39_microsofts_names_are_known_by_name_and_by_host() {
        for (name, known) in [
            ("urn:federation:MicrosoftOnline", true),
            ("urn:federation:microsoftonline.de", true),
            ("https://login.microsoftonline.com/extSTS.srf", true),
            ("https://STS.windows.net/0b5c1d2e/", true),
            (" https://login.microsoftonline.us./x", true),
            ("https://sub.login.partner.microsoftonline.cn", true),
            ("https://microsoftonline.com.evil.example", false),
            ("https://notmicrosoft.com", false),
            ("urn:federation:contoso", false),
            ("https://sp.example.com/microsoft", false),
        ] {
            assert_eq!(is_microsofts_name(name), known, "{name}");
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
