//! The application's own page, from the portal's left menu.

use crate::{Opening, Options, Refusal};

/// The options of this page are parameters of the portal's address: nothing in them is needed.
pub(crate) fn open(options: &Options) -> Result<Opening, Refusal> {
    match options.code() {
        "DEFAULT" | "" => Ok(Opening::App),
        _ => Err(Refusal::WrongCode),
    }
}
