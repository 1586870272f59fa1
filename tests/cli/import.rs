//! Rules of a machine as a policy.

use crate::run::{Run, Scene, palisade};

const RULES: &str = "*filter\n\
    :INPUT DROP [12:960]\n\
    :FORWARD DROP [0:0]\n\
    :OUTPUT ACCEPT [3:180]\n\
    :knock - [0:0]\n\
    :old - [0:0]\n\
    -A INPUT -i lo -j ACCEPT\n\
    -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
    -A INPUT -m conntrack --ctstate INVALID -j DROP\n\
    -A INPUT -s 10.0.0.0/24 -p tcp -m tcp --dport 22 -m comment --comment \"the office\" -j ACCEPT\n\
    -A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n\
    -A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\n\
    -A INPUT -p udp -m udp --dport 7000 -j knock\n\
    -A INPUT -m limit --limit 10/min --limit-burst 20 -j LOG --log-prefix \"rest \"\n\
    -A knock -m recent --set --name knock --rsource\n\
    -A old -j DROP\n\
    COMMIT\n\
    *nat\n\
    :PREROUTING ACCEPT [0:0]\n\
    :POSTROUTING ACCEPT [0:0]\n\
    -A POSTROUTING -o eth0 -j MASQUERADE\n\
    COMMIT\n";

const POLICY: &str = "# Imported from now.v4.\n\
    # Of IPv6 nothing was given: what names no address and no family holds there too.\n\
    \n\
    zone wan = eth0\n\
    \n\
    default drop input log \"rest \" rate 10/minute burst 20\n\
    \n\
    allow ssh from 10.0.0.0/24 comment \"the office\"\n\
    allow http, https\n\
    jump knock udp 7000\n\
    \n\
    chain knock { }\n\
    raw v4 filter knock \"-m recent --set --name knock --rsource\"\n\
    \n\
    masquerade wan out\n";

fn import(scene: &Scene, arguments: &[&str]) -> Run {
    let all = ["import"].into_iter().chain(arguments.iter().copied());
    palisade(all.collect::<Vec<_>>()).within(scene).run()
}

#[test]
fn rules_become_what_a_person_would_write() {
    let scene = Scene::new(&[("now.v4", RULES)]);
    let run = import(&scene, &["now.v4", "-o", "web.fw"]);
    assert_eq!((run.status, run.out.as_str()), (0, ""), "{}", run.err);
    assert_eq!(scene.read("web.fw"), POLICY);
    let summary = "imported 11 rules: 4 statements, 4 rules by defaults and implicit rules, \
                   1 rule as raw, 1 rule without effect left out\n";
    assert!(run.err.starts_with(summary), "{}", run.err);
    assert!(run.err.contains("nothing is known of IPv6"), "{}", run.err);
    let run = palisade(["verify", "web.fw", "now.v4"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    let run = palisade(["build", "web.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);

    let run = import(&scene, &["now.v4"]);
    assert_eq!((run.status, run.out.as_str()), (0, POLICY), "{}", run.err);
    let run = palisade(["import", "-"]).stdin(RULES.as_bytes()).run();
    assert!(run.out.starts_with("# Imported from standard input.\n"), "{}", run.out);
}

#[test]
fn rules_of_both_families_are_one_where_they_say_the_same() {
    let head = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n";
    let v4 = "-A INPUT -s 192.0.2.7/32 -j DROP\n\
        -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n\
        -A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT\n\
        -A INPUT -p tcp -m tcp --dport 25 -j ACCEPT\n";
    let v6 = "-A INPUT -s 2001:db8::7/128 -j DROP\n\
        -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n\
        -A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT\n\
        -A INPUT -p tcp -m tcp --dport 53 -j ACCEPT\n";
    let dump = |rules: &str| format!("{head}{rules}COMMIT\n");
    let scene = Scene::new(&[("now.v4", &dump(v4)), ("now.v6", &dump(v6))]);
    let run = import(&scene, &["now.v4", "now.v6"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let policy = "# Imported from now.v4 and now.v6.\n\
        \n\
        implicit none\n\
        \n\
        drop any from 192.0.2.7, 2001:db8::7\n\
        allow ssh\n\
        allow ping\n\
        allow smtp ipv4\n\
        allow tcp 53 ipv6\n";
    assert_eq!(run.out, policy);
    assert!(!run.err.contains("nothing is known of"), "{}", run.err);
}

#[test]
fn labels_for_selinux_stay_as_they_are() {
    let rules = "*security\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        :labels - [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j labels\n\
        -A labels -j SECMARK --selctx system_u:object_r:ssh_t:s0\nCOMMIT\n";
    let scene = Scene::new(&[("now.v4", rules)]);
    let run = import(&scene, &["now.v4", "-o", "web.fw"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let policy = scene.read("web.fw");
    let label = "raw v4 security labels \"-j SECMARK --selctx system_u:object_r:ssh_t:s0\"\n";
    assert!(policy.contains(label), "{policy}");
    assert!(run.err.contains("2 rules as raw"), "{}", run.err);
    let run = palisade(["verify", "web.fw", "now.v4"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
}

#[test]
fn what_cannot_be_said_is_told_and_nothing_written() {
    // Half of the tools would cut this, so no policy may have it.
    let prefix = "long".repeat(20);
    let rules = format!(
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A INPUT -p tcp -m tcp --dport 23 -j NFLOG --nflog-prefix {prefix}\nCOMMIT\n"
    );
    let scene = Scene::new(&[("now.v4", &rules), ("web.fw", "old")]);
    let run = import(&scene, &["now.v4", "-o", "web.fw"]);
    assert_eq!(run.status, 2, "{}", run.err);
    assert!(run.err.contains("no policy was found that is equal to now.v4"), "{}", run.err);
    assert!(run.err.contains("now.v4:5:1") && run.err.contains("longlong"), "{}", run.err);
    assert_eq!(scene.read("web.fw"), "old");
}

#[test]
fn a_dump_is_not_overwritten_and_a_broken_one_not_imported() {
    let scene = Scene::new(&[("now.v4", RULES), ("broken.v4", "*filter\n-A INPUT -j\nCOMMIT\n")]);
    let run = import(&scene, &["now.v4", "-o", "now.v4"]);
    assert_eq!(run.status, 2, "{}", run.err);
    assert_eq!(scene.read("now.v4"), RULES);
    let run = import(&scene, &["broken.v4", "-o", "web.fw"]);
    assert_eq!(run.status, 2, "{}", run.err);
    assert!(run.err.contains("broken.v4:2"), "{}", run.err);
    assert!(!scene.files().contains(&"web.fw".to_owned()));
    let run = import(&scene, &["none.v4"]);
    assert_eq!(run.status, 2, "{}", run.err);
}

const ASKS_SETS: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
    -A INPUT -m set --match-set bad src -j DROP\n\
    -A INPUT -p tcp -m tcp --dport 22 -m set --match-set my:office src -j ACCEPT\n\
    -A INPUT -p tcp -m tcp --dport 25 -m set ! --match-set bad src -j ACCEPT\n\
    -A INPUT -m set --match-set passing src -j ACCEPT\n\
    -A INPUT -m helper --helper ftp -m set --match-set odd src -j ACCEPT\n\
    -A INPUT -m set --match-set odd src -j ACCEPT\nCOMMIT\n";

const SETS: &str = "create bad hash:net family inet hashsize 1024 maxelem 65536\n\
    add bad 192.0.2.0/24\nadd bad 198.51.100.7\n\
    create my:office hash:ip family inet hashsize 1024 maxelem 65536\nadd my:office 203.0.113.5\n\
    create passing hash:ip family inet timeout 600\nadd passing 203.0.113.9 timeout 20\n\
    create odd hash:ip family inet\nadd odd 203.0.113.10\n";

#[test]
fn sets_are_lists_when_it_is_told_what_is_in_them_for_good() {
    let scene = Scene::new(&[("now.v4", ASKS_SETS), ("now.ipset", SETS)]);
    let run = import(&scene, &["now.v4", "now.ipset"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let policy = "# Imported from now.v4 and now.ipset.\n\
        # Of IPv6 nothing was given: what names no address and no family holds there too.\n\
        \n\
        set bad = 192.0.2.0/24, 198.51.100.7\n\
        set my-office = 203.0.113.5\n\
        \n\
        implicit neighbour-discovery, dhcpv6-client\n\
        \n\
        drop any from bad\n\
        allow ssh from my-office\n\
        allow smtp from any except bad\n\
        raw v4 filter INPUT \"-m set --match-set passing src -j ACCEPT\"\n\
        raw v4 filter INPUT \"-m helper --helper ftp -m set --match-set odd src -j ACCEPT\"\n\
        raw v4 filter INPUT \"-m set --match-set odd src -j ACCEPT\"\n";
    assert_eq!(run.out, policy);
    // Without that, nothing is guessed.
    let run = import(&scene, &["now.v4"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.err.contains("6 rules as raw"), "{}", run.err);
}

#[test]
fn rules_that_change_sets_stay_as_they_are() {
    let rules = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A INPUT -m set --match-set black src -j DROP\n\
        -A INPUT -p tcp -m tcp --dport 23 -j SET --add-set black src\n\
        -A INPUT -p tcp -m tcp --dport 24 -j SET --add-set grey src --exist\n\
        -A INPUT -p tcp -m tcp --dport 25 -j SET --del-set grey src\n\
        -A INPUT -m set --match-set grey src -j DROP\n\
        -A INPUT -m set --match-set black src,dst -j DROP\n\
        -A INPUT -m set --match-set white src -j ACCEPT\nCOMMIT\n";
    let sets = "create black hash:net family inet\nadd black 192.0.2.0/24\n\
        create grey hash:ip family inet\nadd grey 192.0.2.7\n\
        create white hash:ip family inet\nadd white 192.0.2.8\n";
    let scene = Scene::new(&[("now.v4", rules), ("now.ipset", sets)]);
    let run = import(&scene, &["now.v4"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.err.contains("7 rules as raw"), "{}", run.err);
    // What a dump says is in them says nothing of later packets.
    let run = import(&scene, &["now.v4", "now.ipset"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.out.contains("set white = 192.0.2.8\n"), "{}", run.out);
    assert!(run.err.contains("6 rules as raw"), "{}", run.err);
    let run = palisade(["check", "now.v4", "now.ipset"]).within(&scene).run();
    for set in ["black", "grey"] {
        let note = format!("what is in the set `{set}` is not known, for rules change it");
        assert!(run.err.contains(&note) || run.out.contains(&note), "{}{}", run.out, run.err);
    }
}

#[test]
fn one_odd_rule_does_not_make_the_others_raw() {
    let rules = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        :guard - [0:0]\n\
        -A INPUT -j guard\n\
        -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n\
        -A guard -p tcp -m tcp --dport 23 -j DROP\n\
        -A guard -m recent --update --seconds 60 --name bad --rsource -j DROP\n\
        -A guard -m helper --helper ftp -j RETURN\n\
        -A guard -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j DROP\n\
        -A guard -p udp -m udp --dport 53 -j ACCEPT\nCOMMIT\n";
    let scene = Scene::new(&[("now.v4", rules)]);
    let run = import(&scene, &["now.v4"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let chains = "chain guard {\n    \
            drop telnet\n    \
            jump guard-drop\n\
        }\n\
        raw v4 filter guard \"-m helper --helper ftp -j RETURN\"\n\
        raw v4 filter guard \"-g guard-2\"\n\
        chain guard-2 {\n    \
            jump not-syn tcp any state new\n    \
            allow udp 53\n\
        }\n";
    assert!(run.out.contains(chains), "{}", run.out);
    let not_syn = "chain not-syn {\n    \
            return tcp any flags syn / fin, syn, rst, ack\n    \
            drop any\n\
        }\n";
    assert!(run.out.contains(not_syn), "{}", run.out);
    assert!(run.err.contains("2 rules as raw"), "{}", run.err);
}

const HEAD: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n";

#[test]
fn a_chain_that_is_left_again_and_again_is_not_cut_in_too_many() {
    let mut rules = format!("{HEAD}:guard - [0:0]\n-A INPUT -j guard\n");
    for port in 1000..1012 {
        rules.push_str(&format!(
            "-A guard -p tcp -m tcp --dport {port} -j DROP\n\
             -A guard -m helper --helper ftp -m tcp -p tcp --dport {port} -j RETURN\n"
        ));
    }
    rules.push_str("COMMIT\n");
    let scene = Scene::new(&[("now.v4", &rules)]);
    let run = import(&scene, &["now.v4"]);
    assert_eq!(run.status, 0, "{}", run.err);
    // What is not to be said behind others in one chain is raw, and nothing else.
    assert!(run.out.contains("chain guard {\n    drop tcp 1000\n}\n"), "{}", run.out);
    assert!(run.err.contains("2 statements, 22 rules as raw"), "{}", run.err);
}

#[test]
fn a_rule_that_leads_to_nothing_counts_all_the_same() {
    let rules = format!(
        "{HEAD}:nothing - [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j nothing\n\
         -A INPUT -p tcp -m tcp --dport 23 -m limit --limit 5/min -j nothing\nCOMMIT\n"
    );
    let scene = Scene::new(&[("now.v4", &rules)]);
    let run = import(&scene, &["now.v4"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let counting = "raw v4 filter INPUT \"-p tcp -m tcp --dport 23 -m limit --limit 5/min";
    assert!(run.out.contains(counting) && !run.out.contains("nothing\""), "{}", run.out);
}

#[test]
fn a_rule_about_all_packets_that_only_counts_is_kept() {
    let raw = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:odd - [0:0]\n\
        -A PREROUTING -s 10.0.0.1/32 -j odd\n-A odd\n-A odd -d 10.0.0.2/32 -j DROP\nCOMMIT\n";
    let rules =
        format!("{HEAD}-A INPUT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n{raw}");
    let scene = Scene::new(&[("now.v4", &rules)]);
    let run = import(&scene, &["now.v4", "-o", "web.fw"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let policy = scene.read("web.fw");
    for rule in ["raw v4 filter INPUT \"-p all\"\n", "raw v4 raw odd \"-p all\"\n"] {
        assert!(policy.contains(rule), "{policy}");
    }
    let run = palisade(["verify", "web.fw", "now.v4"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
}

#[test]
fn the_icmp_of_the_other_family_is_a_number() {
    let rules =
        format!("{HEAD}-A INPUT -p NUMBER -j DROP\n-A INPUT ! -p NUMBER -j ACCEPT\nCOMMIT\n");
    for (family, said) in [("v4", ["58", "ipv6-icmp"]), ("v6", ["1", "icmp"])] {
        let number = said[0];
        for said in said {
            let dump = format!("now.{family}");
            let scene = Scene::new(&[(&dump, &rules.replace("NUMBER", said))]);
            let run = import(&scene, &[&dump, "-o", "web.fw"]);
            assert_eq!(run.status, 0, "{}", run.err);
            let policy = scene.read("web.fw");
            let raw = format!("raw {family} filter INPUT \"-p {number} -j DROP\"\n");
            assert!(policy.contains(&raw), "{policy}");
            let run = palisade(["verify", "web.fw", &dump]).within(&scene).run();
            assert_eq!(run.status, 0, "{}", run.err);
        }
    }
}

/// Chains of which each jumps to the next, in a dump.
fn nested(depth: usize) -> String {
    let all = |of: &dyn Fn(usize) -> String| (1..=depth).map(of).collect::<String>();
    let chains = all(&|at| format!(":c{at} - [0:0]\n"));
    let jump = |at: usize| format!("-A c{at} ! -i eth{at} -j c{}\n", at + 1);
    let rules = all(&|at| if at == depth { format!("-A c{at} -j DROP\n") } else { jump(at) });
    format!("{HEAD}{chains}-A INPUT -p tcp -j c1\n{rules}COMMIT\n")
}

#[test]
fn chains_too_deep_are_told_by_their_lines() {
    // However deep the chains would be that other words need.
    let scene = Scene::new(&[("now.v4", &nested(8)), ("deep.v4", &nested(9))]);
    let run = import(&scene, &["now.v4", "-o", "web.fw"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let run = palisade(["verify", "web.fw", "now.v4"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    let run = import(&scene, &["deep.v4", "-o", "deep.fw"]);
    assert_eq!(run.status, 2, "{}", run.err);
    let said = [
        "error[nesting-too-deep]: chains jump to each other more than 8 deep",
        "deep.v4:22:1",
        "-A c1 ! -i eth1 -j c2",
        "`c1` jumps on here",
        "-A c8 ! -i eth8 -j c9",
        "`c9` is too deep",
        "help: put the rules of one of these chains in the place of the jump to it",
        "nothing was written",
    ];
    for said in said {
        assert!(run.err.contains(said), "no {said}: {}", run.err);
    }
    assert!(!run.err.contains("the policy:"), "{}", run.err);
    assert!(!scene.files().contains(&"deep.fw".to_owned()));
}

#[test]
fn the_chains_of_preserve_are_no_chains_of_the_policy() {
    let policy = "preserve docker\nallow ssh\nallow http from 192.0.2.0/24 log \"web \"\n";
    let scene = Scene::new(&[("old.fw", policy)]);
    let run = palisade(["build", "old.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    let run = import(&scene, &["out/rules.v4", "out/rules.v6"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let said = "\nallow ssh\nallow http from 192.0.2.0/24 log \"web \" rate 10/minute burst 20\n";
    assert!(run.out.contains(said) && !run.out.contains("pal-INPUT"), "{}", run.out);
}

#[test]
fn the_dynamic_sets_of_a_policy_are_known_by_their_names() {
    let policy = "set banned dynamic timeout 1h\n\
        set nets dynamic size 1000\n\
        \n\
        drop any from banned, nets\n\
        add source to banned for 2h telnet log \"trap \" rate 10/minute burst 20\n\
        add source/24,/64 to nets tcp any flags syn / syn, ack limit 100/second burst 5\n\
        allow smtp from any except banned\n\
        allow ssh\n";
    let scene = Scene::new(&[("old.fw", policy)]);
    let run = palisade(["build", "old.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    let run = import(&scene, &["out/rules.v4", "out/rules.v6"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let imported = format!("# Imported from rules.v4 and rules.v6.\n\n{policy}");
    assert_eq!(run.out, imported);
    // Of two sets that would have one name none has it.
    let rules = scene.read("out/rules.v6").replace("banned-1h.v6", "banned-3h.v6");
    scene.write("out/rules.v6", &rules);
    let run = import(&scene, &["out/rules.v4", "out/rules.v6"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(!run.out.contains("set banned dynamic") && run.out.contains("set nets"), "{}", run.out);
}

#[test]
fn what_conntrack_is_told_is_said_by_statements() {
    let policy = "allow ftp from 192.0.2.0/24\n\
        allow dns\n\
        \n\
        forward {\n    \
            allow tftp in eth1\n\
        }\n\
        \n\
        notrack dns\n\
        forward { notrack udp 53 from 10.0.0.0/24 to 192.0.2.53 }\n\
        output { notrack ntp to 192.0.2.123 }\n";
    let scene = Scene::new(&[("old.fw", policy)]);
    let run = palisade(["build", "old.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
    let run = import(&scene, &["out/rules.v4", "out/rules.v6"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(run.out, format!("# Imported from rules.v4 and rules.v6.\n\n{policy}"));
    assert!(run.err.contains("0 rules as raw"), "{}", run.err);
    // Without the answers it is something else, and so is a helper for what nothing allows.
    let rules = scene.read("out/rules.v4");
    let without = |line: &&str| !line.contains("-A OUTPUT -p udp -m udp --sport 53 -j CT");
    let rules: Vec<&str> = rules.lines().filter(without).collect();
    let more = "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A PREROUTING -p tcp -m tcp --dport 6667 -j CT --helper irc";
    let rules =
        rules.join("\n").replace("*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]", more);
    scene.write("now.v4", &(rules + "\n"));
    let run = import(&scene, &["now.v4"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let raw = [
        "-p udp -m udp --dport 53 -m addrtype --dst-type LOCAL -j CT --notrack",
        "-p tcp -m tcp --dport 6667 -j CT --helper irc",
    ];
    for rule in raw {
        assert!(run.out.contains(&format!("raw v4 raw PREROUTING \"{rule}\"\n")), "{}", run.out);
    }
    assert!(run.err.contains("2 rules as raw"), "{}", run.err);
}

#[test]
fn groups_are_known_by_their_kind() {
    let rules = format!(
        "{HEAD}-A INPUT -m addrtype --dst-type MULTICAST -j DROP\n\
         -A INPUT -m addrtype ! --src-type MULTICAST -p tcp -m tcp --dport 22 -j ACCEPT\n\
         -A INPUT -m addrtype --dst-type BROADCAST -j DROP\nCOMMIT\n"
    );
    let scene = Scene::new(&[("now.v4", &rules)]);
    let run = import(&scene, &["now.v4"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert!(run.out.contains("drop any to 224.0.0.0/4@self\n"), "{}", run.out);
    assert!(run.out.contains("allow ssh from any except 224.0.0.0/4"), "{}", run.out);
    assert!(run.err.contains("1 rule as raw"), "{}", run.err);
}

#[test]
fn errors_of_raw_rules_are_expected() {
    const NAT: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
        -A PREROUTING -m mark ! --mark 0x0/0x2 -j DNAT --to-destination 10.0.1.2\n\
        -A PREROUTING ! -i eth1 -p tcp -m tcp --dport 1 -j REDIRECT --to-ports 1\n\
        -A PREROUTING -p tcp -m tcp --dport 3 -m mark ! --mark 0x0/0x2 -m conntrack --ctstate NEW,DNAT \
        -j DNAT --to-destination 10.0.1.3:3\n\
        -A OUTPUT -d 203.0.113.1/32 -m conntrack --ctstate DNAT -j ACCEPT\n\
        -A OUTPUT -d 203.0.113.1/32 -j DNAT --to-destination 10.0.1.3\nCOMMIT\n";
    let scene = Scene::new(&[("now.v4", NAT)]);
    let run = import(&scene, &["now.v4", "-o", "nat.fw"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let text = scene.read("nat.fw");
    let expected = |lint| format!("expect {lint} \"so it was imported\" {{ raw v4 nat PREROUTING");
    assert!(text.contains(&expected("nat-conflict")), "{text}");
    assert!(text.contains(&expected("shadowed-conflict")), "{text}");
    let dead = "\n# No packet meets this: raw v4 nat OUTPUT \"-d 203.0.113.1/32 -m conntrack --ctstate DNAT";
    assert!(text.contains(dead), "{text}");
    let built = palisade(["build", "nat.fw", "-o", "out/"]).within(&scene).run();
    assert_eq!(built.status, 0, "{}", built.err);
    let run = palisade(["verify", "nat.fw", "now.v4"]).within(&scene).run();
    assert_eq!(run.status, 0, "{}", run.err);
}

#[test]
fn a_policy_that_was_edited_is_not_replaced_unasked() {
    let scene = Scene::new(&[("now.v4", RULES)]);
    let import = |more: &[&str]| import(&scene, &[&["now.v4", "-o", "web.fw"], more].concat());
    scene.write("web.fw", "");
    assert_eq!(import(&[]).status, 0, "nothing is lost of an empty file");
    let imported = scene.read("web.fw");
    assert_eq!(import(&[]).status, 0, "nothing is lost of the same text");
    scene.write("web.fw", &format!("{imported}# mine\n"));
    let run = import(&[]);
    assert_eq!(run.status, 2, "{}", run.err);
    assert!(
        run.err.contains("cannot write web.fw: there is a file with another text"),
        "{}",
        run.err
    );
    assert!(run.err.contains("`--force`"), "{}", run.err);
    assert!(scene.read("web.fw").ends_with("# mine\n"));
    assert_eq!(import(&["--force"]).status, 0);
    assert_eq!(scene.read("web.fw"), imported);
}
