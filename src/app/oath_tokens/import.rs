//! Files of tokens into the inventory.
//!
//! Always true: the whole file is read and judged before the first token is stored, and
//! then stored in one transaction, so that a file with bad rows changes nothing, also one
//! that turns bad late, unless the operator wants the good ones; these are stored in
//! batches. It is read twice, row by row, so that its length costs no memory. On SQLite
//! whoever writes waits for a whole file: with very many tokens, seconds.

/// The file.
mod file;
/// What would become of it.
mod judging;

use std::collections::{BTreeMap, HashMap};

use super::{App, Error, PskcKey};
use crate::{
    audit::{Actor, Event},
    base::{ids::OathTokenId, text::Upn},
    directory::{
        OathToken, TokenState,
        oath_import::{Defaults, Row, TokenFormat},
        oath_token::{NewToken, SecretEncoding, TokenWarning},
    },
    storage::Tx,
};

pub use file::Open;
use file::TokenFile;

/// How many rows one transaction judges, or stores of a file whose good rows are taken.
const BATCH: usize = 500;

/// What becomes of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Nothing: it is judged only.
    DryRun,
    /// All of it, or nothing.
    Whole,
    /// The good rows.
    GoodRows,
}

/// Whether people are handed the tokens that the file names them for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Assigning {
    /// The inventory is filled only.
    No,
    /// As the file says; a row that names nobody goes to stock.
    AsTheFileSays,
}

/// What is wanted of an import.
pub struct ImportOptions<'a> {
    /// What the operator says about all tokens.
    pub defaults: Defaults,
    /// For an encrypted PSKC file.
    pub key: Option<PskcKey>,
    /// Whether to assign.
    pub assigning: Assigning,
    /// What becomes of the file.
    pub mode: Mode,
    /// Who does it.
    pub operator: &'a str,
}

/// A row that was not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FailedRow {
    /// Its line; the first is 1.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// What became of a file.
#[derive(Debug)]
pub struct Imported {
    /// As what it was read.
    pub format: TokenFormat,
    /// Good rows, by the judgement before anything was stored.
    pub good: u64,
    /// Tokens that were stored.
    pub imported: u64,
    /// Of these, tokens that were handed to people.
    pub assigned: u64,
    /// Rows that were not taken, in the order of the file.
    pub failed: Vec<FailedRow>,
    /// As what the secrets of the good rows were read.
    pub encodings: BTreeMap<SecretEncoding, u64>,
    /// What to know about the good rows.
    pub warnings: BTreeMap<TokenWarning, u64>,
    /// Columns that mean nothing here.
    pub unused_columns: Vec<String>,
    /// Why it ended before the end of the file; what was stored stays.
    pub stopped: Option<Error>,
}

/// One row, judged.
pub struct Judged<'a> {
    /// Its line.
    pub line: u64,
    /// What it says, if it can be read.
    pub token: Option<&'a NewToken>,
    /// To whom it would go.
    pub to: Option<&'a Upn>,
    /// Why it would not be taken.
    pub refused: Option<&'a str>,
}

impl App {
    /// Judges a file and, if the judgement allows it, stores its tokens. `judged` hears of
    /// each row. An error means that nothing was stored.
    pub async fn import_oath_tokens(
        &self,
        open: &Open<'_>,
        options: &ImportOptions<'_>,
        judged: &mut dyn FnMut(&Judged<'_>),
    ) -> Result<Imported, Error> {
        let mut imported = self.judge(open, options, judged).await?;
        match options.mode {
            Mode::DryRun => {}
            Mode::Whole if !imported.failed.is_empty() => {}
            Mode::Whole => self.store_whole(open, options, &mut imported).await?,
            Mode::GoodRows => {
                if let Err(error) = self.store_good(open, options, &mut imported).await {
                    imported.stopped = Some(error);
                }
            }
        }
        imported.failed.sort_by_key(|row| row.line);
        Ok(imported)
    }

    /// All of a file, or nothing of it.
    async fn store_whole(
        &self,
        open: &Open<'_>,
        options: &ImportOptions<'_>,
        imported: &mut Imported,
    ) -> Result<(), Error> {
        let mut file = TokenFile::open(open, options, self.now())?;
        let mut tx = self.store.begin().await?;
        let (mut stored, mut assigned) = (0, 0);
        while let Some(row) = file.next_row()? {
            let line = row.line;
            match self.store_row(&mut tx, row, options).await? {
                Ok(handed_over) => {
                    stored += 1;
                    assigned += u64::from(handed_over);
                }
                // Somebody else was quicker, or the file has changed since it was judged.
                Err(reason) => {
                    imported.failed.push(FailedRow { line, reason });
                    return Ok(());
                }
            }
        }
        if stored != imported.good {
            return Err(Error::conflict(
                "the file was changed while it was read; nothing was imported: try again when nobody writes to it",
            ));
        }
        note_imported(&mut tx, stored, options.operator);
        tx.commit().await?;
        imported.imported = stored;
        imported.assigned = assigned;
        Ok(())
    }

    /// The good rows of a file, batch by batch.
    async fn store_good(
        &self,
        open: &Open<'_>,
        options: &ImportOptions<'_>,
        imported: &mut Imported,
    ) -> Result<(), Error> {
        let refused: Vec<u64> = imported.failed.iter().map(|row| row.line).collect();
        let mut file = TokenFile::open(open, options, self.now())?;
        loop {
            let rows = file.next_rows(BATCH)?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut tx = self.store.begin().await?;
            let (mut stored, mut assigned) = (0, 0);
            let mut late = Vec::new();
            for row in rows {
                let line = row.line;
                if refused.binary_search(&line).is_ok() {
                    continue;
                }
                match self.store_row(&mut tx, row, options).await? {
                    Ok(handed_over) => {
                        stored += 1;
                        assigned += u64::from(handed_over);
                    }
                    Err(reason) => late.push(FailedRow { line, reason }),
                }
            }
            note_imported(&mut tx, stored, options.operator);
            tx.commit().await?;
            imported.imported += stored;
            imported.assigned += assigned;
            for row in late {
                imported.fail(row)?;
            }
        }
    }

    /// Stores a row; whether its token was handed to somebody. The inner error is the row's.
    async fn store_row(
        &self,
        tx: &mut Tx<'_>,
        row: Row,
        options: &ImportOptions<'_>,
    ) -> Result<Result<bool, String>, Error> {
        match row.token {
            Ok(token) => self.store_one(tx, &token, options).await,
            Err(reason) => Ok(Err(reason)),
        }
    }

    async fn store_one(
        &self,
        tx: &mut Tx<'_>,
        new: &NewToken,
        options: &ImportOptions<'_>,
    ) -> Result<Result<bool, String>, Error> {
        let none_coming = HashMap::new();
        let user = match self.owner(tx, new, options.assigning, &none_coming).await? {
            Ok(user) => user,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut token = self.new_token(new);
        match &user {
            Some(user) => self.hand_over(&mut token, user, options.operator),
            None => token.tag = token.make_tag(&self.sealing),
        }
        if !tx.insert_oath_token(&token).await? {
            return Ok(Err(there_already(new)));
        }
        if let Some(user) = &user {
            self.note_handed_over(tx, &token, &user.id, options.operator)
                .await?;
        }
        Ok(Ok(user.is_some()))
    }

    fn new_token(&self, new: &NewToken) -> OathToken {
        let sealing = std::sync::Arc::clone(&self.sealing);
        let (id, sealed_secret) = self.with_random(|random| {
            let id = OathTokenId::random(random);
            let place = OathToken::secret_place(&id);
            let sealed = sealing.seal(&place, new.seed.secret.expose(), random);
            (id, sealed)
        });
        OathToken {
            id,
            serial: new.serial.clone(),
            manufacturer: new.manufacturer.clone(),
            model: new.model.clone(),
            parameters: new.parameters,
            sealed_secret,
            state: TokenState::InStock,
            user: None,
            credential: None,
            drift_steps: new.drift_steps,
            last_step: None,
            secret_tag: Some(OathToken::make_secret_tag(
                &self.sealing,
                new.seed.secret.expose(),
            )),
            imported_at: self.now(),
            assigned_at: None,
            assigned_by: None,
            activated_at: None,
            ended_at: None,
            tag: String::new(),
        }
    }
}

fn note_imported(tx: &mut Tx<'_>, count: u64, operator: &str) {
    if count > 0 {
        let event = Event::OathTokensImported { count };
        tx.append(Actor::Operator(operator.to_owned()), None, event);
    }
}

fn there_already(token: &NewToken) -> String {
    format!(
        "the serial number {} is in the inventory already",
        token.serial
    )
}
