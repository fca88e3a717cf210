//! A rollover in simulated time: two tenants that hold what somebody wrote there two hours ago, a service
//! provider and a reader of the key list that go by copies for a day, and two nodes, of which
//! one is told and the other one signs.
//!
//! Every hour somebody signs in everywhere, and each party judges by what it has *seen*.

mod attacks;
mod parties;

use std::time::Duration;

use claimbridge::{
    app::keys::rollover::{Chosen, Force, Outcome, Step},
    audit::Actor,
    keys::{
        KeyPurpose,
        rollover::{Obstacle, Weight},
    },
};

use parties::Site;

const HOUR: Duration = Duration::from_hours(1);

fn chosen(purpose: KeyPurpose) -> Chosen {
    Chosen { key: None, purpose }
}

impl Site {
    async fn try_step(&self, step: Step, purpose: KeyPurpose, force: Force) -> Vec<Obstacle> {
        let actor = Actor::Operator("tester".to_owned());
        let app = self.world.app();
        match app
            .step_key(step, &chosen(purpose), force, actor)
            .await
            .unwrap()
        {
            Outcome::Done { forced, .. } => {
                assert!(force == Force::Given || forced.is_empty());
                Vec::new()
            }
            Outcome::Refused { obstacles, .. } => {
                assert!(!obstacles.is_empty());
                obstacles
            }
        }
    }

    async fn must(&self, step: Step, purpose: KeyPurpose) {
        let obstacles = self.try_step(step, purpose, Force::Withheld).await;
        assert!(obstacles.is_empty(), "{step:?} {purpose}: {obstacles:#?}");
    }

    async fn force(&self, step: Step, purpose: KeyPurpose) {
        let obstacles = self.try_step(step, purpose, Force::Given).await;
        assert!(obstacles.is_empty(), "{step:?} {purpose}: {obstacles:#?}");
    }

    /// Refused, by obstacles that each name one of these.
    async fn refused(&self, step: Step, purpose: KeyPurpose, by: &[&str]) {
        let obstacles = self.try_step(step, purpose, Force::Withheld).await;
        let whys: Vec<&str> = obstacles.iter().map(|found| found.why.as_str()).collect();
        assert_eq!(whys.len(), by.len(), "{whys:#?}");
        for (why, named) in whys.iter().zip(by) {
            assert!(why.contains(named), "{why} does not name {named}");
        }
        assert!(obstacles.iter().all(|found| found.weight == Weight::Breaks));
    }
}

const ASSERTION: KeyPurpose = KeyPurpose::Assertion;
const OIDC: KeyPurpose = KeyPurpose::Oidc;

#[tokio::test]
async fn no_token_is_rejected_through_a_whole_rollover_and_no_step_can_be_skipped() {
    let mut site = Site::new().await;
    site.first_oidc_key().await;
    site.hours(3).await;
    let former = site.published(ASSERTION).await.active.unwrap();
    let former_kid = site.last_kid.clone();
    assert_eq!(site.kids().await, std::slice::from_ref(&former_kid));

    for purpose in [ASSERTION, OIDC] {
        site.must(Step::Stage, purpose).await;
    }
    let kids = site.kids().await;
    assert!(kids.len() == 2 && kids[0] == former_kid, "{kids:?}");
    let new_kid = kids[1].clone();
    let new = site.published(ASSERTION).await.staged.unwrap();
    let reader = "https://sp.example.com";
    for hour in 1..=48 {
        site.hours(1).await;
        match hour {
            5 => site.apply("contoso.com").await,
            // The second time because the last look was more than a day ago.
            7 | 33 => site.verify("contoso.com").await,
            30 => site.apply("fabrikam.com").await,
            // Somebody looked too early, and again.
            29 | 32 => site.verify("fabrikam.com").await,
            // A day informs nobody by itself.
            26 => site.confirm_provider().await,
            _ => {}
        }
        let mut by = Vec::new();
        // Two hours after it was seen first all of Entra knows it.
        if hour < 9 || hour == 32 {
            by.push("contoso.com");
        }
        if hour < 34 {
            by.push("fabrikam.com");
        }
        if hour < 26 {
            by.push(reader);
        }
        match hour {
            ..34 => site.refused(Step::Activate, ASSERTION, &by).await,
            34 => site.must(Step::Activate, ASSERTION).await,
            _ => {}
        }
        if hour < 48 {
            site.refused(Step::Activate, OIDC, &["key list"]).await;
        }
        assert_eq!(
            site.last_certificate,
            if hour <= 34 {
                former.certificate.clone()
            } else {
                new.certificate.clone()
            }
        );
        // What is only published signs nothing, and stands behind what signs.
        assert_eq!(site.last_kid, former_kid);
        assert_eq!(site.kids().await, kids);
    }
    site.must(Step::Activate, OIDC).await;

    // Fourteen hours of the grace are over.
    for hour in 15..=30 {
        site.hours(1).await;
        assert_eq!(site.last_kid, new_kid);
        assert_eq!(site.kids().await, [new_kid.clone(), former_kid.clone()]);
        match hour {
            18 => site.apply("contoso.com").await,
            27 => site.apply("fabrikam.com").await,
            _ => {}
        }
        match hour {
            ..24 => {
                site.refused(Step::Retire, ASSERTION, &["less than a day"])
                    .await;
            }
            24 => site.must(Step::Retire, ASSERTION).await,
            _ => {}
        }
    }
    // Whoever reads the key list goes by a copy: the former key stays there for two days more.
    site.hours(32).await;
    site.refused(Step::Retire, OIDC, &["less than two days"])
        .await;
    site.hours(1).await;
    site.must(Step::Retire, OIDC).await;
    assert_eq!(site.kids().await, std::slice::from_ref(&new_kid));
    for domain in ["contoso.com", "fabrikam.com"] {
        site.apply(domain).await;
        site.verify(domain).await;
    }
    site.hours(30).await;
    assert_eq!(site.last_kid, new_kid);

    assert_eq!(site.rejected, Vec::<String>::new());
    assert!(site.accepted > 400, "{}", site.accepted);
    let published = site.published(ASSERTION).await;
    assert_eq!(published.active.map(|key| key.id), Some(new.id));
    assert_eq!((published.staged, published.retiring), (None, Vec::new()));
    for tenant in &site.tenants {
        assert_eq!(tenant.holds(), std::slice::from_ref(&new.certificate));
    }
}

#[tokio::test]
async fn a_party_that_was_not_asked_rejects_what_is_forced() {
    let mut site = Site::new().await;
    site.first_oidc_key().await;
    site.hours(1).await;
    for purpose in [ASSERTION, OIDC] {
        site.must(Step::Stage, purpose).await;
    }
    site.apply("contoso.com").await;
    site.hours(3).await;
    assert_eq!(site.rejected, Vec::<String>::new());
    for purpose in [ASSERTION, OIDC] {
        site.force(Step::Activate, purpose).await;
    }
    site.hours(1).await;
    assert_eq!(
        site.rejected,
        ["fabrikam.com", "sp.example.com", "key list"]
    );
    let event = site.last_event("key-activated").await;
    let forced = event["forced"].as_array().unwrap();
    assert!(!forced.is_empty(), "{event}");

    // There is a way back, which mends it at once.
    let actor = Actor::Operator("tester".to_owned());
    let retiring = site.published(ASSERTION).await.retiring.remove(0);
    let back = Chosen {
        key: Some(retiring.id),
        purpose: ASSERTION,
    };
    let done = site
        .world
        .app()
        .step_key(Step::Activate, &back, Force::Withheld, actor);
    assert!(matches!(done.await.unwrap(), Outcome::Done { .. }));
    site.rejected.clear();
    site.hours(1).await;
    assert_eq!(site.rejected, ["key list"]);
}

#[tokio::test]
async fn a_party_that_never_reads_our_metadata_is_not_taken_for_informed() {
    let mut site = Site::new().await;
    site.provider_never_reads();
    site.must(Step::Stage, ASSERTION).await;
    for domain in ["contoso.com", "fabrikam.com"] {
        site.apply(domain).await;
    }
    for _ in 0..4 {
        site.hours(24).await;
        for domain in ["contoso.com", "fabrikam.com"] {
            site.verify(domain).await;
        }
    }
    site.hours(1).await;
    site.refused(Step::Activate, ASSERTION, &["https://sp.example.com"])
        .await;
    assert_eq!(site.rejected, Vec::<String>::new());
    // It would have been so.
    site.force(Step::Activate, ASSERTION).await;
    site.hours(1).await;
    assert_eq!(site.rejected, ["sp.example.com"]);
}

#[tokio::test]
async fn an_answer_that_is_underway_is_rejected_if_its_key_is_retired_at_once() {
    let mut site = Site::new().await;
    site.must(Step::Stage, ASSERTION).await;
    for domain in ["contoso.com", "fabrikam.com"] {
        site.apply(domain).await;
        site.verify(domain).await;
    }
    site.hours(25).await;
    for domain in ["contoso.com", "fabrikam.com"] {
        site.verify(domain).await;
    }
    site.world.clock.advance(HOUR / 2);
    site.confirm_provider().await;
    let underway = site.sign_in(0).await;
    site.must(Step::Activate, ASSERTION).await;
    assert!(site.tenants[0].accepts(&underway, site.world.now()));
    site.refused(Step::Retire, ASSERTION, &["less than a day"])
        .await;
    site.force(Step::Retire, ASSERTION).await;
    site.apply("contoso.com").await;
    assert!(!site.tenants[0].accepts(&underway, site.world.now()));
}

#[tokio::test]
async fn what_is_retired_is_erased_and_comes_back_by_no_step() {
    let mut site = Site::new().await;
    let former = site.published(ASSERTION).await.active.unwrap().id;
    site.must(Step::Stage, ASSERTION).await;
    site.force(Step::Activate, ASSERTION).await;
    site.hours(24).await;
    site.must(Step::Retire, ASSERTION).await;
    let mut tx = site.world.app().store().read().await.unwrap();
    let row = tx.key(&former).await.unwrap().unwrap();
    drop(tx);
    assert_eq!(row.sealed_private_key, "");
    let actor = Actor::Operator("tester".to_owned());
    for step in [Step::Stage, Step::Activate] {
        let back = Chosen {
            key: Some(former.clone()),
            purpose: ASSERTION,
        };
        let done = site
            .world
            .app()
            .step_key(step, &back, Force::Given, actor.clone());
        assert!(
            matches!(done.await.unwrap(), Outcome::Refused { .. }),
            "{step:?}"
        );
    }
}

/// The operator's word counts, for whom it was given.
#[tokio::test]
async fn a_party_that_an_operator_confirms_is_asked_no_more() {
    let site = Site::new().await;
    site.must(Step::Stage, ASSERTION).await;
    let actor = Actor::Operator("tester".to_owned());
    let sp = "https://sp.example.com";
    for name in ["contoso.com", sp] {
        let app = site.world.app();
        app.confirm_published(&chosen(ASSERTION), name, actor.clone())
            .await
            .unwrap();
    }
    site.refused(Step::Activate, ASSERTION, &["fabrikam.com"])
        .await;
    let app = site.world.app();
    let unknown = app
        .confirm_published(&chosen(ASSERTION), "example.org", actor)
        .await;
    assert!(unknown.unwrap_err().detail().contains("example.org"));
}
