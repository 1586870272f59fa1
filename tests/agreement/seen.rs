//! What the world sees of what was made of a packet: not in which order, nor by how many rules.

use palisade::analyze::trace::Trace as RulesTrace;
use palisade::meaning::{Change, Effect, Trace};
use palisade::net::{CtState, MarkMatch};
use palisade::packet::Packet;
use palisade::ruleset::{OpaqueEnd, Table, Target};

/// The packet by now, as far as rules change it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    mark: u32,
    connection_mark: u32,
    dscp: u8,
    is_tracked: bool,
    is_untracked: bool,
    is_told: bool,
    helper: Option<String>,
    /// The largest segments that were set, of which the least counts, and whether the path says one.
    segments: (Option<u16>, bool),
}

/// What is seen of a way.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// As what it met words that are known by themselves only.
    words: Vec<(String, Look)>,
    /// Lines of the log, with the mark and class that they tell. Of one packet the order does not count.
    logs: Vec<(Option<String>, u8, u32, u8)>,
    /// What a packet that is dropped leaves is the mark of its connection.
    dropped: Option<u32>,
    left: Option<Look>,
}

impl Look {
    fn of(packet: &Packet) -> Self {
        Look {
            mark: packet.mark,
            connection_mark: packet.connection_mark,
            dscp: packet.dscp,
            is_tracked: packet.is_tracked(),
            is_untracked: packet.state == CtState::Untracked,
            // What this machine sent to itself has its connection since it was sent.
            is_told: packet.is_tracked() && packet.incoming.as_deref() == Some("lo"),
            helper: None,
            segments: (None, false),
        }
    }

    fn mark(&mut self, mark: MarkMatch) {
        self.mark = self.mark & !mark.mask() | mark.value();
    }

    fn mark_connection(&mut self, mark: MarkMatch) {
        if self.is_tracked {
            self.connection_mark = self.connection_mark & !mark.mask() | mark.value();
        }
    }

    fn restore(&mut self, mask: u32) {
        if self.is_tracked {
            self.mark = self.mark & !mask | self.connection_mark & mask;
        }
    }

    fn save(&mut self, mask: u32) {
        if self.is_tracked {
            self.connection_mark = self.connection_mark & !mask | self.mark & mask;
        }
    }

    fn segments(&mut self, size: Option<u16>) {
        match size {
            Some(size) => {
                self.segments.0 = Some(self.segments.0.map_or(size, |least| least.min(size)));
            }
            None => self.segments.1 = true,
        }
    }

    fn untrack(&mut self) {
        if !self.is_told {
            (self.is_told, self.is_tracked, self.is_untracked) = (true, false, true);
        }
    }

    fn help(&mut self, helper: String) {
        if !self.is_told {
            (self.is_told, self.helper) = (true, Some(helper));
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Mark(mark) => self.mark(mark),
            Change::StickyMark(mark) => {
                self.mark(mark);
                self.mark_connection(mark);
            }
            Change::ConnectionMark(mark) => self.mark_connection(mark),
            Change::RestoredMark(mask) => self.restore(mask),
            Change::SavedMark(mask) => self.save(mask),
            Change::Dscp(dscp) => self.dscp = dscp.code(),
            Change::Mss(size) => self.segments(size),
            Change::Untracked => self.untrack(),
            Change::Helper(helper) => self.help(helper.to_string()),
        }
    }
}

impl Seen {
    pub fn of_meaning(packet: &Packet, trace: &Trace<'_>, is_dropped: bool) -> Self {
        let (mut seen, mut look) = (Seen::default(), Look::of(packet));
        for step in &trace.steps {
            if let Some(log) = step.entry.log.as_deref().filter(|_| step.logged) {
                let prefix = log.prefix.as_deref().map(str::to_owned);
                seen.logs.push((prefix, log.level.0, look.mark, look.dscp));
            }
            match &step.entry.effect {
                Effect::Change(change) => look.change(*change),
                Effect::Opaque { text, .. } if !text.is_empty() => {
                    seen.words.push((text.to_string(), look.clone()));
                }
                Effect::Opaque { .. }
                | Effect::Decide(_)
                | Effect::Continue
                | Effect::Return
                | Effect::Call(_)
                | Effect::Goto(_)
                | Effect::Add { .. } => {}
            }
        }
        seen.leaving(look, is_dropped)
    }

    pub fn of_rules(packet: &Packet, table: &Table, trace: &RulesTrace, is_dropped: bool) -> Self {
        let (mut seen, mut look) = (Seen::default(), Look::of(packet));
        let rules =
            trace.steps.iter().filter_map(|step| table.chain(&step.chain)?.rules.get(step.rule));
        for rule in rules {
            match &rule.target {
                Target::Log { prefix, level, .. } => {
                    let prefix = prefix.as_deref().map(str::to_owned);
                    seen.logs.push((prefix, *level, look.mark, look.dscp));
                }
                Target::Opaque { text, end: OpaqueEnd::GoesOn, .. } if !text.is_empty() => {
                    seen.words.push((text.to_string(), look.clone()));
                }
                Target::SetMark(mark) => look.mark(*mark),
                Target::SetConnmark(mark) => look.mark_connection(*mark),
                Target::RestoreMark(mask) => look.restore(*mask),
                Target::SaveMark(mask) => look.save(*mask),
                Target::SetDscp(dscp) => look.dscp = dscp.code(),
                Target::Tcpmss(size) => look.segments(*size),
                Target::Notrack => look.untrack(),
                Target::Helper(helper) => look.help(helper.to_string()),
                Target::Accept
                | Target::Drop
                | Target::Return
                | Target::Jump(_)
                | Target::Goto(_)
                | Target::Reject(_)
                | Target::Masquerade
                | Target::Snat(..)
                | Target::Dnat { .. }
                | Target::Redirect(_)
                | Target::Netmap(_)
                | Target::AddSource { .. }
                | Target::Opaque { .. } => {}
            }
        }
        seen.leaving(look, is_dropped)
    }

    fn leaving(mut self, mut look: Look, is_dropped: bool) -> Self {
        self.logs.sort();
        // What is not tracked has no connection.
        if is_dropped {
            self.dropped = Some(look.connection_mark);
        } else {
            look.is_told = false;
            look.connection_mark = if look.is_tracked { look.connection_mark } else { 0 };
            self.left = Some(look);
        }
        self
    }
}
