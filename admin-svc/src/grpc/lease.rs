//! `BudgetLease.Borrow`: a proxy asks, and gets its answers one after the other.
//!
//! An answer is sent after its commit. When the database does not answer the stream ends: the proxy goes on with what
//! it holds, and comes back.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tollgate_proto::{
    Asks, BorrowRequest, BorrowResponse, Renew, borrow_request::Message, budget_lease_server::BudgetLease,
};
use tonic::{Request, Response, Status, Streaming};

use super::{BudgetLender, LenderError, convert, stream_age};
use crate::domain::budget::{Borrower, BudgetKey, Recall};

const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that the proxy has not read yet. It asks no second time before it has the first answer; one that reads nothing is
/// not listened to either.
const RESPONSES: usize = 2;

pub(super) struct LeaseService {
    lender: Arc<dyn BudgetLender>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl LeaseService {
    pub(super) fn new(lender: Arc<dyn BudgetLender>, stop: CancellationToken, tasks: TaskTracker) -> Self {
        Self { lender, stop, tasks }
    }
}

#[tonic::async_trait]
impl BudgetLease for LeaseService {
    type BorrowStream = ReceiverStream<Result<BorrowResponse, Status>>;

    async fn borrow(&self, request: Request<Streaming<BorrowRequest>>) -> Result<Response<Self::BorrowStream>, Status> {
        let (responses, receiver) = mpsc::channel(RESPONSES);
        let (lender, stop) = (Arc::clone(&self.lender), self.stop.clone());
        let requests = request.into_inner();
        self.tasks.spawn(async move {
            let session = tokio::time::timeout(stream_age(), run(lender.as_ref(), requests, &responses));
            let ended = match stop.run_until_cancelled(session).await {
                None => Err(Status::unavailable("the control plane is stopping")),
                Some(Err(_)) => Ok(()),
                Some(Ok(ended)) => ended,
            };
            if let Err(status) = ended {
                tracing::debug!(code = ?status.code(), message = status.message(), "lease stream ended");
                // A proxy that is gone or does not read needs no reason.
                drop(responses.try_send(Err(status)));
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

async fn run(
    lender: &dyn BudgetLender,
    mut requests: Streaming<BorrowRequest>,
    responses: &mpsc::Sender<Result<BorrowResponse, Status>>,
) -> Result<(), Status> {
    let borrower = hello(&mut requests).await?;
    lender.renew(&borrower).await.map_err(|error| not_now(&error))?;
    // An answer to nobody says that asks are taken.
    answer(responses, BorrowResponse::default()).await?;
    let mut recalls = lender.recalls();
    loop {
        let request = tokio::select! {
            request = requests.message() => request?,
            recall = recalls.recv() => {
                // What was missed comes with the next sign of life.
                if let Ok(Recall { budget, by }) = recall
                    && borrower.leases_outlast_periods
                    && by != borrower.boot_id
                {
                    answer(responses, shortages(vec![budget])).await?;
                }
                continue;
            }
        };
        let Some(request) = request else { return Ok(()) };
        match request.message {
            Some(Message::Asks(Asks { nonce, asks })) => {
                let grants = lender.lend(&borrower, &convert::asks(asks)?).await.map_err(|error| not_now(&error))?;
                let response = BorrowResponse { nonce, grants: convert::grants(grants), ..BorrowResponse::default() };
                answer(responses, response).await?;
            }
            Some(Message::Renew(Renew { earlier_starts_are_settled })) => {
                if earlier_starts_are_settled {
                    lender.settle_earlier_starts(&borrower).await.map_err(|error| not_now(&error))?;
                }
                let short = lender.renew(&borrower).await.map_err(|error| not_now(&error))?;
                if !short.is_empty() {
                    answer(responses, shortages(short)).await?;
                }
            }
            Some(Message::Hello(_)) | None => return Err(Status::invalid_argument("asks are expected")),
        }
    }
}

fn shortages(budgets: Vec<BudgetKey>) -> BorrowResponse {
    BorrowResponse { shortages: convert::shortages(budgets), ..BorrowResponse::default() }
}

async fn hello(requests: &mut Streaming<BorrowRequest>) -> Result<Borrower, Status> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, requests.message())
        .await
        .map_err(|_| Status::deadline_exceeded("no hello came"))??;
    match first.and_then(|request| request.message) {
        Some(Message::Hello(hello)) => convert::borrower(hello),
        _ => Err(Status::invalid_argument("the first message must be a hello")),
    }
}

async fn answer(
    responses: &mpsc::Sender<Result<BorrowResponse, Status>>,
    response: BorrowResponse,
) -> Result<(), Status> {
    responses.send(Ok(response)).await.map_err(|_| Status::cancelled("the proxy is gone"))
}

/// The one place where it is logged.
fn not_now(error: &LenderError) -> Status {
    tracing::warn!(%error, "nothing is lent to a proxy at present");
    Status::unavailable("the database does not answer")
}
