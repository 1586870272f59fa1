//! The example policies of whole machines, each held to what it promises in its first line.
//!
//! Every port that must stay closed has a server behind it: only the rules can keep it silent.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use crate::expect::{arrives, echoes, silent};
use crate::load::Variant;
use crate::netns::Namespace;
use crate::probe::Probe::{Echo, Tcp, Udp};
use crate::serve::Service;
use crate::world::{V4, V6, World};
use crate::{compiled, need, others, script};

/// Shows the traffic of an example whose outputs the script beside them loads, by each variant of the
/// tools.
fn holds(example: &str, traffic: impl Fn(&World)) {
    holds_beside(|_, _| {}, example, traffic);
}

/// The same where something is there already.
fn holds_beside(others: impl Fn(&Namespace, Variant), example: &str, traffic: impl Fn(&World)) {
    if !need::met() {
        return;
    }
    let folder = compiled::folder_of_example(example);
    for variant in Variant::ALL {
        println!("loaded by the {variant:?} tools:");
        let world = World::new();
        others(&world.host, variant);
        script::loaded(&world.host, variant, folder.path());
        traffic(&world);
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// The address of host and machine in a third network, in each family.
fn pair(v4: [&str; 2], v6: [&str; 2]) -> [(IpAddr, IpAddr); 2] {
    [v4, v6].map(|[host, own]| (ip(host), ip(own)))
}

#[test]
fn mail_is_handed_over_and_fetched() {
    holds("mail", |world| {
        let open = [22, 25, 587, 465, 143, 993];
        let _open = open.map(|port| Service::tcp(&world.host, port));
        let _shut = [80, 110].map(|port| Service::tcp(&world.host, port));
        for at in [V4, V6] {
            for port in open {
                arrives(&world.client, Tcp(at.host, port), at.client);
            }
            silent(&world.client, &[Tcp(at.host, 80), Tcp(at.host, 110), Echo(at.host)]);
        }
    });
}

#[test]
fn the_bastion_limits_each_source_but_home() {
    holds("bastion", |world| {
        let _ssh = Service::tcp(&world.host, 22);
        let _telnet = Service::tcp(&world.host, 23);
        for (at, other, home) in [
            (V4, "198.51.100.77", "203.0.113.9"),
            // In IPv6 a source is a network of 64 bits.
            (V6, "2001:db8:77::1", "2001:db8:a::9"),
        ] {
            let ssh = Tcp(at.host, 22);
            for _ in 0..5 {
                arrives(&world.client, ssh, at.client);
            }
            silent(&world.client, &[ssh, Tcp(at.host, 23)]);
            world.client_speaks_as(ip(other));
            arrives(&world.client, ssh, ip(other));
            world.client_speaks_as(ip(home));
            for _ in 0..8 {
                arrives(&world.client, ssh, ip(home));
            }
            silent(&world.client, &[Tcp(at.host, 23)]);
        }
    });
}

/// How many of `count` questions, each from a port of its own, are answered.
fn answers(from: &Namespace, to: IpAddr, count: usize) -> usize {
    from.run(|| {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let sockets: Vec<UdpSocket> =
            (0..count).map(|_| UdpSocket::bind(any).expect("a free port")).collect();
        for socket in &sockets {
            socket.connect((to, 53)).expect("a route");
            socket.send(b"?").expect("room for a datagram");
        }
        let patience = Some(Duration::from_secs(1));
        let answered = |socket: &&UdpSocket| {
            socket.set_read_timeout(patience).expect("a socket can be made to wait");
            socket.recv(&mut [0; 64]).is_ok()
        };
        // After the first that was not answered in time, nothing is on its way any more.
        let mut missed = false;
        let waiting = sockets.iter().filter(|socket| {
            socket.set_nonblocking(missed).expect("a socket can be made not to wait");
            let answered = answered(socket);
            missed |= !answered;
            answered
        });
        waiting.count()
    })
}

#[test]
fn the_name_server_answers_each_source_so_often() {
    holds("dns", |world| {
        let _dns = Service::udp(&world.host, 53);
        let _tcp = Service::tcp(&world.host, 53);
        let _ssh = Service::tcp(&world.host, 22);
        for (at, other) in [(V4, "203.0.113.9"), (V6, "2001:db8:a::9")] {
            arrives(&world.client, Tcp(at.host, 53), at.client);
            silent(&world.client, &[Tcp(at.host, 22)]);
            // The bucket of 100 has had one; it fills by one in 20 ms.
            let answered = answers(&world.client, at.host, 400);
            assert!((99..400).contains(&answered), "{answered} answers");
            world.client_speaks_as(ip(other));
            assert_eq!(answers(&world.client, at.host, 90), 90, "to another source");
            arrives(&world.client, Tcp(at.host, 22), ip(other));
        }
    });
}

#[test]
fn the_dmz_stands_between() {
    holds("dmz", |world| {
        let web =
            world.neighbour("eth2", pair(["10.0.1.1", "10.0.1.10"], ["fd00:2::1", "fd00:2::10"]));
        web.ip("address add 10.0.1.25/24 dev eth0\naddress add fd00:2::25/64 dev eth0 nodad");
        world.client.ip(&format!("route add fd00:2::/64 via {}", V6.host));
        let _published = [25, 80, 443].map(|port| Service::tcp(&web, port));
        let _hidden = [22, 8080].map(|port| Service::tcp(&web, port));
        let _office = [22, 80].map(|port| Service::tcp(&world.pc, port));
        let _outside = [80, 4000].map(|port| Service::tcp(&world.client, port));
        let _ssh = Service::tcp(&world.host, 22);
        // Published: IPv4 at the host's address, IPv6 at its own.
        for port in [25, 80, 443] {
            arrives(&world.client, Tcp(V4.host, port), V4.client);
        }
        for (to, port) in [("fd00:2::10", 80), ("fd00:2::10", 443), ("fd00:2::25", 25)] {
            arrives(&world.client, Tcp(ip(to), port), V6.client);
        }
        let shut = [("fd00:2::10", 25), ("fd00:2::25", 80), ("fd00:2::10", 22)];
        silent(&world.client, &shut.map(|(to, port)| Tcp(ip(to), port)));
        silent(&world.client, &[Tcp(V4.host, 22), Tcp(V4.host, 8080), Tcp(V6.pc, 80)]);
        // The office goes everywhere, the DMZ out only, and to nothing but what it needs.
        arrives(&world.pc, Tcp(V4.client, 4000), V4.host);
        arrives(&world.pc, Tcp(ip("10.0.1.10"), 8080), V4.pc);
        arrives(&world.pc, Tcp(ip("fd00:2::10"), 22), V6.pc);
        arrives(&world.pc, Tcp(V4.gateway, 22), V4.pc);
        arrives(&web, Tcp(V4.client, 80), V4.host);
        silent(&web, &[Tcp(V4.client, 4000), Tcp(V4.pc, 22), Tcp(V6.pc, 80), Tcp(V4.gateway, 22)]);
    });
}

#[test]
fn the_public_address_is_reached_from_inside_too() {
    holds("hairpin", |world| {
        let _published = Service::tcp(&world.server, 8443);
        let _outside = Service::tcp(&world.client, 80);
        arrives(&world.client, Tcp(V4.host, 443), V4.client);
        // The server must see the router, or it would answer its neighbour directly.
        arrives(&world.pc, Tcp(V4.host, 443), V4.gateway);
        arrives(&world.server, Tcp(V4.host, 443), V4.gateway);
        // Its own processes ask with the address that they ask for.
        arrives(&world.host, Tcp(V4.host, 443), V4.host);
        arrives(&world.pc, Tcp(V4.client, 80), V4.host);
        world.client_turns_hostile();
        silent(&world.client, &[Tcp(V4.server, 8443), Tcp(V4.host, 8443), Udp(V4.host, 443)]);
        echoes(&world.pc, V4.client);
    });
}

#[test]
fn travellers_come_through_the_tunnel() {
    holds("wireguard", |world| {
        let traveller =
            world.neighbour("wg0", pair(["10.8.0.1", "10.8.0.2"], ["fd00:8::1", "fd00:8::2"]));
        world.client.ip(&format!("route add fd00:8::/64 via {}", V6.host));
        let _tunnel = Service::udp(&world.host, 51820);
        let _own = [22, 7].map(|port| Service::tcp(&world.host, port));
        let _office = Service::tcp(&world.pc, 445);
        let _outside = Service::tcp(&world.client, 80);
        let _shared = Service::tcp(&traveller, 445);
        for (at, gateway, own, outside) in [
            (V4, "10.8.0.1", ip("10.8.0.2"), V4.host),
            (V6, "fd00:8::1", ip("fd00:8::2"), ip("fd00:8::2")),
        ] {
            arrives(&world.client, Udp(at.host, 51820), at.client);
            arrives(&traveller, Tcp(ip(gateway), 22), own);
            arrives(&traveller, Tcp(at.pc, 445), own);
            arrives(&traveller, Tcp(at.client, 80), outside);
            silent(&traveller, &[Tcp(ip(gateway), 7)]);
            silent(&world.pc, &[Tcp(own, 445)]);
            silent(&world.client, &[Tcp(at.host, 22), Tcp(at.host, 7)]);
        }
        silent(&world.client, &[Tcp(ip("fd00:8::2"), 445), Tcp(V6.pc, 445)]);
    });
}

#[test]
fn the_node_serves_its_cluster_beside_kube_proxy() {
    holds_beside(others::build, "kubernetes", |world| {
        let pod = world
            .neighbour("cni0", pair(["10.244.0.1", "10.244.0.2"], ["fd00:244::1", "fd00:244::2"]));
        let cluster = [22, 6443, 10250];
        let _cluster = cluster.map(|port| Service::tcp(&world.host, port));
        let _node_port = [30999, 7].map(|port| Service::tcp(&world.host, port));
        let _behind = Service::tcp(&world.pc, 7);
        for (at, gateway, own) in
            [(V4, "10.244.0.1", ip("10.244.0.2")), (V6, "fd00:244::1", ip("fd00:244::2"))]
        {
            for port in cluster {
                arrives(&world.pc, Tcp(at.gateway, port), at.pc);
            }
            arrives(&world.client, Tcp(at.host, 30999), at.client);
            arrives(&pod, Tcp(ip(gateway), 7), own);
            arrives(&pod, Tcp(at.pc, 7), own);
            silent(&world.client, &cluster.map(|port| Tcp(at.host, port)));
            silent(&world.pc, &[Tcp(at.gateway, 7)]);
        }
    });
}

#[test]
fn the_listed_are_dropped_and_scanners_list_themselves() {
    holds_beside(others::build, "blocklist", |world| {
        let _open = [22, 80].map(|port| Service::tcp(&world.host, port));
        let _trap = [23, 7].map(|port| Service::tcp(&world.host, port));
        for (at, listed, scanner, set) in [
            (V4, "198.51.100.66", "198.51.100.77", "scanners-1h.v4"),
            (V6, "2001:db8:bad::1", "2001:db8:77::1", "scanners-1h.v6"),
        ] {
            arrives(&world.client, Tcp(at.host, 80), at.client);
            arrives(&world.client, Tcp(at.host, 22), at.client);
            silent(&world.client, &[Tcp(at.host, 7)]);
            world.client_speaks_as(ip(listed));
            silent(&world.client, &[Tcp(at.host, 80), Tcp(at.host, 22)]);
            world.client_speaks_as(ip(scanner));
            arrives(&world.client, Tcp(at.host, 80), ip(scanner));
            silent(&world.client, &[Tcp(at.host, 23)]);
            silent(&world.client, &[Tcp(at.host, 80), Tcp(at.host, 22)]);
            let members = world.host.output("ipset", &["list", set], "").expect("the set is there");
            assert!(members.contains(&format!("\n{scanner} timeout ")), "{members}");
            assert!(!members.contains(&format!("\n{listed} ")), "{members}");
        }
    });
}
