//! `/account`: what a person changes there, and what stays.

use crate::support::{Browser, PASSWORD, Page, Person, World};

const NEW_PASSWORD: &str = "märzveilchen und teer";

async fn at_the_account(world: &World, person: &Person) -> Browser {
    let mut browser = world.browser();
    browser.get("/account").await;
    browser.submit_password(person.upn(), PASSWORD).await;
    browser.submit_code(&person.code(world.now())).await;
    if browser.at != "/account" {
        browser.submit(&[]).await;
    }
    assert_eq!(browser.at, "/account", "{:?}", browser.page);
    browser
}

/// Adds a code generator from the account page; its secret.
async fn add(world: &World, browser: &mut Browser) -> Vec<u8> {
    browser.press("/account/add").await;
    let secret = browser.choose_totp().await.totp_secret();
    let parameters = claimbridge::directory::TotpParameters::default();
    let code = claimbridge::factor::totp::code_at(&secret, parameters, world.now()).unwrap();
    browser.confirm(&code).await;
    assert_eq!(browser.at, "/account");
    secret
}

fn actions(page: &Page, ending: &str) -> Vec<String> {
    let forms = page.forms().into_iter().map(|form| form.action);
    forms.filter(|action| action.ends_with(ending)).collect()
}

#[tokio::test]
async fn a_method_is_renamed_and_its_name_stays_text() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    let page = browser.page.clone().unwrap();
    let rename = actions(&page, "/rename").remove(0);
    let form = page.forms().into_iter().find(|form| form.action == rename);
    let name = "<b>=1+1</b> \"desk\"";
    let page = browser.send_form(&form.unwrap(), &[("name", name)]).await;
    assert_eq!(browser.at, "/account");
    assert!(
        page.body.contains("&#60;b&#62;=1+1&#60;/b&#62;"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("<b>"), "{}", page.body);
    // Names are on one line and have an end.
    for bad in ["two\nlines", "", &"x".repeat(65)] {
        let form = page.forms().into_iter().find(|form| form.action == rename);
        let refused = browser.send_form(&form.unwrap(), &[("name", bad)]).await;
        assert_eq!(refused.status, 400, "{bad:?}");
    }
}

#[tokio::test]
async fn attack_6_the_last_method_stays_and_a_removed_one_signs_nobody_in() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    let page = browser.page.clone().unwrap();
    assert!(actions(&page, "/remove").is_empty(), "{}", page.text());
    // A form made by hand is refused too.
    let rename = actions(&page, "/rename").remove(0);
    let mut forged = page
        .forms()
        .into_iter()
        .find(|form| form.action == rename)
        .unwrap();
    forged.action = rename.replace("/rename", "/remove");
    let refused = browser.send_form(&forged, &[]).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(
        refused.text().contains("CB-ACCOUNT-003"),
        "{}",
        refused.text()
    );

    browser.get("/account").await;
    let secret = add(&world, &mut browser).await;
    let page = browser.page.clone().unwrap();
    let removals = actions(&page, "/remove");
    assert_eq!(removals.len(), 2);
    // The first is the one that this session rests on: it ends with it.
    let page = browser.press(&removals[0]).await;
    assert!(page.asks_for_password(), "{}", page.text());
    world.advance(60);
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.submit_code(&person.code(world.now())).await;
    assert!(page.asks_for_code(), "the removed one: {}", page.text());
    let other = Person {
        user: person.user.clone(),
        secret,
    };
    browser.submit_code(&other.code(world.now())).await;
    let page = browser.page.clone().unwrap();
    assert!(
        page.text().contains("was removed"),
        "a notice: {}",
        page.text()
    );
}

/// Two browsers take one of two methods away at once, twenty times: one method stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_28_two_removals_at_once_leave_what_must_be_kept() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    add(&world, &mut browser).await;
    let view = world.app().account(&browser.app_cookies()).await.unwrap();
    let ids: Vec<_> = view.unwrap().methods.into_iter().map(|m| m.id).collect();
    assert_eq!(ids.len(), 2);
    let tries: Vec<_> = (0..20)
        .map(|number| {
            let app = std::sync::Arc::clone(&world.nodes[number % world.nodes.len()].app);
            let (cookies, id) = (browser.app_cookies(), ids[number % 2].clone());
            tokio::spawn(async move {
                match app.require_fresh(&cookies).await {
                    Ok(fresh) => app.remove_method(&fresh, &id).await.is_ok(),
                    Err(_) => false,
                }
            })
        })
        .collect();
    let mut removed = 0;
    for done in tries {
        removed += usize::from(done.await.unwrap());
    }
    assert_eq!(removed, 1);
}

#[tokio::test]
async fn a_changed_password_counts_at_once_and_ends_every_session() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut elsewhere = at_the_account(&world, &person).await;
    world.advance(60);
    let mut browser = at_the_account(&world, &person).await;
    let page = browser.get("/account/password").await;
    assert!(
        page.text().contains("At least 12 characters"),
        "{}",
        page.text()
    );
    for (first, second, said) in [
        ("short", "short", "fewer than 12"),
        ("agent1contoso", "agent1contoso", "too easy to guess"),
        (NEW_PASSWORD, PASSWORD, "not the same"),
    ] {
        let page = browser
            .submit(&[("password", first), ("again", second)])
            .await;
        assert_eq!(page.status, 403);
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    let page = browser
        .submit(&[("password", NEW_PASSWORD), ("again", NEW_PASSWORD)])
        .await;
    assert!(page.text().contains("is changed"), "{}", page.text());
    assert!(elsewhere.get("/account").await.asks_for_password());
    assert!(browser.get("/account").await.asks_for_password());
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_password(), "the former one: {}", page.text());
    let page = browser.submit_password(person.upn(), NEW_PASSWORD).await;
    assert!(page.asks_for_code(), "{}", page.text());
}

#[tokio::test]
async fn attack_6_no_change_without_fresh_proofs_and_none_to_others() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let other = world.ready("agent2@contoso.com").await;
    let mut victim = at_the_account(&world, &other).await;
    let methods = actions(&victim.get("/account").await, "/rename");
    let mut browser = at_the_account(&world, &person).await;
    // Somebody else's method and session, by their ids.
    let page = browser.page.clone().unwrap();
    let mut form = page
        .forms()
        .into_iter()
        .find(|f| f.action.ends_with("/rename"))
        .unwrap();
    form.action.clone_from(&methods[0]);
    let refused = browser.send_form(&form, &[("name", "mine")]).await;
    assert_eq!(refused.status, 404, "{}", refused.text());
    let view = world
        .app()
        .account(&victim.app_cookies())
        .await
        .unwrap()
        .unwrap();
    form.action = format!("/account/sessions/{}/end", view.session.id);
    browser.send_form(&form, &[]).await;
    assert_eq!(victim.get("/account").await.status, 200);
    assert_eq!(victim.at, "/account", "the victim's session lives");
    // Five minutes later nothing of it goes without signing in again.
    world.advance(301);
    let page = browser.get("/account").await;
    for form in page.forms() {
        if form.action.starts_with("/account/") {
            let asked = browser.clone().send_form(&form, &[]).await;
            assert!(
                asked.asks_for_password(),
                "{}: {}",
                form.action,
                asked.text()
            );
        }
    }
    let asked = browser.clone().get("/account/password").await;
    assert!(asked.asks_for_password(), "{}", asked.text());
}

#[tokio::test]
async fn another_browsers_session_is_signed_out_from_here() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut elsewhere = at_the_account(&world, &person).await;
    world.advance(60);
    let mut browser = at_the_account(&world, &person).await;
    let ends = actions(&browser.page.clone().unwrap(), "/end");
    // That one, and the one of the sign-in by which the person became ready.
    assert_eq!(ends.len(), 2);
    for end in &ends {
        browser.press(end).await;
        assert_eq!(browser.at, "/account");
    }
    assert!(elsewhere.get("/account").await.asks_for_password());
    assert_eq!(actions(&browser.get("/account").await, "/end").len(), 0);
}

/// Answers to applications and visits to these pages, with what was proved; nobody else's.
#[tokio::test]
async fn the_own_sign_ins_are_shown_and_no_other_s() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let other = world.ready("agent2@contoso.com").await;
    at_the_account(&world, &other).await;
    let mut browser = at_the_account(&world, &person).await;
    let text = browser.page.clone().unwrap().text();
    let shown = text.split("Last sign-ins").nth(1).unwrap();
    let shown = shown.split("Where you are signed in").next().unwrap();
    let words: Vec<&str> = shown.split_whitespace().collect();
    let shown = words.join(" ");
    for line in [
        "to these pages with password and code",
        "to Microsoft Entra ID with password and code",
    ] {
        assert_eq!(shown.matches(line).count(), 1, "{line}: {shown}");
    }
    // The newest is the first.
    assert!(
        shown.find("these pages") < shown.find("Microsoft"),
        "{shown}"
    );
    // Not more than ten, however many there were.
    for _ in 0..11 {
        world.advance(30);
        browser = at_the_account(&world, &person).await;
    }
    let text = browser.page.unwrap().text();
    assert_eq!(text.matches("to these pages").count(), 10, "{text}");
}

#[tokio::test]
async fn what_the_group_wants_kept_is_asked_for_and_stays() {
    use claimbridge::directory::{EffectivePolicy, GroupName, MethodKind, MethodPolicy};
    let mut world = World::new().await;
    let group: GroupName = "desk".parse().unwrap();
    world.settings.methods = MethodPolicy {
        groups: vec![(
            group.clone(),
            EffectivePolicy::new(vec![MethodKind::Totp], 2),
        )],
        ..MethodPolicy::default()
    };
    // Every node keeps to it.
    world.nodes.clear();
    world.start_node().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    let asks = |page: &Page| page.text().contains("You should have 2 ways to sign in");
    assert!(!asks(&browser.page.clone().unwrap()), "one is enough");
    let upn = &person.user.upn;
    world
        .app()
        .add_to_group(upn, &group, "tester")
        .await
        .unwrap();
    assert!(asks(&browser.get("/account").await));
    add(&world, &mut browser).await;
    let page = browser.page.clone().unwrap();
    assert!(!asks(&page), "{}", page.text());
    assert!(actions(&page, "/remove").is_empty(), "{}", page.text());
    assert!(page.text().contains("You must keep 2"), "{}", page.text());
    let rename = actions(&page, "/rename").remove(0);
    let mut forged = page
        .forms()
        .into_iter()
        .find(|form| form.action == rename)
        .unwrap();
    forged.action = rename.replace("/rename", "/remove");
    let refused = browser.send_form(&forged, &[]).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
}

/// Ten codes from the account page.
async fn recovery_codes(browser: &mut Browser) -> Vec<String> {
    let page = browser.press("/account/recovery-codes").await;
    let codes: Vec<String> = page
        .body
        .split("<code>")
        .skip(1)
        .map(|rest| rest.split("</code>").next().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10, "{}", page.text());
    codes
}

/// A browser of someone who knows the password and has lost the methods, before the form
/// for passes and codes.
async fn lost(world: &World, person: &Person) -> Browser {
    let mut browser = world.browser();
    let request = crate::support::entra::request(world.now());
    browser.start(&request).await;
    let page = browser.submit_password(person.upn(), PASSWORD).await;
    assert!(page.asks_for_code() && page.text().contains("I have a recovery code"));
    let page = browser.get(&format!("{}/pass", browser.at)).await;
    assert!(page.asks_for_pass(), "{}", page.text());
    browser
}

#[tokio::test]
async fn attack_5_a_recovery_code_opens_re_enrolment_once_and_claims_nothing() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let other = world.ready("agent2@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    let void = recovery_codes(&mut browser).await;
    browser.get("/account").await;
    let codes = recovery_codes(&mut browser).await;
    let page = browser.get("/account").await;
    assert!(
        page.text().contains("You have 10 recovery codes left"),
        "{}",
        page.text()
    );
    let foreign = recovery_codes(&mut at_the_account(&world, &other).await).await;

    world.advance(30);
    let mut browser = lost(&world, &person).await;
    for wrong in [&void[0], &foreign[0]] {
        let page = browser.submit_pass(wrong).await;
        assert!(page.asks_for_pass(), "{}", page.text());
        assert_eq!(page.status, 403);
    }
    // As people type it.
    let page = browser
        .submit_pass(&codes[0].to_uppercase().replace('-', " "))
        .await;
    assert!(page.answer().is_none());
    let secret = page.totp_secret();
    let new = Person {
        user: person.user.clone(),
        secret,
    };
    browser.confirm(&new.code(world.now())).await;
    let page = browser.reload_attempt().await;
    assert!(
        page.asks_for_password(),
        "both factors follow: {}",
        page.text()
    );
    world.advance(30);
    browser.submit_password(person.upn(), PASSWORD).await;
    let page = browser.submit_code(&new.code(world.now())).await;
    assert!(page.answer().is_none() && page.text().contains("A recovery code was used"));
    browser.submit(&[]).await.expect_answer();

    // Used is used, also on another node.
    let mut browser = lost(&world, &person).await;
    let page = browser.submit_pass(&codes[0]).await;
    assert!(
        page.asks_for_pass() && page.answer().is_none(),
        "{}",
        page.text()
    );
    // What an administrator resets is gone altogether.
    let upn = person.user.upn.clone();
    world.app().reset_user(&upn, "tester").await.unwrap();
    let page = lost_with_nothing(&world, &person, &codes[1]).await;
    assert!(
        page.asks_for_pass() && page.answer().is_none(),
        "{}",
        page.text()
    );
}

/// Who found the sheet with the codes, and knows no password, adds nothing: a key with a PIN
/// would be two factors by itself.
#[tokio::test]
async fn attack_5_a_recovery_code_without_the_password_opens_nothing() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let other = world.ready("agent2@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    let codes = recovery_codes(&mut browser).await;
    world.advance(30);
    let mut finder = world.browser();
    finder
        .start(&crate::support::entra::request(world.now()))
        .await;
    let page = finder.get(&format!("{}/pass", finder.at)).await;
    assert!(
        page.text()
            .contains("type your user name and password first")
    );
    let sheet = [("username", person.upn()), ("pass", &codes[0])];
    let page = finder.submit(&sheet).await;
    assert!(page.asks_for_pass(), "{}", page.text());
    assert_eq!(page.status, 403);
    // Nor with somebody else's password.
    let mut finder = lost(&world, &other).await;
    let page = finder.submit(&sheet).await;
    assert!(page.asks_for_pass(), "{}", page.text());
    // The code is not used up; with the password it opens.
    let view = world.app().account(&browser.app_cookies()).await.unwrap();
    assert_eq!(view.unwrap().recovery_codes, 10);
    let view = world.app().view_user(&person.user.upn).await.unwrap();
    assert_eq!(view.recovery_codes, 10);
    let page = lost(&world, &person).await.submit_pass(&codes[0]).await;
    assert!(page.body.contains("otpauth"), "{}", page.text());
}

/// What someone who was reset gets for a recovery code.
async fn lost_with_nothing(world: &World, person: &Person, code: &str) -> Page {
    let mut browser = world.browser();
    browser
        .start(&crate::support::entra::request(world.now()))
        .await;
    browser.get(&format!("{}/pass", browser.at)).await;
    browser
        .submit(&[("username", person.upn()), ("pass", code)])
        .await
}

/// Fifty uses of one code at once, in as many attempts: one opens enrolment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn attack_28_a_recovery_code_is_used_fifty_times_at_once_and_opens_once() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    let codes = recovery_codes(&mut browser).await;
    let tag = claimbridge::factor::recovery_code::tag(&world.sealing(), &person.user.id, &codes[3]);
    let tries: Vec<_> = (0..50)
        .map(|number| {
            let store = world.nodes[number % world.nodes.len()].app.store().clone();
            let (holder, tag, now) = (person.user.id.clone(), tag.clone(), world.now());
            tokio::spawn(async move {
                let mut tx = store.begin().await.unwrap();
                let used = tx.consume_recovery_code(&holder, &tag, now).await.unwrap();
                tx.commit().await.unwrap();
                used.is_some()
            })
        })
        .collect();
    let mut used = 0;
    for done in tries {
        used += usize::from(done.await.unwrap());
    }
    assert_eq!(used, 1);
    let view = world.app().account(&browser.app_cookies()).await.unwrap();
    assert_eq!(view.unwrap().recovery_codes, 9);
}

/// Whoever is signed in finds the inspector from here.
#[tokio::test]
async fn the_account_leads_to_the_inspector() {
    let world = World::new().await;
    let person = world.ready("agent1@contoso.com").await;
    let mut browser = at_the_account(&world, &person).await;
    let account = browser.page.clone().unwrap();
    assert!(account.body.contains("href=\"/inspect\""));
    let page = browser.get("/inspect").await;
    assert!(page.text().contains("Test my sign-in"), "{}", page.text());
}
