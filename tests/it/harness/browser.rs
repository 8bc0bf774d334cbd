//! A real browser: one driver for the whole run, one private window for every story that needs it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use super::needs::{self, Chromium};

/// Root has no sandbox; small machines have a small `/dev/shm`; nothing but the pages under test goes to the network.
const ARGUMENTS: [&str; 14] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
    "--lang=en",
    "--test-third-party-cookie-phaseout",
    // Frames of another site in the page's process: the driver's record of the console knows no other frames.
    "--disable-site-isolation-trials",
    "--disable-features=IsolateOrigins,site-per-process,OriginKeyedProcessesByDefault",
];

/// Ends the driver when our end of its standard input closes, however that comes.
const SCRIPT: &str = r#"
trap : INT TERM HUP
"$1" --port=0 </dev/null 2>&1 &
driver=$!
cat >/dev/null || true
exec 2>/dev/null
kill "$driver" || true
wait "$driver" || true
"#;

struct Driver {
    url: String,
    shell: Child,
    stdin: ChildStdin,
}

static DRIVER: Mutex<Option<Result<Driver, String>>> = Mutex::new(None);

/// A new window that knows nothing of the others. It must be closed. `rules` say where the browser finds hosts, in the words of
/// Chromium's `--host-rules`; none: empty.
pub async fn window(rules: &str) -> Client {
    let chromium = needs::found().chromium.as_ref().expect("a browser story runs only with a browser");
    let url = driver(chromium).unwrap_or_else(|why| panic!("{why}"));
    let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).into();
    if !rules.is_empty() {
        arguments.push(format!("--host-rules={rules}"));
    }
    let capabilities = json!({
        // 1: third-party cookies are blocked, as more and more browsers have it.
        "goog:chromeOptions": {
            "binary": chromium.browser, "args": arguments, "prefs": {"profile": {"cookie_controls_mode": 1}},
        },
        "goog:loggingPrefs": {"browser": "ALL"},
    });
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(capabilities.as_object().cloned().unwrap_or_default());
    builder.connect(&url).await.expect("the driver opens a window")
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
