//! `HealthExchange.Exchange`: a proxy reports how its upstream keys are, and is told what others found.
//!
//! Nothing is acknowledged and nothing waits: a hint that does not fit because the proxy does not read is left out, and
//! a proxy that fell behind is told all that counts anew.

use std::{sync::Arc, time::Duration};

use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_proto::{HealthHint, HealthReport, health_exchange_server::HealthExchange, health_report::Message};
use tollgate_shared::{clock::Clock, ids::ProxyId};
use tonic::{Request, Response, Status, Streaming};

use super::{HealthRelay, convert, stream_age};
use crate::domain::key_health::Hint;

/// Hints that a proxy has not read yet; more are left out until it reads.
const RESPONSES: usize = 256;
/// The most states of a report, by the protocol.
const STATES_PER_REPORT: usize = 4_096;
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct HealthService {
    relay: Arc<dyn HealthRelay>,
    clock: Clock,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl HealthService {
    pub(super) fn new(relay: Arc<dyn HealthRelay>, clock: Clock, stop: CancellationToken, tasks: TaskTracker) -> Self {
        Self { relay, clock, stop, tasks }
    }
}

#[tonic::async_trait]
impl HealthExchange for HealthService {
    type ExchangeStream = ReceiverStream<Result<HealthHint, Status>>;

    async fn exchange(
        &self,
        request: Request<Streaming<HealthReport>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let (responses, receiver) = mpsc::channel(RESPONSES);
        let session = Session {
            requests: request.into_inner(),
            responses: responses.clone(),
            relay: Arc::clone(&self.relay),
            clock: self.clock.clone(),
        };
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            if let Err(status) = session.run(stop).await {
                tracing::debug!(code = ?status.code(), message = status.message(), "health stream ended");
                // A proxy that is gone or does not read needs no reason.
                drop(responses.try_send(Err(status)));
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// One stream.
struct Session {
    requests: Streaming<HealthReport>,
    responses: mpsc::Sender<Result<HealthHint, Status>>,
    relay: Arc<dyn HealthRelay>,
    clock: Clock,
}

impl Session {
    async fn run(mut self, stop: CancellationToken) -> Result<(), Status> {
        let first = tokio::time::timeout(HELLO_TIMEOUT, self.requests.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no hello came"))??;
        let Some(HealthReport { message: Some(Message::Hello(hello)) }) = first else {
            return Err(Status::invalid_argument("the first message must be a hello"));
        };
        let (proxy, boot) = convert::health_hello(&hello)?;
        let mut joined = self.relay.joined(proxy, boot);
        for hint in &joined.live {
            self.tell(proxy, hint);
        }
        let end = tokio::time::sleep(stream_age());
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Err(Status::unavailable("the control plane is stopping")),
                () = &mut end => return Ok(()),
                hint = joined.hints.recv() => match hint {
                    Ok(hint) => self.tell(proxy, &hint),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        for hint in &self.relay.live() {
                            self.tell(proxy, hint);
                        }
                    }
                    Err(broadcast::error::RecvError::Closed) => {
                        return Err(Status::unavailable("the control plane is stopping"));
                    }
                },
                request = self.requests.message() => match request? {
                    Some(HealthReport { message: Some(Message::States(states)) }) => {
                        if states.states.len() > STATES_PER_REPORT {
                            return Err(Status::invalid_argument("a report holds at most 4,096 states"));
                        }
                        let reports = states.states.into_iter().filter_map(convert::key_model_report).collect();
                        self.relay.reported(proxy, reports);
                    }
                    Some(_) => return Err(Status::invalid_argument("states are expected")),
                    None => return Ok(()),
                },
            }
        }
    }

    /// A proxy is not told what it said itself.
    fn tell(&self, proxy: ProxyId, hint: &Hint) {
        if hint.origin != Some(proxy)
            && let Some(hint) = convert::health_hint(hint, self.clock.now())
        {
            drop(self.responses.try_send(Ok(hint)));
        }
    }
}
