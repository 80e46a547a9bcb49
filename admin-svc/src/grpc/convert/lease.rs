//! Asks and grants.

use std::collections::BTreeSet;

use tollgate_proto as proto;
use tonic::Status;

use crate::domain::budget::{Ask, Borrower, BudgetKey, BudgetScope, Grant, GrantState};

/// The most asks of a message, by the protocol.
const ASKS: usize = 256;

pub(in crate::grpc) fn borrower(hello: proto::BorrowHello) -> Result<Borrower, Status> {
    let proto::BorrowHello { proxy_id, boot_id, booted_at_unix_us, leases_outlast_periods } = hello;
    Ok(Borrower {
        proxy_id: proxy_id.parse().map_err(|_| Status::invalid_argument("hello.proxy_id is not a UUID"))?,
        boot_id: boot_id.parse().map_err(|_| Status::invalid_argument("hello.boot_id is not a UUID"))?,
        booted_at: booted_at_unix_us,
        leases_outlast_periods,
    })
}

pub(in crate::grpc) fn asks(asks: Vec<proto::Ask>) -> Result<Vec<Ask>, Status> {
    if asks.len() > ASKS {
        return Err(Status::invalid_argument("a message holds at most 256 asks"));
    }
    let asks = asks.into_iter().map(ask).collect::<Result<Vec<_>, _>>()?;
    let budgets: BTreeSet<BudgetKey> = asks.iter().map(|ask| ask.budget).collect();
    if budgets.len() < asks.len() {
        return Err(Status::invalid_argument("a budget is asked of twice in a message"));
    }
    Ok(asks)
}

fn ask(ask: proto::Ask) -> Result<Ask, Status> {
    let scope = match ask.scope() {
        proto::BudgetScope::Service => BudgetScope::Service,
        proto::BudgetScope::User => BudgetScope::User,
        proto::BudgetScope::AccessKey => BudgetScope::AccessKey,
        proto::BudgetScope::Unspecified => return Err(Status::invalid_argument("ask.scope is unknown")),
    };
    let proto::Ask {
        scope: _,
        id,
        at_unix_us,
        period_start_unix_us,
        granted_micros,
        returned_micros,
        need_micros,
        ahead,
        period_end_unix_us,
        least_micros,
    } = ask;
    if granted_micros < 0 || !(0..=granted_micros).contains(&returned_micros) || need_micros < 0 {
        return Err(Status::invalid_argument("ask: amounts are not below 0, and what is returned was granted"));
    }
    if !(0..=need_micros).contains(&least_micros) {
        return Err(Status::invalid_argument("ask.least_micros is a part of what is needed"));
    }
    let id = id.parse().map_err(|_| Status::invalid_argument("ask.id is not a UUID"))?;
    Ok(Ask {
        budget: BudgetKey { scope, id },
        at: at_unix_us,
        period: period_start_unix_us..period_end_unix_us,
        granted: granted_micros,
        returned: returned_micros,
        need: need_micros,
        least: least_micros,
        ahead,
    })
}

pub(in crate::grpc) fn shortages(budgets: Vec<BudgetKey>) -> Vec<proto::Shortage> {
    budgets
        .into_iter()
        .map(|BudgetKey { scope, id }| {
            let scope = match scope {
                BudgetScope::Service => proto::BudgetScope::Service,
                BudgetScope::User => proto::BudgetScope::User,
                BudgetScope::AccessKey => proto::BudgetScope::AccessKey,
            };
            proto::Shortage { scope: scope.into(), id: id.to_string() }
        })
        .collect()
}

pub(in crate::grpc) fn grants(grants: Vec<Grant>) -> Vec<proto::Grant> {
    grants.into_iter().map(grant).collect()
}

fn grant(grant: Grant) -> proto::Grant {
    let Grant { state, period, granted, settled, returned, elsewhere, amount: _, recall: _ } = grant;
    let state = match state {
        GrantState::Granted => proto::GrantState::Granted,
        GrantState::Spent => proto::GrantState::Spent,
        GrantState::Busy => proto::GrantState::Busy,
        GrantState::NoBudget => proto::GrantState::NoBudget,
    };
    proto::Grant {
        state: state.into(),
        period_start_unix_us: period.start,
        period_end_unix_us: period.end,
        granted_micros: granted,
        settled_micros: settled,
        returned_micros: returned,
        elsewhere_micros: elsewhere,
    }
}
