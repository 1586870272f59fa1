//! Raw rules that change what is in a set of the policy: only what is declared so may change.

use super::super::policy::{Origin, Set, SetContent};
use super::super::{Resolver, messages};
use super::words::Words;
use super::{Place, Word};
use crate::net::Family;
use crate::source::Span;

/// A set that a raw rule changes, by the kernel's name.
pub struct Fill {
    family: Family,
    set: String,
    /// Where the rule names it.
    at: Span,
    origin: Origin,
}

impl Words {
    /// The words behind `-j SET` that may name a set which changes. `--map-set` only looks.
    fn changed_sets(&self) -> impl Iterator<Item = (&str, Span)> {
        let target = self
            .target()
            .filter(|at| self.list.get(at + 1).is_some_and(|target| target.text == "SET"));
        let rest = target.map_or(&[][..], |at| &self.list[at + 2..]);
        let is_looked_at = |at: usize| {
            let option = at.checked_sub(1).and_then(|before| rest.get(before));
            option.is_some_and(|option: &Word| option.text.starts_with("--map"))
        };
        rest.iter().enumerate().filter(move |(at, _)| !is_looked_at(*at)).map(|(_, word)| {
            let inline = word.text.strip_prefix("--").and_then(|text| text.split_once('='));
            let name = inline.filter(|(option, _)| !option.starts_with("map"));
            (name.map_or(&*word.text, |(_, name)| name), word.span)
        })
    }
}

impl Resolver<'_> {
    /// Notes the sets that a raw rule changes. Which sets there are is not known yet.
    pub(super) fn note_fills(&mut self, place: &Place, words: &Words, origin: Origin) {
        let fill = |(set, at): (&str, Span)| Fill {
            family: place.family,
            set: set.to_owned(),
            at,
            origin,
        };
        self.raw_fills.extend(words.changed_sets().map(fill));
    }

    /// Of a set of fixed addresses all that is said rests on that they are fixed.
    pub(in super::super) fn check_raw_fills(&mut self, sets: &[Set]) {
        for Fill { family, set: name, at, origin } in std::mem::take(&mut self.raw_fills) {
            let is_it = |set: &&Set| set.kernel_name(family) == name;
            let Some(set) = sets.iter().find(is_it) else { continue };
            match set.content {
                SetContent::Static(_) => {
                    self.report_of(origin, messages::raw_changes_a_set(at, &set.name, set.span));
                }
                SetContent::Dynamic(_) => {}
            }
        }
    }
}
