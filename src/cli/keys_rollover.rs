//! `keys create|stage|activate|retire`: the steps of a rollover.
//!
//! Always true: a step that is refused says why, what would break, and what must be done
//! first; what comes next is said after each.

use std::{io::Write, path::Path};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{Failure, keys::fingerprint, open, operator};
use crate::{
    app::{
        App,
        keys::{
            KeyView,
            rollover::{Chosen, Force, Outcome, Step},
        },
    },
    audit::Actor,
    base::{clock::Timestamp, ids::KeyId},
    keys::{
        KeyPurpose,
        rollover::{
            KEY_LIST_READ_AGAIN, METADATA_READ_AGAIN, Obstacle, TENANT_KNOWS, Weight, grace,
        },
        signing::RsaSize,
        state::Custody,
    },
};

/// The purposes that roll over.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Rolling {
    /// SAML and WS-Federation answers.
    Assertion,
    /// External MFA id_tokens.
    Oidc,
}

impl From<Rolling> for KeyPurpose {
    fn from(purpose: Rolling) -> Self {
        match purpose {
            Rolling::Assertion => Self::Assertion,
            Rolling::Oidc => Self::Oidc,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Bits {
    #[value(name = "2048")]
    Bits2048,
    #[value(name = "3072")]
    Bits3072,
    #[value(name = "4096")]
    Bits4096,
}

/// Make a key, and tell nobody yet. Publish it with `keys stage`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// What it will sign.
    #[arg(long, value_enum, default_value_t = Rolling::Assertion)]
    purpose: Rolling,
    /// Its length. Longer ones sign more slowly: 4096 takes six times as long.
    #[arg(long, value_enum, default_value_t = Bits::Bits2048)]
    bits: Bits,
    /// Make it inside the token that [pkcs11] names; it never leaves it. The default where a
    /// token is configured.
    #[arg(long)]
    in_hardware: bool,
    /// Make it here, although a token is configured: its private half is in the database then.
    #[arg(long, conflicts_with = "in_hardware")]
    in_software: bool,
    /// Print the key as JSON.
    #[arg(long)]
    json: bool,
}

/// Publish a key, so that everybody learns it before it signs. Makes one if none is prepared.
///
/// With --confirm-published: write down that a party knows it.
#[derive(Args, Debug)]
pub struct StageArgs {
    #[command(flatten)]
    step: StepArgs,
    /// You looked yourself: this domain's tenant holds the certificate, or this relying party
    /// (its entity id) has read it. Without looking, `claimbridge domain verify` is better.
    #[arg(long, value_name = "DOMAIN|ENTITY-ID", conflicts_with = "force")]
    confirm_published: Option<String>,
}

/// Let a staged key sign from the next answer on, on all servers. The former one goes into grace.
///
/// A retiring key (--key) signs again: the way back.
#[derive(Args, Debug)]
pub struct ActivateArgs {
    #[command(flatten)]
    step: StepArgs,
}

/// Take a key away that signs no more: it is published no longer, and its private half is erased here. In backups it is still.
#[derive(Args, Debug)]
pub struct RetireArgs {
    #[command(flatten)]
    step: StepArgs,
}

#[derive(Args, Debug)]
struct StepArgs {
    /// Which key; needed only where several could be meant.
    #[arg(long, value_name = "ID")]
    key: Option<KeyId>,
    /// Of which purpose.
    #[arg(long, value_enum, default_value_t = Rolling::Assertion)]
    purpose: Rolling,
    /// Go on although it breaks sign-ins; the event says so, and what was in the way.
    #[arg(long)]
    force: bool,
    /// Print what was done, or what is in the way, as JSON.
    #[arg(long)]
    json: bool,
}

/// `keys create`.
pub async fn create(
    args: &CreateArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let app = open::app(&open::config(path)?).await?;
    let size = match args.bits {
        Bits::Bits2048 => RsaSize::Bits2048,
        Bits::Bits3072 => RsaSize::Bits3072,
        Bits::Bits4096 => RsaSize::Bits4096,
    };
    require_served(&app, args.purpose).await?;
    let custody = match (args.in_hardware, args.in_software) {
        (true, _) => Some(Custody::Hardware),
        (_, true) => Some(Custody::Software),
        _ => None,
    };
    let key = app
        .create_key(args.purpose.into(), size, custody, actor())
        .await?;
    if args.json {
        writeln!(out, "{}", in_json(&key, &[]))?;
    } else {
        writeln!(
            out,
            "{} is made, for {}; nobody knows it yet.",
            key.id, key.purpose
        )?;
        writeln!(out, "Next: claimbridge keys stage --key {}", key.id)?;
    }
    Ok(())
}

/// `keys stage`.
pub async fn stage(
    args: &StageArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Some(name) = &args.confirm_published else {
        return step(Step::Stage, &args.step, path, out).await;
    };
    let app = open::app(&open::config(path)?).await?;
    let (key, party) = app
        .confirm_published(&chosen(&args.step), name, actor())
        .await?;
    if args.step.json {
        writeln!(out, "{}", json!({"id": key, "confirmed": party}))?;
    } else {
        writeln!(out, "Written down: {party} knows {key}.")?;
    }
    Ok(())
}

/// `keys activate`.
pub async fn activate(
    args: &ActivateArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    step(Step::Activate, &args.step, path, out).await
}

/// `keys retire`.
pub async fn retire(
    args: &RetireArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    step(Step::Retire, &args.step, path, out).await
}

/// A key that nothing publishes would wait for nobody, and be taken for known later.
async fn require_served(app: &App, purpose: Rolling) -> Result<(), Failure> {
    match purpose {
        Rolling::Assertion => Ok(()),
        Rolling::Oidc if app.serves_external_mfa().await? => Ok(()),
        Rolling::Oidc => Err(Failure::no(
            "no tenant asks here for a second factor, so that nothing publishes or uses an oidc key; add one with `claimbridge external-mfa add`, or roll over the assertion key",
        )),
    }
}

fn chosen(args: &StepArgs) -> Chosen {
    Chosen {
        key: args.key.clone(),
        purpose: args.purpose.into(),
    }
}

async fn step(
    step: Step,
    args: &StepArgs,
    path: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let app = open::app(&open::config(path)?).await?;
    require_served(&app, args.purpose).await?;
    let force = if args.force {
        Force::Given
    } else {
        Force::Withheld
    };
    match app.step_key(step, &chosen(args), force, actor()).await? {
        Outcome::Done { key, forced } if args.json => {
            writeln!(out, "{}", in_json(&key, &forced))?;
            Ok(())
        }
        Outcome::Done { key, forced } => {
            done(step, &key, &app, out).await?;
            for obstacle in forced {
                writeln!(out, "Forced: {} {}", obstacle.why, obstacle.breaks)?;
            }
            Ok(())
        }
        Outcome::Refused { key, obstacles } => {
            if args.json {
                let found: Vec<Value> = obstacles.iter().map(obstacle_in_json).collect();
                writeln!(out, "{}", json!({"id": key, "refused": found}))?;
            }
            Err(Failure::no(refused(step, key.as_ref(), &obstacles)))
        }
    }
}

fn refused(step: Step, key: Option<&KeyId>, obstacles: &[Obstacle]) -> String {
    let verb = match step {
        Step::Stage => "staged",
        Step::Activate => "activated",
        Step::Retire => "retired",
    };
    let mut lines = vec![match key {
        Some(key) => format!("{key} was not {verb}."),
        None => format!("No key was made, and none was {verb}."),
    }];
    for obstacle in obstacles {
        lines.push(format!("- {}", obstacle.why));
        lines.push(format!("  What would happen: {}", obstacle.breaks));
        lines.push(format!("  First: {}", obstacle.first));
    }
    if obstacles
        .iter()
        .all(|obstacle| obstacle.weight == Weight::Breaks)
    {
        lines.push("--force goes on in spite of it.".to_owned());
    }
    lines.join("\n")
}

async fn done(step: Step, key: &KeyView, app: &App, out: &mut dyn Write) -> Result<(), Failure> {
    let is_oidc = key.purpose == KeyPurpose::Oidc;
    match step {
        Step::Stage if is_oidc => {
            writeln!(out, "{} is published in the key list.", key.id)?;
            writeln!(
                out,
                "Next: in {} hours, claimbridge keys activate --purpose oidc",
                KEY_LIST_READ_AGAIN.as_secs() / 3600
            )?;
        }
        Step::Stage => {
            writeln!(out, "{} is published in the metadata.", key.id)?;
            writeln!(out, "Entra does not read it. Next, for each domain:")?;
            for root in roots(app).await? {
                writeln!(out, "  claimbridge domain apply {root}")?;
                writeln!(out, "  claimbridge domain verify {root}")?;
            }
            writeln!(
                out,
                "Then, {} hours later (all of Entra may need them): claimbridge keys activate\nOther relying parties: one that reads the metadata has by {} hours from now; give the others the certificate. For each, when it has it: claimbridge keys stage --confirm-published ENTITY_ID",
                TENANT_KNOWS.as_secs() / 3600,
                METADATA_READ_AGAIN.as_secs() / 3600
            )?;
        }
        Step::Activate => {
            writeln!(
                out,
                "{} signs from the next answer on, on every server.",
                key.id
            )?;
            if !is_oidc {
                writeln!(
                    out,
                    "Next, for each domain, so that its tenant shows what signs:"
                )?;
                for root in roots(app).await? {
                    writeln!(out, "  claimbridge domain apply {root}")?;
                }
            }
            writeln!(
                out,
                "Then, in {} hours: claimbridge keys retire{}. Until then `keys activate --key FORMER` goes back.",
                grace(key.purpose).as_secs().div_ceil(3600),
                if is_oidc { " --purpose oidc" } else { "" }
            )?;
        }
        Step::Retire => {
            writeln!(
                out,
                "{} is published no more, and its private half is erased here; in backups it is still.",
                key.id
            )?;
            if key.custody == Custody::Hardware {
                writeln!(
                    out,
                    "The token holds it still; destroy it there with the token's own tool (its CKA_ID is {}).",
                    key.id
                )?;
            }
            if !is_oidc {
                writeln!(
                    out,
                    "Next: claimbridge domain apply, for each domain, takes its certificate out of the tenant."
                )?;
            }
        }
    }
    Ok(())
}

async fn roots(app: &App) -> Result<Vec<String>, Failure> {
    let domains = crate::app::domains::list(app.store()).await?;
    let mut roots: Vec<String> = domains
        .iter()
        .map(|domain| domain.root.to_string())
        .collect();
    roots.sort_unstable();
    roots.dedup();
    Ok(roots)
}

fn actor() -> Actor {
    Actor::Operator(operator::name())
}

fn in_json(key: &KeyView, forced: &[Obstacle]) -> Value {
    json!({
        "id": key.id,
        "purpose": key.purpose,
        "state": key.state,
        "since": key.since.to_rfc3339(),
        "custody": key.custody,
        "fingerprint": fingerprint(key),
        "certificate": data_encoding::BASE64.encode(&key.certificate),
        "forced": forced.iter().map(obstacle_in_json).collect::<Vec<_>>(),
    })
}

pub(super) fn obstacle_in_json(obstacle: &Obstacle) -> Value {
    json!({
        "why": obstacle.why,
        "breaks": obstacle.breaks,
        "first": obstacle.first,
        "until": obstacle.until.map(Timestamp::to_rfc3339),
    })
}
