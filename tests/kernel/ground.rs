//! A proving ground: a router with many interfaces, and a place from where any packet can be sent
//! to any of them.
//!
//! Each wire ends in `outside`, whose raw sockets write whole packets. A packet leaves the router
//! by the wire that its class names, so that every pair of interfaces can be tried with every
//! destination. The router writes down who comes by, in sets of an nft table of its own: first of
//! all chains (`asked`, with what the packet looks like by then), behind those that change packets
//! (`changed`), and after all chains (`passed`).
//! There each packet ends, before its connection is remembered; so packets have nothing to do with
//! each other, and no answer is ever sent.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt,
};
use palisade::net::{CtState, Dscp, Family, Mac};
use palisade::packet::Packet;
use serde_json::Value;

use crate::craft::{self, Marks};
use crate::load::nft;
use crate::netns::Namespace;
use crate::world::quiet_namespace;

/// The interfaces of the router and its addresses there.
pub const LINKS: [(&str, [&str; 3]); 8] = [
    ("eth0", ["203.0.113.7", "2001:db8::7", "fe80::1"]),
    ("eth1", ["10.0.0.1", "fd00:1::1", "fe80::2"]),
    ("eth2", ["192.0.2.1", "2001:db8:2::1", "fe80::3"]),
    ("wlan", ["10.0.0.200", "fd00:1::c8", "fe80::4"]),
    ("wlan7", ["10.9.0.1", "fd00:9::1", "fe80::5"]),
    ("wg", ["10.20.0.1", "fd00:20::1", "fe80::6"]),
    ("wg7", ["10.20.1.1", "fd00:20:0:1::1", "fe80::7"]),
    ("other7", ["172.16.0.1", "fd00:77::1", "fe80::8"]),
];

/// Of all wires on both ends: a packet is then for who gets it, without a question.
pub const MAC: Mac = Mac([0, 0x16, 0x3e, 0, 0, 1]);

pub struct Ground {
    pub router: Namespace,
    _outside: Namespace,
    /// By wire, of both families.
    sockets: Vec<[UdpSocket; 2]>,
}

/// What became of a packet in the router.
#[derive(Debug, Default, Clone)]
pub struct Sighting {
    pub asked: Option<Asked>,
    pub changed: Changed,
    /// The source with which it was let through all chains.
    pub passed: Option<IpAddr>,
}

/// A packet before the first filter chain.
#[derive(Debug, Clone)]
pub struct Asked {
    pub state: CtState,
    /// Where it is to leave; `None` when it is for the router itself.
    pub outgoing: Option<String>,
    pub destination: IpAddr,
}

/// What the chains before the filter made of a packet.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    pub mark: u32,
    /// 0 too where it has no connection.
    pub connection_mark: u32,
    pub dscp: u8,
}

impl Ground {
    pub fn new() -> Self {
        let [router, outside] = [(); 2].map(|()| quiet_namespace());
        router.set("net/ipv4/ip_forward", "1");
        router.set("net/ipv6/conf/all/forwarding", "1");
        for namespace in [&router, &outside] {
            // No address of its own making.
            namespace.set("net/ipv6/conf/default/addr_gen_mode", "1");
        }
        router.ip(&LINKS.map(|(name, _)| wire_of_router(name, &outside.path())).concat());
        outside.ip(&LINKS.map(|(name, _)| format!("link set {name} arp off up\n")).concat());
        for (index, (name, addresses)) in LINKS.iter().enumerate() {
            router.ip(&addresses.map(|address| address_of_router(name, address)).concat());
            // Class 0 is that of every packet which no rule speaks of.
            let table = if index == 0 { 254 } else { 100 + index };
            let class = class(Some(name));
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
        nft(&outside, DEAF).unwrap_or_else(|error| panic!("outside hears: {error}"));
        nft(&router, OBSERVER).unwrap_or_else(|error| panic!("no observer: {error}"));
        let sockets = outside.run(|| LINKS.map(|(name, _)| Family::BOTH.map(|of| raw(name, of))));
        Self { router, _outside: outside, sockets: sockets.into() }
    }

    /// Sends a packet to its incoming interface, marked with a cookie. Some cannot be sent at all,
    /// and are then never asked about.
    pub fn send(&self, packet: &Packet, cookie: u16) {
        let from = wire(packet.incoming.as_deref()).expect("a packet comes from a wire");
        let class = class(packet.outgoing.as_deref());
        let bytes = craft::bytes(packet, Marks { cookie, class });
        let socket = &self.sockets[from][usize::from(packet.destination.is_ipv6())];
        let _ = socket.send_to(&bytes, SocketAddr::new(packet.destination, 0));
    }

    /// Makes an address one of the router's own, or no longer. (That of an interface is not in force at
    /// once.)
    pub fn own(&self, address: IpAddr, own: bool) {
        let (family, length) = if address.is_ipv6() { ("-6", 128) } else { ("-4", 32) };
        let act = if own { "add" } else { "del" };
        let route = format!("route {act} local {address}/{length} dev lo table local\n");
        self.router.ip_of(family, &route);
    }

    /// All that was seen, by family and cookie.
    pub fn seen(&self) -> BTreeMap<(Family, u16), Sighting> {
        let listed =
            self.router.output("nft", &["--json", "list", "table", "inet", "observer"], "");
        let listed: Value =
            serde_json::from_str(&listed.expect("the table is there")).expect("nft writes JSON");
        let mut seen: BTreeMap<(Family, u16), Sighting> = BTreeMap::new();
        for set in listed["nftables"].as_array().into_iter().flatten().map(|entry| &entry["set"]) {
            let name = set["name"].as_str().unwrap_or_default();
            for element in set["elem"].as_array().into_iter().flatten() {
                let parts = &element["concat"];
                let text = |index: usize| parts[index].as_str().unwrap_or_default();
                let number = |index: usize| {
                    let number =
                        parts[index].as_u64().and_then(|number| u32::try_from(number).ok());
                    number.unwrap_or_else(|| panic!("{element} is no sighting"))
                };
                // In IPv6 it may be a whole word that ends in the flow label.
                let cookie = u16::try_from(number(0) & 0xffff).expect("16 bits");
                let address: IpAddr = text(1).parse().expect("an address");
                let sighting = seen.entry((Family::of(address), cookie)).or_default();
                if name.starts_with("asked") {
                    let state = CtState::from_name(text(2)).expect("a state");
                    let outgoing = Some(text(3).to_owned()).filter(|name| !name.is_empty());
                    sighting.asked = Some(Asked { state, outgoing, destination: address });
                } else if name.starts_with("changed") {
                    sighting.changed.mark = number(2);
                    sighting.changed.dscp = match address {
                        IpAddr::V4(_) => class_of(&parts[3]),
                        IpAddr::V6(_) => u8::try_from(number(0) >> 22 & 0x3f).ok(),
                    }
                    .unwrap_or_else(|| panic!("{element} has no class"));
                } else if name.starts_with("connection") {
                    sighting.changed.connection_mark = number(2);
                } else {
                    sighting.passed = Some(address);
                }
            }
        }
        seen
    }
}

/// A class as nft writes it: by name, where it has one.
fn class_of(value: &Value) -> Option<u8> {
    match value.as_str() {
        // Its own word for `le`.
        Some("lephb") => Some(1),
        Some(name) => Dscp::from_name(name).map(Dscp::code),
        None => u8::try_from(value.as_u64()?).ok(),
    }
}

/// Whether an address is the router's.
pub fn is_local(address: IpAddr) -> bool {
    let own = |text: &str| text.parse() == Ok(address);
    LINKS.iter().any(|(_, addresses)| addresses.iter().any(|text| own(text)))
}

fn wire(name: Option<&str>) -> Option<usize> {
    LINKS.iter().position(|(link, _)| Some(*link) == name)
}

/// The type of service that chooses the wire on which a packet leaves: bits that IPv4 looks at for a
/// route, none of which says that a queue was full.
pub fn class(outgoing: Option<&str>) -> u8 {
    u8::try_from(wire(outgoing).unwrap_or(0) * 4).expect("few wires")
}

/// An interface of the router that needs to ask nobody for the address of the other end.
fn wire_of_router(name: &str, other: &str) -> String {
    let end = format!("{name} address {MAC}");
    format!("link add {end} type veth peer name {end} netns {other}\nlink set {name} arp off up\n")
}

fn address_of_router(name: &str, address: &str) -> String {
    let (length, flags) = if address.contains(':') { (128, "nodad") } else { (32, "") };
    format!("address add {address}/{length} dev {name} {flags}\n")
}

/// A socket that writes whole packets to one wire.
fn raw(wire: &str, family: Family) -> UdpSocket {
    let family = match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    };
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw);
    let socket = socket.expect("root may write raw packets");
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(wire)).expect("the wire is there");
    setsockopt(&socket, sockopt::Broadcast, &true).expect("a socket may broadcast");
    // Only its sending is used, which is the same for every socket of datagrams.
    UdpSocket::from(socket)
}

/// Outside answers nothing, not even its own packets that it looped back.
const DEAF: &str = "
table inet deaf {
    chain ears { type filter hook prerouting priority -500; policy drop; }
}
";

// nft 1.0.6 takes the class of IPv6 for a key in the wrong byte order, so there the whole first word
// of the header is kept: version, class and flow label.
const OBSERVER: &str = "
table inet observer {
    set asked4 { typeof ip id . ip daddr . ct state . meta oifname; flags dynamic; size 65535; }
    set asked6 { typeof ip6 flowlabel . ip6 daddr . ct state . meta oifname; flags dynamic; size 65535; }
    set changed4 { typeof ip id . ip saddr . meta mark . ip dscp; flags dynamic; size 65535; }
    set changed6 { typeof @nh,0,32 . ip6 saddr . meta mark; flags dynamic; size 65535; }
    set connection4 { typeof ip id . ip saddr . ct mark; flags dynamic; size 65535; }
    set connection6 { typeof ip6 flowlabel . ip6 saddr . ct mark; flags dynamic; size 65535; }
    set passed4 { typeof ip id . ip saddr; flags dynamic; size 65535; }
    set passed6 { typeof ip6 flowlabel . ip6 saddr; flags dynamic; size 65535; }
    chain asked {
        update @asked4 { ip id . ip daddr . ct state . meta oifname }
        update @asked6 { ip6 flowlabel . ip6 daddr . ct state . meta oifname }
    }
    chain changed {
        update @changed4 { ip id . ip saddr . meta mark . ip dscp }
        update @changed6 { @nh,0,32 . ip6 saddr . meta mark }
        update @connection4 { ip id . ip saddr . ct mark }
        update @connection6 { ip6 flowlabel . ip6 saddr . ct mark }
    }
    chain passed {
        update @passed4 { ip id . ip saddr }
        update @passed6 { ip6 flowlabel . ip6 saddr }
        drop
    }
    chain input_first { type filter hook input priority -10000; jump asked; }
    chain forward_first { type filter hook forward priority -10000; jump asked; }
    chain input_changed { type filter hook input priority -100; jump changed; }
    chain forward_changed { type filter hook forward priority -100; jump changed; }
    chain input_last { type filter hook input priority 10000; jump passed; }
    chain postrouting_last { type filter hook postrouting priority 10000; jump passed; }
    chain silence { type filter hook output priority -10000; drop; }
}
";
