//! Files of tokens into the inventory.
//!
//! Always true: the whole file is read and judged before the first token is stored, so
//! that a file with bad rows changes nothing unless the operator wants the good ones; it
//! is read twice, row by row, so that its length costs no memory; and it is stored in
//! batches, so that nobody waits long to sign in meanwhile.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, BufRead, Read as _},
};

use aws_lc_rs::digest;

use super::{App, Error, PskcKey};
use crate::{
    app::{Category, saml::chain, users::find},
    audit::{Actor, Event},
    base::{ids::OathTokenId, text::Upn},
    directory::{
        OathToken, TokenState, User,
        oath_import::{CsvTokens, Defaults, FileProblem, Row, TokenFormat, is_pskc},
        oath_token::{NewToken, SecretEncoding, TokenWarning},
    },
    protocol::pskc::parse_pskc,
    storage::{ReadTx, Tx},
};

/// How many tokens one transaction stores: SQLite's writers wait for it.
const BATCH: u64 = 500;

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
        let wanted = match options.mode {
            Mode::DryRun => false,
            Mode::Whole => imported.failed.is_empty(),
            Mode::GoodRows => true,
        };
        if wanted && let Err(error) = self.store_all(open, options, &mut imported).await {
            imported.stopped = Some(error);
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
        let mut file = TokenFile::open(open, options)?;
        let mut found = Imported {
            format: file.format(),
            good: 0,
            imported: 0,
            assigned: 0,
            failed: Vec::new(),
            encodings: BTreeMap::new(),
            warnings: BTreeMap::new(),
            unused_columns: file.unused_columns(),
            stopped: None,
        };
        let mut serials = HashMap::new();
        let mut tx = self.store.read().await?;
        while let Some(Row { line, token }) = file.next_row()? {
            let mut to = None;
            let (token, refused) = match token {
                Err(reason) => (None, Some(reason)),
                Ok(token) => {
                    let verdict = match require_first(&mut serials, &token, line) {
                        Err(reason) => Err(reason),
                        Ok(()) => match self.owner(&mut tx, &token, options.assigning).await? {
                            Err(reason) => Err(reason),
                            Ok(user) => {
                                to = user.map(|user| user.upn);
                                require_new(&mut tx, &token).await?
                            }
                        },
                    };
                    (Some(token), verdict.err())
                }
            };
            judged(&Judged {
                line,
                token: token.as_ref(),
                to: to.as_ref(),
                refused: refused.as_deref(),
            });
            match (token, refused) {
                (Some(token), None) => {
                    found.good += 1;
                    *found.encodings.entry(token.seed.encoding).or_default() += 1;
                    for warning in token.warnings {
                        *found.warnings.entry(warning).or_default() += 1;
                    }
                }
                (_, reason) => found.failed.push(FailedRow {
                    line,
                    reason: reason.unwrap_or_default(),
                }),
            }
        }
        Ok(found)
    }

    async fn store_all(
        &self,
        open: &Open<'_>,
        options: &ImportOptions<'_>,
        imported: &mut Imported,
    ) -> Result<(), Error> {
        let refused: Vec<u64> = imported.failed.iter().map(|row| row.line).collect();
        let mut file = TokenFile::open(open, options)?;
        loop {
            let mut tx = self.store.begin().await?;
            let (mut stored, mut assigned) = (0, 0);
            let mut late = Vec::new();
            let mut ended = true;
            while let Some(Row { line, token }) = file.next_row()? {
                if refused.binary_search(&line).is_ok() {
                    continue;
                }
                let outcome = match token {
                    Ok(token) => self.store_one(&mut tx, &token, options).await?,
                    Err(reason) => Err(reason),
                };
                match outcome {
                    Ok(handed_over) => {
                        stored += 1;
                        assigned += u64::from(handed_over);
                    }
                    // Somebody else was quicker, or the file has changed since it was judged.
                    Err(reason) => late.push(FailedRow { line, reason }),
                }
                if !late.is_empty() && options.mode == Mode::Whole {
                    break;
                }
                if stored == BATCH {
                    ended = false;
                    break;
                }
            }
            if stored > 0 {
                let event = Event::OathTokensImported { count: stored };
                tx.append(Actor::Operator(options.operator.to_owned()), None, event);
            }
            tx.commit().await?;
            imported.imported += stored;
            imported.assigned += assigned;
            imported.failed.extend(late);
            if ended {
                return Ok(());
            }
        }
    }

    /// Stores one token; whether it was handed to somebody. The inner error is the row's.
    async fn store_one(
        &self,
        tx: &mut Tx<'_>,
        new: &NewToken,
        options: &ImportOptions<'_>,
    ) -> Result<Result<bool, String>, Error> {
        let user = match self.owner(tx, new, options.assigning).await? {
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

    /// To whom a row goes. The inner error is the row's.
    async fn owner(
        &self,
        tx: &mut ReadTx<'_>,
        token: &NewToken,
        assigning: Assigning,
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
        match self.require_assignable(tx, &user, None).await {
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
    fn open(open: &Open<'_>, options: &ImportOptions<'_>) -> Result<Self, Error> {
        let unread = |error| Error::invalid(chain(&FileProblem::Read(error)));
        let mut from = open().map_err(unread)?;
        let start = from.fill_buf().map_err(unread)?;
        let pskc = match options.defaults.format {
            Some(TokenFormat::Pskc) => true,
            Some(_) => false,
            None => is_pskc(start).map_err(|problem| Error::invalid(chain(&problem)))?,
        };
        if !pskc {
            let csv = CsvTokens::read(from, options.defaults.clone())
                .map_err(|problem| Error::invalid(chain(&problem)))?;
            return Ok(Self::Csv(Box::new(csv)));
        }
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        from.take(LONGEST_PSKC)
            .read_to_end(&mut bytes)
            .map_err(unread)?;
        let rows = parse_pskc(&bytes, options.key.as_ref(), &options.defaults)
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

async fn require_new(tx: &mut ReadTx<'_>, token: &NewToken) -> Result<Result<(), String>, Error> {
    let there = tx.is_serial_there(&token.serial).await?;
    Ok(if there {
        Err(there_already(token))
    } else {
        Ok(())
    })
}

fn there_already(token: &NewToken) -> String {
    format!(
        "the serial number {} is in the inventory already",
        token.serial
    )
}

/// A serial number stands in a file once. Sixteen bytes of a digest stand for it, so that
/// a long file needs little memory.
fn require_first(
    seen: &mut HashMap<[u8; 16], u64>,
    token: &NewToken,
    line: u64,
) -> Result<(), String> {
    let digest = digest::digest(&digest::SHA256, token.serial.key().as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&digest.as_ref()[..16]);
    if let Some(first) = seen.get(&short) {
        return Err(format!(
            "the serial number {} stands in line {first} too",
            token.serial
        ));
    }
    seen.insert(short, line);
    Ok(())
}
