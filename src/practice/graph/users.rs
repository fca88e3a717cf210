//! `/users` and `/me` (facts §4.3): pages, properties only when selected, and the rules of
//! `onPremisesImmutableId`.

use axum::http::Method;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{Answer, Answered, Call, errors::Refusal, filter::Filter};
use crate::{
    base::text::Upn,
    practice::{
        directory::{Directory, Person, PersonKind, Source},
        visit::lock,
    },
};

const READS: [&str; 4] = [
    "User.Read.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
const WRITES: [&str; 2] = ["User.ReadWrite.All", "Directory.ReadWrite.All"];

const LARGEST_PAGE: usize = 999;
const USUAL_PAGE: usize = 100;
/// What is shown without `$select`.
const USUAL: &str = "businessPhones,displayName,givenName,jobTitle,mail,mobilePhone,officeLocation,preferredLanguage,surname,userPrincipalName,id";
/// What can be selected besides.
const MORE: [&str; 5] = [
    "onPremisesImmutableId",
    "accountEnabled",
    "userType",
    "onPremisesSyncEnabled",
    "createdDateTime",
];
const IMMUTABLE_ID: &str = "onPremisesImmutableId";

/// `GET /users`.
pub(super) fn list(call: &Call<'_>) -> Answered {
    if call.method != Method::GET {
        return Err(Refusal::method());
    }
    call.caller.require(&READS)?;
    let asked = Asked::of(call)?;
    let directory = lock(&call.practice.directory);
    let mut value = Vec::new();
    let mut next = None;
    let everybody = directory.people_count();
    for number in asked.from..everybody {
        let Some(person) = directory.person(number) else {
            continue;
        };
        if !asked.filter.fits(&person) {
            continue;
        }
        if value.len() == asked.top {
            next = Some(number);
            break;
        }
        value.push(shown(&person, &asked.select));
    }
    let mut body = json!({ "@odata.context": call.context("users"), "value": value });
    if asked.counts && asked.from == 0 {
        body["@odata.count"] = json!(match &asked.filter {
            Filter::All => everybody,
            filter => (0..everybody)
                .filter_map(|number| directory.person(number))
                .filter(|person| filter.fits(person))
                .count(),
        });
    }
    if let Some(next) = next {
        body["@odata.nextLink"] = json!(next_link(call, next));
    }
    Ok(Answer::ok(body))
}

struct Asked {
    top: usize,
    from: usize,
    select: Vec<String>,
    filter: Filter,
    counts: bool,
}

impl Asked {
    fn of(call: &Call<'_>) -> Result<Self, Refusal> {
        const KNOWN: [&str; 5] = ["$top", "$select", "$filter", "$count", "$skiptoken"];
        if let Some(other) = call
            .query
            .keys()
            .find(|name| !KNOWN.contains(&name.as_str()))
        {
            return Err(Refusal::query(format!(
                "The query parameter '{other}' is not supported."
            )));
        }
        let get = |name: &str| call.query.get(name).map(String::as_str);
        let top = match get("$top") {
            None => USUAL_PAGE,
            Some(text) => text
                .parse()
                .ok()
                .filter(|top| (1..=LARGEST_PAGE).contains(top))
                .ok_or_else(|| {
                    Refusal::query(
                        "Invalid page size specified: must be between 1 and 999 inclusive.",
                    )
                })?,
        };
        let from = match get("$skiptoken") {
            None => 0,
            Some(text) => URL_SAFE_NO_PAD
                .decode(text)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .and_then(|text| text.strip_prefix("person:")?.parse().ok())
                .ok_or_else(Refusal::page_token)?,
        };
        let filter = Filter::parse(get("$filter"))?;
        let counts = get("$count") == Some("true");
        if filter.is_advanced() && !(counts && call.is_eventual()) {
            return Err(Refusal::query(
                "Operator 'endsWith' is not supported because the 'ConsistencyLevel:eventual' header is missing. Refer to https://aka.ms/graph-docs/advanced-queries for more information",
            ));
        }
        if counts && !call.is_eventual() {
            return Err(Refusal::query(
                "$count is not currently supported without the 'ConsistencyLevel:eventual' header.",
            ));
        }
        Ok(Self {
            top,
            from,
            select: select(get("$select"))?,
            filter,
            counts,
        })
    }
}

fn next_link(call: &Call<'_>, next: usize) -> String {
    let mut link = format!("{}/graph/{}/users?", call.practice.own_url, call.version);
    for name in ["$top", "$select", "$filter", "$count"] {
        if let Some(value) = call.query.get(name) {
            link.push_str(name);
            link.push('=');
            link.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
            link.push('&');
        }
    }
    link.push_str("$skiptoken=");
    link.push_str(&URL_SAFE_NO_PAD.encode(format!("person:{next}")));
    link
}

fn select(text: Option<&str>) -> Result<Vec<String>, Refusal> {
    let text = text.unwrap_or(USUAL);
    text.split(',')
        .map(str::trim)
        .map(|name| {
            if USUAL.split(',').any(|known| known == name) || MORE.contains(&name) {
                Ok(name.to_owned())
            } else {
                Err(Refusal::bad(format!(
                    "Could not find a property named '{name}' on type 'microsoft.graph.user'."
                )))
            }
        })
        .collect()
}

fn shown(person: &Person, select: &[String]) -> Value {
    let (given, family) = person
        .display_name
        .rsplit_once(' ')
        .unwrap_or((&person.display_name, ""));
    let mut shown = Map::new();
    for name in select {
        let value = match name.as_str() {
            "id" => json!(person.object_id),
            "userPrincipalName" | "mail" => json!(person.upn.as_str()),
            "displayName" => json!(person.display_name),
            "givenName" => json!(given),
            "surname" => json!(family),
            "businessPhones" => json!([]),
            IMMUTABLE_ID => json!(person.immutable_id),
            "accountEnabled" => json!(person.enabled),
            "userType" => json!(match person.kind {
                PersonKind::Member => "Member",
                PersonKind::Guest => "Guest",
            }),
            "onPremisesSyncEnabled" => match person.source {
                Source::OnPremises => json!(true),
                Source::Cloud => Value::Null,
            },
            "createdDateTime" => json!("2026-01-05T08:00:00Z"),
            _ => Value::Null,
        };
        shown.insert(name.clone(), value);
    }
    Value::Object(shown)
}

fn number_of(directory: &Directory, who: &str) -> Option<usize> {
    directory.number_by_object_id(who).or_else(|| {
        let upn: Upn = who.parse().ok()?;
        directory.number_by_upn(&upn)
    })
}

/// `GET` and `PATCH /users/{id or name}`.
pub(super) fn one(call: &Call<'_>, who: &str) -> Answered {
    call.caller.require(match *call.method {
        Method::GET => &READS,
        _ => &WRITES,
    })?;
    let mut directory = lock(&call.practice.directory);
    let number = number_of(&directory, who).ok_or_else(|| Refusal::not_found(who))?;
    let person = directory
        .person(number)
        .ok_or_else(|| Refusal::not_found(who))?;
    match *call.method {
        Method::GET => entity(call, &person),
        Method::PATCH => {
            let body = call.object()?;
            let changed = changed(&directory, number, &person, &body)?;
            directory.change(number, |person| *person = changed);
            Ok(Answer::no_content())
        }
        _ => Err(Refusal::method()),
    }
}

/// `GET /me`.
pub(super) fn me(call: &Call<'_>) -> Answered {
    if call.method != Method::GET {
        return Err(Refusal::method());
    }
    let id = call.caller.require_self()?;
    let directory = lock(&call.practice.directory);
    let person = directory
        .number_by_object_id(id)
        .and_then(|number| directory.person(number))
        .ok_or_else(|| Refusal::not_found(id))?;
    entity(call, &person)
}

fn entity(call: &Call<'_>, person: &Person) -> Answered {
    let select = select(call.query.get("$select").map(String::as_str))?;
    let mut body = shown(person, &select);
    body["@odata.context"] = json!(call.context("users/$entity"));
    Ok(Answer::ok(body))
}

fn is_federated(directory: &Directory, upn: &Upn) -> bool {
    directory
        .place_of(&upn.domain())
        .and_then(|at| directory.federated(at))
        .is_some()
}

fn changed(
    directory: &Directory,
    number: usize,
    person: &Person,
    body: &Map<String, Value>,
) -> Result<Person, Refusal> {
    let mut person = person.clone();
    for (name, value) in body {
        match (name.as_str(), value) {
            (IMMUTABLE_ID, Value::Null | Value::String(_)) => {
                // Facts §4.3: no reason is given.
                let refused =
                    is_federated(directory, &person.upn) || person.source == Source::OnPremises;
                if refused {
                    return Err(Refusal::bare());
                }
                person.immutable_id = new_id(directory, number, value.as_str())?;
            }
            ("userPrincipalName", Value::String(text)) => {
                let upn: Upn = text
                    .parse()
                    .map_err(|_| Refusal::bad("Property userPrincipalName is invalid."))?;
                let verified = directory
                    .place_of(&upn.domain())
                    .is_some_and(|at| directory.domains()[at].verified);
                if !verified {
                    return Err(Refusal::bad(
                        "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization.",
                    ));
                }
                if person.source == Source::OnPremises {
                    return Err(Refusal::bare());
                }
                if directory
                    .number_by_upn(&upn)
                    .is_some_and(|owner| owner != number)
                {
                    return Err(Refusal::bad(
                        "Another object with the same value for property userPrincipalName already exists.",
                    ));
                }
                if is_federated(directory, &upn) && person.immutable_id.is_none() {
                    return Err(Refusal::bad(
                        "A value is required for property 'onPremisesImmutableId' of a user of a federated domain.",
                    ));
                }
                person.upn = upn;
            }
            ("displayName", Value::String(text)) if !text.is_empty() => {
                person.display_name.clone_from(text);
            }
            ("accountEnabled", Value::Bool(enabled)) => person.enabled = *enabled,
            _ => {
                return Err(Refusal::bad(format!(
                    "Invalid value specified for property '{name}' of resource 'User'."
                )));
            }
        }
    }
    Ok(person)
}

fn new_id(
    directory: &Directory,
    number: usize,
    id: Option<&str>,
) -> Result<Option<String>, Refusal> {
    let Some(id) = id else { return Ok(None) };
    // An empty text is what Update-MgUser sends for "none", and Graph refuses it.
    if id.is_empty() || id.contains(['$', '_']) || id.chars().count() > 1024 {
        return Err(Refusal::bare());
    }
    if directory
        .number_by_immutable_id(id)
        .is_some_and(|owner| owner != number)
    {
        return Err(Refusal::bad(
            "Another object with the same value for property onPremisesImmutableId already exists.",
        ));
    }
    Ok(Some(id.to_owned()))
}
