//! A machine with Docker: what is published, and who of those outside reaches it.
//!
//! Docker itself is not there, but its rules are (`others`), and a container at the bridge:
//!
//! ```text
//! client ---- eth0 host docker0 ---- container
//! ```
//!
//! Ports 8080 and 8090 are published; in the container they are 80 and 90.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::Duration;

use palisade::net::Family;

use crate::compiled::folder_of_example;
use crate::expect::{arrives, silent};
use crate::load::{Variant, save};
use crate::netns::Namespace;
use crate::probe::Probe::{Tcp, Udp};
use crate::script::{built, loaded};
use crate::serve::Service;
use crate::world::{Addresses, V4, V6, World, quiet_namespace, wire};
use crate::{need, others};

const INSIDE: [(&str, &str); 2] =
    [("172.17.0.1/16", "172.17.0.2/16"), ("fd00:d0c::1/64", "fd00:d0c::2/64")];

struct Docker {
    world: World,
    container: Namespace,
    variant: Variant,
}

impl Docker {
    /// A world with a container behind this bridge and Docker's rules, and no others.
    fn new(bridge: &str, variant: Variant) -> Self {
        Self::publishing(bridge, variant, [])
    }

    /// The same, with other published ports in place of 8080 and 8090.
    fn publishing<const N: usize>(
        bridge: &str,
        variant: Variant,
        ports: [(&str, &str); N],
    ) -> Self {
        let world = World::new();
        let container = quiet_namespace();
        wire(&world.host, "veth0", &container, "eth0");
        world.host.ip(&format!("link add {bridge} up type bridge mcast_snooping 0"));
        world.host.ip(&format!("link set veth0 master {bridge}"));
        for (gateway, address) in INSIDE {
            let nodad = if gateway.contains("::") { "nodad" } else { "" };
            world.host.ip(&format!("address add {gateway} dev {bridge} {nodad}"));
            container.ip(&format!("address add {address} dev eth0 {nodad}"));
            let (gateway, _) = gateway.split_once('/').expect("a prefix");
            container.ip(&format!("route add default via {gateway}"));
        }
        for family in Family::BOTH {
            let rules = others::docker();
            let rules = rules.of(family).replace("docker0", bridge);
            let publish = |rules: String, (port, other): (&str, &str)| {
                rules.replace(&format!("--dport {port} "), &format!("--dport {other} "))
            };
            let rules = ports.into_iter().fold(rules, publish);
            others::add(&world.host, variant, family, &rules);
        }
        Self { world, container, variant }
    }

    fn load(&self, policy: &str) {
        loaded(&self.world.host, self.variant, built(policy).path());
    }

    fn reaches(&self, from: &Namespace, to: IpAddr, port: u16, seen_as: IpAddr) {
        println!("{:?}: {to}:{port}", self.variant);
        arrives(from, Tcp(to, port), seen_as);
    }

    /// What a container begins is nobody's concern here.
    fn containers_go_out(&self) {
        let _service = Service::tcp(&self.world.client, 7);
        let _datagrams = Service::udp(&self.world.client, 7);
        for at in [V4, V6] {
            arrives(&self.container, Tcp(at.client, 7), at.host);
            arrives(&self.container, Udp(at.client, 7), at.host);
        }
    }
}

#[test]
fn what_is_published_follows_the_policy() {
    if !need::met() {
        return;
    }
    for variant in Variant::ALL {
        let docker = Docker::new("docker0", variant);
        let World { client, pc, .. } = &docker.world;
        let _web = Service::tcp(&docker.container, 80);
        let _admin = Service::tcp(&docker.container, 90);
        let both = |at: Addresses| {
            docker.reaches(client, at.host, 8080, at.client);
            docker.reaches(client, at.host, 8090, at.client);
        };
        [V4, V6].into_iter().for_each(both);

        // Docker's own choice, also where the policy says nothing of it and forwards nothing.
        docker.load("preserve docker\n");
        [V4, V6].into_iter().for_each(both);
        docker.containers_go_out();

        docker.load("docker { allow tcp 8080; allow tcp 8090 from 10.0.0.0/24, fd00:1::/64 }\n");
        docker.containers_go_out();
        for at in [V4, V6] {
            docker.reaches(client, at.host, 8080, at.client);
            docker.reaches(pc, at.gateway, 8090, at.pc);
            silent(client, &[Tcp(at.host, 8090)]);
        }

        // The port in the container is not the one that is published.
        docker.load("docker { allow tcp 80, 90 }\n");
        docker.containers_go_out();
        for at in [V4, V6] {
            silent(client, &[Tcp(at.host, 8080), Tcp(at.host, 8090)]);
            silent(pc, &[Tcp(at.gateway, 8090)]);
        }

        docker.load("preserve docker\n");
        [V4, V6].into_iter().for_each(both);
        for family in Family::BOTH {
            let saved = save(&docker.world.host, variant, family);
            assert!(!saved.contains("pal-DOCKER-USER"), "{saved}");
        }
    }
}

#[test]
fn verbs_and_limits_of_docker() {
    if !need::met() {
        return;
    }
    for variant in Variant::ALL {
        let docker = Docker::new("docker0", variant);
        let client = &docker.world.client;
        let _web = Service::tcp(&docker.container, 80);
        let _admin = Service::tcp(&docker.container, 90);
        docker.load(
            "docker { reject tcp 8090 with tcp-reset; drop tcp 8080 sport 1-1023; allow any }\n",
        );
        for at in [V4, V6] {
            docker.reaches(client, at.host, 8080, at.client);
            let refused = Tcp(at.host, 8090).send(client, Duration::from_secs(2));
            assert_eq!(refused, crate::probe::Outcome::Refused);
        }
        docker.load("docker { allow tcp 8080 limit 1/hour burst 2 per source }\n");
        for at in [V4, V6] {
            docker.reaches(client, at.host, 8080, at.client);
            docker.reaches(client, at.host, 8080, at.client);
            silent(client, &[Tcp(at.host, 8080)]);
        }
    }
}

#[test]
fn open_connections_go_on() {
    if !need::met() {
        return;
    }
    for variant in Variant::ALL {
        let docker = Docker::new("docker0", variant);
        docker.load("docker { allow tcp 8080 }\n");
        // Of both families.
        let listen = || TcpListener::bind("[::]:80");
        let listener = docker.container.run(listen).expect("a free port");
        for at in [V4, V6] {
            let connect =
                || TcpStream::connect_timeout(&(at.host, 8080).into(), Duration::from_secs(2));
            let mut near = docker.world.client.run(connect).expect("8080 is allowed");
            let (mut far, _) = listener.accept().expect("it arrived");
            docker.load("docker { allow tcp 1 }\n");
            for end in [&near, &far] {
                end.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket can wait");
            }
            near.write_all(b"there").expect("can be sent");
            far.read_exact(&mut [0; 5]).expect("goes on");
            far.write_all(b"back").expect("can be sent");
            near.read_exact(&mut [0; 4]).expect("goes on");
            silent(&docker.world.client, &[Tcp(at.host, 8080)]);
            docker.load("docker { allow tcp 8080 }\n");
        }
    }
}

#[test]
fn other_bridges_are_named() {
    if !need::met() {
        return;
    }
    for variant in Variant::ALL {
        let docker = Docker::new("br0", variant);
        let client = &docker.world.client;
        let _web = Service::tcp(&docker.container, 80);
        let _admin = Service::tcp(&docker.container, 90);
        docker.load("docker on br0 { allow tcp 8080 }\n");
        docker.containers_go_out();
        for at in [V4, V6] {
            docker.reaches(client, at.host, 8080, at.client);
            silent(client, &[Tcp(at.host, 8090)]);
        }
        // It is not one of the usual names.
        docker.load("docker { allow tcp 8080 }\n");
        docker.reaches(client, V4.host, 8090, V4.client);
    }
}

#[test]
fn the_example_opens_what_its_first_line_says() {
    if !need::met() {
        return;
    }
    let folder = folder_of_example("docker");
    for variant in Variant::ALL {
        let docker = Docker::publishing("docker0", variant, [("8080", "443"), ("8090", "5432")]);
        let World { client, host, .. } = &docker.world;
        let _web = Service::tcp(&docker.container, 80);
        let _database = Service::tcp(&docker.container, 90);
        let _ssh = Service::tcp(host, 22);
        loaded(host, variant, folder.path());
        docker.containers_go_out();
        for (at, admin) in [(V4, "203.0.113.9"), (V6, "2001:db8:a::9")] {
            docker.reaches(client, at.host, 443, at.client);
            silent(client, &[Tcp(at.host, 5432), Tcp(at.host, 22)]);
            let admin: IpAddr = admin.parse().expect("an address");
            docker.world.client_speaks_as(admin);
            docker.reaches(client, at.host, 5432, admin);
            docker.reaches(client, at.host, 22, admin);
        }
    }
}
