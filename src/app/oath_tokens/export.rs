//! Tokens as Entra's CSV: the way out.
//!
//! Always true: the event that names the operator is written before the first secret
//! leaves.

use zeroize::Zeroizing;

use super::{App, Error};
use crate::{
    audit::{Actor, Event},
    base::{ids::UserId, text::Upn},
    directory::{OathAlgorithm, OathToken, Serial, TokenState},
    storage::ListedToken,
};

/// How many tokens are read at once.
const PAGE: u32 = 500;

/// Entra's longest secret, in characters of base32 (facts §7).
const LONGEST: usize = 128;

const ALTERED: &str = "its row was altered outside claimbridge";

/// A row of Entra's CSV.
pub struct EntraRow<'a> {
    /// Who has it.
    pub upn: Option<&'a Upn>,
    /// The serial number.
    pub serial: &'a Serial,
    /// The secret in base32.
    pub secret: Zeroizing<String>,
    /// Seconds.
    pub period: u16,
    /// Who made it.
    pub manufacturer: &'a str,
    /// Which model.
    pub model: &'a str,
}

/// Why a token is not in the CSV.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftOut {
    /// Which.
    pub serial: Serial,
    /// Why.
    pub reason: &'static str,
}

impl App {
    /// Hands each token that Entra's CSV can hold to `write`; who is left out and why.
    /// Tokens that are lost or retired are not meant to go anywhere.
    pub async fn export_oath_tokens<E: From<Error>>(
        &self,
        operator: &str,
        mut write: impl FnMut(&EntraRow<'_>) -> Result<(), E>,
    ) -> Result<Vec<LeftOut>, E> {
        self.note_export(operator).await?;
        let mut left_out = Vec::new();
        let mut altered = Vec::new();
        let mut after = None;
        loop {
            let page = self.list_oath_tokens(after.as_ref(), PAGE).await?;
            for listed in &page {
                match self.entra_row(listed) {
                    Ok(Some(row)) => write(&row)?,
                    Ok(None) => {}
                    Err(reason) => {
                        if reason == ALTERED {
                            altered.push(listed.token.user.clone());
                        }
                        left_out.push(LeftOut {
                            serial: listed.token.serial.clone(),
                            reason,
                        });
                    }
                }
            }
            match page.into_iter().last() {
                Some(last) => after = Some(last.token.serial),
                None => break,
            }
        }
        self.note_altered_rows(altered).await?;
        Ok(left_out)
    }

    async fn note_altered_rows(&self, holders: Vec<Option<UserId>>) -> Result<(), Error> {
        if holders.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        for holder in holders {
            let event = Event::TamperingFound { what: "oath-token" };
            tx.append(Actor::System, holder, event);
        }
        Ok(tx.commit().await?)
    }

    async fn note_export(&self, operator: &str) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        tx.append(
            Actor::Operator(operator.to_owned()),
            None,
            Event::OathTokensExported,
        );
        Ok(tx.commit().await?)
    }

    fn entra_row<'t>(&self, listed: &'t ListedToken) -> Result<Option<EntraRow<'t>>, &'static str> {
        let token = &listed.token;
        if matches!(token.state, TokenState::Lost | TokenState::Retired) {
            return Ok(None);
        }
        if token.parameters.algorithm != OathAlgorithm::Sha1 {
            return Err("Entra's CSV holds SHA-1 tokens only");
        }
        if token.parameters.digits != 6 {
            return Err("Entra's CSV holds tokens of six digits only");
        }
        token.require_tag(&self.sealing).map_err(|_| ALTERED)?;
        let secret = self
            .sealing
            .open(&OathToken::secret_place(&token.id), &token.sealed_secret)
            .map_err(|_| ALTERED)?;
        let secret = Zeroizing::new(data_encoding::BASE32_NOPAD.encode(&secret));
        if secret.len() > LONGEST {
            return Err("Entra's CSV holds secrets of at most 128 characters");
        }
        Ok(Some(EntraRow {
            upn: listed
                .upn
                .as_ref()
                .filter(|_| matches!(token.state, TokenState::Assigned | TokenState::Active)),
            serial: &token.serial,
            secret,
            period: token.parameters.period,
            manufacturer: &token.manufacturer,
            model: &token.model,
        }))
    }
}
