//! A small internet of five namespaces with a firewall in the middle.
//!
//! ```text
//! client ---- eth0 host eth1 ---- switch ---- server
//!                                       `---- pc
//! ```
//!
//! `client` is outside. `host` is the machine under test: it forwards, and has the rules. `server`
//! and `pc` are on one wire, so they reach each other without the host, as in every home network;
//! an answer that should go through the host and does not is then lost, as it is there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use palisade::net::Family;

use crate::load::{Rules, Variant, restore, restore_sets};
use crate::netns::Namespace;

/// Who has which address, in one family.
#[derive(Clone, Copy)]
pub struct Addresses {
    pub client: IpAddr,
    /// The host's address on eth0, towards the client.
    pub host: IpAddr,
    /// The host's address on eth1, the gateway of server and pc.
    pub gateway: IpAddr,
    pub server: IpAddr,
    pub pc: IpAddr,
    /// The host itself, by way of lo.
    pub localhost: IpAddr,
    /// Of the networks on both sides.
    prefix: u8,
    /// All addresses, as a route's destination.
    everywhere: &'static str,
}

/// The client has no route to 10.0.0.0/24: without masquerading its answers get nowhere.
pub const V4: Addresses = Addresses {
    client: v4([198, 51, 100, 2]),
    host: v4([198, 51, 100, 1]),
    gateway: v4([10, 0, 0, 1]),
    server: v4([10, 0, 0, 2]),
    pc: v4([10, 0, 0, 3]),
    localhost: IpAddr::V4(Ipv4Addr::LOCALHOST),
    prefix: 24,
    everywhere: "0.0.0.0/0",
};

/// The client has a route to `fd00:1::/64`: in IPv6 nothing is translated, and only rules protect.
pub const V6: Addresses = Addresses {
    client: v6([0x2001, 0xdb8, 1, 2]),
    host: v6([0x2001, 0xdb8, 1, 1]),
    gateway: v6([0xfd00, 1, 0, 1]),
    server: v6([0xfd00, 1, 0, 2]),
    pc: v6([0xfd00, 1, 0, 3]),
    localhost: IpAddr::V6(Ipv6Addr::LOCALHOST),
    prefix: 64,
    everywhere: "::/0",
};

pub struct World {
    pub client: Namespace,
    pub host: Namespace,
    pub server: Namespace,
    pub pc: Namespace,
    /// Only joins the wires; nothing asks it, but without it they are cut.
    _switch: Namespace,
}

impl World {
    /// A world without rules: everything that has a route arrives.
    pub fn new() -> Self {
        let [client, host, server, pc, switch] = [(); 5].map(|()| quiet_namespace());
        host.set("net/ipv4/ip_forward", "1");
        host.set("net/ipv6/conf/all/forwarding", "1");
        switch.ip("link add lan up type bridge mcast_snooping 0");
        wire(&host, "eth0", &client, "eth0");
        for (machine, interface, port) in
            [(&host, "eth1", "host"), (&server, "eth0", "server"), (&pc, "eth0", "pc")]
        {
            wire(machine, interface, &switch, port);
            switch.ip(&format!("link set {port} master lan"));
        }
        for at in [V4, V6] {
            address(&client, "eth0", at.client, at);
            address(&host, "eth0", at.host, at);
            address(&host, "eth1", at.gateway, at);
            address(&server, "eth0", at.server, at);
            address(&pc, "eth0", at.pc, at);
            for machine in [&server, &pc] {
                machine.ip(&format!("route add {} via {}", at.everywhere, at.gateway));
            }
        }
        client.ip(&format!("route add fd00:1::/64 via {}", V6.host));
        Self { client, host, server, pc, _switch: switch }
    }

    /// A world whose host has these rules.
    pub fn with(rules: &Rules, variant: Variant) -> Self {
        let world = Self::new();
        restore_sets(&world.host, &rules.sets)
            .unwrap_or_else(|error| panic!("the sets are refused: {error}\n{}", rules.sets));
        for family in Family::BOTH {
            restore(&world.host, variant, family, rules.of(family)).unwrap_or_else(|error| {
                panic!("{variant:?} refuses the {family:?} rules: {error}\n{}", rules.of(family))
            });
        }
        world
    }

    /// One more machine, on a wire of its own to `interface` of the host. `addresses` are those of
    /// host and machine in each family; everything else is behind the host for it.
    pub fn neighbour(&self, interface: &str, addresses: [(IpAddr, IpAddr); 2]) -> Namespace {
        let machine = quiet_namespace();
        wire(&self.host, interface, &machine, "eth0");
        for (at, (host, own)) in [V4, V6].into_iter().zip(addresses) {
            address(&self.host, interface, host, at);
            address(&machine, "eth0", own, at);
            machine.ip(&format!("route add {} via {host}", at.everywhere));
        }
        machine
    }

    /// Gives the client one more address, which it speaks with from now on.
    pub fn client_speaks_as(&self, own: IpAddr) {
        let at = if own.is_ipv4() { V4 } else { V6 };
        let full = if own.is_ipv4() { "32" } else { "128" };
        self.client.ip(&format!(
            "address add {own}/{full} dev eth0 {}\nroute replace {host}/{full} dev eth0 src {own}",
            if own.is_ipv4() { "" } else { "nodad" },
            host = at.host
        ));
        self.host.ip(&format!("route replace {own}/{full} dev eth0"));
    }

    /// Makes the client send packets for private addresses to the host, as a neighbour on the
    /// provider's wire can: that they are not routed outside protects nobody.
    pub fn client_turns_hostile(&self) {
        self.client.ip(&format!("route add 10.0.0.0/24 via {}", V4.host));
    }
}

/// A namespace where nothing waits and nothing but rules decides.
///
/// Interfaces copy `default` when they appear, so this stands before the first.
pub fn quiet_namespace() -> Namespace {
    let namespace = Namespace::new();
    for scope in ["all", "default"] {
        namespace.set(&format!("net/ipv4/conf/{scope}/rp_filter"), "0");
        // No pause until an address is known to be nobody else's.
        namespace.set(&format!("net/ipv6/conf/{scope}/accept_dad"), "0");
    }
    // Echo requests from a plain socket, by the group root.
    namespace.set("net/ipv4/ping_group_range", "0 0");
    namespace
}

/// A cable between two namespaces, up on both ends.
pub fn wire(one: &Namespace, interface: &str, other: &Namespace, port: &str) {
    let (path, name) = (other.path(), interface);
    one.ip(&format!("link add {name} type veth peer name {port} netns {path}"));
    one.ip(&format!("link set {name} up"));
    other.ip(&format!("link set {port} up"));
}

fn address(namespace: &Namespace, interface: &str, address: IpAddr, network: Addresses) {
    let nodad = if address.is_ipv6() { "nodad" } else { "" };
    let prefix = network.prefix;
    namespace.ip(&format!("address add {address}/{prefix} dev {interface} {nodad}"));
}

const fn v4([a, b, c, d]: [u8; 4]) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// Three groups of the network and the last one of the host, with zeros between.
const fn v6([a, b, c, host]: [u16; 4]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, host))
}
