//! Attack 26: a tag, digest, code or secret that is compared with `==` tells an
//! attacker by its time how much of a guess was right. Compare with
//! `subtle::ConstantTimeEq`, or let aws-lc verify.

use syn::{BinOp, Expr, ExprBinary, ExprMethodCall, spanned::Spanned as _, visit::Visit};

use super::source::{self, SourceFile};

/// A value whose name ends in one of these words is secret.
const SECRET_WORDS: [&str; 9] = [
    "tag", "mac", "hmac", "digest", "secret", "password", "otp", "totp", "passcode",
];

/// Calls that hand on the same bytes.
const SAME_BYTES: [&str; 14] = [
    "as_bytes",
    "as_deref",
    "as_ref",
    "as_slice",
    "as_str",
    "borrow",
    "clone",
    "expose",
    "iter",
    "into_bytes",
    "to_owned",
    "to_string",
    "to_vec",
    "trim",
];

#[test]
fn attack_26_secrets_are_compared_in_constant_time() {
    let problems: Vec<String> = source::library().iter().flat_map(check).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_check_can_fail() {
    for text in [
        "fn f() -> bool { tag == expected }",
        "fn f() -> bool { *self.stored_tag != given[..] }",
        "fn f() -> bool { given == self.secret.expose().as_slice() }",
        "fn f() -> bool { row.digest[..16] == hash(x) }",
        "fn f() -> bool { a.eq(&hmac) }",
        "fn f() { if x && (&password) == &(guess) {} }",
    ] {
        let problems = check(&source::snippet("src/keys/x.rs", text));
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    }
    for text in [
        "fn f() -> bool { tag.len() == 32 }",
        "fn f() -> bool { digest_method == SHA256 }",
        "fn f() -> bool { bool::from(tag.ct_eq(&expected)) }",
        "fn f() -> bool { secrets == 3 }",
    ] {
        let problems = check(&source::snippet("src/keys/x.rs", text));
        assert!(problems.is_empty(), "{text}: {problems:?}");
    }
}

fn check(file: &SourceFile) -> Vec<String> {
    let mut visitor = Comparisons {
        path: &file.path,
        problems: Vec::new(),
    };
    for item in &file.items {
        visitor.visit_item(item);
    }
    visitor.problems
}

struct Comparisons<'a> {
    path: &'a str,
    problems: Vec<String>,
}

impl Comparisons<'_> {
    fn object(&mut self, name: &str, line: usize) {
        self.problems.push(format!(
            "{}:{line}: `{name}` is compared with == or !=; use subtle::ConstantTimeEq",
            self.path
        ));
    }
}

impl<'ast> Visit<'ast> for Comparisons<'_> {
    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        if matches!(binary.op, BinOp::Eq(_) | BinOp::Ne(_)) {
            let secret = [&binary.left, &binary.right]
                .into_iter()
                .find_map(|side| secret_name(side));
            if let Some(name) = secret {
                self.object(&name, binary.span().start().line);
            }
        }
        syn::visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if call.method == "eq" || call.method == "ne" {
            let secret = std::iter::once(&*call.receiver)
                .chain(&call.args)
                .find_map(secret_name);
            if let Some(name) = secret {
                self.object(&name, call.span().start().line);
            }
        }
        syn::visit::visit_expr_method_call(self, call);
    }
}

fn secret_name(expr: &Expr) -> Option<String> {
    let name = match expr {
        Expr::Path(path) => path.path.segments.last()?.ident.to_string(),
        Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => name.to_string(),
            syn::Member::Unnamed(_) => return secret_name(&field.base),
        },
        Expr::MethodCall(call) if SAME_BYTES.iter().any(|name| call.method == name) => {
            return secret_name(&call.receiver);
        }
        Expr::Reference(inner) => return secret_name(&inner.expr),
        Expr::Unary(inner) => return secret_name(&inner.expr),
        Expr::Paren(inner) => return secret_name(&inner.expr),
        Expr::Index(inner) => return secret_name(&inner.expr),
        Expr::Try(inner) => return secret_name(&inner.expr),
        _ => return None,
    };
    let last_word = name.rsplit('_').next()?.to_lowercase();
    SECRET_WORDS.contains(&last_word.as_str()).then_some(name)
}
