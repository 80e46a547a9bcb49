//! `BudgetLease.Borrow` on the wire.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tollgate_proto::{
    Ask, Asks, BorrowHello, BorrowRequest, BorrowResponse, BudgetScope, GrantState, Renew, Shortage,
    borrow_request::Message, budget_lease_client::BudgetLeaseClient,
};
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use crate::{
    control_plane::{ControlPlane, JOIN_TOKEN},
    database::on_both,
    events::now_us,
    proxy::{authorised, channel},
};

on_both!(
    crate::control_plane::ControlPlane::start;
    a_proxy_borrows_what_a_budget_has,
    a_proxy_borrows_what_a_users_budget_has,
    what_is_no_ask_ends_the_stream,
    a_stranger_borrows_nothing,
);

struct Borrow {
    requests: mpsc::Sender<BorrowRequest>,
    responses: Streaming<BorrowResponse>,
}

impl Borrow {
    async fn open(plane: &ControlPlane) -> Self {
        let mut this = Self::begin(plane, JOIN_TOKEN).await.unwrap();
        let (proxy_id, boot_id) = (Uuid::now_v7().to_string(), Uuid::now_v7().to_string());
        this.send(Message::Hello(BorrowHello {
            proxy_id,
            boot_id,
            booted_at_unix_us: now_us(),
            leases_outlast_periods: true,
        }))
        .await;
        assert_eq!(this.answer().await.unwrap(), BorrowResponse::default());
        this
    }

    async fn begin(plane: &ControlPlane, token: &str) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(8);
        let mut client = BudgetLeaseClient::new(channel(plane).await);
        let responses = client.borrow(authorised(ReceiverStream::new(receiver), token)).await?.into_inner();
        Ok(Self { requests, responses })
    }

    async fn send(&self, message: Message) {
        self.requests.send(BorrowRequest { message: Some(message) }).await.unwrap();
    }

    async fn answer(&mut self) -> Result<BorrowResponse, Status> {
        let message = timeout(Duration::from_secs(20), self.responses.message()).await.expect("an answer comes")?;
        message.ok_or_else(|| Status::cancelled("the stream ended"))
    }

    async fn refused(&mut self) -> Code {
        self.answer().await.unwrap_err().code()
    }
}

fn ask(id: &str, need_micros: i64) -> Ask {
    let scope = BudgetScope::AccessKey.into();
    Ask { scope, id: id.to_owned(), at_unix_us: now_us(), need_micros, ..Ask::default() }
}

async fn a_proxy_borrows_what_a_budget_has(plane: ControlPlane) {
    let (_, key) = plane.access_key("k").await;
    let budget = json!({"budget": {"amount": "1.00", "currency": "USD", "period": "day"}});
    plane.call(Method::PATCH, &format!("/api/v1/access-keys/{key}"), Some(&budget), StatusCode::OK).await;
    let mut borrow = Borrow::open(&plane).await;
    let nobody = Uuid::now_v7().to_string();
    borrow.send(Message::Asks(Asks { nonce: 7, asks: vec![ask(&nobody, 5), ask(&key, 300_000)] })).await;
    let BorrowResponse { nonce, grants, shortages: _ } = borrow.answer().await.unwrap();
    assert_eq!(nonce, 7);
    let states: Vec<GrantState> = grants.iter().map(tollgate_proto::Grant::state).collect();
    assert_eq!(states, [GrantState::NoBudget, GrantState::Granted]);
    assert_eq!((grants[0].granted_micros, grants[1].granted_micros), (0, 300_000));
    assert!((grants[1].period_start_unix_us..grants[1].period_end_unix_us).contains(&now_us()));
    borrow.send(Message::Renew(Renew::default())).await;
    let mut other = Borrow::open(&plane).await;
    other.send(Message::Asks(Asks { nonce: 1, asks: vec![ask(&key, 900_000)] })).await;
    let grant = other.answer().await.unwrap().grants.remove(0);
    assert_eq!((grant.state(), grant.granted_micros, grant.elsewhere_micros), (GrantState::Spent, 700_000, 300_000));
    let back = Ask {
        period_start_unix_us: grant.period_start_unix_us,
        period_end_unix_us: grant.period_end_unix_us,
        granted_micros: 700_000,
        returned_micros: 700_000,
        least_micros: 900_000,
        ..ask(&key, 900_000)
    };
    other.send(Message::Asks(Asks { nonce: 2, asks: vec![back] })).await;
    let grant = other.answer().await.unwrap().grants.remove(0);
    assert_eq!((grant.state(), grant.granted_micros, grant.elsewhere_micros), (GrantState::Spent, 700_000, 1_000_000));
    let shortage = Shortage { scope: BudgetScope::AccessKey.into(), id: key.clone() };
    // At once, and again with each sign of life.
    for _ in 0..2 {
        let BorrowResponse { nonce, grants, shortages } = borrow.answer().await.unwrap();
        assert_eq!((nonce, grants.len(), &shortages[..]), (0, 0, std::slice::from_ref(&shortage)));
        borrow.send(Message::Renew(Renew::default())).await;
    }
    other
        .send(Message::Asks(Asks { nonce: 3, asks: vec![Ask { least_micros: 1_000_001, ..ask(&key, 1_000_001) }] }))
        .await;
    assert_eq!(other.answer().await.unwrap().grants[0].state(), GrantState::Spent, "there never was so much");
    let standing = plane.get(&format!("/api/v1/access-keys/{key}/budget")).await;
    assert_eq!((&standing["leased"], &standing["remaining"]), (&json!("0.30"), &json!("0.70")));
    let metrics = plane.ops("/metrics").await.1;
    assert!(metrics.contains("tollgate_admin_budgets_spent_total 1"), "{metrics}");
}

async fn a_proxy_borrows_what_a_users_budget_has(plane: ControlPlane) {
    let user = json!({"email": "rich@example.com", "role": "member", "password": "a password for tests",
        "budget": {"amount": "1.00", "currency": "USD", "period": "day"}});
    let user = plane.create("/api/v1/users", &user).await;
    let user = user["id"].as_str().unwrap();
    let mut borrow = Borrow::open(&plane).await;
    // The same id in another scope is another budget.
    let of_user = Ask { scope: BudgetScope::User.into(), ..ask(user, 300_000) };
    borrow.send(Message::Asks(Asks { nonce: 1, asks: vec![ask(user, 300_000), of_user] })).await;
    let grants = borrow.answer().await.unwrap().grants;
    let states: Vec<GrantState> = grants.iter().map(tollgate_proto::Grant::state).collect();
    assert_eq!((states, grants[1].granted_micros), (vec![GrantState::NoBudget, GrantState::Granted], 300_000));
    let standing = plane.get(&format!("/api/v1/users/{user}/budget")).await;
    assert_eq!((&standing["leased"], &standing["remaining"]), (&json!("0.30"), &json!("0.70")));
}

async fn what_is_no_ask_ends_the_stream(plane: ControlPlane) {
    let mut first = Borrow::begin(&plane, JOIN_TOKEN).await.unwrap();
    first.send(Message::Renew(Renew::default())).await;
    assert_eq!(first.refused().await, Code::InvalidArgument);
    let key = Uuid::now_v7().to_string();
    for asks in [
        vec![ask("key", 1)],
        vec![Ask { scope: 0, ..ask(&key, 1) }],
        vec![ask(&key, -1)],
        vec![Ask { returned_micros: 1, ..ask(&key, 1) }],
        vec![Ask { least_micros: 2, ..ask(&key, 1) }],
        vec![ask(&key, 1), ask(&key, 1)],
        (0..257).map(|_| ask(&Uuid::now_v7().to_string(), 1)).collect(),
    ] {
        let mut borrow = Borrow::open(&plane).await;
        borrow.send(Message::Asks(Asks { nonce: 1, asks })).await;
        assert_eq!(borrow.refused().await, Code::InvalidArgument);
    }
}

async fn a_stranger_borrows_nothing(plane: ControlPlane) {
    let refused = Borrow::begin(&plane, "another token").await.err().expect("it is refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
}
