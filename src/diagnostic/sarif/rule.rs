//! A lint as SARIF's reporting descriptor: its summary, level and page.

use serde_json::{Value, json};

use crate::diagnostic::{Level, Lint};

pub(super) fn descriptor(lint: &Lint) -> Value {
    json!({
        "id": lint.name,
        "shortDescription": { "text": lint.summary },
        "fullDescription": { "text": first_paragraph(lint.page) },
        "help": { "text": plain(lint.page), "markdown": lint.page },
        "defaultConfiguration": {
            "enabled": lint.level.is_some(),
            "level": lint.level.unwrap_or(Level::Warning).name(),
        },
        "properties": { "tags": ["firewall"], "problem.severity": severity(lint.level) },
    })
}

/// GitHub's word for a level.
fn severity(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Error) => "error",
        Some(Level::Warning) | None => "warning",
        Some(Level::Note) => "recommendation",
    }
}

/// What stands under the title of a page, as one line.
fn first_paragraph(page: &str) -> String {
    let lines = page.lines().skip_while(|line| line.starts_with('#') || line.is_empty());
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A page without its Markdown: headings end in a colon, policies are indented.
fn plain(page: &str) -> String {
    let mut out = String::new();
    let mut is_policy = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_policy = !is_policy;
            continue;
        }
        match (is_policy, line.trim_start_matches('#').strip_prefix(' ')) {
            (false, Some(heading)) if line.starts_with('#') => {
                out.push_str(&format!("{heading}:\n"));
            }
            (true, _) if !line.is_empty() => out.push_str(&format!("    {line}\n")),
            (true | false, _) => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::catalogue;

    #[test]
    fn a_page_is_help_as_markdown_and_plain() {
        let page = "# x-y\n\nWhat it is,\nin words.\n\nWhy.\n\n## Wrong\n\n```fw\n# a\nb\n```\n";
        assert_eq!(first_paragraph(page), "What it is, in words.");
        let wanted = "x-y:\n\nWhat it is,\nin words.\n\nWhy.\n\nWrong:\n\n    # a\n    b\n";
        assert_eq!(plain(page), wanted);
        let lint = descriptor(&catalogue::HOST_BITS);
        assert_eq!(lint["help"]["markdown"], catalogue::HOST_BITS.page);
        assert!(!lint["help"]["text"].as_str().unwrap().contains("```"));
        assert_eq!(lint["defaultConfiguration"]["level"], "warning");
    }

    #[test]
    fn what_is_off_says_so() {
        let lint = Lint { level: None, ..catalogue::UNFULFILLED_EXPECTATION };
        assert_eq!(descriptor(&lint)["defaultConfiguration"]["enabled"], false);
    }
}
