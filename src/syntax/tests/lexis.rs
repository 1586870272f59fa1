//! Words, values and the ends of statements.

use super::{clean, complaints, file, kinds, parse};
use crate::syntax::filter::Filter;
use crate::syntax::report::Reporter;
use crate::syntax::token::{Token, statement_words};
use crate::syntax::tree::StatementKind;
use crate::syntax::unquote;

/// The tokens of a text, with what stands under each.
fn tokens(text: &str) -> Vec<(Token, &str)> {
    let notes = Reporter::new(file(), text);
    Filter::new(&notes, 0).map(|(start, token, end)| (token, &text[start..end])).collect()
}

#[test]
fn values_are_one_token() {
    use Token::{Address, Name, Number, Pattern, Range, Text, Value};
    for (text, token) in [
        ("22", Number),
        ("99999999999999999999", Number),
        ("0x10", Number),
        ("8000-8100", Range),
        ("90-80", Range),
        ("10.0.0.1", Address),
        ("10.0.0.300", Address),
        ("10.0.0", Address),
        ("10.0.0.5/8", Address),
        ("10.0.0.0/255.0.0.0", Address),
        ("10.0.0.5-10.0.0.9", Address),
        ("fd00:1::/64", Address),
        ("::/0", Address),
        ("::1", Address),
        ("::", Address),
        ("::ffff:1.2.3.4", Address),
        ("2001:db8::1-2001:db8::9", Address),
        ("1:2:3:4:5:6:7:8", Address),
        ("fe80::1%eth0", Address),
        ("2a01:4f8::1", Address),
        ("00:16:3e:00:00:01", Value),
        ("5/minute", Value),
        ("5/week", Value),
        ("30s", Value),
        ("10m", Value),
        ("1h30m", Value),
        ("2026-12-31", Value),
        ("09:00-17:30", Value),
        ("http-alt", Name),
        ("br-lan", Name),
        ("eth0.10", Name),
        ("Q.931", Name),
        ("mon-fri", Name),
        ("in-addr", Name),
        ("allowed", Name),
        ("wg+", Pattern),
        ("br-+", Pattern),
        ("\"a b\"", Text),
        ("\"\\\"\"", Text),
    ] {
        assert_eq!(tokens(&format!("use {text}"))[1], (token, text));
    }
}

#[test]
fn a_colon_parts_names_addresses_and_ports() {
    use Token::{Address, Colon, Machine, Name, Number, Range};
    let parts = |text: &str| -> Vec<Token> {
        let text = format!("to {text}");
        let all = tokens(&text);
        all[1..all.len() - 1].iter().map(|(token, _)| *token).collect()
    };
    assert_eq!(parts("db:5432"), [Name, Colon, Number]);
    assert_eq!(parts("web:8443-8450"), [Name, Colon, Range]);
    assert_eq!(parts("10.0.0.2:8443@lan"), [Address, Colon, Number, Token::At, Name]);
    assert_eq!(parts("self:22"), [Machine, Colon, Number]);
    assert_eq!(parts(":3128"), [Colon, Number]);
    assert_eq!(
        parts("[2001:db8::1]:443"),
        [Token::OpenBracket, Address, Token::CloseBracket, Colon, Number]
    );
}

#[test]
fn statements_end_where_they_should() {
    for (text, count) in [
        ("", 0),
        ("\n\n;;\n", 0),
        ("allow ssh", 1),
        ("allow ssh\n", 1),
        ("allow ssh;;drop any\n\n", 2),
        ("allow ssh,\n\n  http", 1),
        ("allow ssh, # first\n http", 1),
        ("let a =\n  10.0.0.1", 1),
        ("let a = (\n10.0.0.1,\n10.0.0.2,\n)", 1),
        ("from wan\n{\nallow ssh\n}\nallow http", 2),
        ("from wan { allow ssh; }; allow http", 2),
        ("f(\n a,\n b\n)", 1),
        ("\u{feff}allow ssh\r\nallow http\r\n", 2),
        ("allow\rssh", 1),
        ("input { }", 1),
        ("input {\n# nothing\n}\n", 1),
        ("zone a = eth0\n{ 10.0.0.0/8,\n10.1.0.0/16\n}\nallow ssh", 2),
        ("default drop input,\n  forward", 1),
    ] {
        assert_eq!(clean(text).tree.statements.len(), count, "{text:?}");
    }
}

#[test]
fn comments_are_kept_by_place() {
    let text = "# one\r\nallow ssh # two \nallow \"#no\"";
    let comments = parse(file(), text).comments;
    let shown: Vec<&str> = comments.iter().map(|comment| &text[comment.span.range()]).collect();
    assert_eq!(shown, ["# one", "# two"]);
}

#[test]
fn contextual_words_are_names() {
    let others = [
        "burst",
        "rate",
        "per",
        "new",
        "local",
        "timeout",
        "size",
        "dynamic",
        "helper",
        "alias",
        "tags",
        "mss",
        "limits",
        "source",
        "none",
        "established",
        "ipsec",
        "warning",
        "reply",
    ];
    for word in statement_words().map(|(word, _)| word).chain(others) {
        for text in [
            format!("service {word} = tcp 22"),
            format!("service x = {word}, {word} tags {word}, {word} alias {word}"),
            format!(
                "allow {word}, {word} from {word}, {word}:22@{word} to {word} in {word} out {word}"
            ),
            format!("log {word}\nlog \"x\" {word} state {word} user {word}"),
            format!("zone {word} = {word}, {word} {{ {word} }}"),
            format!("let {word} = {word}, {word} except {word}"),
            format!("set {word} dynamic timeout 1h size 5\nset {word} = {word}"),
            format!("chain {word} {{ return }}\njump {word} {word} from {word}"),
            format!("def {word}({word}, {word}) {{ allow {word} }}\n{word}({word}, {word})"),
            format!("allow icmp {word}, icmpv6 {word}, {word}(22)"),
            format!("use {word}\npreserve {word}\nimplicit {word}"),
            format!("add {word}/24 to {word} for 5m {word}"),
            format!("allow x limit 5/minute burst 5 per {word}, {word}"),
            format!("masquerade {word} out"),
        ] {
            assert_eq!(complaints(&text), Vec::<String>::new(), "in {text}");
        }
    }
}

#[test]
fn strings_say_what_they_say() {
    assert_eq!(unquote("\"a b\""), "a b");
    assert_eq!(unquote("\"a \\\"b\\\" \\\\\""), "a \"b\" \\");
    assert_eq!(unquote("\"open"), "open");
    assert_eq!(unquote("\"open\\\""), "open\"");
    assert_eq!(unquote("“x”"), "x");
    assert_eq!(unquote("\""), "");
    assert_eq!(unquote("\"\\n\""), "\\n");
    assert_eq!(unquote(""), "");
}

#[test]
fn a_block_with_a_wrong_head_keeps_its_body() {
    let tree = parse(file(), "form wan {\n allow ssh\n drop any\n}\nallow http").tree;
    let StatementKind::Block(block) = &tree.statements[0].kind else { panic!("{tree:?}") };
    assert_eq!((block.body.len(), block.clauses.len(), block.direction), (2, 0, None));
    assert_eq!(tree.statements.len(), 2);
}

#[test]
fn one_mistake_does_not_hide_the_next_statement() {
    let tree =
        parse(file(), "allow ssh form lan\nallow http,\nallow dns from\nzone x eth0\nallow ntp")
            .tree;
    assert_eq!(tree.statements.len(), 5);
    assert!(matches!(tree.statements[4].kind, StatementKind::Rule(_)));
}

#[test]
fn a_rule_is_read_to_its_last_part() {
    use crate::syntax::tree::{ClauseKind, SubjectKind};
    let all = kinds(
        "forward tcp 80, 443, https at 203.0.113.7 from wan to 10.0.0.2:8443@lan hairpin lan",
    );
    let StatementKind::Rule(rule) = &all[0] else { panic!("{all:?}") };
    assert!(matches!(rule.subjects[1].kind, SubjectKind::More(_)));
    assert!(matches!(rule.subjects[2].kind, SubjectKind::Name(_)));
    let ClauseKind::To(list) = &rule.clauses[2].kind else { panic!("{rule:?}") };
    assert!(list.items[0].port.is_some() && list.items[0].place.is_some());
    let all = kinds("allow dns limit 20/second per source/24,/56, destination");
    let StatementKind::Rule(rule) = &all[0] else { panic!("{all:?}") };
    let ClauseKind::Limit { per, .. } = &rule.clauses[0].kind else { panic!("{rule:?}") };
    assert_eq!(per.len(), 2);
    assert!(per[0].v4_length.is_some() && per[0].v6_length.is_some() && per[1].v4_length.is_none());
}
