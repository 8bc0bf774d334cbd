//! A real browser: one driver for the whole run, one private window for every story that needs it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use super::{
    needs::{self, Chromium},
    story::PATIENCE,
};

const LOOK: Duration = Duration::from_millis(30);

/// Ends the driver when our end of its standard input closes, however that comes.
const SCRIPT: &str = r#"
trap : INT TERM HUP
"$1" --port=0 </dev/null 2>&1 &
driver=$!
cat >/dev/null || true
kill "$driver" 2>/dev/null || true
wait "$driver" || true
"#;

struct Driver {
    url: String,
    shell: Child,
    stdin: ChildStdin,
}

static DRIVER: Mutex<Option<Result<Driver, String>>> = Mutex::new(None);

/// A window and what a person does in it. Clones are the same window.
#[derive(Clone)]
pub struct Window {
    client: Client,
    driver: String,
}

impl Window {
    /// A new window that knows nothing of the others.
    pub async fn open() -> Self {
        let chromium = needs::found().chromium.as_ref().expect("a browser story runs only with a browser");
        let driver = driver(chromium).unwrap_or_else(|why| panic!("{why}"));
        let options = json!({
            "binary": chromium.browser,
            // Root has no sandbox; small machines have a small /dev/shm; third-party cookies are blocked as in real life.
            "args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1400,1000",
                "--lang=en", "--test-third-party-cookie-phaseout", "--no-first-run",
            ],
        });
        let capabilities = [("goog:chromeOptions", options), ("goog:loggingPrefs", json!({"browser": "ALL"}))];
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        let client = builder.connect(&driver).await.expect("the driver opens a window");
        Self { client, driver }
    }

    pub async fn goes_to(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Waits until the element is there, and gives it.
    pub async fn sees(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).every(LOOK).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("waited in vain for {css} ({error}); the page says: {}", self.text().await),
        }
    }

    /// One of the portal's own things, by its handle for tests.
    pub async fn sees_handle(&self, handle: &str) -> Element {
        self.sees(&format!("[data-testid=\"{handle}\"]")).await
    }

    pub async fn clicks(&self, css: &str) {
        // Pages repaint; an element may be another one a moment later.
        self.tries(&format!("{css} can be clicked"), async || self.sees(css).await.click().await.ok()).await;
    }

    pub async fn clicks_handle(&self, handle: &str) {
        self.clicks(&format!("[data-testid=\"{handle}\"]")).await;
    }

    pub async fn types(&self, css: &str, text: &str) {
        self.sees(css).await.send_keys(text).await.unwrap();
    }

    /// Waits until the element says the words.
    pub async fn reads(&self, css: &str, words: &str) {
        let what = format!("{css} says `{words}`");
        self.tries(&what, async || self.sees(css).await.text().await.ok()?.contains(words).then_some(())).await;
    }

    /// Waits until the element is not there any more.
    pub async fn misses(&self, css: &str) {
        let gone = async || self.client.find_all(Locator::Css(css)).await.ok()?.is_empty().then_some(());
        self.tries(&format!("{css} is gone"), gone).await;
    }

    async fn tries<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut again = tokio::time::interval(LOOK);
        loop {
            again.tick().await;
            if let Some(found) = look().await {
                return found;
            }
            if tokio::time::Instant::now() >= deadline {
                panic!("waited in vain until {what}; the page says: {}", self.text().await);
            }
        }
    }

    /// From now on what is inside of the frame is meant.
    pub async fn enters_frame(&self, handle: &str) {
        self.sees_handle(handle).await.enter_frame().await.unwrap();
    }

    /// From now on the page around is meant again.
    pub async fn leaves_frames(&self) {
        self.client.enter_frame_top().await;
    }

    /// What stands on the page, or in the frame that is meant.
    pub async fn text(&self) -> String {
        let body = self.client.execute("return document.body ? document.body.innerText : ''", vec![]).await;
        body.ok()
            .and_then(|text| Some(text.as_str()?.split_whitespace().collect::<Vec<_>>().join(" ")))
            .unwrap_or_default()
    }

    /// What went wrong by the browser's own account: refused scripts, broken policies, failed requests.
    pub async fn complaints(&self, http: &reqwest::Client) -> Vec<String> {
        let Ok(Some(session)) = self.client.session_id().await else { return vec!["the window is gone".into()] };
        let url = format!("{}/session/{session}/se/log", self.driver);
        let answer = http.post(url).json(&json!({"type": "browser"})).send().await.expect("the driver answers");
        let log: Value = answer.json().await.unwrap_or_default();
        let lines = log["value"].as_array().cloned().unwrap_or_default();
        lines
            .iter()
            .filter(|line| line["level"] == "SEVERE")
            .map(|line| format!("the browser complains: {}", line["message"].as_str().unwrap_or_default()))
            .collect()
    }

    pub async fn close(self) {
        let _ = self.client.close().await;
    }
}

/// `enter_frame(None)` of the standard, which fantoccini does not offer: up until there is no further up.
trait Top {
    async fn enter_frame_top(&self);
}

impl Top for Client {
    async fn enter_frame_top(&self) {
        let is_top = async || {
            let answer = self.execute("return window === window.top", vec![]).await;
            answer.is_ok_and(|answer| answer == Value::Bool(true))
        };
        while !is_top().await {
            self.enter_parent_frame().await.expect("a frame has a page around it");
        }
    }
}

fn driver(chromium: &Chromium) -> Result<String, String> {
    let mut driver = DRIVER.lock().unwrap_or_else(PoisonError::into_inner);
    match driver.get_or_insert_with(|| start(chromium)) {
        Ok(driver) => Ok(driver.url.clone()),
        Err(why) => Err(why.clone()),
    }
}

fn start(chromium: &Chromium) -> Result<Driver, String> {
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh"]).arg(&chromium.driver).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = command.spawn().map_err(|error| format!("the driver could not be started: {error}"))?;
    let stdin = shell.stdin.take().ok_or("no standard input")?;
    let mut lines = BufReader::new(shell.stdout.take().ok_or("no standard output")?).lines().map_while(Result::ok);
    let mut log = Vec::new();
    for line in lines.by_ref() {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            let url = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(Driver { url, shell, stdin });
        }
        log.push(line);
    }
    Err(format!("the driver did not start:\n{}", log.join("\n")))
}

/// Stops the driver of this run, and every browser with it.
pub fn stop() {
    let driver = DRIVER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Ok(Driver { mut shell, stdin, .. })) = driver {
        drop(stdin);
        let _ = shell.wait();
    }
}
