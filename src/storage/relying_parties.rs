//! Relying parties besides Entra (whose clouds are presets, not rows).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use super::{
    error::StoreError,
    row::{Reader, sql},
    tx::{ReadTx, Tx},
};
use crate::relying_party::{
    EntityId, LogoutBinding, RelyingParty, RelyingPartyKind, ReplyUrl, RequestSignature,
    ResponseSignature, Sha1, SingleLogout,
};

#[derive(Deserialize, Serialize)]
struct StoredLogout {
    binding: String,
    request_url: String,
    response_url: Option<String>,
}

impl StoredLogout {
    fn of(address: &SingleLogout) -> Self {
        Self {
            binding: address.binding.as_str().to_owned(),
            request_url: address.request_url.clone(),
            response_url: address.response_url.clone(),
        }
    }

    fn read(self) -> Option<SingleLogout> {
        Some(SingleLogout {
            binding: LogoutBinding::parse(&self.binding)?,
            request_url: self.request_url,
            response_url: self.response_url,
        })
    }
}

#[derive(Deserialize, Serialize)]
struct StoredReplyUrl {
    index: u16,
    url: String,
    preferred: bool,
}

fn party(row: &AnyRow) -> Result<RelyingParty, StoreError> {
    let row = Reader::new(row, "relying_parties", "entity_id");
    let reply_urls: Vec<StoredReplyUrl> = row.json("reply_urls")?;
    let certificates: Vec<String> = row.json("request_certificates")?;
    Ok(RelyingParty {
        entity_id: EntityId(row.text("entity_id")?),
        display_name: row.text("display_name")?,
        kind: row.spelled("kind", |text| match text {
            "entra" => Some(RelyingPartyKind::Entra),
            "service-provider" => Some(RelyingPartyKind::ServiceProvider),
            _ => None,
        })?,
        reply_urls: reply_urls
            .into_iter()
            .map(|stored| ReplyUrl {
                index: stored.index,
                url: stored.url,
                preferred: stored.preferred,
            })
            .collect(),
        request_certificates: certificates
            .iter()
            .map(|text| {
                STANDARD
                    .decode(text)
                    .map_err(|_| row.impossible("request_certificates"))
            })
            .collect::<Result<_, _>>()?,
        request_signature: row.spelled("request_signature", |text| match text {
            "optional" => Some(RequestSignature::Optional),
            "required" => Some(RequestSignature::Required),
            _ => None,
        })?,
        sha1: row.spelled("sha1", |text| match text {
            "refused" => Some(Sha1::Refused),
            "allowed-in-requests" => Some(Sha1::AllowedInRequests),
            _ => None,
        })?,
        response_signature: row.spelled("response_signature", |text| match text {
            "assertion-only" => Some(ResponseSignature::AssertionOnly),
            "assertion-and-response" => Some(ResponseSignature::AssertionAndResponse),
            _ => None,
        })?,
        session_max_age: Duration::from_millis(row.small("session_max_age")?),
        single_logout: match row.optional_text("single_logout")? {
            None => None,
            Some(text) => {
                let stored: Option<StoredLogout> = serde_json::from_str(&text).ok();
                let read = stored.and_then(StoredLogout::read);
                Some(read.ok_or_else(|| row.impossible("single_logout"))?)
            }
        },
    })
}

fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Refused(sqlx::Error::Encode(Box::new(error))))
}

impl ReadTx<'_> {
    /// All registered parties, by entity id.
    pub async fn relying_parties(&mut self) -> Result<Vec<RelyingParty>, StoreError> {
        self.all(sql(
            "SELECT entity_id, display_name, kind, reply_urls, request_certificates,
                   request_signature, sha1, response_signature, session_max_age, single_logout
                 FROM relying_parties ORDER BY entity_id",
        ))
        .await?
        .iter()
        .map(party)
        .collect()
    }

    /// A registered party by its exact entity id.
    pub async fn relying_party(
        &mut self,
        id: &EntityId,
    ) -> Result<Option<RelyingParty>, StoreError> {
        self.one(
            sql(
                "SELECT entity_id, display_name, kind, reply_urls, request_certificates,
                   request_signature, sha1, response_signature, session_max_age, single_logout
                 FROM relying_parties WHERE entity_id = $1",
            )
            .bind(id.as_str()),
        )
        .await?
        .as_ref()
        .map(party)
        .transpose()
    }
}

impl Tx<'_> {
    /// Registers a party; `false` if its entity id is registered.
    pub async fn insert_relying_party(&mut self, party: &RelyingParty) -> Result<bool, StoreError> {
        let reply_urls: Vec<StoredReplyUrl> = party
            .reply_urls
            .iter()
            .map(|reply| StoredReplyUrl {
                index: reply.index,
                url: reply.url.clone(),
                preferred: reply.preferred,
            })
            .collect();
        let certificates: Vec<String> = party
            .request_certificates
            .iter()
            .map(|der| STANDARD.encode(der))
            .collect();
        let single_logout = party.single_logout.as_ref().map(StoredLogout::of);
        let single_logout = single_logout.as_ref().map(to_json).transpose()?;
        self.run_once(
            sql("INSERT INTO relying_parties (entity_id, display_name, kind, reply_urls, request_certificates,
                   request_signature, sha1, response_signature, session_max_age, single_logout)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (entity_id) DO NOTHING")
            .bind(party.entity_id.as_str())
            .bind(party.display_name.as_str())
            .bind(match party.kind {
                RelyingPartyKind::Entra => "entra",
                RelyingPartyKind::ServiceProvider => "service-provider",
            })
            .bind(to_json(&reply_urls)?)
            .bind(to_json(&certificates)?)
            .bind(match party.request_signature {
                RequestSignature::Optional => "optional",
                RequestSignature::Required => "required",
            })
            .bind(match party.sha1 {
                Sha1::Refused => "refused",
                Sha1::AllowedInRequests => "allowed-in-requests",
            })
            .bind(match party.response_signature {
                ResponseSignature::AssertionOnly => "assertion-only",
                ResponseSignature::AssertionAndResponse => "assertion-and-response",
            })
            .bind(i64::try_from(party.session_max_age.as_millis()).unwrap_or(i64::MAX))
            .bind(single_logout),
        )
        .await
    }

    /// Removes a party; whether it was there.
    pub async fn remove_relying_party(&mut self, id: &EntityId) -> Result<bool, StoreError> {
        self.run_once(sql("DELETE FROM relying_parties WHERE entity_id = $1").bind(id.as_str()))
            .await
    }
}
