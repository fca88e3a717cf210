//! Does acts to the real program and compares what comes back with the rules.

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use claimbridge::{
    base::{clock::Timestamp, ids::CredentialId, secret::Secret, text::Upn},
    directory::TotpParameters,
    factor::totp,
    relying_party::{
        EntityId, EntraCloud, RelyingParty, RelyingPartyKind, ReplyUrl, RequestSignature,
    },
};

use super::{
    acts::Act,
    rules::{
        self, Asks, Door, Expect, HOUR, Instant, MINUTE, Means, Model, Party, Policy, Thing, Told,
        Wish,
    },
    token::{MULTIPLE_AUTHN, Posted, Token, posted},
};
use crate::{
    sign_in::keys::{registers, signs},
    soft_key::{SoftKey, UP, UV},
    support::{Browser, Page, World, entra},
};

const SHOP: &str = "https://shop.example/metadata";
const SHOP_ACS: &str = "https://shop.example/acs";
const SHOP_MAX_AGE: i64 = 40 * MINUTE;

const PEOPLE: usize = 2;
const BROWSERS: usize = 2;

/// How often something happened that the test is about.
#[derive(Clone, Debug, Default)]
pub struct Met {
    pub tokens: u32,
    pub resumed: u32,
    pub by_key: u32,
    pub by_wsfed: u32,
    pub stepped_up: u32,
    pub stopped: u32,
    pub no_passive: u32,
    pub own_pages: u32,
    pub refused: u32,
    pub dead_cookies: u32,
    pub not_me: u32,
    pub enrolled: u32,
    pub named_another: u32,
}

impl Met {
    pub fn add(&mut self, more: &Self) {
        self.tokens += more.tokens;
        self.resumed += more.resumed;
        self.by_key += more.by_key;
        self.by_wsfed += more.by_wsfed;
        self.stepped_up += more.stepped_up;
        self.stopped += more.stopped;
        self.no_passive += more.no_passive;
        self.own_pages += more.own_pages;
        self.refused += more.refused;
        self.dead_cookies += more.dead_cookies;
        self.not_me += more.not_me;
        self.enrolled += more.enrolled;
        self.named_another += more.named_another;
    }

    /// A walk that met little says little.
    pub fn require_enough(&self) {
        assert!(
            self.tokens >= 60
                && self.resumed >= 15
                && self.by_key >= 10
                && self.by_wsfed >= 15
                && self.stepped_up >= 5
                && self.stopped >= 1
                && self.no_passive >= 3
                && self.own_pages >= 15
                && self.refused >= 20
                && self.dead_cookies >= 5
                && self.not_me >= 3
                && self.enrolled >= 3
                && self.named_another >= 5,
            "the walks met too little: {self:?}"
        );
    }
}

struct Holder {
    upn: String,
    password: String,
    passwords: u32,
    generators: [Option<Vec<u8>>; 2],
    key: SoftKey,
    /// Under which id the program knows the second generator and the key.
    ids: BTreeMap<Thing, CredentialId>,
    wrong: u32,
    recovery_codes: Vec<String>,
    /// How often a method was set up by a pass or a recovery code, or nearly.
    set_up: u32,
}

impl Holder {
    fn code(&self, which: usize, world: &World) -> Option<String> {
        let secret = self.generators[which].as_ref()?;
        Some(totp::code_at(secret, TotpParameters::default(), world.now()).unwrap())
    }

    fn next_password(&mut self) -> String {
        self.passwords += 1;
        self.password = format!("märzveilchen {} und {} teer", self.upn, self.passwords);
        self.password.clone()
    }
}

pub struct Run {
    world: World,
    pub model: Model,
    pub met: Met,
    holders: Vec<Holder>,
    browsers: Vec<Browser>,
    /// The last request's id in each browser.
    requests: Vec<String>,
    /// The cookies of each browser before what was proved last.
    former: Vec<Option<BTreeMap<String, String>>>,
    /// Cookies whose session is over.
    old: Vec<BTreeMap<String, String>>,
    /// What each party calls each person.
    names: BTreeMap<(Party, String), usize>,
    /// Which session each index belongs to: an index is never used for another.
    indexes: BTreeMap<String, (usize, usize, Party, u32)>,
    /// How often each browser was signed out.
    sign_outs: Vec<u32>,
    turn: usize,
}

/// What came back.
#[derive(Debug)]
enum Seen {
    Token(Box<Token>),
    Status(String),
    /// A page of the own account.
    Own,
    Page(Page),
}

type Fault = String;

impl Run {
    /// Two people with two generators and a key each, no notices waiting, two nodes.
    pub async fn new(seed: u64) -> Self {
        let mut world = World::new().await;
        // A working day, or sessions so short that both their ends are met.
        let (idle, absolute) = [(HOUR, 10 * HOUR), (20 * MINUTE, 35 * MINUTE)][even(seed)];
        let policy = Policy {
            idle,
            absolute,
            entra: 15 * MINUTE,
            shop: SHOP_MAX_AGE,
        };
        world.settings.sessions.idle = milliseconds(idle);
        world.settings.sessions.absolute = milliseconds(absolute);
        world.nodes.clear();
        for _ in 0..2 {
            world.start_node().await;
        }
        let shop = RelyingParty {
            entity_id: EntityId(SHOP.to_owned()),
            display_name: "Shop".to_owned(),
            kind: RelyingPartyKind::ServiceProvider,
            reply_urls: vec![ReplyUrl {
                index: 0,
                url: SHOP_ACS.to_owned(),
                preferred: true,
            }],
            request_signature: RequestSignature::Optional,
            session_max_age: milliseconds(SHOP_MAX_AGE),
            ..EntraCloud::global().relying_party(Vec::new())
        };
        let app = world.app();
        claimbridge::app::relying_parties::add(app.store(), app.settings(), shop, "tester")
            .await
            .unwrap();
        let mut run = Self {
            model: Model {
                policy,
                people: vec![rules::Person::default(); PEOPLE],
                browsers: vec![rules::Browser::default(); BROWSERS],
                answered: Vec::new(),
                lines: 0,
            },
            met: Met::default(),
            holders: Vec::new(),
            browsers: Vec::new(),
            requests: vec![String::new(); BROWSERS],
            former: vec![None; BROWSERS],
            old: Vec::new(),
            names: BTreeMap::new(),
            indexes: BTreeMap::new(),
            sign_outs: vec![0; BROWSERS],
            turn: even(seed),
            world,
        };
        for who in 0..PEOPLE {
            run.enrol(who).await;
        }
        run.browsers = (0..BROWSERS).map(|_| run.world.browser()).collect();
        run
    }

    async fn enrol(&mut self, who: usize) {
        let upn = format!("agent{who}@contoso.com");
        let person = self.world.enrolled(&upn).await;
        self.holders.push(Holder {
            password: crate::support::PASSWORD.to_owned(),
            passwords: 0,
            generators: [Some(person.secret), None],
            key: SoftKey::new(),
            ids: BTreeMap::new(),
            wrong: 0,
            recovery_codes: Vec::new(),
            set_up: 0,
            upn,
        });
        let password = self.holders[who].next_password();
        let app = self.world.app();
        let upn = self.upn(who);
        let secret = Secret::new(password);
        app.set_password(&upn, secret, "tester").await.unwrap();
        for thing in [Thing::Password, Thing::Generator(0)] {
            self.model.people[who].gets(thing);
        }
        self.add_generator(who).await;
        self.add_key(who).await;
        let mut browser = self.desk(who).await;
        let page = browser.press("/account/recovery-codes").await;
        let codes = page.body.split("<code>").skip(1);
        let codes = codes.filter_map(|rest| rest.split("</code>").next());
        self.holders[who].recovery_codes = codes.map(str::to_owned).collect();
        assert_eq!(self.holders[who].recovery_codes.len(), 10);
        // Read what is to be told.
        self.desk(who).await;
    }

    pub fn now(&self) -> Instant {
        self.world.now().as_millis()
    }

    fn upn(&self, who: usize) -> Upn {
        self.holders[who].upn.parse().unwrap()
    }

    /// Operators work on whichever node.
    fn app(&mut self) -> std::sync::Arc<claimbridge::app::App> {
        self.turn += 1;
        let node = self.turn % self.world.nodes.len();
        std::sync::Arc::clone(&self.world.nodes[node].app)
    }

    // The person's own desk: another browser, in which methods are added and removed.

    async fn desk(&mut self, who: usize) -> Browser {
        let mut browser = self.world.browser();
        self.world.advance(30);
        browser.get("/account").await;
        let holder = &self.holders[who];
        browser.submit_password(&holder.upn, &holder.password).await;
        let path = attempt_path(&browser);
        let page = browser.get(&format!("{path}/code")).await;
        assert!(page.asks_for_code(), "{}", page.text());
        let code = holder.code(0, &self.world).unwrap();
        browser.submit_code(&code).await;
        past_notices(&mut browser).await;
        assert_eq!(browser.at, "/account", "{:?}", browser.page);
        self.model.people[who].to_be_told = false;
        self.holders[who].wrong = 0;
        browser
    }

    async fn method_ids(&self, who: usize) -> Vec<CredentialId> {
        let view = self.world.app().view_user(&self.upn(who)).await.unwrap();
        view.methods.into_iter().map(|method| method.id).collect()
    }

    async fn add_generator(&mut self, who: usize) {
        let before = self.method_ids(who).await;
        let mut browser = self.desk(who).await;
        browser.press("/account/add").await;
        let secret = browser.choose_totp().await.totp_secret();
        self.holders[who].generators[1] = Some(secret);
        let code = self.holders[who].code(1, &self.world).unwrap();
        browser.confirm(&code).await;
        self.learn(who, Thing::Generator(1), &before).await;
    }

    async fn add_key(&mut self, who: usize) {
        let before = self.method_ids(who).await;
        let mut browser = self.desk(who).await;
        browser.press("/account/add").await;
        let page = browser.page.clone().unwrap();
        let choice = page.forms().into_iter().find(|form| {
            form.inputs
                .iter()
                .any(|input| input.value == "security-key")
        });
        browser.send_form(&choice.unwrap(), &[]).await;
        let mut key = SoftKey::new();
        registers(&mut browser, &mut key).await;
        self.holders[who].key = key;
        self.learn(who, Thing::Key, &before).await;
    }

    async fn learn(&mut self, who: usize, thing: Thing, before: &[CredentialId]) {
        let mut new = self.method_ids(who).await;
        new.retain(|id| !before.contains(id));
        assert_eq!(new.len(), 1, "one method was added");
        self.holders[who].ids.insert(thing, new.remove(0));
        self.model.people[who].gets(thing);
        self.model.people[who].to_be_told = true;
    }

    async fn remove(&mut self, who: usize, thing: Thing) {
        let mut browser = self.desk(who).await;
        let id = self.holders[who].ids.remove(&thing).unwrap();
        let page = browser
            .press(&format!("/account/methods/{id}/remove"))
            .await;
        assert!(page.status.is_success(), "{}", page.text());
        self.model.people[who].loses(thing);
        self.model.people[who].to_be_told = true;
        if thing == Thing::Generator(1) {
            self.holders[who].generators[1] = None;
        }
    }

    // Acts.

    pub async fn act(&mut self, act: &Act) -> Result<(), Fault> {
        let result = self.perform(act).await;
        result.map_err(|fault| format!("{act:?} at {}: {fault}\n{:?}", self.now(), self.model))
    }

    async fn perform(&mut self, act: &Act) -> Result<(), Fault> {
        match *act {
            Act::Wait(length) => self.wait(length),
            Act::Edge { pick, past } => {
                let now = self.now();
                let mut edges = self.model.edges();
                edges.retain(|at| at + past > now);
                if !edges.is_empty() {
                    let at = edges[pick as usize % edges.len()];
                    self.wait(at + past - now);
                }
            }
            Act::Ask { browser, wish } => return self.ask(browser, wish).await,
            Act::Password {
                browser,
                who,
                right,
            } => return self.password(browser, who, right).await,
            Act::Code {
                browser,
                which,
                right,
            } => return self.code(browser, which, right).await,
            Act::Key {
                browser,
                who,
                verified,
            } => return self.key(browser, who, verified).await,
            Act::SignOut { browser } => {
                let live = self.model.live_session(browser, self.now()).is_some();
                self.bury(browser);
                let page = self.browsers[browser].get("/sign-out").await;
                // Where nobody is signed in, the page says just that.
                if live || page.forms().iter().any(|form| form.action == "/sign-out") {
                    self.browsers[browser].press("/sign-out").await;
                }
                self.signed_out(browser);
            }
            Act::PartySignsOut { browser, right } => {
                return self.party_signs_out(browser, right).await;
            }
            Act::EntraSignsOut { browser, framed } => {
                let action = if framed {
                    "wsignoutcleanup1.0"
                } else {
                    "wsignout1.0"
                };
                self.bury(browser);
                self.browsers[browser]
                    .get(&format!("/wsfed?wa={action}"))
                    .await;
                self.signed_out(browser);
            }
            Act::SignOutEverywhere { browser } => {
                let Some(who) = self.at_the_account(browser).await else {
                    return Ok(());
                };
                self.browsers[browser].press("/sign-out/everywhere").await;
                self.end(who);
            }
            Act::EndSessions { who } => {
                let upn = self.upn(who);
                self.app().end_sessions(&upn, "tester").await.unwrap();
                self.end(who);
            }
            Act::Pass { browser, who } => return self.pass(browser, who).await,
            Act::RecoveryCode {
                browser,
                who,
                forges,
            } => return self.recovery_code(browser, who, forges).await,
            Act::NotMe { browser } => return self.not_me(browser).await,
            Act::EndSession { browser } => self.end_session(browser).await,
            Act::NewPassword { who } => {
                let (upn, new) = (self.upn(who), self.holders[who].next_password());
                let new = Secret::new(new);
                self.app().set_password(&upn, new, "tester").await.unwrap();
                self.new_password(who);
            }
            Act::OwnNewPassword { browser } => self.own_new_password(browser).await,
            Act::Disable { who } => {
                let upn = self.upn(who);
                self.app().disable_user(&upn, "tester").await.unwrap();
                self.model.people[who].disabled = true;
                self.end(who);
            }
            Act::Enable { who } => {
                let upn = self.upn(who);
                self.app().enable_user(&upn, "tester").await.unwrap();
                self.model.people[who].disabled = false;
            }
            Act::Generator { who, read } | Act::SecurityKey { who, read } => {
                let thing = if matches!(act, Act::Generator { .. }) {
                    Thing::Generator(1)
                } else {
                    Thing::Key
                };
                if self.model.people[who].disabled {
                    return Ok(());
                }
                match (self.model.people[who].has(thing), thing) {
                    (true, _) => self.remove(who, thing).await,
                    (false, Thing::Key) => self.add_key(who).await,
                    (false, _) => self.add_generator(who).await,
                }
                if read {
                    self.desk(who).await;
                }
            }
            Act::Restart => {
                self.world.start_node().await;
                self.world.nodes.remove(0);
                for browser in &mut self.browsers {
                    let old = std::mem::replace(browser, self.world.browser());
                    browser.cookies = old.cookies;
                    browser.page = old.page;
                    browser.at = old.at;
                }
            }
            Act::OldCookies { back, party } => return self.old_cookies(back, party).await,
        }
        Ok(())
    }

    fn wait(&self, length: i64) {
        self.world.clock.advance(milliseconds(length));
    }

    fn signed_out(&mut self, browser: usize) {
        self.model.sign_out(browser);
        self.model.browsers[browser].attempt = None;
        self.sign_outs[browser] += 1;
    }

    async fn party_signs_out(&mut self, browser: usize, right: bool) -> Result<(), Fault> {
        let of = |browser: &rules::Browser| {
            let session = browser.session.as_ref();
            session.and_then(|session| session.indexes.get(&Party::Shop).cloned())
        };
        let told = of(&self.model.browsers[browser]);
        let index = if right {
            told.clone()
        } else {
            // What the other browser's session is called, or nobody's.
            let other = of(&self.model.browsers[BROWSERS - 1 - browser]);
            Some(other.unwrap_or_else(|| "_nobody".to_owned()))
        };
        let (Some(index), Some((_, name))) = (index, self.shop_name(browser)) else {
            return Ok(());
        };
        self.bury(browser);
        let request = logout_request(self.world.now(), &name, &index);
        self.browsers[browser].get(&request).await;
        if right {
            self.signed_out(browser);
            return Ok(());
        }
        self.model.browsers[browser].attempt = None;
        self.old.pop();
        // Somebody else's session ends nothing here.
        self.ask(browser, Wish::page(Party::Account)).await
    }

    /// What the service provider calls whoever the browser's session is of.
    fn shop_name(&self, browser: usize) -> Option<(Party, String)> {
        let session = self.model.browsers[browser].session.as_ref()?;
        let mut names = self.names.iter();
        let is_it = |(name, who): &(&(Party, String), &usize)| {
            name.0 == Party::Shop && **who == session.who
        };
        names.find(is_it).map(|(name, _)| name.clone())
    }

    /// What the browser had before something was proved: of no use once that is answered.
    fn before(&mut self, browser: usize) {
        let had = self.model.browsers[browser].session.is_some();
        let cookies = had.then(|| self.browsers[browser].cookies.clone());
        self.former[browser] = cookies;
    }

    /// These cookies will be of no use in a moment.
    fn bury(&mut self, browser: usize) {
        if self.model.browsers[browser].session.is_some() {
            self.old.push(self.browsers[browser].cookies.clone());
        }
    }

    /// All sessions of the person are over.
    fn end(&mut self, who: usize) {
        self.model.end(who);
        for browser in 0..BROWSERS {
            let session = self.model.browsers[browser].session.as_ref();
            if session.is_some_and(|session| session.who == who) {
                self.bury(browser);
            }
        }
    }

    fn new_password(&mut self, who: usize) {
        let person = &mut self.model.people[who];
        person.gets(Thing::Password);
        person.to_be_told = true;
        self.end(who);
    }

    /// Whose account page the browser shows, if it shows one without a question.
    async fn at_the_account(&mut self, browser: usize) -> Option<usize> {
        let now = self.now();
        let who = self.model.live_session(browser, now)?.who;
        self.model.browsers[browser].attempt = None;
        self.browsers[browser].get("/account").await;
        Some(who)
    }

    async fn end_session(&mut self, browser: usize) {
        let now = self.now();
        let Some(who) = self.model.live_session(browser, now).map(|it| it.who) else {
            return;
        };
        let mut desk = self.desk(who).await;
        if self.model.live_session(browser, self.now()).is_none() {
            return;
        }
        let cookies = self.browsers[browser].app_cookies();
        let view = self.app().account(&cookies).await.unwrap().unwrap();
        desk.press(&format!("/account/sessions/{}/end", view.session.id))
            .await;
        self.bury(browser);
        self.model.sign_out(browser);
        if let Some(attempt) = &mut self.model.browsers[browser].attempt {
            attempt.shaken |= attempt.proofs.is_empty();
        }
    }

    async fn own_new_password(&mut self, browser: usize) {
        let now = self.now();
        let wish = Wish::page(Party::Change);
        let mut ahead = self.model.clone();
        let Expect::Answer(told) = ahead.request(browser, wish, now) else {
            return;
        };
        self.model.browsers[browser].attempt = None;
        self.browsers[browser].get("/account/password").await;
        let who = told[0].who;
        let new = self.holders[who].next_password();
        let page = self.browsers[browser]
            .submit(&[("password", &new), ("again", &new)])
            .await;
        assert!(page.text().contains("is changed"), "{}", page.text());
        self.new_password(who);
    }

    async fn old_cookies(&mut self, back: usize, party: Party) -> Result<(), Fault> {
        if self.old.is_empty() {
            return Ok(());
        }
        let mut ghost = self.world.browser();
        ghost.cookies = self.old[self.old.len() - 1 - back % self.old.len()].clone();
        match party {
            Party::Account | Party::Change => ghost.get("/account").await,
            _ => ghost.start(&self.saml_request(party, "")).await,
        };
        self.met.dead_cookies += 1;
        match see(&ghost) {
            Seen::Page(page) if page.asks_for_password() => Ok(()),
            seen => Err(format!("cookies of a session that is over gave {seen:?}")),
        }
    }

    fn saml_request(&self, party: Party, attributes: &str) -> entra::AuthnRequest {
        let mut request = entra::request(self.world.now()).with(attributes);
        if party == Party::Shop {
            SHOP.clone_into(&mut request.issuer);
        }
        request
    }

    async fn ask(&mut self, browser: usize, wish: Wish) -> Result<(), Fault> {
        let now = self.now();
        let session = self.model.live_session(browser, now);
        let other = |session: &rules::Session| wish.names.is_some_and(|who| who != session.who);
        self.met.named_another += u32::from(session.is_some_and(other));
        let expected = self.model.request(browser, wish, now);
        let there = &mut self.browsers[browser];
        match wish.party {
            Party::Account => drop(there.get("/account").await),
            Party::Change => drop(there.get("/account/password").await),
            Party::Entra | Party::Shop if wish.door == Door::WsFed => {
                let context = format!("LoginOptions=3&x=<\"'>&number={now}");
                let mut request = ws_federation(wish, &context);
                if let Some(who) = wish.names {
                    request = format!("{request}&username={}", self.holders[who].upn);
                }
                there.get(&request).await;
                self.requests[browser] = context;
            }
            Party::Entra | Party::Shop => {
                let mut attributes = Vec::new();
                if wish.fresh {
                    attributes.push(r#"ForceAuthn="true""#);
                }
                if wish.passive {
                    attributes.push(r#"IsPassive="true""#);
                }
                let request = self.saml_request(wish.party, &attributes.join(" "));
                let (saml, relay) = (request.base64(), request.relay_state.clone());
                // Who may not be asked must be of a domain that is known beforehand.
                let mut path = "/saml2/sso?domain=contoso.com".to_owned();
                if let Some(who) = wish.names {
                    path = format!("{path}&login_hint={}", self.holders[who].upn);
                }
                self.browsers[browser]
                    .post(&path, &[("SAMLRequest", &saml), ("RelayState", &relay)])
                    .await;
                self.requests[browser] = request.id;
            }
        }
        self.compare(browser, wish.party, expected).await
    }

    async fn password(&mut self, browser: usize, who: usize, right: bool) -> Result<(), Fault> {
        let Some(party) = self.party_of(browser) else {
            return Ok(());
        };
        let page = self.browsers[browser].page.as_ref();
        if !page.is_some_and(Page::asks_for_password) {
            return Ok(());
        }
        let fits = self
            .model
            .person_of(browser, self.now())
            .is_none_or(|it| it == who);
        let futile = !right || !fits || self.model.people[who].disabled;
        if futile && self.may_not_be_wrong(who) {
            return Ok(());
        }
        self.before(browser);
        let now = self.now();
        let expected = if right {
            self.model.prove(browser, who, Means::Password, now)
        } else {
            Expect::Asks(Asks::Whatever)
        };
        let holder = &self.holders[who];
        let password = if right {
            &*holder.password
        } else {
            "a wrong one"
        };
        // Also where the page has written somebody else's name: forms can be forged.
        self.browsers[browser]
            .submit(&[("username", &holder.upn), ("current-password", password)])
            .await;
        self.compare(browser, party, expected).await
    }

    async fn code(&mut self, browser: usize, which: usize, right: bool) -> Result<(), Fault> {
        let Some(party) = self.party_of(browser) else {
            return Ok(());
        };
        let asked = self.model.asked(browser, self.now());
        let session = self.model.browsers[browser].session.as_ref();
        let who = match (asked, session) {
            (Some(Asks::Second(who)), _) => who,
            // The page still asks for a code alone, but what it counted on is over.
            (Some(_), Some(session)) => session.who,
            _ => return Ok(()),
        };
        let counts = matches!(asked, Some(Asks::Second(_)));
        let which = usize::from(which == 1 && self.holders[who].generators[1].is_some());
        if counts {
            self.turn_to(browser, "code").await;
        }
        let page = self.browsers[browser].page.as_ref();
        if !page.is_some_and(Page::asks_for_code) {
            return Ok(());
        }
        if !right && self.may_not_be_wrong(who) {
            return Ok(());
        }
        self.before(browser);
        // Each code is of a new step.
        self.world.advance(30);
        let now = self.now();
        let expected = if right && counts {
            self.model.prove(browser, who, Means::Generator(which), now)
        } else {
            Expect::Asks(Asks::Whatever)
        };
        let code = self.holders[who].code(which, &self.world).unwrap();
        let wrong = if code == "000000" { "111111" } else { "000000" };
        let code = if right { &code } else { wrong };
        if !counts && let Some(attempt) = &mut self.model.browsers[browser].attempt {
            attempt.over = true;
        }
        self.browsers[browser].submit_code(code).await;
        self.compare(browser, party, expected).await
    }

    /// Types a pass or a recovery code there.
    async fn types(&mut self, browser: usize, who: usize, pass: &str) -> bool {
        let path = attempt_path(&self.browsers[browser]);
        self.browsers[browser].get(&format!("{path}/pass")).await;
        let page = self.browsers[browser].page.as_ref();
        if !page.is_some_and(|page| page.has_input("pass")) {
            return false;
        }
        let values = [("username", &*self.holders[who].upn), ("pass", pass)];
        self.browsers[browser].submit(&values).await;
        true
    }

    /// Sets up a generator that nobody uses afterwards, and goes back to the attempt.
    async fn sets_up(&mut self, browser: usize, who: usize, party: Party) -> Result<(), Fault> {
        let path = attempt_path(&self.browsers[browser]);
        let there = &mut self.browsers[browser];
        let page = there.choose_totp().await;
        if !page.asks_for_code() {
            return Err(format!("nothing can be set up: {}", page.text()));
        }
        let now = self.world.now();
        let code = totp::code_at(&page.totp_secret(), TotpParameters::default(), now).unwrap();
        there.confirm(&code).await;
        there.get(&path).await;
        self.met.enrolled += 1;
        self.holders[who].wrong = 0;
        let expected = self.model.enrolled(browser, who);
        self.compare(browser, party, expected).await
    }

    async fn pass(&mut self, browser: usize, who: usize) -> Result<(), Fault> {
        let fits = |it: &Self| {
            it.model
                .person_of(browser, it.now())
                .is_none_or(|it| it == who)
        };
        let is_open = |it: &Self| it.model.open(browser, it.now()).is_some();
        if self.model.people[who].disabled || !is_open(self) || !fits(self) {
            return Ok(());
        }
        let Some(party) = self.party_of(browser).filter(|_| self.has_room(who)) else {
            return Ok(());
        };
        let pass = self.world.issue_pass(&self.holders[who].upn).await;
        for there in 0..BROWSERS {
            let session = self.model.browsers[there].session.as_ref();
            if session.is_some_and(|session| session.who == who && !session.over) {
                self.bury(there);
            }
        }
        self.model.pass_issued(who);
        let attempt = self.model.open(browser, self.now());
        if attempt.is_none_or(|attempt| attempt.shaken) || !self.types(browser, who, &pass).await {
            return Ok(());
        }
        self.sets_up(browser, who, party).await
    }

    async fn recovery_code(
        &mut self,
        browser: usize,
        who: usize,
        forges: bool,
    ) -> Result<(), Fault> {
        let now = self.now();
        let asked = self.model.asked(browser, now);
        let Some(party) = self.party_of(browser).filter(|_| self.has_room(who)) else {
            return Ok(());
        };
        if asked != Some(Asks::Second(who)) || self.model.people[who].disabled {
            return Ok(());
        }
        if forges && !self.model.takes_recovery_code(browser, who, now) {
            let page = self.browsers[browser].page.clone().unwrap();
            let inputs = page.forms().into_iter().flat_map(|form| form.inputs);
            let csrf = inputs.into_iter().find(|input| input.name == "csrf");
            let Some(csrf) = csrf else { return Ok(()) };
            let expected = self.model.prove(browser, who, Means::Password, now);
            let path = attempt_path(&self.browsers[browser]);
            let holder = &self.holders[who];
            let fields = [
                ("csrf", &*csrf.value),
                ("username", &*holder.upn),
                ("password", &*holder.password),
            ];
            self.browsers[browser].post(&path, &fields).await;
            self.compare(browser, party, expected).await?;
        }
        let taken = self.model.takes_recovery_code(browser, who, now);
        if !taken && self.may_not_be_wrong(who) {
            return Ok(());
        }
        let Some(code) = self.holders[who].recovery_codes.pop() else {
            return Ok(());
        };
        if !self.types(browser, who, &code).await {
            return Err("a recovery code is taken nowhere".to_owned());
        }
        if taken {
            return self.sets_up(browser, who, party).await;
        }
        self.holders[who].recovery_codes.push(code);
        self.compare(browser, party, Expect::Asks(Asks::Whatever))
            .await
    }

    /// Nobody has more than ten methods.
    fn has_room(&mut self, who: usize) -> bool {
        self.holders[who].set_up += 1;
        self.holders[who].set_up <= 6
    }

    async fn not_me(&mut self, browser: usize) -> Result<(), Fault> {
        let (Some(party), Some(Asks::Second(_))) = (
            self.party_of(browser),
            self.model.asked(browser, self.now()),
        ) else {
            return Ok(());
        };
        self.turn_to(browser, "code").await;
        let path = format!("{}/not-me", attempt_path(&self.browsers[browser]));
        self.browsers[browser].press(&path).await;
        self.met.not_me += 1;
        let expected = self.model.not_me(browser);
        self.compare(browser, party, expected).await
    }

    async fn key(&mut self, browser: usize, who: usize, verified: bool) -> Result<(), Fault> {
        let Some(party) = self.party_of(browser) else {
            return Ok(());
        };
        let what = match self.model.asked(browser, self.now()) {
            Some(Asks::Second(_)) => {
                self.turn_to(browser, "key").await;
                "key"
            }
            Some(_) => "passkey",
            None => return Ok(()),
        };
        let page = self.browsers[browser].page.as_ref();
        let ending = format!("/{what}");
        let offered = page.is_some_and(|page| {
            let mut forms = page.forms().into_iter();
            forms.any(|form| form.action.ends_with(&ending))
        });
        if !offered {
            return Ok(());
        }
        let fits = self
            .model
            .person_of(browser, self.now())
            .is_none_or(|it| it == who);
        let futile =
            !fits || self.model.people[who].disabled || !self.model.people[who].has(Thing::Key);
        if futile && self.may_not_be_wrong(who) {
            return Ok(());
        }
        let shaken = self
            .model
            .open(browser, self.now())
            .is_some_and(|it| it.shaken);
        if shaken && verified {
            // Two classes by itself, and so a sign-in that needs no session.
            return Ok(());
        }
        self.before(browser);
        let means = if verified {
            Means::VerifiedKey
        } else {
            Means::TouchedKey
        };
        let now = self.now();
        let expected = self.model.prove(browser, who, means, now);
        let key = &mut self.holders[who].key;
        key.flags = if verified { UP | UV } else { UP };
        signs(&mut self.browsers[browser], what, key).await;
        if matches!(expected, Expect::Answer(_)) {
            self.met.by_key += 1;
        }
        self.compare(browser, party, expected).await
    }

    fn party_of(&self, browser: usize) -> Option<Party> {
        let attempt = self.model.open(browser, self.now())?;
        Some(attempt.wish.party)
    }

    /// Where another way is shown first, to this one.
    async fn turn_to(&mut self, browser: usize, way: &str) {
        let path = attempt_path(&self.browsers[browser]);
        if path.starts_with("/sign-in/") {
            self.browsers[browser].get(&format!("{path}/{way}")).await;
        }
    }

    /// Waiting times are another test's subject: few wrong guesses between right ones.
    fn may_not_be_wrong(&mut self, who: usize) -> bool {
        self.holders[who].wrong += 1;
        self.holders[who].wrong > 3
    }

    // The comparison.

    async fn compare(
        &mut self,
        browser: usize,
        party: Party,
        expected: Expect,
    ) -> Result<(), Fault> {
        past_notices(&mut self.browsers[browser]).await;
        let seen = see(&self.browsers[browser]);
        match (expected, seen) {
            (Expect::NoPassive, Seen::Status(code)) if code == "NoPassive" => {
                self.met.no_passive += 1;
                Ok(())
            }
            (Expect::Stopped, Seen::Page(page)) if page.status == 429 => {
                self.met.stopped += 1;
                Ok(())
            }
            (Expect::Stopped, Seen::Status(code)) if code == "NoPassive" => Ok(()),
            (Expect::Asks(asks), Seen::Page(page)) => {
                self.met.refused += 1;
                is_asked(asks, &page, &self.holders)
                    .ok_or_else(|| format!("not {asks:?} is asked for: {}", page.text()))
            }
            (Expect::Answer(answers), Seen::Token(token)) => {
                self.token(browser, party, &answers, &token)
            }
            (Expect::Answer(answers), seen) if matches!(party, Party::Account | Party::Change) => {
                self.own_page(browser, &answers, seen).await
            }
            (expected, seen) => Err(format!("{expected:?} was to be, but {}", words(&seen))),
        }
    }

    fn token(
        &mut self,
        browser: usize,
        party: Party,
        answers: &[Told],
        token: &Token,
    ) -> Result<(), Fault> {
        let wrong = |what: &str| Err(format!("{what}; by the rules {answers:?}, but {token:?}"));
        let is_told = |told: &&Told| {
            told.oldest() == token.authenticated
                && token.second.is_none_or(|second| second == told.second())
        };
        let Some(told) = answers.iter().find(is_told) else {
            return wrong("the instants are not the proofs'");
        };
        if !token.says_mfa {
            return wrong("two proofs, and no claim");
        }
        let (audience, to) = match party {
            Party::Shop => (SHOP, SHOP_ACS),
            _ => (entra::ENTRA, entra::LOGIN_SRF),
        };
        if (&*token.audience, &*token.to) != (audience, to) {
            return wrong("not to the one who asked");
        }
        if token.answers != self.requests[browser] {
            return wrong("not the request that was made");
        }
        let name = (party, token.name_id.clone());
        if *self.names.entry(name).or_insert(told.who) != told.who {
            return wrong("somebody else's name");
        }
        let others = (0..PEOPLE).filter(|who| *who != told.who);
        if others
            .into_iter()
            .any(|who| token.xml.contains(&self.holders[who].upn))
        {
            return wrong("somebody else is named");
        }
        self.met.tokens += 1;
        self.met.resumed += u32::from(told.resumed);
        self.settle(browser, &told.clone());
        self.met.by_wsfed += u32::from(token.second.is_some());
        let Some(index) = &token.index else {
            return Ok(());
        };
        let session = self.model.browsers[browser].session.as_mut().unwrap();
        let known = session.indexes.entry(party).or_insert(index.clone());
        if known != index {
            return wrong("another index than this party had for this session");
        }
        // A session that follows upon another of the same person in the same browser may keep
        // the index, so that a later sign-out reaches what was told it; not after a sign-out.
        let of = (browser, told.who, party, self.sign_outs[browser]);
        if *self.indexes.entry(index.clone()).or_insert(of) != of {
            return wrong("another session's index");
        }
        Ok(())
    }

    fn settle(&mut self, browser: usize, told: &Told) {
        self.holders[told.who].wrong = 0;
        if told.resumed {
            return;
        }
        let attempt = self.model.browsers[browser].attempt.as_ref().unwrap();
        let own = attempt.proofs.len();
        self.met.stepped_up += u32::from(told.proofs.len() > own);
        let now = self.now();
        self.model.settle(browser, told, now);
        self.old.extend(self.former[browser].take());
    }

    async fn own_page(
        &mut self,
        browser: usize,
        answers: &[Told],
        seen: Seen,
    ) -> Result<(), Fault> {
        let cookies = self.browsers[browser].app_cookies();
        let view = self.app().account(&cookies).await.unwrap();
        let Some(view) = view else {
            return Err(format!("{answers:?} were to be, but {}", words(&seen)));
        };
        let oldest = view.session.oldest_proof().unwrap().as_millis();
        let Some(told) = answers.iter().find(|told| told.oldest() == oldest).cloned() else {
            return Err(format!("{answers:?} were to be, but a session of {oldest}"));
        };
        if view.user.upn != self.upn(told.who) {
            return Err(format!("{told:?}, but the page of {}", view.user.upn));
        }
        self.settle(browser, &told);
        let named = &self.holders[told.who].upn;
        let page = self.browsers[browser].page.as_ref().unwrap();
        match seen {
            Seen::Own if page.body.contains(named) => {
                self.met.own_pages += 1;
                Ok(())
            }
            seen => Err(format!("{told:?} was to be, but {}", words(&seen))),
        }
    }
}

/// A request of the service provider to sign somebody out, by redirect.
fn logout_request(at: Timestamp, name: &str, index: &str) -> String {
    let id = entra::request(at).id;
    let xml = format!(
        r#"<p:LogoutRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion" ID="{id}" Version="2.0" IssueInstant="{at}" Destination="https://idp.example.com/saml2/slo"><a:Issuer>{SHOP}</a:Issuer><a:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{name}</a:NameID><p:SessionIndex>{index}</p:SessionIndex></p:LogoutRequest>"#
    );
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflate.write_all(xml.as_bytes()).unwrap();
    let message = data_encoding::BASE64.encode(&deflate.finish().unwrap());
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("SAMLRequest", &message)
        .finish();
    format!("/saml2/slo?{query}")
}

fn even(seed: u64) -> usize {
    usize::try_from(seed % 2).unwrap()
}

/// A request as Entra sends it.
fn ws_federation(wish: Wish, context: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("wa", "wsignin1.0")
        .append_pair("wtrealm", entra::ENTRA)
        .append_pair("wctx", context);
    // The two ways in which Entra says `prompt=login`.
    match (wish.fresh, wish.at_most) {
        (true, None) => drop(query.append_pair("wfresh", "0")),
        (true, Some(_)) => drop(query.append_pair("prompt", "login")),
        (false, _) => drop(query.append_pair("wauth", MULTIPLE_AUTHN)),
    }
    if let Some(age) = wish.at_most {
        query.append_pair("wfresh", &(age / MINUTE).to_string());
    }
    format!("/wsfed?domain=contoso.com&{}", query.finish())
}

fn milliseconds(length: i64) -> Duration {
    Duration::from_millis(u64::try_from(length).unwrap())
}

fn attempt_path(browser: &Browser) -> String {
    let path: Vec<&str> = browser.at.split('/').take(3).collect();
    path.join("/")
}

/// Notices come between the proofs and the answer.
async fn past_notices(browser: &mut Browser) {
    let page = browser.page.clone().unwrap();
    let notices = page
        .forms()
        .into_iter()
        .find(|form| form.action.ends_with("/notices"));
    if let Some(form) = notices {
        browser.send_form(&form, &[]).await;
    }
}

fn see(browser: &Browser) -> Seen {
    let page = browser.page.clone().unwrap();
    match posted(&page) {
        Some(Posted::Token(token)) => Seen::Token(token),
        Some(Posted::Status(code)) => Seen::Status(code),
        None if page.has_input("new-password") || browser.at == "/account" => Seen::Own,
        None => Seen::Page(page),
    }
}

fn words(seen: &Seen) -> String {
    match seen {
        Seen::Page(page) => format!("a page ({}): {}", page.status, page.text()),
        seen => format!("{seen:?}"),
    }
}

/// Only what is missing is asked for, and of the person whose it is.
fn is_asked(asks: Asks, page: &Page, holders: &[Holder]) -> Option<()> {
    let key = page
        .forms()
        .iter()
        .any(|form| form.action.ends_with("/key"));
    let password = page.asks_for_password();
    let second = page.asks_for_code() || key;
    let right = match asks {
        Asks::Everything | Asks::Password(_) => password && !second,
        Asks::Second(who) => !password && second && page.body.contains(&holders[who].upn),
        Asks::Whatever => true,
    };
    right.then_some(())
}
