//! A file of tokens, of either kind, row by row.

use std::io::{self, BufRead, Read as _};

use super::ImportOptions;
use crate::{
    app::{Error, saml::chain},
    base::clock::Timestamp,
    directory::oath_import::{CsvTokens, FileProblem, Row, TokenFormat, is_pskc},
    protocol::pskc::parse_pskc,
};

/// What PSKC's reader takes at most, and one byte.
const LONGEST_PSKC: u64 = 12 * 1024 * 1024 + 1;

/// A file, to be read from its beginning more than once.
pub type Open<'a> = dyn Fn() -> io::Result<Box<dyn BufRead + Send>> + Sync + 'a;

/// Rows of either kind of file.
pub(super) enum TokenFile {
    Csv(Box<CsvTokens<Box<dyn BufRead + Send>>>),
    Pskc(std::vec::IntoIter<Row>),
}

impl TokenFile {
    pub(super) fn open(
        open: &Open<'_>,
        options: &ImportOptions<'_>,
        now: Timestamp,
    ) -> Result<Self, Error> {
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

    pub(super) fn format(&self) -> TokenFormat {
        match self {
            Self::Csv(file) => file.format(),
            Self::Pskc(_) => TokenFormat::Pskc,
        }
    }

    pub(super) fn unused_columns(&self) -> Vec<String> {
        match self {
            Self::Csv(file) => file.unused_columns().to_vec(),
            Self::Pskc(_) => Vec::new(),
        }
    }

    /// Up to `count` rows; none at the end.
    pub(super) fn next_rows(&mut self, count: usize) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        while rows.len() < count
            && let Some(row) = self.next_row()?
        {
            rows.push(row);
        }
        Ok(rows)
    }

    pub(super) fn next_row(&mut self) -> Result<Option<Row>, Error> {
        match self {
            Self::Csv(file) => file
                .next_row()
                .map_err(|problem| Error::invalid(chain(&problem))),
            Self::Pskc(rows) => Ok(rows.next()),
        }
    }
}
