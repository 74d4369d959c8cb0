//! OAuth (behaviour 8, 9, 10): what is known of a server's provider, the tokens of users, flows under way, step-ups, and grants that are
//! yet to be revoked. Leases and lives are judged by the database's clock.

mod facts;
mod flows;
mod refresh;
mod revocations;
mod step_ups;
mod tokens;

pub(crate) use facts::OAuthFactsRow;
pub use facts::{
    OAuthFacts, oauth_drift_put, oauth_facts_delete, oauth_facts_get, oauth_facts_put, oauth_look_claim,
    oauth_looks_due, oauth_registration_claim, oauth_registration_release,
};
pub use flows::{OAuthFlow, oauth_flow_consume, oauth_flow_get, oauth_flow_insert, oauth_flows_sweep};
pub use refresh::{
    Claim, Renewed, user_token_expire, user_token_fail, user_token_refresh_claim, user_token_refresh_failed,
    user_token_refresh_look, user_token_refresh_sending, user_token_refresh_store, user_token_reject,
    user_tokens_due, user_tokens_fail_all,
};
pub use revocations::{
    Revocation, revocation_claim, revocation_done, revocation_put, revocation_retry, revocations_sweep,
};
pub use step_ups::{StepUp, step_up_prompt, step_ups_decline, step_ups_forget, step_ups_reopen};
pub(crate) use tokens::TokenRow;
pub use tokens::{
    UserToken, user_token_delete, user_token_get, user_token_put, user_token_want, user_tokens_count,
    user_tokens_delete_of_resource, user_tokens_delete_of_user, user_tokens_delete_page, user_tokens_page,
    user_tokens_resources,
};
