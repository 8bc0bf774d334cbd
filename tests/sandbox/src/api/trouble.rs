//! `/~/trouble`: a person makes the portal suffer, and well again.

use std::time::Duration;

use actix_web::{HttpResponse, http::StatusCode, web};
use serde::Deserialize;
use serde_json::json;

use super::{done, refused};
use crate::portal::{Bill, Fault, Portal};

/// A person that waits for a slow portal has waited long enough.
const LONGEST_MS: u64 = 600_000;

/// What is not named stays as it is.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wish {
    limits_rate: Option<bool>,
    /// `null`: nothing is billed any more.
    #[serde(deserialize_with = "given")]
    bills: Option<Option<BillWish>>,
    suffers: Option<Vec<Share>>,
    expire_tokens: bool,
    lose_refreshes: Option<u32>,
    gone_ms: Option<u64>,
    rename: bool,
}

#[derive(Deserialize)]
struct BillWish {
    #[serde(default)]
    call_ms: u64,
    #[serde(default)]
    element_ms: u64,
}

#[derive(Deserialize)]
struct Share {
    share: u8,
    fault: String,
    #[serde(default)]
    ms: u64,
}

/// Tells `null` from what is not there.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<BillWish>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn fault(wish: &Share) -> Option<Fault> {
    let time = Duration::from_millis(wish.ms.min(LONGEST_MS));
    Some(match wish.fault.as_str() {
        "query_limit" => Fault::query_limit(),
        "later" => Fault::Later { status: 429, after: (wish.ms > 0).then_some(time) },
        "html" => Fault::Html { status: 502 },
        "empty" => Fault::Empty { status: 200 },
        "cuts" => Fault::Cuts,
        "hangs" => Fault::Hangs(time),
        "slow" => Fault::DoesSlowly(time),
        "does_and_cuts" => Fault::DoesAndCuts,
        _ => return None,
    })
}

/// Answers the portal's address, which is another one after a rename.
pub(super) async fn trouble(body: web::Bytes, portal: web::Data<Portal>) -> HttpResponse {
    let Ok(wish) = serde_json::from_slice::<Wish>(&body) else {
        return refused(StatusCode::BAD_REQUEST, "no_such_trouble");
    };
    if let Some(shares) = &wish.suffers {
        let faults: Option<Vec<_>> = shares.iter().map(|one| Some((one.share, fault(one)?))).collect();
        let Some(faults) = faults else { return refused(StatusCode::BAD_REQUEST, "no_such_trouble") };
        portal.suffers(&faults);
    }
    if let Some(on) = wish.limits_rate {
        portal.limits_rate(on);
    }
    if let Some(bill) = wish.bills {
        portal.bills(bill.map(|bill| Bill {
            call: Duration::from_millis(bill.call_ms),
            element: Duration::from_millis(bill.element_ms),
        }));
    }
    if wish.expire_tokens {
        portal.expires_tokens();
    }
    if let Some(count) = wish.lose_refreshes {
        portal.loses_refreshes(count);
    }
    if wish.rename && portal.renames().await.is_err() {
        return refused(StatusCode::SERVICE_UNAVAILABLE, "no_port");
    }
    if let Some(ms) = wish.gone_ms {
        leaves(&portal, Duration::from_millis(ms.min(LONGEST_MS)));
    }
    done(json!({"result": true, "origin": portal.origin()}))
}

/// Goes away for a while, after this answer is out.
fn leaves(portal: &Portal, time: Duration) {
    let gone = portal.clone();
    portal.world().runtime.spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        gone.goes_away().await;
        tokio::time::sleep(time).await;
        if let Err(error) = gone.comes_back().await {
            eprintln!("the make-believe portal {} cannot come back: {error}", gone.domain());
        }
    });
}
