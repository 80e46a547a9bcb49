//! Keeps a connection in force, and sends the settlements. Its own task, beside the requests.

use std::{sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, Client, RedisError, Script, aio::MultiplexedConnection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tollgate_shared::backoff::Backoff;

use super::{Live, Settlement, Shared, is_lost};
use crate::limits::bucket::LONGEST_DEBT;

/// For a connection, TLS and log-in included, and for each answer on it.
const CONNECT: Duration = Duration::from_secs(1);
/// An answer within this shows that requests may ask again.
const QUICK: Duration = Duration::from_millis(40);
/// Between two tries: the first upper bound, and the highest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Between two looks at a connection on which nothing is sent.
const LOOK: Duration = Duration::from_secs(1);
/// Settlements that go together.
const BATCH: usize = 256;

/// The one who connects.
pub struct Keeper {
    client: Client,
    shared: Arc<Shared>,
    settlements: mpsc::Receiver<Settlement>,
    settle: Script,
}

impl Keeper {
    pub(super) fn new(client: Client, shared: Arc<Shared>, settlements: mpsc::Receiver<Settlement>) -> Self {
        Self { client, shared, settlements, settle: Script::new(include_str!("settle.lua")) }
    }

    /// Until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut failing = false;
        loop {
            match stop.run_until_cancelled(self.connect()).await {
                None => return,
                Some(Ok(connection)) => {
                    (failing, backoff) = (false, Backoff::new(FIRST_WAIT, LONGEST_WAIT));
                    // What is left from before is about counters that have gone on without it.
                    while self.settlements.try_recv().is_ok() {
                        self.shared.metrics.limits.settlements_dropped.add(1);
                    }
                    let live = self.shared.put_in_force(connection);
                    if stop.run_until_cancelled(self.serve(&live)).await.is_none() {
                        return self.send_rest(&live).await;
                    }
                }
                Some(Err(error)) => {
                    // Once an outage; the category alone, because an address may hold a password.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(error.kind = ?error.kind(), "Redis does not answer");
                    }
                }
            }
            let wait = backoff.next(fastrand::f64());
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// A connection that has answered quickly, with the scripts loaded.
    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(Some(CONNECT));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = within(CONNECT, connecting).await?;
        within(CONNECT, self.shared.script.prepare_invoke().load_async(&mut connection)).await?;
        within(CONNECT, self.settle.prepare_invoke().load_async(&mut connection)).await?;
        within(QUICK, redis::cmd("PING").query_async::<()>(&mut connection)).await?;
        Ok(connection)
    }

    /// Sends settlements until the connection is of no use.
    async fn serve(&mut self, live: &Arc<Live>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = live.broken.notified() => return,
                // Requests that do not ask about limits would not notice that it is gone.
                () = tokio::time::sleep(LOOK) => {
                    let mut connection = live.connection.clone();
                    if within(CONNECT, redis::cmd("PING").query_async::<()>(&mut connection)).await.is_err() {
                        self.shared.give_up(live, &"no answer when nothing else was asked");
                        return;
                    }
                }
                count = self.settlements.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    if let Err(error) = self.send(live, &batch).await {
                        self.shared.metrics.limits.settlements_dropped.add(count as u64);
                        let why: &dyn std::fmt::Display = if is_lost(&error) { &"connection lost" } else { &error };
                        self.shared.give_up(live, why);
                        return;
                    }
                    batch.clear();
                }
            }
        }
    }

    /// What requests told that ended before the stop.
    async fn send_rest(&mut self, live: &Live) {
        let mut batch = Vec::new();
        while let Ok(settlement) = self.settlements.try_recv() {
            batch.push(settlement);
        }
        if !batch.is_empty() && self.send(live, &batch).await.is_err() {
            self.shared.metrics.limits.settlements_dropped.add(batch.len() as u64);
        }
    }

    async fn send(&self, live: &Live, batch: &[Settlement]) -> Result<(), RedisError> {
        let mut pipeline = redis::pipe();
        for Settlement { key, daily, used, day } in batch {
            pipeline.cmd("EVALSHA").arg(self.settle.get_hash()).arg(1).arg(key);
            pipeline.arg(if *daily { "d" } else { "b" }).arg(*used).arg(*day).arg(LONGEST_DEBT / 1_000).ignore();
        }
        let mut connection = live.connection.clone();
        within(CONNECT, pipeline.query_async::<()>(&mut connection)).await
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    match tokio::time::timeout(time, work).await {
        Ok(result) => result,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}
