//! Reading columns. What cannot be there names its table, column and row.

use std::str::FromStr;

use sqlx::{
    Any, Row as _,
    any::{AnyArguments, AnyRow},
    query::Query,
};

use super::error::StoreError;
use crate::base::clock::Timestamp;

/// A statement with its arguments. Columns are always listed; text is always constant.
pub(super) type Statement = Query<'static, Any, AnyArguments>;

/// A statement; bind its arguments in order.
pub(super) fn sql(text: &'static str) -> Statement {
    sqlx::query(text)
}

/// A row of a table, for reading.
pub(super) struct Reader<'r> {
    row: &'r AnyRow,
    table: &'static str,
    key: &'static str,
}

impl<'r> Reader<'r> {
    /// Reads `row` of `table`; `key` is the column that names the row in errors.
    pub(super) fn new(row: &'r AnyRow, table: &'static str, key: &'static str) -> Self {
        Self { row, table, key }
    }

    /// The error that this column of this row is impossible.
    pub(super) fn impossible(&self, column: &'static str) -> StoreError {
        StoreError::Inconsistent {
            table: self.table,
            column,
            row: self
                .row
                .try_get::<String, _>(self.key)
                .unwrap_or_else(|_| "?".to_owned()),
        }
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.row
            .try_get(column)
            .map_err(|_| self.impossible(column))
    }

    pub(super) fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.row
            .try_get(column)
            .map_err(|_| self.impossible(column))
    }

    pub(super) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        self.row
            .try_get(column)
            .map_err(|_| self.impossible(column))
    }

    pub(super) fn integer(&self, column: &'static str) -> Result<i64, StoreError> {
        self.row
            .try_get(column)
            .map_err(|_| self.impossible(column))
    }

    pub(super) fn optional_integer(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.row
            .try_get(column)
            .map_err(|_| self.impossible(column))
    }

    /// A number that fits a smaller type.
    pub(super) fn small<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.integer(column)?).map_err(|_| self.impossible(column))
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        self.integer(column).map(Timestamp::from_millis)
    }

    pub(super) fn optional_time(
        &self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_integer(column)?.map(Timestamp::from_millis))
    }

    /// An id, a name: anything that reads its own stored spelling.
    pub(super) fn parsed<T: FromStr>(&self, column: &'static str) -> Result<T, StoreError> {
        self.text(column)?
            .parse()
            .map_err(|_| self.impossible(column))
    }

    pub(super) fn optional_parsed<T: FromStr>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        match self.optional_text(column)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| self.impossible(column)),
        }
    }

    /// A stored spelling that `parse` knows.
    pub(super) fn spelled<T>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        parse(&self.text(column)?).ok_or_else(|| self.impossible(column))
    }

    /// JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(|_| self.impossible(column))
    }
}

/// Milliseconds of an instant that may be missing.
pub(super) fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}
