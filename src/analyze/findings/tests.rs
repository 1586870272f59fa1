use super::*;
use crate::meaning::meaning;
use crate::resolve::resolve;
use crate::source::MemoryLoader;

/// What is found in a policy when a question may be so much work: lints with the lines they are about.
fn found(text: &str, budget: Budget) -> Vec<String> {
    let mut sources = Sources::new();
    let root = sources.add("policy.fw", text);
    let resolved = resolve(root, &mut sources, &mut MemoryLoader::default());
    assert!(!crate::diagnostic::has_errors(&resolved.findings), "{:?}", resolved.findings);
    let meaning = meaning(&resolved.policy);
    let found = all(&resolved.policy, &meaning, &sources, &|_| true, budget);
    let told = found.iter().map(|finding| match finding.span {
        Some(span) => format!("{} {}", sources.line(span), finding.lint.name),
        None => format!("{}: {}", finding.lint.name, finding.message),
    });
    told.collect()
}

/// Every tcp packet is dropped, in many pieces.
fn pieces() -> String {
    let rules = (0..14u32).map(|number| {
        let (low, high) = (number * 5000, (number * 5000 + 5400).min(65_535));
        let odd = number % 2 * 128;
        format!(
            "drop tcp {low}-{high} from 0.0.0.0-{odd}.127.255.255\n\
             drop tcp {low}-{high} from {odd}.128.0.0-255.255.255.255\n"
        )
    });
    rules.collect()
}

#[test]
fn what_is_too_much_work_is_told_of_each_lint() {
    let drops = pieces();
    let policy = format!(
        "zone wan = eth0\nzone lan = eth1 {{ 10.0.0.0/24 }}\nimplicit none\n{drops}\
         forward {{\n{drops}}}\nallow ssh ipv4\nallow tcp any ipv4 limit 5/minute\nallow tcp any ipv4\n\
         forward tcp 80-60000 from wan to 10.0.0.2@lan\nmasquerade from lan to wan\n"
    );
    let told = |budget| {
        let all = found(&policy, budget);
        let about = |lint: &str| {
            let told = format!(
                "analysis-incomplete: it is not found out whether there is more of `{lint}`"
            );
            all.contains(&told)
        };
        ["no-remote-access", "limit-bypassed", "nat-target-dropped"].map(about)
    };
    assert_eq!(told(Budget(1)), [true; 3], "{:#?}", found(&policy, Budget(1)));
    assert_eq!(told(Budget::default()), [false; 3]);
}
