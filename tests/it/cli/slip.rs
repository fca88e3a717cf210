//! Temporary access passes: what `user pass` takes, and the printable slip.

use std::os::unix::fs::PermissionsExt as _;

use claimbridge::base::clock::Timestamp;

use super::Cli;

const AGENT: &str = "agent1@contoso.com";

/// contoso.com with one person.
fn cli(name: &str) -> Cli {
    let cli = Cli::new();
    cli.done(&["user", "add", AGENT, "--name", name]);
    cli
}

fn read(cli: &Cli, name: &str) -> String {
    std::fs::read_to_string(cli.path(name)).unwrap()
}

/// The page as its words, read as XML: what is not escaped or not closed is an error.
fn words(html: &str) -> String {
    let xml = html.strip_prefix("<!doctype html>").unwrap();
    let page = roxmltree::Document::parse(xml).unwrap();
    let body = page
        .descendants()
        .find(|element| element.has_tag_name("body"))
        .unwrap();
    let texts = body.descendants().filter_map(|node| node.text());
    texts.collect::<Vec<_>>().join(" ")
}

fn pass_on(html: &str) -> String {
    let xml = html.strip_prefix("<!doctype html>").unwrap();
    let page = roxmltree::Document::parse(xml).unwrap();
    let pass = page
        .descendants()
        .find(|element| element.attribute("class") == Some("pass"))
        .unwrap();
    let groups = pass.descendants().filter(|e| e.has_tag_name("span"));
    groups.filter_map(|group| group.text()).collect()
}

#[test]
fn a_slip_says_who_what_where_until_when_and_what_to_do() {
    let cli = cli("Agent One");
    let line = ["user", "pass", AGENT, "--slip", "slip.html"];
    let said = cli.done(&[&line[..], &["--starts-at", "2999-03-04T05:06:07Z"]].concat());
    let html = read(&cli, "slip.html");
    let (text, pass) = (words(&html), pass_on(&html));
    assert_eq!(pass.len(), 16);
    for wanted in [
        "Agent One",
        AGENT,
        "https://idp.contoso.com/account",
        "Monday, 4 March 2999, 05:06 UTC",
        "Monday, 4 March 2999, 06:06 UTC",
        "once",
        "I have a temporary access pass",
        "Choose a password: at least 12 characters",
        "a security key or a code generator",
        "Destroy this slip after use",
        "tell your administrator at once",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert_eq!(html.matches("<li>").count(), 5);
    // The secret is there and nowhere else.
    assert!(!said.contains(&pass), "{said}");
    assert!(said.contains("slip.html") && said.contains("delete the file"));
    let mode = std::fs::metadata(cli.path("slip.html"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // It loads nothing and runs nothing.
    let lower = html.to_lowercase();
    for never in [
        "src=", "href=", "url(", "@import", "<script", "<link", "<img", "<svg", "phone", "mail",
    ] {
        assert!(!lower.contains(never), "{never}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn a_slip_replaces_no_file_and_a_refused_pass_leaves_none() {
    let cli = cli("Agent One");
    cli.write("mine.html", "mine");
    let line = |more: &[&'static str]| {
        let mut line = vec!["user", "pass", AGENT, "--slip"];
        line.extend(more);
        line
    };
    let refused = cli.refused(2, &line(&["mine.html"]));
    assert!(refused.contains("mine.html cannot be made"), "{refused}");
    assert_eq!(read(&cli, "mine.html"), "mine");
    // Nothing was issued for it either.
    assert!(cli.json(&["user", "show", AGENT])["pass_expires_at"].is_null());
    cli.refused(2, &line(&["no/such/folder.html"]));
    cli.refused(2, &line(&["slip.html", "--lifetime", "9m"]));
    cli.refused(2, &line(&["slip.html", "--length", "49"]));
    cli.done(&["user", "disable", AGENT]);
    cli.refused(1, &line(&["slip.html"]));
    assert!(!cli.path("slip.html").exists());
}

#[test]
fn a_slip_fits_its_person() {
    let hostile = "<script src=//evil.example></script>\"'&";
    let cli = cli(hostile);
    let text = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    let text = text
        .replace(
            "# allowed_methods = [\"totp\", \"oath-token\", \"security-key\"]",
            "allowed_methods = [\"totp\"]",
        )
        .replace(
            "# support_contact = \"the service desk, extension …\"",
            "support_contact = \"the desk, extension 1234\"",
        );
    cli.write("claimbridge.toml", text);
    let set = ["user", "set-password", AGENT, "--password-stdin"];
    assert_eq!(cli.run_with(&set, "correct horse battery\n").exit, 0);
    let line = ["user", "pass", AGENT, "--slip", "slip.html", "--reusable"];
    let said = cli.json(&line);
    assert_eq!(said["slip"], "slip.html");
    assert_eq!(said["reusable"], true);
    assert!(said.get("pass").is_none(), "{said}");
    let html = read(&cli, "slip.html");
    let text = words(&html);
    assert!(text.contains(hostile), "{text}");
    assert!(!html.contains("<script"), "{html}");
    assert!(text.contains("Set up a code generator, as the page says"));
    assert!(!text.contains("security key"), "{text}");
    assert!(!text.contains("Choose a password"), "{text}");
    assert!(text.contains("as often as needed until it ends"), "{text}");
    assert!(text.contains("tell the desk, extension 1234 at once"));
}

/// Entra's ranges (facts §7), each at its edge.
#[test]
fn a_pass_has_entras_ranges() {
    let cli = cli("Agent One");
    let pass = |more: &[&'static str]| {
        let mut line = vec!["user", "pass", AGENT];
        line.extend(more);
        line
    };
    for bad in [
        &["--lifetime", "9m"][..],
        &["--lifetime", "599s"],
        &["--lifetime", "31d"],
        &["--lifetime", "2592001s"],
        &["--length", "7"],
        &["--length", "49"],
        &["--starts-at", "2020-01-01T00:00:00Z"],
        &["--starts-at", "tomorrow"],
    ] {
        cli.refused(2, &pass(bad));
    }
    for (length, characters) in [("8", 8), ("48", 48)] {
        let made = cli.json(&pass(&["--length", length]));
        assert_eq!(made["pass"].as_str().unwrap().len(), characters);
        assert_eq!(made["reusable"], false);
    }
    let instant = |value: &serde_json::Value| Timestamp::parse_rfc3339(value.as_str().unwrap());
    for (lifetime, seconds) in [("10m", 600), ("30d", 2_592_000)] {
        let made = cli.json(&pass(&["--lifetime", lifetime]));
        let (from, to) = (instant(&made["starts_at"]), instant(&made["expires_at"]));
        assert_eq!(to.unwrap().since(from.unwrap()).as_secs(), seconds);
    }
    let made = cli.json(&pass(&["--starts-at", "2999-01-01T00:00:00Z"]));
    assert_eq!(made["starts_at"], "2999-01-01T00:00:00.000Z");
}

#[test]
fn a_pass_is_taken_back() {
    let cli = cli("Agent One");
    let revoke = ["user", "pass", AGENT, "--revoke"];
    let none = cli.refused(1, &revoke);
    assert!(none.contains("has no pass"), "{none}");
    cli.done(&["user", "pass", AGENT]);
    assert!(cli.json(&["user", "show", AGENT])["pass_expires_at"].is_string());
    assert!(cli.done(&revoke).contains("is void"));
    assert!(cli.json(&["user", "show", AGENT])["pass_expires_at"].is_null());
    cli.refused(2, &[&revoke[..], &["--reusable"]].concat());
}
