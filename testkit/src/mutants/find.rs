//! Finds the checks of a source file and makes each of them removable at run time.

use std::fmt;

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprIf, ExprMatch, ExprMethodCall, ImplItemFn, ItemFn, ItemMod,
    ReturnType, Signature, Stmt, Type,
};

use super::edit::Edits;

/// One check that can be taken away.
#[derive(Debug, Clone)]
pub struct Mutant {
    /// Path below the crate's `src`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// The function that it stands in.
    pub function: String,
    /// What is done to it.
    pub how: &'static str,
    /// The text of the check, on one line.
    pub text: String,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            function,
            how,
            text,
        } = self;
        write!(f, "{file}:{line} {function}: {how}: {text}")
    }
}

/// The checks of one file, and its text with a switch at each.
///
/// `first` is the number of the first check; a check is in force while `crate::mutant::on(number)` says so.
///
/// # Errors
/// The file is no Rust.
pub(super) fn find(file: &str, source: &str, first: usize) -> syn::Result<(Vec<Mutant>, String)> {
    let tree = syn::parse_file(source)?;
    let mut finder = Finder {
        file,
        source,
        first,
        mutants: Vec::new(),
        edits: Edits::default(),
        functions: Vec::new(),
    };
    finder.visit_file(&tree);
    let text = finder.edits.apply(source);
    Ok((finder.mutants, text))
}

/// What a function returns, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returns {
    /// `Result<(), _>`: a check.
    Nothing,
    /// `bool`: a condition.
    Bool,
    /// `Option<Shortfall>`: a check that names what is missing.
    Shortfall,
    Other,
}

struct Finder<'a> {
    file: &'a str,
    source: &'a str,
    first: usize,
    mutants: Vec<Mutant>,
    edits: Edits,
    functions: Vec<String>,
}

impl Finder<'_> {
    /// Takes note of a check and returns the call that asks whether it is in force.
    fn switch(&mut self, node: proc_macro2::Span, how: &'static str) -> String {
        let number = self.first + self.mutants.len();
        let text = self.source[node.byte_range()].split_whitespace();
        self.mutants.push(Mutant {
            file: self.file.to_owned(),
            line: node.start().line,
            function: self.functions.last().cloned().unwrap_or_default(),
            how,
            text: text.collect::<Vec<_>>().join(" "),
        });
        format!("crate::mutant::on({number})")
    }

    fn wrap(&mut self, node: &Expr, before: &str, after: &str) {
        let range = node.span().byte_range();
        self.edits.wrap(range, before, after);
    }

    /// The condition never holds.
    fn never(&mut self, condition: &Expr, how: &'static str) {
        let on = self.switch(condition.span(), how);
        if has_let(condition) {
            self.wrap(condition, &format!("{on} && "), "");
        } else {
            self.wrap(condition, &format!("({on} && ("), "))");
        }
    }

    /// The condition always holds.
    fn always(&mut self, condition: &Expr, how: &'static str) {
        if !has_let(condition) {
            let on = self.switch(condition.span(), how);
            self.wrap(condition, &format!("(!{on} || ("), "))");
        }
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        self.functions.push(signature.ident.to_string());
        let returns = returns(&signature.output);
        let values: &[&str] = match returns {
            Returns::Nothing => &["Ok(())"],
            Returns::Bool => &["true", "false"],
            Returns::Shortfall => &["None"],
            Returns::Other => &[],
        };
        for value in values {
            let how = match *value {
                "true" => "the function says true",
                "false" => "the function says false",
                _ => "the function checks nothing",
            };
            let on = self.switch(signature.ident.span(), how);
            let at = block.brace_token.span.open().byte_range().end;
            self.edits.insert(at, &format!(" if !{on} {{ return {value}; }}"));
        }
        if returns == Returns::Nothing
            && let Some(Stmt::Expr(tail @ (Expr::Call(_) | Expr::MethodCall(_)), None)) = block.stmts.last()
            && !is_ok(tail)
        {
            let on = self.switch(tail.span(), "its outcome is ignored");
            self.wrap(
                tail,
                "{ let outcome = ",
                &format!("; if {on} {{ outcome }} else {{ Ok(()) }} }}"),
            );
        }
        visit::visit_block(self, block);
        self.functions.pop();
    }

    fn arms(&mut self, arms: &[Arm]) {
        let open_end = arms
            .last()
            .is_some_and(|a| is_wild(&a.pat) && a.guard.is_none() && !refuses(&a.body));
        let unit = arms.iter().any(|a| is_empty_block(&a.body));
        let fine = arms.iter().any(|a| is_ok(&a.body));
        for arm in arms.iter().filter(|a| refuses(&a.body)) {
            if let Some((_, guard)) = &arm.guard {
                self.never(guard, "the arm is not taken");
            } else if open_end {
                let on = self.switch(arm.pat.span(), "the arm is not taken");
                let at = arm.pat.span().byte_range().end;
                self.edits.insert(at, &format!(" if {on}"));
            } else if unit && matches!(*arm.body, Expr::Return(_)) {
                let on = self.switch(arm.pat.span(), "the arm refuses nothing");
                self.wrap(&arm.body, &format!("{{ if {on} {{ "), " } }");
            } else if fine && is_err(&arm.body) {
                let on = self.switch(arm.pat.span(), "the arm refuses nothing");
                self.wrap(&arm.body, &format!("if {on} {{ "), " } else { Ok(()) }");
            }
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_left_out(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if item.sig.constness.is_none() && !is_left_out(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if item.sig.constness.is_none() && !is_left_out(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_expr_if(&mut self, node: &'ast ExprIf) {
        let otherwise = node.else_branch.as_ref().map(|(_, e)| e.as_ref());
        if block_refuses(&node.then_branch) {
            self.never(&node.cond, "never refuses");
        } else if let Some(Expr::Block(block)) = otherwise
            && block_refuses(&block.block)
        {
            self.always(&node.cond, "never refuses");
        }
        visit::visit_expr_if(self, node);
    }

    fn visit_expr_match(&mut self, node: &'ast ExprMatch) {
        self.arms(&node.arms);
        visit::visit_expr_match(self, node);
    }

    /// `check()?;`: the outcome is looked at and thrown away.
    fn visit_stmt(&mut self, node: &'ast Stmt) {
        // Writing to a formatter is no check.
        if let Stmt::Expr(Expr::Try(attempt), Some(_)) = node
            && self.functions.last().is_none_or(|f| f != "fmt")
        {
            let on = self.switch(attempt.span(), "its outcome is ignored");
            let mark = attempt.question_token.span().byte_range();
            self.edits.delete(mark.clone());
            let start = attempt.span().byte_range().start;
            let after = format!("; if {on} {{ outcome?; }} }}");
            self.edits.wrap(start..mark.end, "{ let outcome = ", &after);
        }
        visit::visit_stmt(self, node);
    }

    /// One part of a condition: what makes it true without the part.
    fn visit_expr_binary(&mut self, node: &'ast ExprBinary) {
        let same = |e: &Expr| matches!(e, Expr::Binary(b) if core::mem::discriminant(&b.op) == core::mem::discriminant(&node.op));
        for part in [&node.left, &node.right] {
            if same(part) || matches!(**part, Expr::Let(_)) {
                continue;
            }
            match node.op {
                BinOp::And(_) => self.always(part, "one part always holds"),
                BinOp::Or(_) => self.never(part, "one part never holds"),
                _ => {}
            }
        }
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_method_call(&mut self, node: &'ast ExprMethodCall) {
        match (node.method.to_string().as_str(), node.args.first()) {
            ("filter", Some(Expr::Closure(closure))) => self.always(&closure.body, "filters nothing"),
            ("then_some" | "then", Some(argument)) => {
                let text = &self.source[argument.span().byte_range()];
                if text.contains("Shortfall") || text.contains("Error") {
                    self.never(&node.receiver, "never refuses");
                } else {
                    self.always(&node.receiver, "never refuses");
                }
            }
            _ => {}
        }
        visit::visit_expr_method_call(self, node);
    }
}

/// Tests, and what is compiled elsewhere only.
fn is_left_out(attributes: &[syn::Attribute]) -> bool {
    use quote::ToTokens as _;
    attributes.iter().any(|a| {
        let text = a.to_token_stream().to_string();
        a.path().is_ident("test")
            || (a.path().is_ident("cfg") && (text.contains("test") || text.contains("not (unix)")))
    })
}

fn returns(output: &ReturnType) -> Returns {
    let ReturnType::Type(_, ty) = output else {
        return Returns::Other;
    };
    let Type::Path(path) = &**ty else {
        return Returns::Other;
    };
    let Some(last) = path.path.segments.last() else {
        return Returns::Other;
    };
    use quote::ToTokens as _;
    let inner = last.arguments.to_token_stream().to_string().replace(' ', "");
    match last.ident.to_string().as_str() {
        "Result" if inner.starts_with("<(),") => Returns::Nothing,
        "Option" if inner == "<Shortfall>" => Returns::Shortfall,
        "bool" => Returns::Bool,
        _ => Returns::Other,
    }
}

fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(b) => has_let(&b.left) || has_let(&b.right),
        _ => false,
    }
}

fn is_call_of(expression: &Expr, name: &str) -> bool {
    matches!(expression, Expr::Call(c) if matches!(&*c.func, Expr::Path(p) if p.path.is_ident(name)))
}

fn is_ok(expression: &Expr) -> bool {
    use quote::ToTokens as _;
    is_call_of(expression, "Ok") && expression.to_token_stream().to_string().replace(' ', "") == "Ok(())"
}

/// `Err(..)`, `None`, `false`, or something that a shortfall is named in.
fn is_err(expression: &Expr) -> bool {
    use quote::ToTokens as _;
    match expression {
        Expr::Path(p) => p.path.is_ident("None"),
        Expr::Lit(l) => matches!(&l.lit, syn::Lit::Bool(b) if !b.value),
        _ if is_call_of(expression, "Some") => expression
            .to_token_stream()
            .to_string()
            .replace(' ', "")
            .starts_with("Some(Shortfall"),
        _ => is_call_of(expression, "Err"),
    }
}

fn refuses(expression: &Expr) -> bool {
    match expression {
        Expr::Return(r) => r.expr.as_ref().is_some_and(|e| is_err(e)),
        Expr::Block(b) => block_refuses(&b.block),
        other => is_err(other),
    }
}

fn block_refuses(block: &Block) -> bool {
    match block.stmts.last() {
        Some(Stmt::Expr(expression, _)) => refuses(expression),
        _ => false,
    }
}

fn is_empty_block(expression: &Expr) -> bool {
    matches!(expression, Expr::Block(b) if b.block.stmts.is_empty())
}

fn is_wild(pattern: &syn::Pat) -> bool {
    matches!(pattern, syn::Pat::Wild(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<(String, &'static str)> {
        let (mutants, text) = find("x.rs", source, 0).unwrap();
        syn::parse_file(&text).unwrap();
        mutants.into_iter().map(|m| (m.text, m.how)).collect()
    }

    #[test]
    fn every_kind_of_check_is_found_once() {
        let source = "
            fn check(a: u8) -> Result<(), E> {
                if a == 0 || a > 9 { return Err(E::A); }
                other(a)?;
                match a { 3 => Err(E::B), 4 => Err(E::C), _ => last(a) }
            }
            fn tail(a: u8) -> Result<(), E> { last(a) }
            fn good(a: u8) -> bool { a > 1 && a < 7 }
            const fn fixed(a: u8) -> bool { a > 1 }
            #[cfg(not(unix))] fn elsewhere() -> bool { true }
            #[cfg(test)] mod tests { fn t() { if x { return None; } } }
        ";
        assert_eq!(
            found(source),
            [
                ("check", "the function checks nothing"),
                ("a == 0 || a > 9", "never refuses"),
                ("a == 0", "one part never holds"),
                ("a > 9", "one part never holds"),
                ("other(a)?", "its outcome is ignored"),
                ("3", "the arm is not taken"),
                ("4", "the arm is not taken"),
                ("tail", "the function checks nothing"),
                ("last(a)", "its outcome is ignored"),
                ("good", "the function says true"),
                ("good", "the function says false"),
                ("a > 1", "one part always holds"),
                ("a < 7", "one part always holds"),
            ]
            .map(|(text, how)| (text.to_owned(), how))
        );
    }

    #[test]
    fn the_changed_text_still_says_the_same_when_all_is_on() {
        let source = "fn a(x: u8) -> Result<(), E> { if let Some(y) = f(x) && y > 1 { return Err(E); } g(x)?; Ok(()) }";
        let (_, text) = find("x.rs", source, 7).unwrap();
        assert_eq!(
            text,
            "fn a(x: u8) -> Result<(), E> { if !crate::mutant::on(7) { return Ok(()); } \
             if crate::mutant::on(8) && let Some(y) = f(x) && (!crate::mutant::on(9) || (y > 1)) { return Err(E); } \
             { let outcome = g(x); if crate::mutant::on(10) { outcome?; } }; Ok(()) }"
        );
    }
}
