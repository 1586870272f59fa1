//! Statements that change packets, seen in the packets: marks choose the way, sticky marks keep it,
//! segments and classes arrive as they were set.

use crate::compiled::{self, Compiled};
use crate::expect::{arrives, silent};
use crate::eyes::{Sight, arriving, seen};
use crate::load::{Variant, nft, restore};
use crate::need;
use crate::netns::Namespace;
use crate::probe::Probe::Tcp;
use crate::serve::Service;
use crate::uplinks::{FIRST, SECOND, Uplinks, V4, V6};
use palisade::net::Family;

/// What brings rules into the kernel.
const LOADERS: [Option<Variant>; 3] = [Some(Variant::Legacy), Some(Variant::Nft), None];

/// Shows the traffic of a policy under its rules, by each loader; native nft is the last.
fn holds(policy: &str, traffic: impl Fn(&Uplinks)) {
    if !need::met() {
        return;
    }
    let compiled = compiled::policy(policy);
    for loader in LOADERS {
        println!("loaded by {loader:?}:");
        let world = Uplinks::new();
        load(&world.host, &compiled, loader);
        traffic(&world);
    }
}

fn load(host: &Namespace, compiled: &Compiled, loader: Option<Variant>) {
    let result = match loader {
        Some(variant) => Family::BOTH
            .into_iter()
            .try_for_each(|family| restore(host, variant, family, compiled.rules.of(family))),
        None => nft(host, compiled.nft.as_deref().expect("nft can say it")),
    };
    result.unwrap_or_else(|error| panic!("{loader:?}: {error}"));
}

/// Two uplinks, a service of the host and one that it publishes.
fn uplinks(marks: &str) -> String {
    format!(
        "zone one = eth0\nzone two = eth1\nzone lan = eth2 {{ 10.0.0.0/24, fd00:1::/64 }}\n\
         {marks}\n\
         allow ssh from one, two, lan\nallow any from lan to one, two\n\
         masquerade from lan to one ipv4\nmasquerade from lan to two ipv4\n\
         masquerade from lan to one ipv6\nmasquerade from lan to two ipv6\n\
         forward https at 203.0.113.1, 192.0.2.1, 2001:db8:a::1, 2001:db8:b::1 from one, two \
         to 10.0.0.2:8443@lan, [fd00:1::2]:8443@lan\n"
    )
}

fn answers_leave_where_questions_came_in(world: &Uplinks) {
    let _ssh = Service::tcp(&world.host, 22);
    let _https = Service::tcp(&world.server, 8443);
    for at in [V4, V6] {
        for host in at.host {
            arrives(&world.client, Tcp(host, 22), at.client);
            arrives(&world.client, Tcp(host, 443), at.client);
        }
    }
}

#[test]
fn sticky_marks_keep_connections_on_their_uplink() {
    holds(
        &uplinks(&format!(
            "mark {FIRST} sticky from one to self, any\nmark {SECOND} sticky from two to self, any"
        )),
        answers_leave_where_questions_came_in,
    );
}

#[test]
fn the_example_answers_on_both_uplinks() {
    if !need::met() {
        return;
    }
    let rules = compiled::example("uplinks");
    for variant in Variant::ALL {
        println!("loaded by {variant:?}:");
        let world = Uplinks::new();
        for family in Family::BOTH {
            restore(&world.host, variant, family, rules.of(family)).expect("the rules load");
        }
        let _https = Service::tcp(&world.server, 8443);
        let _own = Service::tcp(&world.host, 8443);
        let _shut = Service::tcp(&world.host, 22);
        let _web = Service::tcp(&world.client, 80);
        for host in V4.host {
            arrives(&world.client, Tcp(host, 443), V4.client);
            silent(&world.client, &[Tcp(host, 22), Tcp(host, 8443)]);
        }
        arrives(&world.server, Tcp(V4.client, 80), V4.host[0]);
        arrives(&world.server, Tcp(V4.host[0], 22), V4.server);
    }
}

/// With the outgoing interface said, the mark is set where the route is chosen already; the answers
/// find it all the same.
#[test]
fn sticky_marks_set_behind_the_route_keep_answers_there_too() {
    holds(
        &uplinks(&format!(
            "mark {FIRST} sticky from one to self, lan\nmark {SECOND} sticky from two to self, lan"
        )),
        answers_leave_where_questions_came_in,
    );
}

/// The world takes the marks for it, not the rules by chance.
#[test]
fn without_marks_the_second_uplink_gets_no_answers() {
    let only_once = format!("mark {SECOND} from two to self, any");
    for marks in ["", &only_once] {
        holds(&uplinks(marks), |world| {
            let _ssh = Service::tcp(&world.host, 22);
            let _https = Service::tcp(&world.server, 8443);
            for at in [V4, V6] {
                let [first, second] = at.host;
                arrives(&world.client, Tcp(first, 22), at.client);
                silent(&world.client, &[Tcp(second, 22), Tcp(second, 443)]);
            }
        });
    }
}

/// The first sticky statement that matches marks the connection for good.
#[test]
fn the_first_sticky_mark_holds() {
    let marks = format!(
        "mark {FIRST} sticky ssh from two\n\
         mark {SECOND} sticky from two to self, any\nmark {SECOND} sticky out"
    );
    holds(&uplinks(&marks), |world| {
        let _ssh = Service::tcp(&world.host, 22);
        let _https = Service::tcp(&world.server, 8443);
        for at in [V4, V6] {
            let [_, second] = at.host;
            // Everything that arrives is marked before what is for this machine.
            arrives(&world.client, Tcp(second, 22), at.client);
            arrives(&world.client, Tcp(second, 443), at.client);
        }
    });
    let marks = format!(
        "mark {FIRST} sticky ssh from two to self, any\nmark {SECOND} sticky from two to self, any"
    );
    holds(&uplinks(&marks), |world| {
        let _ssh = Service::tcp(&world.host, 22);
        let _https = Service::tcp(&world.server, 8443);
        for at in [V4, V6] {
            let [_, second] = at.host;
            silent(&world.client, &[Tcp(second, 22)]);
            arrives(&world.client, Tcp(second, 443), at.client);
        }
    });
}

#[test]
fn marks_choose_the_way_out() {
    let marks = format!(
        "mark {SECOND} tcp 81 from lan to any\nmark {SECOND} tcp 82 out\n\
         mark {FIRST} tcp 83 from lan to any\n\
         masquerade two out ipv4\nmasquerade two out ipv6"
    );
    holds(&uplinks(&marks), |world| {
        let _services = [80, 81, 82, 83].map(|port| Service::tcp(&world.client, port));
        for at in [V4, V6] {
            let [first, second] = at.host;
            for (port, seen_as) in [(80, first), (81, second), (83, first)] {
                arrives(&world.server, Tcp(at.client, port), seen_as);
            }
            for (port, seen_as) in [(80, first), (82, second)] {
                arrives(&world.host, Tcp(at.client, port), seen_as);
            }
        }
    });
}

/// A tunnel marks its own packets, so that they do not enter it again. Such a mark stays, as long as the
/// connection has none.
#[test]
fn marks_of_others_stay_on_unmarked_connections() {
    let marks =
        format!("mark {SECOND} sticky from two to self, any\nmark 0x1000/0xf000 tcp 81 out");
    holds(&uplinks(&marks), |world| {
        nft(&world.host, TUNNEL).unwrap_or_else(|error| panic!("no tunnel: {error}"));
        let _services = [80, 81].map(|port| Service::tcp(&world.client, port));
        for at in [V4, V6] {
            for (port, mark) in [(80, "0x30"), (81, "0x1030")] {
                let what = format!("tcp dport {port} meta mark {mark}");
                let sight = Sight { hook: "postrouting priority 500", what: &what };
                let right = seen(&world.host, sight, || {
                    arrives(&world.host, Tcp(at.client, port), at.host[0]);
                });
                assert!(right >= 3, "{right} packets to port {port} with mark {mark}");
            }
        }
    });
}

const TUNNEL: &str = "
table inet tunnel {
    chain out { type filter hook output priority -400; meta mark set 0x30; }
}
";

#[test]
fn segments_are_clamped_in_the_packets_that_open() {
    let policy = "clamp mss from lan to one\nclamp mss 1000 ssh from one\nclamp mss 900 tcp 82 out";
    holds(&uplinks(policy), |world| {
        world.host.ip("link set eth0 mtu 1400");
        let _services = [80, 82].map(|port| Service::tcp(&world.client, port));
        let _ssh = Service::tcp(&world.host, 22);
        for (at, headers) in [(V4, 40), (V6, 60)] {
            let size = |of: u32| format!("tcp flags syn tcp option maxseg size {of}");
            let [first, second] = at.host;
            // As much as the narrow link takes.
            let narrow = arriving(&world.client, &size(1400 - headers), || {
                arrives(&world.server, Tcp(at.client, 80), first);
            });
            assert!(narrow >= 1, "no segment size for a link of 1400 arrived");
            let small = arriving(&world.client, &size(900), || {
                arrives(&world.host, Tcp(at.client, 82), first);
            });
            assert!(small >= 1, "no segment size of 900 arrived");
            let input = |what| Sight { hook: "input priority 500", what };
            let said = size(1000);
            let small = seen(&world.host, input(&said), || {
                arrives(&world.client, Tcp(first, 22), at.client);
            });
            assert!(small >= 1, "no segment size of 1000 came in");
            // Nothing else is touched.
            let whole = size(1500 - headers);
            let large = seen(&world.host, input(&whole), || {
                arrives(&world.server, Tcp(second, 22), at.server);
            });
            assert!(large >= 1, "what another way came in was clamped");
        }
    });
}

#[test]
fn classes_arrive_as_they_were_set() {
    let policy = "dscp ef tcp 81 from lan to one\ndscp af11 tcp 82 out\ndscp 5 ssh from one";
    holds(&uplinks(policy), |world| {
        let _services = [80, 81, 82].map(|port| Service::tcp(&world.client, port));
        let _ssh = Service::tcp(&world.host, 22);
        for (at, ip) in [(V4, "ip"), (V6, "ip6")] {
            let first = at.host[0];
            let class = |port: u16, class: &str| format!("tcp dport {port} {ip} dscp {class}");
            for (port, set) in [(80, "cs0"), (81, "ef")] {
                let right = arriving(&world.client, &class(port, set), || {
                    arrives(&world.server, Tcp(at.client, port), first);
                });
                assert!(right >= 3, "{right} packets of {set} to port {port}");
            }
            for (port, set) in [(80, "cs0"), (82, "af11")] {
                let right = arriving(&world.client, &class(port, set), || {
                    arrives(&world.host, Tcp(at.client, port), first);
                });
                assert!(right >= 3, "{right} packets of {set} to port {port}");
            }
            let said = class(22, "5");
            let sight = Sight { hook: "input priority 500", what: &said };
            let right = seen(&world.host, sight, || {
                arrives(&world.client, Tcp(first, 22), at.client);
            });
            assert!(right >= 3, "{right} packets of class 5 came in");
        }
    });
}
