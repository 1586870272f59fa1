//! A proving ground: a router with eight interfaces, a place from where any packet can be sent to any of
//! them, and a diary of what the router does with it.
//!
//! Each wire ends in `outside`, whose raw sockets write whole packets; sockets of the router itself send
//! what comes from a process there. A packet leaves the router by the wire that its class names, so that
//! every pair of interfaces can be tried with every destination.
//!
//! The diary is written by the kernel's own log of packets, one entry a place: where a packet comes in
//! ([`Place::Entered`]), behind the translation of its destination and the choice of its way
//! ([`Place::Asked`]), before the filter ([`Place::Changed`]), behind all chains ([`Place::Passed`]);
//! what rules under test log is written into the same, and what the router answers. So the entries stand
//! in the order in which things happen, and nobody waits for a silence: what is not in the diary when
//! the last packet of a batch is, did not happen. Behind the last chain each packet ends, before its
//! connection is remembered; so packets have nothing to do with each other, and no answer is ever sent.
//! Only those that are meant to last ([`Wrapping::Lasting`]) go on: their connection is remembered as they
//! opened it, and what the router sends to itself comes in again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt,
};
use nix::unistd::{Gid, Pid, Uid, setfsgid, setfsuid};
use palisade::net::{CtState, Family, Mac};
use palisade::packet::Packet;

use crate::craft::{self, Marks};
use crate::diary::{Entry, Place, entry};
use crate::load::nft;
use crate::netlink::{Message, Netlink};
use crate::netns::Namespace;
use crate::{tracked, wrap};

/// The wires that most policies name.
pub const USUAL: [&str; 8] = ["eth0", "eth1", "eth2", "wlan", "wlan7", "wg", "wg7", "other7"];

/// The addresses of the router, three a wire.
const ADDRESSES: [[&str; 3]; 8] = [
    ["203.0.113.7", "2001:db8::7", "fe80::1"],
    ["10.0.0.1", "fd00:1::1", "fe80::2"],
    ["192.0.2.1", "2001:db8:2::1", "fe80::3"],
    ["10.0.0.200", "fd00:1::c8", "fe80::4"],
    ["10.9.0.1", "fd00:9::1", "fe80::5"],
    ["10.20.0.1", "fd00:20::1", "fe80::6"],
    ["10.20.1.1", "fd00:20:0:1::1", "fe80::7"],
    ["172.16.0.1", "fd00:77::1", "fe80::8"],
];

/// The number of the router's first wire.
const FIRST: usize = 100;

/// Of all wires on both ends: a packet is then for who gets it, without a question.
pub const MAC: Mac = Mac([0, 0x16, 0x3e, 0, 0, 1]);

/// Who sends a packet from the router, by numbers.
pub type Account = (u32, u32);

pub struct Ground {
    pub router: Namespace,
    pub wires: [String; 8],
    _outside: Namespace,
    /// By wire, of both families.
    outside: Vec<[UdpSocket; 2]>,
    /// Of the router's own processes: by wire, family and account.
    inside: RefCell<BTreeMap<(usize, bool, Account), UdpSocket>>,
    diary: Netlink,
    kernel: Netlink,
    cookies: Cell<u16>,
}

/// How a packet is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    Whole,
    /// In two fragments.
    Parted,
    /// With a wrong checksum.
    Torn,
    /// Whole, and nothing takes it away at the end.
    Lasting,
}

impl Ground {
    pub fn new(wires: [String; 8]) -> Self {
        let [router, outside] = [(); 2].map(|()| quiet());
        router.set("net/ipv4/ip_forward", "1");
        router.set("net/ipv6/conf/all/forwarding", "1");
        for (parameter, value) in ROUTER {
            router.set(parameter, value);
        }
        for (index, name) in wires.iter().enumerate() {
            router.ip(&wire_of_router(name, FIRST + index, &outside.path()));
        }
        let up = |name: &String| format!("link set {name} arp off up\n");
        outside.ip(&wires.each_ref().map(up).concat());
        for (index, (name, addresses)) in wires.iter().zip(ADDRESSES).enumerate() {
            router.ip(&addresses.map(|address| address_of_router(name, address)).concat());
            // Class 0 is that of every packet which no rule speaks of.
            let table = if index == 0 { 254 } else { 100 + index };
            let class = class(index);
            let ways = format!(
                "route add default dev {name} table {table}\n\
                 rule add tos {class:#x} lookup {table}\n"
            );
            let back = format!("route add default dev {name} metric {table}\n");
            for family in ["-4", "-6"] {
                router.ip_of(family, &ways);
                outside.ip_of(family, &back);
            }
        }
        await_addresses(&router);
        nft(&outside, DEAF).unwrap_or_else(|error| panic!("outside hears: {error}"));
        let (diary, kernel) = router.run(|| (Netlink::new(), Netlink::new()));
        diary.tell(Message::new(LOGS, CONFIGURE, false, 0, 0).with(1, &[1]));
        // Whole packets as far as anybody looks at them, each at once.
        let copies = [&128_u32.to_be_bytes()[..], &[2, 0]].concat();
        let how = Message::new(LOGS, CONFIGURE, false, 0, 0).with(2, &copies);
        diary.tell(how.with(5, &1_u32.to_be_bytes()));
        nft(&router, &observer()).unwrap_or_else(|error| panic!("no observer: {error}"));
        let sockets =
            outside.run(|| wires.each_ref().map(|name| Family::BOTH.map(|of| wire(name, of))));
        Self {
            router,
            wires,
            _outside: outside,
            outside: sockets.into(),
            inside: RefCell::default(),
            diary,
            kernel,
            cookies: Cell::new(0),
        }
    }

    /// The mark of the next packet: no other had it for a long time.
    pub fn cookie(&self) -> u16 {
        // 0 is no mark.
        let next = self.cookies.get() % u16::MAX + 1;
        self.cookies.set(next);
        next
    }

    /// Sends a packet to its incoming interface, or from the router, marked with a cookie. Some cannot be
    /// sent at all, and are then in no diary.
    pub fn send(&self, packet: &Packet, account: Account, cookie: u16, wrapping: Wrapping) {
        let to = SocketAddr::new(packet.destination, 0);
        let leaves = self.wire(packet.outgoing.as_deref()).unwrap_or(0);
        let class = if packet.dscp < 8 { class(leaves) } else { packet.dscp << 2 };
        let lasting = if wrapping == Wrapping::Lasting { LASTING } else { 0 };
        let mut bytes = craft::bytes(packet, Marks { cookie, class: class | lasting });
        if wrapping == Wrapping::Torn {
            wrap::tear(&mut bytes, packet);
        }
        let parts = match wrapping {
            Wrapping::Parted => wrap::parts(&bytes),
            Wrapping::Whole | Wrapping::Torn | Wrapping::Lasting => vec![bytes],
        };
        let is_v6 = packet.destination.is_ipv6();
        match self.wire(packet.incoming.as_deref()) {
            Some(from) => {
                let socket = &self.outside[from][usize::from(is_v6)];
                for bytes in &parts {
                    let _ = socket.send_to(bytes, to);
                }
            }
            None => {
                let mut inside = self.inside.borrow_mut();
                let socket = inside
                    .entry((usize::from(class), is_v6, account))
                    .or_insert_with(|| self.process(class, is_v6, account));
                let _ = setsockopt(socket, sockopt::Mark, &packet.mark);
                for bytes in &parts {
                    let _ = socket.send_to(bytes, to);
                }
            }
        }
    }

    /// A socket of a process on the router, which sends by the wire of a class.
    fn process(&self, class: u8, is_v6: bool, (user, group): Account) -> UdpSocket {
        self.router.run(|| {
            // These are of this thread only, which ends here.
            setfsgid(Gid::from_raw(group));
            setfsuid(Uid::from_raw(user));
            let family = if is_v6 { Family::V6 } else { Family::V4 };
            let socket = raw(family);
            let class = i32::from(class);
            match family {
                Family::V4 => setsockopt(&socket, sockopt::Ipv4Tos, &class),
                Family::V6 => setsockopt(&socket, sockopt::Ipv6TClass, &class),
            }
            .expect("a socket has a class");
            socket
        })
    }

    /// Tells the kernel of connections.
    pub fn know(&self, tell: impl FnOnce(&Netlink)) {
        tell(&self.kernel);
        // What it cannot know of is as if nobody had told.
        let mut buffer = vec![0; 1 << 16];
        while self.kernel.heard(&mut buffer, |_, _| {}).is_err() {}
    }

    pub fn forget(&self) {
        self.know(tracked::forget);
    }

    /// What the diary has since it was last read, when all is in it.
    pub fn read(&self) -> Vec<Entry> {
        // The last of a batch comes in last.
        let _ = self.outside[0][0].send_to(&wrap::end(), SocketAddr::new(wrap::END.into(), 0));
        let mut entries = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        let begun = Instant::now();
        let mut is_whole = false;
        while !is_whole {
            let heard = self.diary.heard(&mut buffer, |_, body| {
                let Some(entry) = entry(body, |number| self.name(number)) else { return };
                is_whole |= entry.place == Place::End;
                entries.push(entry);
            });
            heard.unwrap_or_else(|error| panic!("pages of the diary are lost: {error}"));
            if !is_whole {
                assert!(begun.elapsed() < Duration::from_secs(20), "the diary has no end");
                thread::sleep(Duration::from_micros(50));
            }
        }
        entries
    }

    fn name(&self, index: u32) -> Option<String> {
        let wire = usize::try_from(index).ok()?.checked_sub(FIRST);
        match wire {
            Some(wire) => self.wires.get(wire).cloned(),
            None => Some("lo".to_owned()),
        }
    }

    pub fn wire(&self, name: Option<&str>) -> Option<usize> {
        self.wires.iter().position(|wire| Some(wire.as_str()) == name)
    }
}

/// The bit of the class that a packet has which is meant to last: that its sender would hear of full
/// queues, as nothing here asks.
const LASTING: u8 = 1;

/// Waits until all addresses are in force: on IPv6 they are not at once.
fn await_addresses(router: &Namespace) {
    let all = ADDRESSES.as_flattened().iter().filter(|text| text.contains(':'));
    let lines: Vec<String> = all.map(|text| format!("local {text} dev ")).collect();
    for _ in 0..1_000 {
        let known = router.output("ip", &["-6", "route", "show", "table", "local"], "");
        let known = known.expect("routes can be listed");
        if lines.iter().all(|line| known.contains(line)) {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the router has not all of its addresses");
}

/// The addresses of the router on a wire.
pub fn addresses_of(wire: usize) -> [IpAddr; 3] {
    ADDRESSES[wire].map(|text| text.parse().expect("an address"))
}

/// Whether an address is the router's.
pub fn is_local(address: IpAddr) -> bool {
    let is_loopback = address.is_loopback();
    is_loopback || (0..ADDRESSES.len()).any(|wire| addresses_of(wire).contains(&address))
}

/// Keeps this thread on one processor, so that packets come in in the order in which they are sent.
pub fn stay(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor).expect("there are not so many");
    sched_setaffinity(Pid::from_raw(0), &set).expect("a thread may stay where it is");
}

/// The type of service that chooses the wire on which a packet leaves: bits that IPv4 looks at for a
/// route, none of which says that a queue was full.
fn class(wire: usize) -> u8 {
    u8::try_from(wire * 4).expect("few wires")
}

fn quiet() -> Namespace {
    let namespace = Namespace::new();
    for scope in ["all", "default"] {
        namespace.set(&format!("net/ipv4/conf/{scope}/rp_filter"), "0");
        namespace.set(&format!("net/ipv6/conf/{scope}/accept_dad"), "0");
        namespace.set(&format!("net/ipv6/conf/{scope}/accept_ra"), "0");
        namespace.set(&format!("net/ipv6/conf/{scope}/router_solicitations"), "0");
    }
    // No address of its own making.
    namespace.set("net/ipv6/conf/default/addr_gen_mode", "1");
    namespace
}

/// Logs of rules go to whoever reads the diary; every reject is answered; a segment of an established
/// connection need not be in its window.
const ROUTER: [(&str, &str); 7] = [
    ("net/netfilter/nf_log/2", "nfnetlink_log"),
    ("net/netfilter/nf_log/10", "nfnetlink_log"),
    ("net/ipv4/icmp_ratemask", "0"),
    ("net/ipv4/icmp_ratelimit", "0"),
    ("net/ipv6/icmp/ratelimit", "0"),
    // Only of the type that nobody sends.
    ("net/ipv6/icmp/ratemask", "255"),
    ("net/netfilter/nf_conntrack_tcp_be_liberal", "1"),
];

/// An interface of the router that needs to ask nobody for the address of the other end.
fn wire_of_router(name: &str, index: usize, other: &str) -> String {
    let end = format!("{name} address {MAC}");
    format!(
        "link add {end} index {index} type veth peer name {end} netns {other}\n\
         link set {name} arp off up\n"
    )
}

fn address_of_router(name: &str, address: &str) -> String {
    let (length, flags) = if address.contains(':') { (128, "nodad") } else { (32, "") };
    format!("address add {address}/{length} dev {name} {flags}\n")
}

/// A socket that writes whole packets.
fn raw(family: Family) -> UdpSocket {
    let family = match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw);
    let socket = socket.expect("root may write raw packets");
    setsockopt(&socket, sockopt::Broadcast, &true).expect("a socket may broadcast");
    // Only its sending is used, which is the same for every socket of datagrams.
    UdpSocket::from(socket)
}

/// The same that writes to one wire.
fn wire(wire: &str, family: Family) -> UdpSocket {
    let socket = raw(family);
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(wire)).expect("the wire is there");
    socket
}

const LOGS: u8 = 4;
const CONFIGURE: u8 = 1;

/// Outside answers nothing, not even its own packets that it looped back.
const DEAF: &str = "
table inet deaf {
    chain ears { type filter hook prerouting priority -500; policy drop; }
}
";

/// The table that writes the diary.
fn observer() -> String {
    let states = CtState::ALL.map(|state| {
        let name = state.name();
        format!("ct state {name} log prefix \"@asked {name}\" group 0\n")
    });
    // A map keeps what it had first, so what comes in again is noted in others.
    let again = CONNECTION.replace("connection {", "looped {").replace("@marks", "@again");
    let maps = MAPS.replace("map marks", "map again");
    let all = [MAPS, &maps, CONNECTION, &again].concat();
    OBSERVER.replace("STATES", &states.concat()).replace("CONNECTION", &all)
}

const MAPS: &str = "
    map marks4 { typeof ip id : meta mark; flags dynamic; size 65535; timeout 2s; }
    map marks6 { typeof ip6 flowlabel : meta mark; flags dynamic; size 65535; timeout 2s; }
";

// The mark of a connection shows as that of the packet, which gets its own back.
const CONNECTION: &str = r#"
    chain connection {
        update @marks4 { ip id : meta mark }
        update @marks6 { ip6 flowlabel : meta mark }
        meta mark set ct mark
        log prefix "@connection" group 0
        meta mark set ip id map @marks4
        meta mark set ip6 flowlabel map @marks6
    }
"#;

const OBSERVER: &str = "
table inet observer {
    CONNECTION
    chain asked {
        STATES
    }
    chain changed {
        log prefix \"@changed\" group 0
        ct mark != 0 iifname != lo jump connection
        ct mark != 0 iifname lo jump looped
    }
    chain entered {
        type filter hook prerouting priority -1000;
        ip ecn ce ip protocol 253 log prefix \"@end\" group 0 drop
        log prefix \"@entered\" group 0
    }
    chain input_first { type filter hook input priority -10000; jump asked; }
    chain forward_first { type filter hook forward priority -10000; jump asked; }
    chain input_changed { type filter hook input priority -99; jump changed; }
    chain forward_changed { type filter hook forward priority -99; jump changed; }
    chain sent {
        type filter hook output priority -10000;
        meta skuid 0-4294967295 log prefix \"@entered\" group 0 accept
        log prefix \"@answer\" group 0
        drop
    }
    chain output_changed { type filter hook output priority -50; jump asked; jump changed; }
    chain last {
        log prefix \"@passed\" group 0
        ip ecn ect1 accept
        ip6 ecn ect1 accept
        drop
    }
    chain input_last { type filter hook input priority 10000; jump last; }
    chain postrouting_last { type filter hook postrouting priority 10000; jump last; }
}
";
