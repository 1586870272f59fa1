//! The example policies, each with the traffic it must let through and the traffic it must not.
//!
//! Every port that must stay closed has a server behind it: only the rules can keep it silent.

use crate::expect::{arrives, echoes, silent};
use crate::load::{Rules, Variant};
use crate::probe::Probe::{Echo, Tcp, Udp};
use crate::serve::Service;
use crate::world::{V4, V6, World};
use crate::{compiled, hand, need};

/// A machine that can be reached by ssh and by nothing else.
pub fn ssh_only(rules: &Rules) {
    in_both_variants(rules, |world| {
        let _telnet = Service::tcp(&world.host, 23);
        let _http = Service::tcp(&world.host, 80);
        let _snmp = Service::udp(&world.host, 161);
        let _behind = Service::tcp(&world.server, 22);
        has_ssh(world);
        speaks_itself(world);
        for at in [V4, V6] {
            let closed = [Tcp(at.host, 23), Tcp(at.host, 80), Udp(at.host, 161), Echo(at.host)];
            silent(&world.client, &closed);
            arrives(&world.pc, Tcp(at.server, 22), at.pc);
        }
        // A machine that could forward is still no router.
        world.client_turns_hostile();
        silent(&world.client, &[Tcp(V4.server, 22), Tcp(V6.server, 22)]);
    });
}

/// A web server, with ssh for its administrator.
pub fn web(rules: &Rules) {
    in_both_variants(rules, |world| {
        let _http = Service::tcp(&world.host, 80);
        let _https = Service::tcp(&world.host, 443);
        let _telnet = Service::tcp(&world.host, 23);
        let _quic = Service::udp(&world.host, 443);
        has_ssh(world);
        speaks_itself(world);
        for at in [V4, V6] {
            arrives(&world.client, Tcp(at.host, 80), at.client);
            arrives(&world.client, Tcp(at.host, 443), at.client);
            silent(&world.client, &[Tcp(at.host, 23), Udp(at.host, 443)]);
        }
    });
}

/// A router that hides its network behind eth0 and lets nobody in.
pub fn router(rules: &Rules) {
    in_both_variants(rules, |world| {
        let _ssh = Service::tcp(&world.host, 22);
        let _inside = Service::tcp(&world.pc, 22);
        let _http = Service::tcp(&world.client, 80);
        let _dns = Service::udp(&world.client, 53);
        speaks_itself(world);
        // The server outside saw the router, and its answer found the way back.
        arrives(&world.pc, Tcp(V4.client, 80), V4.host);
        arrives(&world.pc, Udp(V4.client, 53), V4.host);
        // In IPv6 everybody has an address of his own.
        arrives(&world.pc, Tcp(V6.client, 80), V6.pc);
        arrives(&world.pc, Udp(V6.client, 53), V6.pc);
        for at in [V4, V6] {
            echoes(&world.pc, at.client);
            arrives(&world.pc, Tcp(at.gateway, 22), at.pc);
        }
        world.client_turns_hostile();
        for at in [V4, V6] {
            silent(&world.client, &[Tcp(at.host, 22), Tcp(at.pc, 22)]);
        }
    });
}

/// A web server behind the router, seen at the router's address from outside and from inside.
pub fn published(rules: &Rules) {
    in_both_variants(rules, |world| {
        let _https = Service::tcp(&world.server, 8443);
        let _decoy = Service::tcp(&world.host, 8443);
        let _telnet = Service::tcp(&world.host, 23);
        let _outside = Service::tcp(&world.client, 80);
        has_ssh(world);
        speaks_itself(world);
        arrives(&world.pc, Tcp(V4.client, 80), V4.host);
        arrives(&world.pc, Tcp(V6.client, 80), V6.pc);
        arrives(&world.client, Tcp(V4.host, 443), V4.client);
        // Hairpin: the server must see the router, or it would answer the asker directly.
        arrives(&world.pc, Tcp(V4.host, 443), V4.gateway);
        arrives(&world.server, Tcp(V4.host, 443), V4.gateway);
        // The router's own https, at its inner address, is not the published one.
        let _own = Service::tcp(&world.host, 443);
        silent(&world.pc, &[Tcp(V4.gateway, 443), Tcp(V6.gateway, 443)]);
        // Only what was translated may pass, not who asks for the inner address.
        world.client_turns_hostile();
        for at in [V4, V6] {
            arrives(&world.pc, Tcp(at.server, 8443), at.pc);
            let closed = [Tcp(at.host, 8443), Tcp(at.server, 8443), Tcp(at.host, 23)];
            silent(&world.client, &closed);
        }
        silent(&world.client, &[Tcp(V6.host, 443)]);
    });
}

fn has_ssh(world: &World) {
    let _ssh = Service::tcp(&world.host, 22);
    for at in [V4, V6] {
        arrives(&world.client, Tcp(at.host, 22), at.client);
        arrives(&world.host, Tcp(at.localhost, 22), at.localhost);
    }
}

/// What the host asks is answered, also by itself.
fn speaks_itself(world: &World) {
    let _service = Service::tcp(&world.client, 7);
    let _datagrams = Service::udp(&world.client, 7);
    let _own = Service::tcp(&world.host, 7);
    for at in [V4, V6] {
        arrives(&world.host, Tcp(at.client, 7), at.host);
        arrives(&world.host, Udp(at.client, 7), at.host);
        echoes(&world.host, at.client);
        arrives(&world.host, Tcp(at.localhost, 7), at.localhost);
    }
}

fn in_both_variants(rules: &Rules, traffic: impl Fn(&World)) {
    for variant in Variant::ALL {
        // Shown when what follows fails.
        println!("loaded by the {variant:?} tools:");
        traffic(&World::with(rules, variant));
    }
}

#[test]
fn ssh_only_compiled() {
    if need::met() {
        ssh_only(&compiled::example("ssh"));
    }
}

#[test]
fn web_compiled() {
    if need::met() {
        web(&compiled::example("web"));
        // Masquerading opens nothing.
        web(&compiled::example("first"));
    }
}

#[test]
fn router_compiled() {
    if need::met() {
        router(&compiled::example("router"));
    }
}

#[test]
fn published_compiled() {
    if need::met() {
        published(&compiled::example("publish"));
    }
}

#[test]
fn ssh_only_by_hand() {
    if need::met() {
        ssh_only(&hand::ssh_only());
    }
}

#[test]
fn web_by_hand() {
    if need::met() {
        web(&hand::web());
    }
}

#[test]
fn router_by_hand() {
    if need::met() {
        router(&hand::router());
    }
}

#[test]
fn published_by_hand() {
    if need::met() {
        published(&hand::published());
    }
}
