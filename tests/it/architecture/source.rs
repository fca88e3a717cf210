//! The module tree of `src/`, followed from `lib.rs` along its `mod` lines, so
//! that what is compiled is what is checked. Modules under `cfg(test)` and
//! `cfg(forge)` are left out: they are no part of the product.

use std::{
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, Item, spanned::Spanned as _};

/// One file of the library.
pub struct SourceFile {
    /// Relative to the package, such as `src/signin/complete.rs`.
    pub path: String,
    /// `["signin", "complete"]`; empty for `lib.rs`.
    pub module: Vec<String>,
    /// Number of lines that are not in test modules.
    pub lines: usize,
    /// The items, without the modules under `cfg(test)` or `cfg(forge)`.
    pub items: Vec<Item>,
    /// Those modules.
    pub test_modules: Vec<Item>,
}

/// All files of the library.
pub fn library() -> Vec<SourceFile> {
    let mut files = Vec::new();
    read(&root().join("src/lib.rs"), &[], &mut files);
    assert!(files.len() > 20, "the module tree was not followed");
    files
}

/// A snippet as if it stood at `path`, for the tests of the checks.
pub fn snippet(path: &str, text: &str) -> SourceFile {
    let module = path
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .split('/')
        .map(str::to_owned)
        .collect();
    parse(path, module, text)
}

/// The package's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &Path, module: &[String], files: &mut Vec<SourceFile>) {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let path = file
        .strip_prefix(root())
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let source = parse(&path, module.to_vec(), &text);
    let own_folder = file
        .file_name()
        .is_some_and(|n| n == "lib.rs" || n == "mod.rs");
    let folder = if own_folder {
        file.parent().unwrap().to_owned()
    } else {
        file.with_extension("")
    };
    let children: Vec<String> = source
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Mod(child) if child.content.is_none() => Some(child.ident.to_string()),
            _ => None,
        })
        .collect();
    files.push(source);
    for name in children {
        let flat = folder.join(format!("{name}.rs"));
        let nested = folder.join(&name).join("mod.rs");
        let child = if flat.exists() { flat } else { nested };
        read(&child, &[module, &[name]].concat(), files);
    }
}

fn parse(path: &str, module: Vec<String>, text: &str) -> SourceFile {
    let file = syn::parse_file(text).unwrap_or_else(|e| panic!("{path}: {e}"));
    let (left_out, items): (Vec<Item>, Vec<Item>) = file
        .items
        .into_iter()
        .partition(|item| matches!(item, Item::Mod(module) if is_for_tests(&module.attrs)));
    let test_lines: usize = left_out
        .iter()
        .map(|item| item.span().end().line + 1 - item.span().start().line)
        .sum();
    SourceFile {
        path: path.to_owned(),
        module,
        lines: text.lines().count() - test_lines,
        items,
        test_modules: left_out,
    }
}

/// Whether `cfg(test)` or `cfg(forge)` stands before it.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|name| name == "test" || name == "forge")
    })
}
