//! The binary: everything is in the library, so that tests run the same server.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    chatapp_server::cli::run().await
}
