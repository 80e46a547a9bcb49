//! Who calls, and the proof that they may: a use case takes `&Authorised<…>`, so that leaving the check out does not
//! compile.

use std::{marker::PhantomData, ops::Deref};

use tollgate_shared::ids::{SessionId, UserId};

use super::AppError;
use crate::domain::user::{Role, User};

/// Where a change comes from, for the audit log.
#[derive(Clone, Debug)]
pub struct Source {
    /// Absent: the system itself, or somebody who is not signed in.
    pub actor_id: Option<UserId>,
    pub actor: String,
    /// The client's IP address.
    pub address: String,
    pub request_id: String,
}

impl Source {
    /// A request of somebody who is not signed in (yet).
    pub fn anonymous(address: String, request_id: String) -> Self {
        Self { actor_id: None, actor: "anonymous".to_owned(), address, request_id }
    }

    /// The service itself, or whoever runs its command line.
    pub fn system() -> Self {
        Self { actor_id: None, actor: "system".to_owned(), address: String::new(), request_id: String::new() }
    }

    pub(super) fn acting_as(&self, user: &User) -> Self {
        Self { actor_id: Some(user.id), actor: user.spec.email.clone(), ..self.clone() }
    }
}

/// A signed-in user with a live session.
#[derive(Clone, Debug)]
pub struct Caller {
    pub user: User,
    pub session: SessionId,
    pub source: Source,
}

impl Caller {
    /// The proof that this caller has a permission.
    pub fn authorise<P: Permission>(self) -> Result<Authorised<P>, AppError> {
        if P::granted_to(self.user.spec.role) {
            return Ok(Authorised { caller: self, permission: PhantomData });
        }
        Err(AppError::Forbidden("Your role does not allow this."))
    }
}

/// Something that roles may or may not do.
pub trait Permission: Send + Sync + 'static {
    fn granted_to(role: Role) -> bool;
}

/// A [`Caller`] who has a permission.
#[derive(Clone, Debug)]
pub struct Authorised<P> {
    caller: Caller,
    permission: PhantomData<fn() -> P>,
}

impl<P> Deref for Authorised<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

macro_rules! permission {
    ($($(#[$doc:meta])* $name:ident: $($role:ident)|+;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Permission for $name {
            fn granted_to(role: Role) -> bool {
                matches!(role, $(Role::$role)|+)
            }
        }
    )*};
}

permission! {
    /// Being signed in is enough.
    SignedIn: Admin | Operator | Member | Auditor;
    /// Reads providers, key pools, upstream keys and services; of access keys, a member reads their own.
    ReadConfiguration: Admin | Operator | Member | Auditor;
    /// Changes providers, key pools, upstream keys and services.
    ManageConfiguration: Admin | Operator;
    /// Makes, changes and revokes access keys; a member only their own.
    ManageAccessKeys: Admin | Operator | Member;
    ReadUsers: Admin | Auditor;
    ManageUsers: Admin;
    ReadAudit: Admin | Operator | Auditor;
    /// Reads usage; a member their own.
    ReadUsage: Admin | Operator | Member | Auditor;
    /// Reads which proxies there are and what each holds.
    ReadProxies: Admin | Operator | Auditor;
}
