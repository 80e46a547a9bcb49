//! The stream to the control plane on which money is borrowed, for as long as the proxy lives.
//!
//! One message is under way at a time; what is wanted meanwhile goes together in the next. Both sides count in totals,
//! so that a lost answer is made good by the next one. A stream that ends changes nothing of what is held.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tollgate_proto::{
    self as proto, Ask, Asks, BorrowHello, BorrowRequest, BorrowResponse, Renew, Shortage, borrow_request::Message,
    budget_lease_client::BudgetLeaseClient,
};
use tollgate_shared::{
    backoff::Backoff,
    clock::{Clock, UnixMicros},
    secret::Secret,
};
use tonic::{Request, Status, Streaming, metadata::MetadataValue, transport::Endpoint};

use super::{
    BudgetKey, Budgets, Scope,
    account::{Account, Answer, Grant, Totals},
};
use crate::snapshot::identity::Identity;

/// The most asks of a message.
const ASKS: usize = 256;
/// Budgets of which something is fetched before the first request comes; the others wait for it a moment.
const MOST_AHEAD: usize = 1_024;
const TICK: Duration = Duration::from_secs(1);
/// A sixth of the time after which the control plane takes a lease back.
const RENEW_EVERY: u32 = 10;
/// A control plane that does not answer for so long is taken for dead.
const SILENCE: Duration = Duration::from_secs(10);
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// For the last message, which gives back what is left.
const FAREWELL: Duration = Duration::from_millis(700);

/// What the borrower works with.
pub(crate) struct BorrowerParts {
    pub(crate) budgets: Arc<Budgets>,
    pub(crate) bells: mpsc::Receiver<Arc<Account>>,
    pub(crate) endpoint: Endpoint,
    pub(crate) join_token: Secret,
    pub(crate) identity: Identity,
    /// Whether all that earlier starts of this proxy had to report is acknowledged. Never, when the sender is gone.
    pub(crate) earlier_starts_settled: watch::Receiver<bool>,
    pub(crate) clock: Clock,
}

/// Borrows for all accounts.
pub(crate) struct Borrower {
    budgets: Arc<Budgets>,
    bells: mpsc::Receiver<Arc<Account>>,
    applied: watch::Receiver<u64>,
    endpoint: Endpoint,
    join_token: Secret,
    identity: Identity,
    booted_at: UnixMicros,
    earlier_starts_settled: watch::Receiver<bool>,
    clock: Clock,
    /// Those that want something, each once.
    due: BTreeMap<BudgetKey, Arc<Account>>,
    nonce: u64,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("cannot connect: {0}")]
    Connect(#[from] tonic::transport::Error),
    #[error("{} ({:?})", .0.message(), .0.code())]
    Refused(#[from] Status),
    #[error("the join token cannot be sent as a header")]
    Token,
    #[error("closed by the control plane")]
    Closed,
    #[error("no answer in time")]
    Silent,
    #[error("an answer to something else")]
    OutOfStep,
}

/// One stream.
struct Session {
    requests: mpsc::Sender<BorrowRequest>,
    responses: Streaming<BorrowResponse>,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    nonce: u64,
    since: Instant,
    /// With what was told.
    accounts: Vec<(Arc<Account>, Totals)>,
}

impl Borrower {
    pub(crate) fn new(parts: BorrowerParts) -> Self {
        let BorrowerParts { budgets, bells, endpoint, join_token, identity, earlier_starts_settled, clock } = parts;
        let mut applied = budgets.snapshots.subscribe();
        applied.mark_changed();
        let booted_at = clock.now();
        let due = BTreeMap::new();
        Self {
            budgets,
            bells,
            applied,
            endpoint,
            join_token,
            identity,
            booted_at,
            earlier_starts_settled,
            clock,
            due,
            nonce: 0,
        }
    }

    /// Runs until `stop`, and gives back what is left then.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let mut told = false;
        while !stop.is_cancelled() {
            // On the heap: it is large, and opened seldom.
            let opening = Box::pin(Self::open(self.connection()));
            let Some(opened) = stop.run_until_cancelled(self.meanwhile(opening)).await else { return };
            let ended = match opened {
                Ok(session) => {
                    backoff.reset();
                    told = false;
                    self.borrow(session, &stop).await
                }
                Err(error) => Err(error),
            };
            self.budgets.connected.store(false, Relaxed);
            let Err(error) = ended else { return };
            // While the control plane is away, once is enough.
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(%error, "nothing can be borrowed from budgets; what is held is used up");
            }
            let wait = backoff.next(fastrand::f64());
            if stop.run_until_cancelled(self.meanwhile(tokio::time::sleep(wait))).await.is_none() {
                return;
            }
        }
    }

    /// Does something that needs no accounts, and follows the snapshots all the while.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                account = self.bells.recv() => if let Some(account) = account { account.was_heard() },
                changed = self.applied.changed() => {
                    if changed.is_err() { std::future::pending::<()>().await }
                    self.follow();
                }
            }
        }
    }

    fn connection(&self) -> Connection {
        let (endpoint, join_token) = (self.endpoint.clone(), self.join_token.clone());
        Connection { endpoint, join_token, identity: self.identity, booted_at: self.booted_at }
    }

    fn follow(&mut self) {
        let snapshot = self.budgets.snapshots.load_full();
        let mut changed = self.budgets.follow(&snapshot);
        // The newest first: their first request is the one that comes next.
        changed.sort_by_key(|account| std::cmp::Reverse(account.key.id));
        for account in changed.into_iter().take(MOST_AHEAD) {
            self.due.insert(account.key, account);
        }
    }

    async fn open(connection: Connection) -> Result<Session, Ended> {
        let Connection { endpoint, join_token, identity, booted_at } = connection;
        let bearer = format!("Bearer {}", join_token.expose());
        let mut bearer = MetadataValue::try_from(bearer).map_err(|_| Ended::Token)?;
        bearer.set_sensitive(true);
        let channel = within(CONNECT_WITHIN, endpoint.connect()).await??;
        let (requests, receiver) = mpsc::channel(4);
        let hello = BorrowHello {
            proxy_id: identity.proxy_id.to_string(),
            boot_id: identity.boot_id.to_string(),
            booted_at_unix_us: booted_at,
            leases_outlast_periods: true,
        };
        send(&requests, Message::Hello(hello)).await?;
        let mut request = Request::new(ReceiverStream::new(receiver));
        request.metadata_mut().insert("authorization", bearer);
        let mut client = BudgetLeaseClient::new(channel);
        let mut responses = within(CONNECT_WITHIN, client.borrow(request)).await??.into_inner();
        within(SILENCE, responses.message()).await??.ok_or(Ended::Closed)?;
        Ok(Session { requests, responses, under_way: None })
    }

    /// Returns well only when it is time to stop.
    async fn borrow(&mut self, mut session: Session, stop: &CancellationToken) -> Result<(), Ended> {
        self.budgets.connected.store(true, Relaxed);
        // What was granted and not heard of comes with the first answer.
        let all = self.budgets.accounts.load_full();
        let held = all.values().filter(|account| account.totals_are_known());
        self.due.extend(held.map(|account| (account.key, Arc::clone(account))));
        let mut ticks = ticker();
        let mut count = 0_u32;
        let mut settled = self.earlier_starts_settled.clone();
        let mut told_settled = false;
        loop {
            if session.under_way.is_none() && !self.due.is_empty() {
                self.ask(&mut session, false).await?;
            }
            tokio::select! {
                () = stop.cancelled() => {
                    let _ = within(FAREWELL, self.farewell(&mut session)).await;
                    return Ok(());
                }
                account = self.bells.recv() => if let Some(account) = account {
                    self.due.insert(account.key, account);
                },
                changed = self.applied.changed() => {
                    changed.map_err(|_| Ended::Closed)?;
                    self.follow();
                }
                response = session.responses.message() => {
                    let response = response?.ok_or(Ended::Closed)?;
                    self.answered(&mut session, response)?;
                }
                () = becomes_true(&mut settled), if !told_settled => {
                    told_settled = true;
                    send(&session.requests, Message::Renew(Renew { earlier_starts_are_settled: true })).await?;
                }
                _ = ticks.tick() => {
                    count += 1;
                    if count.is_multiple_of(RENEW_EVERY) {
                        send(&session.requests, Message::Renew(Renew::default())).await?;
                    }
                    if session.under_way.as_ref().is_some_and(|sent| sent.since.elapsed() > SILENCE) {
                        return Err(Ended::Silent);
                    }
                    self.look_through();
                }
            }
        }
    }

    fn look_through(&mut self) {
        let now = self.clock.now();
        let all = self.budgets.accounts.load_full();
        let due = all.values().filter(|account| account.is_due(now));
        self.due.extend(due.map(|account| (account.key, Arc::clone(account))));
        self.budgets.forget(now);
    }

    async fn ask(&mut self, session: &mut Session, closing: bool) -> Result<(), Ended> {
        let now = self.clock.now();
        let (mut asks, mut accounts) = (Vec::new(), Vec::new());
        while asks.len() < ASKS
            && let Some((key, account)) = self.due.pop_first()
        {
            let totals = account.totals(now, closing);
            asks.push(Ask {
                scope: proto::BudgetScope::from(key.scope).into(),
                id: key.id.to_string(),
                at_unix_us: now,
                period_start_unix_us: totals.period.start,
                period_end_unix_us: totals.period.end,
                granted_micros: totals.granted,
                returned_micros: totals.returned,
                need_micros: totals.need,
                least_micros: totals.least,
                ahead: totals.ahead,
            });
            accounts.push((account, totals));
        }
        self.nonce += 1;
        session.under_way = Some(UnderWay { nonce: self.nonce, since: Instant::now(), accounts });
        send(&session.requests, Message::Asks(Asks { nonce: self.nonce, asks })).await
    }

    fn answered(&mut self, session: &mut Session, response: BorrowResponse) -> Result<(), Ended> {
        let BorrowResponse { nonce, grants, shortages } = response;
        if nonce == 0 {
            self.give_back(&shortages);
            return Ok(());
        }
        let UnderWay { accounts, .. } =
            session.under_way.take_if(|sent| sent.nonce == nonce).ok_or(Ended::OutOfStep)?;
        if accounts.len() != grants.len() {
            return Err(Ended::OutOfStep);
        }
        let now = self.clock.now();
        for ((account, told), grant) in accounts.into_iter().zip(grants) {
            account.granted(Answer::from(grant.state()), &grant.into(), &told, now);
        }
        Ok(())
    }

    /// Others need what nobody uses here.
    fn give_back(&mut self, shortages: &[Shortage]) {
        let (all, now) = (self.budgets.accounts.load_full(), self.clock.now());
        for shortage in shortages {
            let Some(account) = BudgetKey::told(shortage).and_then(|key| all.get(&key)) else { continue };
            account.runs_short();
            // Those who wait for it ring for themselves.
            if account.is_due(now) {
                self.due.insert(account.key, Arc::clone(account));
            }
        }
    }

    /// Gives everything back.
    async fn farewell(&mut self, session: &mut Session) -> Result<(), Ended> {
        let all = self.budgets.accounts.load_full();
        self.due = all.iter().map(|(key, account)| (*key, Arc::clone(account))).collect();
        loop {
            if session.under_way.is_some() {
                let response = session.responses.message().await?.ok_or(Ended::Closed)?;
                self.answered(session, response)?;
            } else if self.due.is_empty() {
                return Ok(());
            } else {
                self.ask(session, true).await?;
            }
        }
    }
}

/// What opening a stream takes.
struct Connection {
    endpoint: Endpoint,
    join_token: Secret,
    identity: Identity,
    booted_at: UnixMicros,
}

impl From<Scope> for proto::BudgetScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Service => Self::Service,
            Scope::User => Self::User,
            Scope::AccessKey => Self::AccessKey,
        }
    }
}

impl BudgetKey {
    fn told(shortage: &Shortage) -> Option<Self> {
        let scope = match shortage.scope() {
            proto::BudgetScope::Service => Scope::Service,
            proto::BudgetScope::User => Scope::User,
            proto::BudgetScope::AccessKey => Scope::AccessKey,
            proto::BudgetScope::Unspecified => return None,
        };
        Some(Self { scope, id: shortage.id.parse().ok()? })
    }
}

impl From<proto::Grant> for Grant {
    fn from(grant: proto::Grant) -> Self {
        let proto::Grant {
            state: _,
            period_start_unix_us,
            period_end_unix_us,
            granted_micros,
            settled_micros,
            returned_micros,
            elsewhere_micros,
        } = grant;
        Self {
            period: period_start_unix_us..period_end_unix_us,
            total: granted_micros,
            settled: settled_micros,
            returned: returned_micros,
            elsewhere: elsewhere_micros,
        }
    }
}

impl From<proto::GrantState> for Answer {
    fn from(state: proto::GrantState) -> Self {
        match state {
            proto::GrantState::Granted => Self::Granted,
            proto::GrantState::Spent => Self::Spent,
            proto::GrantState::Busy => Self::Busy,
            proto::GrantState::NoBudget | proto::GrantState::Unspecified => Self::None,
        }
    }
}

async fn becomes_true(said: &mut watch::Receiver<bool>) {
    if said.wait_for(|said| *said).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn send(requests: &mpsc::Sender<BorrowRequest>, message: Message) -> Result<(), Ended> {
    requests.send(BorrowRequest { message: Some(message) }).await.map_err(|_| Ended::Closed)
}

async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Result<T, Ended> {
    tokio::time::timeout(time, future).await.map_err(|_| Ended::Silent)
}

fn ticker() -> Interval {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
