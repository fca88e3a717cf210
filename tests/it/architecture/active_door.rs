//! The door that takes a password alone cannot say "multi-factor": neither the type that holds
//! the claim nor the words for it are within reach of its files (attack 22).

use syn::{LitStr, Path, UseTree, visit::Visit};

use super::source::{self, SourceFile};

/// The files between a password and its token.
const FILES: [&str; 5] = [
    "src/claims/active.rs",
    "src/factor/app_password.rs",
    "src/protocol/wstrust/",
    "src/app/trust",
    "src/web/trust.rs",
];

/// Names under which the claim, or its words, would come in.
const NAMES: [&str; 9] = [
    "ClaimSet",
    "SignedIn",
    "authn_context",
    "for_sign_in",
    "MULTIPLE_AUTHN",
    "METHODS",
    "MULTI_FACTOR_INSTANT",
    "encode_assertion",
    "encode_response",
];

/// Parts of the words themselves.
const WORDS: [&str; 4] = [
    "multipleauthn",
    "wiaormultiauthn",
    "methodsreferences",
    "multifactorauthentication",
];

#[derive(Default)]
struct Seen(Vec<String>);

impl Visit<'_> for Seen {
    fn visit_path(&mut self, path: &Path) {
        let names = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        self.0
            .extend(names.filter(|name| NAMES.contains(&name.as_str())));
        syn::visit::visit_path(self, path);
    }

    fn visit_use_tree(&mut self, tree: &UseTree) {
        let name = match tree {
            UseTree::Path(path) => path.ident.to_string(),
            UseTree::Name(name) => name.ident.to_string(),
            UseTree::Rename(rename) => rename.ident.to_string(),
            UseTree::Glob(_) => "*".to_owned(),
            UseTree::Group(_) => String::new(),
        };
        if name == "*" || NAMES.contains(&name.as_str()) {
            self.0.push(name);
        }
        syn::visit::visit_use_tree(self, tree);
    }

    fn visit_lit_str(&mut self, text: &LitStr) {
        let text = text.value().to_lowercase();
        self.0.extend(
            WORDS
                .iter()
                .filter(|word| text.contains(*word))
                .map(|word| (*word).to_owned()),
        );
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        // What a format says is a literal of the macro's own.
        let text = call.tokens.to_string().to_lowercase();
        self.0.extend(
            WORDS
                .iter()
                .filter(|word| text.contains(*word))
                .map(|word| (*word).to_owned()),
        );
        let names = NAMES
            .iter()
            .filter(|name| text.contains(&name.to_lowercase()));
        self.0.extend(names.map(|name| (*name).to_owned()));
    }
}

fn problems(files: &[SourceFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        if !FILES.iter().any(|path| file.path.starts_with(path)) {
            continue;
        }
        let mut seen = Seen::default();
        for item in &file.items {
            seen.visit_item(item);
        }
        let words = seen.0.into_iter();
        problems.extend(words.map(|word| format!("{}: {word}", file.path)));
    }
    problems
}

#[test]
fn attack_22_the_door_for_passwords_does_not_know_the_words() {
    let files = source::library();
    for path in FILES {
        assert!(
            files.iter().any(|file| file.path.starts_with(path)),
            "{path}"
        );
    }
    let problems = problems(&files);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_check_of_the_door_can_fail() {
    for text in [
        "use crate::claims::ClaimSet;",
        "use crate::claims::{self, authn_context};",
        "use crate::protocol::wsfed::assertion::*;",
        "fn f() { let _ = crate::claims::for_sign_in(); }",
        "const X: &str = \"http://schemas.microsoft.com/claims/multipleauthn\";",
        "fn f() { g(format_args!(\"<a>{}MultipleAuthn\", 1)); }",
        "fn f() { g(format!(\"{}\", authn_context::MULTIPLE_AUTHN)); }",
    ] {
        let file = source::snippet("src/protocol/wstrust/assertion.rs", text);
        assert!(!problems(&[file]).is_empty(), "{text}");
    }
    let elsewhere = source::snippet("src/claims/mod.rs", "struct ClaimSet;");
    assert!(problems(&[elsewhere]).is_empty());
}
