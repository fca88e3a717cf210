//! Proofs cannot be copied, defaulted, read from bytes or handed on by value.
//!
//! Private fields alone would let the owning file's neighbours collect what they
//! cannot build: a `Clone` makes two of one proof, a `Deserialize` makes one from
//! bytes, and a function elsewhere that returns one is a second door. What is
//! allowed elsewhere is a reference, or moving a proof into the next step.

use syn::{
    Attribute, Fields, ImplItemFn, Item, ItemFn, ItemImpl, ItemType, ReturnType, Signature,
    TraitItemFn, Type, UseTree, spanned::Spanned as _, visit::Visit,
};

use super::source::{self, SourceFile};

/// The sealed types, each with the one file that makes it.
pub const SEALED: &[(&str, &str)] = &[
    ("PasswordProof", "src/factor/password.rs"),
    ("TotpProof", "src/factor/totp.rs"),
    ("WebAuthnProof", "src/factor/webauthn/assertion.rs"),
    ("ApplicationPasswordProof", "src/factor/app_password.rs"),
    ("Evidence", "src/factor/evidence.rs"),
    ("SignedIn", "src/signin/complete.rs"),
    ("SealedSession", "src/signin/complete.rs"),
    ("AskedSecondFactor", "src/signin/asked.rs"),
    ("SecondFactorDone", "src/signin/second_factor.rs"),
    ("ClaimSet", "src/claims/mod.rs"),
    ("SecondFactorAnswer", "src/claims/second_factor.rs"),
    ("PasswordClaims", "src/claims/active.rs"),
    ("VerifiedAuthnRequest", "src/protocol/saml/authn_request.rs"),
    ("VerifiedHint", "src/protocol/oidc/hint.rs"),
    (
        "VerifiedAuthorizationRequest",
        "src/protocol/oidc/request.rs",
    ),
];

/// Traits that would make a second one, or one from nothing.
const REFUSED_TRAITS: [&str; 6] = [
    "Clone",
    "Copy",
    "Default",
    "Deserialize",
    "DeserializeOwned",
    "From",
];

#[test]
fn proofs_are_made_in_one_file_only() {
    let problems = check(&source::library(), SEALED);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_check_can_fail() {
    const PROOF: &str = "pub struct Proof { at: u64 }";
    for (owner, elsewhere, wanted) in [
        ("", "", "is not in"),
        ("pub enum Proof { A }", "", "is not in"),
        ("pub struct Proof { pub at: u64 }", "", "field"),
        ("pub struct Proof(pub(crate) u64);", "", "field"),
        ("pub struct Proof;", "", "field"),
        (
            "#[derive(Debug, Clone)] pub struct Proof { at: u64 }",
            "",
            "Clone",
        ),
        (
            "#[derive(serde::Deserialize)] pub struct Proof { at: u64 }",
            "",
            "Deserialize",
        ),
        (
            PROOF,
            "impl Default for crate::factor::Proof { fn default() -> Self { x() } }",
            "Default",
        ),
        (
            PROOF,
            "impl From<u64> for Proof { fn from(a: u64) -> Proof { x(a) } }",
            "From",
        ),
        (
            PROOF,
            "impl<'de> serde::Deserialize<'de> for Proof {}",
            "Deserialize",
        ),
        (PROOF, "fn f() -> Proof { x() }", "returns"),
        (
            PROOF,
            "pub fn f() -> Result<Option<(u8, Box<a::Proof>)>, E> { x() }",
            "returns",
        ),
        (
            PROOF,
            "pub fn f() -> impl Iterator<Item = Proof> { x() }",
            "returns",
        ),
        (
            PROOF,
            "impl S { async fn f(&self) -> Vec<Proof> { x() } }",
            "returns",
        ),
        (PROOF, "trait T { fn f(&self) -> Proof; }", "returns"),
        (
            PROOF,
            "impl Proof { fn again(&self) -> Self { x() } }",
            "outside",
        ),
        (PROOF, "type Other = Option<Proof>;", "second name"),
        (PROOF, "use crate::factor::{Proof as Other};", "second name"),
        (
            "pub struct Proof { at: u64 } impl Proof { #[cfg(test)] fn fake() -> Self { x() } }",
            "",
            "test-only",
        ),
        (
            "pub struct Proof { at: u64 } #[cfg(test)] fn fake() -> Option<Proof> { x() }",
            "",
            "test-only",
        ),
        (
            "pub struct Proof { at: u64 } #[cfg(test)] pub(crate) mod tests { }",
            "",
            "opens its tests",
        ),
        (PROOF, "mod inner { fn f() -> Proof { x() } }", "returns"),
    ] {
        let files = [
            source::snippet("src/factor/proof.rs", owner),
            source::snippet("src/app/x.rs", elsewhere),
        ];
        let problems = check(&files, &[("Proof", "src/factor/proof.rs")]);
        assert!(
            problems.iter().any(|problem| problem.contains(wanted)),
            "{owner} / {elsewhere}: {problems:?}"
        );
    }
}

#[test]
fn what_is_allowed_passes() {
    let files = [
        source::snippet(
            "src/factor/proof.rs",
            "#[derive(Debug)] pub struct Proof { at: u64 } pub fn verify() -> Result<Proof, E> { x() }",
        ),
        source::snippet(
            "src/app/x.rs",
            "use crate::factor::Proof; fn f(p: Proof) -> &Proof { x() } fn g() -> Option<&Proof> { x() }",
        ),
    ];
    assert_eq!(
        check(&files, &[("Proof", "src/factor/proof.rs")]),
        Vec::<String>::new()
    );
}

fn check(files: &[SourceFile], sealed: &[(&str, &str)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, owner) in sealed {
        let definition = files
            .iter()
            .filter(|file| file.path == *owner)
            .flat_map(|file| &file.items)
            .find_map(|item| match item {
                Item::Struct(item) if item.ident == name => Some(item),
                _ => None,
            });
        match definition {
            None => problems.push(format!("the struct {name} is not in {owner}")),
            Some(item) => check_definition(item, owner, &mut problems),
        }
    }
    for file in files {
        let owns_one = sealed.iter().any(|(_, owner)| *owner == file.path);
        for module in &file.test_modules {
            if let Item::Mod(module) = module
                && owns_one
                && !matches!(module.vis, syn::Visibility::Inherited)
            {
                problems.push(format!("{}: opens its tests to others", file.path));
            }
        }
        let mut visitor = Doors {
            file,
            sealed,
            problems: &mut problems,
        };
        for item in &file.items {
            visitor.visit_item(item);
        }
    }
    problems
}

fn check_definition(item: &syn::ItemStruct, owner: &str, problems: &mut Vec<String>) {
    let name = &item.ident;
    if matches!(item.fields, Fields::Unit) || item.fields.is_empty() {
        problems.push(format!("{owner}: {name} has no private field"));
    }
    for field in &item.fields {
        if !matches!(field.vis, syn::Visibility::Inherited) {
            problems.push(format!("{owner}: a field of {name} is visible outside"));
        }
    }
    for attribute in item.attrs.iter().filter(|a| a.path().is_ident("derive")) {
        let _ = attribute.parse_nested_meta(|derived| {
            if let Some(last) = derived.path.segments.last()
                && REFUSED_TRAITS.iter().any(|refused| last.ident == refused)
            {
                problems.push(format!("{owner}: {name} derives {}", last.ident));
            }
            Ok(())
        });
    }
}

struct Doors<'a> {
    file: &'a SourceFile,
    sealed: &'a [(&'a str, &'a str)],
    problems: &'a mut Vec<String>,
}

impl Doors<'_> {
    fn object(&mut self, what: &str, line: usize) {
        self.problems
            .push(format!("{}:{line}: {what}", self.file.path));
    }

    /// Sealed types of other files.
    fn foreign(&self) -> Vec<String> {
        self.sealed
            .iter()
            .filter(|(_, owner)| *owner != self.file.path)
            .map(|(name, _)| (*name).to_owned())
            .collect()
    }

    fn check_signature(&mut self, attributes: &[Attribute], signature: &Signature) {
        let ReturnType::Type(_, returned) = &signature.output else {
            return;
        };
        if source::is_for_tests(attributes) {
            for (name, owner) in self.sealed {
                let own_self = *owner == self.file.path && mentions_by_value(returned, "Self");
                if own_self || mentions_by_value(returned, name) {
                    let what = format!("`{}` is a test-only door to {name}", signature.ident);
                    self.object(&what, signature.span().start().line);
                }
            }
        }
        for name in self.foreign() {
            if mentions_by_value(returned, &name) {
                let what = format!("`{}` returns {name} outside its file", signature.ident);
                self.object(&what, signature.span().start().line);
            }
        }
    }

    fn check_use(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.check_use(&path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.check_use(tree)),
            UseTree::Rename(rename) if self.sealed.iter().any(|(name, _)| rename.ident == name) => {
                let what = format!("a second name for {}", rename.ident);
                self.object(&what, rename.span().start().line);
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Doors<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.check_signature(&item.attrs, &item.sig);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.check_signature(&item.attrs, &item.sig);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.check_signature(&item.attrs, &item.sig);
        syn::visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        for (name, _) in self.sealed {
            if mentions_by_value(&item.ty, name) {
                let what = format!("`{}` is a second name for {name}", item.ident);
                self.object(&what, item.span().start().line);
            }
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.check_use(&item.tree);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let of = self
            .sealed
            .iter()
            .find(|(name, _)| is_named(&item.self_ty, name))
            .copied();
        if let Some((name, owner)) = of {
            let line = item.span().start().line;
            match &item.trait_ {
                Some((_, path, _)) => {
                    let last = path.segments.last().unwrap().ident.to_string();
                    if REFUSED_TRAITS.contains(&last.as_str()) {
                        self.object(&format!("{name} implements {last}"), line);
                    }
                }
                None if owner != self.file.path => {
                    self.object(&format!("methods of {name} outside its file"), line);
                }
                None => {}
            }
        }
        syn::visit::visit_item_impl(self, item);
    }
}

fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

/// Whether `ty` holds a `name` that is not behind a reference.
fn mentions_by_value(ty: &Type, name: &str) -> bool {
    struct Search<'a> {
        name: &'a str,
        found: bool,
    }
    impl<'ast> Visit<'ast> for Search<'_> {
        fn visit_type_reference(&mut self, _: &'ast syn::TypeReference) {}

        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.found |= segment.ident == self.name;
            syn::visit::visit_path_segment(self, segment);
        }
    }
    let mut search = Search { name, found: false };
    search.visit_type(ty);
    search.found
}
