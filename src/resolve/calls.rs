//! `def`s unfolded: each call resolves the body anew, with its parameters bound.

use super::context::Context;
use super::policy::{Call, CallId};
use super::{MAX_DEPTH, Resolver, messages};
use crate::source::Span;
use crate::syntax::tree::{self, Argument, Name, Statement};

/// The statements that all `def`s together may unfold to.
const MAX_EXPANSION: usize = 200_000;

/// The bindings of one call.
pub(super) struct Frame<'a> {
    def: &'a tree::Def,
    arguments: &'a [Argument],
}

impl<'a> Resolver<'a> {
    /// Unfolds a `def`.
    pub(super) fn call(
        &mut self,
        name: Name,
        arguments: &'a [Argument],
        span: Span,
        outer: &Context<'a>,
        env: Option<CallId>,
    ) {
        let word = self.text(name.0);
        let Some((_, def)) = self.names.defs.find(word) else {
            self.report(messages::unknown_def(name.0, word, &self.names));
            return;
        };
        if arguments.len() != def.parameters.len() {
            let finding = messages::wrong_arguments(name.0, word, def, arguments.len());
            self.report(finding);
            return;
        }
        if let Some(ring) = self.ring_of_calls(def) {
            self.report(messages::recursive("def", word, name.0, &ring));
            return;
        }
        if !self.expand(span) {
            return;
        }
        if self.calls_around().count() >= MAX_DEPTH {
            self.report(messages::definitions_too_deep(name.0, MAX_DEPTH));
            return;
        }
        let id = CallId(u32::try_from(self.calls.len()).expect("bounded by MAX_EXPANSION"));
        self.calls.push(Call { span, parent: env });
        self.frames.push(Frame { def, arguments });
        let around = self.current.replace(id);
        for statement in &def.body {
            self.inner(statement, outer, Some(id));
        }
        self.current = around;
    }

    /// Counts a statement that a call unfolds to; whether it may.
    pub(super) fn expand(&mut self, call: Span) -> bool {
        self.expanded += 1;
        if self.expanded == MAX_EXPANSION + 1 {
            self.report(messages::too_much_expansion(call, MAX_EXPANSION));
        }
        self.expanded <= MAX_EXPANSION
    }

    /// The calls whose bodies are being resolved, the innermost first.
    pub(super) fn calls_around(&self) -> impl Iterator<Item = CallId> {
        std::iter::successors(self.current, |call| self.calls[call.0 as usize].parent)
    }

    /// The calls that led from a `def` back to itself.
    fn ring_of_calls(&self, def: &tree::Def) -> Option<Vec<Span>> {
        let is_of_def = |call: CallId| std::ptr::eq(self.frames[call.0 as usize].def, def);
        let first = self.calls_around().position(is_of_def)?;
        let ring = self.calls_around().take(first + 1);
        let mut ring: Vec<Span> = ring.map(|call| self.calls[call.0 as usize].span).collect();
        ring.reverse();
        Some(ring)
    }

    /// Whether a place is in the body of a `def` that is being unfolded.
    pub(super) fn is_in_body(&self, span: Span) -> bool {
        let within = |statement: &Statement| {
            statement.span.file() == span.file()
                && statement.span.start() <= span.start()
                && span.end() <= statement.span.end()
        };
        let mut defs = self.calls_around().map(|call| self.frames[call.0 as usize].def);
        defs.any(|def| def.body.iter().any(within))
    }

    /// What a parameter of the `def` around stands for, and the call around it, in which the argument's
    /// own names are looked up.
    pub(super) fn argument(
        &self,
        word: &str,
        env: Option<CallId>,
    ) -> Option<(&'a Argument, Option<CallId>)> {
        let call = env?.0 as usize;
        let frame = &self.frames[call];
        let position = frame.def.parameters.iter().position(|name| self.text(name.0) == word)?;
        frame.arguments.get(position).map(|argument| (argument, self.calls[call].parent))
    }
}

/// Where the call that led to this one was written: outside of every `def`.
pub(super) fn outermost(calls: &[Call], call: CallId) -> Span {
    let mut call = &calls[call.0 as usize];
    while let Some(parent) = call.parent {
        call = &calls[parent.0 as usize];
    }
    call.span
}
