//! Short texts that would like to become very large, and long ones that are broken all over. Each is
//! answered, with an address space of 1 GiB.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use crate::run::{Run, Scene};

/// Kilobytes of address space, and seconds of processor time on a slow machine with a program that is not
/// optimised: what takes so long would never end.
const LIMITS: &str = "ulimit -v 1048576; ulimit -t 300; exec \"$@\"";

/// Long enough to show what grows with the square of it.
const LONG: usize = 1_000_000;

fn limited(scene: &Scene, arguments: &[&str]) -> Run {
    let program = env!("CARGO_BIN_EXE_palisade");
    let mut limited = Command::new("sh");
    limited.args(["-c", LIMITS, "sh", program]).args(arguments);
    // Each thread of the allocator has an arena of its own, which is space and no memory.
    limited.current_dir(scene.path("")).env("MALLOC_ARENA_MAX", "2");
    limited.stdin(Stdio::null()).output().unwrap().into()
}

/// Answers to a command: the status, and something that is said.
fn answers(command: &str, name: &str, text: &str, status: i32, said: &str) {
    let scene = Scene::new(&[(name, text)]);
    let run = limited(&scene, &[command, name]);
    let start: String = text.chars().take(60).collect();
    let err: String = run.err.chars().take(2_000).collect();
    assert_eq!(run.status, status, "{command} {name} {start:?}: {err}");
    assert!(run.err.contains(said), "{command} {name} {start:?}: {err}");
    // What is said grows no faster than what was asked.
    assert!(run.err.len() < 4 * text.len() + 100_000, "{command} {name} {start:?}");
}

fn policy(text: &str, status: i32, said: &str) {
    answers("check", "web.fw", text, status, said);
}

fn dump(text: &str, status: i32, said: &str) {
    answers("check", "now.v4", text, status, said);
}

fn flood(unit: &str) -> String {
    unit.repeat(LONG / unit.len())
}

/// `of` each number below `count`.
fn each(count: usize, of: impl Fn(usize) -> String) -> String {
    (0..count).map(of).collect()
}

/// Definitions of which each has the one before it twice.
fn doubling(first: &str, depth: usize, of: impl Fn(usize, usize) -> String) -> String {
    format!("{first}\n{}", each(depth, |at| of(at + 1, at) + "\n"))
}

#[test]
fn brackets_that_never_close() {
    for open in ["{", "(", "{[", "a(", "from wan {\n", "allow ssh from ("] {
        policy(&flood(open), 1, "nesting-too-deep");
    }
    policy(&flood("}"), 1, "too-many-findings");
    policy(&format!("let a = {}", flood("(")), 1, "nesting-too-deep");
    policy(&format!("allow any from {}", flood("! ")), 1, "unknown-character");
}

#[test]
fn a_megabyte_of_one_thing() {
    policy(&"\0".repeat(LONG), 1, "unknown-character");
    policy(&"\u{202e}".repeat(LONG / 3), 1, "unknown-character");
    policy(&format!("allow a{}", "\u{301}".repeat(LONG / 2)), 1, "unknown-character");
    policy(&format!("allow tcp {}", "9".repeat(LONG)), 1, "bad-port");
    policy(&format!("allow ssh from 10.0.0.{}", "9".repeat(LONG)), 1, "bad-address");
    policy(&format!("mark 0x{} any", "f".repeat(LONG)), 1, "error");
    policy(&format!("allow {}", "a".repeat(LONG)), 1, "unknown-name");
    policy(&format!("log any prefix \"{}", "a".repeat(LONG)), 1, "unterminated-string");
    policy(&format!("include \"{}\"", "a".repeat(LONG)), 2, "unreadable-file");
    policy(&format!("include \"{}\"", "*a".repeat(LONG / 2)), 0, "include-empty");
    policy(&"#".repeat(LONG), 0, "no findings");
    policy(&"\n".repeat(LONG), 0, "no findings");
    policy(&flood("alow ssh\n"), 1, "too-many-findings");
    policy(&flood("x "), 1, "error");
    policy(&flood(":"), 1, "error");
}

#[test]
fn one_line_of_a_megabyte() {
    let host = |at: usize| format!("10.{}.{}.{}, ", at >> 15, (at >> 7) & 255, (at * 2) & 255);
    let list = each(60_000, host);
    policy(&format!("allow ssh from {list} 192.0.2.1"), 0, "no findings");
    policy(&format!("allow ssh from 10.0.0.0/8 except {list} 192.0.2.1"), 0, "");
    policy(&format!("let a = 10.0.0.1; {}", flood("alow ssh; ")), 1, "too-many-findings");
}

#[test]
fn bytes_that_are_no_text() {
    let scene = Scene::new(&[]);
    std::fs::write(scene.path("web.fw"), vec![0xff; LONG]).unwrap();
    let run = limited(&scene, &["check", "web.fw"]);
    assert_eq!(run.status, 1);
    assert!(run.err.contains("not-utf8"), "{}", run.err);
}

#[test]
fn definitions_that_double() {
    let lists = doubling("let a0 = 10.0.0.1, 10.0.0.3", 60, |new, old| {
        format!("let a{new} = a{old}, a{old}")
    });
    policy(&format!("{lists}allow ssh from a60"), 0, "no findings");
    let zones = doubling("zone z0 = eth0", 60, |new, old| format!("let z{new} = z{old}, z{old}"));
    policy(&format!("{zones}allow ssh from z60"), 0, "no findings");
    let services =
        doubling("service s0 = tcp 1", 60, |new, old| format!("service s{new} = s{old}, s{old}"));
    policy(&format!("{services}allow s60"), 0, "web.fw: 1 note");
    let calls = doubling("def d0() { allow tcp 22 }", 60, |new, old| {
        format!("def d{new}() {{ d{old}(); d{old}() }}")
    });
    policy(&format!("{calls}d60()"), 1, "too-much-expansion");
}

#[test]
fn arguments_that_double() {
    let of = |first| doubling(first, 40, |new, old| format!("def d{new}(x) {{ d{old}((x, x)) }}"));
    let places = of("def d0(x) { allow tcp 22 from x }");
    policy(&format!("{places}d40(10.0.0.1)"), 1, "too-much-expansion");
    policy(&format!("zone z = eth0\n{places}d40(z)"), 1, "too-much-expansion");
    let services = of("def d0(x) { allow x }");
    policy(&format!("{services}d40(ssh)"), 1, "too-much-expansion");
}

#[test]
fn blocks_that_multiply() {
    let zone = "zone z = eth0 { 10.0.0.0/8 }\n";
    let range = |at: usize| format!("10.0.0.{}-10.255.{}.0@z, ", at & 255, at >> 8);
    let list = each(700, range);
    let block = format!("from {list} 10.1.1.1@z {{\n");
    let text = format!("{zone}{}allow ssh\n{}", block.repeat(10), "}\n".repeat(10));
    policy(&text, 1, "too-much-expansion");
}

#[test]
fn definitions_too_deep_to_follow() {
    for (first, more, last) in [
        ("let a0 = 10.0.0.1", "let aNEW = aOLD", "allow ssh from a5000"),
        ("service a0 = tcp 1", "service aNEW = aOLD", "allow a5000"),
        ("chain a0 { allow ssh }", "chain aNEW { jump aOLD }", "jump a5000"),
        ("def a0() { allow ssh }", "def aNEW() { aOLD() }", "a5000()"),
    ] {
        let of = |new: usize, old: usize| {
            more.replace("NEW", &new.to_string()).replace("OLD", &old.to_string())
        };
        let text = doubling(first, 5_000, of) + last;
        policy(&text, 1, "nesting-too-deep");
    }
}

#[test]
fn files_that_include_each_other() {
    let many = |text: &str| text.repeat(2_000);
    let scene = Scene::new(&[
        ("self.fw", &many("include \"self.fw\"\n")),
        ("web.fw", &many("include \"ring.fw\"\n")),
        ("ring.fw", &many("include \"web.fw\"\n")),
        ("all.fw", &many("include \"d/*.fw\"\n")),
        ("d/a.fw", "allow ssh\n"),
        ("sets.fw", &each(2_000, |at| format!("set s{at} from \"list\"\n"))),
        ("list", &"10.0.0.1\n".repeat(10_000)),
    ]);
    for (file, said) in
        [("self.fw", "include-cycle"), ("web.fw", "include-cycle"), ("all.fw", "include-twice")]
    {
        let run = limited(&scene, &["check", file]);
        assert!(run.status == 0 || run.status == 1, "{file}: {}", run.status);
        assert!(run.err.contains(said), "{file}: {}", run.err);
    }
    let run = limited(&scene, &["check", "sets.fw"]);
    assert_eq!(run.status, 0, "{}", run.err);
    for at in 0..70 {
        scene.write(&format!("p{at}.fw"), &format!("include \"p{}.fw\"\n", at + 1).repeat(50));
    }
    let run = limited(&scene, &["check", "p0.fw"]);
    assert_eq!(run.status, 1, "{}", run.err);
    assert!(run.err.contains("nesting-too-deep"), "{}", run.err);
}

/// A dump of the table `filter` with these chains and rules.
fn filter(chains: usize, rules: &str) -> String {
    let own = each(chains, |at| format!(":c{at} - [0:0]\n"));
    let built_in = ["INPUT", "FORWARD", "OUTPUT"].map(|name| format!(":{name} ACCEPT [0:0]\n"));
    format!("*filter\n{}{own}{rules}COMMIT\n", built_in.concat())
}

#[test]
fn chains_without_end() {
    const MANY: usize = 100_000;
    dump(&filter(MANY, ""), 0, "");
    let ring = each(MANY, |at| format!("-A c{at} -g c{}\n", (at + 1) % MANY));
    dump(&filter(MANY, &format!("-A INPUT -j c0\n{ring}")), 1, "chain-cycle");
    let clique = each(150 * 150, |at| format!("-A c{} -j c{}\n", at / 150, at % 150));
    dump(&filter(150, &format!("-A INPUT -j c0\n{clique}")), 1, "chain-cycle");
}

/// Each chain calls the next under other conditions, so a way through them all has as many.
#[test]
fn chains_that_are_called_again_and_again() {
    let calls = |count: usize, call: &dyn Fn(usize) -> String| {
        format!("-A INPUT -j c0\n{}-A c{} -j ACCEPT\n", each(count - 1, call), count - 1)
    };
    let said = "too many jumps lead to them";
    let twice = |at: usize| {
        let (port, next) = (at + 1, at + 1);
        format!(
            "-A c{at} -s 10.0.0.0/8 -p tcp --dport {port} -j c{next}\n\
             -A c{at} -p tcp --sport {port} -j c{next}\n"
        )
    };
    dump(&filter(60, &calls(60, &twice)), 1, said);
    // No packet comes there, so all their sets are as good as nothing.
    let never = |at: usize| format!("-A c{at} -j c{0}\n-A c{at} -j c{0}\n", at + 1);
    let behind = calls(40, &never).replace("-A INPUT", "-A INPUT ! -s 0.0.0.0/0");
    dump(&filter(40, &behind), 1, said);
    // Of what is not looked at it is not said that no packet comes there.
    let list = |at: usize| format!("-A c0 -p tcp --dport {} -j ACCEPT\n", at + 1);
    let jump = |at: usize| format!("-A INPUT -s 10.0.{}.{} -j c0\n", at >> 8, at & 255);
    let text = format!("{}{}-A INPUT -j c1\n-A c1 -j DROP\n", each(1_000, list), each(1_000, jump));
    let scene = Scene::new(&[("now.v4", &filter(2, &text))]);
    let run = limited(&scene, &["check", "now.v4"]);
    assert!(run.err.contains(said) && !run.err.contains("unreachable-chain"), "{}", run.err);
    let once = |at: usize| format!("-A c{at} -p tcp --dport {} -j c{}\n", at + 1, at + 1);
    dump(&filter(20_000, &calls(20_000, &once)), 1, said);
    let plain = |at: usize| format!("-A c{at} -j c{}\n", at + 1);
    dump(&filter(20_000, &calls(20_000, &plain)), 0, "no findings");
}

/// Each is asked for by its name, and has all above it on the way.
#[test]
fn chains_that_are_nested_deep() {
    let mark = "-A cAT -j MARK --set-xmark 0x1/0xffffffff\n-A cAT -j cNEXT\n";
    for rules in
        ["-A cAT -j cNEXT\n", "-A cAT -g cNEXT\n", "-A cAT -j LOG\n-A cAT -j cNEXT\n", mark]
    {
        let rules =
            |at: usize| rules.replace("AT", &at.to_string()).replace("NEXT", &(at + 1).to_string());
        let text = filter(8_000, &format!("-A INPUT -j c0\n{}", each(7_999, rules)));
        let text = text.replace("COMMIT", "-A c7999 -j ACCEPT\nCOMMIT");
        dump(&text, 0, "");
        answers("graph", "now.v4", &text, 0, "");
        answers("import", "now.v4", &text, 2, "nesting-too-deep");
    }
}

/// Each rule takes nearly all packets, in two pieces or more.
#[test]
fn conditions_that_are_turned_round() {
    let host = |at: usize| format!("10.0.{}.{}", at >> 8, at & 255);
    let ports = |at: usize| {
        let ports: Vec<String> =
            (0..15).map(|k| (1 + (at * 31 + k * 7) % 65_535).to_string()).collect();
        ports.join(",")
    };
    let rules: [&dyn Fn(usize) -> String; 3] = [
        &|at| format!("-A INPUT ! -s {} -j DROP\n", host(at)),
        &|at| format!("-A INPUT ! -s {} ! -d {} -j DROP\n", host(at), host(at)),
        &|at| format!("-A INPUT -p tcp -m multiport ! --dports {} -j DROP\n", ports(at)),
    ];
    for rule in rules {
        let text = filter(0, &each(7_000, rule));
        dump(&text, 0, "shadowed-rule");
        answers("graph", "now.v4", &text, 0, "");
    }
}

#[test]
fn dumps_that_are_broken_all_over() {
    dump(&filter(0, &"\0".repeat(LONG)), 1, "bad-dump");
    for line in ["-A INPUT -j NOSUCH\n", "-A nosuch -j ACCEPT\n", "*filter\n", "garbage\n"] {
        dump(&filter(0, &flood(line)), 1, "too-many-findings");
    }
    for words in ["-m tcp ", "! ", "\"", "-s 10.0.0.1,"] {
        dump(&filter(0, &format!("-A INPUT {}\n", flood(words))), 1, "bad-dump");
    }
}

#[test]
fn lists_of_a_dump_that_multiply() {
    let list = |net: usize| {
        let all = each(480, |at| format!("10.{net}.{}.{},", at >> 8, at & 255));
        all.trim_end_matches(',').to_owned()
    };
    let line = format!("-A INPUT -s {} -d {} -j ACCEPT\n", list(0), list(1));
    dump(&filter(0, &line.repeat(100)), 1, "more than 200000 rules in one file");
}

#[test]
fn imports_of_what_is_no_dump_end() {
    let mut text = filter(0, &flood("-A INPUT -p tcp -j NOSUCH\n"));
    answers("import", "now.v4", &text, 2, "bad-dump");
    write!(text, "{}", "\0".repeat(LONG)).unwrap();
    answers("import", "now.v4", &text, 2, "bad-dump");
}

/// Each rule joins those before it, or has a limit that all are asked about.
#[test]
fn imports_of_long_lists() {
    let host = |at: usize| format!("10.{}.{}.{}", at >> 16, (at >> 8) & 255, at & 255);
    let from = each(20_000, |at| format!("-A INPUT -s {} -j DROP\n", host(at)));
    answers("import", "now.v4", &filter(0, &from), 0, "");
    let port = |at: usize| format!("-A INPUT -p tcp --dport {} -j ACCEPT\n", 2 * at + 1);
    answers("import", "now.v4", &filter(0, &each(20_000, port)), 0, "");
    let limited = |at: usize| {
        let rate = 1 + at % 59;
        format!("-A INPUT -p tcp --dport {} -m limit --limit {rate}/min -j ACCEPT\n", at + 1)
    };
    let said = "too many different conditions";
    answers("import", "now.v4", &filter(0, &each(10_000, limited)), 2, said);
}

/// Rules that say what others say, that the language has no words for, or that stand between such.
#[test]
fn imports_of_rules_that_are_alike() {
    let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
    let flags = |at: usize| {
        let of: Vec<&str> =
            (0..6).filter(|flag| (at | 1) >> flag & 1 == 1).map(|flag| names[flag]).collect();
        format!("-A INPUT -p tcp --tcp-flags {} FIN -j DROP\n", of.join(","))
    };
    answers("import", "now.v4", &filter(0, &each(15_000, flags)), 0, "0 rules as raw");
    let open = "-A POSTROUTING -j MASQUERADE\n".repeat(30_000);
    let nat = format!("*nat\n:POSTROUTING ACCEPT [0:0]\n{open}COMMIT\n");
    answers("import", "now.v4", &nat, 0, "30000 rules as raw");
    let returns = |at: usize| {
        let host = format!("10.0.{}.{}", at >> 8, at & 255);
        format!("-A c0 -m foo --bar {at} -j RETURN\n-A c0 -s {host} -j ACCEPT\n")
    };
    let jump = "-A INPUT -j c0\n";
    answers("import", "now.v4", &filter(1, &(each(8_000, returns) + jump)), 2, "");
    let left_out = |at: usize| format!("-A INPUT ! -i e{at} -p tcp --dport {at} -j LOG\n");
    answers("import", "now.v4", &filter(0, &each(10_000, left_out)), 0, "0 rules as raw");
}

fn ports(target: &str) -> String {
    filter(0, &each(20_000, |at| format!("-A INPUT -p tcp --dport {} -j {target}\n", at + 1)))
}

fn differ(left: &str, right: &str, status: i32, lines: usize) {
    let scene = Scene::new(&[("now.v4", left), ("then.v4", right)]);
    let run = limited(&scene, &["diff", "now.v4", "then.v4"]);
    assert_eq!(run.status, status, "{}", run.err);
    assert!(run.out.lines().count() >= lines, "{}", run.out);
}

/// Each is shown by a packet that walks through all rules of both sides.
#[test]
fn differences_as_many_as_rules() {
    // Each has its packets, both rules and an example; beyond 1,000 none is looked for, which is said.
    differ(&ports("ACCEPT"), &ports("REJECT"), 1, 4_000);
}

/// Each is in all behind it.
#[test]
fn rules_that_are_nested() {
    let range = |at: usize| format!("allow tcp {}-{}\n", 30_000 - at, 30_001 + at);
    let scene = Scene::new(&[("web.fw", &*each(10_000, range))]);
    let run = limited(&scene, &["check", "--fix", "web.fw"]);
    assert_eq!(run.status, 0, "{}", run.err);
    assert_eq!(scene.read("web.fw"), "allow tcp 20001-40000\n");
}

/// Each is in all behind it, and the packets of none are those of one rule alone.
#[test]
fn nested_rules_that_differ_and_are_asked_for() {
    let range = |at: usize| {
        let (low, high) = (30_000 - at, 30_001 + at);
        format!("-A INPUT -p tcp --dport {low}:{high} -j DROP\n")
    };
    let nested = filter(0, &each(6_000, range));
    differ(&nested, &filter(0, "-A INPUT -p tcp --dport 22 -j DROP\n"), 1, 4_000);
    let scene = Scene::new(&[("now.v4", &*nested)]);
    let run = limited(&scene, &["query", "now.v4", "drop tcp 1-65535 from any"]);
    assert_eq!(run.status, 2, "{}", run.err);
}

/// All of them are about a packet, as far as it shows.
#[test]
fn differences_in_what_packets_do_not_show() {
    let rule = |at: usize| {
        let name = ["SYN", "RST", "PSH", "ACK", "URG", "SYN,ACK", "SYN,RST", "ACK,URG"][at % 8];
        format!("-A INPUT -p tcp -m tcp --tcp-flags FIN,{name} FIN -j DROP\n")
    };
    let host = |at: usize| format!("10.{}.{}.1", at >> 8 & 255, at & 255);
    let hosts = |at| format!("-A INPUT -s {} -p tcp --dport 22 -j ACCEPT\n", host(at));
    differ(&filter(0, &each(8_000, rule)), &filter(0, &each(2_000, hosts)), 1, 4_000);
    // Each packet is logged by all of them.
    let log = |at: usize| format!("-A INPUT -j LOG --log-prefix p{at}\n");
    differ(&filter(0, &each(8_000, log)), &filter(0, ""), 1, 500);
    let set = |at: usize| format!("-A INPUT -m set --match-set s{at} src -j DROP\n");
    differ(&filter(0, &each(2_800, set)), &filter(0, &each(800, hosts)), 1, 4_000);
}

/// Each rule of one side with each of the other, of which no packet comes to any but the first.
#[test]
fn rules_that_take_all_before_others() {
    let accept = "-A INPUT -j ACCEPT\n";
    let all = filter(0, &accept.repeat(20_000));
    let alternating = filter(0, &format!("{accept}-A INPUT -j DROP\n").repeat(10_000));
    let same = filter(0, &"-A INPUT -p tcp --dport 22 -j DROP\n".repeat(20_000));
    differ(&ports("ACCEPT"), &all, 0, 1);
    differ(&alternating, &all, 0, 1);
    differ(&same, &all, 1, 4);
    differ(&same, &ports("ACCEPT"), 1, 4);
}

/// Each would be asked about together with all before it.
#[test]
fn rules_that_are_asked_for_all_at_once() {
    let accept = "-A INPUT -j ACCEPT\n";
    let alternating = filter(0, &format!("{accept}-A INPUT -j DROP\n").repeat(20_000));
    let within = "-A INPUT -p tcp -m limit --limit 5/min -j ACCEPT\n".repeat(20_000);
    let interface = |at: usize| format!("-A INPUT -i e{at} -j ACCEPT\n");
    for (text, question, lines) in [
        (&filter(0, &accept.repeat(40_000)), "allow tcp 22 from any", 3),
        (&alternating, "allow tcp 22 from any", 3),
        (&filter(0, &within), "allow tcp 22 from any", 20_000),
        (&filter(0, &each(10_000, interface)), "allow tcp 22 from any", 10_000),
        (&ports("DROP"), "drop tcp 1-1000 from any", 1_000),
    ] {
        let scene = Scene::new(&[("now.v4", text)]);
        let run = limited(&scene, &["query", "now.v4", question]);
        assert_eq!(run.status, 0, "{}", run.err);
        assert!(run.out.lines().count() >= lines, "{}", run.out);
    }
}

/// Each promise is shown to be broken by a packet that walks through all rules.
#[test]
fn promises_that_are_all_broken() {
    let host = |at: usize| format!("10.0.{}.{}", at >> 8, at & 255);
    let rules = each(3_000, |at| format!("allow tcp {} from {} to self\n", at + 1, host(at)));
    let broken = |at: usize| format!("assert drop tcp {} from {} to self\n", at + 1, host(at));
    policy(&format!("{rules}{}", each(3_000, broken)), 1, "assertion-failed");
    let sent = |at: usize| format!("  tcp {}:4000 -> self:{} in eth0 => drop\n", host(at), at + 1);
    policy(&format!("{rules}test \"all\" {{\n{}}}\n", each(1_000, sent)), 1, "test-failed");
}

/// Each by itself would compile all rules once more.
#[test]
fn promises_as_many_as_rules() {
    let host = |at: usize| format!("10.0.{}.{}", at >> 8, at & 255);
    let rules = each(3_000, |at| format!("allow tcp {} from {}\n", at + 1, host(at)));
    let kept = |at: usize| format!("assert allow tcp {} from {} to self\n", at + 1, host(at));
    policy(&format!("{rules}{}", each(3_000, kept)), 0, "no findings");
}

/// Conditions that a packet does not show: each is a respect of its own in which packets differ.
#[test]
fn conditions_that_all_differ() {
    let time = |at: usize| format!("{:02}:{:02}-23:59", at % 23, at / 23 % 60);
    let allow = |at: usize| format!("allow tcp {} during {} mon-fri\n", at + 1, time(at));
    let said = "they have too many different conditions";
    policy(&each(20_000, allow), 1, said);
    policy(&each(5_000, allow), 0, "no findings");
    for condition in ["-m set --match-set sAT src", "-m string --algo bm --string AT"] {
        let rule = |at: usize| {
            format!("-A INPUT {} -j ACCEPT\n", condition.replace("AT", &at.to_string()))
        };
        dump(&filter(0, &each(20_000, rule)), 1, said);
        dump(&filter(0, &each(1_000, rule)), 0, "");
    }
}

#[test]
fn translations_that_are_all_the_same() {
    let nat = |rule: &str| format!("*nat\n:POSTROUTING ACCEPT [0:0]\n{}COMMIT\n", flood(rule));
    dump(&nat("-A POSTROUTING -j MASQUERADE\n"), 0, "unreachable-rule");
    dump(&nat("-A POSTROUTING -p tcp -j SNAT --to-source 192.0.2.1\n"), 0, "duplicate-rule");
}
