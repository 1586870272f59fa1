//! What becomes of a packet: decisions, translations, changes.

use std::net::IpAddr;
use std::sync::Arc;

use crate::net::{CtState, Dscp, Helper, MarkMatch, Prefix};
use crate::packet::{Field, Packet};
use crate::resolve::policy::{ChainId, RejectWith};

/// What an entry does with a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Decides, in this table.
    Decide(Decision),
    /// Nothing: the next entry is asked.
    Continue,
    /// What the words of a raw rule say; then the next entry is asked, about a packet that may be
    /// another in these fields.
    Opaque { text: Arc<str>, changes: &'static [Field] },
    /// Changes the packet, and the next entry is asked about it as it is then.
    Change(Change),
    /// Leaves the chain; in a base chain takes the default.
    Return,
    /// Through a chain; at its end the next entry is asked.
    Call(ChainId),
    /// Through a chain; its end is the end of this one.
    Goto(ChainId),
    /// The source's network of this length is in a set from now on (the set by the kernel's name), for so
    /// many seconds or as long as the set keeps what it has; then the next entry is asked.
    Add { set: Arc<str>, length: u8, timeout: Option<u32> },
}

impl Effect {
    /// The fields in which packets that it takes may go on as others. (What is in a set that it fills is
    /// another condition from then on.)
    #[must_use]
    pub fn changes(&self) -> &'static [Field] {
        match self {
            Effect::Change(change) => change.fields(),
            Effect::Opaque { changes, .. } => changes,
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Add { .. }
            | Effect::Return
            | Effect::Call(_)
            | Effect::Goto(_) => &[],
        }
    }

    /// What it decides, if it does.
    #[must_use]
    pub fn decision(&self) -> Option<&Decision> {
        match self {
            Effect::Decide(decision) => Some(decision),
            Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Change(_)
            | Effect::Return
            | Effect::Call(_)
            | Effect::Goto(_)
            | Effect::Add { .. } => None,
        }
    }

    /// The chain that it leads to, if it does.
    #[must_use]
    pub fn chain(&self) -> Option<ChainId> {
        match self {
            Effect::Call(chain) | Effect::Goto(chain) => Some(*chain),
            Effect::Decide(_)
            | Effect::Continue
            | Effect::Opaque { .. }
            | Effect::Change(_)
            | Effect::Return
            | Effect::Add { .. } => None,
        }
    }

    /// The one host that it sends packets to, if it does.
    #[must_use]
    pub fn destination(&self) -> Option<IpAddr> {
        let Decision::Translate(translation) = self.decision()? else { return None };
        match **translation {
            Translation::Destination { address, .. } => Some(address),
            Translation::Exempt
            | Translation::Masquerade
            | Translation::Source { .. }
            | Translation::Redirect { .. }
            | Translation::Netmap { .. } => None,
        }
    }
}

/// What an entry makes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Its mark.
    Mark(MarkMatch),
    /// Its mark and that of its connection.
    StickyMark(MarkMatch),
    /// Only that of its connection.
    ConnectionMark(MarkMatch),
    /// Its mark has under this mask what that of its connection has.
    RestoredMark(u32),
    /// The mark of its connection has under this mask what its own has.
    SavedMark(u32),
    Dscp(Dscp),
    /// The largest segment that it announces is at most this, or what the path takes.
    Mss(Option<u16>),
    /// Conntrack does not see it.
    Untracked,
    /// The connection that it opens has this helper.
    Helper(Helper),
}

impl Change {
    /// Whether it tells conntrack what to do with the packet, which is told once: the first counts.
    pub(super) fn is_of_tracking(self) -> bool {
        match self {
            Change::Untracked | Change::Helper(_) => true,
            Change::Mark(_)
            | Change::StickyMark(_)
            | Change::ConnectionMark(_)
            | Change::RestoredMark(_)
            | Change::SavedMark(_)
            | Change::Dscp(_)
            | Change::Mss(_) => false,
        }
    }

    /// The fields that are known behind it, whatever they were.
    pub(super) fn settles(self) -> Vec<Field> {
        let whole = |mask: u32| mask == u32::MAX;
        match self {
            Change::Mark(mark) if whole(mark.mask()) => vec![Field::Mark],
            Change::StickyMark(mark) if whole(mark.mask()) => {
                vec![Field::Mark, Field::ConnectionMark]
            }
            Change::ConnectionMark(mark) if whole(mark.mask()) => vec![Field::ConnectionMark],
            Change::RestoredMark(mask) if whole(mask) => vec![Field::Mark],
            Change::SavedMark(mask) if whole(mask) => vec![Field::ConnectionMark],
            Change::Dscp(_) => vec![Field::Dscp],
            Change::Mark(_)
            | Change::StickyMark(_)
            | Change::ConnectionMark(_)
            | Change::RestoredMark(_)
            | Change::SavedMark(_)
            | Change::Mss(_)
            | Change::Untracked
            | Change::Helper(_) => Vec::new(),
        }
    }

    /// The fields of a packet that are not known behind it.
    pub(super) fn unsettles(self, packet: &Packet) -> Vec<Field> {
        match self {
            Change::Mss(_) if packet.flags().is_some() => vec![Field::Length],
            Change::Mss(_)
            | Change::Mark(_)
            | Change::StickyMark(_)
            | Change::ConnectionMark(_)
            | Change::RestoredMark(_)
            | Change::SavedMark(_)
            | Change::Dscp(_)
            | Change::Untracked
            | Change::Helper(_) => Vec::new(),
        }
    }

    /// The field that it copies to another one.
    #[must_use]
    pub fn copies(self) -> Option<(Field, Field)> {
        match self {
            Change::RestoredMark(_) => Some((Field::ConnectionMark, Field::Mark)),
            Change::SavedMark(_) => Some((Field::Mark, Field::ConnectionMark)),
            Change::Mark(_)
            | Change::StickyMark(_)
            | Change::ConnectionMark(_)
            | Change::Dscp(_)
            | Change::Mss(_)
            | Change::Untracked
            | Change::Helper(_) => None,
        }
    }

    /// The fields of a packet that it may make others.
    #[must_use]
    pub fn fields(self) -> &'static [Field] {
        match self {
            Change::Mark(_) | Change::RestoredMark(_) => &[Field::Mark],
            Change::ConnectionMark(_) | Change::SavedMark(_) => &[Field::ConnectionMark],
            Change::StickyMark(_) => &[Field::Mark, Field::ConnectionMark],
            Change::Dscp(_) => &[Field::Dscp],
            Change::Untracked => &[
                Field::State,
                Field::Translated,
                Field::OriginalDestination,
                Field::OriginalPort,
                Field::ConnectionMark,
            ],
            // Who announces no size gets four bytes more (`xt_TCPMSS.c`).
            Change::Mss(_) => &[Field::Length],
            Change::Helper(_) => &[],
        }
    }

    /// The packet as it is after this.
    pub(super) fn apply(self, packet: &mut Packet) {
        match self {
            Change::Mark(mark) => packet.mark = mark.set_on(packet.mark),
            Change::StickyMark(mark) => {
                packet.mark = mark.set_on(packet.mark);
                packet.connection_mark = mark.set_on(packet.connection_mark);
            }
            Change::ConnectionMark(mark) => {
                packet.connection_mark = mark.set_on(packet.connection_mark);
            }
            Change::RestoredMark(mask) => {
                packet.mark = packet.mark & !mask | packet.connection_mark & mask;
            }
            Change::SavedMark(mask) => {
                packet.connection_mark = packet.connection_mark & !mask | packet.mark & mask;
            }
            Change::Dscp(dscp) => packet.dscp = dscp.code(),
            Change::Untracked => {
                packet.state = CtState::Untracked;
                packet.original = None;
                packet.connection_mark = 0;
            }
            // The packet space does not have them.
            Change::Mss(_) | Change::Helper(_) => {}
        }
    }
}

/// What becomes of a packet in one table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Decision {
    Accept,
    Drop,
    /// In the words of the family: on IPv6 all prohibitions are [`RejectWith::AdminProhibited`].
    Reject(RejectWith),
    Translate(Arc<Translation>),
    /// What a raw rule decides in these words.
    Unknown(Arc<str>),
    /// Docker's own rules decide, as if the policy said nothing.
    LeaveToDocker,
}

/// What nat does with the first packet of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Translation {
    /// Left as it is.
    Exempt,
    /// The source becomes an address of the outgoing interface.
    Masquerade,
    /// The source becomes an address of `low..=high`.
    Source { low: IpAddr, high: IpAddr },
    /// A new destination; without a port the old one is kept.
    Destination { address: IpAddr, port: Option<u16> },
    /// To a port of this machine.
    Redirect { port: u16 },
    /// The network is exchanged, the host bits are kept: of the destination on prerouting, of the
    /// source on postrouting.
    Netmap { from: Prefix, to: Prefix },
}
