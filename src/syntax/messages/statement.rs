//! What is said about a statement that the grammar could not read: the first of these that knows
//! the mistake speaks.

use crate::diagnostic::Finding;

use super::super::scan::{Scan, Setting};
use super::super::token::Token;
use super::{clause, syntax_error, words};

/// A value longer than this is not said again.
const MAX_SHOWN: usize = 40;

/// The finding, and whether a `{` is missing whose `}` will be left over.
pub fn explain(scan: &Scan<'_, '_>) -> (Finding, bool) {
    let finding = match scan.setting {
        Setting::Statement => None
            .or_else(|| beginning(scan))
            .or_else(|| unknown_verb(scan))
            .or_else(|| definition(scan)),
        Setting::Packet => packet(scan),
        Setting::Connections => question(scan),
        Setting::LonePacket => verdict(scan).or_else(|| packet(scan)),
    };
    let finding = finding
        .or_else(|| clause::explain(scan))
        .or_else(|| missing_brace(scan))
        .unwrap_or_else(|| anything(scan));
    (finding, lacks_brace(scan))
}

fn lacks_brace(scan: &Scan<'_, '_>) -> bool {
    scan.token(0) == Token::End && scan.setting == Setting::Statement && heads_block(scan)
}

fn heads_block(scan: &Scan<'_, '_>) -> bool {
    use Token::{Chain, Def, Docker, Input, Output, Test};
    let head = scan.head();
    matches!(head, Chain | Def | Docker | Input | Output | Test)
        || (head.is_clause() && !head.is_verb())
}

/// A statement whose first word is already wrong.
fn beginning(scan: &Scan<'_, '_>) -> Option<Finding> {
    if scan.position() > 0 {
        return None;
    }
    let word = scan.text(0);
    Some(match scan.token(0) {
        Token::Comma => syntax_error(scan.span(0), "line that begins with a comma")
            .label("nothing stands before it")
            .help("a list goes on in the next line when the comma ends the line before"),
        Token::OpenBrace => syntax_error(scan.span(0), "block without a head")
            .label("for which packets?")
            .help("say it before the `{`: `from wan { … }`, `input { … }`"),
        Token::Protocol(_) | Token::Icmp(_) | Token::Proto | Token::Any => {
            syntax_error(scan.span(0), "rule without a verb")
                .label("what is to happen to these packets?")
                .help(format!("begin with a verb: `allow {word} …`"))
        }
        _ => syntax_error(scan.span(0), format!("a statement cannot begin with `{word}`"))
            .label("no verb, definition or clause")
            .help("begin with a verb (`allow`, `drop`, …), a definition (`zone`, `let`, …) or the head of a block (`from wan { … }`)"),
    })
}

/// A first word that is no verb, and no call because no `(` follows.
fn unknown_verb(scan: &Scan<'_, '_>) -> Option<Finding> {
    if scan.position() != 1 || !scan.head().is_name() {
        return None;
    }
    let word = scan.head_text();
    let finding = syntax_error(scan.head_span(), format!("unknown verb `{word}`"));
    if scan.token(0) == Token::Equals {
        return Some(finding.label("no statement begins with this word").help(words::DEFINITIONS));
    }
    let finding = finding.label("no statement begins with this word");
    Some(match scan.meant() {
        Some(meant) if meant == word.to_ascii_lowercase() => finding
            .label("words of the language are in lower case")
            .help(format!("write `{meant}`")),
        Some(meant) => finding.help(format!("did you mean `{meant}`?")),
        None => finding.help(match call(scan) {
            _ if scan.token(0) == Token::OpenBrace
                && scan.reads(-1, -1, &format!("from {word}")) =>
            {
                format!("a block begins with a clause: `from {word} {{ … }}`, `to {word} {{ … }}`")
            }
            Some(call) => format!(
                "begin with a verb such as `allow` or `drop`; a call has parentheses: `{call}`"
            ),
            None => "begin with a verb such as `allow` or `drop`, or with what you define: \
                 `zone`, `let`, `service`"
                .to_owned(),
        }),
    })
}

/// The statement as a call of what its first word names, when the grammar reads it so; a word alone may be
/// a chain as well.
fn call(scan: &Scan<'_, '_>) -> Option<String> {
    let name = scan.head_text();
    let last = if scan.token(scan.last()) == Token::End { scan.last() - 1 } else { scan.last() };
    if last < 0 {
        return Some(format!("{name}(…)`, a chain has `jump {name}"));
    }
    let arguments: Vec<&str> =
        (0..=last).filter(|at| scan.token(*at) != Token::Comma).map(|at| scan.text(at)).collect();
    let call = format!("{name}({})", arguments.join(", "));
    let are_words =
        (0..=last).all(|at| !matches!(scan.token(at), Token::OpenBrace | Token::Unknown));
    (are_words && scan.reads_alone(&call)).then_some(call)
}

/// The shape of a definition: its name, its `=`.
fn definition(scan: &Scan<'_, '_>) -> Option<Finding> {
    let head = scan.head_text();
    match scan.head() {
        Token::Zone | Token::Let | Token::Service | Token::Set if scan.position() == 2 => {
            Some(without_equals(scan))
        }
        Token::Zone | Token::Let | Token::Service | Token::Set | Token::Def | Token::Chain
            if scan.position() == 1 && scan.token(0) != Token::End =>
        {
            let (_, example) = words::wanted_after(scan.head(), head)?;
            Some(
                syntax_error(scan.span(0), format!("`{head}` without the name that it defines"))
                    .label("a name belongs before this")
                    .help(format!("as in `{example}`")),
            )
        }
        Token::Chain if scan.token(0) == Token::Equals => Some(
            syntax_error(scan.span(0), "`=` in the definition of a chain")
                .label("a chain has a body, not a value")
                .help("leave it out: `chain guard { … }`"),
        ),
        Token::Zone if scan.token(0) == Token::Address && scan.would_take("\"nets{\"") => Some(
            syntax_error(scan.span(0), "address among the interfaces of a zone")
                .label("the nets of a zone stand in braces")
                .help(format!("write `{{ {} }}` behind the interfaces", scan.text(0))),
        ),
        Token::Let | Token::Set | Token::Service if scan.token(0) == Token::OpenNets => Some(
            syntax_error(scan.span(0), "braces around a list")
                .label("only the nets of a zone stand in braces")
                .help("leave the braces out; a list goes on in the next line after a comma"),
        ),
        _ => None,
    }
}

fn without_equals(scan: &Scan<'_, '_>) -> Finding {
    let (head, name) = (scan.head_text(), scan.text(-1));
    let ends = scan.token(0) == Token::End;
    // `zone wan: eth0`
    let first = isize::from(scan.token(0) == Token::Colon);
    let values = [scan.last(), first].map(|last| (last, scan.words(first, last)));
    let value = values.into_iter().find(|(last, value)| {
        value.len() <= MAX_SHOWN
            && !value.is_empty()
            && !value.contains('\n')
            && scan.reads(0, *last, &format!("= {value}"))
    });
    let help = match (scan.head(), value) {
        (Token::Set, _) => {
            format!("write `set {name} = …`, `set {name} from \"file\"` or `set {name} dynamic`")
        }
        (_, Some((_, value))) => format!("write `{head} {name} = {value}`"),
        (Token::Service, None) if scan.token(0).is_value() => {
            let example = scan.text(0);
            format!("say the protocol too: `{head} {name} = tcp {example}`")
        }
        (_, None) => format!("write `{head} {name} = …`"),
    };
    let (span, label) = if ends {
        (scan.span(-1), "nothing says what it stands for")
    } else {
        (scan.span(0), "a `=` belongs between the name and this")
    };
    syntax_error(span, format!("definition of `{name}` without its `=`")).label(label).help(help)
}

/// A question that does not begin with its verb.
fn question(scan: &Scan<'_, '_>) -> Option<Finding> {
    let word = scan.text(0);
    if scan.position() > 0 && !(scan.position() == 1 && scan.head().is_name()) {
        return None;
    }
    let meant =
        words::foreign_verb(scan.head_text()).filter(|meant| ["allow", "drop"].contains(meant));
    let asked = format!("allow {}", scan.words(scan.behind_head(0), scan.last()));
    let rest = scan.words(1, scan.last());
    let is_whole = rest.starts_with("allow ") || rest.starts_with("drop ");
    let help = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if is_whole && scan.reads_alone(rest) => format!("write `{rest}`"),
        None if scan.token(0) != Token::End && scan.reads_alone(&asked) => {
            format!("write `{asked}`, or `drop` for what is not allowed")
        }
        None => "as in `allow tcp 22 from any`".to_owned(),
    };
    let message = match scan.position() {
        0 if scan.token(0) == Token::End => "question without a word".to_owned(),
        0 => format!("a question cannot begin with `{word}`"),
        _ => format!("a question cannot begin with `{}`", scan.head_text()),
    };
    Some(syntax_error(scan.head_span(), message).label("`allow` or `drop` comes first").help(help))
}

/// A verdict behind a packet of which the verdict is asked.
fn verdict(scan: &Scan<'_, '_>) -> Option<Finding> {
    let first = scan.behind_head(0);
    let at = (first..=scan.last()).find(|at| scan.words(*at, *at) == "=>")?;
    Some(
        syntax_error(scan.span(at), "verdict of a packet that is asked about")
            .label("the answer says it")
            .help("leave it out: `tcp 10.0.0.5:40000 -> self:22 in eth0`"),
    )
}

fn packet(scan: &Scan<'_, '_>) -> Option<Finding> {
    let is_alone = scan.setting == Setting::LonePacket;
    let example = if is_alone {
        "as in `tcp 10.0.0.5:40000 -> self:22 in eth0`"
    } else {
        "as in `tcp 10.0.0.5:40000 -> self:22 in eth0 => allow`"
    };
    let noun = if is_alone { "packet" } else { "test packet" };
    let finding = match (scan.position(), scan.token(0)) {
        (0, Token::End) => syntax_error(scan.span(0), format!("{noun} without a word"))
            .label("nothing is said of it"),
        (0, _) => {
            syntax_error(scan.span(0), format!("a {noun} cannot begin with `{}`", scan.text(0)))
                .label("the protocol comes first")
        }
        (_, Token::End) if scan.would_take("\"=>\"") => {
            syntax_error(scan.span(-1), "test packet without its verdict")
                .label("`=>` and a verb belong behind this")
        }
        (_, Token::End) => syntax_error(scan.span(-1), format!("{noun} that ends too early"))
            .label("something is missing behind this"),
        _ if scan.would_take("\"->\"") => {
            syntax_error(scan.span(0), format!("{noun} without its `->`"))
                .label("`->` and the destination belong before this")
        }
        _ if scan.token(-1) == Token::Gives => {
            syntax_error(scan.span(0), format!("`{}` is no verdict", scan.text(0)))
                .label("`allow`, `drop` or `reject` belongs here")
        }
        _ => return None,
    };
    Some(finding.help(example))
}

/// A block's head that no `{` follows.
fn missing_brace(scan: &Scan<'_, '_>) -> Option<Finding> {
    if !heads_block(scan) || !scan.would_take("\"{\"") && scan.head() != Token::Test {
        return None;
    }
    let head = scan.head_text();
    if scan.token(0) == Token::End {
        let help = if scan.head().is_clause() {
            format!("add a `{{`, or begin with a verb: `allow ssh {head} …`")
        } else {
            "add a `{`".to_owned()
        };
        return Some(
            syntax_error(scan.span(-1), format!("`{head}` without a block"))
                .label("a `{` belongs behind this")
                .help(help),
        );
    }
    Some(
        syntax_error(
            scan.span(0),
            format!("`{}` where the block of `{head}` should begin", scan.text(0)),
        )
        .label("a `{` belongs before this")
        .help(format!("write `{head} … {{ … }}`, or begin the statement with the verb")),
    )
}

/// When nobody knows better: what stands where, and what could.
fn anything(scan: &Scan<'_, '_>) -> Finding {
    let mut wanted = Vec::new();
    for (token, what) in [
        ("name", "a name"),
        ("address", "an address"),
        ("number", "a number"),
        ("text", "a text in double quotes"),
        ("\"=\"", "`=`"),
        ("\"(\"", "`(`"),
        ("\")\"", "`)`"),
        ("\"{\"", "`{`"),
        ("\"]\"", "`]`"),
        ("\"packets{\"", "`{`"),
        ("\"/\"", "`/`"),
        ("\"to\"", "`to`"),
        ("\",\"", "`,`"),
        ("\"during\"", "a clause"),
        ("end", "the end of the statement"),
    ] {
        if scan.would_take(token) && !wanted.contains(&what) {
            wanted.push(what);
        }
    }
    // `to` is a clause like the others where these may stand.
    if wanted.contains(&"a clause") {
        wanted.retain(|what| *what != "`to`");
    }
    let list = match wanted.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "something else".to_owned(),
    };
    if scan.token(0) == Token::End {
        let before = scan.text(-1);
        return syntax_error(
            scan.span(-1),
            format!("statement that ends too early behind `{before}`"),
        )
        .label(format!("{list} belongs behind this"))
        .help("complete it, or delete it");
    }
    syntax_error(scan.span(0), format!("`{}` cannot stand here", scan.text(0)))
        .label(format!("expected {list}"))
        .help("a statement ends with its line; clauses follow each other without a sign, members of a list with commas")
}
