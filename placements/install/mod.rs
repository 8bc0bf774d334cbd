//! The installation page.

use crate::{Opening, Options, Refusal};

/// Accepts every code: the portal shows this page until the installation is finished, whatever was clicked.
#[expect(clippy::unnecessary_wraps, reason = "every placement opens with the same signature")]
pub(crate) fn open(options: &Options) -> Result<Opening, Refusal> {
    let code = options.code();
    let wanted = (!code.is_empty() && code != "DEFAULT").then(|| code.to_owned());
    Ok(Opening::Install { wanted })
}
