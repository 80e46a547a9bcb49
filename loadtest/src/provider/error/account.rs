//! Accounts that have nothing left to pay with.

use serde_json::{Value, json};

use super::ApiError;
use crate::provider::plan::Protocol;

impl ApiError {
    /// With the body where it is not that of the provider's other errors.
    pub(crate) fn account_spent(protocol: Protocol) -> (Self, Option<Value>) {
        match protocol {
            Protocol::OpenAi => {
                let message = "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.";
                (Self::new(429, message).code("insufficient_quota"), None)
            }
            Protocol::Anthropic => {
                let message = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.";
                (Self::new(400, message), None)
            }
            Protocol::Gemini => {
                let message = "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage your project and billing.";
                let body = json!({"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED"}});
                (Self::new(429, message), Some(body))
            }
        }
    }
}
