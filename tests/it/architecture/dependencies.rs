//! Rooms depend in one direction (house.md, "Rooms").
//!
//! Every path counts: `use` lines with groups, paths inside code and types,
//! `super::` chains that leave their room, and paths inside macro calls.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::{ItemUse, Macro, UseTree, spanned::Spanned as _, visit::Visit};

use super::source::{self, SourceFile};

/// Which rooms a room may name, besides itself. A name may go deeper than a room
/// (`relying_party::cloud`): then only that module is open.
const RULES: &[(&str, &str)] = &[
    ("base", ""),
    ("directory", "base keys"), // a credential's row carries a tag
    ("relying_party", "base"),
    ("keys", "base"),
    ("audit", "base"),
    ("factor", "base directory relying_party keys audit"),
    ("session", "base directory relying_party keys audit factor"),
    (
        "signin",
        "base directory relying_party keys audit factor session",
    ),
    (
        "claims",
        "base directory relying_party keys audit factor session signin",
    ),
    (
        "protocol",
        "base directory relying_party keys audit factor session signin claims",
    ),
    (
        "inspect",
        "base directory relying_party keys audit factor session signin claims protocol",
    ),
    (
        "federation",
        "base directory relying_party keys audit factor session signin claims protocol inspect",
    ),
    (
        "storage",
        "base directory relying_party keys audit factor session signin",
    ),
    (
        "outbound",
        "base directory relying_party keys audit factor session signin",
    ),
    (
        "app",
        "base directory relying_party keys audit factor session signin claims protocol inspect federation storage outbound",
    ),
    (
        "config",
        "base directory factor::webauthn keys relying_party session signin",
    ),
    // The page of the inspector shows what the inspector says (house.md §3: "used by the
    // command line, the page, …"); it is pure and gives nobody anything.
    ("web", "base app inspect protocol session"),
    // It judges the rooms above and must not trust them.
    ("practice", "base inspect relying_party::cloud"),
    (
        "cli",
        "base app audit config directory factor::webauthn federation inspect keys practice protocol::saml relying_party web",
    ),
];

/// Rooms that compute: no I/O, no clock and no randomness of their own.
const PURE: &str = "base directory relying_party keys audit factor session signin claims protocol inspect federation";

/// What a pure room never names.
const IMPURE_CRATES: &str = "axum hyper reqwest sqlx tokio tower tower_http askama";
const IMPURE_NAMES: &str = "SystemTime SystemClock SystemRandom Instant";

/// Where `base` turns the system's clock and generator into values, and where
/// aws-lc insists on a generator: for RSA's blinding, and for ECDSA, which ignores it.
const SOURCES: [&str; 4] = [
    "src/base/clock.rs",
    "src/base/random.rs",
    "src/keys/ecdsa.rs",
    "src/keys/signing.rs",
];

#[test]
fn rooms_depend_in_one_direction() {
    let problems: Vec<String> = source::library().iter().flat_map(check).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_room_has_a_rule_and_every_rule_a_room() {
    let rooms: BTreeSet<String> = source::library()
        .into_iter()
        .filter_map(|file| file.module.first().cloned())
        .collect();
    let ruled: BTreeSet<String> = RULES.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, ruled);
}

#[test]
fn the_check_can_fail() {
    for (path, text, wanted) in [
        ("src/base/x.rs", "use crate::keys::Signer;", "keys::Signer"),
        (
            "src/signin/x.rs",
            "use crate::{base::ids::UserId, storage::{self, Store}};",
            "storage",
        ),
        (
            "src/factor/x.rs",
            "fn f() { let _ = crate::claims::for_sign_in(); }",
            "claims::for_sign_in",
        ),
        (
            "src/web/saml.rs",
            "fn f(a: super::super::practice::Tenant) {}",
            "practice::Tenant",
        ),
        ("src/web/mod.rs", "use super::practice;", "practice"),
        (
            "src/app/x.rs",
            "fn f() { println!(\"{}\", crate::web::url()); }",
            "web::url",
        ),
        (
            "src/practice/x.rs",
            "use crate::relying_party::Domain;",
            "relying_party::Domain",
        ),
        (
            "src/practice/x.rs",
            "mod inner { use crate::protocol::saml; }",
            "protocol::saml",
        ),
        ("src/claims/x.rs", "use tokio::fs;", "tokio::fs"),
        ("src/keys/x.rs", "use ::sqlx::Row;", "sqlx::Row"),
        (
            "src/factor/x.rs",
            "fn f() { std::time::SystemTime::now(); }",
            "std::time::SystemTime",
        ),
    ] {
        let problems = check(&source::snippet(path, text));
        assert!(
            problems.iter().any(|problem| problem.contains(wanted)),
            "{text}: {problems:?}"
        );
    }
}

#[test]
fn what_is_allowed_passes() {
    for (path, text) in [
        (
            "src/signin/x.rs",
            "use crate::{base::ids, factor::evidence, signin::attempt};",
        ),
        (
            "src/signin/x.rs",
            "use super::attempt; fn f() { super::attempt::g(); }",
        ),
        (
            "src/practice/x.rs",
            "use crate::relying_party::cloud::EntraCloud;",
        ),
        ("src/storage/x.rs", "use sqlx::AnyPool;"),
        (
            "src/claims/x.rs",
            "#[cfg(test)] mod tests { use crate::app::sign_in; }",
        ),
    ] {
        assert_eq!(check(&source::snippet(path, text)), Vec::<String>::new());
    }
}

fn check(file: &SourceFile) -> Vec<String> {
    let Some(room) = file.module.first() else {
        return Vec::new(); // lib.rs only lists the rooms
    };
    let mut seen = Paths {
        module: file.module.clone(),
        found: Vec::new(),
    };
    for item in &file.items {
        seen.visit_item(item);
    }
    let (_, allowed) = RULES
        .iter()
        .find(|(name, _)| name == room)
        .unwrap_or_else(|| panic!("no rule for the room {room}"));
    let pure = words(PURE).any(|name| name == room);
    let mut problems = BTreeSet::new();
    for found in seen.found {
        let Some(why) = objection(room, allowed, pure, &file.path, &found) else {
            continue;
        };
        problems.insert(format!(
            "{}:{}: {} — {why}",
            file.path,
            found.line,
            found.path.join("::")
        ));
    }
    problems.into_iter().collect()
}

fn objection(room: &str, allowed: &str, pure: bool, file: &str, found: &Found) -> Option<String> {
    let first = found.path.first()?;
    if found.of_this_crate {
        let open = first == room
            || words(allowed).any(|rule| {
                rule.split("::")
                    .enumerate()
                    .all(|(i, part)| found.path.get(i).is_some_and(|seen| seen == part))
            });
        let is_room = RULES.iter().any(|(name, _)| name == first);
        if is_room && !open {
            return Some(format!("{room} may use only: {allowed}"));
        }
    } else if pure && words(IMPURE_CRATES).any(|name| name == first) {
        return Some(format!("{room} computes; it does no I/O"));
    }
    let names_the_world = found
        .path
        .iter()
        .any(|part| words(IMPURE_NAMES).any(|name| name == part));
    (pure && names_the_world && !SOURCES.contains(&file))
        .then(|| format!("{room} is handed time and randomness as values"))
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split_whitespace()
}

/// One path that a file names.
struct Found {
    path: Vec<String>,
    of_this_crate: bool,
    line: usize,
}

struct Paths {
    module: Vec<String>,
    found: Vec<Found>,
}

impl Paths {
    /// Turns `crate::…`, `self::…` and `super::…` into a path from the crate's root.
    fn note(&mut self, segments: &[String], line: usize) {
        let mut at = self.module.clone();
        let mut rest = segments;
        let mut of_this_crate = false;
        while let Some(first) = rest.first() {
            match first.as_str() {
                "crate" | "$crate" => at.clear(),
                "self" => {}
                "super" => {
                    at.pop();
                }
                _ => break,
            }
            of_this_crate = true;
            rest = &rest[1..];
        }
        let path = if of_this_crate {
            [&at, rest].concat()
        } else {
            rest.to_vec()
        };
        if !path.is_empty() {
            self.found.push(Found {
                path,
                of_this_crate,
                line,
            });
        }
    }

    fn note_tree(&mut self, prefix: &[String], tree: &UseTree, line: usize) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree, line),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.note_tree(prefix, tree, line);
                }
            }
            UseTree::Name(name) if name.ident == "self" => self.note(prefix, line),
            UseTree::Name(name) => self.note(&with(&name.ident), line),
            UseTree::Rename(name) if name.ident == "self" => self.note(prefix, line),
            UseTree::Rename(name) => self.note(&with(&name.ident), line),
            UseTree::Glob(_) => self.note(prefix, line),
        }
    }

    /// Paths inside a macro call: identifiers joined by `::`.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut line) = (0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.note(&std::mem::take(&mut path), line);
                    }
                    line = ident.span().start().line;
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.note(&std::mem::take(&mut path), line);
                    colons = 0;
                    self.note_tokens(group.stream());
                }
                _ => {
                    self.note(&std::mem::take(&mut path), line);
                    colons = 0;
                }
            }
        }
        self.note(&path, line);
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.note_tree(&[], &item.tree, item.span().start().line);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.note(&segments, path.span().start().line);
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.note_tokens(call.tokens.clone());
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.module.push(module.ident.to_string());
        syn::visit::visit_item_mod(self, module);
        self.module.pop();
    }

    // Documentation may link upwards: a reader is not a dependency.
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if !attribute.path().is_ident("doc") {
            syn::visit::visit_attribute(self, attribute);
        }
    }
}
