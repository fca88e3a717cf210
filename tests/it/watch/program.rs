//! The built program watches and tells.

use std::{
    io::BufRead as _,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use claimbridge::{
    app::{App, Parts},
    base::{clock::SystemClock, random::SystemRandom},
    keys::sealing::{MasterKey, Sealing},
    storage::Store,
};

use super::kit::{Receiver, SECRET, Tenant, foreign};
use crate::cli::Cli;

const MASTER: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A configuration with contoso.com, and the application on its database.
async fn installed(cli: &Arc<Cli>) -> App {
    cli.write_secret("master.key", MASTER);
    cli.write(
        "claimbridge.toml",
        "public_url = \"https://idp.contoso.com\"\ndatabase_url = \"sqlite://claimbridge.db\"\nmaster_key_file = \"master.key\"\n",
    );
    let in_thread = Arc::clone(cli);
    tokio::task::spawn_blocking(move || {
        in_thread.done(&["migrate"]);
        in_thread.done(&["domain", "add", "contoso.com"]);
    })
    .await
    .unwrap();
    let mut settings = crate::support::settings();
    settings.public_url = "https://idp.contoso.com".to_owned();
    settings.service_name = "claimbridge".to_owned();
    settings.support_contact = None;
    let url = format!("sqlite://{}", cli.path("claimbridge.db").display());
    App::start(Parts {
        store: Store::connect(&url).await.unwrap(),
        clock: Arc::new(SystemClock),
        random: Box::new(SystemRandom),
        sealing: Arc::new(Sealing::new(&MasterKey::parse(MASTER).unwrap())),
        settings,
    })
    .await
    .unwrap()
}

/// The configuration of somebody who watches with that client.
fn watching(tenant: &Tenant, client: &claimbridge::practice::oauth::clients::Client) -> String {
    format!(
        "public_url = \"https://idp.contoso.com\"\nlisten = \"127.0.0.1:0\"\ndatabase_url = \"sqlite://claimbridge.db\"\nmaster_key_file = \"master.key\"\n\
         [entra.cloud]\nentity_id = \"urn:practice\"\nreply_url = \"{0}/login.srf\"\nauthority_url = \"{0}\"\ngraph_url = \"{1}\"\n\
         [graph]\ntenant_id = \"contoso.com\"\nclient_id = \"{2}\"\nclient_secret_file = \"graph.secret\"\n",
        tenant.url,
        tenant.practice.graph_url(),
        client.id(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_watches_and_tells() {
    let cli = Arc::new(Cli::empty());
    let app = installed(&cli).await;
    let tenant = Tenant::of(&app, "https://idp.contoso.com", Arc::new(SystemClock)).await;
    let receiver = Receiver::new().await;
    tenant.set("contoso.com", "nextSigningCertificate", foreign());
    let client = tenant.watching();
    cli.write(
        "claimbridge.toml",
        format!(
            "{}[watch]\nwebhook_url = \"{}\"\nwebhook_secret_file = \"hook.secret\"\n",
            watching(&tenant, client),
            receiver.url
        ),
    );
    cli.write_secret("hook.secret", SECRET);
    cli.write_secret("graph.secret", client.secret().unwrap().expose());
    let mut server = Killed(
        Command::new(env!("CARGO_BIN_EXE_claimbridge"))
            .arg("serve")
            .env_clear()
            .current_dir(cli.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let posted = tokio::time::timeout(Duration::from_mins(1), receiver.next())
        .await
        .expect("nobody was told");
    posted.assert_signed();
    assert_eq!(posted.json()["kind"], "unknown-certificate");
    // The log has it too, and no secret.
    let log = server.0.stderr.take().unwrap();
    let lines = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        for line in std::io::BufReader::new(log).lines() {
            let line = line.unwrap();
            let found = line.contains("unknown-certificate");
            seen.push(line);
            if found {
                return seen;
            }
        }
        panic!("it is not in the log: {seen:?}");
    })
    .await
    .unwrap();
    let log = lines.join("\n");
    for secret in [SECRET, "hidden", client.secret().unwrap().expose(), MASTER] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_fails_with_an_application_that_could_write_and_shows_drift_with_one_that_reads() {
    let cli = Arc::new(Cli::empty());
    let app = installed(&cli).await;
    let tenant = Tenant::of(&app, "https://idp.contoso.com", Arc::new(SystemClock)).await;
    let doctor = async |client: &claimbridge::practice::oauth::clients::Client| {
        cli.write("claimbridge.toml", watching(&tenant, client));
        cli.write_secret("graph.secret", client.secret().unwrap().expose());
        let cli = Arc::clone(&cli);
        let said = tokio::task::spawn_blocking(move || cli.run(&["doctor", "--json"]))
            .await
            .unwrap();
        let found: Vec<(String, String)> = said.json()["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|finding| finding["group"] == "tenant")
            .map(|finding| {
                let text = |name: &str| finding[name].as_str().unwrap().to_owned();
                (text("id"), text("outcome"))
            })
            .collect();
        (said, found)
    };
    let of = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let own = |(id, outcome): &(&str, &str)| ((*id).to_owned(), (*outcome).to_owned());
        pairs.iter().map(own).collect()
    };
    let (said, found) = doctor(tenant.writing()).await;
    let could_write = [
        ("CB-DOC-080", "good"),
        ("CB-DOC-081", "problem"),
        ("CB-DOC-082", "good"),
    ];
    assert_eq!(found, of(&could_write), "{said:?}");
    assert_eq!(said.exit, 1);
    assert!(
        said.out.contains("Domain-InternalFederation.ReadWrite.All"),
        "{said:?}"
    );
    let (said, found) = doctor(tenant.watching()).await;
    let good = [
        ("CB-DOC-080", "good"),
        ("CB-DOC-081", "good"),
        ("CB-DOC-082", "good"),
    ];
    assert_eq!(found, of(&good), "{said:?}");
    tenant.set("contoso.com", "signingCertificate", foreign());
    let (said, found) = doctor(tenant.watching()).await;
    let drifted = [
        ("CB-DOC-080", "good"),
        ("CB-DOC-081", "good"),
        ("CB-DOC-082", "problem"),
    ];
    assert_eq!(found, of(&drifted), "{said:?}");
    // A secret that has ended.
    cli.write_secret("graph.secret", "another");
    let cli = Arc::clone(&cli);
    let said = tokio::task::spawn_blocking(move || cli.run(&["doctor", "--json"]))
        .await
        .unwrap();
    assert!(
        said.out.contains("The application gets no token"),
        "{said:?}"
    );
}
