//! Connection helpers: a session works through the rules that name its service, and its second
//! connection through nothing but the helper.

use std::io::Write;
use std::net::{IpAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::compiled::{Compiled, compile};
use crate::ftp::{Mode, Server, Session};
use crate::load::{Rules, Variant, nft};
use crate::need;
use crate::netns::Namespace;
use crate::world::{Addresses, V4, V6, World};

/// The networks of a world.
pub const ZONES: &str = "zone wan = eth0\nzone lan = eth1 { 10.0.0.0/24, fd00:1::/64 }\n";

/// Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(2);

/// What must not come about is waited for that long.
const SILENCE: Duration = Duration::from_millis(300);

/// The policy's rules in a world, by each of the three that can load them.
pub fn in_every_variant(policy: &str, traffic: impl Fn(&World)) {
    let Compiled { rules, nft: native } = compiled(policy);
    for variant in Variant::ALL {
        println!("loaded by the {variant:?} tools:\n{policy}");
        traffic(&World::with(&rules, variant));
    }
    println!("loaded by nft:\n{policy}");
    let (world, native) = (World::new(), native.expect("nft has words for helpers"));
    nft(&world.host, &native).unwrap_or_else(|error| panic!("{error}\n{native}"));
    traffic(&world);
}

fn compiled(policy: &str) -> Compiled {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    file.write_all(policy.as_bytes()).expect("and written");
    compile(file.path()).unwrap_or_else(|| panic!("refused:\n{policy}"))
}

/// A session in each mode of the address's family comes to this.
#[track_caller]
fn sessions(client: &Namespace, server: &Server<'_>, to: (IpAddr, u16), expected: &Session) {
    let patience = if *expected == Session::Fetched { PATIENCE } else { SILENCE };
    for mode in Mode::of(to.0) {
        let got = server.session(client, to.into(), *mode, patience);
        assert_eq!(got, *expected, "{mode:?} with {to:?}");
    }
}

#[track_caller]
fn fetches(client: &Namespace, server: &Server<'_>, to: (IpAddr, u16)) {
    sessions(client, server, to, &Session::Fetched);
}

#[test]
fn ftp_to_this_machine() {
    if !need::met() {
        return;
    }
    // On output too nothing else passes: active data connections are opened from here.
    let policy = "service myftp = tcp 2121 helper ftp\ndefault drop output\nallow ftp, myftp";
    in_every_variant(policy, |world| {
        let [ftp, myftp, other] = [21, 2121, 2122].map(|port| Server::on(&world.host, port));
        for at in [V4, V6] {
            fetches(&world.client, &ftp, (at.host, 21));
            fetches(&world.client, &myftp, (at.host, 2121));
            sessions(&world.client, &other, (at.host, 2122), &Session::NoControl);
        }
    });
}

#[test]
fn ftp_from_this_machine() {
    if !need::met() {
        return;
    }
    in_every_variant("default drop output\nallow ftp, ftp(2121) out", |world| {
        let [ftp, moved] = [21, 2121].map(|port| Server::on(&world.client, port));
        for at in [V4, V6] {
            fetches(&world.host, &ftp, (at.client, 21));
            fetches(&world.host, &moved, (at.client, 2121));
        }
    });
}

#[test]
fn ftp_through_a_router_that_hides_its_network() {
    if !need::met() {
        return;
    }
    let policy = format!("{ZONES}allow ftp from lan to wan\nmasquerade from lan to wan");
    in_every_variant(&policy, |world| {
        let ftp = Server::on(&world.client, 21);
        for at in [V4, V6] {
            fetches(&world.pc, &ftp, (at.client, 21));
        }
    });
}

#[test]
fn ftp_to_a_published_server() {
    if !need::met() {
        return;
    }
    let rules = "forward ftp from wan to 10.0.0.2@lan, fd00:1::2@lan\n\
                 forward ftp(2100) from wan to 10.0.0.2:21@lan\n\
                 forward ftp(2121) from wan to 10.0.0.2:2121@lan, [fd00:1::2]:2121@lan";
    in_every_variant(&format!("{ZONES}{rules}"), |world| {
        let [ftp, other] = [21, 2121].map(|port| Server::on(&world.server, port));
        fetches(&world.client, &ftp, (V4.host, 21));
        fetches(&world.client, &ftp, (V4.host, 2100));
        fetches(&world.client, &other, (V4.host, 2121));
        fetches(&world.client, &ftp, (V6.server, 21));
        fetches(&world.client, &other, (V6.server, 2121));
    });
}

#[test]
fn ftp_in_a_chain() {
    if !need::met() {
        return;
    }
    let policy =
        format!("{ZONES}chain guard {{ allow ftp }}\njump guard\njump guard from lan to wan");
    in_every_variant(&policy, |world| {
        fetches(&world.client, &Server::on(&world.host, 21), (V4.host, 21));
        fetches(&world.pc, &Server::on(&world.client, 21), (V6.client, 21));
    });
}

/// Without the helper each of these sessions ends where its data connection should begin: so the
/// others pass by the helper alone.
#[test]
fn without_a_helper_no_data_passes() {
    if !need::met() {
        return;
    }
    let policy = format!(
        "{ZONES}default drop output\nallow tcp 21\nallow tcp 21 out\nallow tcp 21 from lan to wan\n\
         masquerade from lan to wan\nforward tcp 2100 from wan to 10.0.0.2:21@lan"
    );
    in_every_variant(&policy, |world| {
        let [here, outside, inside] =
            [&world.host, &world.client, &world.server].map(|machine| Server::on(machine, 21));
        for at in [V4, V6] {
            sessions(&world.client, &here, (at.host, 21), &Session::NoData);
            sessions(&world.host, &outside, (at.client, 21), &Session::NoData);
            sessions(&world.pc, &outside, (at.client, 21), &Session::NoData);
        }
        sessions(&world.client, &inside, (V4.host, 2100), &Session::NoData);
    });
}

/// The same rules without those of the raw table.
fn without_raw(rules: Rules) -> Rules {
    let strip = |text: String| {
        let helper = |line: &&str| !line.contains("-j CT --helper");
        let kept: Vec<&str> = text.lines().filter(helper).collect();
        assert!(kept.len() < text.lines().count(), "no helper in\n{text}");
        kept.join("\n") + "\n"
    };
    Rules { sets: rules.sets, v4: strip(rules.v4), v6: strip(rules.v6) }
}

#[test]
fn the_rules_of_the_raw_table_are_what_counts() {
    if !need::met() {
        return;
    }
    let rules = without_raw(compiled("default drop output\nallow ftp").rules);
    for variant in Variant::ALL {
        let world = World::with(&rules, variant);
        let ftp = Server::on(&world.host, 21);
        for at in [V4, V6] {
            sessions(&world.client, &ftp, (at.host, 21), &Session::NoData);
        }
    }
}

/// By the public address, from the network of the server and from the router itself: both ends are
/// translated.
#[test]
fn ftp_by_hairpin() {
    if !need::met() {
        return;
    }
    let policy = format!("{ZONES}forward ftp from wan to 10.0.0.2@lan hairpin lan, self");
    in_every_variant(&policy, |world| {
        let ftp = Server::on(&world.server, 21);
        fetches(&world.pc, &ftp, (V4.host, 21));
        fetches(&world.host, &ftp, (V4.host, 21));
    });
}

/// By an address that stands for the server's, one for one.
#[test]
fn ftp_by_netmap() {
    if !need::met() {
        return;
    }
    let policy = format!(
        "{ZONES}netmap 203.0.113.0/28 to 10.0.0.0/28 on wan\nallow ftp from wan to 10.0.0.2@lan"
    );
    in_every_variant(&policy, |world| {
        world.client.ip(&format!("route add 203.0.113.0/28 via {}", V4.host));
        let outside = "203.0.113.2".parse().expect("an address");
        fetches(&world.client, &Server::on(&world.server, 21), (outside, 21));
    });
}

/// To a server of this machine itself on another port.
#[test]
fn ftp_by_redirect() {
    if !need::met() {
        return;
    }
    let policy = format!("{ZONES}default drop output\nredirect ftp from wan to :2121");
    in_every_variant(&policy, |world| {
        let ftp = Server::on(&world.host, 2121);
        fetches(&world.client, &ftp, (V4.host, 21));
        fetches(&world.client, &ftp, (V6.host, 21));
    });
}

#[test]
fn tftp_through_a_router_that_hides_its_network() {
    if !need::met() {
        return;
    }
    let policy = format!("{ZONES}allow tftp from lan to wan\nmasquerade from lan to wan");
    in_every_variant(&policy, |world| {
        for at in [V4, V6] {
            assert!(tftp(&world.pc, &world.client, at), "no answer");
        }
    });
    let policy = format!("{ZONES}allow udp 69 from lan to wan\nmasquerade from lan to wan");
    in_every_variant(&policy, |world| {
        for at in [V4, V6] {
            assert!(!tftp(&world.pc, &world.client, at), "an answer without a helper");
        }
    });
}

/// Whether a client that asks for a file gets its first block: a TFTP server sends that from a port
/// of its own (RFC 1350), so it is no answer to the question.
fn tftp(client: &Namespace, server: &Namespace, at: Addresses) -> bool {
    let bind = |namespace: &Namespace, address: IpAddr, port| {
        let socket = namespace.run(|| UdpSocket::bind((address, port)));
        let socket = socket.unwrap_or_else(|error| panic!("cannot bind {address}: {error}"));
        socket.set_read_timeout(Some(SILENCE)).expect("a socket can time out");
        socket
    };
    let (asker, well_known) = (bind(client, at.pc, 0), bind(server, at.client, 69));
    let data = bind(server, at.client, 0);
    asker.send_to(b"\x00\x01name\x00octet\x00", (at.client, 69)).expect("asked");
    thread::scope(|scope| {
        scope.spawn(|| {
            if let Ok((_, peer)) = well_known.recv_from(&mut [0; 64]) {
                data.send_to(b"\x00\x03\x00\x01block", peer).expect("answered");
            }
        });
        asker.recv_from(&mut [0; 64]).is_ok()
    })
}

#[test]
fn without_rules_every_session_passes() {
    if need::met() {
        let world = World::new();
        let ftp = Server::on(&world.host, 21);
        for at in [V4, V6] {
            fetches(&world.client, &ftp, (at.host, 21));
        }
    }
}
