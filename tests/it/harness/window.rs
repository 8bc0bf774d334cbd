//! A window of the browser: finds what a person sees, acts on it, and judges how it looks.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use fantoccini::{Client, Locator, elements::Element, error::CmdError, wd::WebDriverCompatibleCommand};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};
use url::{ParseError, Url};

use super::browser;

/// What does not appear in this time never does. A loaded machine gets its time.
const PATIENCE: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(60);
/// How soon a page has found its size after a change of the window.
const SETTLING: Duration = Duration::from_secs(4);

/// A usual laptop's width without the browser's own parts, and the narrowest phone that the pages are made for.
pub const WIDE: (u32, u32) = (1280, 900);
pub const NARROW: (u32, u32) = (370, 800);

/// What the page would have to be scrolled for, and how much is to be read on it. Without the portal's script a page cannot ask for
/// its height.
const MEASURE: &str = "
    const root = document.documentElement;
    const beyond = [...document.querySelectorAll('body *')].filter((element) => {
        const box = element.getBoundingClientRect();
        return box.width > 0 && box.right > root.clientWidth + 1 && getComputedStyle(element).position !== 'fixed';
    });
    return {
        ready: document.readyState === 'complete',
        sideways: root.scrollWidth - root.clientWidth,
        below: window.BX24 ? root.scrollHeight - root.clientHeight : 0,
        width: root.clientWidth,
        words: document.body ? document.body.innerText.trim().length : 0,
        beyond: beyond.slice(0, 5).map((element) => element.outerHTML.slice(0, 160)),
    };
";

/// A command that the driver's library has no words for.
#[derive(Debug)]
struct Raw {
    path: &'static str,
    body: Value,
}

impl Raw {
    /// Out of every frame.
    fn top() -> Self {
        Self { path: "frame", body: json!({"id": null}) }
    }
}

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/{}", session_id.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _request_url: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// Clones are the same window.
#[derive(Clone)]
pub struct Window {
    client: Client,
    seen: Arc<Seen>,
}

struct Seen {
    /// Where pictures go, and what their names begin with.
    shots: Option<(PathBuf, String)>,
    taken: AtomicU32,
    /// Errors of the console that the story announced and that have not come yet.
    announced: Mutex<Vec<String>>,
    /// Errors of the console that nobody announced.
    complaints: Mutex<Vec<String>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A handle of the sandbox's pages.
pub fn handle(testid: &str) -> String {
    format!("[data-testid=\"{testid}\"]")
}

impl Window {
    /// Opens a window for the story whose thread this is.
    pub async fn open(rules: &str) -> Self {
        let client = browser::window(rules).await;
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        let name = thread.trim_start_matches("story ").replace("::", "-");
        let shots = std::env::var_os("BROWSER_SHOTS").map(|folder| (PathBuf::from(folder), name));
        let (announced, complaints) = (Mutex::default(), Mutex::default());
        let window = Self { client, seen: Arc::new(Seen { shots, taken: AtomicU32::new(0), announced, complaints }) };
        window.has_size(WIDE).await;
        window
    }

    /// What the console said and nobody announced, and what was announced and not said.
    pub async fn complaints(&self) -> Vec<String> {
        self.listens().await;
        let said = held(&self.seen.complaints).clone();
        let missing = held(&self.seen.announced).clone();
        let missing = missing.into_iter().map(|words| format!("the console never said: {words}"));
        said.into_iter().map(|words| format!("the console said: {words}")).chain(missing).collect()
    }

    pub async fn close(self) {
        self.shoot("end").await;
        // A window that is gone already is closed.
        let _ = self.client.close().await;
    }

    async fn has_size(&self, (width, height): (u32, u32)) {
        let params = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &params).await;
    }

    async fn devtools(&self, command: &str, params: &Value) {
        let body = json!({"cmd": command, "params": params});
        self.client.issue_cmd(Raw { path: "goog/cdp/execute", body }).await.expect("the browser obeys");
    }

    pub async fn goes_to(&self, url: &str) {
        self.client.goto(url).await.expect("the address opens");
    }

    /// Looks again and again until there is something.
    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>, CmdError>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut again = interval(LOOK);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            again.tick().await;
            // A page that is being replaced under our hands is looked at again.
            let looked = look().await;
            if let Ok(Some(found)) = looked {
                return found;
            }
            if Instant::now() > deadline {
                let shown = self.text("body").await.unwrap_or_default();
                let why = looked.err().map(|error| error.to_string()).unwrap_or_default();
                panic!("waited in vain until {what} {why}\nWhat is shown: {shown}");
            }
        }
    }

    async fn find(&self, css: &str) -> Result<Option<Element>, CmdError> {
        for element in self.client.find_all(Locator::Css(css)).await? {
            if element.is_displayed().await? {
                return Ok(Some(element));
            }
        }
        Ok(None)
    }

    async fn text(&self, css: &str) -> Result<String, CmdError> {
        self.client.find(Locator::Css(css)).await?.text().await
    }

    pub async fn sees(&self, css: &str) {
        self.until(&format!("{css} is seen"), async || self.find(css).await).await;
    }

    pub async fn sees_no(&self, css: &str) {
        let gone = async || Ok(self.find(css).await?.is_none().then_some(()));
        self.until(&format!("{css} is not seen any more"), gone).await;
    }

    /// Waits until something on the page has the words in it.
    pub async fn reads(&self, css: &str, words: &str) {
        let there = async || {
            for element in self.client.find_all(Locator::Css(css)).await? {
                if element.text().await?.contains(words) {
                    return Ok(Some(()));
                }
            }
            Ok(None)
        };
        self.until(&format!("{css} says `{words}`"), there).await;
    }

    pub async fn clicks(&self, css: &str) {
        let click = async || {
            let Some(element) = self.find(css).await? else { return Ok(None) };
            if !element.is_enabled().await? {
                return Ok(None);
            }
            element.click().await.map(Some)
        };
        self.until(&format!("{css} can be clicked"), click).await;
    }

    /// Clicks the first such element that has the words in it.
    pub async fn clicks_words(&self, css: &str, words: &str) {
        let click = async || {
            for element in self.client.find_all(Locator::Css(css)).await? {
                if element.is_displayed().await? && element.text().await?.contains(words) {
                    return element.click().await.map(Some);
                }
            }
            Ok(None)
        };
        self.until(&format!("{css} with `{words}` can be clicked"), click).await;
    }

    /// Types into an emptied field.
    pub async fn types(&self, css: &str, text: &str) {
        let typed = async || {
            let Some(element) = self.find(css).await? else { return Ok(None) };
            element.clear().await?;
            element.send_keys(text).await.map(Some)
        };
        self.until(&format!("{css} can be typed into"), typed).await;
    }

    /// Gives a file to a chooser, which pages hide behind a button.
    pub async fn gives_file(&self, css: &str, path: &std::path::Path) {
        let path = path.display().to_string();
        let given = async || self.client.find(Locator::Css(css)).await?.send_keys(&path).await.map(Some);
        self.until(&format!("{css} takes a file"), given).await;
    }

    /// Chooses in a list by what is written there.
    pub async fn chooses(&self, css: &str, words: &str) {
        let option = async || {
            let Some(list) = self.find(css).await? else { return Ok(None) };
            for option in list.find_all(Locator::Css("option")).await? {
                if option.text().await?.contains(words) {
                    return option.click().await.map(Some);
                }
            }
            Ok(None)
        };
        self.until(&format!("{css} offers `{words}`"), option).await;
    }

    /// The answer of a script in the page that is being looked at.
    pub async fn asks(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect("the page runs the script")
    }

    pub async fn waits_for_script(&self, what: &str, script: &str) {
        let so = async || Ok((self.client.execute(script, Vec::new()).await? == true).then_some(()));
        self.until(what, so).await;
    }

    /// Everything until [`Window::leaves`] happens in this frame.
    pub async fn enters(&self, css: &str) {
        self.leaves().await;
        let inside = async || {
            let Some(frame) = self.find(css).await? else { return Ok(None) };
            frame.enter_frame().await?;
            let ready = self.client.execute("return document.readyState === 'complete'", Vec::new()).await? == true;
            if !ready || self.text("body").await?.trim().is_empty() {
                self.leaves().await;
                return Ok(None);
            }
            Ok(Some(()))
        };
        self.until(&format!("the frame {css} shows something"), inside).await;
    }

    pub async fn leaves(&self) {
        self.client.issue_cmd(Raw::top()).await.expect("there is a page around the frames");
    }

    /// The console will say an error with these words in it, once; that is no complaint.
    pub fn announces_error(&self, words: &str) {
        held(&self.seen.announced).push(words.to_owned());
    }

    /// Judges the screen: nothing to scroll sideways at both widths, no blank frame, a quiet console.
    pub async fn is_sound(&self, screen: &str) {
        for size in [NARROW, WIDE] {
            self.has_size(size).await;
            self.fits(screen, size.0).await;
            self.shoot(&format!("{screen}-{}", size.0)).await;
        }
        self.console_is_quiet(screen).await;
    }

    /// Fails if the console said an error that nobody announced.
    async fn console_is_quiet(&self, screen: &str) {
        self.listens().await;
        let said = held(&self.seen.complaints).clone();
        assert!(said.is_empty(), "the console says at {screen}: {}", said.join("\n"));
    }

    /// Takes what the console has said since the last time.
    async fn listens(&self) {
        let log = Raw { path: "se/log", body: json!({"type": "browser"}) };
        let log = self.client.issue_cmd(log).await.expect("the driver keeps the console");
        for entry in log.as_array().into_iter().flatten().filter(|entry| entry["level"] == "SEVERE") {
            let message = entry["message"].as_str().unwrap_or_default().to_owned();
            let mut announced = held(&self.seen.announced);
            match announced.iter().position(|words| message.contains(words)) {
                Some(at) => drop(announced.remove(at)),
                None => held(&self.seen.complaints).push(message),
            }
        }
    }

    async fn fits(&self, screen: &str, width: u32) {
        self.leaves().await;
        self.settles(&format!("{screen}, the portal's page at {width} px"), |_found| true).await;
        // A page in a slider has the slider's height; others grow with what is in them.
        for (frames, grow) in [(".frame-box iframe", true), (":not(.frame-box) > iframe", false)] {
            let frames = self.client.find_all(Locator::Css(frames)).await.expect("the page is there");
            for frame in frames {
                if !frame.is_displayed().await.unwrap_or(false) || frame.enter_frame().await.is_err() {
                    continue; // closed meanwhile
                }
                let what = format!("{screen}, a frame at {width} px");
                self.settles(&what, |found| !grow || found["below"].as_i64() == Some(0)).await;
                self.leaves().await;
            }
        }
    }

    /// The page may take a moment to find its place after a change of width.
    async fn settles(&self, what: &str, is_high_enough: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + SETTLING;
        let mut again = interval(LOOK);
        loop {
            again.tick().await;
            let found = self.client.execute(MEASURE, Vec::new()).await.unwrap_or_default();
            let is_narrow = found["sideways"].as_i64() == Some(0);
            let is_full = found["words"].as_i64().is_some_and(|words| words > 0);
            if found["ready"] == true && is_narrow && is_full && is_high_enough(&found) {
                return;
            }
            assert!(Instant::now() < deadline, "{what} does not fit or is blank: {found}");
        }
    }

    /// Keeps a picture, when somebody wants to see it.
    pub async fn shoot(&self, screen: &str) {
        let Some((folder, name)) = &self.seen.shots else { return };
        // What cannot be pictured any more is not worth a failure of its own.
        let _ = self.client.issue_cmd(Raw::top()).await;
        let number = self.seen.taken.fetch_add(1, Ordering::Relaxed);
        if let Ok(png) = self.client.screenshot().await {
            let _ = std::fs::create_dir_all(folder);
            let _ = std::fs::write(folder.join(format!("{name}-{number:02}-{screen}.png")), png);
        }
    }
}
