//! Sets in the kernel: loaded again and again, asked and filled by real packets.

use std::net::IpAddr;

use palisade::net::Family;

use crate::compiled::{Compiled, policy_with};
use crate::expect::{arrives, silent};
use crate::load::{Variant, members, nft, restore, restore_sets};
use crate::need;
use crate::netns::Namespace;
use crate::probe::Probe::{Tcp, Udp};
use crate::serve::Service;
use crate::world::{V4, V6, World};

const POLICY: &str = "
set blocklist from \"blocklist.netset\"
set banned dynamic timeout 1h
set nets dynamic timeout 1d
drop any from blocklist, banned
drop any from nets
add source to banned tcp 23
add source/24,/64 to nets for 10m udp 161
allow tcp 22, udp 53
";

/// The pc and a neighbour of the client.
const BLOCKED: &str = "10.0.0.3\n198.51.100.64/26\nfd00:1::3 # the pc\n0.0.0.0/30\n";

fn compiled(list: &str) -> Compiled {
    policy_with(POLICY, &[("blocklist.netset", list)])
}

fn load_sets(namespace: &Namespace, compiled: &Compiled) {
    let sets = &compiled.rules.sets;
    restore_sets(namespace, sets).unwrap_or_else(|error| panic!("{error}\n{sets}"));
}

#[test]
fn sets_are_filled_anew_again_and_again() {
    if !need::met() {
        return;
    }
    let (first, second) = (compiled(BLOCKED), compiled("192.0.2.0/24\n10.0.0.3\n::/0\n"));
    for variant in Variant::ALL {
        let namespace = Namespace::new();
        let names = || namespace.output("ipset", &["list", "-n"], "").expect("sets are listed");
        // Before rules use them, and while they do.
        for _ in 0..3 {
            load_sets(&namespace, &first);
        }
        for family in Family::BOTH {
            let rules = first.rules.of(family);
            restore(&namespace, variant, family, rules).expect("the rules load");
        }
        let before = names();
        for _ in 0..3 {
            load_sets(&namespace, &first);
        }
        assert_eq!(
            members(&namespace, "blocklist.v4"),
            ["0.0.0.0/30", "10.0.0.3", "198.51.100.64/26"]
        );
        assert_eq!(members(&namespace, "blocklist.v6"), ["fd00:1::3"]);

        // What rules or people added stays; what is no more in the list goes.
        for (set, entry) in [("banned-1h.v4", "192.0.2.9"), ("nets-1d-n24.v4", "192.0.2.200")] {
            namespace.output("ipset", &["add", set, entry], "").expect("an entry is added");
        }
        // A load that was cut short leaves its set behind.
        let half = "create blocklist.v4.n hash:net family inet maxelem 1000000\n\
                    add blocklist.v4.n 203.0.113.0/24\n";
        restore_sets(&namespace, half).expect("half a load");
        load_sets(&namespace, &second);
        assert_eq!(members(&namespace, "blocklist.v4"), ["10.0.0.3", "192.0.2.0/24"]);
        assert_eq!(members(&namespace, "blocklist.v6"), ["8000::/1", "::/1"]);
        assert_eq!(members(&namespace, "banned-1h.v4"), ["192.0.2.9"]);
        assert_eq!(members(&namespace, "nets-1d-n24.v4"), ["192.0.2.0"]);
        assert_eq!(names(), before, "nothing is left behind");
    }
}

/// Loads a policy into the host of a new world, by one of the tools.
fn world_with(compiled: &Compiled, variant: Option<Variant>) -> World {
    match variant {
        Some(variant) => World::with(&compiled.rules, variant),
        None => {
            let world = World::new();
            let native = compiled.nft.as_deref().expect("nft has words for it");
            nft(&world.host, native).unwrap_or_else(|error| panic!("{error}\n{native}"));
            world
        }
    }
}

/// What a trap or a list has caught is silent; everybody else is served as before.
fn are_asked_and_filled(variant: Option<Variant>) {
    let compiled = compiled(BLOCKED);
    let world = world_with(&compiled, variant);
    let _ssh = Service::tcp(&world.host, 22);
    let _telnet = Service::tcp(&world.host, 23);
    let _dns = Service::udp(&world.host, 53);
    let _snmp = Service::udp(&world.host, 161);
    for at in [V4, V6] {
        silent(&world.pc, &[Tcp(at.gateway, 22), Udp(at.gateway, 53)]);
        arrives(&world.client, Tcp(at.host, 22), at.client);
        silent(&world.client, &[Tcp(at.host, 23)]);
        silent(&world.client, &[Tcp(at.host, 22), Udp(at.host, 53)]);

        arrives(&world.server, Tcp(at.gateway, 22), at.server);
        silent(&world.server, &[Udp(at.gateway, 161)]);
        silent(&world.server, &[Tcp(at.gateway, 22)]);
        if variant.is_some() {
            let name = |set: &str, v4: &str, v6: &str| match at.client {
                IpAddr::V4(_) => format!("{set}{v4}.v4"),
                IpAddr::V6(_) => format!("{set}{v6}.v6"),
            };
            let banned = members(&world.host, &name("banned-1h", "", ""));
            assert_eq!(banned, [at.client.to_string()]);
            let network = match at.server {
                IpAddr::V4(_) => "10.0.0.0",
                IpAddr::V6(_) => "fd00:1::",
            };
            let nets = members(&world.host, &name("nets-1d", "-n24", "-n64"));
            assert_eq!(nets, [network]);
            load_sets(&world.host, &compiled);
            silent(&world.client, &[Tcp(at.host, 22)]);
        }
    }
}

#[test]
fn legacy_rules_ask_and_fill_them() {
    if need::met() {
        are_asked_and_filled(Some(Variant::Legacy));
    }
}

#[test]
fn nft_rules_ask_and_fill_them() {
    if need::met() {
        are_asked_and_filled(Some(Variant::Nft));
    }
}

#[test]
fn native_rules_ask_and_fill_them() {
    if need::met() {
        are_asked_and_filled(None);
    }
}
