use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::protocol::oidc::a_cloud::{CLOUD, NOW, with};

/// What the cloud calls itself.
const INSTANCE: &str = "microsoftonline.com";

/// How a cloud answers.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Mood {
    Well,
    Down,
    Elsewhere,
    /// It takes the question and never answers.
    Silent,
    /// It answers well, and takes until it is let go.
    Slow,
}

/// A cloud on this computer.
struct Server {
    cloud: ExternalMfaCloud,
    mood: Arc<Mutex<Mood>>,
    kids: Arc<Mutex<Vec<&'static str>>>,
    asked: Arc<AtomicUsize>,
    go: Arc<tokio::sync::Notify>,
}

impl Server {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            cloud: ExternalMfaCloud::practice(&authority).unwrap(),
            mood: Arc::new(Mutex::new(Mood::Well)),
            kids: Arc::new(Mutex::new(vec!["first"])),
            asked: Arc::default(),
            go: Arc::default(),
        };
        let go = Arc::clone(&server.go);
        let (cloud, mood) = (server.cloud.clone(), Arc::clone(&server.mood));
        let (kids, asked) = (Arc::clone(&server.kids), Arc::clone(&server.asked));
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&bytes[..read]).into_owned();
                let mood = *mood.lock().unwrap();
                let kids = kids.lock().unwrap().clone();
                asked.fetch_add(1, Ordering::SeqCst);
                if mood == Mood::Slow {
                    go.notified().await;
                }
                let (status, body) = match mood {
                    Mood::Silent => {
                        held.push(stream);
                        continue;
                    }
                    Mood::Down => ("503 Service Unavailable", json!({})),
                    _ if request.contains("openid-configuration") => {
                        let issuer = match mood {
                            Mood::Elsewhere => "https://login.evil.example/{tenantid}/v2.0".into(),
                            _ => cloud.issuer_template(),
                        };
                        ("200 OK", metadata(&cloud, &issuer))
                    }
                    _ => {
                        let keys = kids.iter().map(|kid| {
                            let key = with(CLOUD.jwk(), "kid", json!(kid));
                            let instance = match *kid {
                                "foreign" => "microsoftonline.us",
                                _ => INSTANCE,
                            };
                            with(key, "cloud_instance_name", json!(instance))
                        });
                        ("200 OK", json!({ "keys": keys.collect::<Vec<_>>() }))
                    }
                };
                let body = body.to_string();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        server
    }

    fn turn(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn publish(&self, kids: &[&'static str]) {
        *self.kids.lock().unwrap() = kids.to_vec();
    }

    /// How many documents were asked for since the last look.
    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

fn metadata(cloud: &ExternalMfaCloud, issuer: &str) -> serde_json::Value {
    let at = cloud.authority();
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{at}/common/oauth2/v2.0/authorize"),
        "jwks_uri": format!("{at}/common/discovery/v2.0/keys"),
        "cloud_instance_name": INSTANCE,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

fn after(minutes: u64) -> Timestamp {
    NOW.plus(Duration::from_mins(minutes))
}

async fn has(shelf: &Shelf, server: &Server, kid: &str, now: Timestamp) -> Result<bool, String> {
    let found = shelf.keys(&server.cloud, kid, now).await;
    found
        .map(|keys| keys.has(kid))
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_an_unknown_one_once_a_minute() {
    let (server, shelf) = (Server::new().await, Shelf::default());
    assert_eq!(has(&shelf, &server, "first", NOW).await, Ok(true));
    assert_eq!(server.asked(), 2);
    for minutes in [0, 1, 700] {
        assert_eq!(
            has(&shelf, &server, "first", after(minutes)).await,
            Ok(true)
        );
    }
    assert_eq!(server.asked(), 0);
    // Entra has a new key.
    server.publish(&["first", "second"]);
    assert_eq!(has(&shelf, &server, "second", after(2)).await, Ok(true));
    assert_eq!(server.asked(), 2);
    // Somebody invents names: the cloud hears of it once a minute.
    for _ in 0..100 {
        assert_eq!(has(&shelf, &server, "invented", after(3)).await, Ok(false));
    }
    assert_eq!(server.asked(), 2);
    assert_eq!(has(&shelf, &server, "first", after(3)).await, Ok(true));
    // And a key of Entra's is found a minute later all the same.
    server.publish(&["third"]);
    assert_eq!(has(&shelf, &server, "third", after(3)).await, Ok(false));
    assert_eq!(has(&shelf, &server, "third", after(4)).await, Ok(true));
    // What is published no more verifies nothing.
    assert_eq!(has(&shelf, &server, "first", after(4)).await, Ok(false));
}

/// Microsoft's own list of the global cloud has keys of the American government's (review N1-3).
#[tokio::test]
async fn attack_34_keys_of_another_cloud_are_left_out_and_replace_nothing() {
    let (server, shelf) = (Server::new().await, Shelf::default());
    server.publish(&["first", "foreign"]);
    assert_eq!(has(&shelf, &server, "first", NOW).await, Ok(true));
    assert_eq!(has(&shelf, &server, "foreign", after(2)).await, Ok(false));
    server.publish(&["foreign"]);
    let error = has(&shelf, &server, "foreign", after(4)).await.unwrap_err();
    assert!(error.contains("no RSA key"), "{error}");
    assert_eq!(
        has(&shelf, &server, "first", after(25 * 60)).await,
        Ok(true)
    );
}

#[tokio::test]
async fn many_at_once_cause_one_fetch() {
    let (server, shelf) = (Server::new().await, Arc::new(Shelf::default()));
    let all: Vec<_> = (0..50)
        .map(|_| {
            let (shelf, cloud) = (Arc::clone(&shelf), server.cloud.clone());
            tokio::spawn(async move { shelf.keys(&cloud, "first", NOW).await.is_ok() })
        })
        .collect();
    for one in all {
        assert!(one.await.unwrap());
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn an_outage_is_said_and_known_keys_go_on_for_two_days() {
    let (server, shelf) = (Server::new().await, Shelf::default());
    server.turn(Mood::Down);
    assert!(
        has(&shelf, &server, "first", NOW)
            .await
            .unwrap_err()
            .contains("503")
    );
    // The cloud is left in peace for a minute.
    server.turn(Mood::Well);
    server.asked();
    let error = has(&shelf, &server, "first", NOW).await.unwrap_err();
    assert!(error.contains("a moment ago"), "{error}");
    assert_eq!(server.asked(), 0);
    assert_eq!(has(&shelf, &server, "first", after(1)).await, Ok(true));

    for mood in [Mood::Down, Mood::Elsewhere] {
        server.turn(mood);
        // A hint with an unknown key cannot be told from a wrong one, so it is the outage's.
        assert!(has(&shelf, &server, "second", after(10)).await.is_err());
        assert!(has(&shelf, &server, "third", after(10)).await.is_err());
        for hours in [13, 47] {
            assert_eq!(
                has(&shelf, &server, "first", after(hours * 60)).await,
                Ok(true)
            );
        }
    }
    assert!(
        has(&shelf, &server, "first", after(48 * 60 + 1))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_cloud_that_does_not_answer_holds_nobody_who_does_not_need_it() {
    let (server, other) = (Server::new().await, Server::new().await);
    let shelf = Arc::new(Shelf::default());
    assert_eq!(has(&shelf, &server, "first", NOW).await, Ok(true));
    server.turn(Mood::Silent);
    server.asked();
    let waiting = {
        let (shelf, cloud) = (Arc::clone(&shelf), server.cloud.clone());
        tokio::spawn(async move { shelf.keys(&cloud, "new", after(1)).await.map(|_| ()) })
    };
    while server.asked() == 0 {
        tokio::task::yield_now().await;
    }
    // While that one waits, hints of known keys and of other clouds do not.
    assert_eq!(has(&shelf, &server, "first", after(1)).await, Ok(true));
    assert_eq!(has(&shelf, &other, "first", after(1)).await, Ok(true));
    assert!(!waiting.is_finished());
    waiting.abort();
}

/// Whoever hangs up shuts the door for nobody (review N1-1).
#[tokio::test]
async fn who_goes_away_while_keys_are_read_ends_that_for_nobody() {
    let (server, shelf) = (Server::new().await, Arc::new(Shelf::default()));
    server.turn(Mood::Slow);
    let waiting = {
        let (shelf, cloud) = (Arc::clone(&shelf), server.cloud.clone());
        tokio::spawn(async move { shelf.keys(&cloud, "first", NOW).await.map(|_| ()) })
    };
    while server.asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    server.turn(Mood::Well);
    server.go.notify_one();
    assert_eq!(has(&shelf, &server, "first", NOW).await, Ok(true));
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn nobody_waits_longer_than_the_deadline() {
    let server = Server::new().await;
    server.turn(Mood::Silent);
    let shelf = Shelf::within(Duration::ZERO);
    let error = shelf.keys(&server.cloud, "first", NOW).await.unwrap_err();
    assert!(matches!(error, FetchError::Deadline), "{error}");
}

#[tokio::test]
async fn old_keys_are_read_again_behind_the_back_of_who_uses_them() {
    let (server, shelf) = (Server::new().await, Shelf::default());
    assert_eq!(has(&shelf, &server, "first", NOW).await, Ok(true));
    server.publish(&["second"]);
    // This one is answered at once, by what is here.
    assert_eq!(
        has(&shelf, &server, "first", after(12 * 60)).await,
        Ok(true)
    );
    let slot = shelf.cloud(&server.cloud);
    drop(slot.flight.lock().await);
    assert!(slot.held().keys.unwrap().has("second"));
}

/// Nobody came for a day: what Entra took back meanwhile verifies nothing (review N1-6).
#[tokio::test]
async fn keys_of_yesterday_are_read_first_and_count_only_in_an_outage() {
    for (mood, counts) in [(Mood::Well, false), (Mood::Down, true)] {
        let (server, shelf) = (Server::new().await, Shelf::default());
        assert_eq!(has(&shelf, &server, "first", NOW).await, Ok(true));
        server.publish(&["second"]);
        server.turn(mood);
        let now = after(30 * 60);
        assert_eq!(has(&shelf, &server, "first", now).await, Ok(counts));
    }
}

/// Nobody came yet, or since yesterday.
#[tokio::test]
async fn keys_are_read_by_time_though_nobody_comes() {
    let (server, shelf) = (Server::new().await, Shelf::default());
    shelf.renew(&server.cloud, NOW).await;
    assert_eq!(server.asked(), 2);
    // Not before it is time.
    for minutes in [0, 1, 719] {
        shelf.renew(&server.cloud, after(minutes)).await;
    }
    assert_eq!(server.asked(), 0);
    server.publish(&["second"]);
    shelf.renew(&server.cloud, after(720)).await;
    assert_eq!(server.asked(), 2);
    // The first who comes after a day waits for nothing, and the cloud may be away.
    server.turn(Mood::Down);
    let now = after(720 + 719);
    assert_eq!(has(&shelf, &server, "second", now).await, Ok(true));
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn a_cloud_that_is_away_is_asked_by_time_once_a_minute_and_never_twice_at_once() {
    let (server, shelf) = (Server::new().await, Arc::new(Shelf::default()));
    server.turn(Mood::Down);
    for (minutes, asked) in [(0, 1), (0, 0), (1, 1), (1, 0)] {
        shelf.renew(&server.cloud, after(minutes)).await;
        assert_eq!(server.asked(), asked, "{minutes}");
    }
    // Somebody who came is waiting for the same.
    server.turn(Mood::Slow);
    let waiting = {
        let (shelf, cloud) = (Arc::clone(&shelf), server.cloud.clone());
        tokio::spawn(async move { shelf.keys(&cloud, "first", after(2)).await.is_ok() })
    };
    while server.asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    shelf.renew(&server.cloud, after(2)).await;
    server.turn(Mood::Well);
    server.go.notify_one();
    assert!(waiting.await.unwrap());
    assert_eq!(server.asked(), 2);
}

#[test]
fn what_is_done_about_a_key_follows_from_what_is_known() {
    let kids = |kids: &[&str], read_at| {
        let keys = kids.iter().map(|kid| with(CLOUD.jwk(), "kid", json!(kid)));
        let document = json!({ "keys": keys.collect::<Vec<_>>() }).to_string();
        let cloud = ExternalMfaCloud::by_name("global").unwrap();
        Some(Arc::new(
            HintKeys::parse(&cloud, document.as_bytes(), read_at).unwrap(),
        ))
    };
    let just_read = Held {
        keys: kids(&["first"], NOW),
        asked_at: Some(NOW),
    };
    let nothing = Held::default();
    let failed = Held {
        asked_at: Some(NOW),
        ..Held::default()
    };
    let asked_again = Held {
        keys: kids(&["first"], NOW),
        asked_at: Some(after(5)),
    };
    for (held, kid, minutes, plan) in [
        (&nothing, "first", 0, "Fetch"),
        (&failed, "first", 0, "JustFailed"),
        (&failed, "first", 1, "Fetch"),
        (&just_read, "first", 0, "Use("),
        (&just_read, "first", 719, "Use("),
        (&just_read, "first", 720, "UseAndRefresh("),
        (&just_read, "first", 24 * 60, "FetchOr("),
        (&just_read, "other", 0, "Use("),
        (&just_read, "other", 1, "Fetch"),
        (&just_read, "first", 48 * 60, "Fetch"),
        // It was asked at 5, and did not answer.
        (&asked_again, "first", 5, "Use("),
        (&asked_again, "other", 5, "JustFailed"),
        (&asked_again, "other", 6, "Fetch"),
        // The clock was set back.
        (&asked_again, "other", 4, "Fetch"),
    ] {
        let is = format!("{:?}", held.plan(kid, after(minutes)));
        assert!(is.starts_with(plan), "{kid} {minutes}: {is:.20}");
    }
}
