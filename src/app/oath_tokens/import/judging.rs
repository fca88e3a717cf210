//! What would become of each row, before the first one is stored.
//!
//! Always true: nothing is written; the database is held for a batch of rows at a time, and
//! not while anybody is told of them; what is kept of a file is bounded.

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_lc_rs::digest;

use super::{
    Assigning, BATCH, FailedRow, ImportOptions, Imported, Judged,
    file::{Open, TokenFile},
    there_already,
};
use crate::{
    app::{App, Category, Error, users::find},
    base::{ids::UserId, text::Upn},
    directory::{
        OathToken, User,
        oath_import::Row,
        oath_token::{NewToken, TokenWarning},
    },
    storage::ReadTx,
};

/// A file with more bad rows is none of tokens.
const MOST_FAILED: usize = 100_000;

impl App {
    pub(super) async fn judge(
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
            for (mut row, verdict) in rows.into_iter().zip(verdicts) {
                if let (
                    Ok(token),
                    Ok(Taken {
                        shares_secret: true,
                        ..
                    }),
                ) = (&mut row.token, &verdict)
                {
                    token.warnings.push(TokenWarning::SharedSecret);
                }
                judged(&Judged {
                    line: row.line,
                    token: row.token.as_ref().ok(),
                    to: verdict.as_ref().ok().and_then(|taken| taken.to.as_ref()),
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
    ) -> Result<Vec<Result<Taken, String>>, Error> {
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
    ) -> Result<Result<Taken, String>, Error> {
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
        let secret_tag = OathToken::make_secret_tag(&self.sealing, token.seed.secret.expose());
        let shares_secret =
            !seen.secrets.insert(short(&secret_tag)) || tx.is_secret_there(&secret_tag).await?;
        Ok(Ok(Taken {
            to: user.map(|user| {
                *seen.coming.entry(user.id).or_default() += 1;
                user.upn
            }),
            shares_secret,
        }))
    }

    /// To whom a row goes; `coming`: how many tokens each person gets by rows before it that
    /// are not stored yet. The inner error is the row's.
    pub(super) async fn owner(
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
    fn count(&mut self, row: Row, verdict: Result<Taken, String>) -> Result<(), Error> {
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

    pub(super) fn fail(&mut self, row: FailedRow) -> Result<(), Error> {
        if self.failed.len() == MOST_FAILED {
            return Err(Error::invalid(format!(
                "the file has more than {MOST_FAILED} bad rows; look whether it is one of tokens (--format says which)"
            )));
        }
        self.failed.push(row);
        Ok(())
    }
}

fn short(text: &str) -> [u8; 16] {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&digest.as_ref()[..16]);
    short
}

/// A row that may be stored.
struct Taken {
    /// To whom it goes.
    to: Option<Upn>,
    /// Whether another token has its secret too.
    shares_secret: bool,
}

/// What stood in the rows before.
#[derive(Default)]
struct Seen {
    /// The line of each serial number. Sixteen bytes of a digest stand for it, so that a long
    /// file needs little memory.
    serials: HashMap<[u8; 16], u64>,
    /// The secrets, as their tags, shortened in the same way.
    secrets: HashSet<[u8; 16]>,
    /// How many tokens each person gets.
    coming: HashMap<UserId, usize>,
}

impl Seen {
    /// A serial number stands in a file once.
    fn require_first(&mut self, token: &NewToken, line: u64) -> Result<(), String> {
        let serial = short(&token.serial.key());
        if let Some(first) = self.serials.get(&serial) {
            return Err(format!(
                "the serial number {} stands in line {first} too",
                token.serial
            ));
        }
        self.serials.insert(serial, line);
        Ok(())
    }
}
