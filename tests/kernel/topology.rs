//! The world without rules: what the examples find closed is closed by rules alone.

use crate::expect::{arrives, echoes, silent};
use crate::need;
use crate::probe::Probe::{Echo, Tcp, Udp};
use crate::serve::Service;
use crate::world::{V4, V6, World};

#[test]
fn without_rules_everything_with_a_route_arrives() {
    if !need::met() {
        return;
    }
    let world = World::new();
    let _telnet = Service::tcp(&world.host, 23);
    let _snmp = Service::udp(&world.host, 161);
    let _inside = Service::tcp(&world.server, 22);
    let _outside = Service::tcp(&world.client, 80);
    for at in [V4, V6] {
        arrives(&world.client, Tcp(at.host, 23), at.client);
        arrives(&world.client, Udp(at.host, 161), at.client);
        echoes(&world.client, at.host);
        arrives(&world.pc, Tcp(at.gateway, 23), at.pc);
        arrives(&world.pc, Tcp(at.server, 22), at.pc);
    }
    arrives(&world.client, Tcp(V6.server, 22), V6.client);
    arrives(&world.pc, Tcp(V6.client, 80), V6.pc);
    // The client cannot answer a private address, so this needs masquerading.
    silent(&world.pc, &[Tcp(V4.client, 80), Echo(V4.client)]);
    world.client_turns_hostile();
    arrives(&world.client, Tcp(V4.server, 22), V4.client);
}
