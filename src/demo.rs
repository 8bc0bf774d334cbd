//! `demo`: the real server against the sandbox's make-believe Bitrix24, ChatApp, Telegram and phone, all in this process, so that a
//! newcomer sees the whole thing work in a browser. Nothing of it is kept.

use std::{fs, net::TcpListener, sync::Arc};

use clap::Args;
use sandbox::{
    Options, Sandbox,
    messengers::demo::{BOT_TOKEN, CHATAPP_EMAIL, CHATAPP_PASSWORD},
    oauth::{AppCard, AppKind},
};
use url::Url;

use crate::{
    app::{App, StartError},
    b24::methods,
    cli::stopped,
    clock::Clock,
    config::{Config, LogFormat},
    secret::random_token,
    telemetry, web,
};

const CLIENT_ID: &str = "app.demo.1";
/// Where Telegram's real Bot API is; only requests with a token that no make-believe bot has go there.
const TELEGRAM: &str = "https://api.telegram.org/";

#[derive(Args)]
pub struct DemoFlags {
    /// Port of the make-believe portal on this machine
    #[arg(long, default_value_t = 8600)]
    port: u16,
    /// Language of the make-believe portal: ru or en
    #[arg(long, default_value = "en")]
    lang: String,
}

pub async fn run(flags: DemoFlags) -> Result<(), StartError> {
    telemetry::start(LogFormat::Text);
    let folder = std::env::temp_dir().join(format!("chatapp-demo-{}", std::process::id()));
    let outcome = play(&flags, &folder).await;
    // Left-overs of a make-believe portal are worth nothing, so a failure to remove them is no failure.
    let _ = fs::remove_dir_all(&folder);
    outcome
}

async fn play(flags: &DemoFlags, folder: &std::path::Path) -> Result<(), StartError> {
    let sandbox =
        Sandbox::start(Options { telegram_upstream: Url::parse(TELEGRAM).ok(), ..Options::default() }).await?;
    let portal = sandbox.add_portal_on("ChatApp Demo", flags.port).await?;
    let demo = sandbox.seed_demo(&portal, &flags.lang);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let public_url = format!("http://{}", listener.local_addr()?);
    let client_secret = random_token(24).map_err(|error| StartError::Io(std::io::Error::other(error)))?;
    sandbox.publish(AppCard {
        client_id: CLIENT_ID.into(),
        client_secret: client_secret.clone(),
        kind: AppKind::Market,
        title: "ChatApp".into(),
        scope: methods::scopes().into_iter().map(str::to_owned).collect(),
        version: 1,
        app_url: Some(format!("{public_url}/b24/app")),
        install_url: Some(format!("{public_url}/b24/install")),
        redirect_url: None,
    });
    let cloud = sandbox.cloud_url().trim_end_matches('/');
    let config = Config::with(&[
        ("bind", "127.0.0.1:0"),
        ("public_url", &public_url),
        ("data_dir", &folder.display().to_string()),
        ("b24_client_id", CLIENT_ID),
        ("b24_client_secret", &client_secret),
        ("b24_oauth_servers", cloud),
        ("b24_js_url", &format!("{cloud}/api/v1/")),
        ("chatapp_api_url", &format!("{cloud}/chatapp/v1/")),
        ("telegram_api_url", &format!("{cloud}/telegram/")),
        // The make-believe portal has no limit, and its visitor no patience.
        ("b24_burst", "1000"),
        ("b24_rate", "1000"),
        ("allow_hosts", "127.0.0.0/8,::1,localhost"),
    ])?;
    let running = web::serve(Arc::new(App::new(config, Clock::system())?), vec![listener]).await?;
    println!("\n  Open {}/?user=1\n", portal.origin());
    println!("  1. Contact Center → install ChatApp.");
    println!("  2. Connect \"ChatApp - WhatsApp\" to the Open Channel with this ChatApp account:");
    println!("     e-mail {CHATAPP_EMAIL}   password {CHATAPP_PASSWORD}   App ID {}", demo.cabinet.app_id);
    println!("     or \"ChatApp - Telegram Bot\" with the make-believe token {BOT_TOKEN}");
    println!("     (a real bot's token works too: then talk to it from your own Telegram)");
    println!("  3. Write as the client on the phone at the right, answer in Chats.\n");
    println!("  Ctrl+C stops it.\n");
    stopped().await?;
    running.stop().await;
    Ok(())
}
