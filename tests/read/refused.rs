//! What is said about texts that are no rules files, or not whole ones; and that it is said soon.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use palisade::diagnostic::{Level, Lint, catalogue, has_errors};
use palisade::net::Family;
use palisade::read::{Read, read};
use palisade::ruleset::{Origin, Target};
use palisade::source::Sources;

/// Reads rules for IPv4, with their file.
fn dump(text: &str) -> (Sources, Read) {
    let mut sources = Sources::new();
    let file = sources.add("rules.v4", text);
    (sources, read(file, text, Some(Family::V4)))
}

/// `line:column message` of each finding.
fn said(text: &str) -> Vec<String> {
    let (sources, read) = dump(text);
    let line = |finding: &palisade::diagnostic::Finding| {
        let place = finding.span.map(|span| sources.start(span).to_string());
        assert!(!finding.label.is_empty(), "{}", finding.message);
        assert!(finding.help.is_some(), "{}", finding.message);
        assert!(!finding.message.ends_with('.'), "{}", finding.message);
        format!("{} {}", place.expect("a place"), finding.message)
    };
    read.findings.iter().map(line).collect()
}

/// The one finding about a rule of INPUT.
fn about(rule: &str) -> String {
    let text = format!("*filter\n:INPUT DROP [0:0]\n:own - [0:0]\n-A INPUT {rule}\nCOMMIT\n");
    let said = said(&text);
    assert_eq!(said.len(), 1, "{rule}: {said:?}");
    said.into_iter().next().unwrap_or_default()
}

#[test]
fn files_are_refused_at_their_place() {
    for (text, expected) in [
        ("*filter\n:INPUT ACCEPT [0:0]\n", "1:1 table `filter` without its COMMIT"),
        ("*filter\n*nat\nCOMMIT\n", "1:1 table `filter` without its COMMIT"),
        ("-A INPUT -j ACCEPT\n", "1:1 line outside of a table"),
        ("*filter\nCOMMIT\nCOMMIT\n", "3:1 line outside of a table"),
        ("*flter\n", "1:1 table `flter`, which iptables does not have"),
        ("*filter\n:INPUT\nCOMMIT\n", "2:1 line that should declare a chain"),
        ("*filter\n:INPUT ACCEPT [0:0] x\nCOMMIT\n", "2:1 line that should declare a chain"),
        ("*filter\n:INPUT ACEPT [0:0]\nCOMMIT\n", "2:1 policy `ACEPT`, which no chain has"),
        (
            "*filter\n:own DROP [0:0]\nCOMMIT\n",
            "2:1 policy of `own`, which is no chain of the kernel",
        ),
        ("*filter\n:own - [0:0]\n:own - [0:0]\nCOMMIT\n", "3:1 chain `own` declared twice"),
        ("*filter\n:ACCEPT - [0:0]\nCOMMIT\n", "2:1 `ACCEPT` is no name for a chain"),
        (
            "*filter\n-A own -j DROP\nCOMMIT\n",
            "2:4 chain `own`, which table `filter` does not have",
        ),
        (
            "*nat\n-A FORWARD -j DROP\nCOMMIT\n",
            "2:4 chain `FORWARD`, which table `nat` does not have",
        ),
        (
            "*filter\n-I INPUT 2 -j DROP\nCOMMIT\n",
            "2:10 rule at a place that its chain does not have",
        ),
        ("*filter\n-A INPUT -A INPUT\nCOMMIT\n", "2:10 line with two commands"),
        ("*filter\nhello\nCOMMIT\n", "2:1 word `hello`, which belongs to no option"),
        ("*filter\n-j ACCEPT\nCOMMIT\n", "2:1 line that is neither a rule nor a chain"),
        ("*filter\n # indented\nCOMMIT\n", "2:2 word `#`, which belongs to no option"),
        ("*filter\n-F INPUT\nCOMMIT\n", "2:1 `-F` in a rules file"),
        ("*filter\n-A INPUT -t nat\nCOMMIT\n", "2:10 `-t` in a rules file"),
        ("*filter\r\n", "1:8 line of a rules file that ends with a carriage return"),
        ("\u{feff}*filter\nCOMMIT\n", "1:1 byte order mark at the beginning of a rules file"),
        ("*filter\n-A \0\nCOMMIT\n", "2:4 zero byte in a rules file"),
    ] {
        assert_eq!(said(text), [expected], "{text:?}");
    }
}

#[test]
fn rules_are_refused_at_the_word_that_is_wrong() {
    for (rule, expected) in [
        ("-p tcp --dport 99999 -j DROP", "4:25 `99999` is not a port"),
        ("-p tcp --dport htps -j DROP", "4:25 `htps` is not a port"),
        ("-s 10.0.0.256 -j DROP", "4:13 `10.0.0.256` is no IPv4 address"),
        ("-s 10.0.0.0/33 -j DROP", "4:13 `10.0.0.0/33` is no IPv4 address"),
        ("-s example.org -j DROP", "4:13 `example.org` is no IPv4 address"),
        ("-s ::1 -j DROP", "4:13 `::1` is no IPv4 address"),
        ("! -s 10.0.0.1,10.0.0.2 -j DROP", "4:15 `!` before a list of addresses"),
        ("-s 10.0.0.1 -s 10.0.0.2", "4:22 `-s` twice in one rule"),
        ("-p tpc -j DROP", "4:13 protocol `tpc`, which is not known"),
        ("! -p all", "4:15 `!` before `all`"),
        ("-i abcdefghijklmnop -j DROP", "4:13 `abcdefghijklmnop` is not the name of an interface"),
        ("-i \"\" -j DROP", "4:13 `` is not the name of an interface"),
        ("-j nowhere", "4:13 `nowhere` is neither a chain of the table nor a known target"),
        ("-j INPUT", "4:13 `INPUT` is neither a chain of the table nor a known target"),
        ("-g ACCEPT", "4:13 `-g ACCEPT`, which is no chain of the table"),
        ("-j ACCEPT --to 1", "4:20 option `--to` behind a target without options"),
        ("-j own --to 1", "4:17 option `--to` behind a target without options"),
        ("-j DROP -j ACCEPT", "4:18 `-j` twice in one rule"),
        ("--dport 22 -j DROP", "4:10 option `--dport`, which is not known here"),
        ("-ptcp -j DROP", "4:10 option `-ptcp`, which is not known here"),
        ("-p tcp --syn=1 -j DROP", "4:17 `--syn=1`, of which the option takes no value"),
        ("-p tcp --dport= -j DROP", "4:25 `` is not a port"),
        ("-p tcp --dport=! 22 -j DROP", "4:27 word `22`, which belongs to no option"),
        ("-p tcp --dport=htps", "4:25 `htps` is not a port"),
        ("--log-prefix=\"a b\"", "4:10 option `--log-prefix=a b`, which is not known here"),
        ("-s=10.0.0.1", "4:10 option `-s=10.0.0.1`, which is not known here"),
        ("--source=example.org", "4:19 `example.org` is no IPv4 address"),
        ("--sou=10.0.0.1", "4:10 `--sou=10.0.0.1`: the beginning of an option's name, and a `=`"),
        ("--out=eth0", "4:10 `--out=eth0`: the beginning of an option's name, and a `=`"),
        ("--table=nat -j DROP", "4:10 `--table` in a rules file"),
        ("-j", "4:10 `-j` without its value"),
        ("-m comment --comment", "4:21 `--comment` without its value"),
        ("-m comment --comment \"a b -j DROP", "4:31 quote that its line does not close"),
        ("-j DROP # why", "4:18 word `#`, which belongs to no option"),
        ("! ! -i eth0", "4:12 word `!`, which belongs to no option"),
        ("-i eth0 !", "4:18 word `!`, which belongs to no option"),
        ("! -j DROP", "4:12 `!` before `-j`"),
        ("-m limit --limit 20000/s", "4:27 `20000/s` is not a rate"),
        ("-m limit --limit 0/s", "4:27 `0/s` is not a rate"),
        ("-m conntrack --ctstate NWE", "4:33 `NWE` is not a list of states"),
        ("-m state --state DNAT", "4:27 `DNAT` is not a list of states"),
        ("-m mac --mac-source 0:1", "4:30 `0:1` is not six bytes"),
        ("-p icmp --icmp-type 300", "4:30 `300` is not a type of ICMP"),
        ("-j REJECT --reject-with nothing", "4:34 `nothing` is not an answer"),
        ("-j LOG --log-level 9", "4:29 `9` is not a level"),
        ("-j MARK --set-mark x", "4:29 `x` is not a mark"),
        ("-m conntrack -j DROP", "4:13 match `conntrack` without an option"),
        ("-m comment -j DROP", "4:13 match `comment` without an option"),
        ("-p icmp -m icmp -j DROP", "4:21 match `icmp` without an option"),
        ("-m tcp --dport 1", "4:13 `tcp` in a rule that is not about its protocol"),
        ("-p udp -m tcp --dport 1", "4:20 `tcp` in a rule that is not about its protocol"),
        ("! -p sctp -m sctp --dport 1", "4:23 `sctp` in a rule that is not about its protocol"),
        ("-m multiport --dports 1", "4:13 `multiport` in a rule that is not about its protocol"),
        ("-m icmp --icmp-type 8", "4:13 `icmp` in a rule that is not about its protocol"),
        ("-j REJECT --reject-with tcp-reset", "4:34 `tcp-reset` in a rule that is not about its"),
        ("-m esp --espspi 5 -j DROP", "4:13 `esp` in a rule that is not about its protocol"),
        ("-p udp -m ecn --ecn-tcp-cwr", "4:24 `--ecn-tcp-cwr` in a rule that is not about its"),
    ] {
        let about = about(rule);
        assert!(about.starts_with(expected), "{rule}: {about}");
    }
}

#[test]
fn options_are_refused_that_do_not_go_together() {
    for (rule, expected) in [
        ("-p tcp --dport 80:70", "4:25 `80:70` is not a range of ports with the smaller one first"),
        (
            "-p udp -m multiport --dports 80:70",
            "4:39 `80:70` is not a list of ports, and of ranges",
        ),
        (
            "-p tcp -m multiport --dports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16",
            "4:39 `1:2,3:4,5:6",
        ),
        ("-p tcp -m multiport --dports 1 --sports 2", "4:41 `--sports` beside `--dports`"),
        ("-p tcp --dport 1 --destination-port 2", "4:27 `--destination-port` beside `--dport`"),
        ("-p tcp --dport 1 --dport 2", "4:27 `--dport` twice in one rule"),
        ("-p tcp --syn --tcp-flags SYN SYN", "4:23 `--tcp-flags` beside `--syn`"),
        ("-m limit --limit 5/s --limit-burst 20000", "4:45 `20000` is not a number of packets"),
        ("-m limit ! --limit 5/s", "4:21 `!` before `--limit`"),
        ("-m hashlimit --hashlimit-upto 5/s", "4:13 `hashlimit` without `--hashlimit-name`"),
        ("-m hashlimit --hashlimit-upto 5/s --hashlimit-name a/b", "4:61 `a/b` is not a name"),
        ("-m connlimit --connlimit-mask 24", "4:13 `connlimit` without `--connlimit-upto` or"),
        ("-m recent --set --hitcount 3", "4:26 `--hitcount` without `--rcheck` or `--update`"),
        ("-m recent --set --rcheck", "4:26 `--rcheck` beside `--set`"),
        ("-m statistic --mode random", "4:30 `random` without `--probability`"),
        ("-m string --string a", "4:13 `string` without `--algo`"),
        ("-m time --timestart 10:00 --contiguous", "4:36 `--contiguous` is not of a time that"),
        ("-m time ! --timestart 10:00", "4:20 `!` before `--timestart`"),
        ("-m addrtype --dst-type HOME", "4:33 `HOME` is not a list of kinds of addresses"),
        ("-m policy --dir up --pol ipsec", "4:26 `up` is not `in` or `out`"),
        ("-m hl --hl-eq 5", "4:13 `hl` is of IPv6"),
        ("-p tcp -j NFQUEUE --queue-num 70000", "4:40 `70000` is not a number up to 65535"),
        (
            "-o eth0 -j DROP",
            "4:10 `-o`, which the kernel takes only in FORWARD, OUTPUT and POSTROUTING",
        ),
        ("-m owner --uid-owner 0", "4:13 `owner`, which the kernel takes only in OUTPUT and"),
        (
            "-m policy --dir out --pol ipsec",
            "4:13 `policy`, which the kernel takes only in FORWARD",
        ),
        ("-m addrtype --dst-type LOCAL --limit-iface-out", "4:13 `addrtype`, which the kernel"),
        ("-j DNAT --to-destination 10.0.0.1", "4:13 `DNAT`, which the kernel takes only in nat"),
        ("-j CT --notrack", "4:13 `CT`, which the kernel takes only in raw"),
    ] {
        let about = about(rule);
        assert!(about.starts_with(expected), "{rule}: {about}");
    }
}

#[test]
fn targets_are_refused_where_the_tools_do() {
    for (table, rule, expected) in [
        (
            "nat",
            "PREROUTING -j DROP",
            "3:18 `DROP`, which the kernel takes only in filter, mangle,",
        ),
        ("nat", "OUTPUT -j SNAT --to-source 10.0.0.1", "3:14 `SNAT`, which the kernel takes only"),
        ("nat", "PREROUTING -p tcp -j DNAT", "3:25 `DNAT` without `--to-destination`"),
        ("nat", "PREROUTING -j DNAT --to-destination 10.0.0.2:80", "3:23 `--to-destination` in a"),
        (
            "nat",
            "PREROUTING -p gre -j DNAT --to-destination 10.0.0.2:80",
            "3:30 `--to-destination`",
        ),
        (
            "nat",
            "PREROUTING -p tcp -j DNAT --to-destination 10.0.0.2:90-80",
            "3:47 `10.0.0.2:90-80`",
        ),
        ("nat", "PREROUTING -p tcp -j DNAT --to-destination 10.0.0/8", "3:47 `10.0.0/8` is not an"),
        ("nat", "POSTROUTING -j SNAT --to-source 10.0.0.1:1-5", "3:24 `--to-source` in a rule"),
        ("nat", "POSTROUTING -j MASQUERADE --to-ports 1-5", "3:30 `--to-ports` in a rule"),
        ("nat", "PREROUTING -p tcp -j REDIRECT --to-ports 90-80", "3:45 `90-80` is not a port"),
        ("mangle", "FORWARD -j REJECT", "3:15 `REJECT`, which the kernel takes only in filter"),
        ("mangle", "PREROUTING -j TPROXY --on-port 80", "3:18 `TPROXY` in a rule that is not"),
        ("mangle", "FORWARD -j TCPOPTSTRIP --strip-options 3", "3:15 `TCPOPTSTRIP` in a rule"),
        ("mangle", "PREROUTING -j CLASSIFY --set-class 1:1", "3:18 `CLASSIFY`, which the kernel"),
        ("mangle", "INPUT -p tcp -j TCPMSS --clamp-mss-to-pmtu", "3:20 `TCPMSS`, which the kernel"),
        (
            "mangle",
            "FORWARD -j MARK --set-mark 1 --or-mark 2",
            "3:33 `--or-mark` beside `--set-mark`",
        ),
        ("mangle", "FORWARD -j TTL --ttl-dec 0", "3:29 `0` is not a number from 1 to 255"),
        ("raw", "PREROUTING -p udp -j CT --helper ftp", "3:37 `ftp` in a rule that is not about"),
    ] {
        let said = said(&format!("*{table}\n:own - [0:0]\n-A {rule}\nCOMMIT\n"));
        assert!(said.len() == 1 && said[0].starts_with(expected), "{rule}: {said:?}");
    }
}

#[test]
fn chains_count_from_where_they_are_reached() {
    let said_of = |rules: &str| {
        said(&format!("*nat\n:own - [0:0]\n:two - [0:0]\n{rules}-A two -j MASQUERADE\nCOMMIT\n"))
    };
    assert_eq!(said_of("-A POSTROUTING -j own\n-A own -g two\n"), [""; 0]);
    // The tools take a chain to which nothing leads.
    assert_eq!(said_of("-A own -j two\n"), [""; 0]);
    let expected = "6:11 `MASQUERADE`, which the kernel takes only in nat POSTROUTING";
    assert_eq!(said_of("-A OUTPUT -j own\n-A own -j two\n"), [expected]);
}

#[test]
fn what_the_tools_take_is_not_refused() {
    for (table, rule) in [
        ("filter", "INPUT -m mac --mac-source 0:1:2:3:4:f -j DROP"),
        ("filter", "INPUT -p udp --dport 80:70 -j DROP"),
        ("filter", "INPUT -p tcp -m tcp --dport 1 -m tcp --dport 2 -j DROP"),
        (
            "filter",
            "INPUT -m policy --dir in --pol ipsec --strict --reqid 1 --next --reqid 2 -j DROP",
        ),
        ("filter", "INPUT -m recent --update --seconds 5 --hitcount 3 --rttl -j DROP"),
        ("filter", "INPUT -j TRACE"),
        ("filter", "own -o eth0 -m policy --dir out --pol ipsec -j DROP"),
        ("nat", "PREROUTING -p icmp -j REDIRECT --to-ports 80"),
        ("nat", "PREROUTING -p tcp -j DNAT --to-destination :80"),
        ("nat", "PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90/8000"),
        ("nat", "PREROUTING -j DNAT --to-destination 10.0.0.9-10.0.0.1"),
        ("raw", "PREROUTING -p tcp -j CT --helper ftp --zone 5"),
    ] {
        let chains = ":own - [0:0]\n-A own -j RETURN\n";
        assert_eq!(said(&format!("*{table}\n{chains}-A {rule}\nCOMMIT\n")), [""; 0], "{rule}");
    }
}

#[test]
fn rings_are_found_where_packets_come_to_them() {
    let table = |input: &str| {
        format!(
            "*filter\n:INPUT ACCEPT [0:0]\n:a - [0:0]\n:b - [0:0]\n-A INPUT -j {input}\n\
             -A a -j b\n-A b -g a\nCOMMIT\n"
        )
    };
    let (_, ringed) = dump(&table("a"));
    let [ring] = ringed.findings.as_slice() else { panic!("{:?}", ringed.findings) };
    assert_eq!(ring.lint.name, "chain-cycle");
    assert_eq!(ring.message, "chains that jump to each other in a ring: a → b → a");
    assert_eq!(ring.related.len(), 1);
    // The kernel takes a ring that nothing comes to.
    assert_eq!(dump(&table("DROP")).1.findings, []);
}

#[test]
fn a_family_that_nothing_says_is_assumed() {
    let mut sources = Sources::new();
    let mut of = |text: &str| {
        let file = sources.add("rules", text);
        let read = read(file, text, None);
        let said: Vec<&str> = read.findings.iter().map(|finding| finding.lint.name).collect();
        (read.ruleset.family, read.family_is_assumed, said == ["family-assumed"])
    };
    assert_eq!(of("*filter\n-A INPUT -j DROP\nCOMMIT\n"), (Family::V4, true, true));
    assert_eq!(of("*filter\n-A INPUT -s ::1 -j DROP\nCOMMIT\n"), (Family::V6, false, false));
    assert_eq!(of("*filter\n-A INPUT -s 10/8 -j DROP\nCOMMIT\n").0, Family::V4);
}

#[test]
fn a_rule_is_at_its_line() {
    let text = "*filter\n\n# why\n[1:2] -A INPUT -s 10.0.0.1,10.0.0.2 -j DROP\nCOMMIT\n";
    let (sources, read) = dump(text);
    let rules = &read.ruleset.tables[0].chains[0].rules;
    assert_eq!(rules.len(), 2);
    for rule in rules {
        let Origin::Read(span) = rule.origin else { panic!("{:?}", rule.origin) };
        assert_eq!(sources.line(span), 4);
        assert_eq!(rule.target, Target::Drop);
    }
}

/// The fenced dumps of a page.
fn examples(page: &str) -> Vec<&str> {
    let blocks = page.split("```dump\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

#[test]
fn pages_show_dumps_that_do_and_do_not_have_the_finding() {
    let mut seen = BTreeSet::new();
    // What the analysis finds in rules is tested where it is called.
    let of_reading = |lint: &&&Lint| ***lint != catalogue::DEFAULT_ACCEPT;
    for lint in catalogue::ALL.iter().filter(of_reading) {
        let examples = examples(lint.page);
        let [wrong, right] = examples.as_slice() else {
            assert!(examples.is_empty(), "{}", lint.name);
            continue;
        };
        let of = |text: &str| {
            let read = read(Sources::new().add("rules", text), text, None);
            let codes = read.findings.iter().map(|finding| finding.lint.name);
            (codes.collect::<BTreeSet<_>>(), has_errors(&read.findings))
        };
        assert!(of(wrong).0.contains(lint.name), "{}", lint.name);
        let (codes, errors) = of(right);
        assert!(!codes.contains(lint.name) && !errors, "{}: {codes:?}", lint.name);
        assert_eq!(of(wrong).1, lint.level == Some(Level::Error), "{}", lint.name);
        seen.insert(lint.name);
    }
    assert_eq!(seen, BTreeSet::from(["bad-dump", "family-assumed", "incomplete-dump"]));
}

#[test]
fn hostile_files_are_answered_soon() {
    let many = |line: &str, count: usize| {
        let mut text = String::from("*filter\n");
        (0..count).for_each(|_| text.push_str(line));
        text.push_str("COMMIT\n");
        text
    };
    let mut garbage = String::new();
    let mut seed = 1u32;
    while garbage.len() < 1 << 20 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        garbage.push(char::from_u32(seed >> 24).unwrap_or('x'));
    }
    let chain = |at: usize| format!("c{at}");
    let mut deep = String::from("*filter\n");
    (0..30_000).for_each(|at| deep.push_str(&format!(":{} - [0:0]\n", chain(at))));
    deep.push_str("-A INPUT -j c0\n");
    (1..30_000).for_each(|at| deep.push_str(&format!("-A {} -j {}\n", chain(at - 1), chain(at))));
    deep.push_str("COMMIT\n");
    for (name, text) in [
        ("garbage", garbage.clone()),
        ("garbage in a table", format!("*filter\n{garbage}")),
        ("one line", "x".repeat(10 << 20)),
        ("one line of words", "-m ".repeat(3 << 20)),
        ("one line of quotes", "*filter\n-A INPUT ".to_owned() + &"\"".repeat(10 << 20)),
        ("insertions", many("-I INPUT\n", 100_000)),
        (
            "insertions in between",
            format!(
                "{}{}",
                many("-A INPUT\n", 50_000).replace("COMMIT\n", ""),
                &many("-I INPUT 20000\n", 50_000)[8..]
            ),
        ),
        ("options", many(&format!("-A INPUT {}\n", "-m tcp ".repeat(1_400)), 100)),
        ("addresses", many(&format!("-A INPUT -s {0} -d {0}\n", vec!["1"; 2_000].join(",")), 2)),
        ("a deep ring", deep.replace("COMMIT", "-A c29999 -j c0\nCOMMIT")),
        ("deep", deep),
    ] {
        let start = processor_time();
        let (_, read) = dump(&text);
        let time = processor_time().saturating_sub(start);
        let most = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });
        assert!(time < most, "{name}: {time:?}");
        assert!(read.findings.len() < 200, "{name}");
    }
}

#[test]
fn many_rules_are_read_soon() {
    let mut text = String::from("*filter\n:INPUT DROP [0:0]\n:own - [0:0]\n");
    for at in 0..25_000u32 {
        let a = std::net::Ipv4Addr::from(0x0a00_0000 + at * 7);
        text.push_str(&format!(
            "-A INPUT -s {a}/32 -i eth0 -p tcp -m tcp --dport {at} -m conntrack --ctstate NEW \
             -m comment --comment \"rule {at}\" -j ACCEPT\n\
             -A INPUT -d {a}/32 -p udp -m multiport --dports 53,123,500:600 -j own\n\
             [1:2] -A own -m iprange --src-range {a}-{a} -m limit --limit 5/min -j LOG\n\
             -A INPUT -s {a}/32 -i eth0 -j DROP\n"
        ));
    }
    text.push_str("COMMIT\n");
    let start = processor_time();
    let (_, read) = dump(&text);
    let time = processor_time().saturating_sub(start);
    assert_eq!((read.ruleset.rule_count(), read.findings.len()), (100_000, 0));
    // `iptables-restore --test` takes 0.6 s for them, this 0.1 s when optimised.
    let most = if cfg!(debug_assertions) { 10_000 } else { 500 };
    assert!(time < Duration::from_millis(most), "{time:?}");
}

/// What this thread took of a processor: a busy machine does not count.
fn processor_time() -> Duration {
    Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock"))
}
