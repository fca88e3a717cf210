//! Files of tokens into the inventory.
//!
//! Always true: the whole file is read and judged before the first token is stored, and
//! then stored in one transaction, so that a file with bad rows changes nothing, also one
//! that turns bad late, unless the operator wants the good ones; these are stored in
//! batches. It is read twice, row by row, so that its length costs no memory. On SQLite
//! whoever writes waits for a whole file: with very many tokens, seconds.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, BufRead, Read as _},
};

use aws_lc_rs::digest;

use super::{App, Error, PskcKey};
use crate::{
    app::{Category, saml::chain, users::find},
    audit::{Actor, Event},
    base::{
        clock::Timestamp,
        ids::{OathTokenId, UserId},
        text::Upn,
    },
    directory::{
        OathToken, TokenState, User,
        oath_import::{CsvTokens, Defaults, FileProblem, Row, TokenFormat, is_pskc},
        oath_token::{NewToken, SecretEncoding, TokenWarning},
    },
    protocol::pskc::parse_pskc,
    storage::{ReadTx, Tx},
};

/// How many rows one transaction judges, or stores of a file whose good rows are taken.
const BATCH: usize = 500;

/// A file with more bad rows is none of tokens: what is kept of it is bounded.
const MOST_FAILED: usize = 100_000;

/// What PSKC's reader takes at most, and one byte.
const LONGEST_PSKC: u64 = 12 * 1024 * 1024 + 1;

/// A file, to be read from its beginning more than once.
pub type Open<'a> = dyn Fn() -> io::Result<Box<dyn BufRead + Send>> + Sync + 'a;

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

    async fn judge(
        &self,
        open: &Open<'_>,
        options: &ImportOptions<'_>,
        judged: &mut dyn FnMut(&Judged<'_>),
    ) -> Result<Imported, Error> {
        let mut file = TokenFile::open(open, options, self.now())?;
        let mut found = Imported::nothing(&file);
        let mut seen = Seen::default();
        loop {
            let rows = file.next_rows(BATCH)?;
            if rows.is_empty() {
                return Ok(found);
            }
            // Nothing is said while the database is held: whoever listens may be slow.
            let verdicts = self.verdicts(&rows, options.assigning, &mut seen).await?;
            for (row, verdict) in rows.into_iter().zip(verdicts) {
                judged(&Judged {
                    line: row.line,
                    token: row.token.as_ref().ok(),
                    to: verdict.as_ref().ok().and_then(Option::as_ref),
                    refused: verdict.as_ref().err().map(String::as_str),
                });
                found.count(row, verdict)?;
            }
        }
    }

    /// To whom each row goes, or why it is not taken.
    async fn verdicts(
        &self,
        rows: &[Row],
        assigning: Assigning,
        seen: &mut Seen,
    ) -> Result<Vec<Result<Option<Upn>, String>>, Error> {
        let mut tx = self.store.read().await?;
        let mut verdicts = Vec::with_capacity(rows.len());
        for row in rows {
            verdicts.push(match &row.token {
                Err(reason) => Err(reason.clone()),
                Ok(token) => {
                    self.verdict(&mut tx, token, row.line, assigning, seen)
                        .await?
                }
            });
        }
        Ok(verdicts)
    }

    /// The inner error is the row's.
    async fn verdict(
        &self,
        tx: &mut ReadTx<'_>,
        token: &NewToken,
        line: u64,
        assigning: Assigning,
        seen: &mut Seen,
    ) -> Result<Result<Option<Upn>, String>, Error> {
        if let Err(reason) = seen.require_first(token, line) {
            return Ok(Err(reason));
        }
        let user = match self.owner(tx, token, assigning, &seen.coming).await? {
            Ok(user) => user,
            Err(reason) => return Ok(Err(reason)),
        };
        if tx.is_serial_there(&token.serial).await? {
            return Ok(Err(there_already(token)));
        }
        Ok(Ok(user.map(|user| {
            *seen.coming.entry(user.id).or_default() += 1;
            user.upn
        })))
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
            imported_at: self.now(),
            assigned_at: None,
            assigned_by: None,
            activated_at: None,
            ended_at: None,
            tag: String::new(),
        }
    }

    /// To whom a row goes; `coming`: how many tokens each person gets by rows before it that
    /// are not stored yet. The inner error is the row's.
    async fn owner(
        &self,
        tx: &mut ReadTx<'_>,
        token: &NewToken,
        assigning: Assigning,
        coming: &HashMap<UserId, usize>,
    ) -> Result<Result<Option<User>, String>, Error> {
        let (Assigning::AsTheFileSays, Some(owner)) = (assigning, &token.owner) else {
            return Ok(Ok(None));
        };
        let upn: Upn = match owner.parse() {
            Ok(upn) => upn,
            Err(error) => return Ok(Err(format!("upn: {error}"))),
        };
        let user = match find(tx, &upn).await {
            Ok(user) => user,
            Err(error) => return rows_own(error).map(Err),
        };
        let coming = coming.get(&user.id).copied().unwrap_or_default();
        match self.require_assignable(tx, &user, None, coming).await {
            Ok(()) => Ok(Ok(Some(user))),
            Err(error) => rows_own(error).map(Err),
        }
    }
}

/// Rows of either kind of file.
enum TokenFile {
    Csv(Box<CsvTokens<Box<dyn BufRead + Send>>>),
    Pskc(std::vec::IntoIter<Row>),
}

impl TokenFile {
    fn open(open: &Open<'_>, options: &ImportOptions<'_>, now: Timestamp) -> Result<Self, Error> {
        let unread = |error| Error::invalid(chain(&FileProblem::Read(error)));
        let mut from = open().map_err(unread)?;
        let start = from.fill_buf().map_err(unread)?;
        let pskc = match options.defaults.format {
            Some(TokenFormat::Pskc) => true,
            Some(_) => false,
            None => is_pskc(start).map_err(|problem| Error::invalid(chain(&problem)))?,
        };
        if !pskc {
            if options.key.is_some() {
                return Err(Error::invalid(
                    "the file is not encrypted although a key was given: take the vendor's file as it came, or leave the key out",
                ));
            }
            let csv = CsvTokens::read(from, options.defaults.clone())
                .map_err(|problem| Error::invalid(chain(&problem)))?;
            return Ok(Self::Csv(Box::new(csv)));
        }
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        from.take(LONGEST_PSKC)
            .read_to_end(&mut bytes)
            .map_err(unread)?;
        let rows = parse_pskc(&bytes, options.key.as_ref(), &options.defaults, now)
            .map_err(|problem| Error::invalid(chain(&problem)))?;
        Ok(Self::Pskc(rows.into_iter()))
    }

    fn format(&self) -> TokenFormat {
        match self {
            Self::Csv(file) => file.format(),
            Self::Pskc(_) => TokenFormat::Pskc,
        }
    }

    fn unused_columns(&self) -> Vec<String> {
        match self {
            Self::Csv(file) => file.unused_columns().to_vec(),
            Self::Pskc(_) => Vec::new(),
        }
    }

    /// Up to `count` rows; none at the end.
    fn next_rows(&mut self, count: usize) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        while rows.len() < count
            && let Some(row) = self.next_row()?
        {
            rows.push(row);
        }
        Ok(rows)
    }

    fn next_row(&mut self) -> Result<Option<Row>, Error> {
        match self {
            Self::Csv(file) => file
                .next_row()
                .map_err(|problem| Error::invalid(chain(&problem))),
            Self::Pskc(rows) => Ok(rows.next()),
        }
    }
}

/// The reason, if it is the row that is wrong and not the service.
fn rows_own(error: Error) -> Result<String, Error> {
    match error.category() {
        Category::Unavailable | Category::Internal => Err(error),
        _ => Ok(error.to_string()),
    }
}

impl Imported {
    fn nothing(file: &TokenFile) -> Self {
        Self {
            format: file.format(),
            good: 0,
            imported: 0,
            assigned: 0,
            failed: Vec::new(),
            encodings: BTreeMap::new(),
            warnings: BTreeMap::new(),
            unused_columns: file.unused_columns(),
            stopped: None,
        }
    }

    /// Counts a row that was judged.
    fn count(&mut self, row: Row, verdict: Result<Option<Upn>, String>) -> Result<(), Error> {
        match (row.token, verdict) {
            (Ok(token), Ok(_)) => {
                self.good += 1;
                *self.encodings.entry(token.seed.encoding).or_default() += 1;
                for warning in token.warnings {
                    *self.warnings.entry(warning).or_default() += 1;
                }
                Ok(())
            }
            (_, Err(reason)) | (Err(reason), Ok(_)) => self.fail(FailedRow {
                line: row.line,
                reason,
            }),
        }
    }

    fn fail(&mut self, row: FailedRow) -> Result<(), Error> {
        if self.failed.len() == MOST_FAILED {
            return Err(Error::invalid(format!(
                "the file has more than {MOST_FAILED} bad rows; look whether it is one of tokens (--format says which)"
            )));
        }
        self.failed.push(row);
        Ok(())
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

/// What stood in the rows before.
#[derive(Default)]
struct Seen {
    /// The line of each serial number. Sixteen bytes of a digest stand for it, so that a long
    /// file needs little memory.
    serials: HashMap<[u8; 16], u64>,
    /// How many tokens each person gets.
    coming: HashMap<UserId, usize>,
}

impl Seen {
    /// A serial number stands in a file once.
    fn require_first(&mut self, token: &NewToken, line: u64) -> Result<(), String> {
        let digest = digest::digest(&digest::SHA256, token.serial.key().as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&digest.as_ref()[..16]);
        if let Some(first) = self.serials.get(&short) {
            return Err(format!(
                "the serial number {} stands in line {first} too",
                token.serial
            ));
        }
        self.serials.insert(short, line);
        Ok(())
    }
}
