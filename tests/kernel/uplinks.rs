//! A machine with two ways to the Internet, and a network behind it.
//!
//! ```text
//!              .-- eth0 "one" eth0 --.
//!      client                          host eth2 ---- server
//!              '-- eth1 "two" eth1 --'
//! ```
//!
//! The client has one address that both uplinks lead to. It drops what comes from an address of the
//! host by the other uplink, as providers do. The host's own routes go by the first uplink; the mark
//! [`FIRST`] or [`SECOND`] under its mask chooses one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use palisade::net::Family;

use crate::load::nft;
use crate::netns::Namespace;
use crate::world::{quiet_namespace, wire};

/// Who has which address, in one family.
#[derive(Clone, Copy)]
pub struct Addresses {
    family: Family,
    pub client: IpAddr,
    /// The host's on each uplink, and the client's there.
    pub host: [IpAddr; 2],
    peer: [IpAddr; 2],
    gateway: IpAddr,
    pub server: IpAddr,
}

pub const V4: Addresses = Addresses {
    family: Family::V4,
    client: v4([198, 51, 100, 9]),
    host: [v4([203, 0, 113, 1]), v4([192, 0, 2, 1])],
    peer: [v4([203, 0, 113, 2]), v4([192, 0, 2, 2])],
    gateway: v4([10, 0, 0, 1]),
    server: v4([10, 0, 0, 2]),
};

pub const V6: Addresses = Addresses {
    family: Family::V6,
    client: v6([0x2001, 0xdb8, 9, 9]),
    host: [v6([0x2001, 0xdb8, 0xa, 1]), v6([0x2001, 0xdb8, 0xb, 1])],
    peer: [v6([0x2001, 0xdb8, 0xa, 2]), v6([0x2001, 0xdb8, 0xb, 2])],
    gateway: v6([0xfd00, 1, 0, 1]),
    server: v6([0xfd00, 1, 0, 2]),
};

/// The marks that choose an uplink.
pub const FIRST: &str = "0x10/0xf0";
pub const SECOND: &str = "0x20/0xf0";

pub struct Uplinks {
    pub client: Namespace,
    pub host: Namespace,
    pub server: Namespace,
}

impl Uplinks {
    /// A world without rules.
    pub fn new() -> Self {
        let [client, host, server] = [(); 3].map(|()| quiet_namespace());
        host.set("net/ipv4/ip_forward", "1");
        host.set("net/ipv6/conf/all/forwarding", "1");
        // A mark chooses the way of answers that the kernel itself makes, too.
        wire(&host, "eth0", &client, "eth0");
        wire(&host, "eth1", &client, "eth1");
        wire(&host, "eth2", &server, "eth0");
        for at in [V4, V6] {
            let (length, full) = match at.family {
                Family::V4 => ("/24", "/32"),
                Family::V6 => ("/64 nodad", "/128 nodad"),
            };
            let family = match at.family {
                Family::V4 => "-4",
                Family::V6 => "-6",
            };
            client.ip(&format!("address add {}{full} dev lo", at.client));
            for (index, (own, peer)) in at.host.iter().zip(at.peer).enumerate() {
                let (link, table) = (format!("eth{index}"), 101 + index);
                let mark = [FIRST, SECOND][index];
                host.ip(&format!("address add {own}{length} dev {link}"));
                client.ip(&format!("address add {peer}{length} dev {link}"));
                // Speaks as the address that is the same by both ways.
                client.ip_of(family, &format!("route add {own} dev {link} src {}", at.client));
                host.ip_of(
                    family,
                    &format!(
                        "route add default via {peer} dev {link} table {table}\n\
                         rule add pref 200 fwmark {mark} lookup {table}"
                    ),
                );
            }
            // What is near is reached directly, whatever the mark.
            host.ip_of(
                family,
                &format!(
                    "rule add pref 100 lookup main suppress_prefixlength 0\n\
                     route add default via {} dev eth0",
                    at.peer[0]
                ),
            );
            host.ip(&format!("address add {}{length} dev eth2", at.gateway));
            server.ip(&format!("address add {}{length} dev eth0", at.server));
            server.ip_of(family, &format!("route add default via {}", at.gateway));
        }
        nft(&client, PROVIDERS).unwrap_or_else(|error| panic!("no providers: {error}"));
        Self { client, host, server }
    }
}

/// Each uplink carries only packets from its own addresses.
const PROVIDERS: &str = "
table inet providers {
    chain arrive {
        type filter hook prerouting priority -400;
        meta l4proto ipv6-icmp accept
        iifname eth0 ip saddr != 203.0.113.0/24 drop
        iifname eth1 ip saddr != 192.0.2.0/24 drop
        iifname eth0 ip6 saddr != 2001:db8:a::/48 drop
        iifname eth1 ip6 saddr != 2001:db8:b::/48 drop
    }
}
";

const fn v4([a, b, c, d]: [u8; 4]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// Three groups of the network and the last one of the host, with zeros between.
const fn v6([a, b, c, host]: [u16; 4]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, host))
}
