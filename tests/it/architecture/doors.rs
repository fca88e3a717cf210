//! A door whose files some names and words are out of reach of: what cannot be named cannot be
//! said.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Ident, LitStr, UseGlob, visit::Visit};

use super::source::SourceFile;

/// Files, and what none of them may name or say.
pub struct Door {
    /// How their paths begin.
    pub files: &'static [&'static str],
    /// Names of items, as they are written.
    pub names: &'static [&'static str],
    /// Parts of texts, in lower case.
    pub words: &'static [&'static str],
}

struct Seen<'d> {
    door: &'d Door,
    found: Vec<String>,
}

impl Visit<'_> for Seen<'_> {
    // Of paths, imports, calls of methods, types and fields.
    fn visit_ident(&mut self, ident: &Ident) {
        self.name(&ident.to_string());
    }

    fn visit_use_glob(&mut self, _: &UseGlob) {
        self.found.push("*".to_owned());
    }

    fn visit_lit_str(&mut self, text: &LitStr) {
        self.text(&text.value());
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        self.tokens(call.tokens.clone());
    }

    // Documentation may name what a thing is not.
    fn visit_attribute(&mut self, _: &syn::Attribute) {}
}

impl Seen<'_> {
    fn name(&mut self, name: &str) {
        if self.door.names.contains(&name) {
            self.found.push(name.to_owned());
        }
    }

    fn text(&mut self, text: &str) {
        let lower = text.to_lowercase();
        let words = self.door.words.iter().filter(|word| lower.contains(*word));
        self.found.extend(words.map(|word| (*word).to_owned()));
        // A format takes a constant by its name.
        let names = self.door.names.iter().filter(|name| {
            let braced = format!("{{{name}");
            text.contains(&braced)
        });
        self.found.extend(names.map(|name| (*name).to_owned()));
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) => self.name(&ident.to_string()),
                TokenTree::Literal(literal) => self.text(&literal.to_string()),
                TokenTree::Punct(_) => {}
            }
        }
    }
}

impl Door {
    /// What is named or said in the door's files, each with its file.
    pub fn problems(&self, files: &[SourceFile]) -> Vec<String> {
        let mut problems = Vec::new();
        for file in files {
            if !self.files.iter().any(|path| file.path.starts_with(path)) {
                continue;
            }
            let mut seen = Seen {
                door: self,
                found: Vec::new(),
            };
            for item in &file.items {
                seen.visit_item(item);
            }
            let found = seen.found.into_iter();
            problems.extend(found.map(|word| format!("{}: {word}", file.path)));
        }
        problems
    }

    /// Nothing of that is in the library; each of the door's files is there.
    pub fn holds(&self, library: &[SourceFile]) {
        for path in self.files {
            assert!(
                library.iter().any(|file| file.path.starts_with(path)),
                "{path}"
            );
        }
        let problems = self.problems(library);
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    }
}
