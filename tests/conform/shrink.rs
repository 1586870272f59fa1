//! Smaller policies with the same fault.

/// The policy without every line that the fault does not need, as far as lines can be left out one by one or
/// in blocks. `fails` says whether a policy still has the fault; a policy that is refused has not.
pub fn shrunk(text: &str, mut fails: impl FnMut(&str) -> bool) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let mut width = lines.len().next_power_of_two();
    while width > 0 {
        let mut start = 0;
        let mut is_smaller = false;
        while start < lines.len() {
            let end = (start + width).min(lines.len());
            let rest = [&lines[..start], &lines[end..]].concat();
            if fails(&joined(&rest)) {
                lines = rest;
                is_smaller = true;
            } else {
                start += width;
            }
        }
        // Without one line another may be idle.
        if !(is_smaller && width == 1) {
            width /= 2;
        }
    }
    joined(&lines)
}

#[test]
fn what_a_fault_needs_is_left() {
    let lines: Vec<String> = (0..50).map(|number| format!("statement {number}")).collect();
    let text = lines.join("\n") + "\n";
    let fails = |text: &str| text.contains("statement 17\n") && text.contains("statement 42\n");
    assert_eq!(shrunk(&text, fails), "statement 17\nstatement 42\n");
}
