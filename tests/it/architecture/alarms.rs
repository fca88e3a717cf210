//! What is found altered is written down, and what is told to a person has words.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    Expr, ExprCall, ExprMethodCall, ExprStruct, ImplItemFn, ItemFn, Lit, Pat, Visibility,
    visit::{self, Visit},
};

use super::source::{self, SourceFile};

/// A function of the use cases: what it calls, and whether everybody may call it.
#[derive(Default)]
struct Function {
    path: String,
    is_public: bool,
    calls: BTreeSet<String>,
}

/// All functions of the use cases by their names, which are nearly unique there.
#[derive(Default)]
struct Functions {
    path: String,
    found: BTreeMap<String, Vec<Function>>,
}

impl Functions {
    fn add(&mut self, name: &syn::Ident, visibility: &Visibility, block: &syn::Block) {
        let mut calls = Calls::default();
        calls.visit_block(block);
        let function = Function {
            path: self.path.clone(),
            is_public: matches!(visibility, Visibility::Public(_)),
            calls: calls.0,
        };
        self.found
            .entry(name.to_string())
            .or_default()
            .push(function);
    }
}

impl Visit<'_> for Functions {
    fn visit_impl_item_fn(&mut self, item: &ImplItemFn) {
        self.add(&item.sig.ident, &item.vis, &item.block);
    }

    fn visit_item_fn(&mut self, item: &ItemFn) {
        self.add(&item.sig.ident, &item.vis, &item.block);
    }
}

/// `self.name(…)`, `name(…)`, `Error::name(…)`.
#[derive(Default)]
struct Calls(BTreeSet<String>);

impl Visit<'_> for Calls {
    fn visit_expr_method_call(&mut self, call: &ExprMethodCall) {
        if matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self")) {
            self.0.insert(call.method.to_string());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let names: Vec<String> = path
                .path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            match names.as_slice() {
                [of, name] if of == "Error" && name == "tampering" => {
                    self.0.insert("Error::tampering".to_owned());
                }
                [name] => {
                    self.0.insert(name.clone());
                }
                _ => {}
            }
        }
        visit::visit_expr_call(self, call);
    }
}

/// Whether one of these writes an alarm down.
fn writes(calls: &BTreeSet<String>) -> bool {
    calls.contains("noting_tampering") || calls.contains("noting_tampering_once")
}

/// The public functions that can give an alarm to their caller instead of writing it down.
fn unwritten(files: &[SourceFile]) -> Vec<String> {
    let mut functions = Functions::default();
    for file in files {
        if file.path.starts_with("src/app/") {
            functions.path.clone_from(&file.path);
            for item in &file.items {
                functions.visit_item(item);
            }
        }
    }
    let mut raising = BTreeSet::from(["Error::tampering".to_owned()]);
    loop {
        let before = raising.len();
        for (name, of_that_name) in &functions.found {
            let raises = of_that_name.iter().any(|function| {
                !writes(&function.calls) && function.calls.iter().any(|call| raising.contains(call))
            });
            if raises {
                raising.insert(name.clone());
            }
        }
        if raising.len() == before {
            break;
        }
    }
    let mut unwritten = Vec::new();
    for (name, of_that_name) in &functions.found {
        for function in of_that_name {
            let reaches = function.calls.iter().any(|call| raising.contains(call));
            if function.is_public && reaches && !writes(&function.calls) {
                unwritten.push(format!("{}: {name}", function.path));
            }
        }
    }
    unwritten
}

/// A row that somebody altered is an event, wherever it is met (attack 38).
#[test]
fn attack_38_every_use_case_that_can_meet_an_altered_row_writes_it_down() {
    let unwritten = unwritten(&source::library());
    assert!(
        unwritten.is_empty(),
        "wrap them in noting_tampering:\n{}",
        unwritten.join("\n")
    );
}

#[test]
fn the_check_of_alarms_can_fail() {
    const REST: &str = "fn row(&self) -> E { Err(Error::tampering(1)) }
        fn between(&self) -> E { self.row() }
        pub fn wrapped(&self) -> E { self.noting_tampering(self.between()) }
        pub fn after(&self) -> E { self.wrapped() }";
    for (text, found) in [
        ("pub fn open(&self) -> E { self.between() }", true),
        ("pub fn open(&self) -> E { Error::tampering(1) }", true),
        ("pub(super) fn open(&self) -> E { self.between() }", false),
        ("pub fn open(&self) -> E { self.other() }", false),
    ] {
        let text = format!("impl App {{ {REST} {text} }}");
        let file = source::snippet("src/app/x.rs", &text);
        let unwritten = unwritten(&[file]);
        assert_eq!(unwritten.len(), usize::from(found), "{text}: {unwritten:?}");
    }
}

/// The kinds of notices that use cases write, and those for which the pages have words.
#[derive(Default)]
struct Notices {
    written: BTreeSet<String>,
    worded: BTreeSet<String>,
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

impl Visit<'_> for Notices {
    fn visit_expr_method_call(&mut self, call: &ExprMethodCall) {
        if call.method == "add_notice" {
            self.written
                .extend(call.args.iter().nth(1).and_then(text_of));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_struct(&mut self, made: &ExprStruct) {
        for field in &made.fields {
            if matches!(&field.member, syn::Member::Named(name) if name == "notice") {
                self.written.extend(text_of(&field.expr));
            }
        }
        visit::visit_expr_struct(self, made);
    }
}

impl Notices {
    fn words_of(&mut self, item: &ItemFn) {
        struct Patterns<'a>(&'a mut BTreeSet<String>);
        impl Visit<'_> for Patterns<'_> {
            fn visit_pat(&mut self, pattern: &Pat) {
                if let Pat::Lit(literal) = pattern
                    && let Lit::Str(text) = &literal.lit
                {
                    self.0.insert(text.value());
                }
                visit::visit_pat(self, pattern);
            }
        }
        Patterns(&mut self.worded).visit_block(&item.block);
    }
}

/// "Something else was changed" tells nobody what to do.
#[test]
fn every_notice_has_words() {
    let mut notices = Notices::default();
    for file in source::library() {
        for item in &file.items {
            if file.path.starts_with("src/app/") {
                notices.visit_item(item);
            }
            if let syn::Item::Fn(function) = item
                && file.path == "src/web/sign_in.rs"
                && function.sig.ident == "notice"
            {
                notices.words_of(function);
            }
        }
    }
    assert!(notices.written.len() > 10, "{:?}", notices.written);
    let without: Vec<_> = notices.written.difference(&notices.worded).collect();
    assert!(without.is_empty(), "{without:?}");
}
