//! `palisade trace`: the way of one packet.

use serde_json::Value;

use crate::run::{Run, Scene, palisade};

const EDGE: &str = "\
zone wan = eth0
zone lan = eth1 { 10.0.0.0/24 }
chain guard { drop tcp any flags none / all; return }
jump guard from wan
allow ssh from wan limit 5/minute
allow any from lan to wan
forward https from wan to 10.0.0.2:8443@lan
masquerade from lan to wan
";

fn trace(policy: &str, packet: &str, more: &[&str]) -> Run {
    let arguments = [&["trace", "-", packet][..], more].concat();
    palisade(arguments).stdin(policy.as_bytes()).run()
}

/// What is said of a packet that is followed.
fn way(policy: &str, packet: &str) -> String {
    let run = trace(policy, packet, &[]);
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{packet}");
    run.out
}

/// What is missing of a packet that is not.
fn refused(policy: &str, packet: &str) -> String {
    let run = trace(policy, packet, &[]);
    assert_eq!((run.status, run.out.as_str()), (2, ""), "{packet}");
    run.err
}

#[test]
fn a_published_host_is_shown_with_every_rule_and_translation() {
    let out = way(EDGE, "tcp 198.51.100.9:40000 -> self:443 in eth0");
    assert_eq!(
        out,
        "in eth0, tcp 198.51.100.9:40000 → self:443, new\n\
         \n\
         nat PREROUTING\n  \
           <stdin>:7  forward https from wan to 10.0.0.2:8443@lan\n    \
             sends it to 10.0.0.2:8443\n\
         \n\
         route\n  \
           leaves by eth1\n\
         \n\
         filter FORWARD\n  \
           <stdin>:7  forward https from wan to 10.0.0.2:8443@lan\n    \
             allows\n\
         \n\
         allowed: leaves by eth1 as tcp 198.51.100.9:40000 → 10.0.0.2:8443\n"
    );
}

#[test]
fn chains_and_defaults_are_named() {
    let out = way(EDGE, "tcp 198.51.100.9:40000 -> self:23 in eth0");
    let said =
        ["jump guard from wan\n    sends on", "in chain guard: return", "the default\n    drops"];
    assert!(said.iter().all(|said| out.contains(said)), "{out}");
    assert!(out.ends_with("\ndropped\n"), "{out}");
    let flags = "tcp 198.51.100.9:40000 -> self:22 in eth0 flags none / all state new";
    assert!(way(EDGE, flags).contains("in chain guard: drop tcp any flags none / all\n    drops"));
}

#[test]
fn what_it_leaves_as_is_told() {
    let out = way(EDGE, "udp 10.0.0.5:40000 -> 192.0.2.53:53 in eth1 out eth0");
    assert!(out.contains("masquerade from lan to wan\n    gives it the address of eth0"), "{out}");
    let own = way(EDGE, "udp self:40000 -> 192.0.2.53:53 out eth0");
    assert!(
        own.contains("filter OUTPUT") && own.contains("udp self:40000 → 192.0.2.53:53"),
        "{own}"
    );
    let looped = way(EDGE, "tcp self:40000 -> self:22 ipv6");
    assert!(
        looped.contains("filter OUTPUT") && looped.contains("loopback\n    allows"),
        "{looped}"
    );
}

#[test]
fn limits_have_room_unless_asked_otherwise() {
    let packet = "tcp 198.51.100.9:40000 -> self:22 in eth0";
    let room = way(EDGE, packet);
    assert!(room.contains("allowed: arrives") && room.contains("taken to have room"), "{room}");
    let exhausted = trace(EDGE, packet, &["--exhausted"]).out;
    assert!(exhausted.contains("\ndropped\n") && exhausted.contains("used up"), "{exhausted}");
}

#[test]
fn conditions_that_do_not_show_are_asked_for() {
    let policy = "set banned dynamic timeout 1h\ndrop any from banned\nallow ssh\n";
    let packet = "tcp 198.51.100.9:40000 -> self:22 in eth0";
    let out = way(policy, packet);
    assert!(out.contains("`source in banned-1h.v4` is taken not to hold"), "{out}");
    let in_chain = "set banned dynamic timeout 1h\nchain guard { drop any from banned }\n\
                    jump guard in eth0\nallow ssh\n";
    let out = way(in_chain, packet);
    assert!(out.contains("`source in banned-1h.v4` is taken not to hold"), "{out}");
    let held = trace(policy, packet, &["--holds", "source in banned-1h.v4"]).out;
    assert!(held.ends_with("\ndropped\n"), "{held}");
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let said = refused(EDGE, "tcp 10.0.0.5:40000 -> 192.0.2.1:443 in eth1");
    assert!(said.contains("by which interface 192.0.2.1 is reached"), "{said}");
    assert!(said.contains("`out INTERFACE`") && said.contains("`192.0.2.1@self`"), "{said}");
    let said = refused(EDGE, "tcp 198.51.100.9:40000 -> 203.0.113.7:443 in eth0");
    assert!(said.contains("whether 203.0.113.7 is an address of this machine"), "{said}");
    let two = "allow ssh to 203.0.113.7@self\n";
    let said = refused(two, "tcp 198.51.100.9:40000 -> self:22 in eth0");
    assert!(said.contains("depends on the address of this machine that it is for"), "{said}");
    assert!(way(two, "tcp 198.51.100.9:40000 -> 203.0.113.7:22@self in eth0").contains("allowed"));
    let said = refused(EDGE, "tcp 198.51.100.9:40000 -> self:22");
    assert!(said.contains("add `in INTERFACE`"), "{said}");
    let said = refused(EDGE, "tcp 198.51.100.9 -> self:22 in eth0");
    assert!(said.contains("at `198.51.100.9`: the port is missing"), "{said}");
    for wrong in ["frob 1 -> 2", "tcp 1.2.3.4:5 -> self:6 in eth0 => drop", "a; b", ""] {
        assert!(refused(EDGE, wrong).starts_with("error: the packet"), "{wrong}");
    }
}

#[test]
fn what_a_raw_rule_says_plainly_is_followed() {
    let policy =
        "raw v4 filter INPUT \"-s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j DROP\"\nallow ssh\n";
    let out = way(policy, "tcp 192.0.2.9:40000 -> self:22 in eth0");
    assert!(
        out.contains("<stdin>:1  raw v4 filter INPUT") && out.ends_with("\ndropped\n"),
        "{out}"
    );
    let out = way(policy, "tcp 198.51.100.9:40000 -> self:22 in eth0");
    assert!(out.contains("\nallowed") && !out.contains("raw"), "{out}");
}

#[test]
fn a_policy_at_fault_is_told_instead() {
    let run = trace("allow shh\n", "tcp 198.51.100.9:40000 -> self:22 in eth0", &[]);
    assert_eq!((run.status, run.out.as_str()), (1, ""));
    assert!(run.err.contains("unknown-name"), "{}", run.err);
}

#[test]
fn programs_read_the_same() {
    let scene = Scene::new(&[("site/edge.fw", EDGE)]);
    let packet = "tcp 198.51.100.9:40000 -> self:443 in eth0";
    let run = palisade(["trace", "site/edge.fw", packet, "--format", "json"]).within(&scene).run();
    let document: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(document["verdict"], "allow");
    assert_eq!(document["any_own"], serde_json::json!(["dst"]));
    let stages = document["stages"].as_array().unwrap();
    let chains: Vec<String> = stages
        .iter()
        .map(|stage| {
            format!("{} {}", stage["table"].as_str().unwrap(), stage["chain"].as_str().unwrap())
        })
        .collect();
    let order = [
        "raw PREROUTING",
        "mangle PREROUTING",
        "nat PREROUTING",
        "mangle FORWARD",
        "filter FORWARD",
        "nat POSTROUTING",
    ];
    assert_eq!(chains, order);
    let rule = &stages[2]["rules"][0];
    assert_eq!(
        (&rule["place"]["line"], &rule["does"]),
        (&7.into(), &"sends it to 10.0.0.2:8443".into())
    );
    let last = &document["final"];
    assert_eq!(
        (&last["dst"], &last["dport"], &last["out"]),
        (&"10.0.0.2".into(), &8443.into(), &"eth1".into())
    );
}

#[test]
fn in_raw_tables_no_packet_has_a_connection() {
    let rules = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A PREROUTING -s 192.0.2.1/32 -j ACCEPT\n\
        -A PREROUTING -p tcp -m tcp --dport 80 -m conntrack ! --ctstate NEW -j DROP\n\
        -A PREROUTING -p tcp -m tcp --dport 81 -m conntrack --ctstate INVALID -j DROP\n\
        -A PREROUTING -p tcp -m tcp --dport 82 -m conntrack --ctstate NEW -j DROP\n\
        -A PREROUTING -p tcp -m tcp --dport 83 -m connmark --mark 0x0 -j DROP\n\
        -A PREROUTING -p tcp -m tcp --dport 84 -m connmark ! --mark 0x5 -j DROP\n\
        -A PREROUTING -p tcp -m tcp --dport 85 -m conntrack --ctorigdstport 85 -j DROP\n\
        -A PREROUTING -p tcp -m tcp --dport 86 -m state --state INVALID -j DROP\n\
        -A OUTPUT -p tcp -m tcp --dport 80 -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n";
    let is_dropped = |rules: &str, packet: &str| way(rules, packet).contains("\n\ndropped\n");
    let comes = |port: u16| format!("tcp 10.0.0.5:1000 -> 8.8.8.8:{port} in eth1 out eth0");
    for (port, dropped) in
        [(80, true), (81, true), (82, false), (83, false), (84, false), (85, false), (86, true)]
    {
        assert_eq!(is_dropped(rules, &comes(port)), dropped, "{port}");
    }
    assert!(is_dropped(rules, "tcp self:1000 -> 8.8.8.8:80 out eth0"));
    // What conntrack is told is what rules behind see, as far as that is known.
    let told = |what: &str, asked: &str| {
        let rules = format!(
            "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 21 -j CT {what}\n\
             -A PREROUTING -p tcp -m tcp --dport 80 -m conntrack --ctstate {asked} -j DROP\nCOMMIT\n"
        );
        [&["--exhausted"][..], &[]].map(|more| {
            let run = trace(&rules, &comes(80), more);
            assert_eq!(run.status, 0, "{}", run.err);
            run.out.contains("\n\ndropped\n")
        })
    };
    assert_eq!(told("--notrack", "INVALID"), [true, true]);
    assert_eq!(told("--helper ftp", "INVALID"), [false, true]);
    assert_eq!(told("--zone 1", "NEW"), [false, true]);
}

#[test]
fn marks_are_copied_to_connections_and_back() {
    let rules = |mangle: &str, asked: &str| {
        format!(
            "*mangle\n:PREROUTING ACCEPT [0:0]\n{mangle}COMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n\
             -A FORWARD -s 10.0.0.0/8 {asked} -j DROP\nCOMMIT\n"
        )
    };
    let packet = "tcp 10.0.0.5:1000 -> 8.8.8.8:80 in eth1 out eth0";
    let is_dropped =
        |mangle: &str, asked: &str| way(&rules(mangle, asked), packet).contains("\n\ndropped\n");
    let mark = "-A PREROUTING -j MARK --set-xmark 0x6/0x7\n";
    let with = |target: &str| format!("{mark}-A PREROUTING -j CONNMARK {target}\n");
    for (target, asked, dropped) in [
        ("--save-mark", "-m connmark --mark 0x6", true),
        ("--save-mark --nfmask 0x2 --ctmask 0x2", "-m connmark --mark 0x6", false),
        ("--save-mark --nfmask 0x2 --ctmask 0x2", "-m connmark --mark 0x2", true),
        ("--save-mark", "-m mark --mark 0x6", true),
        ("--restore-mark", "-m mark --mark 0x6", false),
        ("--restore-mark", "-m connmark --mark 0x0", true),
        ("--set-xmark 0x4/0x4", "-m connmark --mark 0x4", true),
    ] {
        assert_eq!(is_dropped(&with(target), asked), dropped, "{target} {asked}");
        // And so for all packets.
        let run = palisade(["query", "-", "drop tcp 80 from 10.0.0.0/8 to any"])
            .stdin(rules(&with(target), asked).as_bytes())
            .run();
        assert_eq!(
            (run.status == 0, run.err.contains("not whole")),
            (dropped, false),
            "{}",
            run.out
        );
    }
    // What is not known is said, not guessed.
    let shifted = with("--restore-mark --nfmask 0xff --ctmask 0xff00");
    let err = refused(&rules(&shifted, "-m mark --mark 0x1"), packet);
    assert!(
        err.contains("-m mark --mark 0x1 -j DROP` takes it: it asks for the mark, which")
            && err.contains("--ctmask 0xff00` may have changed"),
        "{err}"
    );
    assert!(is_dropped(&shifted, "-m connmark --mark 0x0"));
    let hashed = "-A PREROUTING -p tcp -j HMARK --hmark-tuple src --hmark-mod 2 --hmark-rnd 0x1\n";
    let rules = rules(hashed, "-m mark --mark 0x1");
    assert!(refused(&rules, packet).contains("which `-j HMARK"));
    for question in ["allow", "drop"] {
        let question = format!("{question} tcp 80 from 10.0.0.0/8 to any");
        let run = palisade(["query", "-", &question]).stdin(rules.as_bytes()).run();
        assert!(run.status == 2 && run.err.contains("not whole"), "{}{}", run.out, run.err);
    }
    let other = "tcp 192.0.2.5:1000 -> 8.8.8.8:80 in eth1 out eth0";
    assert!(way(&rules, other).contains("\n\nallowed"));
}

#[test]
fn the_place_of_a_destination_tells_no_way_out_for_another() {
    let zones =
        "zone wan = eth0\nzone lan = eth1 { 10.0.0.0/24 }\nzone dmz = eth2 { 10.0.1.0/24 }\n";
    let known = format!("{zones}forward tcp 2 at 192.0.2.9 from dmz to 10.0.0.5@lan\n");
    for to in ["192.0.2.9:2@wan", "192.0.2.9:2", "192.0.2.9:2@wan out eth1"] {
        let out = way(&known, &format!("tcp 10.0.1.2:1000@dmz -> {to}"));
        assert!(out.contains("\nallowed: leaves by eth1 as"), "{out}");
    }
    let unknown = format!(
        "{zones}netmap 192.0.2.0/24 to 198.51.100.0/24 on dmz\nallow any from dmz to any\n"
    );
    let said = refused(&unknown, "tcp 10.0.1.2:1000@dmz -> 192.0.2.9:2@wan");
    assert!(said.contains("by which interface 198.51.100.9 is reached"), "{said}");
    assert!(said.contains("add `out INTERFACE`\n"), "{said}");
    let out = way(&unknown, "tcp 10.0.1.2:1000@dmz -> 203.0.113.9:2@wan");
    assert!(out.contains("\nallowed: leaves by eth0 as"), "{out}");
}

#[test]
fn what_goes_there_already_is_not_called_translated() {
    const RULES: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n\
        -A PREROUTING -i eth1 -p udp -m udp --dport 53 -j REDIRECT --to-ports 53\n\
        -A PREROUTING -i eth1 -p tcp -m tcp --dport 25 -j DNAT --to-destination 10.0.1.25\nCOMMIT\n\
        *filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A INPUT -m conntrack --ctstate DNAT -j ACCEPT\n\
        -A FORWARD -o eth2 -m conntrack --ctstate DNAT -j ACCEPT\nCOMMIT\n";
    let scene = Scene::new(&[("now.v4", RULES)]);
    let ask = |packet: &str| palisade(["trace", "now.v4", packet]).within(&scene).run();
    for own in ["10.0.0.1:53@self", "self:53"] {
        let run = ask(&format!("udp 10.0.0.5:40000 -> {own} in eth1"));
        assert_eq!(run.status, 2, "{}", run.out);
        assert!(run.err.contains("the address of the interface it comes in on"), "{}", run.err);
    }
    let run = ask("udp 10.0.0.5:40000 -> 8.8.8.8:53 in eth1");
    assert!(run.err.contains("whether 8.8.8.8 is an address of this machine"), "{}", run.err);
    let run = ask("udp 10.0.0.5:40000 -> 8.8.8.8:53@eth2 in eth1");
    assert!(run.out.contains("\nallowed: arrives as"), "{}", run.out);
    let run = ask("tcp 10.0.0.5:40000 -> 10.0.1.25:25@eth2 in eth1");
    assert!(run.out.ends_with("\ndropped\n"), "{}", run.out);
    let run = ask("tcp 10.0.0.5:40000 -> 8.8.8.8:25@eth2 in eth1 out eth2");
    assert!(run.out.contains("\nallowed: leaves by eth2 as"), "{}", run.out);
}

#[test]
fn an_interface_with_another_number_is_another() {
    let rules = "*filter\n:INPUT DROP [0:0]\n-A INPUT -i eth0 -p tcp -m tcp --dport 22 -j ACCEPT\n\
                 -A INPUT -i eth2 -j MARK --set-xmark 0x0/0x1\nCOMMIT\n"
        .replace(
            "-A INPUT -i eth2 -j MARK",
            "COMMIT\n*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -i eth2 -j MARK",
        );
    let scene = Scene::new(&[("now.v4", &rules)]);
    let ask = |packet: &str| palisade(["trace", "now.v4", packet]).within(&scene).run();
    let run = ask("tcp 198.51.100.9:40000 -> self:22 in eth1");
    assert!(run.out.ends_with("\ndropped\n"), "{}", run.err);
    assert!(ask("tcp 198.51.100.9:40000 -> self:22 in ehh0").err.contains("a slip for `eth0`"));
    let run = ask("tcp 198.51.100.9:40000 -> self:22 in eth2");
    assert!(run.out.contains("sets the mark 0x0/0x1\n"), "{}", run.out);
}
