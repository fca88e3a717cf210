//! The sites of the demo in this process, on a clock that stands still until a test moves it: the
//! real router and the real practice tenant, each on a port of this computer.

use std::{
    io::Cursor,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use claimbridge::{
    app::{
        external_mfa::tenants,
        oath_tokens::import::{Assigning, ImportOptions, Mode},
    },
    directory::oath_import::Defaults,
    practice::{
        self, Consent, ExternalMethod, FederatedDomain, MfaBehavior, More, Practice,
        PracticeConfig, PracticeUser, PreferredProtocol, PromptLogin,
    },
    relying_party::{ClientId, EntraEndpoints, Tenant, TenantCloud},
    web,
};
use tokio::{net::TcpListener, task::JoinSet};

use super::support::{Person, World};

/// Who can sign in.
const AGENT: &str = "agent1@contoso.com";
/// Who was handed a token and has not used it.
const TOKEN_HOLDER: &str = "agent3@contoso.com";
const SECRET: &[u8] = b"12345678901234567890";
/// Of the tenant's application that stands for us.
const APPLICATION: &str = "0f5e9a55-1111-4222-8333-444455556666";

/// Identity provider and practice tenant, which know each other by External MFA.
pub struct Sites {
    pub world: World,
    /// The practice tenant's address.
    pub practice: String,
    /// Has a password and a code generator.
    pub agent: Person,
    /// Has a password, and a hardware token that waits.
    pub token_holder: Person,
    /// They end with this value.
    _servers: JoinSet<()>,
}

impl Sites {
    pub async fn start() -> Self {
        let mut world = World::new().await;
        let agent = world.ready(AGENT).await;
        let token_holder = has_a_token(&world).await;

        let (identity_provider, port) = on_localhost().await;
        let tenant = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let partner_center = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (practice, partner_center_url) = (address(&tenant), address(&partner_center));
        // From now on it is at that address. What was enrolled are codes, which are of none.
        world.settings.public_url = format!("http://localhost:{port}");
        world.settings.endpoints = Some(EntraEndpoints {
            authority_url: practice.clone(),
            graph_url: format!("{practice}/graph"),
        });
        world.nodes.clear();
        world.start_node().await;

        let entra = tenant_of(&world, &practice, partner_center_url);
        registers(&world, &entra).await;
        let mut servers = JoinSet::new();
        for listener in identity_provider {
            let router = world.nodes[0].router.clone();
            servers.spawn(web::serve::serve(
                listener,
                None,
                router,
                std::future::pending(),
            ));
        }
        servers.spawn(async move {
            let never = std::future::pending();
            practice::serve(&entra, tenant, partner_center, never)
                .await
                .unwrap();
        });
        Self {
            world,
            practice,
            agent,
            token_holder,
            _servers: servers,
        }
    }

    /// How often Entra was told of a factor that this person proved.
    pub async fn answers(&self, person: &Person) -> usize {
        let mut tx = self.world.app().store().read().await.unwrap();
        let receipts = tx.receipts_of(&person.user.id, 10).await.unwrap();
        let of_this_door = receipts
            .iter()
            .filter(|receipt| receipt.proofs.starts_with("second-factor:"));
        of_this_door.count()
    }
}

/// Of a file like a vendor's, which says whose it is.
async fn has_a_token(world: &World) -> Person {
    let user = world.add_user(TOKEN_HOLDER).await;
    let csv = format!(
        "upn,serial number,secret key,time interval\n{TOKEN_HOLDER},2600124809778,{},30\n",
        data_encoding::BASE32_NOPAD.encode(SECRET)
    );
    let open = || Ok(Box::new(Cursor::new(csv.clone())) as Box<_>);
    let options = ImportOptions {
        defaults: Defaults::default(),
        key: None,
        assigning: Assigning::AsTheFileSays,
        mode: Mode::Whole,
        operator: "tester",
    };
    let imported = world
        .app()
        .import_oath_tokens(&open, &options, &mut |_| {})
        .await
        .unwrap();
    assert_eq!(imported.assigned, 1, "{:?}", imported.failed);
    Person {
        user,
        secret: SECRET.to_vec(),
    }
}

/// One port on each loopback address that this computer has: browsers try both.
async fn on_localhost() -> (Vec<TcpListener>, u16) {
    loop {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = first.local_addr().unwrap().port();
        match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
            Ok(second) => return (vec![first, second], port),
            // Somebody else's.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(_) => return (vec![first], port),
        }
    }
}

/// The practice tenant, with the people that are here.
fn tenant_of(world: &World, own_url: &str, partner_center_url: String) -> Arc<Practice> {
    let idp = &world.settings.public_url;
    let person = |upn: &str, object_id: &str| PracticeUser {
        upn: upn.parse().unwrap(),
        immutable_id: format!("{upn} there"),
        object_id: object_id.to_owned(),
        display_name: "Agent".to_owned(),
    };
    Practice::new(PracticeConfig {
        own_url: own_url.to_owned(),
        idp_url: idp.clone(),
        partner_center_url,
        entity_id: "urn:federation:MicrosoftOnline".to_owned(),
        domains: vec![FederatedDomain {
            name: "contoso.com".parse().unwrap(),
            issuer_uri: format!("{idp}/contoso.com"),
            sign_in_url: format!("{idp}/saml2/sso?domain=contoso.com"),
            certificates: vec![world.app().assertion_key().certificate.clone()],
            preferred_protocol: PreferredProtocol::Saml,
            mfa_behavior: MfaBehavior::EnforceMfaByFederatedIdp,
            prompt_login: PromptLogin::Unset,
            sign_out_url: None,
        }],
        users: vec![
            person(AGENT, "4988e250-5aee-482a-9136-6d269cb755c0"),
            person(TOKEN_HOLDER, "4988e250-5aee-482a-9136-6d269cb755c3"),
        ],
        more: More::default(),
        demo_people: Vec::new(),
        clock: world.clock.clone(),
        random: Box::new(claimbridge::base::random::SystemRandom),
    })
    .unwrap()
}

/// Each with the other, as operators do it.
async fn registers(world: &World, entra: &Practice) {
    let (app, now) = (world.app(), world.now());
    let client_id: ClientId = "claimbridge-of-contoso".parse().unwrap();
    let tenant = Tenant {
        id: entra.tenant_id().parse().unwrap(),
        client_id: client_id.clone(),
        application_id: APPLICATION.parse().unwrap(),
        cloud: TenantCloud::Custom,
        name: None,
    };
    tenants::add(app.store(), app.settings(), tenant, "tester", now)
        .await
        .unwrap();
    entra.register_external_method(ExternalMethod {
        name: "claimbridge".to_owned(),
        application_id: APPLICATION.to_owned(),
        client_id: client_id.to_string(),
        discovery_url: app.settings().oidc_discovery_url(),
        reply_urls: vec![app.settings().oidc_authorize_url()],
        consent: Consent::Granted,
    });
}
