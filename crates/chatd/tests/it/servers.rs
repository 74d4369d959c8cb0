//! The servers of a deployment and what is known of them, as a test arranges it.

use api::{
    Uuid,
    servers::{AuthStatus, AuthType},
};
use async_trait::async_trait;
use domain::{
    definitions::{DefinitionStanding, KnownDefinition, KnownDefinitions},
    mcp_server::ServerRecord,
    oauth::challenge::Challenge,
};
use mcpclient::Catalogue;
use patchbay_chatd::{PermissionAsk, ServerSource, SourceError, StepServer, TurnScope};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// The servers of a deployment, as a test arranges them.
#[derive(Default)]
pub(crate) struct Servers {
    pub(crate) step: Mutex<Vec<StepServer>>,
    /// Those of the chat's workspace.
    pub(crate) workspace: Mutex<Vec<StepServer>>,
    /// What a call finds instead of the server of the step.
    pub(crate) at_call: Mutex<Option<Option<StepServer>>>,
    pub(crate) broken: AtomicBool,
    /// The check of calls to this server panics after a moment.
    pub(crate) panic_at_call: Mutex<Option<Uuid>>,
    pub(crate) loads: AtomicU64,
    /// Tools whose listed definition nobody has accepted.
    pub(crate) unaccepted: Mutex<Vec<&'static str>>,
    /// What is listed and accepted is not any more when a call is checked.
    pub(crate) withdrawn: AtomicBool,
    /// What is accepted cannot be read.
    pub(crate) unreadable: AtomicBool,
    /// What there is after a refused credential, until it is refused as well.
    pub(crate) renewed: Mutex<Option<StepServer>>,
    pub(crate) renewing: Mutex<Renewing>,
    /// Refused credentials by server and version, and what was said of them.
    pub(crate) refusals: Mutex<Vec<(Uuid, i64, Option<Challenge>)>>,
    /// Answers to wishes for more permission; after the last one nobody is asked.
    pub(crate) asks: Mutex<VecDeque<PermissionAsk>>,
    /// Wishes by tool, with the scopes.
    pub(crate) wishes: Mutex<Vec<(String, String)>>,
}

/// How renewing goes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Renewing {
    #[default]
    Works,
    Hangs,
    Fails,
}

/// As the turn finds it; the flag is the one of the record, as an admin set it.
fn within(scope: TurnScope<'_>, server: &StepServer) -> StepServer {
    let mut server = server.clone();
    server.facts.mode = scope.mode;
    server.facts.allow_in_plan_mode = server.record.allow_in_plan_mode;
    server
}

#[async_trait]
impl ServerSource for Servers {
    async fn step_servers(&self, scope: TurnScope<'_>) -> Result<Vec<StepServer>, SourceError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        if self.broken.load(Ordering::SeqCst) {
            return Err(SourceError("scripted".to_owned()));
        }
        Ok(self.step.lock().unwrap().iter().map(|server| within(scope, server)).collect())
    }

    async fn call_server(
        &self,
        scope: TurnScope<'_>,
        server_id: Uuid,
    ) -> Result<Option<StepServer>, SourceError> {
        if *self.panic_at_call.lock().unwrap() == Some(server_id) {
            tokio::time::sleep(Duration::from_millis(500)).await;
            panic!("a scripted panic in the check of a call");
        }
        if let Some(now) = self.at_call.lock().unwrap().clone() {
            return Ok(now.map(|server| within(scope, &server)));
        }
        let step = self.step.lock().unwrap();
        Ok(step.iter().find(|server| server.record.id == server_id).map(|server| within(scope, server)))
    }

    async fn workspace_servers(&self, _chat: Uuid) -> Result<Vec<StepServer>, SourceError> {
        Ok(self.workspace.lock().unwrap().clone())
    }

    async fn definitions_learn(
        &self,
        _server: &ServerRecord,
        listed: &Catalogue,
    ) -> Result<Arc<KnownDefinitions>, SourceError> {
        if self.unreadable.load(Ordering::SeqCst) {
            return Err(SourceError("scripted".to_owned()));
        }
        let unaccepted = self.unaccepted.lock().unwrap();
        let known = listed.tools.iter().map(|tool| KnownDefinition {
            name: tool.name.clone(),
            hash: if unaccepted.contains(&tool.name.as_str()) {
                "another".to_owned()
            } else {
                tool.hash.clone()
            },
            accepted: true,
            gone: false,
        });
        Ok(Arc::new(KnownDefinitions::new(true, known)))
    }

    async fn definition_standing(
        &self,
        _server_id: Uuid,
        _tool: &str,
        _hash: &str,
    ) -> Result<DefinitionStanding, SourceError> {
        Ok(if self.withdrawn.load(Ordering::SeqCst) {
            DefinitionStanding::Changed
        } else {
            DefinitionStanding::Accepted
        })
    }

    /// As the refresher does: the newer credential while there is one, which is the stored one from now on; else the connection has ended.
    async fn credential_refused(
        &self,
        _scope: TurnScope<'_>,
        server_id: Uuid,
        credential_version: i64,
        challenge: Option<&Challenge>,
    ) -> Result<Option<StepServer>, SourceError> {
        self.refusals.lock().unwrap().push((server_id, credential_version, challenge.cloned()));
        let how = *self.renewing.lock().unwrap();
        match how {
            Renewing::Works => {}
            Renewing::Hangs => std::future::pending().await,
            Renewing::Fails => return Err(SourceError("scripted".to_owned())),
        }
        let newer = |server: &StepServer| {
            server.access.as_ref().is_ok_and(|target| target.credential_version > credential_version)
        };
        let renewed = self.renewed.lock().unwrap().clone().filter(newer);
        for server in self.step.lock().unwrap().iter_mut().filter(|server| server.record.id == server_id) {
            match &renewed {
                Some(renewed) => server.clone_from(renewed),
                None if server.record.auth_type == AuthType::Oauth2 => {
                    server.facts.auth_status = AuthStatus::NeedsReconnect;
                }
                None => {}
            }
        }
        Ok(renewed)
    }

    async fn permission_wanted(
        &self,
        _owner: Uuid,
        _server_id: Uuid,
        tool: &str,
        challenge: &Challenge,
    ) -> Result<PermissionAsk, SourceError> {
        let scope = challenge.scope.clone().unwrap_or_default();
        self.wishes.lock().unwrap().push((tool.to_owned(), scope));
        Ok(self.asks.lock().unwrap().pop_front().unwrap_or(PermissionAsk::Exhausted))
    }
}
