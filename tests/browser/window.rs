//! One browser window, and what a person does in it.

use std::{path::Path, time::Duration};

use thirtyfour::prelude::*;
use tokio::sync::Mutex;

use super::demo::{Demo, chromedriver};

/// Two browsers at once are enough for the machine of a test.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Runs `test` with a fresh demo and the address of a chromedriver.
pub async fn with_demo<F: Future<Output = WebDriverResult<()>>>(
    test: impl FnOnce(Demo, Browsers) -> F,
) {
    with_browsers(async |browsers| test(Demo::start(), browsers).await).await;
}

/// Runs `test` with a fresh demo and one window.
pub async fn in_demo<F: Future<Output = WebDriverResult<()>>>(
    scripts: Scripts,
    test: impl FnOnce(Demo, Window) -> F,
) {
    with_demo(async |demo, browsers| {
        let steps = async |window| test(demo, window).await;
        browsers.open(scripts, steps).await;
        Ok(())
    })
    .await;
}

/// Runs `test` with the address of a chromedriver.
pub async fn with_browsers<F: Future<Output = WebDriverResult<()>>>(
    test: impl FnOnce(Browsers) -> F,
) {
    let _turn = ONE_AT_A_TIME.lock().await;
    let (_process, address) = chromedriver();
    test(Browsers { address }).await.unwrap();
}

/// Opens browsers, each with a profile of its own.
pub struct Browsers {
    address: String,
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq)]
pub enum Scripts {
    On,
    Off,
}

impl Browsers {
    /// Opens a browser for `steps`, and closes it also when they fail.
    pub async fn open<F: Future<Output = WebDriverResult<()>>>(
        &self,
        scripts: Scripts,
        steps: impl FnOnce(Window) -> F,
    ) {
        let mut wanted = DesiredCapabilities::chrome();
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        for flag in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1000,1100",
            &folder,
        ] {
            wanted.add_arg(flag).unwrap();
        }
        if scripts == Scripts::Off {
            let prefs =
                serde_json::json!({"profile.managed_default_content_settings.javascript": 2});
            wanted.add_experimental_option("prefs", prefs).unwrap();
        }
        let driver = WebDriver::new(&self.address, wanted).await.unwrap();
        driver
            .run_and_quit(|driver| steps(Window(driver)))
            .await
            .unwrap();
    }
}

/// A window.
#[derive(Clone)]
pub struct Window(pub WebDriver);

impl Window {
    pub async fn goto(&self, address: &str) -> WebDriverResult<()> {
        self.0.goto(address).await
    }

    async fn find(&self, by: By, what: &str) -> WebDriverResult<WebElement> {
        let found = self
            .0
            .query(by)
            .wait(PATIENCE, BETWEEN_LOOKS)
            .first_opt()
            .await?;
        let Some(found) = found else {
            let text = self.text().await?;
            let at = self.0.current_url().await?;
            panic!("{what} is not on {at}:\n{text}");
        };
        Ok(found)
    }

    /// Reads what happened since the last sign-in, and goes on.
    pub async fn reads_the_notices(&self) -> WebDriverResult<()> {
        self.sees("Since your last sign-in").await?;
        self.presses("continue").await
    }

    /// Waits for the heading that contains `words`.
    pub async fn sees(&self, words: &str) -> WebDriverResult<()> {
        let path = format!("//h1[contains(normalize-space(.), \"{words}\")]");
        self.find(By::XPath(path), words).await.map(drop)
    }

    /// Waits for the alert that contains `words`.
    pub async fn is_told(&self, words: &str) -> WebDriverResult<()> {
        let path = format!("//*[@role='alert'][contains(normalize-space(.), \"{words}\")]");
        self.find(By::XPath(path), words).await.map(drop)
    }

    /// Types into the input with that autocomplete token, or that name.
    pub async fn types(&self, field: &str, value: &str) -> WebDriverResult<()> {
        let css = format!(
            "input[autocomplete~='{field}']:not([type='hidden']), input[name='{field}']:not([type='hidden'])"
        );
        let input = self.find(By::Css(css), field).await?;
        input.clear().await?;
        input.send_keys(value).await
    }

    /// Presses the button or link that contains `words`, and waits until another page
    /// is there: the next one may look just like this one.
    pub async fn presses(&self, words: &str) -> WebDriverResult<()> {
        let path =
            format!("//*[self::button or self::a][contains(normalize-space(.), \"{words}\")]");
        let button = self.find(By::XPath(path), words).await?;
        let page = self.0.find(By::Tag("html")).await?;
        button.click().await?;
        let left = page
            .wait_until()
            .wait(PATIENCE, BETWEEN_LOOKS)
            .stale()
            .await;
        if left.is_err() {
            panic!("{words} led nowhere:\n{}", self.text().await?);
        }
        Ok(())
    }

    /// Presses the button that contains `words`; the page stays.
    pub async fn clicks(&self, words: &str) -> WebDriverResult<()> {
        let path = format!("//button[contains(normalize-space(.), \"{words}\")]");
        self.find(By::XPath(path), words).await?.click().await
    }

    /// Opens what is folded up under `words`, the first of them.
    pub async fn clicks_open(&self, words: &str) -> WebDriverResult<()> {
        let path = format!("//summary[contains(normalize-space(.), \"{words}\")]");
        self.find(By::XPath(path), words).await?.click().await
    }

    /// Chooses that value in the list with that id.
    pub async fn chooses(&self, list: &str, value: &str) -> WebDriverResult<()> {
        let css = format!("select#{list} option[value='{value}']");
        self.find(By::Css(css), value).await?.click().await
    }

    /// The page as text.
    pub async fn text(&self) -> WebDriverResult<String> {
        self.0.find(By::Tag("body")).await?.text().await
    }

    /// The texts of all elements that `css` finds.
    pub async fn texts(&self, css: &str) -> WebDriverResult<Vec<String>> {
        let mut texts = Vec::new();
        for element in self.0.find_all(By::Css(css)).await? {
            texts.push(element.text().await?);
        }
        Ok(texts)
    }

    /// Takes a picture for people to look at.
    pub async fn picture(&self, name: &str) -> WebDriverResult<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        self.0.screenshot(&folder.join(format!("{name}.png"))).await
    }

    /// From the practice tenant to the identity provider's first page.
    pub async fn comes_from_entra(&self, demo: &Demo) -> WebDriverResult<()> {
        self.goto(&demo.practice).await?;
        self.presses("Sign in to Partner Center").await?;
        self.sees("Sign in").await
    }

    /// Types name and password.
    pub async fn gives_password(&self, name: &str, password: &str) -> WebDriverResult<()> {
        self.types("username", name).await?;
        self.types("current-password", password).await?;
        self.presses("Next").await
    }

    /// Types a code, and sends it as its page says it.
    pub async fn gives_the_code(&self, code: &str) -> WebDriverResult<()> {
        self.types("one-time-code", code).await?;
        let path = "//form[.//input[@autocomplete='one-time-code']]//button";
        let button = self.find(By::XPath(path), "a button").await?;
        let page = self.0.find(By::Tag("html")).await?;
        button.click().await?;
        page.wait_until()
            .wait(PATIENCE, BETWEEN_LOOKS)
            .stale()
            .await
    }

    /// Waits for what this XPath finds.
    pub async fn waits_for(&self, path: &str) -> WebDriverResult<()> {
        self.find(By::XPath(path), path).await.map(drop)
    }

    /// Types a code.
    pub async fn gives_code(&self, code: &str) -> WebDriverResult<()> {
        self.types("one-time-code", code).await?;
        self.presses("Sign in").await
    }
}
