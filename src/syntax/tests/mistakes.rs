//! Every message once, read and held to what it says.

use super::super::{Question, parse_question, reads};
use super::{complaints, parse};

/// All that is said about [`CASES`]; after a change read the difference and bless it with
/// `INSTA_UPDATE=always cargo test mistakes`.
#[test]
fn messages_are_as_reviewed() {
    let mut said = String::new();
    for text in CASES {
        said += &format!("--- {text}\n");
        for complaint in complaints(text) {
            said += &format!("    {complaint}\n");
        }
    }
    insta::assert_snapshot!(said);
}

#[test]
fn every_finding_has_label_and_help() {
    for text in CASES {
        for finding in parse(super::file(), text).findings {
            assert!(!finding.label.is_empty() && finding.help.is_some(), "{text}: {finding:?}");
            assert!(!finding.message.ends_with('.'), "{}", finding.message);
        }
    }
}

/// Whoever asks reads of no word that only the language's own statements have.
#[test]
fn questions_are_told_in_their_own_words() {
    let mut said = String::new();
    for (question, texts) in [(Question::Connections, QUESTIONS), (Question::Packet, PACKETS)] {
        for text in texts {
            said += &format!("--- {text}\n");
            let parsed = parse_question(super::file(), text, question);
            for finding in &parsed.findings {
                said += &format!("    {}\n", super::complaint(text, finding));
            }
        }
    }
    for told in said.lines().filter(|line| line.starts_with("    ")) {
        let help = told.rsplit(" | ").next().unwrap_or_default();
        assert!(!["assert", "test", "=>"].iter().any(|word| help.contains(word)), "{told}");
    }
    insta::assert_snapshot!(said);
}

const QUESTIONS: &[&str] = &[
    "allow ssh from lan",
    "drop any from 10.0.0.0/8 to self",
    "ssh",
    "ssh from lan",
    "tcp 22 from lan",
    "22",
    "",
    "from lan",
    "deny ssh",
    "assert allow ssh from lan",
    "zone allow ssh",
    "foo bar",
    "allow ssh http",
    "allow 22",
    "allow ssh form lan",
    "allow ssh from",
    "allow ssh from lan,",
    "allow ssh }",
    "allow x(22",
    "allow ssh; allow http",
];

const PACKETS: &[&str] = &[
    "tcp 1.2.3.4:4 -> self:22 in eth0",
    "icmp echo-request 10.0.0.5 -> self",
    "1.2.3.4 -> self:22",
    "",
    "ssh 1.2.3.4 -> self",
    "tcp 1.2.3.4:4 -> self:22 => allow",
    "tcp 1.2.3.4:4",
    "tcp 1.2.3.4:4 self:22",
    "tcp 1.2.3.4:4 ->",
    "tcp 1.2.3.4:4 -> self:22 eth0",
    "tcp 1.2.3.4:4 -> self:22 if eth0",
    "tcp 1.2.3.4:4 -> self:22 in",
    "tcp 1.2.3.4:4 -> self:22 }",
    "tcp 1.2.3.4:4 -> self:22 in eth0, eth1,",
];

/// Whoever writes what a message says is understood: as a statement, as a clause, or in place of some of
/// what stands there.
#[test]
fn what_is_advised_can_be_written() {
    for text in CASES {
        for finding in parse(super::file(), text).findings {
            for advice in advised(finding.help.as_deref().unwrap_or_default()) {
                let is_alone = |text: &str| reads(super::file(), text, 0..text.len() + 1);
                let span = finding.span.expect("every finding has a place").range();
                let fits = is_alone(advice)
                    || is_alone(&format!("allow any {advice}"))
                    || fits_at(text, span, advice);
                assert!(fits, "in `{text}`: write `{advice}`");
            }
        }
    }
}

/// What a help gives to be written, but for what has a gap, and for lines of other tools.
fn advised(help: &str) -> Vec<&str> {
    let quoted = help.split(" for `").next().unwrap_or_default().split('`').skip(1).step_by(2);
    quoted.filter(|advice| !advice.contains(['…', '\\']) && advice.len() > 1).collect()
}

/// Whether a text can stand in place of some words around a span.
fn fits_at(text: &str, span: std::ops::Range<usize>, advice: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let is_border = |at: &usize| {
        let before = text[..*at].chars().next_back().is_some_and(is_word);
        let behind = text[*at..].chars().next().is_some_and(is_word);
        !(before && behind)
    };
    let near = span.start.saturating_sub(40)..=text.len().min(span.end + 40);
    let borders: Vec<usize> =
        near.filter(|at| text.is_char_boundary(*at)).filter(is_border).collect();
    let starts = borders.iter().filter(|at| **at <= span.end);
    let mut pairs = starts.flat_map(|start| borders.iter().map(move |end| (*start, *end)));
    pairs.any(|(start, end)| {
        let mended = format!("{}{advice}{}", &text[..start], &text[end.max(start)..]);
        end >= start && reads(super::file(), &mended, start..start + advice.len())
    })
}

const CASES: &[&str] = &[
    "alow ssh",
    "accept ssh",
    "deny ssh",
    "permit ssh",
    "ALLOW ssh",
    "foo bar",
    "zone lan = interface br0",
    "allow ssh from host 10.0.0.1",
    "let lan = hosts office",
    "allow ssh in interface eth0",
    "assert deny ssh from guest",
    "assert block telnet",
    "default deny input",
    "default nat output",
    "forward https to 10.0.0.2@lan:8443",
    "forward https to [fd00::2]@lan:8443",
    "redirect tcp 80 to 3128",
    "allow ssh form lan",
    "tcp 22",
    "allow tcp ssh",
    "allow 22",
    "allow ssh,",
    "allow ssh,\nallow http",
    "allow ssh http",
    "allow ssh http from lan",
    "allow ssh 22",
    "from wan {\nallow ssh\n",
    "allow ssh\n}\n",
    "from wan\nallow ssh\n}\nallow bad bad",
    "allow ssh from",
    "allow ssh from to lan",
    "allow ssh port 22",
    "allow ssh dport 22",
    "allow tcp port 22",
    "allow ssh from 10.0.0.0/8 and 10.1.0.0/16",
    "allow ssh or http",
    "allow ssh from not lan",
    "allow ssh from !lan",
    "-A INPUT -p tcp -j ACCEPT\n-A INPUT -j DROP\nallow ssh frm lan",
    "iptables -A INPUT",
    "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n",
    "zone wan eth0",
    "let x 10.0.0.1",
    "let x =",
    "let x",
    "set x 10.0.0.1",
    "zone = eth0",
    "allow \"\"",
    "allow ssh from \"lan\"",
    "zone log = eth0",
    "def f(from, to) { allow ssh }",
    "chain drop { }",
    "allow 3com",
    "allow ssh from _x",
    "allow ssh “x”",
    "allow ssh comment “why”",
    "allow tcp 80–90",
    "allow\u{a0}ssh",
    "allow ssh && http",
    "allow ssh | http",
    "allow ssh from = lan",
    "allow ssh == x",
    "let a == 1.2.3.4",
    "allow ssh comment \"abc\nallow http",
    "allow ssh comment \"a\\n\"",
    "allow ssh {\n allow http\n}",
    "form wan {\n alow ssh\n}",
    "from wan { allow ssh } allow http",
    "allow x(22\nallow ssh\n",
    "allow ssh from (lan, wan\nallow http",
    "zone lan = eth0 10.0.0.0/8",
    "zone lan = eth0 { 10.0.0.0/8 10.1.0.0/16 }",
    "zone lan = eth0 { 10.0.0.0/8\n10.1.0.0/16 }",
    "zone lan = eth0 { 10.0.0.0/8\nallow ssh\n",
    "zone lan = { }",
    "allow ssh from ()",
    "allow wireguard()",
    "allow ssh from []",
    "zone lan = eth0 { , }",
    "let x = { 10.0.0.0/8 }",
    "zone z = eth0 { 10.0.0.0/8; 10.1.0.0/16 }",
    "test \"x\" {\n tcp 1.2.3.4 => allow\n tcp 1.2.3.4 -> self\n foo\n tcp 1.2.3.4 -> self in eth0 => accept\n}",
    "allow ssh drop http",
    "allow ssh, http from lan,",
    "allow ssh from lan, wan, limit 5/minute",
    "allow ssh from wg+",
    "allow ssh from 10",
    "allow ssh from 00:16:3e:00:00:01",
    "allow ssh in 10.0.0.1",
    "forward ssh to web:ssh",
    "allow ssh comment foo",
    "allow ssh limit per source",
    "allow ssh limit 5/minute per source burst 10",
    "jump",
    "jump from wan",
    "default forward",
    "default accept",
    "input allow ssh",
    "input",
    "allow tcp 22 80",
    "allow tcp 10.0.0.1",
    "allow 10.0.0.1",
    "allow , ssh",
    "allow ssh,, http",
    "\n, ssh",
    "allow ssh\n  , http",
    "{ allow ssh }",
    "10.0.0.1",
    "allow ssh uot",
    "allow ssh.",
    "allow büro",
    "allow ssh flags syn",
    "during",
    "allow ssh during",
    "clamp",
    "clamp foo",
    "add foo",
    "add source from x",
    "service x = tcp 22 hepler ftp",
    "service x tcp 22",
    "allow ssh helper ftp",
    "include foo",
    "use",
    "implicit",
    "assert ssh",
    "protect allow ssh",
    "docker allow ssh",
    "raw v4 filter",
    "preserve",
    "allow ssh src lan",
    "allow ssh from lan dst wan",
    "def f { allow ssh }",
    "def a.b(x) { allow x }",
    "f(",
    "f(a b)",
    "f((tcp 22, 10.0.0.1))",
    "allow ssh )",
    "allow ssh ]",
    "allow ssh per source/24",
    "allow ssh limit 5/minute per /24",
    "masquerade out out",
    "allow ssh from lan@",
    "allow ssh from [10.0.0.1",
    "from wan {\n  input {\n    allow ssh\n}\nallow http\n",
    "allow allow ssh",
    "allow ssh from lan to",
    "zone",
    "chain x",
    "chain x = { return }",
    "allow ssh from 10.0.0.0 / 8",
    "allow ssh from lan -> wan",
    "snat from lan to wan 203.0.113.5",
    "snat from lan as 203.0.113.5 203.0.113.6",
    "zone wan: eth0",
    "service web tcp 80, 443",
    "service web 80",
    "allow tcp (80, 443)",
    "allow tcp (80, 443",
    "allow icmp type 8",
    "allow protocol gre",
    "allow proto 6 22",
    "allow proto tcp from 10.0.0.0/8",
    "allow proto icmp",
    "allow ssh if from lan",
    "allow ssh unless from lan",
    "allow in wan ssh",
    "allow in wan ssh, http",
    "allow input http",
    "allow output http",
    "allow all ssh",
    "allow port 22",
    "allow from 10.0.0.0/8 to any port 22",
    "allow ssh http https",
    "allow ssh http https from lan",
    "allow ssh from lan dmz guest",
    "allow 22/tcp",
    "allow tcp/22",
    "allow tcp/udp 53",
    "allow tcp/udp",
    "allow tcp 80/90",
    "allow udp dns",
    "// ssh\nallow ssh",
    "allow ssh // for all",
    "/* ssh\n from all */\nallow ssh",
    "-- ssh",
    "allow ssh --dport 22",
    "iifname \"eth0\" accept",
    "table inet filter {\n chain input {\n  type filter hook input priority 0; policy drop;\n  tcp dport 22 accept\n }\n}",
    "ct state established accept",
    "lan { allow ssh }",
    "from lan: allow ssh",
    "guard",
    "publish https web",
    "ban source",
    "mss clamp",
    "raw v4 INPUT \"-j ACCEPT\"",
    "raw filter INPUT \"-j ACCEPT\"",
    "raw v4 filter INPUT -p tcp --dport 22 -j ACCEPT",
    "raw v4 filter INPUT -j LOG --log-prefix \"x \"",
    "raw v4 filter INPUT ! -i lo -j DROP",
    "log level debug \"web\"",
    "jump 22",
    "add 22",
    "allow ssh comment \"a\" \"b c\"",
    "allow tcp port http",
    "goto 10.0.0.1",
    "from lan { allow ssh, }",
];
