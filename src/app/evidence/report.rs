//! The files of a bundle, and the report that people read.
//!
//! Always true: what the report says is worked out from the same facts as the files beside
//! it, and names the file in which it can be looked up; a number that should be nought and is
//! not is said first.

use askama::Template;
use serde_json::{Value, json};

use super::{
    super::Error,
    Facts, File,
    acts::{self, Act},
    bundle::with_colons,
    chart::{self, Datum, Drawing, Words},
    issuance::day,
    live_check::LiveCheck,
    names::Naming,
    people::{self, Person, Status},
    policy::Federation,
    rules,
    samples::Judged,
    sbom,
    versions::{MADE_BY, Versions},
};
use crate::base::clock::Timestamp;

const README: &str = include_str!("../../../templates/evidence/README.txt");

/// With more people than that the report shows those whom something is wrong with only.
const MOST_PEOPLE: usize = 500;
/// How many acts of operators the report shows.
const MOST_ACTS: usize = 30;

/// All files but the manifest, its signature and the key.
pub(super) fn files(facts: &Facts) -> Result<Vec<File>, Error> {
    let unwritten = |error: &dyn std::fmt::Display| Error::internal(error.to_string());
    let serialized = |name: &str, value: serde_json::Result<Value>| {
        value
            .map(|value| File::json(name, &value))
            .map_err(|error| unwritten(&error))
    };
    let csv = |name: &str, bytes: Result<Vec<u8>, csv::Error>| {
        bytes
            .map(|bytes| File::text(name, bytes))
            .map_err(|error| unwritten(&error))
    };
    let report = Report::new(facts).render();
    let sbom = sbom::sbom(facts.at).map_err(|error| unwritten(&error))?;
    let mut files = vec![
        File::text("README.txt", README),
        File::text("report.html", report.map_err(|error| unwritten(&error))?),
        File::json("configuration.json", &facts.configuration),
        File::json("policy.json", &facts.policy),
        serialized("federation.json", serde_json::to_value(&facts.federation))?,
        csv("coverage.csv", people::csv(&facts.people))?,
        serialized(
            "coverage.json",
            serde_json::to_value(&facts.people).map(
                |people| json!({"at": facts.at, "answers_since": facts.since, "people": people}),
            ),
        )?,
        csv("issuance.csv", facts.issuance.csv())?,
        serialized(
            "events.json",
            serde_json::to_value(&facts.acts).map(|mut acts| {
                acts["since"] = json!(facts.since);
                acts["events_missing_of_any_time"] = json!(facts.issuance.missing_events);
                acts
            }),
        )?,
        File::json("rules.json", &rules()),
        serialized("versions.json", serde_json::to_value(&facts.versions))?,
        File::json("sbom.cdx.json", &sbom),
    ];
    if let Some(check) = &facts.live_check {
        files.push(serialized("live-check.json", serde_json::to_value(check))?);
    }
    for (number, sample) in (1..).zip(&facts.samples) {
        let name = format!("inspector/sample-{number}.json");
        files.push(File::json(name, &sample.report));
    }
    Ok(files)
}

/// The report. Its members are what the template shows.
#[derive(Template)]
#[template(path = "evidence/report.html")]
struct Report<'a> {
    facts: &'a Facts,
    made_by: &'static str,
    made_at: String,
    configuration_hash: String,
    audit_fingerprint: Option<String>,
    active: usize,
    covered: usize,
    uncovered: Vec<&'a Person>,
    disabled: usize,
    suspects: Vec<&'a Person>,
    shown_people: Vec<&'a Person>,
    coverage_chart: Drawing,
    methods_chart: Drawing,
    method_data: Vec<Datum>,
    weeks_chart: Drawing,
    weeks: Vec<Datum>,
    proofs_chart: Drawing,
    proofs: Vec<Datum>,
    parties: Vec<Datum>,
    acts: Vec<Datum>,
    act_rows: Vec<ActRow<'a>>,
    acts_left: bool,
    federation: &'a Federation,
    versions: &'a Versions,
    live: Option<&'a LiveCheck>,
    samples: &'a [Judged],
}

impl<'a> Report<'a> {
    fn new(facts: &'a Facts) -> Self {
        let is_active = |person: &&Person| person.status == Status::Active;
        let active = facts.people.iter().filter(is_active).count();
        let uncovered: Vec<&Person> = facts
            .people
            .iter()
            .filter(is_active)
            .filter(|person| !person.covered)
            .collect();
        let suspects: Vec<&Person> = facts
            .people
            .iter()
            .filter(|person| person.answers_without_mfa > 0 || person.last_without_mfa.is_some())
            .collect();
        let shown_people = if facts.people.len() <= MOST_PEOPLE {
            facts.people.iter().collect()
        } else {
            Vec::new()
        };
        let covered = active - uncovered.len();
        let disabled = facts.people.len() - active;
        let method_data = methods(&facts.people);
        let weeks = weeks(facts);
        let proofs = by_size(facts.issuance.by(|(_, _, how)| how));
        let acts = acts_by_kind(&facts.acts.acts);
        let rows = act_rows(&facts.acts.acts);
        let audit = facts
            .versions
            .keys
            .iter()
            .find(|key| key.purpose == crate::keys::KeyPurpose::Audit);
        let configuration = File::json("configuration.json", &facts.configuration);
        Self {
            made_by: MADE_BY,
            made_at: facts.at.to_words(),
            configuration_hash: super::bundle::sha256(&configuration.bytes),
            audit_fingerprint: audit
                .and_then(|key| key.fingerprint.clone())
                .map(|hex| with_colons(&hex)),
            coverage_chart: coverage_chart(covered, uncovered.len(), disabled),
            methods_chart: bars(
                "methods",
                "Who holds what",
                "People who may sign in, by the methods that they hold and that count",
                &method_data,
            ),
            weeks_chart: weeks_chart(&weeks),
            proofs_chart: bars(
                "proofs",
                "What answers rested on",
                "Answers by the proofs that they rested on",
                &proofs,
            ),
            active,
            covered,
            uncovered,
            disabled,
            suspects,
            shown_people,
            method_data,
            weeks,
            proofs,
            parties: by_size(facts.issuance.by(|(_, party, _)| party)),
            acts_left: rows.len() > MOST_ACTS || !facts.acts.is_complete,
            act_rows: rows.into_iter().take(MOST_ACTS).collect(),
            acts,
            federation: &facts.federation,
            versions: &facts.versions,
            live: facts.live_check.as_ref(),
            samples: &facts.samples,
            facts,
        }
    }

    fn names_people(&self) -> bool {
        self.facts.naming == Naming::Names
    }

    /// How many receipts name nobody in the directory.
    fn strays(&self) -> u64 {
        let issuance = &self.facts.issuance;
        issuance.in_ledger.saturating_sub(issuance.answers)
    }

    fn ledger_is_consistent(&self) -> bool {
        let issuance = &self.facts.issuance;
        issuance.in_ledger == issuance.events && self.strays() == 0 && issuance.missing_events == 0
    }
}

/// `2026-11-20 10:00`, in UTC.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "a template hands over references"
)]
fn minute(at: &Timestamp) -> String {
    at.to_rfc3339().replace('T', " ").chars().take(16).collect()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The largest first; of equal ones in the order of their names.
fn by_size(sums: std::collections::BTreeMap<&str, u64>) -> Vec<Datum> {
    let mut data: Vec<Datum> = sums
        .into_iter()
        .map(|(name, sum)| (name.to_owned(), sum))
        .collect();
    data.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    data
}

fn acts_by_kind(all: &[Act]) -> Vec<Datum> {
    let mut sums = std::collections::BTreeMap::new();
    for act in all {
        *sums.entry(acts::in_words(&act.event)).or_default() += 1;
    }
    by_size(sums)
}

/// A line about acts: one, or several of one kind by one operator on one day.
struct ActRow<'a> {
    when: String,
    what: &'a str,
    about: String,
    by: &'a str,
}

/// From how many equal acts on they share a line: an import would fill the page.
const MANY: usize = 4;

fn act_rows(all: &[Act]) -> Vec<ActRow<'_>> {
    let mut rows = Vec::new();
    let same = |one: &Act, other: &Act| {
        one.event == other.event && one.by == other.by && day(one.at) == day(other.at)
    };
    for run in all.chunk_by(same) {
        if let [first, ..] = run
            && run.len() >= MANY
        {
            rows.push(ActRow {
                when: day(first.at),
                what: first.in_words(),
                about: format!("{} times that day", run.len()),
                by: &first.by,
            });
            continue;
        }
        rows.extend(run.iter().map(|act| {
            let parts = [act.person.as_deref(), act.about.as_deref()];
            let parts: Vec<&str> = parts.into_iter().flatten().collect();
            ActRow {
                when: minute(&act.at),
                what: act.in_words(),
                about: parts.join(" "),
                by: &act.by,
            }
        }));
    }
    rows
}

fn methods(people: &[Person]) -> Vec<Datum> {
    use crate::directory::MethodKind::{OathToken, SecurityKey, Totp};
    let active = || {
        people
            .iter()
            .filter(|person| person.status == Status::Active)
    };
    let holds = |kind| count(active().filter(|person| person.counting(kind) > 0).count());
    vec![
        ("a security key".to_owned(), holds(SecurityKey)),
        ("a hardware token".to_owned(), holds(OathToken)),
        ("a code generator".to_owned(), holds(Totp)),
        (
            "no method that counts".to_owned(),
            count(
                active()
                    .filter(|person| person.counting_methods == 0)
                    .count(),
            ),
        ),
    ]
}

fn coverage_chart(covered: usize, uncovered: usize, disabled: usize) -> Drawing {
    let data = [
        ("can sign in with two factors".to_owned(), count(covered)),
        ("cannot sign in yet".to_owned(), count(uncovered)),
        ("disabled".to_owned(), count(disabled)),
    ];
    let words = Words {
        id: "coverage",
        title: "Coverage",
        says: described("People by whether they can sign in", &data),
    };
    chart::shares(&words, &data)
}

fn bars(id: &str, title: &str, what: &str, data: &[Datum]) -> Drawing {
    let says = described(what, data);
    chart::bars(&Words { id, title, says }, data)
}

fn described(what: &str, data: &[Datum]) -> String {
    let parts: Vec<String> = data
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    format!("{what}: {}.", parts.join(", "))
}

fn weeks_chart(weeks: &[Datum]) -> Drawing {
    let words = Words {
        id: "weeks",
        title: "Answers by week",
        says: "Answers by week; the table beside it has the numbers.".to_owned(),
    };
    let short: Vec<Datum> = weeks
        .iter()
        .map(|(day, value)| (day.get(5..).unwrap_or(day).to_owned(), *value))
        .collect();
    chart::columns(&words, &short)
}

const DAY: i64 = 86_400_000;

/// Answers by week, named by its Monday, weeks without any too.
fn weeks(facts: &Facts) -> Vec<Datum> {
    let monday = |at: Timestamp| {
        let days = at.as_millis().div_euclid(DAY);
        // 1 January 1970 was a Thursday.
        days - (days + 3).rem_euclid(7)
    };
    let by_day = facts.issuance.by(|(day, _, _)| day);
    let (mut week, last) = (monday(facts.since), monday(facts.at));
    let mut data = Vec::new();
    while week <= last {
        let day_of = |offset| day(Timestamp::from_millis((week + offset) * DAY));
        let sum = (0..7)
            .filter_map(|offset| by_day.get(day_of(offset).as_str()))
            .sum();
        data.push((day_of(0), sum));
        week += 7;
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(event: &str, by: &str, millis: i64) -> Act {
        Act {
            at: Timestamp::from_millis(millis),
            event: event.to_owned(),
            by: by.to_owned(),
            person: Some("a@contoso.com".to_owned()),
            about: None,
        }
    }

    #[test]
    fn an_import_is_one_line_and_single_acts_stay_single() {
        let mut acts = vec![act("pass-issued", "root", 10 * DAY)];
        acts.extend((0..40).map(|number| act("user-added", "root", 9 * DAY - number)));
        acts.extend((0..3).map(|number| act("user-added", "jonas", 8 * DAY - number)));
        acts.push(act("user-added", "root", 8 * DAY - 4));
        let rows = act_rows(&acts);
        let told: Vec<(&str, &str)> = rows
            .iter()
            .map(|row| (row.about.as_str(), row.by))
            .collect();
        let single = ("a@contoso.com", "jonas");
        assert_eq!(
            told,
            [
                ("a@contoso.com", "root"),
                // The first of the forty lies in the next day.
                ("a@contoso.com", "root"),
                ("39 times that day", "root"),
                single,
                single,
                single,
                ("a@contoso.com", "root"),
            ]
        );
    }
}
