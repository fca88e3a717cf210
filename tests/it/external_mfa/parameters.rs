//! Attack 14 at this door: of a parameter that stands twice, or once under an encoded name, some
//! readers take one value and some another. This one takes none.

use serde_json::json;

use super::{
    kit::{AGENT, Ask, Door, told},
    refusals::{Ends, ends_of, error, page},
};

/// Everything that decides something, another value of it, and how the request ends then: with a
/// page as long as it is not known whom to tell.
fn deciding(door: &Door) -> Vec<(&'static str, String, Ends)> {
    let somebody_else = door
        .ask("agent2@contoso.com")
        .hinting("oid", json!("bbbbcccc-1111-dddd-2222-eeee3333aaaa"));
    let asked = json!({"id_token": {
        "acr": {"values": ["knowledgeorinherence"]}, "amr": {"values": ["face"]}
    }});
    let mut all = Vec::new();
    for (name, other) in [
        ("client_id", "somebody-else".to_owned()),
        ("redirect_uri", "https://evil.example/".to_owned()),
        ("state", "another".to_owned()),
    ] {
        all.push((name, other, page(400, "CB-SIGNIN-001")));
    }
    for (name, other) in [
        ("id_token_hint", somebody_else.hint_token()),
        ("nonce", "another".to_owned()),
        ("claims", asked.to_string()),
        ("response_type", "code".to_owned()),
        ("response_mode", "fragment".to_owned()),
        ("scope", "profile".to_owned()),
    ] {
        all.push((name, other, error("invalid_request")));
    }
    all
}

/// The name with each of its characters encoded in turn, and with all of them.
fn spellings(name: &str) -> Vec<String> {
    let encoded = |at: usize| {
        let byte = name.as_bytes()[at];
        let (before, after) = (&name[..at], &name[at + 1..]);
        [
            format!("{before}%{byte:02x}{after}"),
            format!("{before}%{byte:02X}{after}"),
        ]
    };
    let mut spellings: Vec<String> = (0..name.len()).flat_map(encoded).collect();
    let whole: Vec<String> = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    spellings.push(whole.concat());
    spellings
}

fn pair(name: &str, value: &str) -> String {
    let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    format!("{name}={value}")
}

/// The body with the name of this parameter written otherwise.
fn respelt(body: &str, name: &str, as_name: &str) -> String {
    let pairs = body.split('&').map(|one| match one.split_once('=') {
        Some((found, value)) if found == name => format!("{as_name}={value}"),
        _ => one.to_owned(),
    });
    let respelt = pairs.collect::<Vec<_>>().join("&");
    assert_ne!(respelt, body, "{name}");
    respelt
}

#[tokio::test]
async fn attack_14_an_encoded_name_is_not_read_and_hides_nothing() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let ask = door.ask(AGENT);
    let body = ask.body();
    let ends = async |body: &str| ends_of(&door, body.to_owned(), ask.field("state")).await;
    for (name, other, wanted) in deciding(&door) {
        for spelling in spellings(name) {
            let encoded = respelt(&body, name, &spelling);
            assert_eq!(ends(&encoded).await, wanted, "{spelling} alone");
        }
        // Beside the right one, before and after it, with another value and with the same.
        let last = spellings(name).pop().unwrap();
        let right = ask.field(name).unwrap_or_else(|| ask.hint_token());
        for value in [&other, &right] {
            for second in [name, &last] {
                let second = pair(second, value);
                for both in [format!("{body}&{second}"), format!("{second}&{body}")] {
                    assert_eq!(ends(&both).await, wanted, "{both}");
                }
            }
        }
    }
    // What must not be there at all, and the other name of an address that is there.
    let address = "https://evil.example/";
    for (name, wanted) in [
        ("request", error("invalid_request")),
        ("request_uri", error("invalid_request")),
        ("redirect_url", page(400, "CB-SIGNIN-001")),
    ] {
        for spelling in spellings(name) {
            let both = format!("{body}&{}", pair(&spelling, address));
            assert_eq!(ends(&both).await, wanted, "{spelling}");
        }
    }
    // None of it has used the hint up.
    let mut browser = door.world.browser();
    assert!(door.prove(&mut browser, &ask, &agent).await.is_token());
}

/// What stands in the address is no parameter, and what only the log reads is no obstacle.
#[tokio::test]
async fn attack_14_the_address_says_nothing_and_what_decides_nothing_may_stand_twice() {
    let door = Door::new().await;
    let agent = door.agent().await;
    let ask: Ask = door.ask(AGENT);
    let mut address = "/oidc/authorize?".to_owned();
    for (name, other, _) in deciding(&door) {
        address.push_str(&pair(name, &other));
        address.push('&');
    }
    let twice = ["client-request-id", "client%2Drequest-id", "mkt"];
    let twice: Vec<String> = twice.iter().map(|name| pair(name, "x")).collect();
    let body = format!("{}&{}", ask.body(), twice.join("&"));
    let mut browser = door.world.browser();
    let page = browser.send("POST", &address, Some(body)).await;
    assert!(page.asks_for_code(), "{}", page.text());
    let page = browser.submit_code(&agent.code(door.world.now())).await;
    let said = told(&page);
    assert_eq!(said.action, door.reply_url());
    assert_eq!(said.state, ask.field("state"));
    let claims = said.claims(&super::key_list(&door).await);
    assert_eq!(claims["nonce"], json!(ask.field("nonce")));
    assert_eq!(claims["sub"], super::SUBJECT);
    assert_eq!(claims["acr"], "possessionorinherence");
}
