//! What the bundle tells, and what it keeps to itself.

use std::collections::BTreeSet;

use claimbridge::{
    app::evidence::{Sample, live_check::LiveCheck, names::Naming},
    keys::certificate::Certificate,
};
use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};
use serde_json::Value;

use super::{bundle, bundle_with, examined, file, files, json, text};
use crate::support::{PASSWORD, World, entra};

async fn world() -> World {
    let world = World::new().await;
    world.ready("maria.mueller@contoso.com").await;
    world.add_user("nobody.yet@fabrikam.com").await;
    world
}

#[tokio::test]
async fn a_bundle_is_whole_and_answers_who_signed_in_without_mfa() {
    let world = world().await;
    let made = bundle(&world, Naming::Names).await;
    let found = examined(&made.archive);
    assert_eq!(found.problems, []);
    assert_eq!(found.files, made.files);
    assert_eq!(
        found.fingerprint.as_deref(),
        Some(made.fingerprint.as_str())
    );

    let names: Vec<String> = files(&made.archive)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        [
            "README.txt",
            "report.html",
            "configuration.json",
            "policy.json",
            "federation.json",
            "coverage.csv",
            "coverage.json",
            "issuance.csv",
            "events.json",
            "rules.json",
            "versions.json",
            "sbom.cdx.json",
            "audit-key.pem",
            "manifest.json",
            "manifest.sig"
        ]
    );

    let coverage = json(&made.archive, "coverage.json");
    let people = coverage["people"].as_array().unwrap();
    let [maria, nobody] = people.as_slice() else {
        panic!("{people:?}");
    };
    assert_eq!(maria["person"], "maria.mueller@contoso.com");
    assert_eq!(maria["covered"], true);
    assert_eq!(maria["answers"], 1);
    assert_eq!(maria["answers_without_mfa"], 0);
    assert_eq!(maria["last_without_mfa"], Value::Null);
    assert_eq!(maria["last_with_mfa"]["proofs"], "password + one-time code");
    assert_eq!(maria["last_with_mfa"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(nobody["covered"], false);
    assert_eq!(nobody["last_with_mfa"], Value::Null);
    assert_eq!(
        json(&made.archive, "federation.json")["state"],
        "not-connected"
    );

    let issuance = text(&made.archive, "issuance.csv");
    assert!(
        issuance.contains("urn:federation:MicrosoftOnline,password + one-time code,1\n"),
        "{issuance}"
    );
    let report = text(&made.archive, "report.html");
    assert!(report.contains("Nobody signed in without multi-factor authentication."));
    assert!(report.contains("All of it fits."), "{report}");
    assert!(report.contains("No live check was made."));
    assert!(!report.contains("<script"));
}

#[tokio::test]
async fn acts_of_operators_are_told_with_whom_and_by_whom() {
    let world = world().await;
    let made = bundle(&world, Naming::Names).await;
    let events = json(&made.archive, "events.json");
    let acts = events["acts"].as_array().unwrap();
    let pass = acts
        .iter()
        .find(|act| act["event"] == "pass-issued")
        .unwrap();
    assert_eq!(pass["by"], "tester");
    assert_eq!(pass["person"], "maria.mueller@contoso.com");
    let key = acts
        .iter()
        .find(|act| {
            act["about"]
                .as_str()
                .is_some_and(|about| about.contains("(audit)"))
        })
        .unwrap();
    assert_eq!(key["event"], "key-created");
    assert_eq!(events["events_missing_of_any_time"], 0);
}

/// A row that was written past the application: the report must not believe it.
#[tokio::test]
async fn an_answer_without_a_second_proof_is_said_first_and_names_the_person() {
    let world = world().await;
    let sql = world.sql().await;
    sql.run("UPDATE receipts SET proofs = 'password crd_x 2026-11-20T10:00:00.000Z'")
        .await;
    let made = bundle(&world, Naming::Names).await;
    let report = text(&made.archive, "report.html");
    assert!(
        report.contains("1 answers do not show two kinds of proof."),
        "{report}"
    );
    assert!(!report.contains("Nobody signed in without"));
    let coverage = json(&made.archive, "coverage.json");
    let maria = &coverage["people"][0];
    assert_eq!(maria["answers_without_mfa"], 1);
    assert!(maria["last_without_mfa"].is_string());
    assert_eq!(maria["last_with_mfa"], Value::Null);
}

#[tokio::test]
async fn rows_that_were_taken_out_are_missed() {
    let world = world().await;
    let whole = text(&bundle(&world, Naming::Names).await.archive, "report.html");
    assert!(whole.contains("All of it fits."));
    let sql = world.sql().await;
    sql.run("DELETE FROM receipts").await;
    let report = text(&bundle(&world, Naming::Names).await.archive, "report.html");
    assert!(report.contains("It does not fit together."), "{report}");
    assert!(report.contains("What is written down does not fit together."));
    assert!(!report.contains("Nobody signed in without"), "{report}");

    let world = self::world().await;
    let sql = world.sql().await;
    sql.run("DELETE FROM events WHERE kind = 'pass-issued'")
        .await;
    let made = bundle(&world, Naming::Names).await;
    assert!(text(&made.archive, "report.html").contains("It does not fit together."));
    assert_eq!(
        json(&made.archive, "events.json")["events_missing_of_any_time"],
        1
    );

    let world = self::world().await;
    let sql = world.sql().await;
    sql.run("UPDATE receipts SET user_id = 'usr_ghost'").await;
    let report = text(&bundle(&world, Naming::Names).await.archive, "report.html");
    assert!(report.contains("It does not fit together."), "{report}");
}

/// All that could let somebody in, or be tried against something that lets in.
#[tokio::test]
async fn no_secret_is_in_any_file() {
    let world = World::new().await;
    let person = world.ready("maria.mueller@contoso.com").await;
    let pass = world.issue_pass("maria.mueller@contoso.com").await;
    let sample = captured(&world, &person).await;
    let mut secrets: Vec<String> = vec![
        PASSWORD.to_owned(),
        pass.clone(),
        pass.replace('-', ""),
        BASE32_NOPAD.encode(&person.secret),
        HEXLOWER.encode(&person.secret),
        BASE64.encode(&person.secret),
        world.master_hex(),
    ];
    let mut tx = world.app().store().read().await.unwrap();
    for password in tx.all_passwords().await.unwrap() {
        secrets.extend([password.phc, password.tag]);
    }
    for totp in tx.all_totp().await.unwrap() {
        secrets.extend([totp.sealed_secret, totp.tag]);
    }
    for key in tx.all_keys().await.unwrap() {
        secrets.push(key.sealed_private_key);
    }
    for user in tx.all_users().await.unwrap() {
        secrets.push(user.identity_tag);
        for session in tx.sessions_of(&user.id).await.unwrap() {
            secrets.push(session.tag);
        }
        for receipt in tx.receipts_of(&user.id, 10).await.unwrap() {
            secrets.push(receipt.session.to_string());
        }
    }
    drop(tx);
    assert!(secrets.len() > 12, "{}", secrets.len());
    let middle = String::from_utf8(sample.clone()).unwrap();
    secrets.push(middle[middle.len() / 2..middle.len() / 2 + 40].to_owned());
    let samples = vec![Sample {
        name: "captured".to_owned(),
        bytes: sample,
        at: None,
    }];
    for naming in [Naming::Names, Naming::Pseudonyms] {
        let made = bundle_with(&world, naming, None, samples.clone()).await;
        for (name, bytes) in files(&made.archive) {
            let text = String::from_utf8_lossy(&bytes);
            for secret in &secrets {
                assert!(secret.len() >= 8, "{secret} is too short to look for");
                assert!(!text.contains(secret.as_str()), "{secret} in {name}");
            }
        }
    }
}

/// The base64 of a response as a browser carried it.
async fn captured(world: &World, person: &crate::support::Person) -> Vec<u8> {
    let mut browser = world.browser();
    let page = browser
        .sign_in(
            &entra::request(world.now()),
            person.upn(),
            &person.code(world.now()),
        )
        .await;
    let answer = if page.answer().is_some() {
        page.expect_answer()
    } else {
        browser.submit(&[]).await.expect_answer()
    };
    world.advance(30);
    BASE64.encode(answer.xml.as_bytes()).into_bytes()
}

#[tokio::test]
async fn a_sample_goes_in_as_a_redacted_report() {
    let world = World::new().await;
    let person = world.ready("maria.mueller@contoso.com").await;
    let sample = Sample {
        name: "captured".to_owned(),
        bytes: captured(&world, &person).await,
        at: None,
    };
    let made = bundle_with(&world, Naming::Names, None, vec![sample]).await;
    let report = json(&made.archive, "inspector/sample-1.json");
    assert_eq!(report["report"]["input"]["kind"], "saml2-response");
    assert_eq!(examined(&made.archive).problems, []);
    let text = report.to_string();
    for name in ["maria", "mueller", "Agent One"] {
        assert!(
            !text.to_lowercase().contains(&name.to_lowercase()),
            "{name} in {text}"
        );
    }
    let html = self::text(&made.archive, "report.html");
    assert!(html.contains("sample-1") && html.contains("saml2-response"));

    let nonsense = Sample {
        name: "nonsense.bin".to_owned(),
        bytes: b"nothing known".to_vec(),
        at: None,
    };
    let wanted = claimbridge::app::evidence::Wanted {
        since: world.now(),
        naming: Naming::Names,
        configuration: Value::Null,
        live_check: None,
        samples: vec![nonsense],
    };
    let refused = world
        .app()
        .make_evidence(wanted, &|_| {})
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("nonsense.bin"), "{refused}");
}

#[tokio::test]
async fn pseudonyms_leave_no_name_in_any_file_and_are_the_same_each_time() {
    let world = World::new().await;
    let person = world.ready("maria.mueller@contoso.com").await;
    let sample = Sample {
        name: "maria.xml".to_owned(),
        bytes: captured(&world, &person).await,
        at: None,
    };
    let made = bundle_with(&world, Naming::Pseudonyms, None, vec![sample]).await;
    for (name, bytes) in files(&made.archive) {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        for who in ["maria", "mueller", "agent one", "tester"] {
            assert!(!text.contains(who), "{who} in {name}");
        }
    }
    let of = |archive: &[u8]| json(archive, "coverage.json")["people"][0]["person"].clone();
    let pseudonym = of(&made.archive);
    let again = bundle(&world, Naming::Pseudonyms).await;
    assert_eq!(of(&again.archive), pseudonym);
    let pseudonym = pseudonym.as_str().unwrap();
    let user = world
        .app()
        .person_of_pseudonym(pseudonym)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(user.upn.as_str(), "maria.mueller@contoso.com");
    let nobody = world
        .app()
        .person_of_pseudonym("person-0000000000000000")
        .await
        .unwrap();
    assert!(nobody.is_none());
}

#[tokio::test]
async fn a_live_check_is_told_as_handed_in() {
    let world = World::new().await;
    let check = LiveCheck::parse(
        br#"{"live": {"tenant": "contoso.onmicrosoft.com", "amr": ["pwd", "mfa"], "mfa": true, "who": "maria"}}"#,
    )
    .unwrap();
    let made = bundle_with(&world, Naming::Names, Some(check), Vec::new()).await;
    let told = json(&made.archive, "live-check.json");
    assert_eq!(
        told["provenance"],
        "handed in as a file by the operator, not made by this command"
    );
    assert_eq!(told["mfa"], true);
    let report = text(&made.archive, "report.html");
    assert!(report.contains("handed in as a file by the operator"));
    assert!(!report.contains("No live check was made."));
    assert!(!report.contains("maria"));
}

/// But for the signature, which is drawn anew, equal state and clock make equal files.
#[tokio::test]
async fn the_same_state_makes_the_same_files() {
    let world = world().await;
    let first = bundle(&world, Naming::Names).await;
    let second = bundle(&world, Naming::Names).await;
    let mut different = BTreeSet::new();
    for ((name, one), (_, two)) in files(&first.archive).iter().zip(files(&second.archive)) {
        if *one != two {
            different.insert(name.clone());
        }
    }
    assert_eq!(different, BTreeSet::from(["manifest.sig".to_owned()]));
}

#[tokio::test]
async fn attack_34_the_audit_key_is_another_than_that_of_assertions_and_in_no_metadata() {
    let world = world().await;
    let made = bundle(&world, Naming::Names).await;
    let pem = text(&made.archive, "audit-key.pem");
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64.decode(body.as_bytes()).unwrap();
    let certificate = Certificate::read(&der).unwrap();
    assert_eq!(certificate.fingerprint(), made.fingerprint);
    assert_ne!(der, world.app().assertion_key().certificate);
    assert_eq!(certificate.rsa_bits, None);
    let mut browser = world.browser();
    let metadata = browser.get("/saml2/metadata?domain=contoso.com").await;
    assert!(metadata.status.is_success());
    assert!(!metadata.text().contains(&body));
    let assertion = BASE64.encode(&world.app().assertion_key().certificate);
    assert!(metadata.text().contains(&assertion), "the check can fail");
    // The key is made once.
    let again = bundle(&world, Naming::Names).await;
    assert_eq!(again.fingerprint, made.fingerprint);
    assert_eq!(file(&again.archive, "audit-key.pem"), pem.as_bytes());
}
