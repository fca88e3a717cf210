//! HTTP: what people's browsers and Entra talk to.
//!
//! A handler extracts, makes one call to [`crate::app`], matches the outcome and
//! answers with a page or a redirect; it holds no rules of its own.
//!
//! Read next: [`pages`] for what people see.

/// Files that pages load, under names that change with their content.
pub mod assets;
/// One struct per page; a missing field is a compile error.
pub mod pages;
