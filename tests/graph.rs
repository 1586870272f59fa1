//! Pictures of policies: well-formed for the tools that read them, whole, and cut when they are large.

use std::collections::BTreeSet;

use palisade::analyze::graph::{graph as graph_of, relations};
use palisade::emit::graph::{Style, What, graph};
use palisade::meaning::meaning;
use palisade::resolve::resolve;
use palisade::source::{MemoryLoader, Sources};
use roxmltree::Document;

const STYLES: [Style; 3] = [Style::Dot, Style::Mermaid, Style::Svg];

fn drawn(policy: &str, name: &str, what: What, style: Style) -> String {
    let mut sources = Sources::new();
    let root = sources.add(name, policy);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    let meaning = meaning(&resolved.policy);
    let found =
        graph_of(palisade::analyze::Text::Policy(&resolved.policy), &meaning, &relations(&meaning));
    graph(&found, name, what, style, &sources)
}

const OFFICE: &str = "\
zone wan = eth0
zone lan = eth1 { 10.0.0.0/24 }
chain guard {
  drop tcp 23
  jump knock
}
chain knock {
  log tcp 22 comment \"<knock> & \\\"go\\\" #1; %% --> {x}\"
}
def open(svc) {
  allow svc from wan
}
jump guard from wan to self
goto guard from wan to lan
open(ssh)
allow any from lan to wan
drop smtp from lan
allow tcp 1-100
drop tcp 50-200
forward https from wan to 10.0.0.2@lan hairpin lan
";

/// What a reader of DOT would see: its statements, with strings whole.
fn dot_tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => {
                let mut string = String::from('"');
                loop {
                    match rest.next().expect("a string ends") {
                        '"' => break,
                        '\\' => string.extend(['\\', rest.next().expect("an escape ends")]),
                        '\n' => panic!("a line break in a string"),
                        c => string.push(c),
                    }
                }
                tokens.push(string);
            }
            c if c.is_whitespace() => {}
            c if c.is_ascii_alphanumeric() || c == '_' || c == '.' => {
                let mut word = String::from(c);
                while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || "_.".contains(*c))
                {
                    word.push(c);
                }
                tokens.push(word);
            }
            '-' => {
                assert_eq!(rest.next(), Some('>'), "an arrow");
                tokens.push("->".to_owned());
            }
            c => {
                assert!("{}[]=;,".contains(c), "{c}");
                tokens.push(c.into());
            }
        }
    }
    tokens
}

#[test]
fn dot_is_well_formed() {
    for what in [What::All, What::Rules, What::Chains] {
        let text = drawn(OFFICE, "o\"f\\fi\nce.fw", what, Style::Dot);
        let tokens = dot_tokens(&text);
        assert_eq!(tokens[..3], ["digraph", "policy", "{"]);
        let mut open = Vec::new();
        for token in &tokens {
            match token.as_str() {
                "{" | "[" => open.push(token.as_str()),
                "}" => assert_eq!(open.pop(), Some("{")),
                "]" => assert_eq!(open.pop(), Some("[")),
                "->" => assert_eq!(open.last(), Some(&"{")),
                _ => {}
            }
        }
        assert_eq!(open, [] as [&str; 0]);
        // Every node that an arrow names is there: a name before `[` that is no end of an arrow.
        let ends: BTreeSet<&String> = tokens
            .windows(3)
            .filter(|three| three[1] == "->")
            .flat_map(|three| [&three[0], &three[2]])
            .collect();
        let nodes: BTreeSet<&String> = tokens
            .windows(3)
            .filter(|three| three[0] != "->" && three[2] == "[")
            .map(|three| &three[1])
            .collect();
        assert!(ends.is_subset(&nodes), "{ends:?} {nodes:?}");
    }
}

#[test]
fn mermaid_has_only_plain_labels() {
    let text = drawn(OFFICE, "o{ff\nice.fw", What::All, Style::Mermaid);
    assert!(text.starts_with("flowchart TB\n  %% o ff?ice.fw\n"), "{text}");
    let mut nodes = BTreeSet::new();
    let mut depth = 0;
    for line in text.lines().skip(3).map(str::trim) {
        let labels: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
        for label in labels {
            let plain = |c: char| c.is_alphanumeric() || " .,:/-+=()!?…›#;".contains(c);
            assert!(label.chars().all(plain), "{label}");
        }
        match line.split(['[', ' ']).next().unwrap() {
            "subgraph" => {
                depth += 1;
                nodes.insert(line["subgraph ".len()..].split('[').next().unwrap());
            }
            "end" => depth -= 1,
            name if line.contains("]:::") => {
                nodes.insert(name);
            }
            name if line.contains("->") || line.contains("==>") => {
                let target = line.rsplit(' ').next().unwrap();
                assert!(nodes.contains(name) && nodes.contains(target), "{line}");
            }
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    assert!(text.contains("#60;knock#62; #38;"), "{text}");
}

/// The lines of a picture: all its texts.
fn texts<'d>(document: &'d Document<'_>) -> Vec<String> {
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    let of = |node: roxmltree::Node<'d, '_>| {
        node.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect()
    };
    texts.map(of).collect()
}

#[test]
fn svg_is_well_formed_and_needs_nothing_else() {
    for what in [What::All, What::Rules, What::Chains] {
        let text = drawn(OFFICE, "o<f&f>i\u{202e}c\u{1}e\".fw", what, Style::Svg);
        let document = Document::parse(&text).unwrap();
        assert!(texts(&document).contains(&"o<f&f>i?c?e\".fw".to_owned()));
        let markers: BTreeSet<&str> =
            document.descendants().filter_map(|node| node.attribute("id")).collect();
        for node in document.descendants() {
            for attribute in node.attributes() {
                let value = attribute.value();
                if let Some(id) = value.strip_prefix("url(#") {
                    assert!(markers.contains(id.trim_end_matches(')')), "{value}");
                }
                assert!(!value.contains("http"), "{value}");
                assert!(!["href", "src", "onload"].contains(&attribute.name()));
            }
            assert!(!node.has_tag_name("script") && !node.has_tag_name("image"));
        }
        assert_eq!(text.matches("http:").count(), 1, "the name space alone");
        assert_eq!(text.matches("@import").count() + text.matches("url(h").count(), 0);
    }
}

#[test]
fn a_tooltip_has_the_whole_statement_and_its_place() {
    let services: Vec<String> = (1..40).map(|port| format!("{}", port * 3)).collect();
    let policy = format!("allow tcp {} # ports\n", services.join(", # one\n "));
    let text = drawn(&policy, "p.fw", What::All, Style::Svg);
    let document = Document::parse(&text).unwrap();
    let whole = format!("p.fw:1: allow tcp {}", services.join(", "));
    let titles = document.descendants().filter(|node| node.tag_name().name() == "title");
    let stories: Vec<&str> = titles.filter_map(|node| node.text()).collect();
    assert!(stories.iter().any(|story| story.starts_with(&whole)), "{stories:?}");
    assert!(
        texts(&document)
            .iter()
            .any(|text| text.starts_with("allow tcp 3, 6") && text.ends_with('…'))
    );
}

#[test]
fn a_use_of_a_definition_is_said_first() {
    let text = drawn(OFFICE, "p.fw", What::All, Style::Mermaid);
    assert!(text.contains("15  open(ssh) › allow svc from wan"), "{text}");
}

#[test]
fn parts_are_left_out_when_asked() {
    let of = |what| drawn(OFFICE, "p.fw", what, Style::Mermaid);
    assert!(of(What::All).contains("|\"conflicts\"|") && of(What::All).contains("|\"jump 13\"|"));
    assert!(of(What::Rules).contains("|\"conflicts\"|") && !of(What::Rules).contains("jump 13"));
    assert!(!of(What::Rules).contains("\"knock (") && of(What::Chains).contains("\"knock ("));
    assert!(!of(What::Chains).contains("|\"conflicts\"|") && of(What::Chains).contains("jump 13"));
    assert!(!of(What::Chains).contains("open#40;") && of(What::Chains).contains("more rules"));
}

#[test]
fn the_same_policy_has_the_same_bytes() {
    for style in STYLES {
        let of = || drawn(OFFICE, "p.fw", What::All, style);
        assert_eq!(of(), of());
    }
}

#[test]
fn a_large_picture_is_cut_and_says_so() {
    let pair = |n: u32| format!("allow tcp {}\ndrop tcp {}-{}\n", 9 * n + 4, 9 * n + 1, 9 * n + 8);
    let policy = (0..400).map(pair).collect::<Vec<_>>().concat();
    let text = drawn(&policy, "p.fw", What::All, Style::Svg);
    let document = Document::parse(&text).unwrap();
    let texts = texts(&document);
    let has = |wanted: &str| texts.iter().any(|text| text.contains(wanted));
    assert!(has("shows 125 of 400 arrows"), "{texts:?}");
    assert!(has("shows 250 of 800 rules"), "{texts:?}");
    assert!(has("550 more rules"), "{texts:?}");
    let mermaid = drawn(&policy, "p.fw", What::All, Style::Mermaid);
    // What Mermaid draws at the most unless told otherwise.
    assert!(mermaid.len() < 50_000, "{}", mermaid.len());
    let arrows = ["-->", "-.->", "==>", "~~~"];
    let arrows: usize = arrows.iter().map(|arrow| mermaid.matches(arrow).count()).sum();
    assert!(arrows < 500, "{arrows}");
}
