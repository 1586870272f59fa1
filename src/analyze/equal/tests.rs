use super::*;
use crate::analyze::ruled::ruled;
use crate::diagnostic::has_errors;
use crate::meaning::meaning;
use crate::net::{CtState, Protocol};
use crate::packet::Payload;
use crate::read::read;
use crate::resolve::resolve;
use crate::source::{MemoryLoader, Sources};

fn of_policy(text: &str) -> Meaning {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    assert!(!has_errors(&resolved.findings), "{:?}", resolved.findings);
    meaning(&resolved.policy)
}

/// Rules of IPv4, in the filter unless another table is named.
fn of_rules(text: &str) -> Meaning {
    let text = if text.starts_with('*') {
        format!("{text}\nCOMMIT\n")
    } else {
        format!("*filter\n:INPUT DROP\n{text}\nCOMMIT\n")
    };
    let file = Sources::new().add("rules", text.as_str());
    let read = read(file, &text, Some(Family::V4));
    assert!(!has_errors(&read.findings), "{:?}", read.findings);
    ruled(Some(&read.ruleset), None).meaning
}

fn compared(left: &Meaning, right: &Meaning) -> Comparison {
    compare(left, right, Families::only(Family::V4), Budget::default())
}

fn are_equal(left: &str, right: &str) {
    let found = compared(&of_rules(left), &of_rules(right));
    assert!(found.is_equal(), "{left}\n{right}\n{found:?}");
}

/// What both sides do with the packet that shows the first difference, and the packet.
fn differ(left: &str, right: &str) -> (Deed, Deed, Packet) {
    let found = compared(&of_rules(left), &of_rules(right));
    assert_eq!(found.unproved, [], "{left}\n{right}");
    let one = found.differences.into_iter().next();
    let one = one.unwrap_or_else(|| panic!("equal: {left}\n{right}"));
    (one.left.deed, one.right.deed, one.packet)
}

fn accept() -> Deed {
    Deed::Decide(Decision::Accept)
}

fn drop() -> Deed {
    Deed::Decide(Decision::Drop)
}

#[test]
fn a_list_is_the_rules_that_it_is() {
    are_equal(
        "-A INPUT -p tcp -m multiport --dports 22,80:81 -j ACCEPT",
        "-A INPUT -p tcp --dport 80:81 -j ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT",
    );
    are_equal(
        "-A INPUT -s 10.0.0.0/8 -j ACCEPT",
        "-A INPUT -s 10.128.0.0/9 -j ACCEPT\n-A INPUT -s 10.0.0.0/9 -j ACCEPT",
    );
}

#[test]
fn the_order_of_rules_about_other_packets_does_not_count() {
    let rules = ["-A INPUT -p tcp --dport 22 -j ACCEPT", "-A INPUT -p tcp --dport 23 -j REJECT"];
    are_equal(&rules.join("\n"), &[rules[1], rules[0]].join("\n"));
}

#[test]
fn the_order_of_rules_about_the_same_packets_counts() {
    let rules =
        ["-A INPUT -p tcp --dport 22:30 -j ACCEPT", "-A INPUT -p tcp --dport 30:40 -j DROP"];
    let (left, right, packet) = differ(&rules.join("\n"), &[rules[1], rules[0]].join("\n"));
    assert_eq!((left, right), (accept(), drop()));
    assert_eq!(packet.ports().map(|(_, port)| port), Some(30));
}

#[test]
fn what_is_hidden_makes_no_difference() {
    are_equal(
        "-A INPUT -p tcp -j ACCEPT\n-A INPUT -p tcp --dport 22 -j DROP",
        "-A INPUT -p tcp -j ACCEPT\n-A INPUT -p udp -j DROP",
    );
}

#[test]
fn one_bit_of_a_mask_is_a_difference() {
    let (left, right, packet) =
        differ("-A INPUT -s 10.0.0.0/9 -j ACCEPT", "-A INPUT -s 10.0.0.0/8 -j ACCEPT");
    assert_eq!((left, right), (drop(), accept()));
    let second = packet.source.to_string().split('.').nth(1).and_then(|part| part.parse().ok());
    assert!(second.is_some_and(|second: u8| second >= 128), "{}", packet.source);
}

#[test]
fn the_end_of_a_chain_is_compared() {
    let (left, right, _) =
        differ("*filter\n:INPUT DROP\n:FORWARD DROP", "*filter\n:INPUT DROP\n:FORWARD ACCEPT");
    assert_eq!((left, right), (drop(), accept()));
}

#[test]
fn a_goto_ends_with_the_chain_that_it_leaves() {
    let chain = ":one -\n:two -\n-A INPUT -j one\n-A INPUT -j ACCEPT\n-A two -s 10.0.0.1 -j DROP\n";
    let went = format!("{chain}-A one -s 10.0.0.0/8 -g two\n-A one -j DROP");
    are_equal(&went, &format!("{chain}-A one ! -s 10.0.0.0/8 -j DROP\n-A one -s 10.0.0.1 -j DROP"));
    let (left, right, packet) =
        differ(&went, &format!("{chain}-A one -s 10.0.0.0/8 -j two\n-A one -j DROP"));
    assert_eq!((left, right), (accept(), drop()));
    assert!(packet.source.to_string().starts_with("10."), "{}", packet.source);
    // One in a chain of the kernel ends with its policy.
    are_equal(
        ":two -\n-A INPUT -s 10.0.0.0/8 -g two\n-A INPUT -j ACCEPT\n-A two -s 10.0.0.1 -j DROP",
        "-A INPUT ! -s 10.0.0.0/8 -j ACCEPT",
    );
}

const LIMITED: &str = "-A INPUT -p tcp -m limit --limit 5/min --limit-burst 7 -j ACCEPT";

#[test]
fn limits_are_paired_by_what_they_count() {
    are_equal(LIMITED, "-A INPUT -p tcp -m limit --limit 300/hour --limit-burst 7 -j ACCEPT");
    for other in [
        "-A INPUT -p tcp -m limit --limit 6/min --limit-burst 7 -j ACCEPT",
        "-A INPUT -p tcp -m limit --limit 5/min --limit-burst 8 -j ACCEPT",
        "-A INPUT -p tcp -j ACCEPT",
        "-A INPUT -p tcp --dport 22 -m limit --limit 5/min --limit-burst 7 -j ACCEPT",
    ] {
        differ(LIMITED, other);
    }
}

/// Two rules with a limit each let through twice as much as two with one.
#[test]
fn the_second_limit_of_a_kind_is_another() {
    let twice = format!("{LIMITED}\n{LIMITED}");
    let (_, _, packet) = differ(LIMITED, &twice);
    assert!(packet.opaque.iter().any(|fact| fact.contains("number 2 of these")), "{packet:?}");
    are_equal(&twice, &twice);
}

#[test]
fn a_limit_that_packets_are_counted_by_in_vain_is_a_difference() {
    let counted = "-A INPUT -p tcp -m limit --limit 5/min --limit-burst 7 -j DROP";
    let (left, right, _) = differ(counted, "-A INPUT -p udp -j DROP");
    assert!(matches!(left, Deed::Count(_)), "{left:?}");
    assert_eq!(right, drop());
}

#[test]
fn tables_of_one_name_count_together() {
    let limit = |port: u16, name: &str| {
        format!(
            "-A INPUT -p tcp --dport {port} -m hashlimit --hashlimit-upto 5/min --hashlimit-burst 5 \
             --hashlimit-mode srcip --hashlimit-name {name} --hashlimit-htable-max 65536 \
             --hashlimit-htable-expire 60000 -j ACCEPT\n"
        )
    };
    let one = limit(22, "a") + &limit(23, "a");
    are_equal(&one, &(limit(22, "b") + &limit(23, "b")));
    differ(&one, &(limit(22, "a") + &limit(23, "b")));
}

#[test]
fn a_lost_log_is_a_difference() {
    let rest = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -j ACCEPT";
    let logged = |prefix: &str| format!("-A INPUT -p tcp -j LOG --log-prefix \"{prefix}\"\n{rest}");
    let (left, right, packet) = differ(&logged("seen "), rest);
    let seen = Deed::Log { prefix: Some("seen ".into()), level: LogLevel(4) };
    assert_eq!((left, right), (seen, accept()));
    assert_eq!(packet.protocol(), Protocol::TCP);
    differ(&logged("seen "), &logged("sees "));
    // Twice is two lines.
    differ(&logged("a"), &format!("-A INPUT -p tcp -j LOG --log-prefix \"a\"\n{}", logged("a")));
    let last = "-A INPUT -j LOG --log-prefix \"a\"";
    differ(last, &format!("-A INPUT -p tcp -j LOG --log-prefix \"a\"\n{last}"));
    are_equal(
        &logged("a"),
        &format!(
            "-A INPUT -p tcp --dport 22 -j LOG --log-prefix \"a\"\n\
             -A INPUT -p tcp ! --dport 22 -j LOG --log-prefix \"a\"\n{rest}"
        ),
    );
}

#[test]
fn the_log_of_a_default_is_the_last_rule() {
    let policy = of_policy(
        "implicit none\ndefault allow output\ndefault drop input log \"end \"\nallow tcp 22 from 10.0.0.0/8\n",
    );
    let rules = |prefix: &str| {
        let allowance = "-m limit --limit 10/min --limit-burst 20";
        of_rules(&format!(
            "*filter\n:INPUT DROP\n:FORWARD DROP\n\
             -A INPUT -p tcp -s 10.0.0.0/8 --dport 22 -j ACCEPT\n\
             -A INPUT {allowance} -j LOG --log-prefix \"{prefix}\""
        ))
    };
    let found = compared(&policy, &rules("end "));
    assert!(found.is_equal(), "{found:#?}");
    assert!(!compared(&policy, &rules("and ")).is_equal());
}

#[test]
fn a_set_is_asked_after_rules_filled_it() {
    let add = "-A INPUT -s 10.0.0.0/8 -p tcp --dport 22 -j SET --add-set seen src --exist";
    let asks = "-A INPUT -m set --match-set seen src -j ACCEPT";
    let filled = format!("{add}\n{asks}");
    are_equal(
        &filled,
        &format!("{add}\n-A INPUT -s 10.0.0.0/8 -p tcp --dport 22 -j ACCEPT\n{asks}"),
    );
    let (_, _, packet) = differ(&filled, &format!("{asks}\n{add}"));
    assert_eq!(packet.ports().map(|(_, port)| port), Some(22));
    differ(&filled, asks);
    differ(&filled, &filled.replace("seen", "other"));
}

#[test]
fn a_mark_is_compared_by_what_becomes_of_it() {
    let first = "-A PREROUTING -p tcp -j MARK --set-xmark 0x1/0xff";
    let table = |rules: &str| format!("*mangle\n{rules}");
    are_equal(&table(&format!("{first}\n{first}")), &table(first));
    let (left, _, _) = differ(&table(first), &table(""));
    assert!(matches!(left, Deed::Change(Change::Mark(_))), "{left:?}");
    differ(&table(first), &table("-A PREROUTING -p tcp -j MARK --set-xmark 0x1/0xf"));
    // Who asks for a mark asks for the new one.
    let asks = "-A PREROUTING -p tcp -m mark --mark 0x1/0xff -j DROP";
    let (left, right, _) =
        differ(&table(&format!("{first}\n{asks}")), &table(&format!("{asks}\n{first}")));
    assert_ne!(left, right);
}

#[test]
fn marks_of_other_packets_may_change_places() {
    let rules = [
        "-A PREROUTING -p tcp -j MARK --set-xmark 0x1/0xff",
        "-A PREROUTING -p udp -j MARK --set-xmark 0x2/0xff",
    ];
    let table = |rules: [&str; 2]| format!("*mangle\n{}", rules.join("\n"));
    are_equal(&table(rules), &table([rules[1], rules[0]]));
}

fn mangle(rules: &[&str]) -> String {
    format!("*mangle\n{}", rules.join("\n"))
}

#[test]
fn in_which_order_bits_are_marked_is_no_difference() {
    let low = "-A PREROUTING -p tcp -j MARK --set-xmark 0x1/0xf";
    let high = "-A PREROUTING -s 10.0.0.0/8 -j MARK --set-xmark 0x20/0xf0";
    let class = "-A PREROUTING -p tcp -j DSCP --set-dscp 0x0a";
    are_equal(&mangle(&[low, high, class]), &mangle(&[class, high, low]));
    let other = "-A PREROUTING -s 10.0.0.0/8 -j MARK --set-xmark 0x2/0xff";
    let (_, _, packet) = differ(&mangle(&[low, other]), &mangle(&[other, low]));
    assert!(packet.source.to_string().starts_with("10."), "{}", packet.source);
    // What the last one makes of all hides the others.
    let all = "-A PREROUTING -j MARK --set-xmark 0x5/0xffffffff";
    are_equal(&mangle(&[low, other, all]), &mangle(&[all]));
    are_equal(&mangle(&[low, "-A PREROUTING -j DROP"]), &mangle(&["-A PREROUTING -j DROP"]));
}

#[test]
fn a_mark_that_a_packet_has_already_makes_no_difference() {
    let has = "-A PREROUTING -m mark --mark 0x1/0xf -j MARK --set-xmark 0x1/0xf";
    are_equal(&mangle(&[has]), &mangle(&[]));
    let more = "-A PREROUTING -m mark --mark 0x1/0xf -j MARK --set-xmark 0x11/0xff";
    let (_, _, packet) = differ(&mangle(&[more]), &mangle(&[]));
    assert!(packet.mark & 0xf == 1 && packet.mark & 0xf0 != 0x10, "{:#x}", packet.mark);
    are_equal(
        &mangle(&["-A PREROUTING -m dscp --dscp 0x0a -j DSCP --set-dscp 0x0a"]),
        &mangle(&[]),
    );
}

#[test]
fn a_copied_mark_is_compared_bit_by_bit() {
    let copies = "-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff";
    let clean = "-A PREROUTING -m connmark --mark 0x0/0xff -j MARK --set-xmark 0x0/0xff";
    let (_, _, packet) = differ(&mangle(&[copies]), &mangle(&[clean]));
    assert_ne!(packet.mark & 0xff, packet.connection_mark & 0xff);
    let marked = "-A PREROUTING -m connmark ! --mark 0x0/0xff -j CONNMARK --restore-mark \
                  --nfmask 0xff --ctmask 0xff";
    are_equal(&mangle(&[copies]), &mangle(&[clean, marked]));
    // Who asks for the mark then asks for what the connection had.
    let asks = "-A PREROUTING -m mark --mark 0x7/0xff -j DROP";
    let asked = "-A PREROUTING -m connmark --mark 0x7/0xff -j DROP";
    let own =
        "-A PREROUTING -m conntrack --ctstate INVALID,UNTRACKED -m mark --mark 0x7/0xff -j DROP";
    are_equal(&mangle(&[copies, asks]), &mangle(&[asked, own, copies]));
    differ(&mangle(&[copies, asks]), &mangle(&[asked, copies]));
}

/// Who came to a chain by what he was, and was made another there, is still in it.
#[test]
fn a_chain_is_entered_by_what_a_packet_was() {
    let chain = ":X -\n-A X -p tcp -j MARK --set-xmark 0x2/0xffffffff\n-A X -p udp -j DROP";
    let entered = mangle(&[chain, "-A PREROUTING -m mark --mark 0x1 -j X"]);
    let flat = [
        "-A PREROUTING -p tcp -m mark --mark 0x1 -j MARK --set-xmark 0x2/0xffffffff",
        "-A PREROUTING -p udp -j DROP",
    ];
    let (_, _, packet) = differ(&entered, &mangle(&flat));
    assert_ne!(packet.mark, 1);
    let asked = "-A PREROUTING -p udp -m mark --mark 0x1 -j DROP";
    are_equal(&entered, &mangle(&[flat[0], asked]));
    // And who left it by what he was has left.
    let leaves = ":X -\n-A PREROUTING -j X\n-A X -m mark --mark 0x1 -j RETURN\n\
                  -A X -j MARK --set-xmark 0x1/0xffffffff\n-A X -j DROP";
    let asks = [
        "-A PREROUTING -m mark ! --mark 0x1 -j MARK --set-xmark 0x1/0xffffffff",
        "-A PREROUTING -m mark ! --mark 0x1 -j DROP",
    ];
    differ(&mangle(&[leaves]), &mangle(&asks));
}

#[test]
fn conntrack_is_told_once() {
    let raw = |rules: &[&str]| format!("*raw\n{}", rules.join("\n"));
    let never = "-A PREROUTING -p tcp -j CT --notrack";
    let helper = "-A PREROUTING -p tcp --dport 21 -j CT --helper ftp";
    are_equal(&raw(&[never, helper]), &raw(&[never]));
    differ(&raw(&[helper, never]), &raw(&[never]));
}

/// Only what is invalid is without a connection that it had before.
#[test]
fn conntrack_saw_what_comes_in_on_lo() {
    let raw = |rule: &str| format!("*raw\n{rule}");
    let (_, _, packet) = differ(&raw("-A PREROUTING -i lo -j CT --notrack"), &raw(""));
    assert_eq!(packet.state, CtState::Invalid);
    let elsewhere = "-A PREROUTING ! -i lo -j CT --notrack";
    differ(&raw("-A PREROUTING -j CT --notrack"), &raw(elsewhere));
}

#[test]
fn what_is_left_to_docker_is_a_decision() {
    let policy = "zone wan = eth0\npreserve docker\ndocker {\n  allow tcp 80 from 10.0.0.0/8\n}\n";
    let one = of_policy(policy);
    let other = of_policy(&policy.replace("tcp 80", "tcp 81"));
    assert!(compared(&one, &one).is_equal());
    let found = compared(&one, &other);
    let first = found.differences.first().expect("a difference");
    assert_eq!(first.base, BaseChain::DockerUser);
    assert!(
        [&first.left.deed, &first.right.deed].contains(&&Deed::Decide(Decision::LeaveToDocker)),
        "{first:#?}"
    );
}

/// What rules behind others that take all of theirs do is no difference, nor is it told with another.
#[test]
fn hidden_rules_make_no_difference() {
    let hosts = |verb: &str| -> String {
        let rule = |at: u32| {
            format!("-A INPUT -s 10.0.{}.{} -p tcp --dport 22 -j {verb}\n", at >> 8, at & 255)
        };
        (0..600).map(rule).collect()
    };
    let all = "-A INPUT -p tcp --dport 22 -j ACCEPT\n";
    are_equal(&format!("{all}{}", hosts("DROP")), all);
    are_equal(all, &format!("{all}{}{all}{}", hosts("DROP"), hosts("REJECT")));
    // All that is accepted for other sources than these is dropped now: one difference, of two runs.
    let (left, right) = (format!("{all}{}", all.repeat(50)), hosts("ACCEPT"));
    for (old, new) in [(&left, &right), (&right, &left)] {
        let found = compared(&of_rules(old), &of_rules(new));
        let [one] = &found.differences[..] else { panic!("{found:?}") };
        let region = one.region.as_ref().expect("few pieces");
        let sources = |host: u32| {
            let packet = Packet {
                source: std::net::Ipv4Addr::from(0x0a00_0000 + host).into(),
                ..one.packet.clone()
            };
            one.space.contains(region, &one.space.point(&packet))
        };
        assert!((0..600).all(|host| !sources(host)));
        assert!(sources(600) && sources(0x0100_0000));
    }
}

/// Differences of which each has to be held to hundreds of rules of the other side.
#[test]
fn what_is_left_for_the_default_is_told() {
    let host = |at| format!("-A INPUT -s 10.0.{}.{} -p tcp -j ACCEPT\n", at >> 8, at & 255);
    let port = |at| format!("-A INPUT -p tcp --dport {at} -j ACCEPT\n");
    let hosts = (0..600).map(host).collect::<Vec<_>>().concat();
    let ports = (1..9).map(port).collect::<Vec<_>>().concat();
    let found = compared(&of_rules(&ports), &of_rules(&hosts));
    assert_eq!(found.unproved, []);
    let lost = found.differences.iter().filter(|one| one.left.deed == accept());
    let won = found.differences.iter().filter(|one| one.right.deed == accept());
    assert_eq!((lost.clone().count(), won.count()), (8, 600));
    for one in lost {
        let region = one.region.as_ref().expect("few pieces");
        assert!(one.space.contains(region, &one.space.point(&one.packet)));
        let ours = std::net::Ipv4Addr::new(10, 0, 1, 1).into();
        let packet = Packet { source: ours, ..one.packet.clone() };
        assert!(!one.space.contains(region, &one.space.point(&packet)));
    }
}

/// A later fragment has no ports; conntrack puts them together.
#[test]
fn fragments_come_where_nothing_uses_conntrack() {
    let halves =
        "-A INPUT -p tcp --dport 0:999 -j ACCEPT\n-A INPUT -p tcp --dport 1000:65535 -j ACCEPT";
    let all = "-A INPUT -p tcp -j ACCEPT";
    let (left, right, packet) = differ(halves, all);
    assert_eq!((left, right), (drop(), accept()));
    assert!(matches!(packet.payload, Payload::Tcp { .. }));
    let established = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT";
    are_equal(&format!("{established}\n{halves}"), &format!("{established}\n{all}"));
}

#[test]
fn a_lost_state_is_a_difference() {
    let (left, right, packet) = differ(
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
    );
    assert_eq!((left, right, packet.state), (accept(), drop(), CtState::Related));
}

#[test]
fn a_translation_is_compared_with_its_port() {
    let rule = |to: &str| {
        format!("*nat\n-A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination {to}")
    };
    are_equal(&rule("10.0.0.2:8080"), &rule("10.0.0.2:8080-8080"));
    let (left, right, _) = differ(&rule("10.0.0.2:8080"), &rule("10.0.0.2:8081"));
    assert_ne!(left, right);
    differ(&rule("10.0.0.2:8080"), &rule("10.0.0.3:8080"));
    differ(&rule("10.0.0.2:8080"), "*nat");
}

#[test]
fn a_missing_chain_of_docker_is_a_difference() {
    let with = of_policy("preserve docker\ndocker { allow tcp 80 }\n");
    let without = of_policy("preserve docker\nallow ssh\n");
    for (left, right) in [(&with, &without), (&without, &with)] {
        let found = compared(left, right);
        let bases: Vec<BaseChain> = found.differences.iter().map(|one| one.base).collect();
        assert!(bases.contains(&BaseChain::DockerUser), "{bases:?}");
    }
}
