use super::build::*;
use super::show;
use crate::net::{Addresses, Prefix};
use crate::resolve::policy::{
    At, Forward, NatKind, Part, Place, Redirect, SourceTranslation, Target,
};
use crate::ruleset::TableName;

fn address(text: &str) -> std::net::IpAddr {
    text.parse().expect(text)
}

fn target(text: &str, port: Option<u16>) -> Target {
    Target { address: address(text), port }
}

fn https_to_web() -> Forward {
    Forward {
        source: vec![place("eth0", "")],
        parts: vec![tcp("443")],
        at: At::Local,
        target_v4: Some(target("10.0.0.2", Some(8443))),
        target_v6: None,
        out: Some(vec![crate::net::Interface::new("eth1").expect("a name")]),
        hairpin: vec![],
        hairpin_self: false,
    }
}

fn forward(forward: Forward) -> NatKind {
    NatKind::Forward(Box::new(forward))
}

fn masquerade(source: Vec<Place>) -> NatKind {
    NatKind::Source {
        source,
        destination: vec![place("eth0", "")],
        parts: vec![Part::Any],
        translation: SourceTranslation::Masquerade,
    }
}

#[test]
fn masquerade_by_the_outgoing_interface() {
    let build = policy().nat(masquerade(vec![Place::anywhere()]));
    assert_eq!(build.nat_table(), ":POSTROUTING ACCEPT\n-o eth0 MASQUERADE\n");
    assert_eq!(build.filter(), "");
}

#[test]
fn incoming_interfaces_stand_in_a_chain_of_their_own() {
    let one = policy().nat(masquerade(vec![place("eth1", "10.0.0.0/24")]));
    assert_eq!(
        one.nat_table(),
        ":POSTROUTING ACCEPT\n-s 10.0.0.0/24 -o eth0 -> from-1\n:from-1 -\n-i eth1 MASQUERADE\n"
    );
    let two = policy().nat(masquerade(vec![place("eth1 wlan+", ""), place("", "10.9.0.0/16")]));
    assert_eq!(
        two.nat_table(),
        ":POSTROUTING ACCEPT\n-o eth0 -> from-1\n\
         :from-1 -\n-i eth1 MASQUERADE\n-i wlan+ MASQUERADE\n-s 10.9.0.0/16 MASQUERADE\n"
    );
}

#[test]
fn snat_and_nonat_stay_in_their_order() {
    let source = |translation, to: &str| NatKind::Source {
        source: vec![Place::anywhere()],
        destination: vec![place("", to)],
        parts: vec![Part::Any],
        translation,
    };
    let static_source = SourceTranslation::Address {
        v4: Some((address("203.0.113.5"), address("203.0.113.5"))),
        v6: None,
    };
    let build = policy()
        .nat(source(SourceTranslation::Exempt, "10.0.0.0/8"))
        .nat(source(static_source, ""));
    assert_eq!(build.nat_table(), ":POSTROUTING ACCEPT\n-d 10.0.0.0/8 ACCEPT\nSNAT 203.0.113.5\n");
    assert_eq!(show::table(&build.lower().v6, TableName::Nat), "");
}

#[test]
fn a_forward_translates_and_accepts_what_it_translated() {
    let build = policy().nat(forward(https_to_web()));
    assert_eq!(
        build.nat_table(),
        ":PREROUTING ACCEPT\n\
         -i eth0 -p tcp --dport 443 --dst-type LOCAL DNAT 10.0.0.2 8443\n"
    );
    assert_eq!(
        build.filter_chain("FORWARD"),
        ["-d 10.0.0.2/32 -i eth0 -o eth1 -p tcp --dport 8443 ct dnat origdport 443:443 ACCEPT"]
    );
}

#[test]
fn original_ports_are_asked_one_by_one() {
    let target_v4 = Some(target("10.0.0.2", None));
    let kept = Forward { parts: vec![tcp("80,443")], target_v4, ..https_to_web() };
    let build = policy().nat(forward(kept));
    assert_eq!(
        build.nat_table(),
        ":PREROUTING ACCEPT\n-i eth0 -p tcp --dports 80,443 --dst-type LOCAL DNAT 10.0.0.2\n"
    );
    assert_eq!(
        build.filter_chain("FORWARD"),
        [
            "-d 10.0.0.2/32 -i eth0 -o eth1 -p tcp --dport 80 ct dnat origdport 80:80 ACCEPT",
            "-d 10.0.0.2/32 -i eth0 -o eth1 -p tcp --dport 443 ct dnat origdport 443:443 ACCEPT",
        ]
    );
}

#[test]
fn a_translation_stands_beside_its_protocol() {
    let many = Forward {
        source: vec![place("", "10.0.0.1 10.0.1.1 10.0.2.1 10.0.4.1")],
        parts: vec![tcp("443"), udp("443"), udp("500")],
        ..https_to_web()
    };
    assert_eq!(
        policy().nat(forward(many)).nat_table(),
        ":PREROUTING ACCEPT\n\
         -s 10.0.0.1/32 --dst-type LOCAL -> nat-1\n-s 10.0.1.1/32 --dst-type LOCAL -> nat-1\n\
         -s 10.0.2.1/32 --dst-type LOCAL -> nat-1\n-s 10.0.4.1/32 --dst-type LOCAL -> nat-1\n\
         :nat-1 -\n-p tcp --dport 443 DNAT 10.0.0.2 8443\n\
         -p udp --dports 443,500 DNAT 10.0.0.2 8443\n"
    );
}

#[test]
fn hairpin_without_an_address_leaves_the_zones_own_alone() {
    let hairpin = Forward {
        hairpin: vec![place("eth1", "10.0.0.0/24")],
        hairpin_self: true,
        ..https_to_web()
    };
    let build = policy().nat(forward(hairpin));
    assert_eq!(
        build.nat_table(),
        ":PREROUTING ACCEPT\n\
         -i eth0 -p tcp --dport 443 --dst-type LOCAL DNAT 10.0.0.2 8443\n\
         -s 10.0.0.0/24 ! -d 10.0.0.0/24 -i eth1 -p tcp --dport 443 --dst-type LOCAL \
         DNAT 10.0.0.2 8443\n\
         :OUTPUT ACCEPT\n-d 0.0.0.0/0 -p tcp --dport 443 ! --dst-range 10.0.0.0-10.0.0.255 \
         ! --dst-range 127.0.0.0-127.255.255.255 --dst-type LOCAL DNAT 10.0.0.2 8443\n\
         :POSTROUTING ACCEPT\n\
         -s 10.0.0.0/24 -d 10.0.0.2/32 -p tcp --dport 8443 ct dnat origdport 443:443 -> from-1\n\
         :from-1 -\n-i eth1 MASQUERADE\n"
    );
    assert_eq!(build.filter_chain("FORWARD").len(), 2);
}

#[test]
fn a_public_address_is_asked_for_before_and_after() {
    let at = Forward { at: At::Addresses(net("203.0.113.7")), ..https_to_web() };
    let build = policy().nat(forward(at));
    assert_eq!(
        build.nat_table(),
        ":PREROUTING ACCEPT\n-d 203.0.113.7/32 -i eth0 -p tcp --dport 443 DNAT 10.0.0.2 8443\n"
    );
    assert_eq!(
        build.filter_chain("FORWARD"),
        ["-d 10.0.0.2/32 -i eth0 -o eth1 -p tcp --dport 8443 \
          ct dnat origdst 203.0.113.7/32 origdport 443:443 ACCEPT"]
    );
}

#[test]
fn ipv6_is_accepted_without_translation() {
    let both = Forward { target_v6: Some(target("2001:db8::2", None)), ..https_to_web() };
    let lowered = policy().nat(forward(both)).lower();
    assert_eq!(show::table(&lowered.v6, TableName::Nat), "");
    assert_eq!(
        show::chain(&lowered.v6, TableName::Filter, "FORWARD"),
        ["-d 2001:db8::2/128 -i eth0 -o eth1 -p tcp --dport 443 ACCEPT"]
    );
}

#[test]
fn a_redirect_accepts_on_input() {
    let redirect = |at: At| {
        let (source, parts) = (vec![place("eth1", "")], vec![tcp("80")]);
        policy().nat(NatKind::Redirect(Box::new(Redirect { source, parts, at, port: 3128 })))
    };
    let every = redirect(At::Addresses(Addresses::full()));
    assert_eq!(every.nat_table(), ":PREROUTING ACCEPT\n-i eth1 -p tcp --dport 80 REDIRECT 3128\n");
    let own = redirect(At::Local);
    assert_eq!(
        own.nat_table(),
        ":PREROUTING ACCEPT\n-i eth1 -p tcp --dport 80 --dst-type LOCAL REDIRECT 3128\n"
    );
    for build in [every, own] {
        assert_eq!(
            build.filter_chain("INPUT"),
            ["-i eth1 -p tcp --dport 3128 ct dnat origdport 80:80 ACCEPT"]
        );
    }
}

#[test]
fn netmap_goes_both_ways() {
    let prefix = |text: &str| Prefix::containing(address(text), 28).expect("short enough");
    let netmap = NatKind::Netmap {
        outside: prefix("203.0.113.0"),
        inside: prefix("10.0.0.0"),
        interfaces: vec![crate::net::Interface::new("eth0").expect("a name")],
    };
    assert_eq!(
        policy().nat(netmap).nat_table(),
        ":PREROUTING ACCEPT\n-d 203.0.113.0/28 -i eth0 NETMAP 10.0.0.0/28\n\
         :POSTROUTING ACCEPT\n-s 10.0.0.0/28 -o eth0 NETMAP 203.0.113.0/28\n"
    );
}
