//! The binary: everything is in the library, so that tests run the same server.

use std::process::ExitCode;

/// A message is some hundred small allocations, on several threads; and what a burst took is given back afterwards.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    chatapp_server::cli::run().await
}
