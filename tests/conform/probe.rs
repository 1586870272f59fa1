//! Packets at the borders of what a ruleset says, as they can come from a wire or from a process.

use nix::unistd::{Group, User};
use palisade::analyze::deliverable::first_state;
use palisade::meaning::{BaseChain, Meaning, probes};
use palisade::net::{Account, CtState, Family, TcpFlags};
use palisade::packet::{Packet, Payload, Random};

use crate::craft::{self, Marks};
use crate::ground::{self, Ground, MAC, Wrapping, addresses_of, is_local};
use crate::later::{Link, Turn};
use crate::tracked::{Ends, Known, expect};
use crate::wrap;

/// The chains that probes are made for. (The others of Docker's and of the table nat are on the way.)
const CHAINS: [BaseChain; 13] = [
    BaseChain::RawPrerouting,
    BaseChain::ManglePrerouting,
    BaseChain::NatPrerouting,
    BaseChain::MangleInput,
    BaseChain::FilterInput,
    BaseChain::MangleForward,
    BaseChain::DockerUser,
    BaseChain::FilterForward,
    BaseChain::RawOutput,
    BaseChain::MangleOutput,
    BaseChain::NatOutput,
    BaseChain::FilterOutput,
    BaseChain::NatPostrouting,
];

/// A packet that is sent, and how.
#[derive(Debug, Clone)]
pub struct Probe {
    /// As it is before any rule.
    pub packet: Packet,
    pub account: ground::Account,
    pub wrapping: Wrapping,
    pub history: History,
}

/// What the kernel knows before a packet comes.
#[derive(Debug, Clone, Copy)]
pub enum History {
    Nothing,
    /// The connection that it belongs to.
    Connection(Known),
    /// The session that expects it.
    Session,
    /// The connection that the error is about.
    Error(Known),
    /// The connection that another probe opened.
    Opened(Link, Turn),
}

impl History {
    /// Tells the kernel.
    pub fn tell(&self, ground: &Ground, packet: &Packet, number: u16) {
        match self {
            History::Nothing | History::Opened(..) => {}
            History::Connection(known) | History::Error(known) => {
                ground.know(|kernel| known.tell(kernel));
            }
            History::Session => ground.know(|kernel| expect(packet, number, kernel)),
        }
    }
}

/// Packets for all chains of a meaning: enough that each entry is headed for, and at least so many for
/// each chain and family.
pub fn all(meaning: &Meaning, ground: &Ground, seed: u64, least: usize) -> Vec<Probe> {
    let mut random = Random::new(seed);
    let mut all = Vec::new();
    for family in Family::BOTH {
        for chain in CHAINS {
            let Some(list) = meaning.base(family, chain) else { continue };
            // What nobody speaks of is tried too, but not so often.
            let count = match list.entries.len() {
                0 => least / 4,
                entries => least.max(entries * 3 / 2),
            };
            for wish in probes(meaning, family, chain, seed, count) {
                // What is said of one family must not be so in the other.
                let twin = random.one_in(4).then(|| twin(&wish));
                let both = [Some(wish), twin].into_iter().flatten();
                all.extend(both.filter_map(|wish| made(wish, chain, ground, &mut random)));
            }
        }
    }
    all
}

/// The same packet of the other family, between hosts that nobody speaks of (RFC 5737, RFC 3849).
fn twin(packet: &Packet) -> Packet {
    let [source, destination] = match packet.family() {
        Family::V4 => ["2001:db8:77::77", "2001:db8:77::78"],
        Family::V6 => ["198.51.100.77", "198.51.100.78"],
    };
    let [source, destination] = [source, destination].map(|it| it.parse().expect("an address"));
    let original = None;
    Packet { source, destination, original, ..packet.clone() }
}

fn made(wish: Packet, chain: BaseChain, ground: &Ground, random: &mut Random) -> Option<Probe> {
    let state = wish.state;
    let connection_mark = wish.connection_mark;
    let is_of_process = match chain {
        BaseChain::NatPostrouting => wish.incoming.is_none(),
        BaseChain::RawOutput
        | BaseChain::MangleOutput
        | BaseChain::NatOutput
        | BaseChain::FilterOutput => true,
        _ => false,
    };
    let mut packet = if is_of_process {
        from_process(wish, ground, random)
    } else {
        from_wire(wish, chain, ground, random)
    };
    // In IPv6 these are no protocols but further headers.
    let is_header = [0, 43, 44, 51, 59, 60, 135, 139, 140].contains(&packet.protocol().number());
    if packet.destination.is_ipv6() && is_header {
        return None;
    }
    packet.original = None;
    packet.to_local = is_local(packet.destination);
    let history = history(&mut packet, state, connection_mark, random);
    let bytes = craft::bytes(&packet, Marks { cookie: 0, class: 0 }).len();
    packet.length = u16::try_from(bytes).expect("a packet fits a wire");
    let wrapping = match state {
        CtState::Invalid if !is_of_process && wrap::has_checksum(&packet) => Wrapping::Torn,
        _ if random.one_in(12) && wrap::can_be_parted(bytes, packet.source) && !is_of_process => {
            Wrapping::Parted
        }
        _ => Wrapping::Whole,
    };
    packet.state = match wrapping {
        Wrapping::Torn => CtState::Invalid,
        Wrapping::Whole | Wrapping::Parted | Wrapping::Lasting => match history {
            History::Nothing => first_state(&packet),
            History::Connection(_) | History::Opened(..) => CtState::Established,
            History::Session | History::Error(_) => CtState::Related,
        },
    };
    let account = account(&packet)?;
    Some(Probe { packet, account, wrapping, history })
}

const SYN: u8 = 0x02;

/// The flags that most probes have and that no connection begins with: a reset, an answer.
const NEVER_FIRST: [u8; 2] = [0x04, 0x12];

/// What is told of before, so that the packet has the state that is wished for.
fn history(packet: &mut Packet, state: CtState, mark: u32, random: &mut Random) -> History {
    packet.connection_mark = mark;
    let about = Known { opened: Ends::in_error(packet), mark };
    let history = match state {
        CtState::Established => Known::of(packet, random.one_in(2)).map(History::Connection),
        CtState::Related => match &mut packet.payload {
            Payload::Icmp { kind, .. } => {
                let errors: &[u8] =
                    if packet.source.is_ipv4() { &[3, 4, 5, 11, 12] } else { &[1, 2, 3, 4] };
                errors.contains(kind).then_some(History::Error(about))
            }
            Payload::Tcp { flags, .. } => {
                *flags = TcpFlags::from_bits(SYN);
                Some(History::Session)
            }
            Payload::Udp { .. } => Some(History::Session),
            Payload::Sctp { .. } | Payload::Other(_) => None,
        },
        CtState::New | CtState::Untracked => {
            if let Payload::Tcp { flags, .. } = &mut packet.payload
                && NEVER_FIRST.contains(&flags.bits())
            {
                *flags = TcpFlags::from_bits(SYN);
            }
            None
        }
        CtState::Invalid => None,
    };
    if history.is_none() {
        packet.connection_mark = 0;
    }
    history.unwrap_or(History::Nothing)
}

/// A packet that comes in.
fn from_wire(mut packet: Packet, chain: BaseChain, ground: &Ground, random: &mut Random) -> Packet {
    let mut any = || random.index(ground.wires.len());
    if ground.wire(packet.incoming.as_deref()).is_none() {
        packet.incoming = Some(ground.wires[any()].as_str().into());
    }
    if ground.wire(packet.outgoing.as_deref()).is_none() {
        packet.outgoing = None;
    }
    let arrives = matches!(chain, BaseChain::FilterInput | BaseChain::MangleInput);
    let mut local = packet.to_local || arrives;
    if let Some(original) = packet.original.take() {
        packet.destination = original.destination;
        set_port(&mut packet, original.port.unwrap_or_default());
        // What is published is as often an address of the router as it is not.
        local = packet.ttl.is_multiple_of(2);
    }
    if local && !is_local(packet.destination) {
        let [v4, v6, _] = addresses_of(any());
        packet.destination = if packet.destination.is_ipv6() { v6 } else { v4 };
    }
    let (user, group) = (None, None);
    // By the class it finds its way.
    let dscp = match packet.dscp {
        0..8 => class(&packet, ground),
        dscp => dscp,
    };
    let (mark, mac) = (0, Some(MAC));
    Packet { mac, mark, dscp, user, group, ..packet }
}

/// A packet of a process of the router.
fn from_process(mut packet: Packet, ground: &Ground, random: &mut Random) -> Packet {
    packet.incoming = None;
    if ground.wire(packet.outgoing.as_deref()).is_none() {
        packet.outgoing = None;
    }
    let [v4, v6, _] = addresses_of(random.index(ground.wires.len()));
    if random.one_in(3) || packet.source.is_unspecified() || packet.source.is_multicast() {
        packet.source = if packet.destination.is_ipv6() { v6 } else { v4 };
    }
    if packet.to_local && !is_local(packet.destination) {
        packet.destination = if packet.destination.is_ipv6() { v6 } else { v4 };
    }
    packet.dscp = match packet.dscp {
        0..8 => class(&packet, ground),
        dscp => dscp,
    };
    packet.user = packet.user.or(Some(Account::Number(0)));
    packet.group = packet.group.or(Some(Account::Number(0)));
    Packet { mac: None, ..packet }
}

/// The class of the wire by which it leaves.
fn class(packet: &Packet, ground: &Ground) -> u8 {
    u8::try_from(ground.wire(packet.outgoing.as_deref()).unwrap_or(0)).expect("few wires")
}

/// The numbers of whose packet it is; `None` when this machine does not know them.
fn account(packet: &Packet) -> Option<ground::Account> {
    let user = match &packet.user {
        Some(Account::Number(number)) => *number,
        Some(Account::Name(name)) => User::from_name(name).ok()??.uid.as_raw(),
        None => 0,
    };
    let group = match &packet.group {
        Some(Account::Number(number)) => *number,
        Some(Account::Name(name)) => Group::from_name(name).ok()??.gid.as_raw(),
        None => 0,
    };
    Some((user, group))
}

pub fn set_port(packet: &mut Packet, port: u16) {
    match &mut packet.payload {
        Payload::Tcp { destination, .. }
        | Payload::Udp { destination, .. }
        | Payload::Sctp { destination, .. } => *destination = port,
        Payload::Icmp { .. } | Payload::Other(_) => {}
    }
}
