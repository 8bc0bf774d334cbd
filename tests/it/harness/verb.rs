//! Our program's verbs, as an operator types them beside the running server.

use std::process::{Command, Stdio};

use super::Story;

impl Story {
    /// Runs a verb with the server's settings, and gives what it says: on success, and else.
    pub async fn verb(&self, arguments: &[&str]) -> Result<String, String> {
        let config = self.config();
        let application = config.applications.first().expect("the story has an application");
        let address = self.url("").replace("http://", "");
        let mut command = Command::new(env!("CARGO_BIN_EXE_chatapp-server"));
        command
            .args(arguments)
            .env("BIND", address)
            .env("PUBLIC_URL", config.public_url.as_str())
            .env("DATABASE_URL", &config.database_url)
            .env("DATA_DIR", &config.data_dir)
            .env("APP_SECRET", config.app_secret.expose())
            .env("B24_CLIENT_ID", &application.client_id)
            .env("B24_CLIENT_SECRET", application.client_secret.expose())
            .stdin(Stdio::null());
        let ended = tokio::task::spawn_blocking(move || command.output()).await.expect("the wait is not cancelled");
        let ended = ended.expect("our own program starts");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if ended.status.success() { Ok(said(&ended.stdout)) } else { Err(said(&ended.stderr)) }
    }
}
