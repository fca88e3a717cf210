//! The practice tenant alone, before a server of one's own.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use super::Cli;

#[test]
fn it_is_on_loopback_only_and_names_a_bad_list_of_people() {
    let cli = Cli::empty();
    let practice = |more: &[&str]| {
        let line = ["practice", "--idp", "https://idp.contoso.com"];
        cli.refused(2, &[&line[..], &["--domain", "contoso.com"], more].concat())
    };
    assert!(practice(&["--listen", "0.0.0.0:0"]).contains("practice only"));
    let people = cli.path("people.csv").display().to_string();
    for (text, wanted) in [
        ("upn,name\nnobody,One\n", "nobody"),
        ("name,mail\nOne,x\n", "missing field"),
    ] {
        cli.write("people.csv", text);
        let said = practice(&["--listen", "127.0.0.1:0", "--people", &people]);
        assert!(
            said.contains(wanted) && said.contains("people.csv"),
            "{said}"
        );
    }
}

#[test]
fn it_says_where_it_is_and_its_names_can_be_configured() {
    let cli = Cli::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_claimbridge"))
        .args(["practice", "--idp", "https://idp.contoso.com", "--json"])
        .args(["--domain", "contoso.com", "--listen", "127.0.0.1:0"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let tenant: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(tenant["tenant"], "contoso.com");
    assert_eq!(
        tenant["emergency_administrators"].as_array().unwrap().len(),
        2
    );
    let toml = std::fs::read_to_string(cli.path("claimbridge.toml")).unwrap();
    let toml = format!(
        "{toml}\n[entra.cloud]\nentity_id = {}\nreply_url = {}\nauthority_url = {}\ngraph_url = {}\n",
        tenant["entity_id"], tenant["reply_url"], tenant["authority"], tenant["graph"],
    );
    cli.write("claimbridge.toml", toml);
    cli.done(&["check"]);
}
