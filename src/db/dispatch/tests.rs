use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    db::{Lane, PortalState, Quota, Room, Settled, testing},
    domain::ids::{ChatId, RunId},
};

async fn add(db: &Db, portal: &PortalId, lane: i64, kind: DeliveryKind) {
    let new = NewDelivery::new(Lane::Card(RunId(lane)), kind, Millis(0));
    db.delivery_add(portal, new, Millis(0)).await.unwrap();
}

async fn claim(db: &Db, now: i64) -> Vec<Delivery> {
    let usual = Quota { to_messengers: 4, to_portal: 4, ..Quota::default() };
    let room = Room { total: 64, usual, takes: true, ..Room::default() };
    db.delivery_claim(testing::node(db).await, room, Millis(now)).await.unwrap()
}

async fn settle(db: &Db, delivery: &Delivery, settled: Settled, now: i64) {
    assert!(db.delivery_settle(delivery, settled, Millis(now)).await.unwrap());
}

#[tokio::test]
async fn a_portal_with_thousands_due_leaves_room_and_costs_little() {
    let (db, _folder) = testing::db("dispatch-fair");
    let (big, small) = (testing::portal(&db, "big").await, testing::portal(&db, "small").await);
    futures_util::future::join_all((0..5000).map(|lane| add(&db, &big, lane, DeliveryKind::Note))).await;
    add(&db, &small, 9999, DeliveryKind::Note).await;
    let began = Instant::now();
    let claimed = claim(&db, 1).await;
    // Without the indexes it takes minutes; the bound is for loaded machines.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let of = |portal: &PortalId| claimed.iter().filter(|delivery| delivery.portal == *portal).count();
    assert_eq!((of(&big), of(&small)), (4, 1));
}

#[tokio::test]
async fn retries_leave_room_for_first_tries() {
    let (db, _folder) = testing::db("dispatch-first");
    let portal = testing::portal(&db, "p").await;
    for lane in 0..12 {
        add(&db, &portal, lane, DeliveryKind::Note).await;
    }
    for _claim in 0..3 {
        for delivery in claim(&db, 1).await {
            let again = Settled { due_at: Millis(5), ..Settled::new(DeliveryState::Waiting, "retry") };
            settle(&db, &delivery, again, 2).await;
        }
    }
    for lane in 100..110 {
        let new = NewDelivery::new(Lane::Card(RunId(lane)), DeliveryKind::Note, Millis(6));
        db.delivery_add(&portal, new, Millis(6)).await.unwrap();
    }
    let tries: Vec<i32> = claim(&db, 9).await.iter().map(|delivery| delivery.tries).collect();
    assert!(tries.contains(&1) && tries.contains(&2), "both have their share: {tries:?}");
}

#[tokio::test]
async fn what_a_gate_holds_stays_where_it_is_and_does_not_count_as_a_try() {
    let (db, _folder) = testing::db("dispatch-gate");
    let portal = testing::portal(&db, "p").await;
    add(&db, &portal, 1, DeliveryKind::Note).await;
    add(&db, &portal, 2, DeliveryKind::CardComment).await;
    let gated = |until| {
        let closed = vec![(DeliveryKind::Note, Millis(until))];
        let quota = Quota { to_messengers: 4, to_portal: 4, sharing: 0, closed };
        Room { total: 64, portals: HashMap::from([(portal.clone(), quota)]), takes: true, ..Room::default() }
    };
    let claimed = db.delivery_claim(testing::node(&db).await, gated(50), Millis(1)).await.unwrap();
    assert_eq!(claimed.iter().map(|it| it.kind).collect::<Vec<_>>(), [DeliveryKind::CardComment]);
    assert_eq!(db.delivery_next_due().await.unwrap(), Some(Millis(50)));
    db.portal_wake(&portal, Millis(7)).await.unwrap();
    let woken = claim(&db, 7).await;
    assert_eq!(woken[0].tries, 1);
    let waits = Settled { due_at: Millis(8), counted: false, ..Settled::new(DeliveryState::Waiting, "waits") };
    settle(&db, &woken[0], waits, 7).await;
    assert_eq!(claim(&db, 8).await[0].tries, 1, "waiting is no try");
}

#[tokio::test]
async fn a_parked_head_holds_its_lane_and_looks_again_when_it_is_due() {
    let (db, _folder) = testing::db("dispatch-parked");
    let portal = testing::portal(&db, "p").await;
    for _message in 0..2 {
        add(&db, &portal, 1, DeliveryKind::ToCore).await;
    }
    let first = claim(&db, 1).await;
    assert_eq!(first.len(), 1);
    let parked = Settled { due_at: Millis(50), ..Settled::new(DeliveryState::Parked, "x") };
    settle(&db, &first[0], parked.clone(), 2).await;
    assert!(claim(&db, 40).await.is_empty());
    let again = claim(&db, 50).await;
    assert_eq!(again[0].id, first[0].id);
    settle(&db, &again[0], parked, 51).await;
    assert_eq!(db.delivery_resume(&portal, Millis(52)).await.unwrap(), 1);
    let repaired = claim(&db, 52).await;
    settle(&db, &repaired[0], Settled::done(), 53).await;
    assert_eq!(claim(&db, 53).await.len(), 1, "the next one of the lane");
}

#[tokio::test]
async fn a_parked_portal_still_writes_to_its_clients_and_a_stopped_one_does_not() {
    let (db, _folder) = testing::db("dispatch-portal");
    let portal = testing::portal(&db, "p").await;
    for (lane, kind) in (0..).zip([DeliveryKind::ToPortal, DeliveryKind::ToCore, DeliveryKind::Uninstall]) {
        add(&db, &portal, lane, kind).await;
    }
    let kinds = async |state, now| {
        db.portal_set_state(&portal, state, Millis(now)).await.unwrap();
        db.delivery_resume(&portal, Millis(now)).await.unwrap();
        claim(&db, now).await.into_iter().map(|delivery| delivery.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(PortalState::Stopped, 1).await, [DeliveryKind::Uninstall]);
    assert_eq!(kinds(PortalState::Parked, 2).await, [DeliveryKind::ToCore]);
    assert_eq!(kinds(PortalState::Active, 3).await, [DeliveryKind::ToPortal]);
}

#[tokio::test]
async fn a_proof_brings_a_stopped_portal_back_and_leaves_a_parked_one_to_its_resumption() {
    let (db, _folder) = testing::db("dispatch-proved");
    let portal = testing::portal(&db, "p").await;
    add(&db, &portal, 0, DeliveryKind::ToPortal).await;
    for (state, then) in [(PortalState::Stopped, PortalState::Active), (PortalState::Parked, PortalState::Parked)] {
        db.portal_set_state(&portal, state, Millis(1)).await.unwrap();
        testing::portal(&db, "p").await;
        assert_eq!(db.portal_get(&portal).await.unwrap().unwrap().state, then);
    }
    assert!(claim(&db, 2).await.is_empty());
}

#[tokio::test]
async fn an_attempt_parks_no_portal_that_was_repaired_meanwhile() {
    let (db, _folder) = testing::db("dispatch-repaired");
    let portal = testing::portal(&db, "p").await;
    db.portal_set_state(&portal, PortalState::Active, Millis(20)).await.unwrap();
    let park = async |began| db.portal_park(&portal, Millis(began), |_looks| Vec::new(), Millis(30)).await.unwrap();
    assert_eq!(park(10).await, crate::db::Parking::Repaired);
    assert_eq!(park(20).await, crate::db::Parking::Begun);
    assert_eq!(park(20).await, crate::db::Parking::Already);
}

#[tokio::test]
async fn what_overtook_another_on_its_way_waits_behind_it() {
    let (db, _folder) = testing::db("dispatch-order");
    let portal = testing::portal(&db, "p").await;
    let add = async |place| {
        let new = NewDelivery::new(Lane::OutOf(ChatId(1)), DeliveryKind::ToCore, Millis(0)).payload(&place);
        db.delivery_add(&portal, NewDelivery { place, ..new }, Millis(0)).await.unwrap();
    };
    let next = async |now| {
        let claimed = claim(&db, now).await;
        assert_eq!(claimed.len(), 1);
        claimed.into_iter().next().unwrap()
    };
    for place in [7, 9, 8] {
        add(place).await;
    }
    let first = next(1).await;
    assert_eq!(first.payload, "7");
    // It has begun: what ought to have gone before it goes after it.
    for place in [6, 6, 5] {
        add(place).await;
    }
    settle(&db, &first, Settled { due_at: Millis(2), ..Settled::new(DeliveryState::Waiting, "x") }, 2).await;
    let mut order = Vec::new();
    for now in 2..8 {
        let claimed = next(now).await;
        settle(&db, &claimed, Settled::done(), now).await;
        order.push(claimed.payload);
    }
    assert_eq!(order, ["7", "6", "6", "5", "8", "9"]);
    assert!(claim(&db, 9).await.is_empty());
}
