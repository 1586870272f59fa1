//! File names as SARIF's artifact locations.

use serde_json::{Value, json};

/// What relative locations start from: where a repository is checked out, by custom.
pub(super) const BASE: &str = "%SRCROOT%";

/// The location of a file by the name that people call it, relative to the working directory.
pub(super) fn artifact(name: &str) -> Value {
    if name.starts_with('/') {
        return json!({ "uri": format!("file://{}", encode(name)) });
    }
    // `./web.fw` and `web.fw` are one file, and readers compare the text.
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "." | "")).collect();
    let uri = encode(&parts.join("/"));
    if parts.first() == Some(&"..") {
        return json!({ "uri": uri });
    }
    json!({ "uri": uri, "uriBaseId": BASE })
}

/// The location of a text of the standard library, which is in no folder.
pub(super) fn built_in(name: &str) -> Value {
    json!({ "uri": format!("palisade:{}", encode(name)) })
}

/// A path in a URI: all but unreserved characters and `/` as `%XX` (RFC 3986, 2.1).
fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_uris() {
        let uri = |name: &str| artifact(name)["uri"].as_str().unwrap().to_owned();
        assert_eq!(uri("./site/./a b.fw"), "site/a%20b.fw");
        assert_eq!(uri("c:größe%.fw"), "c%3Agr%C3%B6%C3%9Fe%25.fw");
        assert_eq!(uri("/etc/fw/a.fw"), "file:///etc/fw/a.fw");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
        assert_eq!(uri("../x/a.fw"), "../x/a.fw");
        assert_eq!(artifact("a.fw")["uriBaseId"], BASE);
        assert_eq!(artifact("../a.fw").get("uriBaseId"), None);
        assert_eq!(artifact("/a.fw").get("uriBaseId"), None);
        assert_eq!(built_in("stdlib/a.fw")["uri"], "palisade:stdlib/a.fw");
    }
}
