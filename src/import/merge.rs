//! Rules that a person would write as one: those of both families that say the same, and those in a
//! row that differ in one list.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use crate::net::{Families, Family, IcmpType, Interface, Ports};
use crate::resolve::policy::{Part, RejectWith};
use crate::source::Span;

use super::side::Called;
use super::statement::{Address, Ends, Log, Statement, Verb};

/// What becomes of one rule, or of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Of whose rules it is made.
    pub families: Families,
    /// The lines of the dumps.
    pub lines: Vec<Span>,
    pub says: Says,
    /// Each rule in the words of iptables; none for what no rule of a dump says by itself.
    pub raws: Vec<RawRule>,
    /// Whether it is to stand by itself, in words that need no names.
    pub plain: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Says {
    Words(Box<Statement>),
    Raw,
    /// Something that no packet meets, and that the language does not accept: a remark.
    Dead,
}

/// A rule in the words of iptables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawRule {
    pub family: Family,
    /// The chain that it stands in.
    pub at: Called,
    pub text: String,
    /// Whether it leaves its chain, so that it cannot stand in another.
    pub leaves: bool,
    /// Whether it counts, so that two of it are not one.
    pub counts: bool,
    /// What is found wrong with it, and left as it is.
    pub expect: Vec<&'static str>,
}

impl RawRule {
    /// A rule about all packets.
    pub fn of_all(family: Family, at: Called, text: &str) -> Self {
        let leaves = text.starts_with("-g ") || text == "-j RETURN";
        RawRule { family, at, text: text.to_owned(), leaves, counts: false, expect: Vec::new() }
    }
}

impl Piece {
    /// A statement that no rule of a dump says by itself.
    pub fn made(statement: Statement, families: Families, lines: Vec<Span>) -> Self {
        let says = Says::Words(Box::new(statement));
        Piece { families, lines, says, raws: Vec::new(), plain: false }
    }

    pub fn raw(raws: Vec<RawRule>, lines: Vec<Span>) -> Self {
        let has = |family| raws.iter().any(|raw| raw.family == family);
        let families = Families { v4: has(Family::V4), v6: has(Family::V6) };
        Piece { families, lines, says: Says::Raw, raws, plain: true }
    }
}

/// So many pairs of equal rules are looked at to find what two families have in common.
const MAX_PAIRS: usize = 2_000_000;

/// The rules of both families in one list. Those that say the same are one; of each family the order
/// stays.
pub(super) fn together(v4: Vec<Piece>, v6: Vec<Piece>) -> Vec<Piece> {
    let common = common(&v4, &v6);
    let mut all = Vec::with_capacity(v4.len() + v6.len());
    let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
    let (mut at4, mut at6) = (0, 0);
    for (next4, next6) in common {
        all.extend(v4.by_ref().take(next4 - at4));
        all.extend(v6.by_ref().take(next6 - at6));
        let (Some(mut one), Some(other)) = (v4.next(), v6.next()) else { break };
        if let (Says::Words(one), Says::Words(other)) = (&mut one.says, &other.says)
            && one.parts != other.parts
        {
            one.parts.extend(other.parts.iter().cloned());
        }
        one.families = Families::BOTH;
        one.lines.extend(other.lines);
        one.raws.extend(other.raws);
        all.push(one);
        (at4, at6) = (next4 + 1, next6 + 1);
    }
    all.extend(v4);
    all.extend(v6);
    all
}

/// The longest list of pairs, in order on both sides.
fn common(v4: &[Piece], v6: &[Piece]) -> Vec<(usize, usize)> {
    let said = |piece: &Piece, family| match &piece.says {
        Says::Words(statement) if !piece.plain => Some(as_of_v6(family, statement)),
        Says::Words(_) | Says::Raw | Says::Dead => None,
    };
    let mut places: HashMap<Statement, Vec<usize>> = HashMap::new();
    for (column, piece) in v6.iter().enumerate() {
        if let Some(statement) = said(piece, Family::V6) {
            places.entry(statement).or_default().push(column);
        }
    }
    let equal: Vec<&[usize]> = v4
        .iter()
        .map(|piece| {
            let columns = said(piece, Family::V4).and_then(|said| places.get(&said));
            columns.map_or(&[][..], |columns| columns)
        })
        .collect();
    let is_pair = |(row, column): (usize, usize)| equal[row].binary_search(&column).is_ok();
    let least = v4.len().min(v6.len());
    let start = (0..least).take_while(|at| is_pair((*at, *at))).count();
    let from_end = |back: usize| (v4.len() - 1 - back, v6.len() - 1 - back);
    let end = (0..least - start).take_while(|back| is_pair(from_end(*back))).count();
    let (rows, columns) = (start..v4.len() - end, start..v6.len() - end);
    let between: Vec<(usize, &[usize])> = rows
        .map(|row| {
            let below = |end| equal[row].partition_point(|column| *column < end);
            (row, &equal[row][below(columns.start)..below(columns.end)])
        })
        .collect();
    let starting = (0..start).map(|at| (at, at));
    let ending = (0..end).rev().map(from_end);
    starting.chain(longest(&between)).chain(ending).collect()
}

/// A pair of equal rules, and the pair before it in the longest list that ends with it.
struct Pair {
    row: usize,
    column: usize,
    before: Option<usize>,
}

/// The longest list of pairs in which both numbers rise, of rows with their columns, which rise; none
/// when there are too many pairs to look at.
//
// Of each length so far the pair that ends it in the lowest column (Hunt and Szymanski, "A fast
// algorithm for computing longest common subsequences", 1977).
fn longest(rows: &[(usize, &[usize])]) -> Vec<(usize, usize)> {
    if rows.iter().map(|(_, columns)| columns.len()).sum::<usize>() > MAX_PAIRS {
        return Vec::new();
    }
    let mut pairs: Vec<Pair> = Vec::new();
    let mut ends: Vec<usize> = Vec::new();
    for (row, columns) in rows {
        // The last column first: a row is in one pair only.
        for column in columns.iter().rev() {
            let length = ends.partition_point(|end| pairs[*end].column < *column);
            let before = length.checked_sub(1).map(|length| ends[length]);
            match ends.get_mut(length) {
                Some(end) => *end = pairs.len(),
                None => ends.push(pairs.len()),
            }
            pairs.push(Pair { row: *row, column: *column, before });
        }
    }
    let last = ends.last().map(|end| &pairs[*end]);
    let back = std::iter::successors(last, |pair| Some(&pairs[pair.before?]));
    let mut longest: Vec<(usize, usize)> = back.map(|pair| (pair.row, pair.column)).collect();
    longest.reverse();
    longest
}

/// What a rule says in words that are the same for both families when it says the same: with the answers
/// that IPv6 has, and echo requests of each.
fn as_of_v6(family: Family, statement: &Statement) -> Statement {
    let mut said = statement.clone();
    if family == Family::V4 {
        if let Verb::Reject(RejectWith::NetProhibited | RejectWith::HostProhibited) = said.verb {
            said.verb = Verb::Reject(RejectWith::AdminProhibited);
        }
        if said.parts == [Part::Icmp(IcmpType::new(Family::V4, ECHO_REQUEST.0))] {
            said.parts = vec![Part::Icmp(IcmpType::new(Family::V6, ECHO_REQUEST.1))];
        }
    }
    said
}

/// The types of echo requests in ICMP and in ICMPv6 (RFC 792, RFC 4443).
const ECHO_REQUEST: (u8, u8) = (8, 128);

/// A line in the log and what then becomes of the same packets, as one rule.
pub(super) fn logged(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    for mut piece in pieces {
        let log = merged.last().and_then(|before| log_before(before, &piece));
        if let (Some(log), Says::Words(statement)) = (log, &mut piece.says) {
            statement.log = Some(log);
            if let Some(mut before) = merged.pop() {
                before.lines.append(&mut piece.lines);
                before.raws.append(&mut piece.raws);
                piece = Piece { lines: before.lines, raws: before.raws, ..piece };
            }
        }
        merged.push(piece);
    }
    merged
}

/// The log line of a rule, when the next one decides about the same packets.
fn log_before(before: &Piece, next: &Piece) -> Option<Log> {
    let (Says::Words(line), Says::Words(decision)) = (&before.says, &next.says) else {
        return None;
    };
    let Verb::Log(log) = &line.verb else { return None };
    let decides =
        matches!(decision.verb, Verb::Allow | Verb::Drop | Verb::Reject(_) | Verb::Add { .. });
    let bare = Statement { helped: BTreeSet::new(), ..(**decision).clone() };
    let same = Statement { verb: line.verb.clone(), ..bare } == **line;
    let fits = decides && same && line.limits.is_empty() && before.families == next.families;
    (fits && !before.plain && !next.plain).then(|| log.clone())
}

/// Statements before raw rules that do the same, for where two do the same their order is no matter, and
/// raw rules part a list.
pub(super) fn settled(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut settled: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let target = match &piece.says {
            Says::Words(said) if said.log.is_none() && said.limits.is_empty() => {
                said.verb.bare_target()
            }
            Says::Words(_) | Says::Raw | Says::Dead => None,
        };
        let does = |before: &Piece| {
            before.says == Says::Raw
                && before.raws.iter().all(|raw| {
                    !raw.counts && target.is_some_and(|target| raw.text.ends_with(target))
                })
        };
        let at = settled.iter().rposition(|before| !does(before)).map_or(0, |last| last + 1);
        settled.insert(at, piece);
    }
    settled
}

/// Rules in a row that do the same with packets that differ in one list, as one; and one of all but some
/// packets with one of these.
pub(super) fn lists(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    let mut growing = Growing::default();
    for piece in pieces {
        if let Some(last) = merged.last_mut()
            && (completes(last, &piece) || joins(last, &piece, &mut growing))
        {
            last.lines.extend(piece.lines);
            last.raws.extend(piece.raws);
        } else {
            growing = Growing::default();
            merged.push(piece);
        }
    }
    merged
}

/// Takes into `last`, which leaves some packets out, the rule that is about these.
fn completes(last: &mut Piece, next: &Piece) -> bool {
    let (Says::Words(all_but), Says::Words(these)) = (&mut last.says, &next.says) else {
        return false;
    };
    let [left_out] = &all_but.unless[..] else { return false };
    // Before anything is copied: in a row of such rules, all that were joined.
    if !these.unless.is_empty() {
        return false;
    }
    let counts = !all_but.limits.is_empty() || all_but.log.is_some();
    let logs = matches!(all_but.verb, Verb::Log(_));
    if counts || logs || last.plain || next.plain || last.families != next.families {
        return false;
    }
    let mut whole = Statement { unless: Vec::new(), ..(**all_but).clone() };
    let (incoming, outgoing) = (&left_out.incoming, &left_out.outgoing);
    let mut expected = whole.clone();
    if !incoming.is_empty() && outgoing.is_empty() && whole.incoming.is_empty() {
        expected.incoming.clone_from(incoming);
    } else if !outgoing.is_empty() && incoming.is_empty() && whole.outgoing.is_empty() {
        expected.outgoing.clone_from(outgoing);
    } else {
        return false;
    }
    if expected != **these {
        return false;
    }
    std::mem::swap(&mut **all_but, &mut whole);
    true
}

/// Takes the packets of `next` into `last`, where they differ in one list.
fn joins(last: &mut Piece, next: &Piece, growing: &mut Growing) -> bool {
    if last.plain || next.plain {
        return false;
    }
    let (Says::Words(into), Says::Words(from)) = (&mut last.says, &next.says) else {
        return false;
    };
    let may = match into.verb {
        // A packet of both would come to a chain twice; where that matters, the proof tells.
        Verb::Allow
        | Verb::Drop
        | Verb::Reject(_)
        | Verb::Return
        | Verb::Goto(_)
        | Verb::Jump(_)
        | Verb::Masquerade
        | Verb::Snat(..)
        | Verb::Nonat
        | Verb::Forward { .. }
        | Verb::Redirect { .. }
        | Verb::Add { .. }
        | Verb::Notrack
        | Verb::Mark(_)
        | Verb::Dscp(_) => true,
        Verb::Log(_) | Verb::Clamp(_) | Verb::Help(_) => false,
    };
    if !may || !into.limits.is_empty() || into.log.is_some() || from.log.is_some() {
        return false;
    }
    let Some(differing) = differing(into, from) else { return false };
    // Rules of two families are one where a list of addresses tells which is which.
    if last.families != next.families {
        let told = |statement: &Statement, families: Families| {
            let mut own = Family::BOTH.into_iter().filter(|family| families.contains(*family));
            families != Families::BOTH && own.all(|family| statement.says_family(family))
        };
        let by_addresses = differing != Some(Differing::Parts)
            && told(into, last.families)
            && told(from, next.families)
            && into.parts.iter().all(|part| part.families() == Families::BOTH);
        if !by_addresses {
            return false;
        }
    }
    if !differing.is_none_or(|list| growing.joins(list, into, from)) {
        return false;
    }
    if last.families != next.families {
        last.families = Families::BOTH;
    }
    true
}

/// A list of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Differing {
    Parts,
    From,
    To,
    Incoming,
    Outgoing,
}

/// The list in which two statements differ, if any; `None` when they differ in more.
#[expect(clippy::option_option, reason = "that nothing differs is an answer too")]
fn differing(a: &Statement, b: &Statement) -> Option<Option<Differing>> {
    let lists = [
        (a.parts != b.parts, Differing::Parts),
        (a.from != b.from, Differing::From),
        (a.to != b.to, Differing::To),
        (a.incoming != b.incoming, Differing::Incoming),
        (a.outgoing != b.outgoing, Differing::Outgoing),
    ];
    let mut differing = lists.into_iter().filter_map(|(differs, list)| differs.then_some(list));
    let (first, second) = (differing.next(), differing.next());
    let same = second.is_none()
        && a.verb == b.verb
        && (first == Some(Differing::Parts) || a.helped == b.helped)
        && a.clauses == b.clauses
        && a.limits == b.limits
        && a.unless == b.unless
        && a.comment == b.comment
        && a.expect == b.expect;
    same.then_some(first)
}

/// What is in the list of a statement that takes in one rule after the other: to look through the list
/// for each would take the square of their number.
// INVARIANT: of the last statement as it is.
#[derive(Default)]
struct Growing {
    list: Option<Differing>,
    addresses: HashSet<Address>,
    interfaces: HashSet<Interface>,
    parts: KnownParts,
}

impl Growing {
    fn of(list: Differing, statement: &Statement) -> Self {
        let mut known = Growing { list: Some(list), ..Growing::default() };
        match list {
            Differing::Parts => {
                known.parts.learn(&statement.parts);
                known.parts.whole.extend(statement.parts.iter().cloned());
            }
            Differing::From => known.addresses.extend(statement.from.these.iter().cloned()),
            Differing::To => known.addresses.extend(statement.to.these.iter().cloned()),
            Differing::Incoming => known.interfaces.extend(statement.incoming.iter().cloned()),
            Differing::Outgoing => known.interfaces.extend(statement.outgoing.iter().cloned()),
        }
        known
    }

    /// Takes a list of one statement into that of another; if not, nothing is to be joined with that.
    fn joins(&mut self, list: Differing, into: &mut Statement, from: &Statement) -> bool {
        if self.list != Some(list) {
            *self = Growing::of(list, into);
        }
        match list {
            Differing::Parts => {
                let joined = self.parts.join(&mut into.parts, &from.parts);
                if joined {
                    into.helped.extend(from.helped.iter().cloned());
                }
                joined
            }
            Differing::From => join_ends(&mut self.addresses, &mut into.from, &from.from),
            Differing::To => join_ends(&mut self.addresses, &mut into.to, &from.to),
            Differing::Incoming => {
                join_lists(&mut self.interfaces, &mut into.incoming, &from.incoming)
            }
            Differing::Outgoing => {
                join_lists(&mut self.interfaces, &mut into.outgoing, &from.outgoing)
            }
        }
    }
}

/// What is to be known of a list of parts to put more into it.
#[derive(Default)]
struct KnownParts {
    sources: BTreeSet<Ports>,
    /// Types of ICMP are of one family; a list of them and ports would be of both.
    families: BTreeSet<(bool, bool)>,
    /// Those that stand in it as they are; what has ports may have grown since.
    whole: HashSet<Part>,
}

impl KnownParts {
    fn learn(&mut self, parts: &[Part]) {
        for part in parts {
            self.families.insert((part.families().v4, part.families().v6));
            self.sources.insert(match part {
                Part::Ports { source, .. } => source.clone(),
                Part::Any | Part::Icmp(_) | Part::Protocol(_) => Ports::full(),
            });
        }
    }

    fn join(&mut self, all: &mut Vec<Part>, more: &[Part]) -> bool {
        self.learn(more);
        if all.is_empty() || more.is_empty() || self.sources.len() > 1 || self.families.len() > 1 {
            return false;
        }
        for part in more {
            let Part::Ports { protocol, destination, .. } = part else {
                if self.whole.insert(part.clone()) {
                    all.push(part.clone());
                }
                continue;
            };
            let known = all.iter_mut().find_map(|known| match known {
                Part::Ports { protocol: own, destination, .. } if own == protocol => {
                    Some(destination)
                }
                Part::Ports { .. } | Part::Any | Part::Icmp(_) | Part::Protocol(_) => None,
            });
            match known {
                Some(known) => *known = known.union(destination),
                None => all.push(part.clone()),
            }
        }
        true
    }
}

fn join_ends(known: &mut HashSet<Address>, all: &mut Ends, more: &Ends) -> bool {
    all.except.is_empty()
        && more.except.is_empty()
        && join_lists(known, &mut all.these, &more.these)
}

/// Without one, a list is about everything, and takes no more.
fn join_lists<T: Clone + Eq + Hash>(known: &mut HashSet<T>, all: &mut Vec<T>, more: &[T]) -> bool {
    if all.is_empty() || more.is_empty() {
        return false;
    }
    for one in more {
        if known.insert(one.clone()) {
            all.push(one.clone());
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::longest;

    /// How many pairs the longest list has, by trying all.
    fn most(left: &[u8], right: &[u8]) -> usize {
        let mut most = vec![vec![0; right.len() + 1]; left.len() + 1];
        for (row, a) in left.iter().enumerate() {
            for (column, b) in right.iter().enumerate() {
                let without = most[row][column + 1].max(most[row + 1][column]);
                let with = most[row][column] + usize::from(a == b);
                most[row + 1][column + 1] = without.max(with);
            }
        }
        most[left.len()][right.len()]
    }

    fn list() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(0..6u8, 0..24)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_two_lists_have_in_common_is_longest(left in list(), right in list()) {
            let columns = |kind: &u8| -> Vec<usize> {
                (0..right.len()).filter(|column| right[*column] == *kind).collect()
            };
            let equal: Vec<Vec<usize>> = left.iter().map(columns).collect();
            let rows: Vec<(usize, &[usize])> =
                equal.iter().enumerate().map(|(row, columns)| (row, &columns[..])).collect();
            let pairs = longest(&rows);
            prop_assert_eq!(pairs.len(), most(&left, &right));
            prop_assert!(pairs.iter().all(|(row, column)| left[*row] == right[*column]));
            let rises = |pair: &[(usize, usize)]| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1;
            prop_assert!(pairs.windows(2).all(rises));
        }
    }
}
